"""Keyset paging with opaque cursors: a page costs the same wherever it stands in the list."""

import base64
import binascii
import json
from datetime import datetime

from django.db.models import Q


class CursorError(ValueError):
    """A cursor that was not made by us for this order."""


def page(rows, *, order, limit, cursor=""):
    """`(items, next_cursor)`: up to `limit` rows of a queryset in `order`, from where `cursor` points.

    `order` is a list of field names, `-` in front for descending, the last one unique; none of the fields may be null.
    `next_cursor` is None on the last page. Raises CursorError.
    """
    rows = rows.order_by(*order)
    if cursor:
        rows = rows.filter(_after(order, _decode(cursor, order)))
    items = list(rows[: limit + 1])
    if len(items) <= limit:
        return items, None
    last = items[limit - 1]
    return items[:limit], _encode(order, [getattr(last, name.removeprefix("-")) for name in order])


def _after(order, values):
    """The rows behind `values`: (a > x) or (a = x and b > y) …, with a >= x in front so that the index is used."""
    condition, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field, operator = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        condition |= equal & Q(**{f"{field}__{operator}": value})
        equal &= Q(**{field: value})
    first, operator = order[0].removeprefix("-"), "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{first}__{operator}": values[0]}) & condition


def _encode(order, values):
    plain = [{"t": v.isoformat()} if isinstance(v, datetime) else v for v in values]
    return base64.urlsafe_b64encode(json.dumps([order, plain], separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(cursor, order):
    try:
        if len(cursor) > 1000:
            raise ValueError
        made_for, plain = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = [datetime.fromisoformat(v["t"]) if isinstance(v, dict) else v for v in plain]
        if made_for != order or len(values) != len(order):
            raise ValueError
        if not all(isinstance(v, (str, datetime)) or (isinstance(v, int) and abs(v) < 2**63) for v in values):
            raise ValueError
        if any(isinstance(v, str) and "\0" in v for v in values) or any(isinstance(v, datetime) and v.tzinfo is None for v in values):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error, OverflowError):
        raise CursorError("the cursor is not valid for this list") from None
    return values
