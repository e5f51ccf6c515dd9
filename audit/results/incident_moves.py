"""What one transaction changes of incidents and their members."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from audit.models import AuditDomain, Incident, ServerCheck
from audit.results import domain_rows, lost_upstream
from audit.results.cause import RESOLVER, SHARED_BY, Cause, Kind, Place
from audit.results.confirmation import Change
from audit.results.domain_rows import Moved
from audit.results.incident_events import Event, tell
from audit.results.incident_merging import gather, merge
from audit.results.incident_rows import (
    IncidentClosed,
    OpenIncident,
    is_news,
    name_of,
    open_incidents,
    said,
    save,
)
from audit.results.triage import Member, Members
from collectors.base import Severity, Status

_COUNT = (
    "UPDATE audit_incidents SET"
    " domains_now = CASE WHEN domains_now + %s < 0 THEN 0 ELSE domains_now + %s END,"
    " domains_most = CASE WHEN domains_now + %s > domains_most THEN domains_now + %s"
    " ELSE domains_most END"
    " WHERE id = %s AND closed_at IS NULL"
)
_EMPTY = (
    "SELECT id FROM audit_incidents"
    " WHERE closed_at IS NULL AND NOT held AND domains_now = 0 AND id IN ({})"
)
_LEAVE = (
    "UPDATE audit_incident_domains SET left_at = %s"
    " WHERE domain_id = %s AND check_id = %s AND left_at IS NULL"
)
_JOIN = (
    "INSERT INTO audit_incident_domains (incident_id, domain_id, check_id, since)"
    " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


class Join(NamedTuple):
    row: AuditDomain
    check_id: str
    cause: Cause
    change: Change
    place: Place


class Moves:
    """What one transaction changes of incidents and their members; `members`: of the domains that
    it has locked, as they are in the end."""

    def __init__(self, members: dict[int, Members], now: datetime) -> None:
        self.members, self.now = members, now
        self._before = {pk: dict(of) for pk, of in members.items()}
        self._joins: list[Join] = []
        self._left: list[tuple[int, str]] = []
        self._ids: dict[tuple[str, str], int] = {}  # of open incidents, by kind and key
        self._tenants: dict[int, int | None] = {}  # of these
        self._opened: dict[int, bool] = {}  # {id: whether to tell of it}
        self._words: dict[int, Cause] = {}
        self._worse: dict[int, Cause] = {}  # of shared things
        self._changed: set[int] = set()  # what may be for others now
        self._gathered: list[Place] = []  # opened by this for name servers that fail
        self.moved: Moved = {}  # of domains that were not its own

    def know(self, incidents: Iterable[OpenIncident]) -> None:
        """These are open."""
        for pk, kind, key, tenant_id in incidents:
            self._ids[kind, key], self._tenants[pk] = pk, tenant_id

    def join(self, row: AuditDomain, check_id: str, cause: Cause, change: Change) -> None:
        """This check is part of the incident of its cause from now on."""
        member = self.members[row.pk].get(check_id)
        if member is not None:
            if cause.belongs_to(member.kind, member.key):
                return
            self.leave(row.pk, check_id)
        self._joins.append(Join(row, check_id, cause, change, cause.place))

    def leave(self, domain_id: int, check_id: str) -> None:
        """It is part of none any more."""
        if self.members[domain_id].pop(check_id, None) is not None:
            self._left.append((domain_id, check_id))

    def reword(self, incident_id: int, cause: Cause, *, shared: bool = False) -> None:
        """An incident of one domain says what is found now; one of a `shared` thing, what is the
        worst of it."""
        if not shared:
            self._words[incident_id] = cause
        elif cause.shared and cause.finding.severity == Severity.FAIL:
            self._worse[incident_id] = cause

    def make(self, rows: Mapping[int, AuditDomain]) -> None:
        """Write all of it."""
        if not (self._joins or self._left or self._words or self._worse):
            return
        merging = self._choose_places()
        self._open_missing()
        adapt = connection.ops.adapt_datetimefield_value
        joined = [self._joined(join, adapt) for join in self._joins]
        delta = self._difference()
        emptied: list[int] = []
        tenants: dict[int, set[int]] = {}
        for join in self._joins:
            pk = self._ids[join.place.kind, join.place.key]
            tenants.setdefault(pk, set()).add(join.row.tenant_id)
            if join.place == join.cause.shared and pk not in self._opened:
                self.reword(pk, join.cause, shared=True)
        with connection.cursor() as cursor:
            for pk in sorted({*delta, *tenants, *self._words, *self._worse}):
                self._say(pk)
                self._count(cursor, pk, delta.get(pk, 0), tenants.get(pk, set()))
            if self._left:
                now = adapt(self.now)
                cursor.executemany(_LEAVE, [[now, *of] for of in self._left])
            if joined:
                cursor.executemany(_JOIN, joined)
            if less := [pk for pk, n in delta.items() if n < 0]:
                cursor.execute(_EMPTY.format(", ".join(["%s"] * len(less))), less)
                emptied = [pk for (pk,) in cursor.fetchall()]
        for place in merging:
            into = self._ids[place.kind, place.key]
            moved = merge(place, into, rows, self.members, self.now)
            self.moved = domain_rows.together(self.moved, moved)
        for place in self._gathered:
            into = self._ids[place.kind, place.key]
            moved = gather(place, into, rows, self.members, self.now)
            self.moved = domain_rows.together(self.moved, moved)
        tell([pk for pk, told in self._opened.items() if told], Event.OPENED)
        tell(self._changed - self._opened.keys(), Event.CHANGED)
        if emptied:
            Incident.objects.filter(pk__in=emptied).update(closed_at=self.now)
            tell(emptied, Event.CLOSED)

    def _choose_places(self) -> list[Place]:
        """Where each join belongs: with others that share its thing, or by itself. Returns the
        places that single incidents are to be merged into."""
        wanted = {p for j in self._joins for p in (j.cause.place, j.cause.shared) if p}
        if any(place.kind == Kind.NAME_SERVER for place in wanted):
            wanted.add(RESOLVER)
        self.know(open_incidents({p for p in wanted if p[:2] not in self._ids}))
        self._leave_out_few()
        alone: dict[Place, list[Join]] = {}
        for join in self._joins:
            shared = join.cause.shared
            if shared and (shared.kind, shared.key) not in self._ids:
                alone.setdefault(shared, []).append(join)
        shared_now = set()
        for place, joins in alone.items():
            domains = {join.row.pk for join in joins}
            if len(domains) < SHARED_BY:
                others = Incident.objects.filter(closed_at=None, shared=name_of(place))
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

    def _leave_out_few(self) -> None:
        """Name servers that fail are an incident once several domains share them, and while our
        resolver is not the cause; many that fail at once are its."""
        joins: dict[Place, set[int]] = {}
        for join in self._joins:
            if join.place.kind == Kind.NAME_SERVER and join.place[:2] not in self._ids:
                joins.setdefault(join.place, set()).add(join.row.pk)
        if joins and (ours := self._lost_upstream(joins)):
            self._joins = [
                join._replace(place=RESOLVER, cause=ours) if join.place in joins else join
                for join in self._joins
            ]
            return
        for place, domains in joins.items():
            if RESOLVER[:2] not in self._ids and _are_several(place, domains):
                self._gathered.append(place)
            else:
                self._joins = [join for join in self._joins if join.place != place]

    def _lost_upstream(self, places: Collection[Place]) -> Cause | None:
        """The cause of these silent name servers, where it is our resolver or our line."""
        rows = [join.row for join in self._joins if join.place in places]
        if lost_upstream.taken_in(self._ids.get(RESOLVER[:2])):  # and none of the others is read
            return lost_upstream.Silent({}, {row.silent_servers for row in rows}).cause
        silent = lost_upstream.found(rows, self.now)
        return silent.cause if silent else None

    def _open_missing(self) -> None:
        """Open the incidents that there are not yet; another process may open the same."""
        missing: dict[tuple[str, str], list[Join]] = {}
        for join in self._joins:
            if (join.place.kind, join.place.key) not in self._ids:
                missing.setdefault((join.place.kind, join.place.key), []).append(join)
        for place in sorted(missing):
            joins = missing[place]
            tenants = {join.row.tenant_id for join in joins}
            since = min(join.change.since for join in joins)
            pk, made = open_of(joins[0].place, joins[0].cause, tenants, since, self.now)
            self._ids[place] = pk
            if made:
                self._opened[pk] = not all(join.change.is_old for join in joins)

    def _joined(self, join: Join, adapt: Callable[[datetime], Any]) -> list[Any]:
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

    def _say(self, pk: int) -> None:
        """What is found now; that it is worse, or for another to act, may be news to others."""
        rows = Incident.objects.filter(pk=pk)
        if (cause := self._words.get(pk)) is not None:
            was = rows.values_list("owner", "severity").first()
            words = said(cause)
            rows.update(**words, shared=name_of(cause.shared))
            if was and is_news(was, words):
                self._changed.add(pk)
        elif (cause := self._worse.get(pk)) is not None:
            milder = rows.filter(severity=Severity.WARN.value, closed_at=None)
            if milder.update(**said(cause)):
                self._changed.add(pk)

    def _count(self, cursor: CursorWrapper, pk: int, more: int, tenants: set[int]) -> None:
        """Count; an incident of several tenants is none's own."""
        if more:
            cursor.execute(_COUNT, [more, more, more, more, pk])
            if more > 0 and not cursor.rowcount:
                raise IncidentClosed(f"incident {pk} was closed meanwhile")
        if not tenants or pk not in self._tenants:
            return
        rows = Incident.objects.filter(pk=pk)
        if (of := self._tenants[pk]) is not None:
            reached = {of}
        elif more > 0:  # not by its members, who may be thousands
            reached = set(rows.values_list("reached", flat=True).get())
        else:
            return
        if tenants - reached:
            rows.update(tenant=None, reached=sorted(reached | tenants))
            self._changed.add(pk)


