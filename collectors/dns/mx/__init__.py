"""MX: reading, judging and advising; nothing of other records."""
