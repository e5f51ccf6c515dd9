"""What of a channel's waiting messages is to be sent now: many at once become one, what has become
needless is dropped, and nothing is told to those alone whose mail is down."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit.models import Incident, Notification, NotificationChannel
from audit.notify import rules
from audit.notify.outbox import (
    BEGINNING_UNTOLD,
    BEGINS,
    CHANNEL_OFF,
    HOLD,
    INTERRUPTED,
    KNOWN,
    NOBODY_LOOKS,
    PART_OF,
    Event,
    State,
)

MANY = 10  # messages at once, from which on they become one
TENANT_SECRETS = ("portal_token", "webhook_secret")
SINGLE = (Event.OPENED, Event.CLOSED, Event.UNWAIVED)
WAITED_AT_MOST = timedelta(minutes=10)  # for more to come, in a storm
MOST_ADDED = 5  # superusers who are written to because nobody else can be


def ready(channel: NotificationChannel) -> list[Notification]:
    """The messages of a channel that are to be sent now, oldest first.

    In one transaction; whoever calls holds the channel, so that nobody else decides meanwhile.
    """
    now = timezone.now()
    with transaction.atomic():
        if not channel.enabled:
            channel.notifications.drop(CHANNEL_OFF)
            return []
        tests = channel.notifications.filter(event=Event.TEST, due_at__lt=now - HOLD)
        tests.drop(INTERRUPTED)
        waiting = channel.notifications.waiting().select_related("incident__tenant")
        waiting = waiting.defer(*(f"incident__tenant__{name}" for name in TENANT_SECRETS))
        rows = list(waiting.order_by("created_at", "pk"))
        # one whose sending was begun may have arrived: it stays a message of its own
        single = [row for row in rows if row.event in SINGLE and row.tries == 0]
        others = [row for row in rows if row.tries or row.event not in SINGLE]
        others = [row for row in others if row.due_at <= now and row.event != Event.TEST]
        single = _in_turn(channel, single)
        due = [row for row in single if row.due_at <= now]
        storm = _is_storm(channel, single, now)
        if storm and len(due) < len(single) and due and now - due[0].created_at < WAITED_AT_MOST:
            due = []  # more come: wait for them
        due = _judged(channel, due)
        if storm and len(due) > 1:
            due = [_as_one(channel, due)]
        return sorted([*others, *due], key=lambda row: (row.created_at, row.pk))


def _in_turn(channel: NotificationChannel, single: Sequence[Notification]) -> list[Notification]:
    """Without ends whose beginning is yet to be told; where it never will be, they are dropped."""
    ends = [row for row in single if row.event == Event.CLOSED]
    begun = _begun(channel, [row.incident_id or 0 for row in ends]) if ends else {}
    kept = []
    for row in single:
        told = begun.get(row.incident_id or 0, set())
        if row.event != Event.CLOSED or State.SENT in told:
            kept.append(row)
        elif State.QUEUED not in told:
            Notification.objects.filter(pk=row.pk).drop(BEGINNING_UNTOLD)
    return kept


def _judged(channel: NotificationChannel, due: Sequence[Notification]) -> list[Notification]:
    """Without those that have become needless or are about nothing that the channel is for."""
    begins = [row.incident for row in due if row.event != Event.CLOSED and row.incident]
    idle, mine = _idle_and_mine(channel, begins)
    exposed = channel.kind == NotificationChannel.Kind.EMAIL and rules.watched(channel.recipients)
    kept = []
    for row in due:
        if row.event == Event.CLOSED or row.incident is None:
            kept.append(row)
            continue
        unsent = Notification.objects.filter(pk=row.pk, tries=0)
        if why := _needless(row.incident, idle):
            unsent.drop(why)
        elif not row.note and row.incident.pk not in mine:
            unsent.delete()
        else:
            if exposed:
                _tell_others_too(channel, row, row.incident)
            kept.append(row)
    return kept


def _idle_and_mine(
    channel: NotificationChannel, incidents: Sequence[Incident]
) -> tuple[set[int], set[int]]:
    """Those of these that nobody looks at any more, and those that the channel is for."""
    idle: set[int] = set()
    mine: set[int] = set()
    of_channel = rules.incidents_of(channel, rules.tenant_ids(channel))
    for start in range(0, len(incidents), 500):
        ids = [incident.pk for incident in incidents[start : start + 500]]
        idle.update(rules.switched_off(ids))
        mine.update(of_channel.filter(pk__in=ids).values_list("pk", flat=True))
    return idle, mine


def _needless(incident: Incident, idle: set[int]) -> str:
    """Why nobody needs to be told any more that it began; '' where it is to be told."""
    if incident.known:
        return KNOWN
    if incident.merged_into_id:
        return PART_OF
    if incident.closed_at is None and incident.pk in idle:
        return NOBODY_LOOKS
    return ""


def _begun(channel: NotificationChannel, incidents: Sequence[int]) -> dict[int, set[str]]:
    """{incident: the states in which its beginnings are, of those that are part of another message
    the other's}. What some have got is sent."""
    found: dict[int, set[str]] = {}
    rows = channel.notifications.filter(incident__in=incidents, event__in=BEGINS)
    own, others = ("state", "facts__left"), ("told_with__state", "told_with__facts__left")
    for pk, state, left, other, others_left in rows.values_list("incident", *own, *others):
        if state == State.MERGED and other:
            state, left = other, others_left  # noqa: PLW2901
        found.setdefault(pk, set()).add(State.SENT if left else state)
    return found


def _is_storm(channel: NotificationChannel, single: Sequence[Notification], now: datetime) -> bool:
    """Whether those that wait, with those that were sent one by one within an interval (over which
    audits are spread), are many."""
    since = now - timedelta(seconds=settings.AUDIT_INTERVAL_SEC)
    lately = channel.notifications.filter(
        event__in=SINGLE, state=State.SENT, created_at__gt=since - HOLD, sent_at__gt=since
    )
    return len(single) > 0 and len(single) + lately.count() >= MANY


def _as_one(channel: NotificationChannel, due: Sequence[Notification]) -> Notification:
    """One message for all of these."""
    storm = Notification.objects.create(
        channel=channel,
        event=Event.STORM,
        key=f"{Event.STORM}:{due[0].pk}",
        also_to=sorted({address for row in due for address in row.also_to}),
    )
    for start in range(0, len(due), 500):
        rows = Notification.objects.filter(pk__in=[row.pk for row in due[start : start + 500]])
        rows.waiting().update(state=State.MERGED, told_with=storm)
    return storm


def _tell_others_too(channel: NotificationChannel, row: Notification, incident: Incident) -> None:
    """Where recipients of an e-mail are at a domain that it is about: see that somebody else is
    told too, another channel or the administrators, and note it."""
    if row.note or row.also_to:
        return
    lost = rules.at_those_domains(channel.recipients, incident)
    if not lost:
        return
    other = _other_channel(channel, incident)
    if other is not None:
        told, _made = Notification.objects.get_or_create(
            channel=other,
            key=f"{Event.OPENED}:{incident.pk}",
            defaults={
                "event": Event.OPENED,
                "incident": incident,
                "note": f"For {channel.name}, which is at a domain that this is about."[:300],
            },
        )
        if told.state == State.DROPPED:  # for reasons of its own, such as that it was over
            other = None
    if other is None:
        row.also_to = _administrators([*channel.recipients], incident)
    said = other.name if other else ", ".join(row.also_to)
    row.note = (
        f"{lost[0]} is at a domain that this is about; also told: {said or 'nobody else'}."
    )[:300]
    Notification.objects.filter(pk=row.pk).update(also_to=row.also_to, note=row.note)


def _other_channel(channel: NotificationChannel, incident: Incident) -> NotificationChannel | None:
    """Another channel that gets through, best one that is told of it anyway; none of other
    tenants', who have no business in it."""
    others = NotificationChannel.objects.filter(enabled=True).exclude(pk=channel.pk)
    others = others.filter(Q(tenants=None) | Q(tenants__in=_tenants_of(incident))).distinct()
    reached = [
        other
        for other in others.order_by("-at_once", "pk")
        if other.kind != NotificationChannel.Kind.EMAIL
        or len(rules.at_those_domains(other.recipients, incident)) < len(other.recipients)
    ]
    told = Notification.objects.filter(incident=incident, event=Event.OPENED)
    already = set(told.exclude(state=State.DROPPED).values_list("channel", flat=True))
    return next((o for o in reached if o.pk in already), reached[0] if reached else None)


def _tenants_of(incident: Incident) -> set[int]:
    if incident.tenant_id is not None:
        return {incident.tenant_id}
    rows = rules.domains_of(incident, set()).order_by().values_list("tenant", flat=True)
    return set(rows.distinct())


def _administrators(known: Sequence[str], incident: Incident) -> list[str]:
    """Addresses of superusers that are at none of the domains, and that are written to anyway."""
    users = get_user_model().objects.filter(is_superuser=True, is_active=True)
    addresses = [a for a in users.order_by("pk").values_list("email", flat=True) if a]
    lost = rules.at_those_domains(addresses, incident)
    return [a for a in dict.fromkeys(addresses) if a not in {*lost, *known}][:MOST_ADDED]
