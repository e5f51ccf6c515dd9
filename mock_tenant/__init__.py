"""A mail-hosting company on loopback: a real DNS server, a portal, webmail over TLS, and onboarding
events, all as data.

For the demo and for tests. It knows nothing of what audits it, and is reached by configuration
alone.
"""
