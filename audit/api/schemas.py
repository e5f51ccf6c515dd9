"""The shapes of the API. An operation returns rows or plain data, and its answer is read from that
through the schema it names: only what stands here is ever sent.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ninja import Schema
from pydantic import BeforeValidator, Field, StringConstraints, create_model

from audit.models import AuditDomain, CheckTransition, Incident, PortalDomain, ReportLink
from audit.models.domains import DomainStatus
from audit.reading import changes
from audit.reading.filters import FILTERS, SEARCHED, Filter
from audit.reading.incident_list import STATES
from audit.reading.onboarding import STAGES, WAITS
from audit.results.translate import translate
from collectors.registry import CHECKS, core_checks
from collectors.server.card import CARD

CheckId = Literal[tuple(CHECKS)]
CoreCheckId = Literal[tuple(core_checks())]
RowId = Literal[tuple(CARD)]
CheckStatus = Literal["ok", "warn", "fail", "unknown"]
DomainState = Literal[tuple(DomainStatus.values)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Count = Annotated[int, Field(ge=0)]
DomainText = Annotated[str, StringConstraints(max_length=1000)]
SearchText = Annotated[str, StringConstraints(max_length=253)]
NOT_HERE: Any = Field(
    description="The checks that there are not, as the tenant has no portal on purpose."
)
TextOrNone = Annotated[str | None, BeforeValidator(lambda text: text or None)]

# -- what is asked


class Page(Schema):
    limit: int = Field(60, ge=1, le=200, description="How many at most.")
    cursor: str | None = Field(
        None, max_length=2000, description="`next_cursor` of the page before; opaque."
    )


def _parameter(entry: Filter) -> Any:
    """A filter as pydantic declares a field."""
    kind: Any = Id if entry.kind is int else SearchText
    if entry.values:
        kind = Literal.__getitem__(entry.values)
    examples = ["cliente"] if kind is SearchText else None
    about = Field(entry.default or None, description=entry.description, examples=examples)
    return (kind if entry.default else kind | None), about


if TYPE_CHECKING:
    OverviewQuery = Page
else:
    _parameters = {name: _parameter(entry) for name, entry in FILTERS.items()}
    OverviewQuery = create_model("OverviewQuery", __base__=Page, **_parameters)


class IncidentsQuery(Page):
    tenant: Id | None = Field(None, description="Only what touches this tenant.")
    state: Literal[STATES] = Field("open", description="Those that are open, closed, or all.")


class HistoryQuery(Page):
    domain: DomainText | None = Field(None, description="Only this domain.")
    check_id: CheckId | None = Field(None, description="Only this check.")


class DomainsQuery(Page):
    q: str | None = Field(None, max_length=253, description=SEARCHED)


class OnboardingQuery(Page):
    tenant: Id | None = Field(None, description="Only domains of this tenant.")
    stage: Literal[STAGES] | None = Field(  # type: ignore[valid-type]
        None, description="Only this stage. `done`: those of the last seven days, newest first."
    )
    waits: Literal[WAITS] | None = Field(  # type: ignore[valid-type]
        None, description="Only those that wait for the customer, for us, for a measurement."
    )
    q: SearchText | None = Field(None, description=SEARCHED)


class ReportLinksQuery(Page):
    domain: DomainText | None = Field(None, description="Only this domain.")


class ReportLinkIn(Schema):
    """For which domain a link to the customer's report is made."""

    domain: DomainText = Field(examples=["cliente.pt"])


class PortalDomainsQuery(Page):
    kind: Literal[tuple(PortalDomain.Kind.values)] | None = Field(  # type: ignore[valid-type]
        None, description="Only what the server has and we lack, or had and has no longer."
    )


class PortalDomainsIn(Schema):
    """Differences to leave as they are."""

    kind: Literal[tuple(PortalDomain.Kind.values)] = Field(  # type: ignore[valid-type]
        description="What the server has and we lack, or had and has no longer."
    )
    domains: list[DomainText] | None = Field(
        None, min_length=1, max_length=1000, description="Only these; all without it."
    )


