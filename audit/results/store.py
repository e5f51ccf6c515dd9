"""Recording: the one write path for scheduled, manual, onboarding and command-line audits alike."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit.models import AuditDomain, AuditRun, ReportLink, Tenant
from audit.models.domains import SUSPECT, DomainStatus
from audit.models.known_zone import stored_zone, zone_in
from audit.models.portal_facts import merge_facts
from audit.models.results import stored_time
from audit.results import check_rows, domain_rows, incidents, seen
from audit.results.incident_rows import IncidentClosed
from audit.results.scoring import completed, take_score
from collectors.base import CheckResult, Status
from collectors.registry import NEED_PORTAL, core_checks

# What every audit writes in its domain's row; what it seldom changes is in domain_rows.STATE.
_TIMES = (
    "checked", "portal_facts", "last_audit_at", "last_error", "next_audit_at", "requested_at",
    "requested_bulk", "claimed_by", "claimed_until", "attempts", "crash_group",
)  # fmt: skip


class RowLocked(DatabaseError):
    """Somebody else has the domain's row locked just now; nothing was written."""


@dataclass(frozen=True)
class Audited:
    """The results of one audit of `domain`: of all checks or of some.

    `owner`: who claimed the domain; when somebody else holds it by now, nothing is written (they
    will write). `run_id`: the drain's run in which it counts, if no run waited for it.
    """

    domain: AuditDomain
    results: Mapping[str, CheckResult]
    begun_at: datetime
    owner: str | None = None
    run_id: int | None = None

    def is_whole(self, core: Sequence[str]) -> bool:
        """All that count (`core`) were checked."""
        return self.results.keys() >= set(core)

    def without_portal(self) -> "Audited":
        """The same, of a domain whose tenant has none by now: what only a portal knows is left out,
        also where it was still asked."""
        results = {c: r for c, r in self.results.items() if c not in NEED_PORTAL}
        return replace(self, results=results)


class Saved(Enum):
    """What became of an `Audited`: written; not, as the claim was lost or the domain removed; not,
    as somebody else has the row locked just now."""

    WRITTEN = "written"
    LOST = "lost"
    LOCKED = "locked"


def record(
    domain: AuditDomain,
    results: Mapping[str, CheckResult],
    *,
    begun_at: datetime,
    owner: str | None = None,
    run_id: int | None = None,
    wait: bool = True,
) -> bool:
    """Save the results of one audit, see `record_lot` and `Audited`; False if the claim was lost.

    Without `wait` it raises RowLocked where somebody else has the row locked (PostgreSQL).
    """
    (saved,) = record_lot([Audited(domain, results, begun_at, owner, run_id)], wait=wait)
    if saved == Saved.LOCKED:
        raise RowLocked(f"{domain.domain} is locked by another transaction")
    return saved == Saved.WRITTEN


def record_lot(lot: Sequence[Audited], *, wait: bool = False) -> list[Saved]:
    """Save the results of audits of several domains, each of another, in one transaction; what
    became of each. What can't be kept of one raises, and nothing of the lot is written.

    Writes the checks whose answer is another, a transition for each change between conclusive
    statuses, and in each domain's row the times of its checks, score, status, what the portal said
    and the next slot; counts the domains in the runs that waited for them, or in the drain's;
    and lets incidents begin and end by what is confirmed.
    """
    for _again in range(3):
        with contextlib.suppress(IncidentClosed):
            return _record_lot(lot, wait=wait)
    return _record_lot(lot, wait=wait)


def _record_lot(lot: Sequence[Audited], *, wait: bool) -> list[Saved]:
    with transaction.atomic():
        rows = _locked([a.domain.pk for a in lot], wait=wait)
        saved = [_verdict(a, rows.get(a.domain.pk)) for a in lot]
        written = [a for a, verdict in zip(lot, saved, strict=True) if verdict == Saved.WRITTEN]
        _write([(rows[a.domain.pk], a) for a in written])
    if not wait and Saved.LOST in saved and connection.features.has_select_for_update_skip_locked:
        there = AuditDomain.objects.filter(
            pk__in=[a.domain.pk for a in lot if a.domain.pk not in rows]
        )
        locked = set(there.values_list("pk", flat=True))
        saved = [
            Saved.LOCKED if a.domain.pk in locked else verdict
            for a, verdict in zip(lot, saved, strict=True)
        ]
    return saved


def _locked(pks: list[int], *, wait: bool) -> dict[int, AuditDomain]:
    """The rows of the domains, ours until the end of the transaction; without those that were
    removed, and unless `wait` those that somebody else has locked."""
    rows = AuditDomain.objects.filter(pk__in=pks).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:  # SQLite: one writer at a time anyway
        rows = rows.select_for_update(skip_locked=not wait, no_key=True)
    return {row.pk: row for row in rows}


def _verdict(audited: Audited, row: AuditDomain | None) -> Saved:
    if row is None or (audited.owner is not None and row.claimed_by != audited.owner):
        return Saved.LOST
    return Saved.WRITTEN


