"""cert_le: the portal's certificate and the served one; X.509 itself stands in `standards`."""
