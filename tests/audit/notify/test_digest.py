"""The digest: once a day at its hour, whatever the clock does, and only if there is anything to
say."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from audit.models import Notification, NotificationChannel
from audit.notify import digest
from tests.audit.factories import make_domain, make_tenant
from tests.audit.notify.making import Clock, close_incident, make_channel, open_incident, send
from tests.audit.notify.test_delivery import ended, in_child


def make_digest(**fields):
    return make_channel("email", recipients=["day@example.com"], **{
        "digest": True, "digest_hour": 8, "at_once": False, **fields
    })  # fmt: skip


def ticks(clock, hours, minutes=10):
    for _tick in range(int(hours * 60 / minutes)):
        clock.go(minutes=minutes)
        send()


@pytest.mark.django_db
def test_it_comes_once_a_day_at_its_hour_with_what_there_is_to_say(clock, mails):
    make_digest()
    tenant = make_tenant()
    domain = make_domain(
        "velho.pt",
        tenant=tenant,
        onboarding=False,
        certificate_ends_at=timezone.now() + timedelta(days=3, hours=9),
    )
    old = open_incident(domain, message="The name has no MX record.")
    ticks(clock, 6)  # it is 08:31
    assert len(mails.mails) == 1
    text = mails.mails[0][1].get_body(("plain",)).get_content()
    assert "New (1)" in text and "Certificates that end within 21 days (1)" in text
    assert "velho.pt (VM112): 3 days left" in text
    young = make_domain("novo.pt", tenant=tenant, onboarding=True)
    new = open_incident(young, check_id="dns_spf")
    gone = open_incident(make_domain(tenant=tenant, onboarding=False), check_id="dns_dkim")
    ticks(clock, 10)
    close_incident(gone)
    ticks(clock, 14)
    assert len(mails.mails) == 2
    text = mails.mails[1][1].get_body(("plain",)).get_content()
    assert "New (1)" in text and "Still open, the oldest first (1)" in text and "Over (1)" in text
    assert "Onboarding that waits (1)" in text and "novo.pt (VM112): 0 of 8" in text
    for incident in (old, new):
        close_incident(incident)
    assert all(len(line) <= 72 for line in text.splitlines() if " " in line.strip())


@pytest.mark.django_db
def test_nothing_to_say_is_nothing_sent_or_all_well_on_mondays(clock, mails):
    make_digest(name="quiet")
    make_digest(name="weekly", all_well=True)
    make_domain(status="healthy", severity=3, score=8, onboarding=False)
    ticks(clock, 24 * 14, minutes=60)  # from a Tuesday
    assert [s.partition(":")[0] for s in mails.subjects] == ["All well", "All well"]
    rows = Notification.objects.order_by("pk")
    assert [timezone.localtime(row.created_at).strftime("%a %H") for row in rows] == [
        "Mon 08",
        "Mon 08",
    ]


@pytest.mark.parametrize(
    ("start", "hour"),
    [
        (datetime(2026, 3, 28, 20, tzinfo=UTC), 1),  # the hour that Lisbon leaves out
        (datetime(2026, 10, 24, 20, tzinfo=UTC), 1),  # the hour that it has twice
        (datetime(2026, 10, 24, 20, tzinfo=UTC), 0),
        (datetime(2026, 10, 24, 20, tzinfo=UTC), 23),
    ],
)
@pytest.mark.django_db
def test_the_nights_on_which_the_clock_is_changed_have_one_digest(start, hour, mails):
    """Case 249."""
    clock = Clock(start)
    try:
        make_digest(digest_hour=hour)
        make_domain()
        ticks(clock, 26, minutes=15)
        days = [
            timezone.localtime(row.created_at).date() for row in Notification.objects.order_by("pk")
        ]
        assert len(days) == 1
    finally:
        clock.stop()


@pytest.mark.django_db
def test_a_worker_that_was_away_at_the_hour_sends_it_later_and_not_twice(clock, mails):
    """Case 249."""
    make_digest()
    make_domain()
    clock.go(hours=12)
    send(3)
    assert len(mails.mails) == 1
    clock.go(hours=3 * 24)
    send(3)
    assert len(mails.mails) == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_write_one(clock, mails):
    """Case 249."""
    make_digest()
    make_domain()
    clock.go(hours=6)
    pids = [in_child(lambda: send(3)) for _worker in range(2)]
    assert [ended(pid) for pid in pids] == [0, 0]
    deadline = time.monotonic() + 10
    while not mails.mails and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(mails.mails) == 1 and Notification.objects.count() == 1


@pytest.mark.django_db
def test_a_channel_made_after_its_hour_begins_on_the_next_day(clock, mails):
    clock.go(hours=10)
    make_digest()
    make_domain()
    ticks(clock, 2)
    assert mails.mails == []
    ticks(clock, 20, minutes=60)
    assert len(mails.mails) == 1


@pytest.mark.django_db
def test_it_is_about_what_the_channel_is_for(clock):
    one, two = make_tenant("VM112"), make_tenant("VM113")
    soon = timezone.now() + timedelta(days=5)
    for tenant in (one, two):
        domain = make_domain(tenant=tenant, certificate_ends_at=soon)
        open_incident(domain, owner="customer", severity="warn", key=f"{domain.pk}:x")
    now = timezone.now()

    def said(**fields):
        facts = digest.facts_of(make_channel(name=str(fields), **fields), now) or {}
        names = ("certificates_count", "onboarding_count", "domains_count")
        return [facts.get("new", {}).get("count"), *(facts.get(name) for name in names)]

    assert said() == [2, 2, 2, 2]
    assert said(tenants=[one]) == [1, 1, 1, 1]
    assert said(least_severity="fail") == [0, 2, 2, 2]
    assert said(owners=["customer"]) == [2, 0, 2, 2]
    assert said(onboarding="without") == [None, None, None, None]
    Notification.objects.all().delete()
    NotificationChannel.objects.all().delete()


@pytest.mark.django_db
def test_long_lists_are_cut_and_say_so(clock, mails):
    make_digest()
    for number in range(60):
        make_domain(f"cliente{number:02d}.example")
    ticks(clock, 6)
    text = mails.mails[0][1].get_body(("plain",)).get_content()
    assert "Onboarding that waits (60)" in text and "and 10 more" in text


@pytest.mark.django_db
def test_it_counts_to_what_is_measured_there(clock, mails):
    make_digest()
    make_domain("novo.pt", make_tenant(without_portal=True), onboarding=True)
    ticks(clock, 6)
    text = mails.mails[0][1].get_body(("plain",)).get_content()
    assert "novo.pt (VM112): 0 of 6" in text


@pytest.mark.django_db
def test_another_hour_loses_nothing_and_makes_no_second_one_on_that_day(clock, mails):
    make_digest()
    tenant = make_tenant()
    told = open_incident(make_domain(tenant=tenant, onboarding=False))
    ticks(clock, 6)  # it is 08:31
    assert len(mails.mails) == 1
    NotificationChannel.objects.update(digest_hour=20)
    brief = open_incident(make_domain(tenant=tenant, onboarding=False), check_id="dns_spf")
    ticks(clock, 2)
    close_incident(brief)
    ticks(clock, 12)  # 22:31
    assert len(mails.mails) == 1
    ticks(clock, 24)
    assert len(mails.mails) == 2
    text = mails.mails[1][1].get_body(("plain",)).get_content()
    assert "Over (1)" in text and "Still open, the oldest first (1)" in text
    close_incident(told)
