"""SPF as an operator sees it; the evaluation by RFC 7208 stands in `standards.spf`."""
