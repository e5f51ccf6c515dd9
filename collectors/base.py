"""The vocabulary of a check: finding, fix, outcome, result, target, fault, the decorator."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from collectors.stored import (
    Evidence,
    SigningKey,
    StoredCause,
    StoredFacts,
    StoredFinding,
    StoredFix,
    StoredRecord,
)
from collectors.text import Text, clean_json

SessionT = TypeVar("SessionT")  # what a check looks through: net.session.CheckSession


class Status(StrEnum):
    """What a check says of a domain; the worst severity among its findings decides."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How much a finding matters. `info` is shown and changes nothing."""

    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Owner(StrEnum):
    """Who must act on a finding."""

    CUSTOMER = "customer"  # their DNS
    HOST = "host"  # the mail server or its proxy
    MEASUREMENT = "measurement"  # we could not look


class Action(StrEnum):
    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True)
class DnsRecord:
    """One DNS record to publish, replace or remove.

    `name` is without trailing dot, `value` unquoted and unsplit. `carried`: no cure itself, but
    what the others would take away where they are published.
    """

    type: str
    name: str
    value: str
    action: Action = Action.ADD
    current: str | None = None
    carried: bool = field(default=False, compare=False)

    def to_dict(self) -> StoredRecord:
        return {
            "type": self.type,
            "name": self.name,
            "value": self.value,
            "action": str(self.action),
            "current": self.current,
        }


@dataclass(frozen=True)
class Fix:
    """What to do about a finding: a sentence, and the exact records where DNS is the cure."""

    text: Text
    records: tuple[DnsRecord, ...] = ()

    def to_dict(self) -> StoredFix:
        return {
            "text": str(self.text),
            "text_source": self.text.source(),
            "records": [r.to_dict() for r in self.records],
        }


@dataclass(frozen=True)
class Cause:
    """The finding that another one follows from: of which check, and its code."""

    check_id: str
    code: str

    def to_dict(self) -> StoredCause:
        return {"check_id": self.check_id, "code": self.code}


@dataclass(frozen=True)
class Finding:
    """One fact that a check reports.

    `message`: what is wrong, what it causes, what to do, in that order.
    `because`: the finding that this one follows from; it is gone when that one is cured.
    """

    code: str
    severity: Severity
    message: Text
    owner: Owner
    fix: Fix | None = None
    because: Cause | None = None

    def to_dict(self) -> StoredFinding:
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": str(self.message),
            "message_source": self.message.source(),
            "owner": str(self.owner),
            "fix": self.fix.to_dict() if self.fix else None,
            "because": self.because.to_dict() if self.because else None,
        }


def fail(
    code: str, message: Text, *, owner: Owner = Owner.CUSTOMER, fix: Fix | None = None
) -> Finding:
    """A finding of severity `fail`."""
    return Finding(code, Severity.FAIL, message, owner, fix)


def warn(
    code: str, message: Text, *, owner: Owner = Owner.CUSTOMER, fix: Fix | None = None
) -> Finding:
    """A finding of severity `warn`."""
    return Finding(code, Severity.WARN, message, owner, fix)


def info(
    code: str, message: Text, *, owner: Owner = Owner.CUSTOMER, fix: Fix | None = None
) -> Finding:
    """A finding that is shown and changes nothing."""
    return Finding(code, Severity.INFO, message, owner, fix)


def unknown(
    code: str, message: Text, *, owner: Owner = Owner.MEASUREMENT, fix: Fix | None = None
) -> Finding:
    """A finding that says that something could not be measured."""
    return Finding(code, Severity.UNKNOWN, message, owner, fix)


class Fault(Exception):
    """Something could not be measured; a check that lets it pass becomes `unknown` with its code.

    `code` is the finding's code, `message` the sentence for the operator. Raised by sessions:

        Fault
        ├── net.dns_lookup.DnsFault           a lookup failed (dns_timeout, dns_servfail, …)
        ├── net.circuit_breaker.PortalFault   the portal gave no answer (portal_timeout, …)
        └── net.session.RequestsSpent         the audit may send no more requests (audit_limit)
    """

    def __init__(self, code: str, message: Text, fix: Fix | None = None) -> None:
        super().__init__(str(message))
        self.code, self.message, self.fix = code, message, fix

    def finding(self) -> Finding:
        return unknown(self.code, self.message, fix=self.fix)


@dataclass(frozen=True)
class Outcome:
    """What a check function returns: `summary` is the sentence that is shown when nothing is wrong.

    `facts`: what the portal has just said and is to be remembered; empty where it said nothing.
    """

    summary: Text
    findings: list[Finding] = field(default_factory=list)
    evidence: Mapping[str, object] = field(default_factory=dict)
    facts: StoredFacts = field(default_factory=StoredFacts)


_RANK = {Severity.FAIL: 3, Severity.WARN: 2, Severity.UNKNOWN: 1}


def status_of(findings: Iterable[Finding]) -> Status:
    """The status of a check with these findings: `fail` > `warn` > `unknown` > `ok`."""
    worst = max((_RANK.get(f.severity, 0) for f in findings), default=0)
    return {3: Status.FAIL, 2: Status.WARN, 1: Status.UNKNOWN, 0: Status.OK}[worst]


