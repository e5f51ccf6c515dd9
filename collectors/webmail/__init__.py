"""webmail_http: whether people can open the webmail. How a connection is made stands in `net`."""
