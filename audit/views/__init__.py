"""The pages: the overview, the scorecard of a domain, and the way in. Each fragment has its own address."""
