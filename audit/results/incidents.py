"""Incidents: what was confirmed is grouped by its cause, in the transaction that records it.

A trouble joins the open incident of its cause, or opens it; where several domains share a thing
that explains it, their incidents become one. All wait in one order: for domains, runs, incidents
(those that are made, by key, and then those that are changed, by id) and at last the numbers.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from audit.models import (
    AuditDomain,
    Incident,
    IncidentDomain,
    ServerCard,
    ServerCheck,
    Tenant,
    Waiver,
)
from audit.models.results import stored_time
from audit.results import confirmation, domain_rows, triage, waived
from audit.results.cause import (
    ANSWERS,
    MEASURED,
    SHARED_BY,
    WRONG,
    Cause,
    Kind,
    Place,
    away,
    away_place,
    cause_of,
    server_place,
)
from audit.results.confirmation import SOON_SECONDS, Change, Entry, Pace
from audit.results.domain_rows import Moved
from audit.results.triage import Member, Members
from collectors.base import CheckResult, Owner, Severity, Status

SWEPT = 200  # of each kind at one sweep


_WRONG = frozenset(map(str, WRONG))


class Event(StrEnum):
    """What happens to an incident. `merged`: it goes on in the one that it is part of."""

    OPENED = "opened"
    CLOSED = "closed"
    MERGED = "merged"


Handler = Callable[[Incident, Event], None]
HANDLERS: list[Handler] = []  # filled by `subscribe` while the app starts
_pace = Pace()


def subscribe(handler: Handler) -> Handler:
    """Have `handler` called for each incident that opens or ends, inside the transaction that does
    it: it writes rows and sends nothing by itself.

    It is not called for troubles that were there before there were incidents.
    """
    if handler not in HANDLERS:
        HANDLERS.append(handler)
    return handler


def _tell(ids: Iterable[int], event: Event) -> None:
    if HANDLERS:
        for incident in Incident.objects.filter(pk__in=set(ids)).order_by("pk"):
            for handler in HANDLERS:
                handler(incident, event)


# -- one lot of audits


@dataclass
class Seen:
    """One audit as it is recorded: `before` are the last conclusive statuses as they were stored,
    `statuses` all of now; `differing`: the checks whose answer is another. `at_once`: a person
    asked for it, and it confirms alone.
    """

    row: AuditDomain
    results: Mapping[str, CheckResult]
    before: Mapping[str, str]
    statuses: Mapping[str, str]
    differing: Collection[str]
    at_once: bool = False
    changes: list[Change] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)  # confirmed troubles that may be others now

    @property
    def domain_id(self) -> int:
        return self.row.id

    @property
    def may_be_waived(self) -> bool:
        """Something of it is wrong, or was."""
        statuses = (*self.before.values(), *self.statuses.values())
        return bool(self.changes) or not _WRONG.isdisjoint(statuses)

    @property
    def needed(self) -> int:
        """How many audits confirm."""
        return 1 if self.at_once else settings.AUDIT_CONFIRM

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
    touched, with_members = [], []
    for seen in lot:
        entries = seen.row.unconfirmed
        unmeasured = Status.UNKNOWN in seen.statuses.values()
        if not (entries or seen.differing or unmeasured):
            continue
        _confirm(seen, now)
        changed = seen.row.unconfirmed != entries
        if changed or seen.changes or seen.looked or seen.differing:
            touched.append(seen)
            if seen.may_have_members(entries):
                with_members.append(seen.domain_id)
    if not touched:
        return {}
    members = {seen.domain_id: Members() for seen in touched}
    members |= triage.members_of(with_members)
    moves = _Moves(members, now)
    for seen in touched:
        _look_at_causes(seen, moves)
        for change in seen.changes:
            _follow_change(seen, change, moves)
    moves.make({seen.domain_id: seen.row for seen in touched})
    _take_columns(touched, moves.members, now)
    for seen in touched:
        _bring_forward(seen, now)
    return moves.moved


def _confirm(seen: Seen, now: datetime) -> None:
    """Count this audit in the row's `unconfirmed`; what is confirmed by it is in `changes`."""
    row, entries = seen.row, dict(seen.row.unconfirmed)
    may_begin = not triage.in_grace(row, now)
    for check_id, result in seen.results.items():
        was, entry = seen.before.get(check_id, ""), entries.get(check_id)
        if entry is None and result.status == Status.OK and was not in _WRONG:
            continue
        if result.status == Status.UNKNOWN or check_id not in triage.CORE:
            continue
        after, change = confirmation.step(
            check_id, entry, was, result.status, result.checked_at,
            needed=seen.needed, may_begin=may_begin,
        )  # fmt: skip
        if change:
            seen.changes.append(change)
        elif (
            result.status in WRONG
            and confirmation.was_confirmed(was, entry)
            and (check_id in seen.differing or after)
        ):
            seen.looked.append(check_id)
        _put(entries, check_id, after)
    missed = away(seen.results)
    for kind, checks in ANSWERS.items():
        is_away, entry = kind in missed, entries.get(kind)
        if is_away or (entry and _answered(seen, checks)):
            after, change = confirmation.step_away(
                kind, entry, is_away, now,
                needed=settings.AUDIT_CONFIRM, at_once=seen.at_once,
            )  # fmt: skip
            if change:
                seen.changes.append(change)
            _put(entries, kind, after)
    if entries != row.unconfirmed:
        row.unconfirmed = entries


