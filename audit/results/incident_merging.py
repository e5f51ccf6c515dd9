"""One incident out of several: those of single domains that share their cause go on in its, and
domains whose name servers do not answer are gathered in one."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Greatest

from audit.models import AuditDomain, Incident, IncidentDomain
from audit.models.domains import AuditDomainQuerySet
from audit.results import triage
from audit.results.cause import Kind, Place
from audit.results.confirmation import since_of
from audit.results.domain_rows import Moved
from audit.results.incident_events import Event, tell
from audit.results.incident_rows import SWEPT, name_of
from audit.results.triage import Member, Members


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
    alone = Incident.objects.filter(closed_at=None, shared=name_of(place)).exclude(pk=into)
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
    _take_tenant(into)
    for pk in rows.keys() & members.keys():
        for check_id, member in members[pk].items():
            if member.incident_id in merged:
                members[pk][check_id] = Member(into, place.kind, place.key, member.since, False)
    tell(merged, Event.MERGED)
    return triage.refreshed(others, now)


def left_out(servers: str = "") -> AuditDomainQuerySet:
    """Domains whose name servers (these, or any) are confirmed not to answer, and that are part of
    no incident for it: few share them, or they were confirmed before those that make it one."""
    parts = IncidentDomain.objects.filter(
        domain=OuterRef("pk"), check_id=Kind.NAME_SERVER.value, left_at=None
    )
    return AuditDomain.objects.unanswered(servers).filter(~Exists(parts))


def gather(
    place: Place,
    into: int,
    rows: Mapping[int, AuditDomain],
    members: Mapping[int, Members],
    now: datetime,
) -> Moved:
    """Have the domains that these name servers leave without an answer be part of their incident,
    at most SWEPT at once; `rows`, `members` and what is returned: see `merge`."""
    waiting = left_out(place.key).order_by("pk")
    ids = [pk for pk in waiting.values_list("pk", flat=True)[:SWEPT] if _goes(pk, place, rows)]
    free = set(AuditDomain.objects.filter(pk__in=ids).unlocked().values_list("pk", flat=True))
    goes_on = Incident.objects.filter(pk=into, closed_at=None).select_for_update(no_key=True)
    if not free or not goes_on.values_list("pk"):
        return {}
    since = {
        pk: since_of(entries[Kind.NAME_SERVER])
        for pk, entries in waiting.filter(pk__in=free).values_list("pk", "unconfirmed")
        if Kind.NAME_SERVER in entries
    }
    IncidentDomain.objects.bulk_create(
        IncidentDomain(incident_id=into, domain_id=pk, check_id=Kind.NAME_SERVER.value, since=at)
        for pk, at in since.items()
    )
    incident = Incident.objects.filter(pk=into)
    incident.update(
        domains_now=F("domains_now") + len(since),
        domains_most=Greatest("domains_most", F("domains_now") + len(since)),
    )
    began = min(since.values(), default=now)
    incident.filter(opened_at__gt=began).update(opened_at=began)
    _take_tenant(into)
    for pk in since.keys() & members.keys():
        members[pk][Kind.NAME_SERVER] = Member(into, place.kind, place.key, since[pk], False)
    return triage.refreshed(since.keys() - members.keys(), now)


def _goes(pk: int, place: Place, rows: Mapping[int, AuditDomain]) -> bool:
    """Whether a row still waits for these servers: one of ours may have changed just now."""
    return pk not in rows or rows[pk].silent_servers == place.key


def _take_tenant(incident_id: int) -> None:
    """An incident of several tenants is none's own."""
    of = AuditDomain.objects.filter(incident_members__incident=incident_id)
    if len(set(of.order_by().values_list("tenant").distinct())) > 1:
        Incident.objects.filter(pk=incident_id).update(tenant=None)
