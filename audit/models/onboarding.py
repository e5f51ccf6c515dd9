"""From registered to 8/8: the links that customers get."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import models
from django.db.models import Value
from django.db.models.functions import Least
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models.domains import AuditDomain


class LinkEnded(Exception):
    """A link that was made, and leads nowhere any more."""

    def __init__(self, link: "ReportLink", why: "ReportLink.End") -> None:
        super().__init__(why)
        self.link, self.why = link, why


class ReportLinkQuerySet(models.QuerySet["ReportLink"]):
    """Links to customers' reports."""

    def alive(self) -> "ReportLinkQuerySet":
        """Those that lead somewhere still."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())

    def newest_of(self, domains: Iterable[int]) -> "dict[int, ReportLink]":
        """{domain id: the newest link that leads somewhere}; one query, none without a domain."""
        ids = list(domains)
        rows = self.alive().filter(domain__in=ids).order_by("pk") if ids else []
        return {link.domain_id: link for link in rows}

    def of_token(self, token: str) -> "ReportLink | None":
        """The link with this token, with its domain and tenant; None for one that nobody made, or
        whose domain is audited no more. Raises LinkEnded for one that was revoked, is done or
        expired.
        """
        if (pk := self.number_of(token)) is None:
            return None
        link = self.select_related("domain__tenant").filter(pk=pk).first()
        if link is None or not link.domain.active:
            return None
        if ended := link.ended:
            raise LinkEnded(link, ended)
        return link

    @staticmethod
    def number_of(token: str) -> int | None:
        """The number that a token is the signature of; None for one that nobody made."""
        try:
            return int(_signer().unsign(token))
        except signing.BadSignature:
            return None

    def make(self, domains: Sequence[AuditDomain], *, by: Any = None) -> "list[ReportLink]":
        """A new link for each of these; `by`: the person who asks for them."""
        now = timezone.now()
        until = now + timedelta(days=ReportLink.DAYS)
        links = [
            ReportLink(domain=row, created_at=now, created_by=by, expires_at=until)
            for row in domains
        ]
        return ReportLink.objects.bulk_create(links)

    def end_of(self, domains: Sequence[int], now: datetime) -> None:
        """These domains have what their links ask for: the links end, and not at once, so that
        whoever comes back is thanked."""
        if domains:
            until = now + timedelta(days=ReportLink.THANKS_DAYS)
            asking = self.alive().filter(domain__in=domains, done_at=None)
            asking.update(done_at=now, expires_at=Least("expires_at", Value(until)))


def _signer() -> signing.Signer:
    return signing.Signer(salt="audit.report-link", sep=".")


class ReportLink(models.Model):
    """One link to a domain's report, which can be revoked alone. Its address is this row's number,
    signed: nothing that opens it is kept here."""

    DAYS = 30  # how long a link leads somewhere
    THANKS_DAYS = 7  # how long yet once its domain is 8/8: who comes back reads that all is well
    SEEN_EVERY = timedelta(minutes=1)  # a page that is loaded again is no second visit

    class End(models.TextChoices):
        """Why it leads nowhere any more."""

        REVOKED = "revoked", _("revoked")
        DONE = "done", _("done")
        EXPIRED = "expired", _("expired")

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

    def get_absolute_url(self) -> str:
        """The address of the report, without the site."""
        return reverse("report", args=[self.token])

    @property
    def token(self) -> str:
        """What its address holds: always the same for a link."""
        return _signer().sign(str(self.pk))

    @property
    def given_at(self) -> datetime:
        """When its holder got it: when it was mailed, or made to be handed over."""
        return self.sent_at or self.created_at

    @property
    def ended(self) -> "ReportLink.End | None":
        """Why it leads nowhere any more; None while it does."""
        if self.revoked_at is not None:
            return self.End.REVOKED
        if self.expires_at > timezone.now():
            return None
        return self.End.EXPIRED if self.done_at is None else self.End.DONE

    def note_opened(self) -> None:
        """Its holder looked at the report: keep when first and when last."""
        now = timezone.now()
        self.opened_at = self.opened_at or now
        if self.seen_at is None or now - self.seen_at >= self.SEEN_EVERY:
            self.seen_at = now
            self.save(update_fields=["opened_at", "seen_at"])

    def revoke(self) -> bool:
        """It leads nowhere from now on; False if it did not before."""
        now = timezone.now()
        return bool(ReportLink.objects.alive().filter(pk=self.pk).update(revoked_at=now))

    def note_sent(self, to: str) -> None:
        """A mail server took the message with it."""
        self.sent_to, self.sent_at = to, timezone.now()
        self.save(update_fields=["sent_to", "sent_at"])

    def note_checked(self) -> None:
        """Its holder had the domain checked again, so the report was opened as well."""
        self.checked_at = timezone.now()
        self.save(update_fields=["checked_at"])
        self.note_opened()
