"""Sending what waits: a channel at a time, by one process at a time, again until it arrives.

A try is counted before it is made, so that whoever dies meanwhile has it made again, under the
message's own id.
"""

import logging
import random
import time
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from audit.models import Notification, NotificationChannel
from audit.notify import apprise, digest, facts, mail, outbox, waiting, webhook, words
from audit.notify.outbox import Event, State
from audit.notify.outcome import Outcome
from audit.queue.claim_owner import is_alive, owner_name, system_name
from audit.queue.db_retry import retry_on_db_error
from audit.queue.process import AuditProcess

log = logging.getLogger(__name__)
HELD = timedelta(seconds=150)  # longer than any one try
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=2)
TRIED_FOR = timedelta(days=1)


def look() -> bool:
    """Write what nobody announced; whether there is anything to be sent."""
    outbox.catch_up()
    return bool(_channels_due() or digest.due(timezone.now()))


def send_waiting(process: AuditProcess, *, seconds: float = 60.0) -> int:
    """Send what waits and may be sent, for at most so long; how many messages were sent."""
    until = time.monotonic() + seconds
    digest.write_due()
    let_go_of_the_dead()
    owner, sent = owner_name(), 0
    for pk in _channels_due():
        if time.monotonic() >= until or process.stopping:
            break
        if NotificationChannel.objects.hold(pk, owner=owner, until=HELD):
            try:
                sent += _send_for(process, pk, owner, until)
            finally:
                NotificationChannel.objects.let_go(owner)
    return sent


def _channels_due() -> list[int]:
    due = Notification.objects.waiting().filter(due_at__lte=timezone.now())
    return sorted(due.order_by().values_list("channel", flat=True).distinct())


def let_go_of_the_dead() -> None:
    """End what processes of this system hold that are gone."""
    held = NotificationChannel.objects.filter(held_by__startswith=f"{system_name()}:")
    for owner in held.values_list("held_by", flat=True).distinct():
        if not is_alive(owner):
            NotificationChannel.objects.let_go(owner)


def _send_for(process: AuditProcess, pk: int, owner: str, until: float) -> int:
    """Send what one channel has; after a failure no more of it for now."""
    channel, sent = NotificationChannel.objects.get(pk=pk), 0
    for row in waiting.ready(channel):
        row.channel = channel
        if time.monotonic() >= until or process.stopping:
            break
        if not NotificationChannel.objects.hold(pk, owner=owner, until=HELD):
            break  # this process stood still for so long that another one has the channel
        if not begin(row):
            continue
        outcome = send(row)
        retry_on_db_error(process.loop, record, row, outcome)
        sent += outcome.sent
        if not outcome.sent and "left" not in row.facts:  # of those, one recipient is at fault
            break
    return sent


def begin(row: Notification) -> bool:
    """Count the try, and put down what the message says; False if it is not to be sent any more."""
    now = timezone.now()
    with transaction.atomic():
        if not row.tries and row.event != Event.DIGEST:
            with translation.override(row.channel.language):
                row.facts = dict(facts.facts_of(row))
        row.first_try_at = row.first_try_at or now
        values = {
            "tries": F("tries") + 1,
            "first_try_at": row.first_try_at,
            "due_at": now + pause(now - row.first_try_at),
            "facts": row.facts,
        }
        mine = Notification.objects.filter(pk=row.pk, tries=row.tries).waiting()
        return bool(mine.update(**values))


def pause(elapsed: timedelta) -> timedelta:
    """How long to wait for the next try, this long after the first: as long again, within bounds,
    and not to the second, so that not all come back at once."""
    wait = min(max(elapsed, FIRST_PAUSE), LONGEST_PAUSE)
    return wait * random.uniform(0.8, 1.2)  # noqa: S311 - nothing secret


def send(row: Notification) -> Outcome:
    """Try once. Whatever goes wrong is an outcome in words; what nobody foresaw is logged."""
    kind = NotificationChannel.Kind
    try:
        if row.channel.kind == kind.WEBHOOK:
            return webhook.send(row)
        with translation.override(row.channel.language):
            message = words.message_of(row)
        return (mail if row.channel.kind == kind.EMAIL else apprise).send(row, message)
    except Exception:
        log.exception("the notification %s could not be sent", row.pk)
        return Outcome(False, _("An internal error; the log has the details."))


def record(row: Notification, outcome: Outcome) -> None:
    """Keep what became of a try."""
    now = timezone.now()
    mine = Notification.objects.filter(pk=row.pk).waiting()
    assert row.first_try_at is not None
    last = now - row.first_try_at >= TRIED_FOR or row.event == Event.TEST
    facts = {name: value for name, value in row.facts.items() if name != "left"}
    if outcome.left and not last:  # the others have it: this goes on for those alone
        mine.update(facts={**facts, "left": [*outcome.left]}, last_error=outcome.text[:500])
        return
    if outcome.sent:
        said = outcome.text[:500] if outcome.partly else ""
        mine.update(state=State.SENT, sent_at=now, last_error=said, facts=facts)
        return
    values: dict[str, object] = {"last_error": outcome.text[:500]}
    if "left" in row.facts and last:
        values |= {"state": State.SENT, "sent_at": now}
    elif outcome.gone or last:
        values["state"] = State.FAILED
        log.warning("a message to %s failed: %s", row.channel, outcome.text)
    mine.update(**values)
    if outcome.gone:
        outbox.switched_off(row.channel, outcome.text)


def send_test(channel: NotificationChannel) -> Outcome:
    """Send a test at once and keep it as a row; what happened."""
    row = Notification.objects.create(
        channel=channel,
        event=Event.TEST,
        key=f"{Event.TEST}:{timezone.now():%Y%m%d%H%M%S%f}",
        facts={"channel": channel.name},
        due_at=timezone.now() + TRIED_FOR,  # it is nobody else's
    )
    begin(row)
    outcome = send(row)
    record(row, outcome)
    return outcome
