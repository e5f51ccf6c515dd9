"""Incidents: one cause, with the domains that it touches; and what a person has said of a finding
that is known."""

from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models.domains import AuditDomain
from audit.models.tenants import Tenant
from collectors.base import Owner, Severity


class IncidentQuerySet(models.QuerySet["Incident"]):
    """Incidents."""

    def of_domains(self, domains: models.QuerySet[AuditDomain]) -> list[int]:
        """The ids of the open ones that touch these domains."""
        members = IncidentDomain.objects.filter(domain__in=domains, left_at=None)
        return list(members.order_by().values_list("incident_id", flat=True).distinct())

    def recount(self, ids: Iterable[int]) -> int:
        """Count the domains of these anew and close those that have none any more; for how many
        the number was another. To be called within a transaction."""
        wrong = 0
        for row in (
            self.filter(pk__in=set(ids), closed_at=None)
            .order_by("pk")
            .select_for_update(no_key=True)
        ):
            members = IncidentDomain.objects.filter(incident=row, left_at=None).order_by()
            now = members.aggregate(n=models.Count("domain", distinct=True))["n"]
            if wrong_now := now != row.domains_now:
                row.domains_now, row.domains_most = now, max(now, row.domains_most)
            if ends := not now and not row.held:
                row.closed_at = timezone.now()
            if wrong_now or ends:
                row.save(update_fields=["domains_now", "domains_most", "closed_at"])
            wrong += wrong_now
        return wrong


