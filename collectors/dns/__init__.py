"""The checks that ask public DNS, a room each; how a lookup is made stands in `net`."""
