"""Incidents as plain data: what is open, in words, worst and widest first."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TypedDict

from django.db.models import Case, Count, IntegerField, Value, When, Window
from django.utils.translation import gettext as _

from audit.models import AuditDomain, Incident, IncidentDomain, ServerTransition
from audit.reading.incident_list import touches_now
from audit.reading.reason import short_name, words_of
from audit.results.translate import translate
from collectors.base import Severity
from collectors.names import to_unicode
from collectors.registry import CHECKS

SHOWN = 3  # on the overview
STEPS = 50  # of an incident that its page shows
SHARED = [kind for kind in Incident.Kind.values if kind != Incident.Kind.CHECK]
MEASURING = (Incident.Kind.PORTAL, Incident.Kind.RESOLVER)


class ShownIncident(TypedDict):
    """An incident. `words`: its cause; `message`: the whole sentence; `owner`: who must act."""

    id: int
    kind: str
    tenant_id: int | None
    tenant: str
    check_id: str
    words: str
    message: str
    severity: str
    owner: str
    opened_at: datetime
    closed_at: datetime | None
    domains_now: int
    domains_most: int
    measuring: bool


def open_shared(tenant: int | None = None) -> tuple[list[ShownIncident], int]:
    """The open incidents that several domains share or that keep us from measuring, SHOWN of them
    at most, and how many there are: those that touch domains, the worst, the widest first.
    `tenant`: what touches this one now. One query.
    """
    rows = Incident.objects.filter(closed_at=None, kind__in=SHARED)
    if tenant is not None:
        rows = rows.filter(touches_now(tenant))
    worst = Case(
        *(When(severity=s.value, then=Value(n)) for n, s in enumerate(_WORST)),
        default=Value(len(_WORST)),
        output_field=IntegerField(),
    )
    found = rows.select_related("tenant").annotate(all=Window(Count("pk")), worst=worst)
    touching = Case(When(domains_now=0, then=Value(1)), default=Value(0))
    order = (touching, "worst", "-domains_now", "-opened_at", "pk")
    shown = list(found.order_by(*order)[:SHOWN])
    return shown_incidents(shown), shown[0].all if shown else 0  # type: ignore[attr-defined]


_WORST = (Severity.FAIL, Severity.WARN, Severity.UNKNOWN)


def causes_of(domains: Collection[int]) -> dict[int, str]:
    """{domain id: the shared cause that it is under now, in words}; one query, none without any."""
    if not domains:
        return {}
    members = IncidentDomain.objects.filter(
        domain__in=domains, left_at=None, incident__kind__in=SHARED
    )
    found = members.select_related("incident__tenant").order_by("-incident__domains_now", "pk")
    words: dict[int, str] = {}
    for member in found:
        words.setdefault(member.domain_id, cause_in_words(member.incident))
    return words


def domains_of(incidents: Iterable[Incident]) -> dict[int, str]:
    """{incident id: the domain that it is about} of those that one has alone; one query, none
    without any."""
    keys = {i.pk: i.key.partition(":")[0] for i in incidents if i.kind == Incident.Kind.CHECK}
    ids = {incident: int(pk) for incident, pk in keys.items() if pk.isdecimal()}
    if not ids:
        return {}
    rows = AuditDomain.objects.filter(pk__in=set(ids.values())).values_list("pk", "domain")
    names = {pk: to_unicode(domain) for pk, domain in rows}
    return {incident: names[pk] for incident, pk in ids.items() if pk in names}


def cause_in_words(incident: Incident, domain: str = "") -> str:
    """`VM112: nginx refuses its configuration`, `ns1.dns.test: name servers do not answer`; with
    the `domain` that has it alone, `cliente.pt · SPF: our server is not authorised`."""
    words = words_of(incident.code, translate(incident.message_source, incident.message))
    if incident.kind == Incident.Kind.RESOLVER:
        return words or _("our resolver does not work")
    about = incident.subject
    if incident.tenant and incident.kind in (Incident.Kind.SERVER, Incident.Kind.PORTAL):
        about = incident.tenant.name
    if incident.kind == Incident.Kind.CHECK and incident.check_id in CHECKS:
        words = f"{short_name(incident.check_id)}: {words}"
        return f"{domain or about} · {words}" if domain or about else words
    return f"{about}: {words}" if about else words


def shown_incidents(incidents: Collection[Incident]) -> list[ShownIncident]:
    """Incidents with their sentences in the reader's language; their tenants are read with them.
    One query where one is of one domain alone."""
    names = domains_of(incidents)
    return [_shown(incident, names.get(incident.pk, "")) for incident in incidents]


def _shown(incident: Incident, domain: str) -> ShownIncident:
    return {
        "id": incident.pk,
        "kind": incident.kind,
        "tenant_id": incident.tenant_id,
        "tenant": incident.tenant.name if incident.tenant else "",
        "check_id": incident.check_id,
        "words": cause_in_words(incident, domain),
        "message": translate(incident.message_source, incident.message),
        "severity": incident.severity,
        "owner": incident.owner,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "domains_now": incident.domains_now,
        "domains_most": incident.domains_most,
        "measuring": incident.kind in MEASURING or incident.severity == Severity.UNKNOWN,
    }


class Step(TypedDict):
    """A step of an incident. `status`: what a row of the server card became, else ''."""

    at: datetime
    words: str
    status: str


def timeline(incident: Incident) -> list[Step]:
    """How an incident went, newest first: first seen, confirmed, closed, and the changes of its row
    of the server card, the last STEPS. One query at most.
    """
    steps: list[Step] = [
        {"at": incident.opened_at, "words": _("first seen"), "status": ""},
        {"at": incident.confirmed_at, "words": _("confirmed"), "status": ""},
    ]
    if incident.kind == Incident.Kind.SERVER:
        changes = ServerTransition.objects.filter(
            tenant=incident.tenant_id, check_id=incident.check_id, at__gte=incident.opened_at
        )
        if incident.closed_at:
            changes = changes.filter(at__lte=incident.closed_at)
        for change in changes.order_by("-at", "-id")[:STEPS]:
            words = translate(change.message_source, change.message)
            steps.append({"at": change.at, "words": words, "status": change.to_status})
    if incident.closed_at:
        steps.append({"at": incident.closed_at, "words": _("closed"), "status": ""})
    return sorted(steps, key=lambda step: step["at"], reverse=True)
