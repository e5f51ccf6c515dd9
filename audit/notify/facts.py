"""What a message says, as plain data: of an incident, of many at once, of a day."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from audit.models import AuditCheck, Incident, Notification, NotificationChannel, ServerCheck
from audit.notify import rules
from audit.notify.outbox import Event
from audit.notify.shapes import Counted, Facts, IncidentFacts
from audit.results.translate import finding, translate
from collectors.base import Owner
from collectors.registry import CHECKS
from collectors.text import clean

NAMED = 10  # domains of an incident that a message names
LISTED = 50  # incidents of one kind that a message lists


def facts_of(row: Notification) -> Facts:
    """What this message says now; in the active language."""
    channel, tenants = row.channel, rules.tenant_ids(row.channel)
    if row.event == Event.STORM:
        told = row.told.select_related("incident__tenant").order_by("created_at", "pk")
        of = {
            event: [r.incident for r in told if r.event == event and r.incident]
            for event in (Event.OPENED, Event.CLOSED, Event.UNWAIVED)
        }
        times = [r.created_at for r in told] or [row.created_at]
        return {
            "opened": counted(of[Event.OPENED], tenants),
            "closed": counted(of[Event.CLOSED], tenants),
            "unwaived": counted(of[Event.UNWAIVED], tenants),
            "since": iso(min(times)),
            "until": iso(max(times)),
            "url": settings.SITE_URL + reverse("overview"),
        }
    if row.incident is not None:
        return {"incident": incident_facts(row.incident, tenants)}
    return {**row.facts, "url": channel_url(channel)}  # type: ignore[typeddict-item]


def counted(incidents: Iterable[Incident], tenants: set[int]) -> Counted:
    """The first of these, and how many they are."""
    found = list(incidents)
    return {"count": len(found), "first": [incident_facts(i, tenants) for i in found[:LISTED]]}


def incident_facts(incident: Incident, tenants: set[int]) -> IncidentFacts:
    """An incident, as a channel for these tenants (none: all) sees it."""
    domains = rules.domains_of(incident, tenants)
    names = list(domains.order_by("domain").values_list("domain", flat=True)[:NAMED])
    tenant = incident.tenant
    whole = not tenants or incident.tenant_id is not None
    number = incident.domains_now if incident.closed_at is None else incident.domains_most
    title = translate(CHECKS[incident.check_id].title) if incident.check_id in CHECKS else ""
    return {
        "id": incident.pk,
        "kind": incident.kind,
        "check_id": incident.check_id,
        "check": title,
        "code": incident.code,
        "subject": clean(incident.subject, 255),
        "message": clean(translate(incident.message_source, incident.message), 1000),
        "owner": incident.owner,
        "severity": incident.severity,
        "tenant": {"id": tenant.pk, "name": clean(tenant.name, 100)} if tenant else None,
        "domains": names,
        "domains_count": max(number, len(names)) if whole else domains.count(),
        "since": iso(incident.opened_at),
        "closed_at": iso(incident.closed_at) if incident.closed_at else None,
        "what_to_do": what_to_do(incident),
        "url": url_of(incident),
    }


def what_to_do(incident: Incident) -> str:
    """What whoever must act does next, in one or two sentences."""
    if incident.kind == Incident.Kind.RESOLVER:
        return _(
            "See to the resolver (AUDIT_DNS_SERVERS, or the system's): until it answers, DNS is "
            "not measured."
        )
    if incident.kind == Incident.Kind.NAME_SERVER:
        return _(
            "See whether these name servers answer from elsewhere. If not, tell whoever runs them, "
            "or the customers whose zones stand on them."
        )
    text = _advice(incident)
    if incident.kind == Incident.Kind.PORTAL and not text:
        return _(
            "See whether the server runs and its portal answers. Until it does, what only it knows "
            "is not measured."
        )
    if incident.owner == Owner.CUSTOMER:
        where = _("The page has the records to publish, and a report link for the customer.")
        return f"{text} {where}".strip()
    return text or _("The page says what was seen.")


def _advice(incident: Incident) -> str:
    """The fix of its finding as it stands now."""
    if incident.kind == Incident.Kind.SERVER and incident.tenant_id:
        row = incident.key.partition(":")[2]
        checks = ServerCheck.objects.filter(tenant=incident.tenant_id, check_id=row)
        stored = checks.values_list("findings", flat=True).first()
    else:
        member = incident.members.order_by("pk").first()
        stored = member and (
            AuditCheck.objects.filter(domain=member.domain_id, check_id=incident.check_id)
            .values_list("findings", flat=True)
            .first()
        )
    for found in stored or []:
        if incident.code in ("", found["code"]) and found.get("fix"):
            fix = finding(found)["fix"]
            return clean(fix["text"], 1000) if fix else ""
    return ""


def url_of(incident: Incident) -> str:
    """The page of what it is about: of its domain, its tenant, or all."""
    if incident.kind == Incident.Kind.CHECK:
        member = incident.members.select_related("domain").order_by("pk").first()
        if member is not None:
            args = [member.domain.tenant_id, member.domain.domain]
            return settings.SITE_URL + reverse("scorecard", args=args)
    if incident.tenant_id is not None:
        try:
            return settings.SITE_URL + reverse("tenant", args=[incident.tenant_id])
        except NoReverseMatch:
            return f"{settings.SITE_URL}{reverse('overview')}?tenant={incident.tenant_id}"
    return settings.SITE_URL + reverse("overview")


def channel_url(channel: NotificationChannel) -> str:
    """The page of a channel in the administration."""
    path = reverse("admin:audit_notificationchannel_change", args=[channel.pk])
    return settings.SITE_URL + path


def iso(at: datetime) -> str:
    """A time as messages of programs have it."""
    return at.astimezone(UTC).isoformat(timespec="seconds")
