"""What no audit sees to: waivers whose time is over, members that are audited no more, incidents
that a shared one left behind, and numbers."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, Q

from audit.models import AuditDomain, Incident, IncidentDomain, ServerCard, Tenant, Waiver
from audit.models.results import stored_time
from audit.results import domain_rows, triage
from audit.results.cause import ANSWERS, Kind, Place
from audit.results.incident_events import Event, tell
from audit.results.incident_merging import merge
from audit.results.incident_moves import Moves
from audit.results.incident_rows import SWEPT, open_incidents
from collectors.base import Status


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
    moves = Moves(members, now)
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
        tell([incident_id], Event.CLOSED)


def _merge_left_behind(now: datetime) -> None:
    alone = Incident.objects.filter(closed_at=None).exclude(shared="").order_by()
    names = list(alone.values_list("shared", flat=True).distinct()[:SWEPT])
    places = [Place(Kind(kind), key) for kind, _colon, key in (n.partition(":") for n in names)]
    for pk, kind, key, _tenant_id in open_incidents(places):
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
