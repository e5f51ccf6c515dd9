"""Incidents: what was confirmed is grouped by its cause, in the transaction that records it.

A trouble joins the open incident of its cause, or opens it; where several domains share a thing
that explains it, their incidents become one. All wait in one order: for domains, runs, incidents
(those that are made, by key, and then those that are changed, by id) and at last the numbers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from audit.models import AuditDomain
from audit.models.results import stored_time
from audit.results import confirmation, triage, waived
from audit.results.cause import ANSWERS, WRONG, Cause, Kind, Place, answered, away, cause_of
from audit.results.confirmation import SOON_SECONDS, Change, Entry, Pace, put
from audit.results.domain_rows import Moved
from audit.results.incident_moves import Moves
from audit.results.incident_rows import OpenIncident, open_incidents
from audit.results.triage import Members
from collectors.base import CheckResult, Status

_WRONG = frozenset(map(str, WRONG))
_pace = Pace()


@dataclass
class Seen:
    """One audit as it is recorded: `before` are the last conclusive statuses as they were stored,
    `statuses` all of now; `differing`: the checks whose answer is another. `confirm`: how many
    audits do; `at_once`: a person asked for this one, and it does alone.
    """

    row: AuditDomain
    results: Mapping[str, CheckResult]
    before: Mapping[str, str]
    statuses: Mapping[str, str]
    differing: Collection[str]
    confirm: int
    at_once: bool = False
    changes: list[Change] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)  # confirmed troubles that may be others now
    _causes: dict[str, Cause | None] = field(default_factory=dict)

    @property
    def domain_id(self) -> int:
        return self.row.id

    @property
    def may_be_waived(self) -> bool:
        """Something of it is wrong, or was."""
        return bool(self.changes) or not (
            _WRONG.isdisjoint(self.statuses.values()) and _WRONG.isdisjoint(self.before.values())
        )

    @property
    def needed(self) -> int:
        """How many audits confirm what this one sees."""
        return 1 if self.at_once else self.confirm

    def cause_of(self, name: str) -> Cause | None:
        """The cause of this trouble of a check, or of what we measure through."""
        if name not in self._causes:
            row = self.row
            if name in ANSWERS:
                self._causes[name] = away(row.tenant_id, self.results).get(Kind(name))
            else:
                self._causes[name] = cause_of(row.id, row.tenant_id, name, self.results)
        return self._causes[name]

    def may_have_members(self, entries: Mapping[str, Entry]) -> bool:
        """Whether it can be part of an incident, by what was stored."""
        if not entries:
            return not _WRONG.isdisjoint(self.before.values())
        for check_id, was in self.before.items():
            if was in _WRONG and check_id not in entries:
                return True
        return any(
            c in ANSWERS or confirmation.was_confirmed("", entry) for c, entry in entries.items()
        )


def follow(lot: Sequence[Seen], now: datetime) -> Moved:
    """Confirm what these audits see again, and let incidents begin and end by it. Sets the columns
    of the rows, which are locked; what of them changed is written by the caller, who at last also
    counts what is returned: what changed of other domains that share a cause with them."""
    looked_at: list[tuple[Seen, Mapping[str, Entry]]] = []
    for seen in lot:
        entries = seen.row.unconfirmed
        unmeasured = Status.UNKNOWN in seen.statuses.values()
        if not (entries or seen.differing or unmeasured):
            continue
        _confirm(seen, now)
        looked_at.append((seen, entries))
    opened = _confirm_by_cause([seen for seen, _entries in looked_at], now)
    touched, with_members = [], []
    for seen, entries in looked_at:
        changed = seen.row.unconfirmed != entries
        if changed or seen.changes or seen.looked or seen.differing:
            touched.append(seen)
            if seen.may_have_members(entries):
                with_members.append(seen.domain_id)
    if not touched:
        return {}
    members = {seen.domain_id: Members() for seen in touched}
    members |= triage.members_of(with_members)
    moves = Moves(members, now)
    moves.know(opened)
    for seen in touched:
        _look_at_causes(seen, moves, now)
        for change in seen.changes:
            _follow_change(seen, change, moves)
    moves.make({seen.domain_id: seen.row for seen in touched})
    _take_columns(touched, moves.members, now)
    _bring_forward([seen.row for seen in touched], now)
    return moves.moved


def _confirm(seen: Seen, now: datetime) -> None:
    """Count this audit in the row's `unconfirmed`; what is confirmed by it is in `changes`."""
    row, entries = seen.row, dict(seen.row.unconfirmed)
    may_begin, needed = not triage.in_grace(row, now), seen.needed
    # without an entry, an answer that is the stored one confirms nothing
    for check_id in dict.fromkeys([*entries, *seen.differing]):
        result = seen.results.get(check_id)
        if result is None or result.status == Status.UNKNOWN or check_id not in triage.CORE:
            continue
        was, entry = seen.before.get(check_id, ""), entries.get(check_id)
        after, change = confirmation.step(
            check_id, entry, was, result.status, result.checked_at,
            needed=needed, may_begin=may_begin,
        )  # fmt: skip
        if change:
            seen.changes.append(change)
        elif (
            result.status in WRONG
            and confirmation.was_confirmed(was, entry)
            and (check_id in seen.differing or after)
        ):
            seen.looked.append(check_id)
        put(entries, check_id, after)
    unmeasured = Status.UNKNOWN in seen.statuses.values()
    missed = away(row.tenant_id, seen.results) if unmeasured else {}
    for kind in ANSWERS if missed or not entries.keys().isdisjoint(ANSWERS) else ():
        is_away, entry = kind in missed, entries.get(kind)
        if is_away or (entry and answered(kind, seen.results)):
            after, change = confirmation.step_away(
                kind, entry, is_away, now,
                needed=seen.confirm, at_once=seen.at_once,
            )  # fmt: skip
            if change:
                seen.changes.append(change)
            put(entries, kind, after)
    if entries != row.unconfirmed:
        row.unconfirmed = entries
    _note_servers(seen, missed.get(Kind.NAME_SERVER), now)


