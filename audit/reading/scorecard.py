"""The scorecard of a domain as plain data: what the API, the command line and the pages show."""

from collections.abc import Callable, Collection, Mapping

from django.utils.translation import gettext as _

from audit.models import AuditCheck, AuditDomain, PortalDomain, Tenant
from audit.models.results import CheckAnswer
from audit.results.scoring import domain_status, score
from audit.results.shapes import Scorecard, ShownCheck
from audit.results.translate import finding, translate
from collectors.base import Check, CheckResult, Status
from collectors.names import to_unicode
from collectors.registry import CHECKS, core_checks
from collectors.server.subject import Row


def of_domain(domain: AuditDomain, only: Collection[str] | None = None) -> Scorecard:
    """The scorecard of a registered domain (its tenant and checks are read); `only`: these check
    ids.
    """
    checks, left_out = AuditCheck.of(domain), domain.tenant.not_measured_here
    wanted = [c for c in only or CHECKS if c not in left_out]

    def shown(entry: Check) -> ShownCheck:
        return stored_check(entry, checks.get(entry.check_id))

    return {
        "tenant": {"id": domain.tenant_id, "name": domain.tenant.name},
        "domain": domain.domain,
        "unicode": domain.unicode,
        "score": domain.score,
        "max_score": domain.tenant.max_score,
        "not_measured_here": left_out,
        "status": str(domain.status),
        "stale": domain.stale,
        "last_audit": domain.last_audit_at,
        "next_audit": domain.next_regular_at,
        "last_error": domain.last_error,
        "lost": is_lost(domain),
        "checks": _each(shown, wanted, core=True),
        "advisory": _each(shown, wanted, core=False),
    }


def is_lost(domain: AuditDomain) -> bool:
    """Whether its server had it and no longer lists it."""
    if (known := getattr(domain, "is_lost", None)) is not None:  # whoever read the row has looked
        return known
    lost = PortalDomain.objects.said(PortalDomain.Kind.LOST)
    return lost.filter(tenant=domain.tenant_id, domain=domain.domain).exists()


def of_results(
    name: str, results: Mapping[str, CheckResult], tenant: Tenant | None = None
) -> Scorecard:
    """The scorecard of an audit that is not saved; the same shape."""
    statuses = {k: r.status for k, r in results.items()}
    core = tenant.core_checks if tenant else core_checks()

    def shown(entry: Check) -> ShownCheck:
        return judged_check(entry, results[entry.check_id])

    return {
        "tenant": {"id": tenant.pk, "name": tenant.name} if tenant else None,
        "domain": name,
        "unicode": to_unicode(name),
        "score": score(statuses, core),
        "max_score": len(core),
        "not_measured_here": tenant.not_measured_here if tenant else [],
        "status": str(domain_status(statuses, core)),
        "stale": False,
        "last_audit": max((r.checked_at for r in results.values()), default=None),
        "next_audit": None,
        "last_error": "",
        "lost": False,
        "checks": _each(shown, results, core=True),
        "advisory": _each(shown, results, core=False),
    }


def _each(
    shown: Callable[[Check], ShownCheck], wanted: Collection[str], *, core: bool
) -> list[ShownCheck]:
    """The wanted checks in the order of the registry: those that count, or the advisory ones."""
    return [shown(c) for c in CHECKS.values() if c.core == core and c.check_id in wanted]


def not_here(check_ids: Collection[str]) -> str:
    """That these are not measured, as the server has no portal on purpose, in a sentence or two; ''
    for none."""
    if not check_ids:
        return ""
    names = ", ".join(translate(CHECKS[c].title) for c in check_ids)
    text = _("Not measured here: %(checks)s. This server has no portal, on purpose.")
    return text % {"checks": names}


def stored_check(entry: Check | Row, check: CheckAnswer | None) -> ShownCheck:
    """A check, or a row of a server card, as it is stored; None: never judged."""
    if check is None:
        return empty_check(entry)
    return {
        "check_id": entry.check_id,
        "title": translate(entry.title),
        "status": check.status,
        "message": translate(check.message_source, check.message),
        "findings": [finding(f) for f in check.findings],
        "evidence": check.evidence,
        "checked_at": check.checked_at,
        "since": check.since,
        "last_ok_at": check.last_ok_at,
        "last_conclusive": {"status": check.conclusive_status, "at": check.conclusive_at}
        if check.conclusive_at
        else None,
        "duration_ms": check.duration_ms,
    }


def empty_check(entry: Check | Row) -> ShownCheck:
    """One that was never judged."""
    return {
        "check_id": entry.check_id,
        "title": translate(entry.title),
        "status": Status.UNKNOWN.value,
        "message": _("Not audited yet."),
        "findings": [],
        "evidence": {},
        "checked_at": None,
        "since": None,
        "last_ok_at": None,
        "last_conclusive": None,
        "duration_ms": None,
    }


def judged_check(entry: Check | Row, result: CheckResult) -> ShownCheck:
    """One that was judged this moment."""
    at, status = result.checked_at, result.status
    return {
        "check_id": entry.check_id,
        "title": translate(entry.title),
        "status": status.value,
        "message": translate(result.message),
        "findings": [finding(f.to_dict()) for f in result.findings],
        "evidence": result.evidence,
        "checked_at": at,
        "since": at,
        "last_ok_at": at if status == Status.OK else None,
        "last_conclusive": None if status == Status.UNKNOWN else {"status": status.value, "at": at},
        "duration_ms": result.duration_ms,
    }