class DomainIn(Schema):
    """A domain to register."""

    domain: DomainText = Field(
        description="With or without accents; stored as its A-label.", examples=["cliente.pt"]
    )
    dkim_selectors: list[Annotated[str, StringConstraints(max_length=190)]] = Field(
        [], max_length=20, description="Instead of the tenant's selectors.", examples=[["s2026"]]
    )


class EventData(Schema):
    domain: str | None = Field(None, examples=["cliente.pt"])
    account: str | None = Field(
        None,
        description="Its domain counts where `domain` is missing.",
        examples=["ana@cliente.pt"],
    )


class Event(Schema):
    """An event of a portal; what else it holds is kept."""

    type: str = Field(min_length=1, max_length=100, examples=["account.created"])
    timestamp: str | None = None
    data: EventData | None = None


# -- what is answered


class ErrorSchema(Schema):
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
    errors: list[ErrorSchema] | None = Field(None, description="Which inputs are meant.")


class TenantRefSchema(Schema):
    id: Id
    name: str


class CountsSchema(Schema):
    domains: Count
    healthy: Count
    warning: Count
    critical: Count
    unknown: Count
    stale: Count


class TenantCountsSchema(CountsSchema, TenantRefSchema):
    """Of one tenant."""


class Worker(Schema):
    alive: bool = Field(description="A worker was seen in the last 30 seconds.")
    last_seen: datetime | None
    queued: Count = Field(
        description="Domains that are due and not begun, of those that you may see."
    )
    resolver_down_since: datetime | None = Field(
        description="Our own resolver does not answer since then."
    )
    overdue_since: datetime | None = Field(
        description="A domain has been due since then, for longer than two intervals."
    )


class ReasonSchema(Schema):
    """Why a domain is not healthy, the one reason that a line has room for."""

    check_id: str = Field(description="Empty where none of the domain's own checks is the cause.")
    code: str = Field(examples=["spf_sender_not_authorised"])
    title: str = Field(examples=["SPF"])
    words: str = Field(examples=["our server is not authorised"])
    severity: Literal["warn", "fail", "unknown"]
    owner: Literal["customer", "host", "measurement"]
    since: datetime | None
    waits: list[str] = Field(description="The names of the checks that wait for it.")


class CardSchema(Schema):
    tenant_id: Id
    tenant: str
    domain: str = Field(examples=["cliente.pt"])
    unicode: str = Field(description="The name as people write it.")
    score: Count
    max_score: Count = Field(description="How many checks count here.")
    not_measured_here: list[CoreCheckId] = NOT_HERE
    status: DomainState
    stale: bool = Field(description="The last audit is older than twice the interval.")
    last_audit: datetime | None
    queued: bool = Field(description="Somebody waits for an audit of it.")
    lost: bool = Field(description="Its server no longer lists it.")
    failing: list[CoreCheckId] = Field(description="The checks that are not ok.")
    checks: dict[str, CheckStatus]
    reason: ReasonSchema | None = Field(description="In your language; null: nothing is wrong.")


class OverviewSchema(Schema):
    generated_at: datetime
    interval_seconds: Count
    worker: Worker
    summary: CountsSchema = Field(description="All domains that you may see, whatever the filters.")
    groups: dict[str, Count] = Field(
        description="How many of them are in each `group`, and `covered`: only under shared causes."
    )
    tenants: list[TenantCountsSchema]
    cards: list[CardSchema]
    next_cursor: str | None


class RecordSchema(Schema):
    type: str
    name: str
    value: str
    action: Literal["add", "replace", "remove"]
    current: str | None = Field(description="What is published now.")


class FixSchema(Schema):
    text: str
    records: list[RecordSchema] = Field(description="Exactly what to publish.")


class CauseSchema(Schema):
    """A finding: of which check (or which of the tenant's own settings), and its code."""

    check_id: str
    code: str


class FindingSchema(Schema):
    code: str = Field(description="Stable, for programs.")
    severity: Literal["info", "warn", "fail", "unknown"]
    message: str
    owner: Literal["customer", "host", "measurement"]
    fix: FixSchema | None
    because: CauseSchema | None = Field(
        description="The finding that this one follows from; cured with it."
    )


class ConclusiveSchema(Schema):
    status: Literal["ok", "warn", "fail"]
    at: datetime


