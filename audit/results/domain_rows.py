"""The rows of domains as audits change them: only the columns that changed, and the numbers that
are kept of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

from django.db import connection

from audit.models import AuditDomain, TenantCounts
from audit.models.counts import COUNTED_COLUMNS, numbers_of
from audit.results.json_text import json_text

# What is written only where it changed: SQLite writes an index anew for each column that a
# statement names, also where the value stays, and the lists' indexes hold these.
STATE = (
    "score", "share", "status", "severity", "needs_customer", "needs_host", "not_measured",
    "known", "covered", "trouble_at", "onboarding", "onboarded_at", "first_healthy_at",
    "unconfirmed", "certificate_ends_at", "known_zone", "silent_servers",
)  # fmt: skip
Moved = Mapping[int, Counter[str]]  # {tenant id: {number: how many more}}
_state = attrgetter(*STATE)
_counted = attrgetter(*COUNTED_COLUMNS)


class Changes:
    """What changes in these rows, which are locked, from here on."""

    def __init__(self, rows: Iterable[AuditDomain]) -> None:
        self._was = [(row, _state(row), _counted(row)) for row in rows]

    def write(self, others: tuple[str, ...] = ()) -> Moved:
        """Write the STATE that changed, and of each row these others; what is to be counted by
        `count` at the end of the transaction."""
        groups: dict[tuple[str, ...], list[AuditDomain]] = {}
        moves: Counter[tuple[int, tuple[Any, ...], tuple[Any, ...]]] = Counter()
        for row, was, counted in self._was:
            names, now = others, _state(row)
            if now != was:
                changed = [name for name, a, b in zip(STATE, was, now, strict=True) if a != b]
                names = (*others, *changed)
                if row.enabled and (counts := _counted(row)) != counted:
                    moves[row.tenant_id, counted, counts] += 1
            if names:
                groups.setdefault(names, []).append(row)
        for names, rows in groups.items():
            update(rows, names)
        moved: dict[int, Counter[str]] = {}
        for (tenant_id, before, after), alike in moves.items():
            numbers = moved.setdefault(tenant_id, Counter())
            for more, columns in ((-alike, before), (alike, after)):
                for name in numbers_of(*columns):
                    numbers[name] += more
        return moved


def together(one: Moved, other: Moved) -> Moved:
    """Both, to be counted at once."""
    if not (one and other):
        return one or other
    both = {pk: Counter(numbers) for pk, numbers in one.items()}
    for pk, numbers in other.items():
        both.setdefault(pk, Counter()).update(numbers)
    return both


def count(moved: Moved) -> None:
    """Keep the numbers: the last thing that a transaction locks, and once."""
    AuditDomain.objects.count_anew(TenantCounts.add(moved))


def update(rows: Sequence[AuditDomain], columns: Sequence[str]) -> None:
    """Write these columns of rows that are locked, in one statement that is prepared once."""
    if not rows:
        return
    adapt = cache(connection.ops.adapt_datetimefield_value)  # many have the same times

    def stored(value: Any) -> Any:
        if isinstance(value, dict):
            return json_text(value)
        return adapt(value) if isinstance(value, datetime) else value

    values = attrgetter(*columns, "id")
    sets = ", ".join(f'"{name}" = %s' for name in columns)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {AuditDomain._meta.db_table} SET {sets} WHERE id = %s",  # noqa: S608 - no input
            [[*map(stored, values(row))] for row in rows],
        )
