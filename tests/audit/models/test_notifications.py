"""Channels that one process holds, secrets that change over, rows that there is one of."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Count
from django.utils import timezone

from audit.models import Notification, NotificationChannel
from tests.audit.notify.making import make_channel

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def test_one_process_holds_a_channel_until_it_lets_go_or_its_time_is_over(clock):
    channel = make_channel("email")
    hold, let_go = NotificationChannel.objects.hold, NotificationChannel.objects.let_go
    assert hold(channel.pk, owner="a", until=MINUTE)
    assert not hold(channel.pk, owner="b", until=MINUTE)
    assert hold(channel.pk, owner="a", until=MINUTE)  # and goes on
    assert let_go("b") == 0 and let_go("a") == 1
    assert hold(channel.pk, owner="b", until=MINUTE)
    clock.go(seconds=61)
    assert hold(channel.pk, owner="a", until=MINUTE)


def test_there_is_one_row_of_each_message():
    channel = make_channel("email")
    Notification.objects.create(channel=channel, event="opened", key="opened:1")
    with pytest.raises(IntegrityError), transaction.atomic():
        Notification.objects.create(channel=channel, event="opened", key="opened:1")
    Notification.objects.create(channel=make_channel(), event="opened", key="opened:1")


def test_address_and_secrets_are_stored_encrypted():
    """Case 244."""
    channel = make_channel(url="https://hooks.example.com/T0PSECRET")
    secret = channel.secret
    channel.new_secret()
    channel.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT url, secret, old_secret FROM audit_channels")
        stored = " ".join(cursor.fetchone())
    assert "T0PSECRET" not in stored and secret not in stored and "whsec_" not in stored


def test_a_secret_signs_beside_the_next_one_for_a_day(clock):
    channel = make_channel()
    old = channel.secret
    new = channel.new_secret()
    assert channel.secrets == [new, old] and new != old
    clock.go(hours=24)
    assert channel.secrets == [new]


@pytest.mark.parametrize(
    ("kind", "fields", "where"),
    [
        (
            "email",
            {"recipients": ["a@example.com", "b@example.com"]},
            "a@example.com, b@example.com",
        ),
        ("webhook", {"url": "https://user:pw@hooks.example.com:444/T0P?x=y"}, "hooks.example.com"),
        ("apprise", {"url": "tgram://123:secret/456"}, "tgram://…"),
        ("webhook", {"url": "https://[broken"}, ""),
    ],
)
def test_where_it_leads_is_told_without_what_is_secret(kind, fields, where):
    """Case 244."""
    assert NotificationChannel(kind=kind, **fields).where == where


def test_sent_again_it_keeps_its_id_and_never_becomes_part_of_another():
    row = Notification.objects.create(
        channel=make_channel("email"), event="opened", key="x", state="failed"
    )
    assert Notification.objects.all().send_again() == 1
    again = Notification.objects.get()
    assert again.message_id == row.message_id and again.tries == 1 and again.state == "queued"
    assert Notification.objects.all().send_again() == 0


def test_what_waits_is_found_by_an_index():
    """Also where nearly all were sent: no tick reads the messages of three months."""
    channel = make_channel("email")
    if connection.vendor == "postgresql":  # which reads a small table whatever there is
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    for rows in (
        Notification.objects.waiting().filter(due_at__lte=timezone.now()).order_by(),
        channel.notifications.waiting(),
        Notification.objects.filter(channel__in=[channel.pk], key="unwaived:1"),
        Notification.objects.order_by().values("state").annotate(n=Count("pk")),
    ):
        plan = rows.explain()
        assert "INDEX" in plan.upper() and "SEQ SCAN" not in plan.upper()