class CheckSchema(Schema):
    check_id: CheckId
    title: str
    status: CheckStatus
    message: str
    findings: list[FindingSchema]
    evidence: dict[str, Any] = Field(description="What was seen.")
    checked_at: datetime | None
    since: datetime | None = Field(description="When the present status began.")
    last_ok_at: datetime | None
    last_conclusive: ConclusiveSchema | None = Field(
        description="The last answer that was not unknown."
    )
    duration_ms: Count | None


class ScorecardSchema(Schema):
    tenant: TenantRefSchema
    domain: str
    unicode: str
    score: Count
    max_score: Count = Field(description="How many checks count here.")
    not_measured_here: list[CoreCheckId] = NOT_HERE
    status: DomainState
    stale: bool
    last_audit: datetime | None
    next_audit: datetime | None
    lost: bool = Field(description="Its server no longer lists it.")
    checks: list[CheckSchema] = Field(description="Those that count here, in their order.")
    advisory: list[CheckSchema] = Field(description="Shown and never scored.")


class ServerRowSchema(CheckSchema):
    check_id: RowId  # type: ignore[assignment] # of another list
    status: Literal["ok", "warn", "fail", "unknown", "off"]  # type: ignore[assignment] # one more


class ServerSchema(Schema):
    """The server card of a tenant."""

    tenant: TenantRefSchema
    status: CheckStatus = Field(description="Of the worst row that is not off.")
    stale: bool = Field(description="It was last judged longer ago than twice the interval.")
    last_audit: datetime | None
    next_audit: datetime | None
    queued: bool = Field(description="Somebody has asked for a test that is not done yet.")
    checks: list[ServerRowSchema]


class TestAccepted(Schema):
    status: Literal["queued"]
    already_queued: bool = Field(description="It had been asked for before and has not begun.")
    status_url: str = Field(examples=["/api/v1/audit/tenants/1/server"])


class RunAccepted(Schema):
    run_id: Id
    status: Literal["queued"]
    domains: Count
    already_queued: bool = Field(description="It had been asked for before and has not begun.")
    status_url: str = Field(examples=["/api/v1/audit/runs/17"])


class Run(Schema):
    """Of an AuditRun."""

    run_id: Id = Field(validation_alias="pk")
    status: Literal["queued", "running", "done", "failed"] = Field(validation_alias="state")
    domains: Count
    done: Count
    failed: Count
    started_at: datetime | None
    finished_at: datetime | None


class Transition(Schema):
    """Of a CheckTransition with its domain."""

    domain: str = Field(validation_alias="domain.domain")
    unicode: str = Field(validation_alias="domain.unicode")
    check_id: str
    from_status: TextOrNone = Field(
        serialization_alias="from", description="null: the first answer."
    )
    to_status: str = Field(serialization_alias="to")
    at: datetime
    message: str
    changes: list[str] = Field(description="What changed, in sentences for people.")
    evidence_before: dict[str, Any] = Field(description="Of the evidence what only was before.")
    evidence_after: dict[str, Any]

    @staticmethod
    def resolve_message(row: CheckTransition) -> str:
        """In the language of whoever asks."""
        return translate(row.message_source, row.message)

    @staticmethod
    def resolve_changes(row: CheckTransition) -> list[str]:
        """Of the domain's tenant, so that our own changes are told apart."""
        return changes.of_transition(row, changes.own_names_of(row.domain.tenant))


class History(Schema):
    transitions: list[Transition]
    next_cursor: str | None


class IncidentRow(Schema):
    """Of an Incident with its tenant."""

    id: Id
    kind: Literal[tuple(Incident.Kind.values)]  # type: ignore[misc]
    tenant_id: Id | None = Field(description="null: of several tenants, or of none.")
    check_id: TextOrNone = Field(description="A check, or a row of the server card.")
    code: TextOrNone = Field(description="The finding.")
    subject: TextOrNone = Field(
        description="The host, address or certificate that they share; of `check`, the domain."
    )
    message: str
    owner: Literal["customer", "host", "measurement"]
    severity: Literal["info", "warn", "fail", "unknown"]
    state: Literal["open", "known", "closed"]
    opened_at: datetime = Field(description="When its first sign was seen.")
    confirmed_at: datetime
    closed_at: datetime | None
    merged_into: Id | None = Field(
        validation_alias="merged_into_id", description="Closed as it goes on in that one."
    )
    domains_now: Count
    domains_most: Count

    @staticmethod
    def resolve_message(row: Incident) -> str:
        """In the language of whoever asks."""
        return translate(row.message_source, row.message)