def _are_several(place: Place, domains: Collection[int]) -> bool:
    """Whether so many share these silent name servers that they are the cause."""
    if len(domains) >= SHARED_BY:
        return True
    others = AuditDomain.objects.unanswered(place.key).exclude(pk__in=domains)
    return len(domains) + others.count_up_to(SHARED_BY) >= SHARED_BY


def open_of(
    place: Place, cause: Cause, tenants: Collection[int], since: datetime, now: datetime
) -> tuple[int, bool]:
    """The open incident of a place, and whether it is opened by this."""
    several = len(tenants) > 1 or place.kind == Kind.RESOLVER
    own = place == cause.place
    new = Incident(
        kind=place.kind,
        key=place.key,
        tenant_id=None if several else next(iter(tenants)),
        reached=sorted(tenants) if several else [],
        subject=place.subject,
        opened_at=since,
        confirmed_at=now,
        shared=name_of(cause.shared) if own else "",
        **said(cause),
    )
    if place.kind in (Kind.SERVER, Kind.PORTAL):
        row = cause.check_id if place.kind == Kind.SERVER else "server_portal"
        checks = ServerCheck.objects.filter(tenant=new.tenant_id, check_id=row)
        if check := checks.exclude(status=Status.OK.value).first():
            new.message, new.message_source = check.message, check.message_source
    return save(new)
