"""What is kept. One row's logic stands on the model, many rows' logic on its QuerySet (audit/querysets.py)."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from collectors.base import Status, Target
from collectors.names import DomainError, normalize_domain, to_unicode

from . import validators
from .fields import SecretField
from .querysets import AuditDomainQuerySet, AuditRunQuerySet
from .scoring import DomainStatus


class Tenant(models.Model):
    """One mail server with its portal API; it hosts many domains."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    portal_url = models.URLField(_("portal address"), blank=True, default="", help_text=_("Such as http://10.10.10.112:8090; empty: none."))
    portal_token = SecretField(_("portal token"), blank=True, default="", validators=[validators.header_value])
    webhook_secret = SecretField(_("webhook secret"), blank=True, default="", validators=[validators.webhook_secret])
    mail_hosts = models.JSONField(
        _("mail hosts"), default=list, blank=True, validators=[validators.host_list], help_text=_("Names that MX records must point to.")
    )
    sending_ips = models.JSONField(
        _("sending addresses"), default=list, blank=True, validators=[validators.address_list], help_text=_("Each must pass SPF.")
    )
    spf_include = models.CharField(
        _("SPF include"), max_length=253, blank=True, default="", validators=[validators.spf_host],
        help_text=_("The name that customers include, such as _spf.example.com."),
    )  # fmt: skip
    dkim_selectors = models.JSONField(_("DKIM selectors"), default=list, blank=True, validators=[validators.selector_list])
    webmail_url = models.CharField(
        _("webmail address"), max_length=500, default="https://webmail.{domain}/", validators=[validators.webmail_template],
        help_text=_("{domain} stands for the customer's domain."),
    )  # fmt: skip
    dmarc_rua = models.EmailField(_("DMARC report address"), blank=True, default="", help_text=_("Proposed to customers in fixes."))
    language = models.CharField(
        _("language of customer reports"), max_length=2, choices=[("pt", _("Portuguese")), ("en", _("English"))], default="pt"
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["name"]

    def __str__(self):
        return self.name


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
        ]

    def __str__(self):
        return self.unicode

    def save(self, *args, **kwargs):
        if self._state.adding:
            self.domain = normalize_domain(self.domain)
        super().save(*args, **kwargs)

    def clean(self):
        try:
            self.domain = normalize_domain(self.domain)
        except DomainError as error:
            raise ValidationError({"domain": error.message}) from None

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

        The place follows from the row's id (golden-ratio steps spread any set of ids evenly). At least half an interval
        lies between `now` and the slot.
        """
        interval = settings.AUDIT_INTERVAL_SEC
        phase = (self.pk * 0.6180339887498949 % 1) * interval
        earliest = now.timestamp() + interval / 2
        return datetime.fromtimestamp(earliest + (phase - earliest) % interval, tz=UTC)


def stale_before(now=None):
    """Audits before this moment are stale."""
    return (now or timezone.now()) - timedelta(seconds=2 * settings.AUDIT_INTERVAL_SEC)


def target_of(tenant, domain, *, dkim_selectors=()):
    """The `Target` of a domain on a tenant; without a tenant (None) nothing is expected of it but good order."""
    if tenant is None:
        return Target(domain=domain, dkim_selectors=tuple(dkim_selectors))
    return Target(
        domain=domain,
        tenant=tenant.name,
        portal_url=tenant.portal_url,
        portal_token=tenant.portal_token,
        mail_hosts=tuple(tenant.mail_hosts),
        sending_ips=tuple(tenant.sending_ips),
        spf_include=tenant.spf_include,
        dkim_selectors=tuple(dkim_selectors),
        tenant_dkim_selectors=tuple(tenant.dkim_selectors),
        webmail_url=tenant.webmail_url,
        dmarc_rua=tenant.dmarc_rua,
    )


_STATUSES = [(s.value, s.value) for s in Status]


class AuditCheck(models.Model):
    """The latest result of one check of one domain. `since`: when the present status began."""

    domain = models.ForeignKey(AuditDomain, models.CASCADE, related_name="checks", verbose_name=_("domain"))
    check_id = models.CharField(_("check"), max_length=40)
    status = models.CharField(_("status"), max_length=10, choices=_STATUSES)
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(default=dict, blank=True, editable=False)  # template and values, for translation
    findings = models.JSONField(_("findings"), default=list, blank=True)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    checked_at = models.DateTimeField(_("checked"))
    since = models.DateTimeField(_("since"))
    conclusive_status = models.CharField(_("last conclusive status"), max_length=10, blank=True, default="")
    conclusive_at = models.DateTimeField(_("last conclusive answer"), null=True, blank=True)
    last_ok_at = models.DateTimeField(_("last ok"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("duration (ms)"), default=0)

    class Meta:
        db_table = "audit_checks"
        verbose_name = _("check")
        verbose_name_plural = _("checks")
        constraints = [models.UniqueConstraint(fields=["domain", "check_id"], name="audit_check_unique")]
        indexes = [models.Index(fields=["check_id", "status"], name="audit_check_status")]

    def __str__(self):
        return f"{self.domain} {self.check_id}: {self.status}"


class CheckTransition(models.Model):
    """A change of a check between two conclusive statuses. `unknown` in between is not a change."""

    domain = models.ForeignKey(AuditDomain, models.CASCADE, related_name="transitions", verbose_name=_("domain"))
    check_id = models.CharField(_("check"), max_length=40)
    from_status = models.CharField(_("from"), max_length=10, blank=True)  # '' = the first answer
    to_status = models.CharField(_("to"), max_length=10)
    at = models.DateTimeField(_("when"))
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(default=dict, blank=True, editable=False)
    evidence_before = models.JSONField(_("evidence before"), default=dict, blank=True)
    evidence_after = models.JSONField(_("evidence after"), default=dict, blank=True)

    class Meta:
        db_table = "audit_transitions"
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        indexes = [
            models.Index(fields=["domain", "-at", "-id"], name="audit_transition_domain"),
            models.Index(fields=["at"], name="audit_transition_at"),
        ]

    def __str__(self):
        return f"{self.domain} {self.check_id}: {self.from_status or '–'} → {self.to_status}"


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


class WebhookEvent(models.Model):
    """A verified event of a tenant, kept as it came."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="events", verbose_name=_("tenant"))
    event_id = models.CharField(_("event id"), max_length=255)
    event = models.CharField(_("event"), max_length=100)
    payload = models.JSONField(_("payload"))
    digest = models.CharField(max_length=64, blank=True, default="", editable=False)  # SHA-256 of the body it came with
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")

    class Meta:
        db_table = "webhook_events"
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [models.UniqueConstraint(fields=["tenant", "event_id"], name="webhook_event_unique")]
        indexes = [
            models.Index(fields=["received_at"], condition=models.Q(processed_at=None), name="webhook_event_waiting"),
            models.Index(fields=["-received_at"], name="webhook_event_received"),
        ]

    def __str__(self):
        return f"{self.event} {self.event_id}"


