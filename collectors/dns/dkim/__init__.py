"""DKIM keys as an operator sees them; reading a key record stands in `standards.dkim`."""