def _answered(seen: Seen, checks: Iterable[str]) -> bool:
    return any(c in seen.results and seen.results[c].status != Status.UNKNOWN for c in checks)


def _put(entries: dict[str, Entry], name: str, entry: Entry | None) -> None:
    if entry is None:
        entries.pop(name, None)
    else:
        entries[name] = entry


def _look_at_causes(seen: Seen, moves: "_Moves") -> None:
    """Confirmed troubles that say something else now: of another cause, once that is confirmed."""
    row = seen.row
    for check_id in seen.looked:
        cause = cause_of(row.pk, row.tenant_id, check_id, seen.results)
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
            if not member.is_shared:
                moves.reword(member.incident_id, cause)
        else:
            after, change = confirmation.moved(
                check_id, entries.get(check_id), at, needed=seen.needed
            )
            if change:
                seen.changes.append(change)
            _put(entries, check_id, after)
        row.unconfirmed = entries


def _follow_change(seen: Seen, change: Change, moves: "_Moves") -> None:
    row, check_id = seen.row, change.check_id
    if not change.begins:
        moves.leave(row.pk, check_id)
        return
    if check_id in ANSWERS:
        kind = Kind(check_id)
        found = away(seen.results)[kind]
        cause: Cause | None = Cause(away_place(kind, row.tenant_id), *found)
    else:
        cause = cause_of(row.pk, row.tenant_id, check_id, seen.results)
    if cause is not None:
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


def _bring_forward(seen: Seen, now: datetime) -> None:
    """What waits for a second audit is looked at again soon: the first of those that change at the
    same time; the others are in their turn."""
    row = seen.row
    soon = now + timedelta(seconds=SOON_SECONDS)
    if row.requested_at or row.next_audit_at <= soon or not looks_again(row, now):
        return
    if _pace.takes(settings.AUDIT_CONCURRENCY):
        row.next_audit_at = soon


def looks_again(row: AuditDomain, now: datetime) -> bool:
    """Whether the next audit of this domain may confirm something."""
    return (
        bool(row.unconfirmed)
        and confirmation.waits(row.unconfirmed, needed=settings.AUDIT_CONFIRM)
        and not triage.in_grace(row, now)
    )


# -- what changes of incidents


class _Join(NamedTuple):
    row: AuditDomain
    check_id: str
    cause: Cause
    change: Change
    place: Place


