"""The standards, pure: lookups are passed in, nothing is opened."""
