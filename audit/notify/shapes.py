"""The shapes of what messages say (`Notification.facts`): plain JSON, which webhooks get as it is.

Times are ISO 8601 in UTC, domains A-labels, sentences in the channel's language.
"""

from typing import NotRequired, TypedDict


class TenantFacts(TypedDict):
    """A tenant, named."""

    id: int
    name: str


class IncidentFacts(TypedDict):
    """An incident as a channel sees it: of its tenants' domains alone."""

    id: int
    kind: str
    check_id: str
    check: str
    code: str
    subject: str
    message: str
    owner: str
    severity: str
    tenant: TenantFacts | None
    domains: list[str]  # the first of them
    domains_count: int
    since: str
    closed_at: str | None
    what_to_do: str
    url: str


class Counted(TypedDict):
    """The first of many incidents, and how many there are."""

    count: int
    first: list[IncidentFacts]


class CertificateFacts(TypedDict):
    """A certificate that ends soon, or has."""

    domain: str
    tenant: str
    ends_at: str
    days: int


class OnboardingFacts(TypedDict):
    """A domain that was never healthy yet. `max_score`: of the checks that count there."""

    domain: str
    tenant: str
    since: str
    score: int
    max_score: NotRequired[int]


class Facts(TypedDict, total=False):
    """What one message says; which of these, by its event."""

    incident: IncidentFacts  # opened, closed, unwaived
    why: str  # unwaived: why it is known no longer
    opened: Counted  # storm
    closed: Counted  # storm, digest
    unwaived: Counted  # storm
    since: str  # storm, digest: from when to when
    until: str
    new: Counted  # digest
    open: Counted
    certificates: list[CertificateFacts]
    certificates_count: int
    onboarding: list[OnboardingFacts]
    onboarding_count: int
    domains_count: int
    all_well: bool
    left: list[str]  # of an e-mail that others have got: to whom it is yet to be sent
    channel: str  # channel: which one was switched off, and test: which is tried
    url: NotRequired[str]
