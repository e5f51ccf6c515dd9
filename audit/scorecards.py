"""The scorecard of a domain as plain data: what the API, the command line and the pages show."""

from collectors.base import Status
from collectors.catalogue import CHECKS
from collectors.names import to_unicode

from .models import AuditCheck
from .scoring import domain_status, max_score, score
from .sentences import finding, say


def of_domain(domain, only=None):
    """The scorecard of a registered domain (its tenant and checks are read); `only`: these check ids."""
    checks = {c.check_id: c for c in AuditCheck.objects.filter(domain=domain)}
    return {
        "tenant": {"id": domain.tenant_id, "name": domain.tenant.name},
        "domain": domain.domain,
        "unicode": domain.unicode,
        "score": domain.score,
        "max_score": max_score(),
        "status": str(domain.status),
        "stale": domain.stale,
        "last_audit": domain.last_audit_at,
        "next_audit": domain.next_audit_at if domain.enabled and domain.tenant.enabled else None,
        "last_error": domain.last_error,
        "checks": [_stored(c, checks.get(c.check_id)) for c in CHECKS.values() if c.core and (not only or c.check_id in only)],
        "advisory": [_stored(c, checks.get(c.check_id)) for c in CHECKS.values() if not c.core and (not only or c.check_id in only)],
    }


def of_results(name, results, tenant=None):
    """The scorecard of an audit that is not saved; the same shape."""
    statuses = {k: r.status for k, r in results.items()}
    at = max((r.checked_at for r in results.values()), default=None)
    return {
        "tenant": {"id": tenant.pk, "name": tenant.name} if tenant else None,
        "domain": name,
        "unicode": to_unicode(name),
        "score": score(statuses),
        "max_score": max_score(),
        "status": str(domain_status(statuses)),
        "stale": False,
        "last_audit": at,
        "next_audit": None,
        "last_error": "",
        "checks": [_result(c, results[c.check_id]) for c in CHECKS.values() if c.core and c.check_id in results],
        "advisory": [_result(c, results[c.check_id]) for c in CHECKS.values() if not c.core and c.check_id in results],
    }


def _stored(entry, check):
    if check is None:
        return _empty(entry)
    return {
        "check_id": entry.check_id,
        "title": say(entry.title),
        "status": check.status,
        "message": say(check.message_source, check.message),
        "findings": [finding(f) for f in check.findings],
        "evidence": check.evidence,
        "checked_at": check.checked_at,
        "since": check.since,
        "last_ok_at": check.last_ok_at,
        "last_conclusive": {"status": check.conclusive_status, "at": check.conclusive_at} if check.conclusive_at else None,
        "duration_ms": check.duration_ms,
    }


def _empty(entry):
    nothing = dict.fromkeys(["checked_at", "since", "last_ok_at", "last_conclusive", "duration_ms"])
    from django.utils.translation import gettext as _

    return {
        "check_id": entry.check_id,
        "title": say(entry.title),
        "status": Status.UNKNOWN.value,
        "message": _("Not audited yet."),
        "findings": [],
        "evidence": {},
        **nothing,
    }


def _result(entry, result):
    ok = result.status == Status.OK
    return {
        "check_id": entry.check_id,
        "title": say(entry.title),
        "status": result.status.value,
        "message": say(result.message),
        "findings": [finding(f.to_dict()) for f in result.findings],
        "evidence": result.evidence,
        "checked_at": result.checked_at,
        "since": result.checked_at,
        "last_ok_at": result.checked_at if ok else None,
        "last_conclusive": None if result.status == Status.UNKNOWN else {"status": result.status.value, "at": result.checked_at},
        "duration_ms": result.duration_ms,
    }
