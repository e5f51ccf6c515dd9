"""The REST API: authorise, fetch, one call, respond."""
