"""What comes in from outside: onboarding events and API tokens; and who audits."""

import hashlib
import secrets
import socket
from datetime import timedelta

from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from audit import validators
from audit.models.tenants import Tenant
from collectors.text import clean


class WebhookEvent(models.Model):
    """A verified event of a tenant, kept as it came."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="events", verbose_name=_("tenant")
    )
    event_id = models.CharField(_("event id"), max_length=255)
    event = models.CharField(_("event"), max_length=100)
    payload = models.JSONField(_("payload"))
    digest = models.CharField(
        max_length=64, blank=True, default="", editable=False
    )  # SHA-256 of the body it came with
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")

    class Meta:
        db_table = "webhook_events"
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "event_id"], name="webhook_event_unique")
        ]
        indexes = [
            models.Index(
                fields=["tenant", "received_at"],
                condition=models.Q(processed_at=None),
                name="webhook_event_waiting",
            ),
            models.Index(fields=["-received_at"], name="webhook_event_received"),
        ]

    def __str__(self):
        return clean(f"{self.event} {self.event_id}", 300)


class ApiToken(models.Model):
    """Access to the API for a script. Only a digest of the secret is kept: 256 random bits need no
    slow hash."""

    class Scope(models.TextChoices):
        READ = "read", _("read")
        RUN = "run", _("run audits")

    PREFIX = "lbx_"

    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(_("begins with"), max_length=12, editable=False, default="")
    scopes = models.JSONField(_("scopes"), default=list, validators=[validators.scope_list])
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="tokens",
        verbose_name=_("tenant"),
        help_text=_("Empty: every tenant."),
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
        """A saved token and its secret, which is shown this once: `(token, secret)`. The scope
        `run` includes `read`."""
        token = cls(
            name=name,
            scopes=sorted({*scopes, cls.Scope.READ.value}),
            tenant=tenant,
            expires_at=expires_at,
        )
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
        return self.revoked_at is None and (
            self.expires_at is None or self.expires_at > timezone.now()
        )


def own_key_print() -> str:
    """What tells this process's SECRET_KEY from others, and does not tell the key."""
    return salted_hmac("ligbox-audit key print", "", algorithm="sha256").hexdigest()[:16]


class WorkerHeartbeat(models.Model):
    """One row for each running `worker` command; the overview reads from it whether anybody
    audits."""

    name = models.CharField(max_length=100, unique=True)  # host:pid
    started_at = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)
    resolver_down_since = models.DateTimeField(
        null=True, blank=True
    )  # our own resolver does not answer

    # of its SECRET_KEY: with another, tasks and sessions of this one can't be read
    key_print = models.CharField(max_length=16, blank=True, default="", editable=False)

    ALIVE = timedelta(seconds=30)

    class Meta:
        db_table = "audit_workers"

    def __str__(self):
        return self.name

    @staticmethod
    def name_of(pid):
        """The name of the worker that runs on this host as process `pid`."""
        return f"{socket.gethostname()[:80]}:{pid}"

    @classmethod
    def alive(cls) -> "models.QuerySet[WorkerHeartbeat]":
        """The rows of those that were seen just now."""
        return cls.seen().filter(last_seen__gt=timezone.now() - cls.ALIVE)

    @classmethod
    def seen(cls) -> "models.QuerySet[WorkerHeartbeat]":
        """The rows but for those of what is the future now: a clock was wrong then, and nobody
        lives until that time comes."""
        return cls.objects.filter(last_seen__lt=timezone.now() + cls.ALIVE)

    @classmethod
    def with_another_key(cls) -> "WorkerHeartbeat | None":
        """A living worker whose SECRET_KEY is not ours."""
        return cls.alive().exclude(key_print__in=["", own_key_print()]).first()

    @classmethod
    def of_this_host(cls):
        """The rows of the workers on this host (a queryset)."""
        return cls.objects.filter(name__startswith=cls.name_of(""))
