"""Onboarding events: what a stored event does. Idempotent, in any order."""

import json
import logging
from collections.abc import Iterable

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.models import AuditDomain, AuditRun, Tenant, WebhookEvent
from collectors.names import DomainError, normalize_domain

log = logging.getLogger(__name__)
REGISTERING = {"account.created", "onboarding.completed"}


WAITING = 1_000  # events of a tenant that may wait to be processed
STORED = 10_000  # events of a tenant that are kept
SURPLUS = 1_000  # of more, so many are deleted at once


class EventError(Exception):
    """An event that can't be used; the text says why."""


def domain_of(payload: object) -> str:
    """The domain of an event's payload: `data.domain`, or that of `data.account`; raises
    EventError."""
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, dict):
        raise EventError("the event has no data")
    text = data.get("domain")
    if text in (None, ""):
        account = data.get("account")
        if not isinstance(account, str) or "@" not in account:
            raise EventError("the event names no domain and no account")
        text = account.rpartition("@")[2]
    try:
        return normalize_domain(text)
    except DomainError as error:
        raise EventError(str(error)) from None


def process(event_pk: int) -> bool:
    """Process one stored event; True if a domain is to be audited now. What fails is kept as the
    event's error.

    Also a fault of ours: one event must not keep the others waiting. Raises OperationalError and
    InterfaceError (no database).
    """
    try:
        return _process(event_pk)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("event %s could not be processed", event_pk)
        error = "an internal error; the log has the details"
        WebhookEvent.objects.filter(pk=event_pk, processed_at=None).update(
            processed_at=timezone.now(), error=error
        )
        return False


def _process(event_pk: int) -> bool:
    with transaction.atomic():
        event = (
            WebhookEvent.objects.select_for_update()
            .select_related("tenant")
            .filter(pk=event_pk, processed_at=None)
            .first()
        )
        if event is None:
            return False
        asked, error = False, ""
        if event.event in REGISTERING:
            try:
                domain, _created = AuditDomain.objects.register(
                    tenant=event.tenant,
                    domain=domain_of(event.payload),
                    source=AuditDomain.Source.ONBOARDING,
                )
                AuditRun.objects.get_or_create_run(
                    tenant=event.tenant,
                    domains=AuditDomain.objects.filter(pk=domain.pk),
                    trigger=AuditRun.Trigger.ONBOARDING,
                    by=event.event,
                    scope=domain.domain,
                )
                asked = True
            except (EventError, DomainError) as problem:
                error = str(problem)
        changed = WebhookEvent.objects.filter(pk=event.pk, processed_at=None).update(
            processed_at=timezone.now(), error=error[:500]
        )
    if error:
        log.warning(
            "event %s of %s can't be used: %s", json.dumps(event.event_id), event.tenant.name, error
        )
    return bool(asked and changed)


def is_full(tenant: Tenant) -> bool:
    """As many events of this tenant wait as may."""
    waiting = tenant.events.filter(processed_at=None).values_list("pk", flat=True)
    return len(waiting[:WAITING]) == WAITING


def forget_surplus(tenants: Iterable[int]) -> int:
    """Delete the oldest processed events of those of these tenants that have more than are kept;
    how many."""
    deleted = 0
    for tenant_id in sorted(tenants):
        stored = WebhookEvent.objects.filter(tenant=tenant_id).order_by("received_at")
        surplus = len(stored.values_list("pk")[STORED : STORED + SURPLUS])
        if surplus:
            done = stored.exclude(processed_at=None).order_by("received_at", "pk")
            oldest = list(done.values_list("pk", flat=True)[:surplus])
            deleted += WebhookEvent.objects.filter(pk__in=oldest).delete()[0]
    return deleted


def retry(events: QuerySet[WebhookEvent]) -> int:
    """Have these events (a queryset) processed again; returns how many."""
    return events.update(processed_at=None, error="")
