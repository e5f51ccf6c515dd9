"""The shapes of the API. Answers are built as plain data and sent without a pass through these: they document and are tested."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field, StringConstraints

from collectors.catalogue import CHECKS, core_checks

from .overview import ORDERS, OWNERS, STATUSES
from .scoring import DomainStatus

CheckId = Literal[tuple(CHECKS)]
CoreCheckId = Literal[tuple(core_checks())]
CheckStatus = Literal["ok", "warn", "fail", "unknown"]
DomainState = Literal[tuple(DomainStatus.values)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Count = Annotated[int, Field(ge=0)]
DomainText = Annotated[str, StringConstraints(max_length=1000)]

# -- what is asked


class Page(Schema):
    limit: int = Field(60, ge=1, le=200, description="How many at most.")
    cursor: str | None = Field(None, max_length=2000, description="`next_cursor` of the page before; opaque.")


class OverviewQuery(Page):
    tenant: int | None = Field(None, ge=1, le=2**63 - 1, description="Only this tenant.")
    status: Literal[tuple(STATUSES)] | None = Field(None, description="Only domains in this status, or those that are stale.")
    check: CoreCheckId | None = Field(None, description="Only domains where this check is not ok.")
    owner: Literal[tuple(OWNERS)] | None = Field(None, description="Only domains that wait for this one to act.")
    q: str | None = Field(None, max_length=253, description="Part of the domain name.", examples=["cliente"])
    sort: Literal[tuple(ORDERS)] = Field("worst", description="`worst` first, by name, or the longest not audited first.")


class HistoryQuery(Page):
    domain: DomainText | None = Field(None, description="Only this domain.")
    check_id: CheckId | None = Field(None, description="Only this check.")


class DomainsQuery(Page):
    q: str | None = Field(None, max_length=253, description="Part of the domain name.")


class DomainIn(Schema):
    """A domain to register."""

    domain: DomainText = Field(description="With or without accents; stored as its A-label.", examples=["cliente.pt"])
    dkim_selectors: list[Annotated[str, StringConstraints(max_length=190)]] = Field(
        [], max_length=20, description="Instead of the tenant's selectors.", examples=[["s2026"]]
    )


class EventData(Schema):
    domain: str | None = Field(None, examples=["cliente.pt"])
    account: str | None = Field(None, description="Its domain counts where `domain` is missing.", examples=["ana@cliente.pt"])


class Event(Schema):
    """An event of a portal; what else it holds is kept."""

    type: str = Field(min_length=1, max_length=100, examples=["account.created"])
    timestamp: str | None = None
    data: EventData | None = None


# -- what is answered


class Error(Schema):
    where: str = Field(alias="in", description="`query`, `path`, `body` or `header`.")
    name: str
    code: str = Field(description="Stable, for programs.")
    message: str


class ProblemDetails(Schema):
    """RFC 9457."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(description="One sentence for people.")
    errors: list[Error] | None = Field(None, description="Which inputs are meant.")


class Counts(Schema):
    domains: Count
    healthy: Count
    warning: Count
    critical: Count
    unknown: Count
    stale: Count


class TenantCounts(Counts):
    id: Id
    name: str


class Worker(Schema):
    alive: bool = Field(description="A worker was seen in the last 30 seconds.")
    last_seen: datetime | None
    queued: Count = Field(description="Domains that are due and not begun, of those that you may see.")
    resolver_down_since: datetime | None = Field(description="Our own resolver does not answer since then.")


class Card(Schema):
    tenant_id: Id
    tenant: str
    domain: str = Field(examples=["cliente.pt"])
    unicode: str = Field(description="The name as people write it.")
    score: Count
    max_score: Count
    status: DomainState
    stale: bool = Field(description="The last audit is older than twice the interval.")
    last_audit: datetime | None
    queued: bool = Field(description="Somebody waits for an audit of it.")
    failing: list[CoreCheckId] = Field(description="The checks that are not ok.")
    checks: dict[str, CheckStatus]


class Overview(Schema):
    generated_at: datetime
    interval_seconds: Count
    worker: Worker
    summary: Counts = Field(description="All domains that you may see, whatever the filters.")
    tenants: list[TenantCounts]
    cards: list[Card]
    next_cursor: str | None


class TenantRef(Schema):
    id: Id
    name: str


class Record(Schema):
    type: str
    name: str
    value: str
    action: Literal["add", "replace", "remove"]
    current: str | None = Field(description="What is published now.")


class Fix(Schema):
    text: str
    records: list[Record] = Field(description="Exactly what to publish.")


class Finding(Schema):
    code: str = Field(description="Stable, for programs.")
    severity: Literal["info", "warn", "fail", "unknown"]
    message: str
    owner: Literal["customer", "host", "measurement"]
    fix: Fix | None


class Conclusive(Schema):
    status: Literal["ok", "warn", "fail"]
    at: datetime


class Check(Schema):
    check_id: CheckId
    title: str
    status: CheckStatus
    message: str
    findings: list[Finding]
    evidence: dict[str, Any] = Field(description="What was seen.")
    checked_at: datetime | None
    since: datetime | None = Field(description="When the present status began.")
    last_ok_at: datetime | None
    last_conclusive: Conclusive | None = Field(description="The last answer that was not unknown.")
    duration_ms: Count | None


class Scorecard(Schema):
    tenant: TenantRef
    domain: str
    unicode: str
    score: Count
    max_score: Count
    status: DomainState
    stale: bool
    last_audit: datetime | None
    next_audit: datetime | None
    checks: list[Check]
    advisory: list[Check] = Field(description="Shown and never scored.")


class RunAccepted(Schema):
    run_id: Id
    status: Literal["queued"]
    domains: Count
    already_queued: bool = Field(description="It had been asked for before and has not begun.")
    status_url: str = Field(examples=["/api/v1/audit/runs/17"])


class Run(Schema):
    run_id: Id
    status: Literal["queued", "running", "done", "failed"]
    domains: Count
    done: Count
    failed: Count
    started_at: datetime | None
    finished_at: datetime | None


class Transition(Schema):
    domain: str
    unicode: str
    check_id: str
    from_status: str | None = Field(alias="from", description="null: the first answer.")
    to_status: str = Field(alias="to")
    at: datetime
    message: str
    evidence_before: dict[str, Any]
    evidence_after: dict[str, Any]


class History(Schema):
    transitions: list[Transition]
    next_cursor: str | None


class Domain(Schema):
    tenant_id: Id
    domain: str
    unicode: str
    source: Literal["onboarding", "manual", "import", "api"]
    dkim_selectors: list[str]
    enabled: bool
    score: Count
    max_score: Count
    status: DomainState
    stale: bool
    last_audit: datetime | None
    next_audit: datetime | None
    created_at: datetime


class Domains(Schema):
    domains: list[Domain]
    next_cursor: str | None


class Receipt(Schema):
    status: Literal["accepted", "duplicate"]