class _Moves:
    """What one transaction changes of incidents and their members; `members`: of the domains that
    it has locked, as they are in the end."""

    def __init__(self, members: dict[int, Members], now: datetime) -> None:
        self.members, self.now = members, now
        self._before = {pk: dict(of) for pk, of in members.items()}
        self._joins: list[_Join] = []
        self._left: list[tuple[int, str]] = []
        self._ids: dict[tuple[str, str], int] = {}  # of open incidents, by kind and key
        self._tenants: dict[int, int | None] = {}  # of these
        self._opened: dict[int, bool] = {}  # {id: whether to tell of it}
        self._words: dict[int, Cause] = {}
        self.moved: Moved = {}  # of domains that were not its own

    def join(self, row: AuditDomain, check_id: str, cause: Cause, change: Change) -> None:
        """This check is part of the incident of its cause from now on."""
        member = self.members[row.pk].get(check_id)
        if member is not None:
            if cause.belongs_to(member.kind, member.key):
                return
            self.leave(row.pk, check_id)
        self._joins.append(_Join(row, check_id, cause, change, cause.place))

    def leave(self, domain_id: int, check_id: str) -> None:
        """It is part of none any more."""
        if self.members[domain_id].pop(check_id, None) is not None:
            self._left.append((domain_id, check_id))

    def reword(self, incident_id: int, cause: Cause) -> None:
        """An incident of one domain says what is found now."""
        self._words[incident_id] = cause

    def make(self, rows: Mapping[int, AuditDomain]) -> None:
        """Write all of it."""
        if not (self._joins or self._left or self._words):
            return
        merging = self._choose_places()
        self._open_missing()
        adapt = connection.ops.adapt_datetimefield_value
        joined = [self._joined(join, adapt) for join in self._joins]
        delta = self._difference()
        tenants = {self._ids[j.place.kind, j.place.key]: j.row.tenant_id for j in self._joins}
        for pk in sorted({*delta, *tenants, *self._words}):
            if cause := self._words.get(pk):
                said = Incident.objects.filter(pk=pk)
                said.update(**_said(cause), shared=_name(cause.shared))
            self._count(pk, delta.get(pk, 0), tenants.get(pk))
        with connection.cursor() as cursor:
            if self._left:
                now = adapt(self.now)
                cursor.executemany(_LEAVE, [[now, *of] for of in self._left])
            if joined:
                cursor.executemany(_JOIN, joined)
        for place in merging:
            into = self._ids[place.kind, place.key]
            moved = merge(place, into, rows, self.members, self.now)
            self.moved = domain_rows.together(self.moved, moved)
        _tell([pk for pk, told in self._opened.items() if told], Event.OPENED)
        self._close([pk for pk, n in delta.items() if n < 0])

    def _choose_places(self) -> list[Place]:
        """Where each join belongs: with others that share its thing, or by itself. Returns the
        places that single incidents are to be merged into."""
        wanted = {p for j in self._joins for p in (j.cause.place, j.cause.shared) if p}
        for pk, kind, key, tenant_id in _open_incidents(wanted):
            self._ids[kind, key], self._tenants[pk] = pk, tenant_id
        alone: dict[Place, list[_Join]] = {}
        for join in self._joins:
            shared = join.cause.shared
            if shared and (shared.kind, shared.key) not in self._ids:
                alone.setdefault(shared, []).append(join)
        shared_now = set()
        for place, joins in alone.items():
            domains = {join.row.pk for join in joins}
            if len(domains) < SHARED_BY:
                others = Incident.objects.filter(closed_at=None, shared=_name(place))
                domains |= {-pk for pk in others.values_list("pk", flat=True)[:SHARED_BY]}
            if len(domains) >= SHARED_BY:
                shared_now.add(place)
        self._joins = [
            join._replace(place=join.cause.shared)
            if join.cause.shared
            and (
                join.cause.shared in shared_now
                or (join.cause.shared.kind, join.cause.shared.key) in self._ids
            )
            else join
            for join in self._joins
        ]
        return sorted(shared_now, key=lambda p: (p.kind, p.key))

    def _open_missing(self) -> None:
        """Open the incidents that there are not yet; another process may open the same."""
        missing: dict[tuple[str, str], list[_Join]] = {}
        for join in self._joins:
            if (join.place.kind, join.place.key) not in self._ids:
                missing.setdefault((join.place.kind, join.place.key), []).append(join)
        for place in sorted(missing):
            joins = missing[place]
            pk, made = _open(joins[0].place, joins[0].cause, joins, self.now)
            self._ids[place] = pk
            if made:
                self._opened[pk] = not all(join.change.is_old for join in joins)

    def _joined(self, join: _Join, adapt: Callable[[datetime], Any]) -> list[Any]:
        """The row of a new member, and it is one."""
        pk = self._ids[join.place.kind, join.place.key]
        since = join.change.since
        self.members[join.row.pk][join.check_id] = Member(
            pk, join.place.kind, join.place.key, since, False
        )
        return [pk, join.row.id, join.check_id, adapt(since)]

    def _difference(self) -> dict[int, int]:
        """`{incident id: how many domains more}`."""
        delta: dict[int, int] = {}
        for pk, after in self.members.items():
            before = {member.incident_id for member in self._before[pk].values()}
            now = {member.incident_id for member in after.values()}
            for incident in before - now:
                delta[incident] = delta.get(incident, 0) - 1
            for incident in now - before:
                delta[incident] = delta.get(incident, 0) + 1
        return delta

    def _count(self, pk: int, more: int, tenant_id: int | None) -> None:
        """Count; an incident of several tenants is none's own."""
        with connection.cursor() as cursor:
            if more:
                cursor.execute(_COUNT, [more, more, more, more, pk])
                if more > 0 and not cursor.rowcount:
                    raise IncidentClosed(f"incident {pk} was closed meanwhile")
            if tenant_id is not None and self._tenants.get(pk) not in (None, tenant_id):
                cursor.execute(_OF_SEVERAL, [pk])

    def _close(self, ids: Collection[int]) -> None:
        """Close those that touch no domain any more and that nothing else holds open."""
        if not ids:
            return
        empty = Incident.objects.filter(pk__in=ids, closed_at=None, held=False, domains_now=0)
        closed = list(empty.values_list("pk", flat=True))
        if closed:
            Incident.objects.filter(pk__in=closed).update(closed_at=self.now)
            _tell(closed, Event.CLOSED)


