"""The server card: what all domains of a tenant stand on, judged once for all of them."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models.domains import (
    MAX_ATTEMPTS,
    AuditDomain,
    claim_seconds,
    free_to_claim,
    slot_after,
    stale_before,
)
from audit.models.results import STATUSES, CheckAnswer
from audit.models.seen import Seen
from audit.models.tenants import Tenant, target_of
from collectors.causes import OF_THE_SERVER
from collectors.server.portal import MAX_DOMAINS
from collectors.server.subject import Server

log = logging.getLogger(__name__)


class ServerCardQuerySet(models.QuerySet["ServerCard"]):
    """Server cards."""

    def due(self, now: datetime | None = None) -> Self:
        """Those of enabled tenants whose time has come and that nobody holds."""
        now = now or timezone.now()
        return self.filter(free_to_claim(now), tenant__enabled=True, next_audit_at__lte=now)

    def add_missing(self) -> None:
        """A card for each tenant that has none: it is due."""
        without = Tenant.objects.filter(server_card=None).values_list("pk", flat=True)
        cards = [ServerCard(tenant_id=pk) for pk in without]
        ServerCard.objects.bulk_create(cards, ignore_conflicts=True)

    def make_due(self, tenant_id: int) -> None:
        """What is expected of this tenant's server has changed: it is judged at once."""
        now = timezone.now()
        if not self.filter(pk=tenant_id).update(next_audit_at=now, requested_at=now):
            ServerCard.objects.bulk_create([ServerCard(tenant_id=tenant_id)], ignore_conflicts=True)

    def claim(self, owner: str, limit: int) -> list["ServerCard"]:
        """Claim for `owner` up to `limit` that are due, first what is asked for; with tenants.

        Of two that saw the same row one gets it. The claim is counted before work starts and ends
        by itself; one with which its worker died three times waits for its next regular turn.
        """
        now = timezone.now()
        order = F("requested_at").asc(nulls_last=True)
        ids = list(
            self.due(now).order_by(order, "next_audit_at").values_list("pk", flat=True)[:limit]
        )
        if not ids:
            return []
        until = now + timedelta(seconds=claim_seconds())
        free = self.filter(free_to_claim(now), pk__in=ids, next_audit_at__lte=now)
        free.update(claimed_by=owner, claimed_until=until, attempts=F("attempts") + 1)
        mine = ServerCard.objects.filter(pk__in=ids, claimed_by=owner, claimed_until=until)
        claimed: list[ServerCard] = []
        for card in mine.select_related("tenant"):
            if card.attempts > MAX_ATTEMPTS:
                log.error(
                    "the server card of %s ended its worker %s times: given up until its next turn",
                    card.tenant.name,
                    MAX_ATTEMPTS,
                )
                self.give_up(card.pk, owner)
            else:
                claimed.append(card)
        return claimed

    def give_up(self, tenant_id: int, owner: str) -> None:
        """End a claim without results: the card waits for its next regular turn."""
        at = slot_after(tenant_id, timezone.now())
        mine = self.filter(pk=tenant_id, claimed_by=owner)
        mine.update(**NOBODY, requested_at=None, attempts=0, next_audit_at=at)

    def give_back(self, owner: str) -> int:
        """Give back untouched what `owner` holds: due again at once; how many."""
        held = self.filter(claimed_by=owner, attempts__gt=0)
        return held.update(**NOBODY, attempts=F("attempts") - 1)

    def release_lost(self, owner: str) -> int:
        """Give back what `owner` held when it ended in the middle, its attempts counted."""
        return self.filter(claimed_by=owner).update(**NOBODY)

    def repair_future_times(self, now: datetime) -> None:
        """After the clock was set back, or the interval made shorter."""
        last = now + timedelta(seconds=settings.AUDIT_INTERVAL_SEC * 1.05 + 60)
        for card in self.filter(next_audit_at__gt=last):
            self.filter(pk=card.pk).update(next_audit_at=slot_after(card.pk, now))
        self.filter(requested_at__gt=now).update(requested_at=now, next_audit_at=now)
        self.filter(last_audit_at__gt=now).update(last_audit_at=now)
        until = now + timedelta(seconds=claim_seconds())
        self.filter(claimed_until__gt=until).update(claimed_until=until)


