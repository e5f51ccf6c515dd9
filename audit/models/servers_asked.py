"""What the name servers of a domain said when its report was checked again."""

import math
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models.domains import AuditDomain
from audit.models.runs import AuditRun

EVERY = timedelta(seconds=20)  # how often one domain's servers are asked


class ServersAskedQuerySet(models.QuerySet["ServersAsked"]):
    """Looks at name servers."""

    def claim(self, domain: AuditDomain) -> int:
        """Take the turn to ask the servers of a domain: 0, or the seconds until somebody may.

        Of several processes at once one gets it.
        """
        now = timezone.now()
        row, made = self.get_or_create(domain=domain, defaults={"asked_at": now})
        if made:
            return 0
        # a time far ahead is of a clock that was set back; a little, of one who came meanwhile
        free = Q(asked_at__lte=now - EVERY) | Q(asked_at__gt=now + EVERY)
        if self.filter(free, domain=domain).update(asked_at=now, answers=None):
            return 0
        return max(1, math.ceil((row.asked_at + EVERY - now).total_seconds()))


class ServersAsked(models.Model):
    """The newest look at the name servers of one domain, where every web process sees it; of use
    for minutes. `answers`: see `collectors.authoritative.Answers`, None while they are asked."""

    domain = models.OneToOneField(
        AuditDomain, models.CASCADE, related_name="servers_asked", verbose_name=_("domain")
    )
    asked_at = models.DateTimeField(_("asked"), default=timezone.now, db_index=True)
    answers = models.JSONField(_("what they said"), null=True, blank=True)
    # the audit that was asked for with it
    run = models.ForeignKey(
        AuditRun, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("run")
    )

    objects = ServersAskedQuerySet.as_manager()

    class Meta:
        db_table = "audit_servers_asked"
        verbose_name = _("look at name servers")
        verbose_name_plural = _("looks at name servers")

    def __str__(self) -> str:
        return f"{self.domain} {self.asked_at:%Y-%m-%d %H:%M}"