class ApiToken(models.Model):
    """Access to the API for a script. Only a digest of the secret is kept: 256 random bits need no slow hash."""

    class Scope(models.TextChoices):
        READ = "read", _("read")
        RUN = "run", _("run audits")

    PREFIX = "lbx_"

    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(_("begins with"), max_length=12, editable=False, default="")
    scopes = models.JSONField(_("scopes"), default=list, validators=[validators.scope_list])
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, null=True, blank=True, related_name="tokens", verbose_name=_("tenant"), help_text=_("Empty: every tenant.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        db_table = "audit_api_tokens"
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["name"]

    def __str__(self):
        return self.name

    @staticmethod
    def digest_of(secret):
        """The digest under which a secret is kept."""
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

    @classmethod
    def issue(cls, *, name, scopes, tenant=None, expires_at=None):
        """A saved token and its secret, which is shown this once: `(token, secret)`. The scope `run` includes `read`."""
        token = cls(name=name, scopes=sorted({*scopes, cls.Scope.READ.value}), tenant=tenant, expires_at=expires_at)
        secret = token.new_secret()
        token.full_clean(exclude=["digest"])
        token.save()
        return token, secret

    def new_secret(self):
        """Give this token a new secret (not saved yet) and return it."""
        secret = self.PREFIX + secrets.token_urlsafe(32)
        self.digest, self.hint = self.digest_of(secret), secret[:8]
        return secret

    @property
    def active(self):
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class WorkerHeartbeat(models.Model):
    """One row for each running `worker` command; the overview reads from it whether anybody audits."""

    name = models.CharField(max_length=100, unique=True)  # host:pid
    started_at = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)
    resolver_down_since = models.DateTimeField(null=True, blank=True)  # our own resolver does not answer

    ALIVE = timedelta(seconds=30)

    class Meta:
        db_table = "audit_workers"

    def __str__(self):
        return self.name