def _write(audits: list[tuple[AuditDomain, Audited]]) -> None:
    """Write the lot. Rows are locked in one order by all: domains, runs, incidents, and at last
    the counts."""
    if not audits:
        return
    now = timezone.now()
    audits, core = _as_counted(audits)
    known = check_rows.Known([row for row, _audited in audits])
    differing = {row: known.differing(row, a.results) for row, a in audits}
    changed = check_rows.write([(row, found) for row, found in differing.items() if found])
    changes = domain_rows.Changes(row for row, _audited in audits)
    aims = {row.pk: aims_of(row) for row, _audited in audits}
    follows, confirm = [], settings.AUDIT_CONFIRM
    for row, audited in audits:
        at_once = _somebody_waits(row, audited)
        counts = core[row.tenant_id]
        statuses = known.statuses(row) | {c: r.status for c, r in audited.results.items()}
        statuses = completed(statuses, counts)
        _take(row, audited, counts, now)
        take_score(row, statuses, counts)
        if row in changed:
            row.needs_customer, row.needs_host = changed[row]
        if new := differing[row].get("cert_le"):
            _take_date(row, new.result)
        if new := differing[row].get("dns_mx"):
            _take_zone(row, new.result)
        before = known.conclusive(row)
        follows.append(
            incidents.Seen(row, audited.results, before, statuses, differing[row], confirm, at_once)
        )
    whole = {row.pk: a.begun_at for row, a in audits if a.is_whole(core[row.tenant_id])}
    AuditRun.objects.complete_domains(whole, ok=True)
    for run_id, number in sorted(Counter(a.run_id for _r, a in audits if a.run_id).items()):
        AuditRun.objects.count_scheduled(run_id, ok=True, number=number)
    of_others = incidents.follow(follows, now)
    moved = changes.write(_TIMES)
    done = [row.pk for row, _a in audits if reached(aims[row.pk], aims_of(row))]
    ReportLink.objects.end_of(done, now)
    domain_rows.count(domain_rows.together(moved, of_others))


def aims_of(row: AuditDomain) -> tuple[bool, bool]:
    """What a customer is asked for: that all is well, or that its onboarding ends by itself."""
    return row.status == DomainStatus.HEALTHY, row.onboarded_at is not None


def reached(before: tuple[bool, bool], after: tuple[bool, bool]) -> bool:
    """Whether one of these aims is reached that was not before."""
    return any(is_so and not was for was, is_so in zip(before, after, strict=True))


def _as_counted(
    audits: list[tuple[AuditDomain, Audited]],
) -> tuple[list[tuple[AuditDomain, Audited]], dict[int, list[str]]]:
    """The audits as their tenants are now, whose rows are locked, and `{tenant id: the checks that
    count}`."""
    tenants = {row.tenant_id for row, _audited in audits}
    found = Tenant.objects.without_portal().filter(pk__in=tenants)
    without = set(found.order_by().values_list("pk", flat=True))
    if without:
        audits = [(row, a.without_portal() if row.tenant_id in without else a) for row, a in audits]
    return audits, {pk: core_checks(without_portal=pk in without) for pk in tenants}


def _somebody_waits(row: AuditDomain, audited: Audited) -> bool:
    """A person asked for this domain alone, and this is the audit that was asked for."""
    asked = row.requested_at
    return asked is not None and not row.requested_bulk and asked <= audited.begun_at


def _take(row: AuditDomain, audited: Audited, core: Sequence[str], now: datetime) -> None:
    """Change the row by its audit, but for what its checks come to; `core`: those that count."""
    results = audited.results
    row.checked = row.checked | {
        c: stored_time(r.checked_at, r.duration_ms) for c, r in results.items()
    }
    for result in results.values():
        if result.facts:
            row.portal_facts = merge_facts(row.portal_facts, result.facts, result.checked_at)
    # some checks alone are no audit: the others still grow stale, and whoever asked waits
    whole = audited.is_whole(core)
    if whole or row.last_audit_at is None:
        row.last_audit_at, row.last_error = now, ""
    if audited.owner is not None or row.claimed_by == "":
        row.claimed_by, row.claimed_until, row.attempts, row.crash_group = "", None, 0, 0
    # else somebody asked again meanwhile: it stays due
    if whole and not (row.requested_at and row.requested_at > audited.begun_at):
        row.requested_at, row.requested_bulk = None, False
        row.next_audit_at = row.next_slot(now)


def _take_date(row: AuditDomain, result: CheckResult) -> None:
    """Take over when the certificate ends. One that could not be looked at ends when it did."""
    ends = seen.certificate_ends(result.evidence)
    if ends is not None or result.status != Status.UNKNOWN:
        row.certificate_ends_at = ends


def _take_zone(row: AuditDomain, result: CheckResult) -> None:
    """Take over the name servers; those that say nothing are who they were."""
    if (zone := zone_in(result.evidence)).zone:
        row.known_zone = stored_zone(zone)


def give_up(
    domain: AuditDomain, *, owner: str, begun_at: datetime, error: str, run_id: int | None = None
) -> bool:
    """End a claim without results: the domain waits for its next regular slot, and the runs that
    asked count it as failed; False if the claim was lost.

    It stays a suspect: the next time it is audited alone.
    """
    with transaction.atomic():
        changed = AuditDomain.objects.filter(pk=domain.pk, claimed_by=owner).update(
            claimed_by="",
            claimed_until=None,
            requested_at=None,
            requested_bulk=False,
            attempts=SUSPECT,
            last_error=error[:200],
            next_audit_at=domain.next_slot(timezone.now()),
        )
        if changed:
            AuditRun.objects.complete_domain(domain, begun_at=begun_at, ok=False)
            if run_id is not None:
                AuditRun.objects.count_scheduled(run_id, ok=False)
    return bool(changed)
