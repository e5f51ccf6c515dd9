"""From registered to 8/8: where each new domain stands, who waits for whom, and how long it takes;
few queries, whatever the number of domains.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypedDict

from django.db.models import (
    Case,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber, TruncMonth
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, ReportLink, Tenant
from audit.models.counts import GROUPS
from audit.reading.filters import Domains, containing
from audit.reading.overview import hosts
from audit.reading.paging import turn
from audit.reading.reason import short_name
from audit.results.triage import DMARC, in_grace, is_policy_alone
from collectors.base import Owner, Status
from collectors.registry import core_checks

STAGES = ("registered", "link", "dns", "mx", "done")
WAITS = ("customer", "us", "measure")
DONE_DAYS = 7  # for how long what is done stays on the board
COUNTED = 5_000  # domains whose stages are counted
MONTHS = 12
LINKS = 5  # to a domain's report, on its scorecard
OLDEST_FIRST, NEWEST_DONE = ["created_at", "id"], ["-onboarded_at", "-id"]


@dataclass
class Asked:
    """What of the board is wanted; what is empty narrows nothing. `q`: as in the overview."""

    tenant: int | None = None
    stage: str = ""
    waits: str = ""
    q: str = ""

    @cached_property
    def found(self) -> Q:
        """The condition of what is looked for, which is looked up once."""
        return containing(self.q) if self.q else Q()


class Row(TypedDict):
    """One domain on the board. `missing`, `unmeasured`: ids of core checks; `since`: when
    whoever must act began to be waited for; `for_customer`: something is theirs to change."""

    id: int
    tenant_id: int
    domain: str
    unicode: str
    stage: str
    waits: str
    for_customer: bool
    since: datetime
    missing: list[str]
    unmeasured: list[str]
    overdue: bool
    registered_at: datetime
    onboarded_at: datetime | None
    last_audit: datetime | None
    score: int
    max_score: int
    status: str
    link: ReportLink | None


class Month(TypedDict):
    """How long it took those that were done in a month."""

    month: datetime
    domains: int
    median: timedelta
    p90: timedelta


def board(
    domains: Domains, asked: Asked, *, limit: int, cursor: str = ""
) -> tuple[list[Row], str | None, str | None]:
    """`(rows, previous_cursor, next_cursor)`: those in onboarding, the oldest first (so that what
    is overdue is on top), or with the stage `done` those that are, the newest first. `domains`:
    those that the caller may see. Raises paging.CursorError. Four queries, six behind a cursor.
    """
    done = asked.stage == "done"
    order = NEWEST_DONE if done else OLDEST_FIRST
    rows = _of(domains, asked, done=done)
    if not done:
        if asked.stage:
            rows = rows.filter(Q(stage=asked.stage))
        if asked.waits:
            rows = rows.filter(Q(waits=asked.waits))
    rows = rows.defer("portal_facts", "checked", "dkim_selectors", "unconfirmed")
    found, before, after = turn(rows, order=order, limit=limit, cursor=cursor, nulls=False)
    ids = [row.pk for row in found]
    checks: dict[int, dict[str, AuditCheck]] = {pk: {} for pk in ids}
    kept = AuditCheck.objects.filter(domain__in=ids, check_id__in=core_checks())
    tenants = hosts(Tenant.objects.filter(pk__in={row.tenant_id for row in found}))
    for check in kept.only("domain", "check_id", "status", "findings", "since"):
        checks[check.domain_id][check.check_id] = check
    links, now = ReportLink.objects.newest_of(ids), timezone.now()
    most = {pk: len(tenant.core_checks) for pk, tenant in tenants.items()}
    shown = [_row(d, checks[d.pk], links.get(d.pk), most[d.tenant_id], now) for d in found]
    return shown, before, after


def numbers(domains: Domains, asked: Asked) -> tuple[dict[str, int], dict[str, int], bool]:
    """`(by stage, by who is waited for, exact)` of a tenant's domains or of all; of more than
    COUNTED the oldest. Two queries."""
    rows = _of(domains, asked, done=False).order_by(*OLDEST_FIRST)
    both = rows.values_list("stage", "waits")  # type: ignore[misc] # annotated by `_of`
    found = list(both[: COUNTED + 1])
    stages = Counter(stage for stage, _waits in found[:COUNTED])
    waits = Counter(waits for _stage, waits in found[:COUNTED])
    stages["done"] = _of(domains, asked, done=True).count_up_to(COUNTED)
    by_stage = {stage: stages[stage] for stage in STAGES}
    return by_stage, {who: waits[who] for who in WAITS}, len(found) <= COUNTED


def months(domains: Domains, tenant: int | None = None) -> list[Month]:
    """How long it took from registered to the end of the onboarding, by the month of that end, the
    newest first; a month without any is left out. One query.
    """
    this = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = divmod(this.year * 12 + this.month - MONTHS, 12)
    begin = this.replace(year=year, month=month + 1)
    rows = domains.filter(onboarded_at__gte=begin).order_by()
    if tenant:
        rows = rows.filter(tenant=tenant)
    took = ExpressionWrapper(F("onboarded_at") - F("created_at"), output_field=DurationField())
    rows = rows.annotate(month=TruncMonth("onboarded_at"), took=took)
    turns = Window(RowNumber(), partition_by="month", order_by=["took", "pk"])
    ranked = rows.annotate(n=Window(Count("pk"), partition_by="month"), turn=turns)
    # the nearest rank: of ten the fifth and the ninth
    half, most = (F("n") + 1) / 2, (F("n") * 9 + 9) / 10
    picked = ranked.filter(Q(turn=half) | Q(turn=most)).order_by("-month", "turn")
    found: dict[datetime, Month] = {}
    for at, n, took_, turn_ in picked.values_list("month", "n", "took", "turn"):
        entry = found.setdefault(at, {"month": at, "domains": n, "median": took_, "p90": took_})
        if turn_ == (n + 1) // 2:
            entry["median"] = took_
        if turn_ == (n * 9 + 9) // 10:
            entry["p90"] = took_
    return list(found.values())


def of_domain(row: AuditDomain) -> dict[str, Any]:
    """A domain's part in the onboarding, for its scorecard, and the links to its report, the newest
    first. One query, none where the row says that there is no link (`has_links`)."""
    links = ReportLink.objects.filter(domain=row).select_related("created_by").order_by("-pk")
    found = list(links[:LINKS]) if getattr(row, "has_links", True) else []
    taken_out = not row.onboarding and row.onboarded_at is None and row.first_healthy_at is None
    return {
        "report_links": found,
        "newest_link": found[0] if found else None,
        "onboarding": row.active and (row.onboarding or taken_out),
        "overdue": row.onboarding and not in_grace(row, timezone.now()),
    }


def missing_words(row: Row, most: int = 3) -> tuple[str, int]:
    """`(names, how many more)` of what is missing, in a few words."""
    names = [short_name(check_id) for check_id in row["missing"]]
    return ", ".join(names[:most]), max(0, len(names) - most)


def missing_of(checks: Mapping[str, AuditCheck]) -> list[str]:
    """The core checks that keep a domain in onboarding, in their order."""
    return [
        check_id
        for check_id in core_checks()
        if check_id in checks
        and checks[check_id].status in (Status.FAIL, Status.WARN)
        and not (check_id == DMARC and is_policy_alone(checks[check_id].findings))
    ]


# -- what the database is asked


def _of(domains: Domains, asked: Asked, *, done: bool) -> Domains:
    rows = domains.active()
    if asked.tenant:
        rows = rows.filter(tenant=asked.tenant)
    rows = rows.filter(asked.found)
    if done:
        since = timezone.now() - timedelta(days=DONE_DAYS)
        rows = rows.filter(onboarded_at__gte=since, onboarding=False)
        return rows.annotate(stage=Value("done"), waits=Value(""))
    checks = AuditCheck.objects.filter(domain=OuterRef("pk")).order_by()
    right = Q(check_id__in=("dns_spf", "dns_dkim"), status=Status.OK)
    right |= Q(check_id=DMARC, status__in=(Status.OK, Status.WARN))
    records = checks.filter(right).values("domain").annotate(n=Count("pk")).values("n")
    rows = rows.filter(**GROUPS["onboarding"]).annotate(
        has_link=Exists(ReportLink.objects.alive().filter(domain=OuterRef("pk"))),
        records=Coalesce(Subquery(records), 0),
        has_moved=Exists(checks.filter(check_id="dns_mx", status=Status.OK)),
    )
    return rows.annotate(stage=_STAGE, waits=_WAITS)


# Records are right where SPF and DKIM are ok and DMARC is there, whose policy is tightened in
# steps; mail that was moved before them does not count yet.
_STAGE = Case(
    When(records=3, has_moved=True, then=Value("mx")),
    When(records=3, then=Value("dns")),
    When(has_link=True, then=Value("link")),
    default=Value("registered"),
)
# nobody is waited for before it is measured; a customer without a link waits for us
_WAITS = Case(
    When(last_audit_at=None, then=Value("measure")),
    When(needs_customer=True, has_link=True, then=Value("customer")),
    When(Q(needs_customer=True) | Q(needs_host=True), then=Value("us")),
    default=Value("measure"),
)


def _row(
    row: AuditDomain,
    checks: Mapping[str, AuditCheck],
    link: ReportLink | None,
    most: int,
    now: datetime,
) -> Row:
    stage, waits = row.stage, row.waits  # type: ignore[attr-defined] # as `_of` says
    missing = missing_of(checks)
    for_customer = any(_is_for(Owner.CUSTOMER, checks[c]) for c in missing)
    if waits == "customer" and not for_customer:
        waits = "us"  # all that is theirs is DMARC's policy, which nobody waits for
    return {
        "id": row.pk,
        "tenant_id": row.tenant_id,
        "domain": row.domain,
        "unicode": row.unicode,
        "stage": stage,
        "waits": waits,
        "for_customer": for_customer,
        "since": _since(row, waits, checks, link),
        "missing": missing,
        "unmeasured": [c for c in core_checks() if c in checks and _is_unknown(checks[c])],
        "overdue": stage != "done" and not in_grace(row, now),
        "registered_at": row.created_at,
        "onboarded_at": row.onboarded_at,
        "last_audit": row.last_audit_at,
        "score": row.score,
        "max_score": most,
        "status": str(row.status),
        "link": link,
    }


def _is_unknown(check: AuditCheck) -> bool:
    return check.status == Status.UNKNOWN


def _since(
    row: AuditDomain, waits: str, checks: Mapping[str, AuditCheck], link: ReportLink | None
) -> datetime:
    """Since when it waits: for a customer since the link was given, for us since ours began."""
    if waits == "customer" and link:
        return link.given_at
    if waits == "us" and row.needs_host:
        ours = (c.since for c in checks.values() if _is_for(Owner.HOST, c))
        return min(ours, default=row.created_at)
    if waits == "measure":
        return min((c.since for c in checks.values() if _is_unknown(c)), default=row.created_at)
    return row.onboarded_at or row.created_at


def _is_for(owner: Owner, check: AuditCheck) -> bool:
    counts = (Status.FAIL, Status.WARN)
    return any(f["owner"] == owner and f["severity"] in counts for f in check.findings)
