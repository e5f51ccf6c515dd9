"""In which groups an operator looks for a domain: the one place that computes them for its row.

`needs_*` are by its stored findings (`check_rows`). The others follow from the statuses of its
checks, the incidents that it is part of, and what somebody has waived.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from audit.models import AuditCheck, AuditDomain, Incident
from audit.models.domains import DomainStatus
from audit.results import domain_rows, waived
from audit.results.cause import ANSWERS
from audit.results.confirmation import is_away
from audit.results.scoring import completed
from collectors.base import Severity, Status
from collectors.registry import core_checks
from collectors.stored import StoredFinding

CORE = frozenset(core_checks())
_OK, _UNKNOWN = Status.OK.value, Status.UNKNOWN.value
DMARC, POLICY = "dns_dmarc", "dmarc_policy_none"
_UNUSED = ("portal_facts", "known_zone", "tenant__portal_token", "tenant__webhook_secret")


class Member(NamedTuple):
    """An open incident that a check of a domain is part of."""

    incident_id: int
    kind: str
    key: str
    since: datetime
    known: bool

    @property
    def is_shared(self) -> bool:
        return self.kind != Incident.Kind.CHECK

    @property
    def cause(self) -> str:
        """The check that an incident of one domain is about; others may follow from it."""
        return "" if self.is_shared else self.key.rpartition(":")[2]


Members = dict[str, Member]  # by check, or by what we measure through


def members_of(domain_ids: Collection[int]) -> dict[int, Members]:
    """`{domain id: {check id: the open incident that it is part of}}`."""
    found: dict[int, Members] = {pk: {} for pk in domain_ids}
    if not found:
        return found
    with connection.cursor() as cursor:  # at every lot of audits: not by the ORM
        cursor.execute(_MEMBERS.format(", ".join(["%s"] * len(found))), list(found))
        for pk, check_id, incident_id, kind, key, since, known in cursor.fetchall():
            member = Member(incident_id, kind, key, _moment(since), bool(known))
            found[pk][check_id] = member
    return found


_MEMBERS = (
    "SELECT m.domain_id, m.check_id, m.incident_id, i.kind, i.key, m.since, i.known"
    " FROM audit_incident_domains m JOIN audit_incidents i ON i.id = m.incident_id"
    " WHERE m.left_at IS NULL AND m.domain_id IN ({})"
)


def _moment(value: datetime) -> datetime:
    """A time as a cursor gives it: SQLite's are in UTC and do not say so."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def take_columns(
    row: AuditDomain,
    statuses: Mapping[str, str],
    members: Members,
    waived_checks: Collection[str],
    now: datetime,
) -> None:
    """Set the row's columns. `statuses`: of all its checks; `waived_checks`: those of which all
    that is wrong is waived; what follows from one of them is known too."""
    if waived_checks := frozenset(waived_checks):
        waived_checks |= {c for c, member in members.items() if member.cause in waived_checks}
    not_ok = [c for c, status in statuses.items() if status != _OK and c in CORE]
    wrong = [c for c in not_ok if statuses[c] != _UNKNOWN]
    shared = {c for c, member in members.items() if member.is_shared}
    row.not_measured = len(wrong) < len(not_ok)
    row.covered = (
        bool(not_ok)
        and shared.issuperset(wrong)
        and not (row.not_measured and _away(row).isdisjoint(shared))
    )
    row.known = not waived_checks.isdisjoint(wrong) and (waived_checks | shared).issuperset(wrong)
    row.trouble_at = max(
        (
            member.since
            for check_id, member in members.items()
            if not member.is_shared and check_id not in waived_checks
        ),
        default=None,
    )
    if row.status == DomainStatus.HEALTHY:
        row.first_healthy_at = row.first_healthy_at or now
    if row.onboarding and (row.status == DomainStatus.HEALTHY or _only_policy_left(row, not_ok)):
        row.onboarding, row.onboarded_at = False, now


def _only_policy_left(row: AuditDomain, not_ok: Collection[str]) -> bool:
    """Nothing but DMARC's policy is left, which is tightened in steps once reports flow: all that
    could keep them from flowing is a finding of its own. By the rows as they are written."""
    if list(not_ok) != [DMARC]:
        return False
    findings = AuditCheck.objects.filter(domain=row, check_id=DMARC).values_list("findings")
    return any(is_policy_alone(found) for (found,) in findings)


def is_policy_alone(findings: Iterable[StoredFinding]) -> bool:
    """Whether nothing of DMARC is wrong but its policy."""
    wrong = {f["code"] for f in findings if f["severity"] != Severity.INFO}
    return wrong == {POLICY}


def _away(row: AuditDomain) -> set[str]:
    """What the domain is confirmed to be not measured through."""
    needed = settings.AUDIT_CONFIRM
    return {kind for kind in ANSWERS if is_away(row.unconfirmed.get(kind), needed=needed)}


def in_grace(row: AuditDomain, now: datetime) -> bool:
    """It is new and was never all right: what is wrong with it opens no incident yet."""
    return row.onboarding and (now - row.created_at).days < settings.AUDIT_GRACE_DAYS


def refresh(ids: Iterable[int], now: datetime) -> None:
    """Compute the columns of these domains anew, from what is stored. Their rows are to be locked,
    in a transaction; the kept numbers are changed as the last thing."""
    domain_rows.count(refreshed(ids, now))


def refreshed(ids: Iterable[int], now: datetime) -> domain_rows.Moved:
    """As `refresh`, for a transaction that locks more yet: what it has to count at last."""
    domains = AuditDomain.objects.filter(pk__in=set(ids)).order_by("pk")
    rows = list(domains.select_related("tenant").defer(*_UNUSED))
    if not rows:
        return {}
    changes = domain_rows.Changes(rows)
    take_stored(rows, now)
    return changes.write()


def take_stored(rows: Sequence[AuditDomain], now: datetime) -> None:
    """Set the columns of these rows, with their tenants, from what is stored."""
    pks = [row.pk for row in rows]
    members, statuses, hidden = members_of(pks), stored_statuses(pks), waived.checks_of(pks)
    for row in rows:
        if found := statuses[row.pk]:
            found = completed(found, row.tenant.core_checks)
            take_columns(row, found, members[row.pk], hidden[row.pk], now)
        mark_known(members[row.pk], hidden[row.pk])


def stored_statuses(pks: Collection[int]) -> dict[int, dict[str, str]]:
    """`{domain id: {check_id: status}}`, as stored."""
    found: dict[int, dict[str, str]] = {pk: {} for pk in pks}
    checks = AuditCheck.objects.filter(domain__in=pks).order_by()
    for pk, check_id, status in checks.values_list("domain_id", "check_id", "status"):
        found[pk][check_id] = status
    return found


def mark_known(members: Members, waived_checks: Collection[str]) -> None:
    """An incident of one domain is known where its check is waived."""
    for member in members.values():
        known = member.cause in waived_checks
        if known != member.known:
            Incident.objects.filter(pk=member.incident_id).update(known=known)
