"""A tenant is without a portal from now on, or is so no more: what is kept of its domains follows
in the transaction that saves it, so that no page has to wait for the next audit.

What only a portal knows goes without a transition: nothing was measured. When it comes back, its
first answer is a first answer.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils import timezone

from audit.models import (
    AuditCheck,
    AuditDomain,
    CheckCounts,
    ReportLink,
    Seen,
    ServerCard,
    Tenant,
    Waiver,
)
from audit.models.tenants import portal_switched
from audit.results import check_rows, domain_rows, server_card, triage
from audit.results.cause import ANSWERS, server_place
from audit.results.confirmation import anew
from audit.results.domain_rows import Moved
from audit.results.incident_moves import Moves
from audit.results.scoring import take_score
from audit.results.store import aims_of, reached
from collectors.registry import NEED_PORTAL

LOT = 500  # domains that are read at once
_WRONG = ("warn", "fail")


def connect() -> None:
    """Follow each tenant that is saved."""
    portal_switched.connect(_follow, sender=Tenant, dispatch_uid="audit.without_portal")


def _follow(*, tenant: Tenant, **_signal: Any) -> None:
    """All wait in one order: for the card, domains, incidents and at last the numbers."""
    list(ServerCard.objects.filter(pk=tenant.pk).select_for_update(no_key=True))
    mine = AuditDomain.objects.filter(tenant=tenant).order_by("pk").defer("portal_facts")
    rows = list(mine.select_for_update(no_key=True))
    moved: Moved = {}
    for start in range(0, len(rows), LOT):
        lot = rows[start : start + LOT]
        for row in lot:
            row.tenant = tenant
        moved = domain_rows.together(moved, _follow_lot(lot, tenant))
    if tenant.is_without_portal:
        server_card.forget_what_is_off(tenant)
        for kept in CheckCounts.objects.filter(pk=tenant.pk).select_for_update(no_key=True):
            kept.numbers = {c: n for c, n in kept.numbers.items() if c not in NEED_PORTAL}
            kept.save(update_fields=["numbers"])
    domain_rows.count(moved)


def _follow_lot(rows: Sequence[AuditDomain], tenant: Tenant) -> Moved:
    changes, now = domain_rows.Changes(rows), timezone.now()
    aims = [aims_of(row) for row in rows]
    if tenant.is_without_portal:
        _forget(rows, tenant)
    found = triage.stored_statuses([row.pk for row in rows])
    for row in rows:
        take_score(row, found[row.pk], tenant.core_checks)
        if not found[row.pk]:  # of what is left nothing was ever measured
            row.not_measured = row.covered = row.known = False
            row.trouble_at = None
    triage.take_stored(rows, now)
    done = [row.pk for row, aim in zip(rows, aims, strict=True) if reached(aim, aims_of(row))]
    ReportLink.objects.end_of(done, now)
    return changes.write()


def _forget(rows: Sequence[AuditDomain], tenant: Tenant) -> None:
    """Delete what is kept of the checks that are not measured any more."""
    by_pk = {row.pk: row for row in rows}
    kept = AuditCheck.objects.filter(domain__in=by_pk, check_id__in=NEED_PORTAL).order_by()
    wrong = set(kept.filter(status__in=_WRONG).values_list("domain_id", flat=True))
    kept.delete()
    Seen.objects.filter(domain__in=by_pk, check_id__in=NEED_PORTAL).delete()
    Waiver.objects.filter(domain__in=by_pk, check_id__in=NEED_PORTAL, ended_at=None).update(
        ended_at=timezone.now(), ended_why=Waiver.Ended.CURED
    )
    for row in rows:
        row.checked = {c: times for c, times in row.checked.items() if c not in NEED_PORTAL}
    domain_rows.update(rows, ["checked"])
    for pk, owners in check_rows.stored_owners(wrong).items():
        by_pk[pk].needs_customer, by_pk[pk].needs_host = owners
    away = [kind for kind, checks in ANSWERS.items() if {*NEED_PORTAL}.issuperset(checks)]
    places = [server_place(tenant.pk, row) for row in server_card.rows_off(tenant)]
    _let_go(by_pk, {*NEED_PORTAL, *map(str, away)}, {(p.kind, p.key) for p in places})


def _let_go(
    rows: Mapping[int, AuditDomain], checks: Collection[str], places: Collection[tuple[str, str]]
) -> None:
    """These checks leave their incidents, and nothing of them waits to be confirmed. What other
    checks were part of for one of these, or at one of `places`, has to be confirmed anew."""
    moves = Moves(triage.members_of(rows), timezone.now())
    for pk, row in rows.items():
        entries = {c: entry for c, entry in row.unconfirmed.items() if c not in checks}
        for check_id, member in list(moves.members[pk].items()):
            if check_id in checks:
                moves.leave(pk, check_id)
            elif member.cause in checks or (member.kind, member.key) in places:
                moves.leave(pk, check_id)
                entries[check_id] = anew(member.since)
        if entries != row.unconfirmed:
            row.unconfirmed = entries
    moves.make(rows)
