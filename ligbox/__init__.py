"""Wiring: settings, addresses, the API."""

VERSION = "1.0.0"
