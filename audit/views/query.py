"""The overview's query string: what the list is narrowed to, read with patience (bookmarks outlive names)."""

from urllib.parse import urlencode

from audit.models import AuditDomain
from audit.overview import ORDERS, OWNERS, STATUSES, Filters
from collectors.catalogue import core_checks

PAGE, MAX_PAGE = 60, 200
MAX_ID = 2**63 - 1


def filters_of(params):
    """Filters from a QueryDict; what is not on offer is left out."""
    tenant = number(params.get("tenant"), highest=MAX_ID)
    return Filters(
        tenant=tenant,
        status=_choice(params.get("status"), STATUSES),
        q=params.get("q", "").replace("\0", "").strip()[:253],
        check=_choice(params.get("check"), core_checks()),
        owner=_choice(params.get("owner"), OWNERS),
        source=_choice(params.get("source"), AuditDomain.Source.values),
        sort=_choice(params.get("sort"), ORDERS) or "worst",
    )


def limit_of(params):
    """How many cards a page holds."""
    return number(params.get("limit"), highest=MAX_PAGE) or PAGE


def query_of(filters, limit=PAGE, **changes):
    """The query string (with its `?`, or empty) of a view of the list; `changes`: other filters, or a `cursor`."""
    values = filters.query(**changes)
    if limit != PAGE:
        values["limit"] = limit
    return f"?{urlencode(values)}" if values else ""


def number(text, *, highest):
    """A whole number from 1 to `highest`, or None."""
    if text and text.isascii() and text.isdigit() and len(text) <= 19 and 1 <= int(text) <= highest:
        return int(text)
    return None


def _choice(text, offered):
    return text if text in offered else ""
