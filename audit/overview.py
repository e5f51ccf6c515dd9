"""The overview as plain data, for the API and the page alike: filters, order, cards, counts; few queries, whatever the size."""

import logging
from dataclasses import dataclass, fields

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from collectors.base import Status
from collectors.catalogue import CHECKS, core_checks
from collectors.names import DomainError, normalize_domain

from .models import AuditCheck, AuditDomain, Tenant, WorkerHeartbeat, stale_before
from .paging import page
from .querysets import count_of_domains
from .scoring import DomainStatus, max_score

log = logging.getLogger(__name__)
COUNTED = ["domains", "healthy", "warning", "critical", "unknown", "stale"]
LARGE_FLEET = 5_000  # domains; above, counts are kept for a while
COUNTS_KEPT = 10  # seconds
FEW = 500  # keys that a query takes as a list
ORDERS = {
    "worst": ["severity", "score", "id"],
    "domain": ["domain", "id"],
    "last_audit": ["last_audit_at", "id"],  # never audited first
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
        domains = _stale(domains)
    elif filters.status:
        rank = DomainStatus(filters.status).rank
        domains = domains.filter(severity=rank, status=filters.status)  # the same twice: lists are indexed by severity
    if filters.check:
        not_ok = AuditCheck.objects.filter(check_id=filters.check).exclude(status=Status.OK.value)
        domains = domains.filter(pk__in=not_ok.values("domain_id"))
    if filters.owner:
        domains = domains.filter(**{f"needs_{filters.owner}": True})
    if filters.source:
        domains = domains.filter(source=filters.source)
    if filters.q:
        domains = domains.filter(containing(filters.q))
    return domains


def _stale(domains):
    """Those of a queryset that are stale. A few are looked up by their time (a query); of many, the first in any order come soon."""
    before = stale_before()
    is_stale = Q(last_audit_at__lt=before) | Q(last_audit_at=None, created_at__lt=before)
    keys = list(domains.filter(is_stale).order_by().values_list("pk", flat=True)[: FEW + 1])
    return domains.filter(pk__in=keys) if len(keys) <= FEW else domains.filter(is_stale)


def containing(text):
    """The condition that a domain's name contains this search text."""
    return Q(domain__contains=_searched(text))


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
    """`(cards, next_cursor)` for a queryset of domains; raises paging.CursorError. Two queries, three where some were never audited."""
    rows = domains.select_related("tenant").defer("tenant__portal_token", "tenant__webhook_secret")
    items, following = page(rows, order=ORDERS[sort], limit=limit, cursor=cursor)
    statuses: dict[int, dict] = {}
    known: dict[int, dict] = {}
    checks = AuditCheck.objects.filter(domain__in=[d.pk for d in items])
    for domain_id, check_id, status, conclusive in checks.values_list("domain_id", "check_id", "status", "conclusive_status"):
        statuses.setdefault(domain_id, {})[check_id] = status
        if conclusive:
            known.setdefault(domain_id, {})[check_id] = conclusive
    return [card(d, statuses.get(d.pk, {}), known.get(d.pk, {})) for d in items], following


def card(domain, statuses, known):
    """One card: a domain with the statuses of its core checks, {check_id: status}, now and as last known (without unknown)."""
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
        "known": {c: s for c, s in known.items() if c in checks},
    }


def worker(domains):
    """Does anybody audit? `{"alive", "last_seen", "queued", "resolver_down_since", "next_audit_at"}`.

    `queued`: how many of `domains` (those that the caller may see) are due.
    """
    following = AuditDomain.objects.active().order_by("next_audit_at").values("next_audit_at")[:1]
    due = domains.due().order_by().annotate(all=Value(1)).values("all").annotate(n=Count("pk")).values("n")
    seen = WorkerHeartbeat.objects.annotate(next_audit_at=Subquery(following), queued=Coalesce(Subquery(due), 0))
    last = seen.order_by("-last_seen").first()
    return {
        "alive": bool(last and timezone.now() - last.last_seen < WorkerHeartbeat.ALIVE),
        "last_seen": last.last_seen if last else None,
        "queued": last.queued if last else domains.due().count(),
        "resolver_down_since": last.resolver_down_since if last else None,
        "next_audit_at": last.next_audit_at if last else None,
    }


def overview(domains, filters, *, limit=60, cursor="", tenant=None):
    """The whole overview: the answer of `GET /audit/overview`. Disabled domains are not on it.

    `domains`: those that the caller may see (a queryset); `tenant`: the id of the only tenant that they may see, if so.
    Summary and tenants count all of them, whatever the filters; the cards are the filtered page. Four queries, six at most.
    """
    found, following = cards(select(domains.active(), filters), sort=filters.sort, limit=limit, cursor=cursor)
    tenants = counts(tenant)
    return {
        "generated_at": timezone.now(),
        "interval_seconds": settings.AUDIT_INTERVAL_SEC,
        "worker": worker(domains),
        "summary": {key: sum(t[key] for t in tenants) for key in COUNTED},
        "tenants": tenants,
        "cards": found,
        "next_cursor": following,
    }


def counts(tenant=None):
    """The enabled tenants (or the one with this id) with the numbers of their domains, also those that have none; one query.

    Counting reads every row, so a large fleet is counted every ten seconds at most; a small one always.
    """
    key = f"overview-counts:{tenant or 'all'}"
    if (kept := _remembered(key)) is not None:
        return kept
    rows = Tenant.objects.filter(enabled=True) if tenant is None else Tenant.objects.filter(enabled=True, pk=tenant)
    found = rows.order_by("name", "pk").values("id", "name").annotate(**count_of_domains(stale_before()))
    found = [{"id": t["id"], "name": t["name"], **{key: t[f"n_{key}"] for key in COUNTED}} for t in found]
    if sum(t["domains"] for t in found) > LARGE_FLEET:
        _remember(key, found)
    return found


def _remembered(key):
    try:
        return cache.get(key)
    except Exception:
        log.exception("the cache could not be reached")
        return None


def _remember(key, value):
    try:
        cache.set(key, value, COUNTS_KEPT)
    except Exception:
        log.exception("the cache could not be reached")


def checks_by_title():
    """(check_id, title) of the core checks, for filters."""
    return [(c.check_id, c.title) for c in CHECKS.values() if c.core]
