"""What `GET /metrics` says, read from the database: right with any number of processes and hosts,
at the same cost for any number of domains.
"""

import platform
from collections.abc import Iterator, Mapping
from datetime import datetime

import django
from django.conf import settings
from django.db import connection
from django.db.models import Count
from django.utils import timezone
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from audit.models import (
    AuditDomain,
    CheckCounts,
    Incident,
    Notification,
    Tally,
    Tenant,
    TenantCounts,
    WorkerHeartbeat,
)
from audit.models.domains import GROUPS, DomainStatus, stale_before
from audit.models.tallies import BUCKETS, DISCARDED, ENDLESS, GIVEN_UP
from audit.reading.filters import ORDERS
from audit.reading.overview import KEPT, counts
from collectors.base import Status
from collectors.registry import core_checks

RESULTS = (*DomainStatus.values, DISCARDED, GIVEN_UP)
Tenants = Mapping[int, str]  # {id: name} of those that are enabled


class DatabaseCollector(Collector):
    """All that is told to whoever may see `tenant` (its id; None: everything). Of one tenant there
    is nothing of what is common to all."""

    def __init__(self, tenant: int | None = None) -> None:
        self.tenant = tenant

    def collect(self) -> Iterator[Metric]:
        """Thirteen queries at most. Raises DatabaseError."""
        found = counts(self.tenant)
        tenants = {t["id"]: t["name"] for t in found}
        domains = _gauge("domains", "Enabled domains by status.", "tenant", "status")
        stale = _gauge("domains_stale", "Enabled domains that were not audited in time.", "tenant")
        for t in found:
            for status in KEPT:
                domains.add_metric([t["name"], status], t[status])  # type: ignore[literal-required]
            stale.add_metric([t["name"]], t["stale"])
        yield domains
        yield stale
        yield _groups(tenants)
        yield from _checks(tenants)
        yield _incidents(self.tenant, tenants)
        yield from _due(self.tenant)
        yield from _workers()
        yield from self._common(tenants)
        if settings.METRICS_DOMAINS:
            highest = {t["id"]: len(core_checks(without_portal=t["without_portal"])) for t in found}
            number = sum(t["domains"] for t in found)
            yield from _each_domain(self.tenant, tenants, highest, number)
        yield _build()

    def _common(self, tenants: Tenants) -> Iterator[Metric]:
        """What processes counted; of that only the portals are a tenant's."""
        tallies: dict[str, dict[str, float]] = {}
        rows = Tally.objects.order_by("name", "kind")
        if self.tenant is not None:
            rows = rows.filter(name=Tally.PORTAL_LEFT_ALONE)
        for name, kind, value in rows.values_list("name", "kind", "value"):
            tallies.setdefault(name, {})[kind] = value
        yield _breakers(tenants, tallies.get(Tally.PORTAL_LEFT_ALONE, {}))
        if self.tenant is None:
            yield from _counted(tallies)
            yield _notifications()


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ligbox_{name}", text, labels=labels, unit=unit)


def _number(name: str, text: str, value: float, *, unit: str = "") -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ligbox_{name}", text, value=value, unit=unit)


def _groups(tenants: Tenants) -> Metric:
    """The groups of the triage, as the overview's."""
    text = "Enabled domains by what an operator looks for; one may be in several."
    groups = _gauge("domains_in_group", text, "tenant", "group")
    rows = TenantCounts.objects.filter(tenant__in=tenants).order_by("tenant_id")
    for pk, *numbers in rows.values_list("tenant_id", *GROUPS):
        for group, number in zip(GROUPS, numbers, strict=True):
            groups.add_metric([tenants[pk], group], number)
    return groups


def _checks(tenants: Tenants) -> Iterator[Metric]:
    checks = _gauge("checks", "Checks of enabled domains by status.", "tenant", "check", "status")
    rows = CheckCounts.objects.filter(tenant__in=tenants).order_by("tenant_id")
    times = []
    for row in rows:
        times.append(row.counted_at)
        for check_id, statuses in sorted(row.numbers.items()):
            for status in Status:
                labels = [tenants[row.tenant_id], check_id, status.value]
                checks.add_metric(labels, statuses.get(status.value, 0))
    yield checks
    if times:
        text = "When the checks were last counted: once a minute, of large fleets less often."
        at = min(times).timestamp()
        yield _number("checks_counted_timestamp_seconds", text, at, unit="seconds")


def _incidents(tenant: int | None, tenants: Tenants) -> Metric:
    """Those of the tenants, and with an empty label those that are no single tenant's."""
    text = "Open incidents by kind; those of several tenants have no tenant."
    incidents = _gauge("incidents_open", text, "tenant", "kind")
    rows = Incident.objects.filter(closed_at=None).order_by()
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    numbers = {
        (of, kind): n
        for of, kind, n in rows.values_list("tenant_id", "kind").annotate(n=Count("pk"))
    }
    owners: list[tuple[int | None, str]] = [*tenants.items()]
    for pk, name in [*owners, (None, "")] if tenant is None else owners:
        for kind in Incident.Kind.values:
            incidents.add_metric([name, kind], numbers.get((pk, kind), 0))
    return incidents


def _due(tenant: int | None) -> Iterator[Metric]:
    first = _first_due(tenant)
    waits = max(0.0, (timezone.now() - first).total_seconds()) if first else 0.0
    text = "For how long the domain whose audit is due longest has been due."
    yield _number("oldest_due_domain_seconds", text, round(waits, 3), unit="seconds")
    text = "How often each domain is audited."
    yield _number("audit_interval_seconds", text, settings.AUDIT_INTERVAL_SEC, unit="seconds")


