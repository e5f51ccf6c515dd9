"""Confirmation: what one audit sees is believed once a second one has seen it too.

`AuditDomain.unconfirmed` holds, for each check, what is seen and not confirmed:
`[status, by how many audits, since when in µs]`. So without an entry, a check that is not ok is
a confirmed trouble, and one that is ok has none. What we measure through (a portal, our resolver)
has no row that is stored; its entry stays while it is away. Pure.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from audit.models.results import stored_time
from audit.results.cause import WRONG
from collectors.base import Status

MOVED = "moved"  # the status of an entry for a trouble that has another cause now
OLD = "old"  # a fourth part of an entry: it was there before there were incidents
SOON_SECONDS = 60.0  # until a change is looked at again
Entry = list  # [status, audits, since in µs] or one with OLD behind
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Change(NamedTuple):
    """A check whose trouble is confirmed now (`begins`), or whose end is."""

    check_id: str
    begins: bool
    since: datetime
    is_old: bool = False


def since_of(entry: Entry) -> datetime:
    """Since when what an entry says is seen."""
    return _EPOCH + timedelta(microseconds=entry[2])


def anew(since: datetime) -> Entry:
    """The entry of a trouble that was confirmed, and is to be confirmed once more."""
    return [Status.FAIL.value, 1, stored_time(since, 0)[0]]


def was_confirmed(was: str, entry: Entry | None) -> bool:
    """Whether a check's trouble was confirmed: `was` is its last conclusive status."""
    return was in WRONG if entry is None else entry[0] in (Status.OK, MOVED)


def step(
    check_id: str,
    entry: Entry | None,
    was: str,
    now: str,
    at: datetime,
    *,
    needed: int,
    may_begin: bool = True,
) -> tuple[Entry | None, Change | None]:
    """One more audit: `(the entry from now on, what is confirmed by it)`.

    `was`, `now`: the conclusive statuses before and after; `needed`: how many audits confirm.
    A trouble that may not begin yet keeps its entry.
    """
    wrong = now in WRONG
    if wrong == was_confirmed(was, entry):
        kept = entry if wrong and entry and entry[0] == MOVED else None
        return kept, None
    same = entry is not None and entry[0] != MOVED and (entry[0] in WRONG) == wrong
    counted = _counted(entry if same else None, now, at, needed)
    if counted[1] >= needed and (may_begin or not wrong):
        return None, Change(check_id, wrong, since_of(counted), OLD in counted)
    return counted, None


def moved(
    check_id: str, entry: Entry | None, at: datetime, *, needed: int
) -> tuple[Entry | None, Change | None]:
    """One more audit that sees a confirmed trouble come from another cause."""
    counted = _counted(entry if entry and entry[0] == MOVED else None, MOVED, at, needed)
    if counted[1] >= needed:
        return None, Change(check_id, True, since_of(counted))
    return counted, None


def _counted(same: Entry | None, status: str, at: datetime, needed: int) -> Entry:
    """An entry with one more audit; `same`: the one that said so before."""
    if same is None:
        return [str(status), 1, stored_time(at, 0)[0]]
    return [str(status), min(same[1] + 1, needed), *same[2:]]


def step_away(
    kind: str,
    entry: Entry | None,
    is_away: bool,
    at: datetime,
    *,
    needed: int,
    at_once: bool = False,
) -> tuple[Entry | None, Change | None]:
    """One more audit that did not reach what we measure through (or did, and is measured again).

    The entry of one that is confirmed to be away stays until its end is. `at_once`: this audit
    confirms alone.
    """
    if is_away:
        if entry is not None and entry[0] == Status.OK:
            return [str(Status.UNKNOWN), needed, *entry[2:]], None
        seen = entry or [str(Status.UNKNOWN), 0, stored_time(at, 0)[0]]
        audits = needed if at_once else min(seen[1] + 1, needed)
        begins = audits >= needed > seen[1]
        return [seen[0], audits, *seen[2:]], Change(kind, True, since_of(seen)) if begins else None
    if entry is None or (entry[0] != Status.OK and entry[1] < needed):
        return None, None
    seen = entry if entry[0] == Status.OK else [str(Status.OK), 0, stored_time(at, 0)[0]]
    if at_once or seen[1] + 1 >= needed:
        return None, Change(kind, False, since_of(seen))
    return [str(Status.OK), seen[1] + 1, *seen[2:]], None


def is_away(entry: Entry | None, *, needed: int) -> bool:
    """Whether what we measure through is confirmed to be away by this entry."""
    return entry is not None and (entry[0] == Status.OK or entry[1] >= needed)


def confirmed(entry: Entry, *, needed: int) -> Entry:
    """The entry of what we measure through, once it is confirmed to be away."""
    return [entry[0], needed, *entry[2:]]


def begun(name: str, entry: Entry) -> Change:
    """The change that confirms what an entry waits for."""
    return Change(name, True, since_of(entry), OLD in entry)


def put(entries: dict[str, Entry], name: str, entry: Entry | None) -> None:
    """Have this entry from now on, or none."""
    if entry is None:
        entries.pop(name, None)
    else:
        entries[name] = entry


def waits(entries: Mapping[str, Entry], *, needed: int) -> bool:
    """Whether another audit would confirm something: what waits for a grace only does not."""
    return any(entry[1] < needed for entry in entries.values())


class Pace:
    """Who is looked at again before its turn: `most` within SOON_SECONDS, in each process. Where
    thousands change at once, the first of them are, and the others in their turn."""

    def __init__(self) -> None:
        self._left, self._at = 0.0, -SOON_SECONDS

    def takes(self, most: int) -> bool:
        """One more may go before its turn."""
        now = time.monotonic()
        self._left = min(float(most), self._left + (now - self._at) * most / SOON_SECONDS)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
