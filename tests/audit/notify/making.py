"""Makers of channels and incidents, and a clock that is moved instead of waited for."""

from datetime import datetime, timedelta

import time_machine
from django.db import transaction
from django.utils import timezone

from audit.models import Incident, IncidentDomain, NotificationChannel
from audit.notify import delivery, outbox
from audit.queue.process import own_process
from audit.results.incident_events import Event


def make_channel(kind="webhook", name="", **fields):
    """A channel in English that is told of everything at once."""
    created = fields.pop("created_at", None)
    tenants = fields.pop("tenants", [])
    channel = NotificationChannel(kind=kind, name=name or kind, **{"language": "en", **fields})
    if kind == "webhook":
        channel.new_secret()
    channel.save()
    channel.tenants.set(tenants)
    if created:
        NotificationChannel.objects.filter(pk=channel.pk).update(created_at=created)
    return channel


def open_incident(*domains, kind="check", check_id="dns_mx", **fields):
    """An incident that opens now, told as the write side tells it."""
    now = timezone.now()
    first = domains[0] if domains else None
    tenant = fields.pop("tenant", first and first.tenant)
    keys = {"check": f"{first.pk if first else 0}:{check_id}"}
    with transaction.atomic():
        incident = Incident.objects.create(
            **{
                "kind": kind,
                "key": keys.get(kind, f"{tenant.pk if tenant else ''}:{check_id}"),
                "tenant": tenant,
                "check_id": check_id,
                "code": "mx_elsewhere",
                "message": "Mail for cliente.pt goes elsewhere. It is lost to us.",
                "owner": "customer",
                "severity": "fail",
                "opened_at": now - timedelta(minutes=10),
                "confirmed_at": now,
                "domains_now": len(domains),
                "domains_most": len(domains),
                **fields,
            }
        )
        for domain in domains:
            IncidentDomain.objects.create(
                incident=incident, domain=domain, check_id=check_id, since=incident.opened_at
            )
        outbox.incident_changed(incident, Event.OPENED)
    return incident


def close_incident(incident, *, event=Event.CLOSED, **fields):
    """Close it now, told as the write side tells it."""
    now = timezone.now()
    with transaction.atomic():
        incident.members.filter(left_at=None).update(left_at=now)
        for name, value in {"closed_at": now, "domains_now": 0, **fields}.items():
            setattr(incident, name, value)
        incident.save()
        outbox.incident_changed(incident, event)
    return incident


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, start: datetime) -> None:
        self._traveller = time_machine.travel(start, tick=False)
        self._at = self._traveller.start()

    def go(self, **span: float) -> None:
        self._at.shift(timedelta(**span))

    def stop(self) -> None:
        self._traveller.stop()


def send(rounds=1):
    """What the tick and its task do; how many messages were sent."""
    sent = 0
    for _round in range(rounds):
        if delivery.look():
            sent += delivery.send_waiting(own_process())
    return sent