def given_once(findings: Iterable[Finding]) -> list[Finding]:
    """The findings with each fix at the first, and worst, of those that it cures."""
    found = list(findings)
    carriers: dict[Fix, Finding] = {}
    for finding in sorted(found, key=lambda f: -_RANK.get(f.severity, 0)):
        if finding.fix:
            carriers.setdefault(finding.fix, finding)
    return [f if f.fix is None or carriers[f.fix] is f else replace(f, fix=None) for f in found]


@dataclass(frozen=True)
class CheckResult:
    """The answer of one check for one domain; `duration_ms` is wall time."""

    check_id: str
    status: Status
    message: Text
    findings: tuple[Finding, ...]
    evidence: Evidence
    checked_at: datetime
    duration_ms: int
    facts: StoredFacts = field(default_factory=StoredFacts)

    @classmethod
    def of(
        cls,
        check_id: str,
        outcome: Outcome,
        *,
        checked_at: datetime,
        duration_ms: int,
        seen: Mapping[str, object] | None = None,
    ) -> "CheckResult":
        """A result from an outcome; `seen`: what the session recorded, kept beside the evidence."""
        findings = sorted(outcome.findings, key=lambda f: -_RANK.get(f.severity, 0))
        worst = findings[0] if findings and findings[0].severity != Severity.INFO else None
        evidence = clean_json({**outcome.evidence, **(seen or {})})
        message = worst.message if worst else outcome.summary
        return cls(
            check_id,
            status_of(findings),
            message,
            tuple(findings),
            evidence,
            checked_at,
            duration_ms,
            outcome.facts,
        )


@dataclass(frozen=True)
class PortalFacts:
    """What a tenant's portal last said of a domain, each with the time (UTC) at which it said so.

    Without its time, a fact was never said. `dkim` is None where the server signs with no key.
    `certificate`: the PEM text. `keys_seen`: SHA-256 fingerprints of all keys that the server was
    seen to sign with, the newest first.
    """

    dkim: SigningKey | None = None
    dkim_at: datetime | None = None
    keys_seen: tuple[str, ...] = ()
    certificate: str = ""
    certificate_at: datetime | None = None


@dataclass(frozen=True)
class KnownZone:
    """The apex of the zone that a domain stands in and its name servers, as they answered last:
    A-labels in lower case without final dot. Empty where they never did."""

    zone: str = ""
    name_servers: tuple[str, ...] = ()


# Stands for a portal token that no key opens: nothing is sent for it.
UNREADABLE_TOKEN = "\0"  # noqa: S105 - no password


_EXPECTED = {  # beside what their evidence has anyway: mail hosts, the webmail's address
    "cert_le": ("webmail_addresses", "webmail_target"),
    "dns_spf": ("spf_include", "sending_ips"),
    "dns_dkim": ("dkim_selectors", "tenant_dkim_selectors"),
    "dns_dmarc": ("dmarc_rua",),
    "webmail_http": ("webmail_addresses", "webmail_target"),
}


@dataclass(frozen=True)
class Target:
    """What is audited: a domain (A-label) and what its tenant expects of it.

    `portal_token` goes to the portal and nowhere else. `without_portal`: the tenant has none, on
    purpose; without it, one whose `portal_url` is empty was forgotten.
    """

    domain: str
    tenant: str = ""
    portal_url: str = ""
    without_portal: bool = False
    portal_token: str = field(default="", repr=False)
    mail_hosts: tuple[str, ...] = ()
    sending_ips: tuple[str, ...] = ()
    spf_include: str = ""
    dkim_selectors: tuple[str, ...] = ()  # the domain's own
    tenant_dkim_selectors: tuple[str, ...] = ()
    webmail_url: str = "https://webmail.{domain}/"
    dmarc_rua: str = ""
    webmail_addresses: tuple[str, ...] = ()  # addresses that webmail names must lead to
    webmail_target: str = ""  # a name that customers may alias their webmail name to
    dkim_cname: str = ""  # template with {selector} and {domain}; '' = none
    contact: str = ""  # whom a customer may ask
    portal_facts: PortalFacts = PortalFacts()  # they decide while the portal is silent
    known_zone: KnownZone = KnownZone()

    @property
    def webmail(self) -> str:
        """The webmail URL of this domain."""
        return self.webmail_url.replace("{domain}", self.domain)

    def expected(self, check_id: str) -> Evidence:
        """What of the tenant's settings this check holds the domain against, as evidence: so that a
        change of ours is told from one of theirs."""
        return {name: getattr(self, name) for name in _EXPECTED.get(check_id, ()) if self.tenant}


@dataclass(frozen=True)
class Check(Generic[SessionT]):
    """A check as the registry lists it; calling it calls its function.

    `core` checks make the score; the others are shown and never scored. `needs_portal`: only a
    portal knows; where there is none on purpose, the check is not measured.
    """

    check_id: str
    title: Text
    function: Callable[[Target, SessionT], Awaitable[Outcome]]
    core: bool = True
    needs_portal: bool = False

    def __call__(self, target: Target, session: SessionT) -> Awaitable[Outcome]:
        return self.function(target, session)


def check(
    check_id: str, title: Text, *, core: bool = True, needs_portal: bool = False
) -> Callable[[Callable[[Target, SessionT], Awaitable[Outcome]]], Check[SessionT]]:
    """Make an async function `(target, session) -> Outcome` a `Check`; the registry lists it."""

    def decorate(function: Callable[[Target, SessionT], Awaitable[Outcome]]) -> Check[SessionT]:
        return Check(check_id, title, function, core, needs_portal)

    return decorate
