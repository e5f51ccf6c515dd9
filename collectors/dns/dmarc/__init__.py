"""DMARC as an operator sees it; the tree walk stands in `standards.dmarc`."""