class IncidentClosed(OperationalError):
    """Another process closed the incident between our look and our write: tried again."""


_COUNT = (
    "UPDATE audit_incidents SET"
    " domains_now = CASE WHEN domains_now + %s < 0 THEN 0 ELSE domains_now + %s END,"
    " domains_most = CASE WHEN domains_now + %s > domains_most THEN domains_now + %s"
    " ELSE domains_most END"
    " WHERE id = %s AND closed_at IS NULL"
)
_OPEN = (
    "SELECT id, kind, key, tenant_id FROM audit_incidents"
    " WHERE closed_at IS NULL AND (kind, key) IN (VALUES {})"
)
_OF_SEVERAL = "UPDATE audit_incidents SET tenant_id = NULL WHERE id = %s"
_LEAVE = (
    "UPDATE audit_incident_domains SET left_at = %s"
    " WHERE domain_id = %s AND check_id = %s AND left_at IS NULL"
)
_JOIN = (
    "INSERT INTO audit_incident_domains (incident_id, domain_id, check_id, since)"
    " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


def _name(place: Place | None) -> str:
    """A place as `Incident.shared` has it."""
    return f"{place.kind}:{place.key}" if place else ""


def _open_incidents(places: Collection[Place]) -> list[tuple[int, str, str, int | None]]:
    """`(id, kind, key, tenant id)` of the open ones among these."""
    if not places:
        return []
    pairs = ", ".join(["(%s, %s)"] * len(places))
    with connection.cursor() as cursor:  # at every lot of audits: not by the ORM
        cursor.execute(_OPEN.format(pairs), [text for p in places for text in (str(p.kind), p.key)])
        return list(cursor.fetchall())


def _open(place: Place, cause: Cause, joins: Sequence[_Join], now: datetime) -> tuple[int, bool]:
    """The open incident of a place, and whether it is opened by this."""
    tenants = {join.row.tenant_id for join in joins}
    own = place == cause.place
    new = Incident(
        kind=place.kind,
        key=place.key,
        tenant_id=None if len(tenants) > 1 or place.kind == Kind.RESOLVER else tenants.pop(),
        subject=place.subject,
        opened_at=min(join.change.since for join in joins),
        confirmed_at=now,
        shared=_name(cause.shared) if own else "",
        **_said(cause),
    )
    if place.kind in (Kind.SERVER, Kind.PORTAL):
        row = cause.check_id if place.kind == Kind.SERVER else "server_portal"
        checks = ServerCheck.objects.filter(tenant=new.tenant_id, check_id=row)
        if check := checks.exclude(status=Status.OK.value).first():
            new.message, new.message_source = check.message, check.message_source
    return _save(new)


def _save(new: Incident) -> tuple[int, bool]:
    """Save it, unless one of its cause is open: the constraint decides, not a look before."""
    try:
        with transaction.atomic():
            new.save(force_insert=True)
        return new.pk, True
    except IntegrityError:
        there = Incident.objects.filter(kind=new.kind, key=new.key, closed_at=None)
        found = there.values_list("pk", flat=True).first()
        if found is None:
            raise IncidentClosed(f"{new} was closed meanwhile") from None
        return found, False


def _said(cause: Cause) -> dict[str, object]:
    """What an incident says of its cause."""
    finding, of_server = cause.finding, cause.place.kind == Kind.SERVER
    because = finding.because if of_server else None
    return {
        "check_id": cause.check_id,
        "code": because.code if because else finding.code,
        "message": str(finding.message),
        "message_source": finding.message.source(),
        "owner": str(Owner.HOST if of_server else finding.owner),
        "severity": str(finding.severity),
    }


def merge(
    place: Place,
    into: int,
    rows: Mapping[int, AuditDomain],
    members: Mapping[int, Members],
    now: datetime,
) -> Moved:
    """Have the incidents of single domains that share this place go on in its incident; what is to
    be counted by it, see `domain_rows.count`.

    `rows`: the domains that the transaction has locked, `members` theirs. Domains that somebody
    else has locked are left out; a sweep takes them.
    """
    alone = Incident.objects.filter(closed_at=None, shared=_name(place)).exclude(pk=into)
    opened = dict(alone.order_by("pk").values_list("pk", "opened_at")[:SWEPT])
    parts = IncidentDomain.objects.filter(incident__in=opened, left_at=None).order_by("pk")
    found = set(parts.order_by().values_list("domain_id", flat=True))
    unlocked = AuditDomain.objects.filter(pk__in=found - rows.keys()).unlocked()
    free = rows.keys() | set(unlocked.values_list("pk", flat=True))
    goes_on = Incident.objects.filter(pk=into, closed_at=None).select_for_update(no_key=True)
    if not goes_on.values_list("pk"):  # the last of its domains left it meanwhile
        return {}
    of: dict[int, set[int]] = {}  # as it is now that nobody can change it any more
    for incident_id, domain_id in parts.values_list("incident_id", "domain_id"):
        of.setdefault(incident_id, set()).add(domain_id)
    merged = [pk for pk, domains in of.items() if domains <= free]
    if not merged:
        return {}
    others = set().union(*(of[pk] for pk in merged)) - rows.keys()
    there = IncidentDomain.objects.filter(incident=into, left_at=None)
    known = set(there.filter(domain__in=free).values_list("domain_id", flat=True))
    more = len(set().union(*(of[pk] for pk in merged)) - known)
    parts.filter(incident__in=merged).order_by().update(incident=into)
    Incident.objects.filter(pk__in=merged).update(closed_at=now, merged_into=into, domains_now=0)
    began = min(opened[pk] for pk in merged)
    Incident.objects.filter(pk=into).update(
        domains_now=F("domains_now") + more,
        domains_most=Greatest("domains_most", F("domains_now") + more),
    )
    Incident.objects.filter(pk=into, opened_at__gt=began).update(opened_at=began)
    tenants = set(AuditDomain.objects.filter(incident_members__incident=into).values_list("tenant"))
    if len(tenants) > 1:
        Incident.objects.filter(pk=into).update(tenant=None)
    for pk in rows.keys() & members.keys():
        for check_id, member in members[pk].items():
            if member.incident_id in merged:
                members[pk][check_id] = Member(into, place.kind, place.key, member.since, False)
    _tell(merged, Event.MERGED)
    return triage.refreshed(others, now)


# -- the server card


def server_changed(
    tenant_id: int,
    before: Mapping[str, ServerCheck | None],
    after: Mapping[str, ServerCheck],
    *,
    at_once: bool = False,
) -> None:
    """Rows of a tenant's server card were judged, in the transaction that keeps them.

    `before`: {check_id: the row as it was stored, None for a first one}; `after`: {check_id: the
    row as it is now}. Give all that were judged, changed or not: the second audit confirms.
    `at_once`: a person asked for it, and it confirms alone.
    """
    now = timezone.now()
    card, _made = ServerCard.objects.select_for_update().get_or_create(tenant_id=tenant_id)
    entries = dict(card.unconfirmed)
    held: list[tuple[ServerCheck, datetime]] = []
    ended: list[str] = []
    for row, check in sorted(after.items()):
        if check.status == Status.UNKNOWN:
            continue
        old = before.get(row)
        entry, change = confirmation.step_away(
            row, entries.get(row), check.status in WRONG, check.checked_at,
            needed=settings.AUDIT_CONFIRM, at_once=at_once,
        )  # fmt: skip
        _put(entries, row, entry)
        if change and not change.begins:
            ended.append(row)
        elif change or (
            old and entry and entry[1] >= settings.AUDIT_CONFIRM and _says_else(old, check)
        ):
            held.append((check, change.since if change else now))
    gone = entries.keys() - after.keys()
    if gone := gone - set(_there(tenant_id)):  # nothing to be judged any more
        ended += sorted(gone)
        entries = {row: entry for row, entry in entries.items() if row not in gone}
    if entries != card.unconfirmed:
        ServerCard.objects.filter(pk=card.pk).update(unconfirmed=entries)
    over = [place for row in ended for place in _places(tenant_id, row)]
    over += [
        place
        for check, _since in held
        for place in _places(tenant_id, check.check_id)
        if place != _place_of(check)
    ]
    if held or over:
        _change_places(held, over, now)


def _change_places(
    held: Collection[tuple[ServerCheck, datetime]], over: Collection[Place], now: datetime
) -> None:
    """What a card says of these places, in the order in which all wait: domains, incidents that
    are made, by key, and those that are changed, by id."""
    ending = Q(pk=None)
    for place in over:
        ending |= Q(kind=place.kind, key=place.key, closed_at=None)
    parts = IncidentDomain.objects.filter(
        incident__in=Incident.objects.filter(ending), left_at=None
    )  # whatever waits for its end is looked at soon
    AuditDomain.objects.filter(pk__in=parts.values("domain")).make_due(now)
    saved = [
        (check, *_save(_of_card(_place_of(check), check, since, now)))
        for check, since in sorted(held, key=lambda one: _place_of(one[0]))
    ]
    of_these = Q(pk__in=[pk for _check, pk, _made in saved], closed_at=None) | ending
    rows = Incident.objects.filter(of_these).order_by("pk").select_for_update(no_key=True)
    locked = {row.pk: row for row in rows}
    for check, pk, made in saved:
        if pk not in locked:  # its last domain left meanwhile
            raise IncidentClosed(f"incident {pk} was closed meanwhile")
        if not made:
            Incident.objects.filter(pk=pk).update(**_said_by(check))
    _tell([pk for _check, pk, made in saved if made], Event.OPENED)
    kept = {pk for _check, pk, _made in saved}
    _release([row for pk, row in locked.items() if pk not in kept], now)


def _there(tenant_id: int) -> Iterable[str]:
    return ServerCheck.objects.filter(tenant=tenant_id).values_list("check_id", flat=True)


def _says_else(before: ServerCheck, after: ServerCheck) -> bool:
    return [f["code"] for f in before.findings[:1]] != [f["code"] for f in after.findings[:1]]


def _places(tenant_id: int, row: str) -> list[Place]:
    """Where troubles of a row may belong."""
    places = {server_place(tenant_id, row), Place(Kind.SERVER, f"{tenant_id}:{row}", row)}
    return sorted(places)


def _place_of(check: ServerCheck) -> Place:
    """Where what a row says now belongs: a clock that is off keeps nobody from measuring."""
    if check.findings and check.findings[0]["code"] in MEASURED:
        return Place(Kind.SERVER, f"{check.tenant_id}:{check.check_id}", check.check_id)
    return server_place(check.tenant_id, check.check_id)


def _of_card(place: Place, check: ServerCheck, since: datetime, now: datetime) -> Incident:
    return Incident(
        kind=place.kind,
        key=place.key,
        tenant_id=check.tenant_id,
        subject=place.subject,
        opened_at=since,
        confirmed_at=now,
        **_said_by(check),
    )


def _said_by(check: ServerCheck) -> dict[str, Any]:
    """What an incident says that is open as long as the card says so."""
    worst = check.findings[0] if check.findings else None
    return {
        "check_id": check.check_id,
        "code": worst["code"] if worst else "",
        "message": check.message,
        "message_source": check.message_source,
        "owner": worst["owner"] if worst else Owner.HOST.value,
        "severity": worst["severity"] if worst else Severity.FAIL.value,
        "held": True,
    }


def _release(rows: Iterable[Incident], now: datetime) -> None:
    """The card says that it is over: the incident closes when its last domain says so too."""
    for incident in rows:
        incident.held = False
        if not incident.domains_now:
            incident.closed_at = now
        incident.save(update_fields=["held", "closed_at"])
        if incident.closed_at:
            _tell([incident.pk], Event.CLOSED)


# -- what no audit sees to


def sweep(now: datetime) -> None:
    """What the tick takes up: waivers whose time is over, members that are audited no more, and
    incidents of single domains that a shared one left behind. Cheap where there is nothing."""
    over = Waiver.objects.filter(ended_at=None, until__lte=now).order_by("until")
    if domains := set(over.values_list("domain_id", flat=True)[:SWEPT]):
        with transaction.atomic():
            ids = list(_lock(domains))
            over.order_by().filter(domain__in=ids).update(ended_at=now, ended_why=Waiver.Ended.TIME)
            triage.refresh(ids, now)
    disabled = Tenant.objects.filter(enabled=False)
    parts = IncidentDomain.objects.filter(left_at=None)
    held = Incident.objects.filter(closed_at=None, held=True, tenant__in=disabled)
    for pk, tenant_id in held.values_list("pk", "tenant_id")[:SWEPT]:
        _forget_card(pk, tenant_id, now)
    for idle in (
        parts.filter(domain__in=AuditDomain.objects.filter(enabled=False)),
        parts.filter(incident__in=Incident.objects.filter(closed_at=None, tenant__in=disabled)),
    ):
        if domains := set(idle.order_by().values_list("domain_id", flat=True)[:SWEPT]):
            _let_go(domains, now)
    _merge_left_behind(now)


def _lock(domain_ids: Collection[int]) -> list[int]:
    """Those of these that nobody else holds, locked: a sweep waits for none, it comes again."""
    return list(
        AuditDomain.objects.filter(pk__in=domain_ids).unlocked().values_list("pk", flat=True)
    )


@transaction.atomic
def _let_go(domain_ids: Collection[int], now: datetime) -> None:
    """Take domains that nobody audits out of their incidents; audited again, they are confirmed
    anew."""
    rows = {d.pk: d for d in AuditDomain.objects.filter(pk__in=_lock(domain_ids))}
    members = triage.members_of(rows)
    moves = _Moves(members, now)
    for pk, row in rows.items():
        entries = {c: e for c, e in row.unconfirmed.items() if c not in ANSWERS}
        for check_id, member in list(members[pk].items()):
            moves.leave(pk, check_id)
            if check_id not in ANSWERS:
                entries[check_id] = [
                    Status.FAIL.value, 1, stored_time(member.since, 0)[0]
                ]  # fmt: skip
        AuditDomain.objects.filter(pk=pk).update(unconfirmed=entries)
    moves.make(rows)
    triage.refresh(rows, now)


@transaction.atomic
def _forget_card(incident_id: int, tenant_id: int | None, now: datetime) -> None:
    """A server card that is judged no more holds nothing open; judged again, it is confirmed
    anew."""
    ServerCard.objects.filter(tenant=tenant_id).update(unconfirmed={})
    Incident.objects.filter(pk=incident_id).update(held=False)
    empty = Incident.objects.filter(pk=incident_id, closed_at=None, domains_now=0)
    if empty.update(closed_at=now):
        _tell([incident_id], Event.CLOSED)


def _merge_left_behind(now: datetime) -> None:
    alone = Incident.objects.filter(closed_at=None).exclude(shared="").order_by()
    names = list(alone.values_list("shared", flat=True).distinct()[:SWEPT])
    places = [Place(Kind(kind), key) for kind, _colon, key in (n.partition(":") for n in names)]
    for pk, kind, key, _tenant_id in _open_incidents(places):
        with transaction.atomic():
            domain_rows.count(merge(Place(Kind(kind), key), pk, {}, {}, now))


def hold_numbers_against_rows() -> int:
    """Hold the numbers of all open incidents against their rows; how many were wrong. What seems to
    be wrong is counted anew while nobody can change it, one at a time."""
    members = Count("members__domain", filter=Q(members__left_at=None), distinct=True)
    rows = Incident.objects.filter(closed_at=None).annotate(members_now=members)
    seem = rows.exclude(domains_now=F("members_now")) | rows.filter(domains_now=0, held=False)
    wrong = 0
    for pk in list(seem.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            wrong += Incident.objects.recount([pk])
    return wrong
