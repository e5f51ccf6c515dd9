"""From registered to 8/8: the links that customers get, and what a portal says that it hosts."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models.domains import AuditDomain
from audit.models.tenants import Tenant


class ReportLinkQuerySet(models.QuerySet["ReportLink"]):
    """Links to customers' reports."""

    def alive(self) -> "ReportLinkQuerySet":
        """Those that lead somewhere still."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class ReportLink(models.Model):
    """One link to a domain's report, which can be revoked alone. Its address is this row's number,
    signed: nothing that opens it is kept here."""

    DAYS = 30  # how long a link leads somewhere

    domain = models.ForeignKey(
        AuditDomain, models.CASCADE, related_name="report_links", verbose_name=_("domain")
    )
    created_at = models.DateTimeField(_("made"), default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    sent_to = models.EmailField(_("sent to"), blank=True, default="")
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    # by whoever holds it, not by one of us
    opened_at = models.DateTimeField(_("first opened"), null=True, blank=True)
    seen_at = models.DateTimeField(_("last opened"), null=True, blank=True)
    checked_at = models.DateTimeField(_("last checked again"), null=True, blank=True)
    done_at = models.DateTimeField(_("seen at 8/8"), null=True, blank=True)

    objects = ReportLinkQuerySet.as_manager()

    class Meta:
        db_table = "audit_report_links"
        verbose_name = _("report link")
        verbose_name_plural = _("report links")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.domain} {self.created_at:%Y-%m-%d}"

    def save(self, *args, **kwargs):
        """Save; a new one ends by itself after `DAYS`."""
        self.expires_at = self.expires_at or self.created_at + timedelta(days=self.DAYS)
        super().save(*args, **kwargs)

    @property
    def alive(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()


class PortalDomain(models.Model):
    """A domain that differs between a tenant's portal and our list: the portal has it and we lack
    it, or it was on the portal and is no longer. What both have stands in no row."""

    class Kind(models.TextChoices):
        PROPOSED = "proposed", _("not registered here")
        LOST = "lost", _("no longer on the server")

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="portal_domains", verbose_name=_("tenant")
    )
    domain = models.CharField(_("domain"), max_length=253)
    kind = models.CharField(_("difference"), max_length=10, choices=Kind.choices)
    since = models.DateTimeField(_("since"), default=timezone.now)
    # a person decided to leave it so
    ignored_at = models.DateTimeField(_("left so"), null=True, blank=True)

    class Meta:
        db_table = "audit_portal_domains"
        verbose_name = _("difference to the server")
        verbose_name_plural = _("differences to the server")
        ordering = ["domain"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "domain"], name="audit_portal_domain_unique")
        ]
        indexes = [
            models.Index(
                fields=["tenant", "kind", "domain"],
                condition=Q(ignored_at=None),
                name="audit_portal_domain_open",
            )
        ]

    def __str__(self) -> str:
        return self.domain