NOBODY = {"claimed_by": "", "claimed_until": None}


class ServerCard(models.Model):
    """When a tenant's server card was judged, when it is next, and who does it now."""

    tenant = models.OneToOneField(
        Tenant, models.CASCADE, primary_key=True, related_name="server_card", editable=False
    )
    last_audit_at = models.DateTimeField(_("last audit"), null=True, blank=True)
    next_audit_at = models.DateTimeField(_("next audit"), default=timezone.now, db_index=True)
    requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    claimed_by = models.CharField(max_length=64, blank=True, default="", editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    # {check_id: [status, seen by how many audits, since when in µs]}: see results.confirmation
    unconfirmed = models.JSONField(default=dict, blank=True, editable=False)
    # claims since it was last judged to the end
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    checked = models.JSONField(default=dict, blank=True, editable=False)  # as a domain's

    objects = ServerCardQuerySet.as_manager()

    class Meta:
        db_table = "audit_server_cards"

    def __str__(self) -> str:
        return str(self.tenant_id)

    @property
    def stale(self) -> bool:
        """It was last judged longer ago than twice the interval, or never."""
        return self.last_audit_at is None or self.last_audit_at < stale_before()


def server_of(tenant: Tenant) -> Server:
    """What the rows of a tenant's server card are judged by."""
    domains: Sequence[str] = []
    suspects: list[str] = []
    if tenant.pk:
        enabled = AuditDomain.objects.filter(tenant=tenant, enabled=True).order_by("domain")
        domains = list(enabled.values_list("domain", flat=True)[:MAX_DOMAINS])
        said = enabled.filter(seen__kind=Seen.Kind.FINDING)
        for _check, code in OF_THE_SERVER:
            suspects += said.filter(seen__value=code).values_list("domain", flat=True)[:1]
    return Server(
        target_of(tenant, domains[0] if domains else ""),
        tuple(domains),
        tuple(dict.fromkeys(suspects)),
        settings.AUDIT_DNSBLS,
        settings.AUDIT_SMTP_PORT if settings.AUDIT_SMTP else None,
    )


class ServerCheck(CheckAnswer):
    """The latest result of one row of a tenant's server card."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="server_checks", verbose_name=_("tenant")
    )

    class Meta:
        db_table = "audit_server_checks"
        verbose_name = _("row of a server card")
        verbose_name_plural = _("rows of server cards")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "check_id"], name="audit_server_check_unique")
        ]

    def __str__(self) -> str:
        return f"{self.tenant} {self.check_id}: {self.status}"


class ServerTransition(models.Model):
    """A change of a row of a server card between two conclusive statuses."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="server_transitions", verbose_name=_("tenant")
    )
    check_id = models.CharField(_("check"), max_length=40)
    from_status = models.CharField(_("from"), max_length=10, blank=True, choices=STATUSES)
    to_status = models.CharField(_("to"), max_length=10, choices=STATUSES)
    at = models.DateTimeField(_("when"))
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(default=dict, blank=True, editable=False)
    evidence_before = models.JSONField(_("evidence before"), default=dict, blank=True)
    evidence_after = models.JSONField(_("evidence after"), default=dict, blank=True)

    class Meta:
        db_table = "audit_server_transitions"
        verbose_name = _("transition of a server card")
        verbose_name_plural = _("transitions of server cards")
        indexes = [
            models.Index(fields=["tenant", "-at", "-id"], name="audit_server_transition_at"),
            models.Index(fields=["at"], name="audit_server_transition_age"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant} {self.check_id}: {self.from_status or '–'} → {self.to_status}"