class Incident(models.Model):
    """A cause from when it was confirmed until its end was.

    `key` says what the cause is, with `tenant` and `kind` (a row of the server card, the host that
    several domains share, one check of one domain): there is one open incident for each. The
    domains that it touches are its `members`.
    """

    class Kind(models.TextChoices):
        SERVER = "server", _("server card")
        PORTAL = "portal", _("portal")
        RESOLVER = "resolver", _("our resolver")
        NAME_SERVER = "name_server", _("name server")
        MAIL_HOST = "mail_host", _("mail host")
        ADDRESS = "address", _("address")
        CERTIFICATE = "certificate", _("certificate")
        CHECK = "check", _("one domain")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    key = models.CharField(_("cause"), max_length=300)
    tenant = models.ForeignKey(  # None: a cause of several tenants, or of none
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="incidents",
        verbose_name=_("tenant"),
    )
    check_id = models.CharField(_("check"), max_length=40, blank=True, default="")
    code = models.CharField(_("finding"), max_length=60, blank=True, default="")
    subject = models.CharField(_("about"), max_length=255, blank=True, default="")
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(default=dict, blank=True, editable=False)
    owner = models.CharField(
        _("who must act"), max_length=12, choices=[(o.value, o.value) for o in Owner]
    )
    severity = models.CharField(
        _("severity"), max_length=8, choices=[(s.value, s.value) for s in Severity]
    )
    opened_at = models.DateTimeField(_("opened"))  # when its first sign was seen
    confirmed_at = models.DateTimeField(_("confirmed"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    domains_now = models.PositiveIntegerField(_("domains now"), default=0)
    domains_most = models.PositiveIntegerField(_("domains at most"), default=0)
    # of one domain: all that is wrong with that check is waived
    known = models.BooleanField(_("known"), default=False)
    # the server card says that it goes on, whatever its domains say
    held = models.BooleanField(default=False, editable=False)
    # of one domain: what it belongs to once several share it, as `kind:key`
    shared = models.CharField(max_length=320, blank=True, default="", editable=False)
    # of one that is no tenant's own: the ids of those that it has been found at
    reached = models.JSONField(default=list, blank=True, editable=False)
    merged_into = models.ForeignKey(  # closed for that, and not cured
        "self", models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("part of")
    )

    objects = IncidentQuerySet.as_manager()

    class Meta:
        db_table = "audit_incidents"
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=models.Q(closed_at=None),
                name="audit_incident_open",
            )
        ]
        indexes = [
            models.Index(
                fields=["shared"],
                condition=models.Q(closed_at=None) & ~models.Q(shared=""),
                name="audit_incident_shared",
            ),
            models.Index(
                fields=["tenant", "-opened_at", "-id"],
                condition=models.Q(closed_at=None),
                name="audit_incident_now",
            ),
            models.Index(fields=["-opened_at", "-id"], name="audit_incident_opened"),
            models.Index(fields=["tenant", "-opened_at", "-id"], name="audit_incident_tenant"),
            models.Index(  # counted for whoever watches
                fields=["tenant", "kind"],
                condition=models.Q(closed_at=None),
                name="audit_incident_open_of",
            ),
            models.Index(
                fields=["closed_at"],
                condition=models.Q(closed_at__isnull=False),
                name="audit_incident_closed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def state(self) -> str:
        """`open`, `known` (it is open, and somebody has waived it) or `closed`."""
        if self.closed_at:
            return "closed"
        return "known" if self.known else "open"


class IncidentDomain(models.Model):
    """A check of a domain that an incident touches, from `since` until `left_at`."""

    # both are found by the indexes below
    incident = models.ForeignKey(Incident, models.CASCADE, related_name="members", db_index=False)
    domain = models.ForeignKey(
        AuditDomain, models.CASCADE, related_name="incident_members", db_index=False
    )
    check_id = models.CharField(max_length=40)
    since = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "audit_incident_domains"
        constraints = [
            models.UniqueConstraint(
                fields=["domain", "check_id"],
                condition=models.Q(left_at=None),
                name="audit_incident_member",
            )
        ]
        indexes = [
            models.Index(fields=["incident", "domain"], name="audit_incident_of"),
            models.Index(fields=["domain", "-since"], name="audit_incident_domain"),
        ]

    def __str__(self) -> str:
        return f"{self.domain_id} {self.check_id}"


class Waiver(models.Model):
    """Somebody knows of a finding and lets it stand, with a reason, until a time or for good.

    `code` empty: whatever this check says. It ends by itself when its time is over or when the
    finding becomes another (`print` is then not what it was); score and status stay as they are.
    """

    class Ended(models.TextChoices):
        TIME = "time", _("its time was over")
        CHANGED = "changed", _("the finding has changed")
        CURED = "cured", _("the finding is gone")
        PERSON = "person", _("taken back")

    domain = models.ForeignKey(
        AuditDomain, models.CASCADE, related_name="waivers", verbose_name=_("domain")
    )
    check_id = models.CharField(_("check"), max_length=40)
    code = models.CharField(_("finding"), max_length=60, blank=True, default="")
    reason = models.CharField(
        _("reason"),
        max_length=300,
        help_text=_("For whoever reads it later, such as: moves to us on 1 March."),
    )
    by = models.CharField(_("by"), max_length=150)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)
    until = models.DateTimeField(_("until"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_why = models.CharField(
        _("why it ended"), max_length=8, blank=True, default="", choices=Ended.choices
    )
    ended_by = models.CharField(_("ended by"), max_length=150, blank=True, default="")
    # of the findings as they were when it was made
    print = models.CharField(max_length=32, blank=True, default="", editable=False)

    class Meta:
        db_table = "audit_waivers"
        verbose_name = _("waiver")
        verbose_name_plural = _("waivers")
        constraints = [
            models.UniqueConstraint(
                fields=["domain", "check_id", "code"],
                condition=models.Q(ended_at=None),
                name="audit_waiver_in_force",
            )
        ]
        indexes = [
            models.Index(
                fields=["until"],
                condition=models.Q(ended_at=None, until__isnull=False),
                name="audit_waiver_until",
            )
        ]

    def __str__(self) -> str:
        return f"{self.domain_id} {self.check_id} {self.code}".strip()


class SavedView(models.Model):
    """A view of the overview that a person keeps: a name for a query string."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="audit_views")
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=1000)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "audit_views"
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="audit_view_unique")]

    def __str__(self) -> str:
        return self.name
