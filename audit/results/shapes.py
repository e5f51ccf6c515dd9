"""The shapes of what is shown: plain data that API, pages and command line are made from."""

from datetime import datetime
from typing import Any, TypedDict

from collectors.stored import StoredCause, StoredRecord


class ShownFix(TypedDict):
    """What to do about a finding."""

    text: str
    records: list[StoredRecord]


class ShownFinding(TypedDict):
    """A finding, in the reader's language; `because`: the one that it follows from."""

    code: str
    severity: str
    message: str
    owner: str
    fix: ShownFix | None
    because: StoredCause | None


class Conclusive(TypedDict):
    """The last answer that was not unknown."""

    status: str
    at: datetime


class ShownCheck(TypedDict):
    """One check of a scorecard."""

    check_id: str
    title: str
    status: str
    message: str
    findings: list[ShownFinding]
    evidence: dict[str, Any]
    checked_at: datetime | None
    since: datetime | None
    last_ok_at: datetime | None
    last_conclusive: Conclusive | None
    duration_ms: int | None


class ShownRow(ShownCheck):
    """One row of a server card; `off`: why there is nothing to judge, '' where there is. `status`
    is `off` then."""

    off: str


class TenantRef(TypedDict):
    """A tenant, named."""

    id: int
    name: str


class Scorecard(TypedDict):
    """A domain with all its checks; `tenant` is None for an audit without one.

    `not_measured_here`: the ids of the checks that there are not, as the tenant has no portal on
    purpose.
    """

    tenant: TenantRef | None
    domain: str
    unicode: str
    score: int
    max_score: int
    not_measured_here: list[str]
    status: str
    stale: bool
    last_audit: datetime | None
    next_audit: datetime | None
    last_error: str
    lost: bool  # its server no longer lists it
    checks: list[ShownCheck]
    advisory: list[ShownCheck]


class ServerState(TypedDict):
    """The server card of a tenant; `status`: that of its worst row; `queued`: a test was asked for
    that is not done yet."""

    tenant: TenantRef
    status: str
    stale: bool
    last_audit: datetime | None
    next_audit: datetime | None
    queued: bool
    checks: list[ShownRow]


class Reason(TypedDict):
    """The one reason why a domain is not healthy. `check_id`: '' where the cause is none of the
    domain's checks; `title`: what stands before the words, with a colon between; `message`: the
    whole sentence; `waits`: the names of the checks that wait for it, or that could not be measured
    for it; `others`: of those that have a reason of their own.
    """

    check_id: str
    code: str
    title: str
    words: str
    message: str
    severity: str
    owner: str
    since: datetime | None
    waits: list[str]
    others: list[str]


class ShownWaiver(TypedDict):
    """What somebody has said of a finding that is known."""

    id: int
    check_id: str
    code: str
    reason: str
    by: str
    until: datetime | None


class Card(TypedDict):
    """A domain on the overview. `checks`: those that count there, of all without
    `not_measured_here`; `known`: the checks' statuses as last known, without unknown;
    `follows`: the shared cause that all of its trouble comes from, in words; `waivers`: in force;
    `in_grace`: it is new, and on the pages in onboarding whatever its status.
    """

    id: int
    tenant_id: int
    tenant: str
    domain: str
    unicode: str
    score: int
    max_score: int
    not_measured_here: list[str]
    status: str
    stale: bool
    last_audit: datetime | None
    enabled: bool
    queued: bool
    failing: list[str]
    checks: dict[str, str]
    known: dict[str, str]
    reason: Reason | None
    follows: str
    waivers: list[ShownWaiver]
    is_known: bool
    trouble_at: datetime | None
    onboarding: bool
    in_grace: bool
    has_link: bool  # to its report, that leads somewhere
    certificate_ends: datetime | None
    lost: bool  # its server no longer lists it


class WorkerState(TypedDict):
    """Does anybody audit? `queued`: how many domains are due, of those that the reader may see."""

    alive: bool
    last_seen: datetime | None
    queued: int
    resolver_down_since: datetime | None
    next_audit_at: datetime | None
    overdue_since: datetime | None  # something has been due for longer than two intervals


class Counts(TypedDict):
    """How many domains, in all and in each status."""

    domains: int
    healthy: int
    warning: int
    critical: int
    unknown: int
    stale: int


class TenantCounts(Counts):
    """The counts of one tenant; `groups`: by the values of the filter `group`, and `covered`;
    `without_portal`: it has none, on purpose."""

    id: int
    name: str
    without_portal: bool
    groups: dict[str, int]


class Overview(TypedDict):
    """The whole overview: counts of all domains, and one page of cards."""

    generated_at: datetime
    interval_seconds: int
    worker: WorkerState
    summary: Counts
    groups: dict[str, int]
    tenants: list[TenantCounts]
    cards: list[Card]
    previous_cursor: str | None
    next_cursor: str | None