def _confirm_by_cause(lot: Sequence[Seen], now: datetime) -> list[OpenIncident]:
    """What waits for a second audit, or for the end of a grace, and follows from what is an open
    incident already is confirmed by that; these incidents. One query, where something waits for
    what is shared."""
    waiting: dict[Place, list[tuple[Seen, str]]] = {}
    for seen in lot:
        for name, entry in seen.row.unconfirmed.items():
            if place := _waits_for(seen, name, entry):
                waiting.setdefault(place, []).append((seen, name))
    opened = open_incidents(waiting)
    keys = {(kind, key) for _pk, kind, key, _tenant in opened}
    for place in [place for place in waiting if place[:2] in keys]:
        for seen, name in waiting[place]:
            _confirm_one(seen, name, now)
    return opened


def _waits_for(seen: Seen, name: str, entry: Entry) -> Place | None:
    """The shared place of a trouble that this audit has seen and that is not confirmed."""
    if name in ANSWERS:
        waits = not confirmation.is_away(entry, needed=seen.confirm)
        cause = seen.cause_of(name) if waits else None
    elif entry[0] in WRONG and name in seen.results and seen.results[name].status in WRONG:
        cause = seen.cause_of(name)
    else:
        return None
    return cause.place if cause and cause.place.kind != Kind.CHECK else None


def _confirm_one(seen: Seen, name: str, now: datetime) -> None:
    row, entries = seen.row, dict(seen.row.unconfirmed)
    entry = entries.pop(name)
    if name in ANSWERS:
        entries[name] = confirmation.confirmed(entry, needed=seen.confirm)
    row.unconfirmed = entries
    seen.changes.append(confirmation.begun(name, entry))
    if name == Kind.NAME_SERVER:
        _note_servers(seen, seen.cause_of(name), now)


