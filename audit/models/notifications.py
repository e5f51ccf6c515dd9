"""Whom to tell, and what was told: channels, and a row for each message."""

import uuid
from datetime import timedelta
from urllib.parse import urlsplit

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit import validators
from audit.fields import SecretField, UnreadableSecret
from audit.models.incidents import Incident
from audit.models.tenants import Tenant
from collectors.base import Owner

SECRETS = ("url", "secret", "old_secret")


def all_owners() -> list[str]:
    """Who may have to act: everybody."""
    return [owner.value for owner in Owner]


class NotificationChannelQuerySet(models.QuerySet["NotificationChannel"]):
    """Channels. One process at a time works for a channel: it holds it until a deadline."""

    def hold(self, pk: int, *, owner: str, until: timedelta) -> bool:
        """Have `owner` be the one who works for the channel, or go on to be; False if somebody
        else is."""
        now = timezone.now()
        free = Q(held_by="") | Q(held_by=owner) | Q(held_until__lt=now)
        return bool(self.filter(free, pk=pk).update(held_by=owner, held_until=now + until))

    def let_go(self, owner: str) -> int:
        """End what `owner` holds; how many channels that were."""
        return self.filter(held_by=owner).update(held_by="", held_until=None)


class NotificationChannel(models.Model):
    """A way to people (or to a program of theirs), and what it is used for."""

    class Kind(models.TextChoices):
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")
        APPRISE = "apprise", _("Apprise")

    class Onboarding(models.TextChoices):
        WITH = "with", _("all domains")
        WITHOUT = "without", _("not those in onboarding")
        ONLY = "only", _("those in onboarding alone")

    name = models.CharField(
        _("name"), max_length=100, unique=True, help_text=_("Such as: night shift.")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.EMAIL)
    enabled = models.BooleanField(_("enabled"), default=True)
    language = models.CharField(
        _("language"),
        max_length=5,
        choices=[
            ("pt", _("Portuguese")),
            ("pt-br", _("Portuguese (Brazil)")),
            ("en", _("English")),
        ],
        default="pt",
    )
    recipients = models.JSONField(
        _("recipients"), default=list, blank=True, validators=[validators.mail_address_list]
    )
    url = SecretField(_("address"), blank=True, default="")
    secret = SecretField(_("signing secret"), blank=True, default="", editable=False)
    # signs beside the new one for a day, so that a receiver can change over
    old_secret = SecretField(blank=True, default="", editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)

    tenants = models.ManyToManyField(
        Tenant,
        blank=True,
        related_name="+",
        verbose_name=_("tenants"),
        help_text=_("None chosen: all."),
    )
    owners = models.JSONField(_("who must act"), default=all_owners)
    least_severity = models.CharField(
        _("least severity"),
        max_length=4,
        choices=[("warn", _("warnings and failures")), ("fail", _("failures alone"))],
        default="warn",
        help_text=_("What could not be measured is no matter of severity: see who must act."),
    )
    onboarding = models.CharField(
        _("onboarding"), max_length=7, choices=Onboarding.choices, default=Onboarding.WITH
    )
    at_once = models.BooleanField(
        _("at once"),
        default=True,
        help_text=_("One message when something begins, and one when it is over."),
    )
    digest = models.BooleanField(
        _("daily digest"),
        default=False,
        help_text=_("What is new, open and over; nothing is sent where there is nothing to say."),
    )
    digest_hour = models.PositiveSmallIntegerField(
        _("hour of the digest"),
        default=8,
        validators=[validators.hour],
        help_text=_("0 to 23, in the time zone of the installation."),
    )
    all_well = models.BooleanField(
        _("“all well” on Mondays"),
        default=False,
        help_text=_("A digest with nothing to say is sent all the same once a week."),
    )
    digested_at = models.DateTimeField(null=True, blank=True, editable=False)
    off_at = models.DateTimeField(_("switched off"), null=True, blank=True, editable=False)
    off_why = models.CharField(
        _("why it was switched off"), max_length=300, blank=True, default="", editable=False
    )
    held_by = models.CharField(max_length=64, blank=True, default="", editable=False)
    held_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = NotificationChannelQuerySet.as_manager()

    class Meta:
        db_table = "audit_channels"
        verbose_name = _("notification channel")
        verbose_name_plural = _("notification channels")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def unreadable_secrets(self) -> list[str]:
        """The fields of those secrets that no key opens any more."""
        return [name for name in SECRETS if isinstance(getattr(self, name), UnreadableSecret)]

    @property
    def where(self) -> str:
        """Where it leads, without what is secret in an address: recipients, a host, a scheme."""
        if self.kind == self.Kind.EMAIL:
            return ", ".join(self.recipients)
        try:
            parts = urlsplit(self.url)
            host = parts.hostname or ""
        except ValueError:
            return ""
        return f"{parts.scheme}://…" if self.kind == self.Kind.APPRISE else host

    @property
    def secrets(self) -> list[str]:
        """What its webhooks are signed with: the secret, and for a day the one before it."""
        old = self.old_secret_until and self.old_secret_until > timezone.now()
        return [s for s in (self.secret, self.old_secret if old else "") if s]

    def new_secret(self) -> str:
        """Give it another signing secret, which is returned; the present one signs beside it for a
        day. Not saved."""
        self.old_secret, self.old_secret_until = "", None
        if self.secret:
            self.old_secret = self.secret
            self.old_secret_until = timezone.now() + timedelta(days=1)
        self.secret = validators.new_webhook_secret()
        return self.secret


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Messages."""

    def waiting(self) -> "NotificationQuerySet":
        """Those that are yet to be sent."""
        return self.filter(state=Notification.State.QUEUED)

    def drop(self, why: str) -> int:
        """Have those that wait not be sent, for this reason; how many."""
        return self.waiting().update(state=Notification.State.DROPPED, note=why[:300])

    def send_again(self) -> int:
        """Have those that were sent or failed sent anew, under the id that they had; how many."""
        ended = self.filter(state__in=(Notification.State.SENT, Notification.State.FAILED))
        return ended.update(
            state=Notification.State.QUEUED,
            due_at=timezone.now(),
            first_try_at=None,
            tries=F("tries") + 1,  # its own message: it never becomes part of another
        )


class Notification(models.Model):
    """One message of a channel: `key` says which, and there is one of each.

    `facts` are what it says, as JSON, made when it is first sent, so that each try says the same.
    """

    class Event(models.TextChoices):
        OPENED = "opened", _("began")
        CLOSED = "closed", _("over")
        UNWAIVED = "unwaived", _("no longer known")
        STORM = "storm", _("many at once")
        DIGEST = "digest", _("daily digest")
        CHANNEL = "channel", _("a channel was switched off")
        TEST = "test", _("test")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        MERGED = "merged", _("part of another message")
        DROPPED = "dropped", _("not sent")

    channel = models.ForeignKey(
        NotificationChannel, models.CASCADE, related_name="notifications", verbose_name=_("channel")
    )
    event = models.CharField(_("about"), max_length=8, choices=Event.choices)
    key = models.CharField(max_length=80, editable=False)
    uid = models.UUIDField(_("id"), unique=True, default=uuid.uuid4, editable=False)
    incident = models.ForeignKey(
        Incident,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
        verbose_name=_("incident"),
    )
    state = models.CharField(_("state"), max_length=7, choices=State.choices, default=State.QUEUED)
    told_with = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="told",
        verbose_name=_("part of"),
    )
    facts = models.JSONField(_("what it says"), default=dict, blank=True)
    also_to = models.JSONField(_("also to"), default=list, blank=True)  # addresses, of an e-mail
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    due_at = models.DateTimeField(_("next try"), default=timezone.now)
    first_try_at = models.DateTimeField(_("first try"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    last_error = models.CharField(_("last error"), max_length=500, blank=True, default="")
    note = models.CharField(_("note"), max_length=300, blank=True, default="")

    objects = NotificationQuerySet.as_manager()

    class Meta:
        db_table = "audit_notifications"
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(fields=["channel", "key"], name="audit_notification_unique")
        ]
        indexes = [
            # what waits, and how many are in each state
            models.Index(fields=["state", "channel", "due_at"], name="audit_notification_turn"),
            models.Index(fields=["-created_at", "-id"], name="audit_notification_created"),
            models.Index(fields=["incident", "channel"], name="audit_notification_incident"),
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def message_id(self) -> str:
        """The id under which a receiver sees it at each try."""
        return f"msg_{self.uid.hex}"
