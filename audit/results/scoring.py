"""Score and status of a domain from the statuses of its checks. Pure."""

from collections.abc import Mapping

from audit.models.domains import DomainStatus
from collectors.base import Status
from collectors.registry import core_checks


def max_score() -> int:
    """The number of core checks."""
    return len(core_checks())


def score(statuses: Mapping[str, str]) -> int:
    """How many core checks are ok; `statuses`: {check_id: status}. Advisory checks never count."""
    return sum(statuses.get(check_id) == Status.OK for check_id in core_checks())


def domain_status(statuses: Mapping[str, str]) -> DomainStatus:
    """The `DomainStatus` for {check_id: status}; checks that are missing count as not measured."""
    core = [statuses.get(check_id, Status.UNKNOWN) for check_id in core_checks()]
    if Status.FAIL in core:
        return DomainStatus.CRITICAL
    if all(s == Status.UNKNOWN for s in core):
        return DomainStatus.UNKNOWN
    return DomainStatus.HEALTHY if all(s == Status.OK for s in core) else DomainStatus.WARNING
