"""One incident out of several: those of single domains that share their cause go on in its."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import F
from django.db.models.functions import Greatest

from audit.models import AuditDomain, Incident, IncidentDomain
from audit.results import triage
from audit.results.cause import Place
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
    tenants = set(AuditDomain.objects.filter(incident_members__incident=into).values_list("tenant"))
    if len(tenants) > 1:
        Incident.objects.filter(pk=into).update(tenant=None)
    for pk in rows.keys() & members.keys():
        for check_id, member in members[pk].items():
            if member.incident_id in merged:
                members[pk][check_id] = Member(into, place.kind, place.key, member.since, False)
    tell(merged, Event.MERGED)
    return triage.refreshed(others, now)
