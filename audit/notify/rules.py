"""Which channel is told of what."""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet

from audit.models import AuditDomain, Incident, IncidentDomain, NotificationChannel
from audit.models.domains import AuditDomainQuerySet
from audit.models.notifications import SECRETS
from collectors.base import Severity


def tenant_ids(channel: NotificationChannel) -> set[int]:
    """The tenants that a channel is for; none: all."""
    return set(channel.tenants.values_list("pk", flat=True))


def told_at_once() -> list[tuple[NotificationChannel, set[int]]]:
    """The channels that are told of what happens, each with its tenants."""
    channels = NotificationChannel.objects.filter(enabled=True, at_once=True).defer(*SECRETS)
    of: dict[int, set[int]] = {channel.pk: set() for channel in channels}
    pairs = NotificationChannel.tenants.through.objects.filter(notificationchannel__in=of)
    for channel_id, tenant_id in pairs.values_list("notificationchannel", "tenant"):
        of[channel_id].add(tenant_id)
    return [(channel, of[channel.pk]) for channel in channels]


def wants(channel: NotificationChannel, incident: Incident, tenants: set[int]) -> bool:
    """Whether it is for this channel, by what the incident's own row says. `tenants`: of the
    channel."""
    if incident.owner not in channel.owners:
        return False
    if incident.severity == Severity.WARN and channel.least_severity == "fail":
        return False
    return not tenants or incident.tenant_id is None or incident.tenant_id in tenants


def domains_of(incident: Incident, tenants: set[int]) -> QuerySet[AuditDomain]:
    """The domains that an incident touches (or touched, once it is over), of these tenants alone if
    there are any."""
    members = incident.members.all()
    if incident.closed_at is None:
        members = members.filter(left_at=None)
    rows = AuditDomain.objects.filter(pk__in=members.values("domain"))
    return rows.filter(tenant__in=tenants) if tenants else rows


def incidents_of(channel: NotificationChannel, tenants: set[int]) -> QuerySet[Incident]:
    """The incidents that are for this channel, by their domains too.

    A cause of several tenants must touch a domain of the channel's. One that touches no domain, as
    of a server before its domains were audited, is not about onboarding.
    """
    rows = Incident.objects.filter(owner__in=channel.owners, known=False, merged_into=None)
    if channel.least_severity == "fail":
        rows = rows.exclude(severity=Severity.WARN)
    members = IncidentDomain.objects.filter(incident=OuterRef("pk"))
    if tenants:
        members = members.filter(domain__tenant__in=tenants)
        rows = rows.filter(Q(tenant__in=tenants) | Q(Exists(members), tenant=None))
    onboarding = Exists(members.filter(domain__onboarding=True))
    grown_up = Exists(members.filter(domain__onboarding=False))
    if channel.onboarding == NotificationChannel.Onboarding.ONLY:
        return rows.filter(onboarding).exclude(grown_up)
    if channel.onboarding == NotificationChannel.Onboarding.WITHOUT:
        return rows.filter(grown_up | ~onboarding)
    return rows


def domains_for(channel: NotificationChannel, tenants: set[int]) -> AuditDomainQuerySet:
    """The domains that are audited and that this channel is for."""
    rows = AuditDomain.objects.active()
    if tenants:
        rows = rows.filter(tenant__in=tenants)
    if channel.onboarding != NotificationChannel.Onboarding.WITH:
        only = channel.onboarding == NotificationChannel.Onboarding.ONLY
        rows = rows.filter(onboarding=only)
    return rows


def switched_off(incidents: Iterable[int]) -> set[int]:
    """Those of these that nobody looks at any more: their tenant is disabled, or, of one domain, it
    is."""
    rows = Incident.objects.filter(pk__in=incidents)
    members = IncidentDomain.objects.filter(incident=OuterRef("pk"))
    audited = members.filter(domain__enabled=True, domain__tenant__enabled=True)
    of_domain = Q(Exists(members), ~Exists(audited), kind=Incident.Kind.CHECK)
    return set(rows.filter(Q(tenant__enabled=False) | of_domain).values_list("pk", flat=True))


def watched(addresses: Iterable[str]) -> dict[str, list[str]]:
    """{a registered domain: those of these mail addresses that are at it, or below it}."""
    by_name: dict[str, list[str]] = {}
    for address in addresses:
        labels = address.rpartition("@")[2].lower().split(".")
        for start in range(len(labels) - 1):
            by_name.setdefault(".".join(labels[start:]), []).append(address)
    rows = AuditDomain.objects.filter(domain__in=by_name).order_by("domain")
    return {name: by_name[name] for name in rows.values_list("domain", flat=True)}


def at_those_domains(addresses: Iterable[str], incident: Incident) -> list[str]:
    """Those mail addresses that are at a domain that the incident is about, or below one.

    What is wrong with a server, a name server or our way to it counts for all of its domains.
    """
    by_name = watched(addresses)
    rows = AuditDomain.objects.filter(domain__in=by_name)
    if incident.kind == Incident.Kind.CHECK:
        rows = rows.filter(pk__in=incident.members.values("domain"))
    elif incident.tenant_id is not None:
        rows = rows.filter(tenant=incident.tenant_id)
    found = {a for name in rows.values_list("domain", flat=True) for a in by_name[name]}
    return sorted(found)
