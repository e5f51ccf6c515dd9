"""The vocabulary of a check (status, finding, fix, result, target), the CHECKS registry, and `run()`."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from .text import Text, _, clean_json

log = logging.getLogger(__name__)


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
class Record:
    """One DNS record to publish, replace or remove; `name` without trailing dot, `value` unquoted and unsplit."""

    type: str
    name: str
    value: str
    action: Action = Action.ADD
    current: str | None = None

    def to_dict(self):
        return {"type": self.type, "name": self.name, "value": self.value, "action": str(self.action), "current": self.current}


@dataclass(frozen=True)
class Fix:
    """What to do about a finding: a sentence, and the exact records where DNS is the cure."""

    text: Text
    records: tuple[Record, ...] = ()

    def to_dict(self):
        return {"text": str(self.text), "text_source": self.text.source(), "records": [r.to_dict() for r in self.records]}


@dataclass(frozen=True)
class Finding:
    """One fact that a check reports. `message`: what is wrong, what it causes, what to do, in that order."""

    code: str
    severity: Severity
    message: Text
    owner: Owner
    fix: Fix | None = None

    def to_dict(self):
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": str(self.message),
            "message_source": self.message.source(),
            "owner": str(self.owner),
            "fix": self.fix and self.fix.to_dict(),
        }


def fail(code, message, *, owner=Owner.CUSTOMER, fix=None):
    """A finding of severity `fail`."""
    return Finding(code, Severity.FAIL, message, owner, fix)


def warn(code, message, *, owner=Owner.CUSTOMER, fix=None):
    """A finding of severity `warn`."""
    return Finding(code, Severity.WARN, message, owner, fix)


def info(code, message, *, owner=Owner.CUSTOMER, fix=None):
    """A finding that is shown and changes nothing."""
    return Finding(code, Severity.INFO, message, owner, fix)


def unknown(code, message, *, owner=Owner.MEASUREMENT, fix=None):
    """A finding that says that something could not be measured."""
    return Finding(code, Severity.UNKNOWN, message, owner, fix)


class Fault(Exception):
    """Something could not be measured. `code` is the finding's code, `message` the sentence for the operator.

    Raised by `Net`; a check that lets it pass becomes `unknown` with this code. The tree:

        Fault
        ├── net_dns.DnsFault     a DNS lookup failed (dns_timeout, dns_servfail, …)
        ├── net.PortalFault      the portal did not give an answer (portal_timeout, portal_auth, …)
        └── net.Budget           the audit has asked all that one audit may ask (audit_limit)
    """

    def __init__(self, code, message):
        super().__init__(str(message))
        self.code, self.message = code, message

    def finding(self):
        return unknown(self.code, self.message)


@dataclass(frozen=True)
class Outcome:
    """What a check function returns: `summary` is the sentence that is shown when nothing is wrong."""

    summary: Text
    findings: list[Finding] = field(default_factory=list)
    evidence: dict = field(default_factory=dict)


_RANK = {Severity.FAIL: 3, Severity.WARN: 2, Severity.UNKNOWN: 1}


def status_of(findings):
    """The status of a check with these findings: `fail` > `warn` > `unknown` > `ok`."""
    worst = max((_RANK.get(f.severity, 0) for f in findings), default=0)
    return {3: Status.FAIL, 2: Status.WARN, 1: Status.UNKNOWN, 0: Status.OK}[worst]


@dataclass(frozen=True)
class CheckResult:
    """The answer of one check for one domain. `evidence` is plain JSON data; `duration_ms` is wall time."""

    check_id: str
    status: Status
    message: Text
    findings: tuple[Finding, ...]
    evidence: dict
    checked_at: datetime
    duration_ms: int

    @classmethod
    def of(cls, check_id, outcome, *, checked_at, duration_ms, seen=None):
        """A result from an outcome; `seen` is what the net recorded (lookups, requests), kept beside the evidence."""
        findings = sorted(outcome.findings, key=lambda f: -_RANK.get(f.severity, 0))
        worst = findings[0] if findings and findings[0].severity != Severity.INFO else None
        evidence = clean_json({**outcome.evidence, **(seen or {})})
        message = worst.message if worst else outcome.summary
        return cls(check_id, status_of(findings), message, tuple(findings), evidence, checked_at, duration_ms)


@dataclass(frozen=True)
class Target:
    """What is audited: a domain (A-label) and what its tenant expects of it. `portal_token` never leaves the net."""

    domain: str
    tenant: str = ""
    portal_url: str = ""
    portal_token: str = field(default="", repr=False)
    mail_hosts: tuple[str, ...] = ()
    sending_ips: tuple[str, ...] = ()
    spf_include: str = ""
    dkim_selectors: tuple[str, ...] = ()  # the domain's own
    tenant_dkim_selectors: tuple[str, ...] = ()
    webmail_url: str = "https://webmail.{domain}/"
    dmarc_rua: str = ""

    @property
    def webmail(self):
        """The webmail URL of this domain."""
        return self.webmail_url.replace("{domain}", self.domain)


@dataclass(frozen=True)
class Check:
    """An entry of the registry. `core` checks make the score; the others are shown and never scored."""

    check_id: str
    title: Text
    function: Callable[..., Awaitable[Outcome]]
    core: bool = True


CHECKS: dict[str, Check] = {}  # in the order in which they are shown


def check(check_id, title, *, core=True):
    """Register an async function `(target, net) -> Outcome` as a check."""

    def register(function):
        if check_id in CHECKS:
            raise ValueError(f"two checks are called {check_id}")
        CHECKS[check_id] = Check(check_id, title, function, core)
        return function

    return register


def core_checks():
    """The ids of the checks that make the score, in their order (loads the catalogue of checks)."""
    from . import catalogue

    return [c.check_id for c in catalogue.CHECKS.values() if c.core]


async def run(target, audit, only=None) -> Mapping[str, CheckResult]:
    """Run all checks (or those in `only`) for one domain at the same time; never raises for what a check does.

    `audit` is a `net.Audit`: the shared lookups and the limits of this one audit. A check that runs over its time, or
    into a fault, becomes `unknown` with the code that says which; what it saw until then is kept as evidence.
    """
    wanted = [c for c in CHECKS.values() if only is None or c.check_id in only]
    tasks = [asyncio.create_task(_one(c, target, audit), name=c.check_id) for c in wanted]
    try:
        results = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await audit.close()
    return {r.check_id: r for r in results}


async def _one(entry, target, audit):
    net = audit.net(entry.check_id)
    started, checked_at = time.monotonic(), datetime.now(UTC)
    try:
        async with asyncio.timeout(audit.check_seconds):
            outcome = await entry.function(target, net)
    except TimeoutError:
        message = _("The check did not finish within {seconds} seconds.", seconds=f"{audit.check_seconds:g}")
        outcome = Outcome(message, [unknown("check_timeout", message)])
    except Fault as fault:
        outcome = Outcome(fault.message, [fault.finding()])
    except Exception:
        log.exception("check %s of %s failed", entry.check_id, target.domain)
        message = _("The check ran into an internal error; the log has the details.")
        outcome = Outcome(message, [unknown("check_error", message)])
    duration = round((time.monotonic() - started) * 1000)
    return CheckResult.of(entry.check_id, outcome, checked_at=checked_at, duration_ms=duration, seen=net.seen())
