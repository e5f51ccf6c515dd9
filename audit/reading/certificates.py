"""All certificates by the time that is left: what is configured, served, and wrong."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.models import AuditCheck, AuditDomain, Seen, Tenant
from audit.reading.changes_of_server import issuer_name
from audit.reading.paging import turn
from audit.reading.search import not_ok, of_rows
from audit.results.evidence import dict_of, texts_of
from audit.results.seen import stored_moment
from audit.results.shapes import ShownFinding
from audit.results.translate import finding
from collectors.base import Severity
from collectors.text import clean

CHECK = "cert_le"
ORDER = ["certificate_ends_at", "id"]
OVERDUE = ("cert_renewal_overdue", "cert_about_to_expire", "cert_expired")
SHOWN = 3  # names and addresses of one certificate
STATES: dict[str, str | Promise] = {
    "expired": _("Expired"),
    "7": _("Within 7 days"),
    "21": _("Within 21 days"),
    "overdue": _("Renewal overdue"),
    "risk": _("Something is wrong"),
    "fine": _("More than 21 days"),
    "unknown": _("Not known"),
}


class Served(TypedDict):
    """What is served at one address; `same`: as it is judged, None where it was not seen."""

    address: str
    same: bool | None


class Row(TypedDict):
    """A domain with its certificate, served or else configured. `days`: whole days that are left,
    negative for one that has ended; None where no date is known. `configured`: `same` as served,
    `other`, `none`, `no_portal` where there is none to be asked, or '' where that is not known.
    `shared`: by so many domains in all.
    """

    id: int
    domain: str
    unicode: str
    tenant_id: int
    tenant: str
    ends_at: datetime | None
    since: datetime | None
    days: int | None
    issuer: str
    names: list[str]
    more_names: int
    configured: str
    served: list[Served]
    shared: int
    findings: list[ShownFinding]
    status: str


def certificates(
    tenants: Mapping[int, str],
    *,
    tenant: int | None = None,
    state: str = "",
    limit: int = 50,
    cursor: str = "",
) -> tuple[list[Row], str | None, str | None]:
    """`(rows, previous_cursor, next_cursor)` of active domains, first those that end first; without
    `state` all whose end is known. `tenants`: {id: name} of those that may be seen.

    Raises paging.CursorError. Five queries, whatever the number of domains.
    """
    rows = AuditDomain.objects.active().filter(in_state(state))
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    columns = ("domain", "tenant_id", "certificate_ends_at")
    found, previous, following = turn(
        rows.only(*columns), order=ORDER, limit=limit, cursor=cursor, nulls=state == "unknown"
    )
    stored = AuditCheck.objects.filter(check_id=CHECK, domain__in=[d.pk for d in found])
    checks = {c.domain_id: c for c in stored.only("domain_id", "status", "findings", "evidence")}
    prints = {pk: _print(check.evidence) for pk, check in checks.items()}
    shared = _shared(set(prints.values()))
    now = timezone.now()
    return (
        [
            _row(d, checks.get(d.pk), now)
            | {
                "tenant": tenants.get(d.tenant_id, ""),
                "shared": shared.get(prints.get(d.pk, ""), 0),
            }
            for d in found
        ],
        previous,
        following,
    )


def in_state(state: str) -> Q:
    """The condition of a state of STATES; of all that are known for ''."""
    now = timezone.now()
    known = Q(certificate_ends_at__isnull=False)
    if state == "unknown":
        return Q(certificate_ends_at=None)
    if state == "expired":
        return known & Q(certificate_ends_at__lt=now)
    if state in ("7", "21"):
        upto = now + timedelta(days=int(state))
        return known & Q(certificate_ends_at__gte=now, certificate_ends_at__lt=upto)
    if state == "fine":
        return known & Q(certificate_ends_at__gte=now + timedelta(days=21))
    if state == "overdue":
        return known & of_rows(Seen.objects.filter(kind=Seen.Kind.FINDING, value__in=OVERDUE))
    return known & not_ok(CHECK) if state == "risk" else known


def _shared(prints: set[str]) -> dict[str, int]:
    """{fingerprint: by how many domains it is served}; one query."""
    if not (prints := prints - {""}):
        return {}
    rows = Seen.objects.filter(kind=Seen.Kind.CERTIFICATE, value__in=prints).order_by()
    return dict(rows.values_list("value").annotate(n=Count("pk")))


def _row(domain: AuditDomain, check: AuditCheck | None, now: datetime) -> Row:
    evidence = check.evidence if check else {}
    served, configured = (
        dict_of(dict_of(evidence.get(side)).get("certificate")) for side in ("served", "portal")
    )
    shown = served or configured
    names = [clean(name, 100) for name in texts_of(shown.get("names"))]
    in_all = shown.get("names_in_all")  # kept where not all of them are
    ends = domain.certificate_ends_at
    wrong = (Severity.WARN, Severity.FAIL)
    return {
        "id": domain.pk,
        "domain": domain.domain,
        "unicode": domain.unicode,
        "tenant_id": domain.tenant_id,
        "tenant": "",
        "ends_at": ends,
        "since": stored_moment(shown.get("not_before")),
        "days": None if ends is None else (ends - now).days,
        "issuer": issuer_name(shown),
        "names": names[:SHOWN],
        "more_names": max(0, (in_all if type(in_all) is int else len(names)) - SHOWN),
        "configured": _configured(evidence, served, configured),
        "served": _served(evidence, served),
        "shared": 0,
        "findings": [finding(f) for f in check.findings if f["severity"] in wrong] if check else [],
        "status": check.status if check else "unknown",
    }


def _configured(
    evidence: Mapping[str, Any], served: Mapping[str, Any], configured: Mapping[str, Any]
) -> str:
    if configured:
        if not served:
            return ""
        return "same" if configured.get("sha256") == served.get("sha256") else "other"
    portal = dict_of(evidence.get("portal"))
    if portal.get("absent"):
        return "no_portal"
    return "none" if portal.get("http_status") == 404 else ""


def _served(evidence: Mapping[str, Any], served: Mapping[str, Any]) -> list[Served]:
    """Each address, the one that is judged and those that serve another certificate first."""
    best = dict_of(evidence.get("served")).get("address")
    nodes = dict_of(evidence.get("nodes"))
    if not nodes:
        return [{"address": clean(str(best), 50), "same": True}] if best and served else []
    found: list[Served] = [
        {
            "address": clean(address, 50),
            "same": dict_of(node)["sha256"] == served.get("sha256") if "sha256" in node else None,
        }
        for address, node in nodes.items()
        if isinstance(node, dict)
    ]
    return sorted(found, key=lambda node: node["same"] is True)


def _print(evidence: Mapping[str, Any]) -> str:
    """The fingerprint of the certificate that is served; ''."""
    text = dict_of(dict_of(evidence.get("served")).get("certificate")).get("sha256")
    return text if isinstance(text, str) else ""


def tenant_names() -> dict[int, str]:
    """{id: name} of the enabled tenants, by name."""
    return dict(Tenant.objects.filter(enabled=True).order_by("name").values_list("pk", "name"))