class Incidents(Schema):
    incidents: list[IncidentRow]
    next_cursor: str | None


class PortalDomainRow(Schema):
    """Of a PortalDomain."""

    domain: str
    unicode: str
    kind: Literal[tuple(PortalDomain.Kind.values)]
    since: datetime


class PortalDomains(Schema):
    state: Literal["never", "compared", "doubtful", "failed", "not_offered"] = Field(
        description="What came of the last list."
    )
    message: str = Field(description="Why it was not compared, in your language.")
    asked_at: datetime | None
    compared_at: datetime | None = Field(description="When a list was last believed.")
    listed: Count = Field(description="Domains on that list.")
    passed_over: Count = Field(description="Names on it that are no public domains.")
    domains: list[PortalDomainRow]
    next_cursor: str | None


class PortalDomainsLeft(Schema):
    left: Count = Field(description="How many are left as they are now, and were not before.")


class PortalDomainsShown(Schema):
    shown: Count = Field(description="How many are shown again.")


class Domain(Schema):
    """Of an AuditDomain with its tenant."""

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
    last_audit: datetime | None = Field(validation_alias="last_audit_at")
    next_audit: datetime | None = Field(validation_alias="next_regular_at")
    created_at: datetime

    @staticmethod
    def resolve_max_score(row: AuditDomain) -> int:
        """Of the checks that are measured at its tenant."""
        return row.tenant.max_score


class Domains(Schema):
    domains: list[Domain]
    next_cursor: str | None


class LinkTimesSchema(Schema):
    """Of a ReportLink: what became of it. Visits of our own do not count."""

    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None = Field(description="When a mail server took it.")
    opened_at: datetime | None = Field(description="When its holder first looked at the report.")
    seen_at: datetime | None = Field(description="When its holder last did.")
    checked_at: datetime | None = Field(description="When its holder last had it checked again.")
    done_at: datetime | None = Field(description="When the domain had what it asks for.")


class OnboardingRowSchema(Schema):
    """Of a row of the board."""

    tenant_id: Id
    domain: str
    unicode: str
    stage: Literal[STAGES]  # type: ignore[valid-type]
    waits: TextOrNone = Field(description="`customer`, `us` or `measure`; null: for nobody.")
    since: datetime = Field(description="Since when it waits.")
    missing: list[str] = Field(description="Checks that keep it from 8/8.")
    unmeasured: list[str]
    overdue: bool = Field(description="For longer than AUDIT_GRACE_DAYS in onboarding.")
    registered_at: datetime
    onboarded_at: datetime | None
    last_audit: datetime | None
    score: Count
    max_score: Count
    status: DomainState
    link: LinkTimesSchema | None = Field(description="The newest link that leads somewhere.")


class MonthSchema(Schema):
    month: str = Field(examples=["2026-11"])
    domains: Count
    median_seconds: Count = Field(description="Half of them took no longer.")
    p90_seconds: Count = Field(description="Nine of ten took no longer.")


class OnboardingSchema(Schema):
    stages: dict[str, Count]
    exact: bool = Field(description="false: of more than 5,000 domains the oldest are counted.")
    months: list[MonthSchema] = Field(description="Of the last twelve, the newest first.")
    domains: list[OnboardingRowSchema]
    next_cursor: str | None


class ReportLinkSchema(LinkTimesSchema):
    """Of a ReportLink with its domain."""

    id: Id = Field(validation_alias="pk")
    domain: str = Field(validation_alias="domain.domain")
    sent_to: TextOrNone
    revoked_at: datetime | None
    ended: Literal[tuple(ReportLink.End.values)] | None = Field(  # type: ignore[misc]
        description="Why it leads nowhere any more; null while it does."
    )
    url: TextOrNone = Field(None, description="Whoever has it sees the report; only when made.")


class ReportLinks(Schema):
    links: list[ReportLinkSchema]
    next_cursor: str | None


class Receipt(Schema):
    status: Literal["accepted", "duplicate"]
