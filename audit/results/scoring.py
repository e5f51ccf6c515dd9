"""Score and status of a domain from the statuses of its checks. Pure.

`core`: the ids of the checks that count for it, see `Tenant.core_checks`; the highest score is
their number. Whatever else was checked never counts.
"""

from collections.abc import Mapping, Sequence

from audit.models.domains import AuditDomain, DomainStatus
from collectors.base import Status


def score(statuses: Mapping[str, str], core: Sequence[str]) -> int:
    """How many core checks are ok; `statuses`: {check_id: status}."""
    return sum(statuses.get(check_id) == Status.OK for check_id in core)


def domain_status(statuses: Mapping[str, str], core: Sequence[str]) -> DomainStatus:
    """The `DomainStatus` for {check_id: status}; checks that are missing count as not measured."""
    found = [statuses.get(check_id, Status.UNKNOWN) for check_id in core]
    if Status.FAIL in found:
        return DomainStatus.CRITICAL
    if all(s == Status.UNKNOWN for s in found):
        return DomainStatus.UNKNOWN
    return DomainStatus.HEALTHY if all(s == Status.OK for s in found) else DomainStatus.WARNING


def take_score(row: AuditDomain, statuses: Mapping[str, str], core: Sequence[str]) -> None:
    """Set the row's score and status by the statuses of its checks."""
    status = domain_status(statuses, core)
    row.score, row.status, row.severity = score(statuses, core), status, status.rank
    row.share = 1000 * row.score // len(core)


def completed(statuses: Mapping[str, str], core: Sequence[str]) -> dict[str, str]:
    """The statuses with those core checks as unknown of which nothing is stored."""
    return dict.fromkeys(core, Status.UNKNOWN.value) | dict(statuses)
