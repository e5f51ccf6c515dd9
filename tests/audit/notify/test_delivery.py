"""Messages arrive once: through flaps, storms, dead workers, and a receiver that is away."""

import os
import signal
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from standardwebhooks import Webhook

from audit import tasks
from audit.models import AuditDomain, Notification, NotificationChannel
from audit.notify import delivery, outbox
from tests.audit.factories import audit, make_domain, make_domains, make_tenant
from tests.audit.notify.making import close_incident, make_channel, open_incident, send

State = Notification.State


def kinds(hooks):
    """The types of what arrived, each message once."""
    seen = {}
    for _path, headers, body in hooks.posts:
        seen.setdefault(headers["webhook-id"], body.split(b'"')[3].decode())
    return list(seen.values())


@pytest.mark.django_db
def test_an_incident_is_told_when_it_begins_and_when_it_is_over(clock, hooks, mails):
    make_channel(url=hooks.url)
    make_channel("email", recipients=["night@example.com"])
    incident = open_incident(make_domain("cliente.pt"))
    assert send() == 0
    clock.go(seconds=60)
    assert send(3) == 2
    clock.go(hours=5)
    assert send() == 0
    close_incident(incident)
    clock.go(seconds=60)
    assert send(3) == 2
    assert kinds(hooks) == ["incident.opened", "incident.closed"]
    assert [s.partition(":")[0] for s in mails.subjects] == ["Failing", "Over"]
    assert not Notification.objects.exclude(state=State.SENT).exists()


@pytest.mark.django_db
def test_real_audits_tell_once_each_way_and_a_flap_tells_nothing(clock, hooks, settings):
    """Through the one write path, with its confirmation by a second audit."""
    settings.AUDIT_GRACE_DAYS = 0
    make_channel(url=hooks.url)
    domain = make_domain("cliente.pt", checks={})
    AuditDomain.objects.update(onboarding=False)
    for status in ("fail", "ok", "fail", "ok"):  # never twice: not confirmed
        clock.go(minutes=10)
        audit(domain, dns_mx=status)
        send()
    assert hooks.posts == []
    for status in ("fail", "fail", "fail", "ok", "ok", "ok"):
        clock.go(minutes=10)
        audit(domain, dns_mx=status)
        clock.go(seconds=60)
        send()
    assert kinds(hooks) == ["incident.opened", "incident.closed"]


@pytest.mark.django_db
def test_what_is_over_within_a_minute_is_not_told(clock, hooks):
    make_channel(url=hooks.url)
    for _flap in range(3):
        incident = open_incident(make_domain())
        clock.go(seconds=59)
        send()
        close_incident(incident)
        clock.go(minutes=10)
        send(3)
    assert hooks.posts == []
    assert set(Notification.objects.values_list("state", "note")) == {
        (State.DROPPED, outbox.OVER_AGAIN)
    }


@pytest.mark.django_db
def test_a_portal_that_goes_up_and_down_ten_times_is_told_ten_times_each_way(clock, hooks):
    make_channel(url=hooks.url)
    tenant = make_tenant()
    for _time in range(10):
        incident = open_incident(
            tenant=tenant, kind="portal", check_id="", owner="measurement", severity="unknown"
        )
        clock.go(minutes=8)
        send()
        close_incident(incident)
        clock.go(minutes=8)
        send()
    assert kinds(hooks) == 10 * ["incident.opened", "incident.closed"]
    assert len(hooks.posts) == 20


@pytest.mark.timeout(600)
@pytest.mark.django_db
def test_a_thousand_incidents_at_once_are_one_message_each_way(clock, hooks, mails):
    make_channel(url=hooks.url)
    make_channel("email", recipients=["night@example.com"])
    domains = make_domains(1000, make_tenant())
    incidents = []
    for number, domain in enumerate(domains):  # as audits come, over some minutes
        incidents.append(open_incident(domain))
        if number % 100 == 0:
            clock.go(seconds=30)
            send()
    for _tick in range(6):
        clock.go(seconds=30)
        send()
    assert kinds(hooks) == ["incidents.many"]
    assert mails.subjects == ["Many at once: 1,000 new"]
    for incident in incidents:
        close_incident(incident)
    clock.go(seconds=61)
    send(2)
    assert kinds(hooks) == ["incidents.many", "incidents.many"]
    assert mails.subjects[1:] == ["Many at once: 1,000 over"]
    told = Notification.objects.filter(state=State.MERGED)
    assert told.exclude(told_with__state=State.SENT).count() == 0 and told.count() == 4000


@pytest.mark.django_db
def test_a_channel_that_is_down_for_an_hour_gets_each_message_once_in_order(clock, hooks):
    make_channel(url=hooks.url)
    hooks.answer = lambda _number: (503, b"down")
    first, second = open_incident(make_domain()), open_incident(make_domain())
    clock.go(seconds=61)
    for _tick in range(60):
        send()
        clock.go(minutes=1)
    tries = len(hooks.posts)
    assert 8 <= tries <= 40
    close_incident(first)
    hooks.answer = lambda _number: (200, b"")
    hooks.posts.clear()
    for _tick in range(120):
        clock.go(minutes=1)
        send()
    assert sorted(kinds(hooks)) == ["incident.closed", "incident.opened", "incident.opened"]
    assert len(hooks.posts) == 3
    of_first = Notification.objects.filter(incident=first).order_by("sent_at")
    assert [row.event for row in of_first] == ["opened", "closed"]
    assert [row.state for row in Notification.objects.filter(incident=second)] == [State.SENT]


