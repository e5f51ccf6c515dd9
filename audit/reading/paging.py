"""Keyset paging with opaque cursors: a page costs the same wherever it stands in the list."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.core.signing import BadSignature, Signer
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
Order = list[str]  # field names, `-` in front for descending; the last one is unique
_LAST, _FIRST = ":last", ":first"  # behind the first name: where its nulls stand

_BACK = "back"  # before the order in a cursor that leads to the page before


class CursorError(ValueError):
    """A cursor that was not made by us for this order."""


def page(
    rows: QuerySet[Row], *, order: Order, limit: int, cursor: str = ""
) -> tuple[list[Row], str | None]:
    """`(items, next_cursor)`: up to `limit` rows of a queryset in `order`, from where `cursor`
    points.

    `order` is a list of field names, `-` in front for descending, the last one unique. Only the
    first may be null: those rows come first of an ascending order and last of a descending one, or
    where `:first` or `:last` behind its name says. `next_cursor` is None on the last page. Raises
    CursorError.
    """
    items, _previous, following = turn(rows, order=order, limit=limit, cursor=cursor)
    return items, following


def turn(
    rows: QuerySet[Row], *, order: Order, limit: int, cursor: str = "", nulls: bool = True
) -> tuple[list[Row], str | None, str | None]:
    """`(items, previous_cursor, next_cursor)`: as `page`, and it may be turned back. The page that
    reaches the beginning is the first one, whole; its `previous_cursor` is None. Without `nulls`
    no row has any in the order.
    """
    made_for, values = _decode(cursor) if cursor else (order, None)
    back = made_for == [_BACK, *order]
    if made_for != order and not back:
        raise CursorError("the cursor is not valid for this list")
    if back:
        items = _take(_parts(rows, _turned(order), values, nulls=nulls), limit + 1)
        if len(items) <= limit:  # nothing is before it
            return turn(rows, order=order, limit=limit, nulls=nulls)
        items = items[:limit][::-1]
        return items, _encode([_BACK, *order], items[0]), _encode(order, items[-1])
    items = _take(_parts(rows, order, values, nulls=nulls), limit + 1)
    previous = _encode([_BACK, *order], items[0]) if items and cursor else None
    following = _encode(order, items[limit - 1]) if len(items) > limit else None
    return items[:limit], previous, following


def _take(parts: list[QuerySet[Row]], number: int) -> list[Row]:
    """The first rows of several querysets."""
    items: list[Row] = []
    for part in parts:
        if len(items) < number:
            items += part[: number - len(items)]
    return items


def _turned(order: Order) -> Order:
    """The order from the end to the beginning."""
    first, *rest = [name[1:] if name.startswith("-") else f"-{name}" for name in order]
    for here, there in ((_LAST, _FIRST), (_FIRST, _LAST)):
        if first.endswith(here):
            return [first.removesuffix(here) + there, *rest]
    return [first, *rest]


def _field(name: str) -> str:
    return name.removesuffix(_LAST).removesuffix(_FIRST).removeprefix("-")


def _nulls(rows: QuerySet[Row], order: Order) -> str:
    """Where the rows without a first column stand: _FIRST, _LAST, or '' where there are none."""
    first = order[0]
    if not rows.model._meta.get_field(_field(first)).null:
        return ""
    if first.endswith((_FIRST, _LAST)):
        return _FIRST if first.endswith(_FIRST) else _LAST
    return _LAST if first.startswith("-") else _FIRST


def _parts(
    rows: QuerySet[Row], order: Order, values: Sequence[Any] | None, *, nulls: bool
) -> list[QuerySet[Row]]:
    """The rows behind `values` in their order, in several querysets: those with the same value in
    all columns but the last, then in all but two, and so on. Of a field that may be null, the nulls
    are read apart, before or behind the others.

    Each is one range of the index that has this order. An index does not help with a condition that
    says all of it at once, and databases differ in where nulls stand.
    """
    at_nulls = _nulls(rows, order) if nulls else ""
    names = [_field(name) for name in order]
    first = names[0]
    order = [order[0].removesuffix(_LAST).removesuffix(_FIRST), *order[1:]]
    without = rows.filter(**{first: None}).order_by(*order[1:])
    others = rows.order_by(*order)
    if at_nulls:
        others = others.exclude(**{first: None})
    after = [without] if at_nulls == _LAST else []
    if values is None:
        return [*([without] if at_nulls == _FIRST else []), others, *after]
    if values[0] is None:
        among, start = without, 1
        after = [others] if at_nulls == _FIRST else []
    else:
        among, start = rows.order_by(*order), 0
    parts = []
    for n in reversed(range(start, len(order))):
        same = dict(zip(names[start:n], values[start:n], strict=True))
        parts.append(among.filter(**same, **_beyond(order[n], values[n])))
    return [*parts, *after]


def _beyond(name: str, value: Any) -> dict[str, Any]:
    field, operator = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
    return {f"{field}__{operator}": value}


def _signer() -> Signer:
    """Cursors are signed: their values go into a query, so nobody else may make one."""
    return Signer(salt="audit.paging")


def _encode(made_for: Order, row: Model) -> str:
    """A cursor at this row; `made_for`: the order, with _BACK in front where it leads back."""
    names = [_field(name) for name in made_for if name != _BACK]
    values = [getattr(row, name) for name in names]
    plain = [{"t": v.isoformat()} if isinstance(v, datetime) else v for v in values]
    return _signer().sign_object([made_for, plain]).replace(":", ".")


def _decode(cursor: str) -> tuple[Order, list[Any]]:
    try:
        made_for, plain = _signer().unsign_object(cursor.replace(".", ":"))
    except (BadSignature, UnicodeError):
        raise CursorError("the cursor is not valid for this list") from None
    return made_for, [datetime.fromisoformat(v["t"]) if isinstance(v, dict) else v for v in plain]
