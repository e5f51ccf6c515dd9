"""Incidents as a list: those that somebody may see, in a state, newest first."""

from collections.abc import Sequence

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from audit.models import Incident, IncidentDomain, Tenant

STATES = ("open", "closed", "all")
ORDER = ["-opened_at", "-id"]


def listed(state: str = "open", *, tenant: int | None = None) -> QuerySet[Incident]:
    """The incidents in this state; `tenant`: those that touch it, its own and those that it shares
    with others."""
    rows = Incident.objects.select_related("tenant").defer(
        "tenant__portal_token", "tenant__webhook_secret"
    )
    if state != "all":
        rows = rows.filter(closed_at__isnull=state == "open")
    return rows if tenant is None else rows.filter(touches(tenant))


def touches_now(tenant: int) -> Q:
    """The condition of open incidents that this tenant is touched by at this moment: its own, what
    it shares with others, and our resolver, which is everybody's."""
    return touches(tenant, left_at=None) | Q(kind=Incident.Kind.RESOLVER)


def touches(tenant: int, **members: object) -> Q:
    """The condition of incidents that touch this tenant: its own, and those of several that its
    domains are or were part of; `members`: what is asked of these."""
    of = IncidentDomain.objects.filter(incident=OuterRef("pk"), domain__tenant=tenant, **members)
    return Q(tenant=tenant) | Q(Exists(of), tenant=None)


def only_of(tenant: Tenant, incidents: Sequence[Incident]) -> None:
    """Have incidents of several tenants say what one of them may know: how many of its own domains
    they touch, and ever touched, and of nobody else's what was found."""
    shared = [i for i in incidents if i.tenant_id is None]
    if not shared:
        return
    members = IncidentDomain.objects.filter(
        incident__in=[i.pk for i in shared], domain__tenant=tenant
    ).order_by()
    numbers = members.values_list("incident").annotate(
        now=Count("domain", distinct=True, filter=Q(left_at=None)),
        most=Count("domain", distinct=True),
    )
    of = {pk: (now, most) for pk, now, most in numbers}
    for incident in shared:
        incident.domains_now, incident.domains_most = of.get(incident.pk, (0, 0))
        if incident.kind != Incident.Kind.RESOLVER:  # its sentence may name another's domain
            incident.message, incident.message_source = "", {}
