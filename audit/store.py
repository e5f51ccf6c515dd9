"""Recording: the one write path for scheduled, manual, onboarding and command-line audits alike."""

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from collectors.base import Owner, Severity, Status, core_checks

from .models import AuditCheck, AuditDomain, AuditRun, CheckTransition
from .querysets import SUSPECT
from .scoring import domain_status, score

_FIELDS = [
    "status", "message", "message_source", "findings", "evidence", "checked_at", "since",
    "conclusive_status", "conclusive_at", "last_ok_at", "duration_ms",
]  # fmt: skip


def record(domain, results, *, begun_at, owner=None):
    """Save the results of one audit of `domain` (an AuditDomain), in one transaction; False if the claim was lost.

    `results`: {check_id: CheckResult}, all checks or some. `owner`: who claimed the domain; when somebody else holds it by
    now, nothing is written (they will write). Writes the checks, a transition for each change between conclusive statuses,
    score, status and the next slot, and settles the runs that waited for it.
    """
    with transaction.atomic():
        rows = AuditDomain.objects.filter(pk=domain.pk)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        row = rows.first()
        if row is None or (owner is not None and row.claimed_by != owner):
            return False
        known = {c.check_id: c for c in AuditCheck.objects.filter(domain=row)}
        checks, transitions = [], []
        for check_id in sorted(results):
            check, transition = _merge(row, known.get(check_id), results[check_id])
            checks.append(check)
            transitions += [transition] if transition else []
        AuditCheck.objects.bulk_create(checks, update_conflicts=True, unique_fields=["domain", "check_id"], update_fields=_FIELDS)
        CheckTransition.objects.bulk_create(transitions)
        statuses = {**{k: c.status for k, c in known.items()}, **{k: r.status for k, r in results.items()}}
        now, core = timezone.now(), core_checks()
        status = domain_status(statuses)
        changes = {
            "score": score(statuses),
            "status": status,
            "severity": status.rank,
            **_owners([f for c in {**known, **{c.check_id: c for c in checks}}.values() if c.check_id in core for f in c.findings]),
        }
        whole = set(results).issuperset(core)  # some checks alone are no audit: the others still grow stale, and whoever asked waits
        if whole or row.last_audit_at is None:
            changes |= {"last_audit_at": now, "last_error": ""}
        if owner is not None or row.claimed_by == "":
            changes |= {"claimed_by": "", "claimed_until": None, "attempts": 0}
        if whole and not (row.requested_at and row.requested_at > begun_at):  # else somebody asked again meanwhile: stay due
            changes |= {"requested_at": None, "next_audit_at": row.next_slot(now)}
        rows.update(**changes)
        if whole:
            AuditRun.objects.settle(row, begun_at=begun_at, ok=True)
    return True


def give_up(domain, *, owner, begun_at, error):
    """End a claim without results: the domain waits for its next regular slot, and the runs that asked count it as failed.

    It stays a suspect: the next time it is audited alone.
    """
    with transaction.atomic():
        now = timezone.now()
        changed = AuditDomain.objects.filter(pk=domain.pk, claimed_by=owner).update(
            claimed_by="", claimed_until=None, requested_at=None, attempts=SUSPECT, last_error=error[:200],
            next_audit_at=domain.next_slot(now),
        )  # fmt: skip
        if changed:
            AuditRun.objects.settle(domain, begun_at=begun_at, ok=False)
    return bool(changed)


def release(domain_ids, *, owner, counted=False):
    """Give claimed domains back untouched: they are due again at once. `counted`: the attempt stays counted."""
    rows = AuditDomain.objects.filter(pk__in=domain_ids, claimed_by=owner)
    rows.update(claimed_by="", claimed_until=None, attempts=F("attempts") - (0 if counted else 1))


def _merge(domain, before, result):
    """(check row, transition or None) of a new result over what was known."""
    at, status = result.checked_at, result.status
    conclusive = status != Status.UNKNOWN
    check = AuditCheck(
        domain=domain,
        check_id=result.check_id,
        status=status.value,
        message=str(result.message),
        message_source=result.message.source(),
        findings=[f.to_dict() for f in result.findings],
        evidence=result.evidence,
        checked_at=at,
        since=min(before.since, at) if before and before.status == status else at,  # min: the clock may have been set back
        conclusive_status=status.value if conclusive else (before.conclusive_status if before else ""),
        conclusive_at=at if conclusive else (before.conclusive_at if before else None),
        last_ok_at=at if status == Status.OK else (before.last_ok_at if before else None),
        duration_ms=result.duration_ms,
    )
    was = before.conclusive_status if before else ""
    if not conclusive or was == status:
        if conclusive and before and before.status == Status.UNKNOWN:
            check.since = _since(domain, result.check_id, at)  # unknown in between does not restart the clock
        return check, None
    transition = CheckTransition(
        domain=domain,
        check_id=result.check_id,
        from_status=was,
        to_status=status.value,
        at=at,
        message=check.message,
        message_source=check.message_source,
        evidence_before=before.evidence if before else {},
        evidence_after=result.evidence,
    )
    return check, transition


def _owners(findings):
    """Who must act: the owners of the stored findings that are warn or fail."""
    owners = {f["owner"] for f in findings if f["severity"] in (Severity.WARN, Severity.FAIL)}
    return {"needs_customer": Owner.CUSTOMER in owners, "needs_host": Owner.HOST in owners}


def _since(domain, check_id, default):
    """When the present conclusive status began: the last transition."""
    last = CheckTransition.objects.filter(domain=domain, check_id=check_id).order_by("-at").values_list("at", flat=True).first()
    return last or default
