"""The overview as plain data, for the API and the page alike: cards and counts; few queries,
whatever the size.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from audit.models import (
    AuditCheck,
    AuditDomain,
    PortalDomain,
    ReportLink,
    Tenant,
    Waiver,
    WorkerHeartbeat,
    stale_before,
)
from audit.models.domains import AuditDomainQuerySet, DomainStatus
from audit.reading.filters import (
    KEPT_GROUPS,
    ORDERS,
    STATUSES,
    Domains,
    Filters,
    new_since,
    select,
    standing_apart,
)
from audit.reading.incidents import causes_of
from audit.reading.paging import turn
from audit.reading.reason import CheckRow, reason_of
from audit.results.shapes import Card, Counts, Overview, ShownWaiver, TenantCounts, WorkerState
from audit.results.triage import in_grace
from collectors.base import Status
from collectors.registry import core_checks

COUNTED = ("domains", *STATUSES)
KEPT = tuple(status for status in STATUSES if status != "stale")
GROUPED = ("new", *KEPT_GROUPS, "covered")
_KEPT_NUMBERS = (*KEPT, *KEPT_GROUPS.values(), "covered")


_UNREAD = ("portal_facts", "known_zone", "checked", "dkim_selectors", "unconfirmed")


class Host(NamedTuple):
    """What a card says of its tenant; `without_portal`: it has none, on purpose."""

    name: str
    without_portal: bool

    @property
    def core_checks(self) -> list[str]:
        """The ids of the checks that count for its domains."""
        return core_checks(without_portal=self.without_portal)


def cards(
    domains: Domains,
    *,
    tenants: Mapping[int, Host] | None = None,
    sort: str = "worst",
    newest: bool = False,
    limit: int = 60,
    cursor: str = "",
) -> tuple[list[Card], str | None, str | None]:
    """`(cards, previous_cursor, next_cursor)` for active domains; `tenants`: {id: Host} of those
    that are known; `newest`: each with its newest reason, else its worst. Raises
    paging.CursorError.

    Three queries; one more where some were never audited, for each column of the order behind a
    cursor, where some have waivers, and where some follow from a shared cause. No join: a database
    that begins with the tenants would sort all their domains.
    """
    waived = Waiver.objects.filter(domain=OuterRef("pk"), ended_at=None)
    rows = domains.defer(*_UNREAD).annotate(
        is_waived=Exists(waived),
        is_lost=PortalDomain.objects.lost(),
        has_link=Exists(ReportLink.objects.alive().filter(domain=OuterRef("pk"))),
    )
    items, previous, following = turn(rows, order=ORDERS[sort], limit=limit, cursor=cursor)
    ids = [d.pk for d in items]
    checks: dict[int, dict[str, AuditCheck]] = {}
    for check in AuditCheck.objects.filter(domain__in=ids, check_id__in=core_checks()).only(
        "domain", "check_id", "status", "conclusive_status", "findings", "since"
    ):
        checks.setdefault(check.domain_id, {})[check.check_id] = check
    waivers = waivers_of([d.pk for d in items if d.is_waived])  # type: ignore[attr-defined]
    shared = causes_of([d.pk for d in items if d.covered])
    known = dict(tenants or {})
    if new := {d.tenant_id for d in items} - known.keys():
        known |= hosts(Tenant.objects.filter(pk__in=new))
    return (
        [
            card(
                d,
                known[d.tenant_id],
                checks.get(d.pk, {}),
                waivers=waivers.get(d.pk, ()),
                follows=shared.get(d.pk, ""),
                newest=newest,
                lost=d.is_lost,  # type: ignore[attr-defined]
                has_link=d.has_link,  # type: ignore[attr-defined]
            )
            for d in items
        ],
        previous,
        following,
    )


def hosts(tenants: QuerySet[Tenant]) -> dict[int, Host]:
    """{id: Host} of these tenants; one query."""
    rows = tenants.only("name", "portal_url", "without_portal")
    return {row.pk: Host(row.name, row.is_without_portal) for row in rows}


def stands_apart(domain: AuditDomain) -> bool:
    """Whether it is new and being set up: on the pages it is in onboarding, whatever its status."""
    is_wrong = domain.status != DomainStatus.HEALTHY and not (domain.known or domain.covered)
    return is_wrong and in_grace(domain, timezone.now())


def waivers_of(domains: Iterable[int]) -> dict[int, list[ShownWaiver]]:
    """{domain id: its waivers that are in force}; one query, none without a domain."""
    found: dict[int, list[ShownWaiver]] = {}
    for waiver in Waiver.objects.filter(domain__in=list(domains), ended_at=None).order_by("pk"):
        found.setdefault(waiver.domain_id, []).append(
            {
                "id": waiver.pk,
                "check_id": waiver.check_id,
                "code": waiver.code,
                "reason": waiver.reason,
                "by": waiver.by,
                "until": waiver.until,
            }
        )
    return found


def card(
    domain: AuditDomain,
    tenant: Host,
    rows: Mapping[str, AuditCheck],
    *,
    waivers: Iterable[ShownWaiver] = (),
    follows: str = "",
    newest: bool = False,
    lost: bool = False,
    has_link: bool = False,
) -> Card:
    """One card: an active domain with its core checks, {check_id: its row}: their statuses now and
    as last known (without unknown), and the one reason why it is not healthy.
    """
    here = tenant.core_checks
    checks = {c: rows[c].status if c in rows else Status.UNKNOWN.value for c in here}
    waivers = list(waivers)
    waived = {(w["check_id"], w["code"]) for w in waivers}
    said = [CheckRow(c, rows[c].findings, rows[c].since) for c in checks if c in rows]
    return {
        "id": domain.pk,
        "tenant_id": domain.tenant_id,
        "tenant": tenant.name,
        "domain": domain.domain,
        "unicode": domain.unicode,
        "score": domain.score,
        "max_score": len(here),
        "not_measured_here": [c for c in core_checks() if c not in here],
        "status": str(domain.status),
        "stale": domain.stale,
        "last_audit": domain.last_audit_at,
        "enabled": domain.enabled,
        "queued": domain.requested_at is not None,
        "failing": [c for c, s in checks.items() if s != Status.OK],
        "checks": checks,
        "known": {
            c: r.conclusive_status for c, r in rows.items() if r.conclusive_status and c in here
        },
        "reason": reason_of(said, waived=waived, newest=newest),
        "follows": follows,
        "waivers": waivers,
        "is_known": domain.known,
        "trouble_at": domain.trouble_at,
        "onboarding": domain.onboarding,
        "in_grace": stands_apart(domain),
        "certificate_ends": domain.certificate_ends_at,
        "lost": lost,
        "has_link": has_link,
    }


def new_domains(tenant: int | None = None) -> dict[int, dict[str, int]]:
    """{tenant id: {status: how many domains}} of those that stand apart; one query, by an index of
    those in onboarding."""
    rows = AuditDomain.objects.filter(standing_apart(), enabled=True).order_by()
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    found: dict[int, dict[str, int]] = {}
    counted = rows.values("tenant", "severity").annotate(n=Count("pk"))
    for pk, severity, n in counted.values_list("tenant", "severity", "n"):
        found.setdefault(pk, {})[str(list(DomainStatus)[severity])] = n
    return found


def worker(domains: AuditDomainQuerySet) -> WorkerState:
    """Does anybody audit, and how many of `domains` (those that the caller may see) are due?"""
    following = AuditDomain.objects.active().order_by("next_audit_at").values("next_audit_at")[:1]
    due = (
        domains.due()
        .order_by()
        .annotate(all=Value(1))
        .values("all")
        .annotate(n=Count("pk"))
        .values("n")
    )
    down = WorkerHeartbeat.alive().filter(resolver_down_since__isnull=False)
    seen = WorkerHeartbeat.seen().annotate(
        next_audit_at=Subquery(following),
        queued=Coalesce(Subquery(due), 0),
        # of any of them: each host may have a resolver of its own
        down_since=Subquery(down.order_by("resolver_down_since").values("resolver_down_since")[:1]),
    )
    last = seen.order_by("-last_seen").first()
    next_audit_at = last.next_audit_at if last else None
    overdue = next_audit_at and next_audit_at < stale_before()
    return {
        "alive": bool(last and timezone.now() - last.last_seen < WorkerHeartbeat.ALIVE),
        "last_seen": last.last_seen if last else None,
        "queued": last.queued if last else domains.due().count(),
        "resolver_down_since": last.down_since if last else None,
        "next_audit_at": next_audit_at,
        "overdue_since": next_audit_at if overdue else None,
    }


def overview(
    domains: AuditDomainQuerySet,
    filters: Filters,
    *,
    limit: int = 60,
    cursor: str = "",
    tenant: int | None = None,
) -> Overview:
    """The whole overview: the answer of `GET /audit/overview`. Disabled domains are not on it.

    `domains`: those that the caller may see; `tenant`: the id of the only tenant that they may see,
    if so. Summary, groups and tenants count all of them, whatever the filters; the cards are the
    filtered page. Six queries, twelve at most.
    """
    tenants = counts(tenant)
    found, previous, following = cards(
        select(domains.active(), filters),
        tenants={t["id"]: Host(t["name"], t["without_portal"]) for t in tenants},
        sort=str(filters.get("sort", "worst")),
        newest=filters.get("group") == "new" or filters.get("sort") == "since",
        limit=limit,
        cursor=cursor,
    )
    summary = {key: sum(t[key] for t in tenants) for key in COUNTED}  # type: ignore[literal-required]  # the keys of Counts
    return {
        "generated_at": timezone.now(),
        "interval_seconds": settings.AUDIT_INTERVAL_SEC,
        "worker": worker(domains),
        "summary": cast(Counts, summary),
        "groups": {name: sum(t["groups"][name] for t in tenants) for name in GROUPED},
        "tenants": tenants,
        "cards": found,
        "previous_cursor": previous,
        "next_cursor": following,
    }


def counts(tenant: int | None = None) -> list[TenantCounts]:
    """The enabled tenants (or the one with this id) with the numbers of their domains, also those
    that have none; one query.

    The numbers are kept (`models.TenantCounts`); only what is stale or new is counted, as that
    depends on the time: it is little, or nobody audits, or much has begun at once.
    """
    rows = Tenant.objects.filter(enabled=True)
    if tenant is not None:
        rows = rows.filter(pk=tenant)
    before = stale_before()
    kept = rows.order_by("name", "pk").values_list(
        "id",
        "name",
        ExpressionWrapper(Q(without_portal=True, portal_url=""), output_field=BooleanField()),
        _number(last_audit_at__lt=before) + _number(last_audit_at=None, created_at__lt=before),
        _number(**new_since()),
        *(f"counts__{column}" for column in _KEPT_NUMBERS),
    )
    names = ("id", "name", "without_portal", "stale", "new", *_KEPT_NUMBERS)
    return [_counts(dict(zip(names, row, strict=True))) for row in kept]


def _number(**condition: object) -> Coalesce:
    """How many enabled domains of a tenant fulfil it, as an expression: a range of its index."""
    domains = AuditDomain.objects.filter(tenant=OuterRef("pk"), enabled=True, **condition)
    counted = domains.order_by().values("tenant").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


def _counts(row: Mapping[str, Any]) -> TenantCounts:
    kept = {column: row[column] or 0 for column in _KEPT_NUMBERS}
    known = {status: kept[status] for status in KEPT}
    groups = {group: kept[column] for group, column in KEPT_GROUPS.items()}
    groups |= {"new": row["new"], "covered": kept["covered"]}
    host = {name: row[name] for name in ("id", "name", "without_portal", "stale")}
    found = {**host, "domains": sum(known.values()), **known, "groups": groups}
    return cast(TenantCounts, found)
