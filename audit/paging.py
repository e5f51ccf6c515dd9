"""Keyset paging with opaque cursors: a page costs the same wherever it stands in the list."""

from datetime import datetime

from django.core.signing import BadSignature, Signer
from django.db.models import Q


class CursorError(ValueError):
    """A cursor that was not made by us for this order."""


def page(rows, *, order, limit, cursor=""):
    """`(items, next_cursor)`: up to `limit` rows of a queryset in `order`, from where `cursor` points.

    `order` is a list of field names, `-` in front for descending, the last one unique. Only the first of an ascending order
    may be null: those rows come first. `next_cursor` is None on the last page. Raises CursorError.
    """
    values = _decode(cursor, order) if cursor else None
    items: list = []
    for part in _parts(rows, order, values):
        if len(items) <= limit:
            items += part[: limit + 1 - len(items)]
    if len(items) <= limit:
        return items, None
    last = items[limit - 1]
    return items[:limit], _encode(order, [getattr(last, name.removeprefix("-")) for name in order])


def _parts(rows, order, values):
    """The rows behind `values` in their order, in one queryset or two: of a field that may be null, the nulls are read first.

    Databases differ in where nulls stand, and an expression in their place is not what the index holds.
    """
    first = order[0]
    if first.startswith("-") or not rows.model._meta.get_field(first).null:
        rows = rows.order_by(*order)
        return [rows if values is None else rows.filter(_after(order, values))]
    nulls, others = rows.filter(**{first: None}).order_by(*order[1:]), rows.exclude(**{first: None}).order_by(*order)
    if values is None:
        return [nulls, others]
    if values[0] is None:
        return [nulls.filter(_after(order[1:], values[1:])), others]
    return [others.filter(_after(order, values))]


def _after(order, values):
    """The rows behind `values`: (a > x) or (a = x and b > y) …, with a >= x in front so that the index is used."""
    condition, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field, operator = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        condition |= equal & Q(**{f"{field}__{operator}": value})
        equal &= Q(**{field: value})
    first, operator = order[0].removeprefix("-"), "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{first}__{operator}": values[0]}) & condition


def _signer():
    """Cursors are signed: their values go into a query, so nobody else may make one."""
    return Signer(salt="audit.paging")


def _encode(order, values):
    plain = [{"t": v.isoformat()} if isinstance(v, datetime) else v for v in values]
    return _signer().sign_object([order, plain]).replace(":", ".")


def _decode(cursor, order):
    try:
        made_for, plain = _signer().unsign_object(cursor.replace(".", ":"))
    except (BadSignature, UnicodeError):
        raise CursorError("the cursor is not valid for this list") from None
    if made_for != order:
        raise CursorError("the cursor is not valid for this list")
    return [datetime.fromisoformat(v["t"]) if isinstance(v, dict) else v for v in plain]
