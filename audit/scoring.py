"""Score and status of a domain from the statuses of its checks. Pure."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from collectors.base import Status, core_checks


class DomainStatus(models.TextChoices):
    """What a domain is in, worst first in its `rank`."""

    CRITICAL = "critical", _("critical")
    WARNING = "warning", _("warning")
    UNKNOWN = "unknown", _("unknown")
    HEALTHY = "healthy", _("healthy")

    @property
    def rank(self):
        """0 is worst: lists are sorted by it."""
        return list(DomainStatus).index(self)


def max_score():
    """The number of core checks."""
    return len(core_checks())


def score(statuses):
    """How many core checks are ok; `statuses`: {check_id: status}. Advisory checks never count."""
    return sum(statuses.get(check_id) == Status.OK for check_id in core_checks())


def domain_status(statuses):
    """The `DomainStatus` for {check_id: status}; checks that are missing count as not measured."""
    core = [statuses.get(check_id, Status.UNKNOWN) for check_id in core_checks()]
    if Status.FAIL in core:
        return DomainStatus.CRITICAL
    if all(s == Status.UNKNOWN for s in core):
        return DomainStatus.UNKNOWN
    return DomainStatus.HEALTHY if all(s == Status.OK for s in core) else DomainStatus.WARNING
