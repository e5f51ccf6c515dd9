"""SPF (RFC 7208): `check_host()` and its parts. Pure: lookups are passed in."""

from collectors.standards.spf.evaluation import check_host

__all__ = ["check_host"]