@pytest.mark.django_db
def test_a_channel_that_stays_down_is_tried_for_a_day_and_then_said_to_have_failed(clock, hooks):
    make_channel(url=hooks.url)
    hooks.answer = lambda _number: (500, b"broken")
    incident = open_incident(make_domain())
    for _tick in range(26 * 60):
        clock.go(minutes=1)
        send()
    row = Notification.objects.get()
    assert row.state == State.FAILED and "HTTP 500" in row.last_error
    assert 15 <= row.tries <= 40
    assert len(set(hooks.ids)) == 1
    close_incident(incident)
    assert Notification.objects.count() == 1  # its end is told to nobody
    hooks.answer = lambda _number: (204, b"")
    assert Notification.objects.all().send_again() == 1
    send()
    row.refresh_from_db()
    assert row.state == State.SENT and len(set(hooks.ids)) == 1
    clock.go(seconds=61)
    send()  # and now that it is told that it began, that it is over
    assert kinds(hooks) == ["incident.opened", "incident.closed"]


@pytest.mark.django_db
def test_one_message_that_is_refused_does_not_hold_up_the_others(clock, hooks):
    make_channel(url=hooks.url)
    bad = open_incident(make_domain("bad.pt"), message="Poison.")
    clock.go(seconds=1)
    open_incident(make_domain("good.pt"))
    hooks.answer = lambda number: (
        (400, b"") if b"Poison" in hooks.posts[number - 1][2] else (200, b"")
    )
    clock.go(seconds=61)
    send(2)
    states = {row.incident_id: row.state for row in Notification.objects.all()}
    assert states.pop(bad.pk) == State.QUEUED
    assert list(states.values()) == [State.SENT]


@pytest.mark.django_db
def test_410_switches_the_channel_off_and_the_others_say_so(clock, hooks, mails, caplog):
    """Case 243."""
    gone = make_channel(url=hooks.url, name="old hook")
    make_channel("email", name="night", recipients=["night@example.com"])
    hooks.answer = lambda _number: (410, b"")
    open_incident(make_domain())
    later = open_incident(make_domain())
    clock.go(seconds=61)
    send(3)
    gone.refresh_from_db()
    assert not gone.enabled and gone.off_at and "410" in gone.off_why
    assert len(hooks.posts) == 1
    assert "A channel was switched off: old hook" in mails.subjects
    rows = gone.notifications.values_list("state", flat=True)
    assert sorted(rows) == [State.DROPPED, State.FAILED]
    close_incident(later)
    clock.go(seconds=61)
    send(2)
    assert len(hooks.posts) == 1


@pytest.mark.django_db
def test_that_a_channel_is_switched_off_is_said_where_its_tenants_are_heard_of():
    one, two, three = (make_tenant(f"VM{n}") for n in (1, 2, 3))
    of = {"all": [], "one": [one], "both": [one, two], "other": [three]}
    channels = {name: make_channel(name=name) for name in of}
    for name, tenants in of.items():
        channels[name].tenants.set(tenants)

    def told(name):
        Notification.objects.all().delete()
        outbox.switched_off(channels[name], "410")
        NotificationChannel.objects.update(enabled=True)
        return sorted(Notification.objects.values_list("channel__name", flat=True))

    assert {name: told(name) for name in of} == {
        "all": ["both", "one", "other"],
        "one": ["all", "both"],
        "both": ["all", "one"],
        "other": ["all"],
    }


@pytest.mark.django_db
def test_nothing_of_a_channel_that_is_switched_off_stays_waiting(clock, hooks):
    channel = make_channel(url=hooks.url)
    open_incident(make_domain())
    NotificationChannel.objects.update(enabled=False)
    clock.go(seconds=61)
    send()
    assert hooks.posts == []
    assert channel.notifications.get().state == State.DROPPED


@pytest.mark.django_db
def test_a_fault_of_ours_is_kept_logged_and_tried_again(clock, hooks, monkeypatch, caplog):
    make_channel(url=hooks.url)
    open_incident(make_domain())
    clock.go(seconds=61)

    def broken(_row):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(delivery.webhook, "send", broken)
        send()
    assert "internal error" in Notification.objects.get().last_error
    assert "ZeroDivisionError" in caplog.text
    clock.go(minutes=5)
    send()
    assert Notification.objects.get().state == State.SENT


def test_tries_come_further_apart_and_never_all_at_once():
    spans = [delivery.pause(timedelta(hours=1)) for _ in range(50)]
    assert len(set(spans)) > 10
    assert timedelta(minutes=45) < min(spans) and max(spans) < timedelta(minutes=75)
    assert delivery.pause(timedelta(0)) < timedelta(seconds=40)
    assert delivery.pause(timedelta(hours=20)) < timedelta(hours=2.5)


