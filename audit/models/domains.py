"""Domains: what is audited. Their rows are also the queue."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit import validators
from audit.querysets import AuditDomainQuerySet
from audit.scoring import DomainStatus
from audit.sentences import say
from collectors.names import DomainError, normalize_domain, to_unicode

from .tenants import Tenant, target_of


class AuditDomain(models.Model):
    """A customer's mail domain on one tenant. The rows are also the queue: what is due stands in `next_audit_at`."""

    class Source(models.TextChoices):
        ONBOARDING = "onboarding", _("onboarding")
        MANUAL = "manual", _("manual")
        IMPORT = "import", _("import")
        API = "api", _("API")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="domains", verbose_name=_("tenant"))
    domain = models.CharField(_("domain"), max_length=253)
    source = models.CharField(_("source"), max_length=20, choices=Source.choices, default=Source.ONBOARDING)
    dkim_selectors = models.JSONField(
        _("DKIM selectors"), default=list, blank=True, validators=[validators.selector_list], help_text=_("Instead of the tenant's.")
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("registered"), auto_now_add=True)
    # written with the checks, in the same transaction
    score = models.PositiveSmallIntegerField(_("score"), default=0)
    status = models.CharField(_("status"), max_length=10, choices=DomainStatus.choices, default=DomainStatus.UNKNOWN)
    severity = models.PositiveSmallIntegerField(default=DomainStatus.UNKNOWN.rank, editable=False)  # status as a number, worst first
    needs_customer = models.BooleanField(_("waiting for the customer"), default=False)  # a finding that counts is theirs
    needs_host = models.BooleanField(_("waiting for us"), default=False)
    last_audit_at = models.DateTimeField(_("last audit"), null=True, blank=True)
    next_audit_at = models.DateTimeField(_("next audit"), default=timezone.now)
    # the claim of whoever audits it now
    requested_at = models.DateTimeField(null=True, blank=True, editable=False)  # a person or an event waits for it
    claimed_by = models.CharField(max_length=64, blank=True, default="", editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)  # claims since the last audit that was saved
    last_error = models.CharField(_("last error"), max_length=200, blank=True, default="", editable=False)

    objects = AuditDomainQuerySet.as_manager()

    class Meta:
        db_table = "audit_domains"
        verbose_name = _("domain")
        verbose_name_plural = _("domains")
        permissions = [("run_audit", "Can run audits"), ("make_report", "Can make report links for customers")]
        constraints = [models.UniqueConstraint(fields=["tenant", "domain"], name="audit_domain_unique")]
        indexes = [
            models.Index(fields=["next_audit_at"], condition=models.Q(enabled=True), name="audit_domain_due"),
            models.Index(fields=["severity", "score", "id"], name="audit_domain_worst"),
            models.Index(fields=["domain", "id"], name="audit_domain_name"),
            models.Index(fields=["last_audit_at", "id"], name="audit_domain_last"),
            models.Index(fields=["tenant", "severity", "score", "id"], name="audit_domain_tenant_worst"),
            models.Index(fields=["tenant", "last_audit_at", "id"], name="audit_domain_tenant_last"),
        ]

    def __str__(self):
        return self.unicode

    def save(self, *args, **kwargs):
        if self._state.adding:
            self.domain = normalize_domain(self.domain)
        super().save(*args, **kwargs)

    def clean(self):
        if not self._state.adding:
            return  # its name does not change any more
        try:
            self.domain = normalize_domain(self.domain)
        except DomainError as error:
            raise ValidationError({"domain": say(error.message)}) from None

    @property
    def unicode(self):
        """The U-label form, for people."""
        return to_unicode(self.domain)

    @property
    def stale(self):
        """The last audit is older than twice the interval (never audited: registered longer ago than that)."""
        return (self.last_audit_at or self.created_at) < stale_before()

    def target(self):
        """What the collectors need to know of this domain."""
        return target_of(self.tenant, self.domain, dkim_selectors=self.dkim_selectors)

    def next_slot(self, now):
        """The next regular audit after `now`: every domain has its own place in the interval, so that a fleet is a trickle.

        The place follows from the row's id (golden-ratio steps spread any set of ids evenly). A slot that follows within a
        twentieth of the interval is passed over: that audit would be the same again.
        """
        interval = settings.AUDIT_INTERVAL_SEC
        phase = (self.pk * 0.6180339887498949 % 1) * interval
        earliest = now.timestamp() + interval / 20
        return datetime.fromtimestamp(earliest + (phase - earliest) % interval, tz=UTC)


def stale_before(now=None):
    """Audits before this moment are stale."""
    return (now or timezone.now()) - timedelta(seconds=2 * settings.AUDIT_INTERVAL_SEC)
