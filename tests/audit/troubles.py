"""Audits with troubles for tests of incidents: `audit(domain, dns_mx=fault("mx_missing"))`."""

from datetime import timedelta

from django.utils import timezone

from audit.models import AuditDomain, Incident
from audit.results import store
from collectors.base import Cause, CheckResult, Finding, Outcome, Owner, Severity
from collectors.registry import core_checks
from collectors.text import _
from tests.audit import factories as make

AWAY = {
    "portal_unreachable": ("carbonio", "nginx_vhost"),
    "resolver_down": ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc", "webmail_http"),
}


def fault(code, *, severity="fail", because=None, owner=Owner.CUSTOMER, message="", **evidence):
    """What a check finds; `because`: (check_id, code) of what it follows from."""
    text = _(message) if message else _("There is {code}.", code=code)
    return code, severity, because, owner, text, evidence


def all_ok(at=None):
    return {c: _result(c, None, at) for c in core_checks()}


def found(at=None, **faults):
    """The results of a whole audit; `faults`: {check_id: fault(…)}, the others are ok."""
    return {c: _result(c, faults.get(c), at) for c in core_checks()}


def unmeasured(code, at=None):
    """The results of an audit that could not look, as what it looks through is away."""
    return found(
        at, **dict.fromkeys(AWAY[code], fault(code, severity="unknown", owner="measurement"))
    )


def _result(check_id, trouble, at):
    message, findings, evidence = _("All is well."), [], {}
    if trouble:
        code, severity, because, owner, message, evidence = trouble
        cause = Cause(*because) if because else None
        finding = Finding(code, Severity(severity), message, Owner(owner), None, cause)
        findings = [finding]
    return CheckResult.of(
        check_id,
        Outcome(message, findings, evidence),
        checked_at=at or timezone.now(),
        duration_ms=3,
    )


def audit(domain, results=None, *, at=None, asked=False, **faults):
    """Record one audit of a domain; `asked`: by a person, for this domain alone."""
    if asked:
        AuditDomain.objects.filter(pk=domain.pk).request_audit(
            timezone.now() - timedelta(seconds=1)
        )
    results = found(at, **faults) if results is None else results
    assert store.record(domain, results, begun_at=timezone.now())
    domain.refresh_from_db()
    return domain


def settled(name=None, tenant=None, **fields):
    """A domain that was all right, twice: what begins now is its first trouble."""
    domain = make.make_domain(name, tenant, onboarding=False, **fields)
    audit(domain)
    return audit(domain)


def incidents(state="open", **of):
    """`[(kind, key, domains now)]` of the incidents in this state."""
    rows = Incident.objects.filter(**of).order_by("pk")
    if state != "all":
        rows = rows.filter(closed_at__isnull=state == "open")
    return [(i.kind, i.key, i.domains_now) for i in rows]
