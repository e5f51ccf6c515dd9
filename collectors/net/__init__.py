"""What touches the network: DNS, HTTP, TLS, the portal; bounded, recorded, and without verdicts."""
