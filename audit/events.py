"""Onboarding events: what a stored event does. Idempotent, in any order."""

import json
import logging

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from collectors.names import DomainError, normalize_domain

from .models import AuditDomain, AuditRun, WebhookEvent

log = logging.getLogger(__name__)
REGISTERING = {"account.created", "onboarding.completed"}


class EventError(Exception):
    """An event that can't be used; the text says why."""


def domain_of(payload):
    """The domain of an event's payload: `data.domain`, or that of `data.account`; raises EventError."""
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


def register(*, tenant, domain, source, dkim_selectors=()):
    """The AuditDomain for a name (normalized here) on a tenant and whether it is new; raises DomainError.

    Twice at once registers once: the unique constraint decides, not a look before. One that exists stays as it is.
    """
    new = {"source": source, "dkim_selectors": list(dkim_selectors)}
    return AuditDomain.objects.get_or_create(tenant=tenant, domain=normalize_domain(domain), defaults=new)


def process(event_pk):
    """Process one stored event; True if a domain is to be audited now. What fails is kept as the event's error.

    Also a fault of ours: one event must not keep the others waiting. Raises OperationalError and InterfaceError (no database).
    """
    try:
        return _process(event_pk)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("event %s could not be processed", event_pk)
        error = "an internal error; the log has the details"
        WebhookEvent.objects.filter(pk=event_pk, processed_at=None).update(processed_at=timezone.now(), error=error)
        return False


def _process(event_pk):
    with transaction.atomic():
        event = WebhookEvent.objects.select_for_update().select_related("tenant").filter(pk=event_pk, processed_at=None).first()
        if event is None:
            return False
        asked, error = False, ""
        if event.event in REGISTERING:
            try:
                domain, _created = register(tenant=event.tenant, domain=domain_of(event.payload), source=AuditDomain.Source.ONBOARDING)
                AuditRun.objects.ask(
                    tenant=event.tenant, domains=AuditDomain.objects.filter(pk=domain.pk), trigger=AuditRun.Trigger.ONBOARDING,
                    by=event.event, scope=domain.domain,
                )  # fmt: skip
                asked = True
            except EventError as problem:
                error = str(problem)
        changed = WebhookEvent.objects.filter(pk=event.pk, processed_at=None).update(processed_at=timezone.now(), error=error[:500])
    if error:
        log.warning("event %s of %s can't be used: %s", json.dumps(event.event_id), event.tenant.name, error)
    return bool(asked and changed)


def retry(events):
    """Have these events (a queryset) processed again; returns how many."""
    return events.update(processed_at=None, error="")
