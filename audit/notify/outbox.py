"""Writing messages: a row for each channel, in the transaction that changed what it is about.

Nothing is sent here. A row waits `HOLD` before it may be sent, and what is undone meanwhile is not
told.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.signals import pre_delete
from django.utils import timezone
from django.utils.translation import gettext_noop

from audit.models import Incident, IncidentDomain, Notification, NotificationChannel, Tenant, Waiver
from audit.notify import rules
from audit.results import incident_events
from audit.results.enqueue import enqueue

HOLD = timedelta(seconds=60)
CAUGHT_UP = timedelta(days=1)  # how far back is looked for what no row was written for
# Why a message was not sent, as it is kept; said in the reader's language by the administration.
OVER_AGAIN = gettext_noop("It was over within a minute.")
BACK_AGAIN = gettext_noop("It was back within a minute.")
PART_OF = gettext_noop("It goes on as part of another incident.")
KNOWN = gettext_noop("It is known: somebody has waived it.")
CHANNEL_OFF = gettext_noop("The channel is switched off.")
BEGINNING_UNTOLD = gettext_noop("Its beginning was not told.")
NOBODY_LOOKS = gettext_noop("Its tenant or domain is switched off.")
INTERRUPTED = gettext_noop("Whoever sent it was interrupted.")
Event, State = Notification.Event, Notification.State
BEGINS = (Event.OPENED, Event.UNWAIVED)


def connect() -> None:
    """Listen to incidents, and to tenants that are removed."""
    incident_events.subscribe(incident_changed)
    pre_delete.connect(_tenant_goes, sender=Tenant, dispatch_uid="audit.notify")


def _tenant_goes(instance: Tenant, **_kwargs: Any) -> None:
    """A channel for this tenant alone would be one for all without it."""
    channels = NotificationChannel.objects.filter(enabled=True, tenants=instance)
    for channel in channels:
        if channel.tenants.count() == 1:
            NotificationChannel.objects.filter(pk=channel.pk).update(
                enabled=False, off_at=timezone.now(), off_why=f"Its tenant {instance} was removed."
            )


def incident_changed(incident: Incident, event: str) -> None:
    """Write what is to be told of an incident that began, is for others too now, ended, or goes on
    in another one; subscribed to `audit.results.incident_events`."""
    if event == incident_events.Event.OPENED:
        _opened(incident)
    elif event == incident_events.Event.CHANGED:
        _changed(incident)
    else:
        _closed([incident])


def _opened(incident: Incident) -> None:
    if incident.known:
        return
    now = timezone.now()
    told_before = _taken_back(incident, now)
    rows = []
    for channel, tenants in rules.told_at_once():
        if not rules.wants(channel, incident, tenants):
            continue
        row = _row(channel, Event.OPENED, incident, now)
        if before := told_before.get(channel.pk):  # it goes on: its end is told when it comes
            row.state, row.told_with, row.note = State.MERGED, before, BACK_AGAIN
        rows.append(row)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)


def _changed(incident: Incident) -> None:
    """For a channel that it is for from now on, it begins now."""
    if incident.known or incident.closed_at:
        return
    now = timezone.now()
    begun = Notification.objects.filter(incident=incident, event__in=BEGINS)
    told = set(begun.values_list("channel", flat=True))
    rows = [
        _row(channel, Event.OPENED, incident, now)
        for channel, tenants in rules.told_at_once()
        if channel.pk not in told and rules.wants(channel, incident, tenants)
    ]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)


def _taken_back(incident: Incident, now: datetime) -> dict[int, Notification]:
    """{channel: how it was told that it began} where it was about to be told that the same cause
    was over, which is not told any more."""
    ends = Notification.objects.waiting().filter(
        event=Event.CLOSED,
        tries=0,
        created_at__gt=now - HOLD,
        incident__kind=incident.kind,
        incident__key=incident.key,
    )
    found = {}
    for end in ends.select_related("incident"):
        began = Notification.objects.filter(
            channel=end.channel_id, incident=end.incident_id, event__in=BEGINS
        )
        before = began.select_related("told_with").order_by("pk").last()
        if before is not None and _drop(end, BACK_AGAIN):
            found[end.channel_id] = before.told_with or before
    return found


def _closed(ended: Iterable[Incident]) -> None:
    """Of each: what was not told yet is not, and where it was, its end will be."""
    by_id = {incident.pk: incident for incident in ended}
    now = timezone.now()
    begun = Notification.objects.filter(incident__in=by_id, event__in=BEGINS)
    begun = begun.exclude(state__in=(State.DROPPED, State.FAILED)).select_related("channel")
    rows: dict[tuple[int, int], Notification] = {}
    for row in begun.order_by("pk"):
        incident = by_id[row.incident_id or 0]
        silent = PART_OF if incident.merged_into_id else KNOWN if incident.known else ""
        if (silent or row.created_at > now - HOLD) and _drop(row, silent or OVER_AGAIN):
            continue
        end = _row(row.channel, Event.CLOSED, incident, now)
        if silent:
            end.state, end.note = State.DROPPED, silent
        rows.setdefault((row.channel_id, incident.pk), end)
    Notification.objects.bulk_create(rows.values(), ignore_conflicts=True)


def _drop(row: Notification, why: str) -> bool:
    """Have it not be sent; False if it is being sent, or was."""
    return bool(Notification.objects.filter(pk=row.pk, tries=0).drop(why))


def _row(
    channel: NotificationChannel, event: str, incident: Incident, now: datetime, key: int = 0
) -> Notification:
    return Notification(
        channel=channel,
        event=event,
        key=f"{event}:{key or incident.pk}",
        incident=incident,
        created_at=now,
        due_at=now + HOLD,
    )


def catch_up() -> None:
    """Write what nobody announced: waivers that ended while what they let stand goes on, and
    incidents that ended as their domains were removed."""
    with transaction.atomic():
        _unwaived()
        _ended_unsaid()


def _unwaived() -> None:
    now = timezone.now()
    ended = Waiver.objects.filter(ended_at__gt=now - CAUGHT_UP).exclude(
        ended_why=Waiver.Ended.CURED
    )
    if not ended.exists():
        return
    channels = rules.told_at_once()
    for waiver in ended:
        key = f"{Event.UNWAIVED}:{waiver.pk}"
        told = Notification.objects.filter(channel__in=[c.pk for c, _of in channels], key=key)
        if told.exists():
            continue
        incident = _goes_on(waiver)
        if incident is None:
            continue
        Notification.objects.bulk_create(
            (
                _row(channel, Event.UNWAIVED, incident, now, waiver.pk)
                for channel, tenants in channels
                if channel.created_at < (waiver.ended_at or now)
                and rules.wants(channel, incident, tenants)
            ),
            ignore_conflicts=True,
        )


def _goes_on(waiver: Waiver) -> Incident | None:
    """The incident that a waiver that ended let stand; None where it is over, still known for
    another reason, or told as a new one."""
    members = IncidentDomain.objects.filter(
        domain=waiver.domain_id, check_id=waiver.check_id, left_at=None
    )
    open_ones = Incident.objects.filter(pk__in=members.values("incident"), closed_at=None)
    return open_ones.filter(known=False, confirmed_at__lt=waiver.ended_at).first()


def _ended_unsaid() -> None:
    ended = Incident.objects.filter(closed_at__gt=timezone.now() - CAUGHT_UP)
    of_it = Notification.objects.filter(incident=OuterRef("pk"))
    begun = of_it.filter(event__in=BEGINS).exclude(state__in=(State.DROPPED, State.FAILED))
    unsaid = ended.filter(Exists(begun)).exclude(Exists(of_it.filter(event=Event.CLOSED)))
    if rows := list(unsaid):
        _closed(rows)


def switched_off(channel: NotificationChannel, why: str) -> None:
    """Switch a channel off, which its receiver asked for, and have those of the other channels say
    so that hear of the same tenants: it is no other's business."""
    now = timezone.now()
    with transaction.atomic():
        enabled = NotificationChannel.objects.filter(pk=channel.pk, enabled=True)
        if not enabled.update(enabled=False, off_at=now, off_why=why[:300]):
            return  # another try said so before, or a person
        others = NotificationChannel.objects.filter(enabled=True).exclude(pk=channel.pk)
        if tenants := list(channel.tenants.values_list("pk", flat=True)):
            others = others.filter(Q(tenants=None) | Q(tenants__in=tenants)).distinct()
        Notification.objects.bulk_create(
            Notification(
                channel=other,
                event=Event.CHANNEL,
                key=f"{Event.CHANNEL}:{channel.pk}:{now:%Y%m%d%H%M%S}",
                facts={"channel": channel.name, "why": why},
            )
            for other in others
        )
        enqueue("send_notifications")
