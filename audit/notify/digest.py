"""The daily digest: when it is due, and what it says."""

from datetime import UTC, datetime, time, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone, translation

from audit.models import AuditDomain, Notification, NotificationChannel
from audit.models.domains import DomainStatus
from audit.notify import rules
from audit.notify.facts import LISTED, counted, iso
from audit.notify.outbox import Event
from audit.notify.shapes import CertificateFacts, Facts, OnboardingFacts
from collectors.base import Owner
from collectors.text import clean

CERTIFICATES = timedelta(days=21)  # that end within this time are named
MOST_DAYS = timedelta(days=8)  # that one digest looks back
MONDAY = 0


def write_due() -> int:
    """Write the digests that are due; how many. Twice on one day none, whoever asks."""
    written = 0
    for channel in due(timezone.now()):
        with transaction.atomic():
            now = timezone.now()
            mine = NotificationChannel.objects.filter(
                pk=channel.pk, enabled=True, digested_at=channel.digested_at
            )
            if not mine.update(digested_at=now):
                continue  # another process has it
            with translation.override(channel.language):
                facts = facts_of(channel, now)
            if facts is not None:
                day = timezone.localtime(now).date()
                _row, made = Notification.objects.get_or_create(
                    channel=channel,
                    key=f"{Event.DIGEST}:{day:%Y-%m-%d}",
                    defaults={"event": Event.DIGEST, "facts": facts},
                )
                written += made
    return written


def due(now: datetime) -> list[NotificationChannel]:
    """The channels whose digest is due and not written. One whose hour is a later one since it was
    written has its next one tomorrow, which looks back to it."""
    channels = NotificationChannel.objects.filter(enabled=True, digest=True)
    due_now = [c for c in channels if (c.digested_at or c.created_at) < turn(c, now) <= now]
    if not due_now:
        return []
    key = f"{Event.DIGEST}:{timezone.localtime(now):%Y-%m-%d}"
    there = Notification.objects.filter(channel__in=due_now, key=key)
    written = set(there.values_list("channel", flat=True))
    return [c for c in due_now if c.pk not in written]


def turn(channel: NotificationChannel, now: datetime) -> datetime:
    """Today's time of the digest. An hour that the clock leaves out in spring is the next one; one
    that it has twice in autumn is the first."""
    zone = timezone.get_default_timezone()
    today = now.astimezone(zone).date()
    return datetime.combine(today, time(channel.digest_hour), zone).astimezone(UTC)


def facts_of(channel: NotificationChannel, now: datetime) -> Facts | None:
    """What there is to say since the last digest, in the active language; None for nothing."""
    tenants = rules.tenant_ids(channel)
    since = max(channel.digested_at or now - timedelta(days=1), now - MOST_DAYS)
    mine = rules.incidents_of(channel, tenants).select_related("tenant")
    unclosed = mine.filter(closed_at=None)
    domains = rules.domains_for(channel, tenants)
    certificates = _certificates(channel, domains, now)
    onboarding = domains.filter(onboarding=True).exclude(status=DomainStatus.HEALTHY)
    facts: Facts = {
        "since": iso(since),
        "until": iso(now),
        "new": counted(unclosed.filter(confirmed_at__gt=since).order_by("-opened_at"), tenants),
        "open": counted(unclosed.filter(confirmed_at__lte=since).order_by("opened_at"), tenants),
        "closed": counted(mine.filter(closed_at__gt=since).order_by("-closed_at"), tenants),
        "certificates": [
            _certificate(row, now)
            for row in certificates.select_related("tenant").order_by("certificate_ends_at")[
                :LISTED
            ]
        ],
        "certificates_count": certificates.count(),
        "onboarding": [
            _waits(row)
            for row in onboarding.select_related("tenant").order_by("created_at")[:LISTED]
        ],
        "onboarding_count": onboarding.count(),
        "domains_count": domains.count(),
        "all_well": False,
        "url": settings.SITE_URL + reverse("overview"),
    }
    if any(facts[name]["count"] for name in ("new", "open", "closed")):  # type: ignore[literal-required]
        return facts
    if facts["certificates_count"] or facts["onboarding_count"]:
        return facts
    if channel.all_well and timezone.localtime(now).weekday() == MONDAY:
        return {**facts, "all_well": True}
    return None


def _certificates(
    channel: NotificationChannel, domains: QuerySet[AuditDomain], now: datetime
) -> QuerySet[AuditDomain]:
    """Certificates are the host's: a channel that is not for it hears nothing of them."""
    if Owner.HOST not in channel.owners:
        return domains.none()
    return domains.filter(certificate_ends_at__lt=now + CERTIFICATES)


def _certificate(row: AuditDomain, now: datetime) -> CertificateFacts:
    assert row.certificate_ends_at is not None
    return {
        "domain": row.domain,
        "tenant": clean(row.tenant.name, 100),
        "ends_at": iso(row.certificate_ends_at),
        "days": (row.certificate_ends_at - now).days,
    }


def _waits(row: AuditDomain) -> OnboardingFacts:
    return {
        "domain": row.domain,
        "tenant": clean(row.tenant.name, 100),
        "since": iso(row.created_at),
        "score": row.score or 0,
        "max_score": row.tenant.max_score,
    }