@pytest.mark.django_db
def test_the_tick_rings_for_what_waits(bells, clock, hooks):
    make_channel(url=hooks.url)
    open_incident(make_domain(next_audit_at=timezone.now() + timedelta(days=1)))
    tasks.tick()
    assert "send_notifications" not in bells
    clock.go(seconds=61)


@pytest.mark.django_db(transaction=True)
def test_the_task_sends_and_the_tick_asks_for_it(bells, clock, hooks):
    make_channel(url=hooks.url)
    open_incident(make_domain())
    clock.go(seconds=61)
    tasks.tick()
    assert "send_notifications" in bells
    assert tasks.send_notifications() == 1


@pytest.mark.django_db
def test_old_messages_are_pruned_but_not_those_of_what_is_open(clock, hooks):
    make_channel(url=hooks.url)
    over, still = open_incident(make_domain()), open_incident(make_domain())
    clock.go(seconds=61)
    send()
    close_incident(over)
    clock.go(seconds=61)
    send()
    clock.go(days=91)
    tasks.prune()
    assert [row.incident_id for row in Notification.objects.all()] == [still.pk]


# -- processes that die, and two at once


def in_child(act):
    """Run `act` in a process of its own; the number of the signal that ended it, or 0."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return pid


def ended(pid):
    _pid, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


STEPS = [
    ("digest.write_due", "before"),
    ("waiting.ready", "before"),
    ("waiting.ready", "after"),
    ("begin", "before"),
    ("begin", "after"),
    ("webhook.send", "before"),
    ("webhook.send", "after"),
    ("record", "before"),
    ("record", "after"),
]


@pytest.mark.parametrize(("step", "when"), STEPS)
@pytest.mark.parametrize("many", [1, 12])
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_at_any_step_loses_none_and_doubles_none(
    step, when, many, clock, hooks, monkeypatch
):
    """Case 241."""
    make_channel(url=hooks.url)
    for _number in range(many):
        open_incident(make_domain())
    clock.go(seconds=61)
    place, _, name = step.rpartition(".")
    place = getattr(delivery, place) if place else delivery
    real = getattr(place, name)

    def dying(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        die()

    with monkeypatch.context() as patch:
        patch.setattr(place, name, dying)
        pid = in_child(send)
        assert ended(pid) == signal.SIGKILL
    for _tick in range(4):
        clock.go(seconds=31)
        send()
    assert kinds(hooks) == ["incident.opened" if many == 1 else "incidents.many"]
    assert not Notification.objects.filter(state=State.QUEUED).exists()
    twice = (step == "webhook.send" and when == "after") or (step, when) == ("record", "before")
    assert len(hooks.posts) == 1 + twice


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_message_once(clock, hooks):
    for number in range(3):
        make_channel(url=hooks.url, name=f"hook {number}")
    for _number in range(6):
        open_incident(make_domain())
    clock.go(seconds=61)

    def work():
        for _round in range(5):
            send()

    pids = [in_child(work) for _worker in range(2)]
    assert [ended(pid) for pid in pids] == [0, 0]
    assert len(hooks.posts) == 18 == len(set(hooks.ids))
    assert set(Notification.objects.values_list("state", flat=True)) == {State.SENT}


@pytest.mark.django_db(transaction=True)
def test_a_channel_that_another_process_holds_is_left_to_it_until_its_time_is_over(clock, hooks):
    channel = make_channel(url=hooks.url)
    open_incident(make_domain())
    clock.go(seconds=61)
    hold = NotificationChannel.objects.hold
    assert hold(channel.pk, owner="another-host:1:x", until=timedelta(seconds=100))
    assert send() == 0 and hooks.posts == []
    clock.go(seconds=101)
    assert send() == 1


@pytest.mark.django_db
def test_who_stood_still_while_another_took_over_sends_no_more(clock, hooks, monkeypatch):
    channel = make_channel(url=hooks.url)
    open_incident(make_domain())
    clock.go(seconds=61)
    ready = delivery.waiting.ready

    def slow(of):
        rows = ready(of)
        clock.go(seconds=200)
        NotificationChannel.objects.hold(channel.pk, owner="other:1:x", until=timedelta(seconds=99))
        return rows

    monkeypatch.setattr(delivery.waiting, "ready", slow)
    assert send() == 0 and hooks.posts == []


@pytest.mark.django_db
def test_each_try_has_the_same_id_and_body_and_a_signature_of_its_own_time(clock, hooks):
    channel = make_channel(url=hooks.url)
    domain = make_domain("cliente.pt")
    incident = open_incident(domain)
    hooks.answer = lambda number: (500 if number == 1 else 200, b"")
    clock.go(seconds=61)
    send()
    incident.message = "Changed meanwhile."
    incident.save()
    clock.go(minutes=2)
    send()
    (_, first, body), (_, second, again) = hooks.posts
    assert body == again and first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    Webhook(channel.secret).verify(again, second)
