"""Check results for tests of what is kept: `result("dns_mx", "fail")`."""

from django.utils import timezone

from collectors.base import CheckResult, Outcome, Status, fail, unknown, warn
from collectors.registry import core_checks
from collectors.text import _

_MAKERS = {"fail": fail, "warn": warn, "unknown": unknown}


def result(check_id, status="ok", *, at=None, seen="something"):
    """A CheckResult of one check."""
    message = _("It is {status}.", status=status)
    findings = [_MAKERS[status](f"{check_id}_{status}", message)] if status in _MAKERS else []
    outcome = Outcome(message, findings, {"seen": seen})
    made = CheckResult.of(check_id, outcome, checked_at=at or timezone.now(), duration_ms=12)
    assert made.status == Status(status)
    return made


def results(*, at=None, **statuses):
    """{check_id: CheckResult} of all eight: ok but for those named."""
    return {c: result(c, statuses.get(c, "ok"), at=at) for c in core_checks()}
