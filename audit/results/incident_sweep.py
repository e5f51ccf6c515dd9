"""What no audit sees to: waivers whose time is over, members that are audited no more, incidents
that a shared one left behind, and numbers."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, Q

from audit.models import (
    AuditCheck,
    AuditDomain,
    Incident,
    IncidentDomain,
    ServerCard,
    Tenant,
    Waiver,
)
from audit.results import domain_rows, lost_upstream, name_servers, triage
from audit.results.cause import ANSWERS, RESOLVER, SHARED_BY, Kind, Place, servers_cause
from audit.results.confirmation import Change, anew
from audit.results.incident_events import Event, tell
from audit.results.incident_merging import gather, left_out, merge
from audit.results.incident_moves import Moves, open_of
from audit.results.incident_rows import SWEPT, name_of, open_incidents


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
    _release_from_resolver(now)
    _take_into_resolver(now)
    _gather_left_out(now)


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
    moves = Moves(members, now)
    for pk, row in rows.items():
        entries = {c: e for c, e in row.unconfirmed.items() if c not in ANSWERS}
        for check_id, member in list(members[pk].items()):
            moves.leave(pk, check_id)
            if check_id not in ANSWERS:
                entries[check_id] = anew(member.since)
        AuditDomain.objects.filter(pk=pk).update(unconfirmed=entries, silent_servers="")
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
        tell([incident_id], Event.CLOSED)


def _merge_left_behind(now: datetime) -> None:
    alone = Incident.objects.filter(closed_at=None).exclude(shared="").order_by()
    names = list(alone.values_list("shared", flat=True).distinct()[:SWEPT])
    places = [Place(Kind(kind), key) for kind, _colon, key in (n.partition(":") for n in names)]
    for pk, kind, key, _tenant_id in open_incidents(places):
        with transaction.atomic():
            domain_rows.count(merge(Place(Kind(kind), key), pk, {}, {}, now))
            tell([pk], Event.CHANGED)  # by domains of another tenant, maybe


def _take_into_resolver(now: datetime) -> None:
    """Of name servers that fell silent with many others: those that were confirmed before these
    were many, and the incidents that they began."""
    silent = lost_upstream.found((), now)
    if silent is None:
        return
    waiting = left_out().filter(pk__in=list(silent.since)).order_by("pk")
    ids = list(waiting.values_list("pk", flat=True))
    for start in range(0, len(ids), SWEPT):
        with transaction.atomic():
            rows = {d.pk: d for d in waiting.filter(pk__in=_lock(ids[start : start + SWEPT]))}
            moves = Moves(triage.members_of(rows), now)
            for pk, row in rows.items():
                change = Change(Kind.NAME_SERVER, True, silent.since[pk])
                moves.join(row, Kind.NAME_SERVER, silent.cause, change)
            moves.make(rows)
            triage.refresh(rows, now)
    for pk, _kind, _key, _tenant_id in open_incidents([RESOLVER]):
        began = list(lost_upstream.began_with(silent))
        Incident.objects.filter(pk__in=began).update(shared=name_of(RESOLVER))
        with transaction.atomic():
            domain_rows.count(merge(RESOLVER, pk, {}, {}, now))


def _release_from_resolver(now: datetime) -> None:
    """Name servers that stay silent while most that fell silent with them answer again are a cause
    of their own."""
    for pk, _kind, _key, _tenant_id in open_incidents([RESOLVER]):
        if not lost_upstream.taken_in(pk) or lost_upstream.goes_on(pk, now):
            continue
        Incident.objects.filter(closed_at=None, shared=name_of(RESOLVER)).update(shared="")
        parts = IncidentDomain.objects.filter(incident=pk, check_id=Kind.NAME_SERVER, left_at=None)
        ids = list(parts.order_by("domain").values_list("domain", flat=True))
        for start in range(0, len(ids), SWEPT):
            with transaction.atomic():
                rows = {
                    d.pk: d
                    for d in AuditDomain.objects.filter(pk__in=_lock(ids[start : start + SWEPT]))
                }
                moves = Moves(triage.members_of(rows), now)
                for domain in rows:
                    moves.leave(domain, Kind.NAME_SERVER)
                moves.make(rows)
                triage.refresh(rows, now)


def _gather_left_out(now: datetime) -> None:
    """Domains whose name servers do not answer: those that were confirmed before they were several,
    at the same time in two processes, or while our resolver was the cause."""
    waiting = left_out().order_by().values_list("silent_servers", flat=True).distinct()
    for key in list(waiting[:SWEPT]):
        with transaction.atomic():
            _gather(key, now)


def _gather(key: str, now: datetime) -> None:
    silent = AuditDomain.objects.unanswered(key).order_by("pk")
    first = silent.first()
    if first is None:
        return
    rows = AuditCheck.objects.filter(domain=first, check_id=name_servers.CHECK)
    codes = [f["code"] for found in rows.values_list("findings", flat=True) for f in found]
    code = next((code for code in codes if code in name_servers.CODES), name_servers.CODES[0])
    cause = servers_cause(key.split(", "), code)
    open_now = {(kind, of): pk for pk, kind, of, _tenant in open_incidents([cause.place, RESOLVER])}
    into, made = open_now.get(cause.place[:2]), False
    if into is None:
        if RESOLVER[:2] in open_now or silent.count_up_to(SHARED_BY) < SHARED_BY:
            return
        into, made = open_of(cause.place, cause, {first.tenant_id}, now, now)
    moved = gather(cause.place, into, {}, {}, now)
    if made and not Incident.objects.filter(pk=into, domains_now__gt=0):
        transaction.set_rollback(True)  # others have them locked: next time
        return
    domain_rows.count(moved)
    tell([into], Event.OPENED if made else Event.CHANGED)


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