def _note_servers(seen: Seen, cause: Cause | None, now: datetime) -> None:
    """Keep in the row which name servers are confirmed not to answer; where these are others than
    before, the domain has moved to them."""
    row, kind = seen.row, Kind.NAME_SERVER
    if not row.silent_servers and kind not in row.unconfirmed:
        return
    if not confirmation.is_away(row.unconfirmed.get(kind), needed=seen.confirm):
        row.silent_servers = ""
    elif cause and cause.place.key != row.silent_servers:
        row.silent_servers = cause.place.key
        if kind not in [change.check_id for change in seen.changes]:
            seen.changes.append(Change(kind, True, now))


def _look_at_causes(seen: Seen, moves: Moves, now: datetime) -> None:
    """Confirmed troubles that say something else now: of another cause, once that is confirmed."""
    row = seen.row
    for check_id in seen.looked:
        cause = seen.cause_of(check_id)
        member = moves.members[row.pk].get(check_id)
        entries = dict(row.unconfirmed)
        if cause is None:
            continue
        at = seen.results[check_id].checked_at
        if member is None:  # lost by no fault of ours: confirmed anew
            entries[check_id] = [
                str(seen.results[check_id].status), 1, stored_time(at, 0)[0]
            ]  # fmt: skip
        elif cause.belongs_to(member.kind, member.key):
            entries.pop(check_id, None)
            moves.reword(member.incident_id, cause, shared=member.is_shared)
        else:
            after, change = confirmation.moved(
                check_id, entries.get(check_id), at, needed=seen.needed
            )
            if change and cause.place.kind == Kind.CHECK and triage.in_grace(row, now):
                moves.leave(row.pk, check_id)  # what is its own waits for the end of its grace
                status = str(seen.results[check_id].status)
                after = [status, seen.needed, stored_time(change.since, 0)[0]]
            elif change:
                seen.changes.append(change)
            put(entries, check_id, after)
        row.unconfirmed = entries


def _follow_change(seen: Seen, change: Change, moves: Moves) -> None:
    row, check_id = seen.row, change.check_id
    if not change.begins:
        moves.leave(row.pk, check_id)
        return
    if (cause := seen.cause_of(check_id)) is not None:
        moves.join(row, check_id, cause, change)


def _take_columns(touched: Sequence[Seen], members: dict[int, Members], now: datetime) -> None:
    rows = {seen.domain_id: seen.row for seen in touched}
    waiving = waived.with_waivers([seen.domain_id for seen in touched if seen.may_be_waived])
    hidden: dict[int, set[str]] = {}
    if waiving:
        waived.end_what_changed({pk: rows[pk] for pk in waiving}, now)
        hidden = waived.checks_of(waiving)
    for seen in touched:
        of = members[seen.domain_id]
        waived_checks = hidden.get(seen.domain_id, set())
        triage.take_columns(seen.row, seen.statuses, of, waived_checks, now)
        triage.mark_known(of, waived_checks)


def _bring_forward(rows: Sequence[AuditDomain], now: datetime) -> None:
    """What waits for a second audit is looked at again soon: the first of those that change at the
    same time; the others are in their turn."""
    soon = now + timedelta(seconds=SOON_SECONDS)
    for row in rows:
        if not row.unconfirmed or row.requested_at or row.next_audit_at <= soon:
            continue
        if looks_again(row, now) and _pace.takes(settings.AUDIT_CONCURRENCY):
            row.next_audit_at = soon


def looks_again(row: AuditDomain, now: datetime) -> bool:
    """Whether the next audit of this domain may confirm something."""
    return (
        bool(row.unconfirmed)
        and confirmation.waits(row.unconfirmed, needed=settings.AUDIT_CONFIRM)
        and not triage.in_grace(row, now)
    )
