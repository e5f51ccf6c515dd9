"""When a portal's list of domains is next compared with ours, what came of it last, and how the
domains differ."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models.domains import AuditDomain, free_to_claim
from audit.models.tenants import Tenant
from collectors.names import to_unicode

PERIOD = timedelta(hours=1)
CLAIM = timedelta(minutes=2)  # longer than asking and comparing takes


class PortalSyncQuerySet(models.QuerySet["PortalSync"]):
    """The comparisons."""

    def due(self, now: datetime | None = None) -> Self:
        """Those whose time has come and that nobody holds, of tenants that are to be compared."""
        now = now or timezone.now()
        wanted = self.filter(tenant__enabled=True).exclude(tenant__portal_url="")
        return wanted.exclude(tenant__sync="off").filter(free_to_claim(now), next_at__lte=now)

    def add_missing(self) -> None:
        """One for each tenant that has none: it is due."""
        without = Tenant.objects.filter(portal_sync=None).values_list("pk", flat=True)
        rows = [PortalSync(tenant_id=pk) for pk in without]
        PortalSync.objects.bulk_create(rows, ignore_conflicts=True)

    def make_due(self, tenant_id: int) -> None:
        """Compare this tenant's list at once."""
        if not self.filter(pk=tenant_id).update(next_at=timezone.now()):
            row = PortalSync(tenant_id=tenant_id)
            PortalSync.objects.bulk_create([row], ignore_conflicts=True)

    def settings_changed(self, tenant: Tenant) -> None:
        """The tenant's portal, or what is wanted of it, is another: it is compared anew at once,
        and who has asked the old one has asked in vain. What is not compared says nothing."""
        self.make_due(tenant.pk)
        mine = self.filter(pk=tenant.pk)
        mine.update(claimed_by="", claimed_until=None)
        if tenant.sync == "off" or not tenant.portal_url:
            mine.update(state=PortalSync.State.NEVER)

    def claim(self, owner: str, limit: int) -> "list[PortalSync]":
        """Claim for `owner` up to `limit` that are due, the longest waiting first; with tenants.

        Of two that saw the same row one gets it. A claim ends by itself, and the next turn is
        counted from it: a worker that dies with one costs that hour.
        """
        now = timezone.now()
        ids = list(self.due(now).order_by("next_at").values_list("pk", flat=True)[:limit])
        free = self.filter(free_to_claim(now), pk__in=ids, next_at__lte=now)
        until = now + CLAIM
        free.update(claimed_by=owner, claimed_until=until, next_at=now + PERIOD)
        mine = self.filter(pk__in=ids, claimed_by=owner, claimed_until=until)
        return list(mine.select_related("tenant"))

    def repair_future_times(self, now: datetime) -> None:
        """After the clock was set back."""
        self.filter(next_at__gt=now + PERIOD).update(next_at=now)
        self.filter(claimed_until__gt=now + CLAIM).update(claimed_until=now + CLAIM)


class PortalSync(models.Model):
    """The comparison of one tenant's portal with our list."""

    class State(models.TextChoices):
        NEVER = "", _("not compared yet")
        COMPARED = "compared", _("compared")
        DOUBTFUL = "doubtful", _("not believed")
        FAILED = "failed", _("could not be compared")
        NOT_OFFERED = "not_offered", _("not offered")

    tenant = models.OneToOneField(
        Tenant, models.CASCADE, primary_key=True, related_name="portal_sync", editable=False
    )
    next_at = models.DateTimeField(default=timezone.now, db_index=True)
    claimed_by = models.CharField(max_length=64, blank=True, default="", editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    state = models.CharField(max_length=12, choices=State.choices, blank=True, default=State.NEVER)
    message = models.TextField(blank=True, default="")  # why it was not compared
    message_source = models.JSONField(default=dict, blank=True, editable=False)
    asked_at = models.DateTimeField(null=True, blank=True)
    compared_at = models.DateTimeField(null=True, blank=True)  # when a list was last believed
    listed = models.PositiveIntegerField(default=0)  # domains on that list
    passed_over = models.PositiveIntegerField(default=0)  # names on it that are no public domain's
    # so many more are lost than were, which is not believed; and up to how many a person believes
    doubted = models.PositiveIntegerField(default=0)
    believed = models.PositiveIntegerField(default=0)

    objects = PortalSyncQuerySet.as_manager()

    class Meta:
        db_table = "audit_portal_syncs"

    def __str__(self) -> str:
        return str(self.tenant_id)


class PortalDomainQuerySet(models.QuerySet["PortalDomain"]):
    """Differences between portals and our list."""

    def said(self, kind: "PortalDomain.Kind | None" = None) -> Self:
        """Those that the last list said that was believed, and that nobody decided to leave so."""
        states = [PortalSync.State.COMPARED, PortalSync.State.DOUBTFUL, PortalSync.State.FAILED]
        rows = self.filter(ignored_at=None, tenant__portal_sync__state__in=states)
        return rows.filter(kind=kind) if kind else rows

    def open(self, kind: "PortalDomain.Kind | None" = None) -> Self:
        """Those of `said` that are so still: what was registered or removed since is none."""
        ours = AuditDomain.objects.filter(tenant=OuterRef("tenant"), domain=OuterRef("domain"))
        lost = Q(kind=PortalDomain.Kind.LOST)
        return self.said(kind).filter((lost & Exists(ours)) | (~lost & ~Exists(ours)))

    def lost(self) -> Exists:
        """Whether a domain was on its server and is no longer, as an expression on AuditDomain."""
        rows = self.said(PortalDomain.Kind.LOST)
        return Exists(rows.filter(tenant=OuterRef("tenant"), domain=OuterRef("domain")))

    def leave_removed(self, removed: Iterable[tuple[int, str]]) -> None:
        """A person took these (tenant id, domain) off our list: where the server's domains are
        registered by themselves, these are not."""
        pairs = list(removed)
        of = Tenant.objects.filter(pk__in={pk for pk, _name in pairs}, sync="register")
        registering = set(of.values_list("pk", flat=True))
        kind, now = PortalDomain.Kind.PROPOSED, timezone.now()
        rows = [
            PortalDomain(tenant_id=pk, domain=name, kind=kind, ignored_at=now)
            for pk, name in pairs
            if pk in registering
        ]
        PortalDomain.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["tenant", "domain"],
            update_fields=["kind", "since", "ignored_at"],
            batch_size=500,
        )


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

    objects = PortalDomainQuerySet.as_manager()

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

    @property
    def unicode(self) -> str:
        """The U-label form, for people."""
        return to_unicode(self.domain)
