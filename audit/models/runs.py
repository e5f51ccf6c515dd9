"""Requests to audit."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.querysets import AuditRunQuerySet

from .domains import AuditDomain
from .tenants import Tenant


class AuditRun(models.Model):
    """One request to audit. Its state follows from its numbers; `RunDomain` rows say what is still open."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("schedule")
        MANUAL = "manual", _("manual")
        ONBOARDING = "onboarding", _("onboarding")
        CLI = "cli", _("command line")

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="runs", verbose_name=_("tenant"))
    trigger = models.CharField(_("trigger"), max_length=12, choices=Trigger.choices)
    requested_by = models.CharField(_("by"), max_length=150, blank=True, default="")
    scope = models.CharField(max_length=253, blank=True, default="", editable=False)  # the domain asked for; '' = more than one
    domains = models.PositiveIntegerField(_("domains"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    created_at = models.DateTimeField(_("asked"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = AuditRunQuerySet.as_manager()

    class Meta:
        db_table = "audit_runs"
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        indexes = [
            models.Index(fields=["tenant", "finished_at"], name="audit_run_open"),
            models.Index(fields=["created_at"], name="audit_run_created"),
        ]

    def __str__(self):
        return f"{self.pk} ({self.trigger})"

    @property
    def state(self):
        """queued, running, done or failed (every domain of it failed)."""
        if self.finished_at:
            return "failed" if self.failed and not self.done else "done"
        return "running" if self.started_at else "queued"


class RunDomain(models.Model):
    """A domain that a run has asked for and that is still to be audited; the row goes when that is done."""

    run = models.ForeignKey(AuditRun, models.CASCADE, related_name="open")
    domain = models.ForeignKey(AuditDomain, models.CASCADE, related_name="asked")

    class Meta:
        db_table = "audit_run_domains"
        constraints = [models.UniqueConstraint(fields=["run", "domain"], name="audit_run_domain_unique")]

    def __str__(self):
        return f"{self.run_id}: {self.domain_id}"
