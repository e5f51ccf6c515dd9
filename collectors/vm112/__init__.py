"""What the mail server itself is asked about a domain: Carbonio, its proxy and its certificate."""