def _first_due(tenant: int | None) -> datetime | None:
    """When the first of the active domains is due; of those of one tenant there is an index for
    each kind of turn."""
    if tenant is None:
        rows = AuditDomain.objects.active().order_by("next_audit_at")
        return rows.values_list("next_audit_at", flat=True).first()
    enabled = AuditDomain.objects.filter(tenant=tenant, tenant__enabled=True, enabled=True)
    asked = enabled.filter(requested_at__isnull=False)  # due from then on
    found = [
        enabled.filter(requested_at=None).order_by("next_audit_at").values_list("next_audit_at"),
        *(
            asked.filter(requested_bulk=bulk).order_by("requested_at").values_list("requested_at")
            for bulk in (False, True)
        ),
    ]
    return min((at for rows in found for (at,) in rows[:1] if at), default=None)


def _workers() -> Iterator[Metric]:
    """Of all of them; where they run is nobody's to know who may see one tenant."""
    now = timezone.now()
    seen = list(WorkerHeartbeat.seen().values_list("last_seen", "resolver_down_since"))
    alive = [down for last, down in seen if now - last < WorkerHeartbeat.ALIVE]
    yield _number("workers_alive", "Workers that were seen in the last 30 s.", len(alive))
    if seen:
        age = max(0.0, (now - max(last for last, _down in seen)).total_seconds())
        text = "How long ago a worker was last seen."
        yield _number("worker_heartbeat_age_seconds", text, round(age, 3), unit="seconds")
    text = "1: the DNS resolver of a worker does not answer."
    yield _number("resolver_down", text, any(down is not None for down in alive))


def _breakers(tenants: Tenants, left_alone: Mapping[str, float]) -> Metric:
    """A portal that was seen to be left alone is so until an answer, or for two intervals if no
    worker has asked it since."""
    text = "1: the tenant's portal does not answer, and is only probed."
    breakers = _gauge("portal_breaker_open", text, "tenant")
    since = stale_before().timestamp()
    rows = Tenant.objects.filter(pk__in=tenants).exclude(portal_url="").order_by("name")
    for pk, url in rows.values_list("pk", "portal_url"):
        is_open = any(
            at > since and f"{url}/".startswith(f"{origin}/") for origin, at in left_alone.items()
        )
        breakers.add_metric([tenants[pk]], is_open)
    return breakers


def _counted(tallies: Mapping[str, Mapping[str, float]]) -> Iterator[Metric]:
    done = tallies.get(Tally.AUDITS, {})
    text = "Audits by what they came to: the domain's status; not recorded; given up."
    audits = CounterMetricFamily("ligbox_audits", text, labels=["result"])
    for result in RESULTS:
        audits.add_metric([result], done.get(result, 0))
    yield audits
    within, below, number = [], tallies.get(Tally.AUDITS_WITHIN, {}), 0.0
    for bound in [*map(str, BUCKETS), ENDLESS]:
        number += below.get(bound, 0)
        within.append((bound, number))
    seconds = tallies.get(Tally.AUDIT_SECONDS, {}).get("", 0)
    text = "How long all checks of a domain took, from the first question to the last answer."
    yield HistogramMetricFamily(
        "ligbox_audit_duration_seconds", text, buckets=within, sum_value=seconds, unit="seconds"
    )
    text = "DNS lookups that were sent, by what they came to."
    lookups = CounterMetricFamily("ligbox_dns_lookups", text, labels=["result"])
    for result, n in tallies.get(Tally.LOOKUPS, {}).items():
        lookups.add_metric([result], n)
    yield lookups
    text = "DNS lookups that were not sent, as the answer was kept or on its way already."
    hits = tallies.get(Tally.CACHE_HITS, {}).get("", 0)
    yield CounterMetricFamily("ligbox_dns_cache_hits", text, value=hits)


def _notifications() -> Metric:
    text = "Messages to channels that are kept, by state."
    notifications = _gauge("notifications", text, "state")
    rows = Notification.objects.order_by().values_list("state")
    numbers = dict(rows.annotate(n=Count("pk")))
    for state in Notification.State.values:
        notifications.add_metric([state], numbers.get(state, 0))
    return notifications


def _each_domain(
    tenant: int | None, tenants: Tenants, highest: Mapping[int, int], all_domains: int
) -> Iterator[Metric]:
    """Series for each of settings.METRICS_DOMAINS domains, the worst first, and how many domains
    have none. `highest`: {tenant id: the highest score}."""
    text = "How many of the checks that count for it are ok."
    score = _gauge("domain_score", text, "tenant", "domain")
    text = "How many checks count for it: fewer where the tenant has no portal, on purpose."
    most = _gauge("domain_max_score", text, "tenant", "domain")
    text = "When the first of a domain's certificates ends."
    name = "domain_certificate_expiry_timestamp_seconds"
    ends = _gauge(name, text, "tenant", "domain", unit="seconds")
    rows = AuditDomain.objects.active().order_by(*ORDERS["worst"])
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    columns = ("tenant_id", "domain", "score", "certificate_ends_at")
    for pk, domain, number, at in rows.values_list(*columns)[: settings.METRICS_DOMAINS]:
        if pk in tenants:  # or it has come in this moment
            score.add_metric([tenants[pk], domain], number)
            most.add_metric([tenants[pk], domain], highest[pk])
            if at:
                ends.add_metric([tenants[pk], domain], at.timestamp())
    yield score
    yield most
    yield ends
    text = "Domains without series of their own, as METRICS_DOMAINS is less."
    yield _number("domain_series_left_out", text, max(0, all_domains - len(score.samples)))


def _build() -> Metric:
    """What runs here."""
    return InfoMetricFamily(
        "ligbox_build",
        "What is installed.",
        value={
            "version": settings.VERSION,
            "python": platform.python_version(),
            "django": django.get_version(),
            "database": connection.vendor,
        },
    )
