"""The agent of agent/: on recorded shapes, a real slapd and nginx, and as it is installed."""
