"""The overview as plain data, for the API and the page alike: filters, order, cards, counts; few queries, whatever the size."""

from dataclasses import dataclass, fields

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from collectors.base import Status
from collectors.catalogue import CHECKS, core_checks
from collectors.names import DomainError, normalize_domain

from .models import AuditCheck, AuditDomain, Tenant, WorkerHeartbeat, stale_before
from .paging import page
from .scoring import DomainStatus, max_score

ORDERS = {
    "worst": ["severity", "score", "id"],
    "domain": ["domain", "id"],
    "last_audit": ["last_audit_sort", "id"],
}
STATUSES = [*DomainStatus.values, "stale"]
OWNERS = ["customer", "host"]


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to; all optional, all in the URL. `status` may also be `stale`; `check`: one that is not ok."""

    tenant: int | None = None
    status: str = ""
    q: str = ""
    check: str = ""
    owner: str = ""
    source: str = ""
    sort: str = "worst"

    def query(self, **changes):
        """The filters as a dict for a query string, without those that are empty or default."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | changes
        return {k: v for k, v in values.items() if v and (k, v) != ("sort", "worst")}


def select(domains, filters):
    """The domains (a queryset) that match the filters."""
    if filters.tenant is not None:
        domains = domains.filter(tenant_id=filters.tenant)
    if filters.status == "stale":
        before = stale_before()
        domains = domains.filter(Q(last_audit_at__lt=before) | Q(last_audit_at=None, created_at__lt=before))
    elif filters.status:
        domains = domains.filter(status=filters.status)
    if filters.check:
        not_ok = AuditCheck.objects.filter(check_id=filters.check).exclude(status=Status.OK.value)
        domains = domains.filter(pk__in=not_ok.values("domain_id"))
    if filters.owner:
        domains = domains.filter(**{f"needs_{filters.owner}": True})
    if filters.source:
        domains = domains.filter(source=filters.source)
    if filters.q:
        domains = domains.filter(domain__contains=_searched(filters.q))
    return domains


def _searched(text):
    """A search text as it can occur in stored names: lower case, in A-label form where it is a whole name in letters."""
    text = text.strip().lower().replace("\0", "")
    try:
        return text if text.isascii() else normalize_domain(text)
    except DomainError:
        try:
            return text.encode("idna").decode()
        except UnicodeError:
            return text


def cards(domains, *, sort="worst", limit=60, cursor=""):
    """`(cards, next_cursor)` for a queryset of domains; raises paging.CursorError. Three queries at most."""
    rows = domains.select_related("tenant").defer("tenant__portal_token", "tenant__webhook_secret")
    if sort == "last_audit":
        rows = rows.alias_last_audit()
    items, following = page(rows, order=ORDERS[sort], limit=limit, cursor=cursor)
    statuses: dict[int, dict] = {}
    checks = AuditCheck.objects.filter(domain__in=[d.pk for d in items])
    for domain_id, check_id, status in checks.values_list("domain_id", "check_id", "status"):
        statuses.setdefault(domain_id, {})[check_id] = status
    return [card(d, statuses.get(d.pk, {})) for d in items], following


def card(domain, statuses):
    """One card: a domain with the statuses of its core checks, {check_id: status}."""
    checks = {c: statuses.get(c, Status.UNKNOWN.value) for c in core_checks()}
    return {
        "id": domain.pk,
        "tenant_id": domain.tenant_id,
        "tenant": domain.tenant.name,
        "domain": domain.domain,
        "unicode": domain.unicode,
        "score": domain.score,
        "max_score": max_score(),
        "status": str(domain.status),
        "stale": domain.stale,
        "last_audit": domain.last_audit_at,
        "enabled": domain.enabled and domain.tenant.enabled,
        "queued": domain.requested_at is not None,
        "failing": [c for c, s in checks.items() if s != Status.OK],
        "checks": checks,
    }


def worker():
    """Whether anybody audits: `{"alive", "last_seen", "queued", "resolver_down_since"}`; `queued` = domains that are due."""
    last = WorkerHeartbeat.objects.order_by("-last_seen").first()
    return {
        "alive": bool(last and timezone.now() - last.last_seen < WorkerHeartbeat.ALIVE),
        "last_seen": last.last_seen if last else None,
        "queued": AuditDomain.objects.due().count(),
        "resolver_down_since": last.resolver_down_since if last else None,
    }


def overview(domains, filters, *, limit=60, cursor=""):
    """The whole overview for the domains that the caller may see (a queryset): the answer of `GET /audit/overview`.

    Summary and tenants count all of them, whatever the filters; the cards are the filtered page.
    """
    before = stale_before()
    found, following = cards(select(domains, filters), sort=filters.sort, limit=limit, cursor=cursor)
    tenants = [{"id": row.pop("tenant_id"), "name": row.pop("tenant__name"), **row} for row in domains.counts_by_tenant(before)]
    counted = ["domains", "healthy", "warning", "critical", "unknown", "stale"]
    return {
        "generated_at": timezone.now(),
        "interval_seconds": settings.AUDIT_INTERVAL_SEC,
        "worker": worker(),
        "summary": {key: sum(t[key] for t in tenants) for key in counted},
        "tenants": tenants,
        "cards": found,
        "next_cursor": following,
    }


def checks_by_title():
    """(check_id, title) of the core checks, for filters."""
    return [(c.check_id, c.title) for c in CHECKS.values() if c.core]


def tenants():
    """Tenants without their secrets."""
    return Tenant.objects.defer("portal_token", "webhook_secret")
