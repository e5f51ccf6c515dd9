"""The seam for changes: each is handled once, whenever the process ends."""

import os
import signal

import pytest
from django.db import connection, connections
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, AuditRun, CheckTransition, Tenant
from audit.results import store, transitions
from tests.audit.check_results import results

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain():
    return AuditDomain.objects.create(tenant=Tenant.objects.create(name="VM112"), domain="kunde.pt")


@pytest.fixture
def listening(monkeypatch):
    """A handler that writes a row for each change, as alerts will."""
    monkeypatch.setattr(transitions, "HANDLERS", [])

    @transitions.subscribe
    def note(change):
        name = f"{change.domain.tenant.name} {change.check_id}"
        AuditRun.objects.create(trigger="cli", requested_by=name)

    return note


def record(domain, **statuses):
    assert store.record(domain, results(**statuses), begun_at=timezone.now())


def waiting():
    return CheckTransition.objects.filter(processed_at=None).count()


def test_a_change_waits_and_is_rung_for_once_it_is_committed(
    domain, bells, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        record(domain)
        assert bells == []
    assert bells == ["process_transitions"] and len(callbacks) == 1
    assert waiting() == 8


def test_while_others_wait_no_second_bell_is_rung(
    domain, bells, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        record(domain)
        record(domain, dns_mx="fail")
    assert bells == ["process_transitions"]


def test_a_bell_that_was_lost_is_made_good_by_the_tick(domain, listening):
    record(domain)
    tasks.tick()
    assert waiting() == 0
    assert AuditRun.objects.filter(requested_by="VM112 dns_mx").count() == 1


def test_each_change_is_handled_once_in_the_order_it_was_written(domain, listening):
    record(domain)
    record(domain, dns_mx="fail")
    tasks.process_transitions()
    tasks.process_transitions()
    handled = list(AuditRun.objects.order_by("pk").values_list("requested_by", flat=True))
    assert len(handled) == 9 and handled[-1] == "VM112 dns_mx"


def test_where_nothing_listens_they_are_marked_all_the_same(domain):
    assert transitions.HANDLERS == []
    record(domain)
    tasks.process_transitions()
    assert waiting() == 0


def test_one_that_a_handler_cannot_take_waits_and_holds_up_no_other(
    domain, listening, monkeypatch, caplog
):
    monkeypatch.setattr(transitions, "PORTION", 3)

    def refuse(change):
        if change.check_id == "dns_mx":
            raise ValueError("no such channel")

    transitions.subscribe(refuse)
    record(domain)
    tasks.process_transitions()
    assert CheckTransition.objects.get(processed_at=None).check_id == "dns_mx"
    # what the first handler wrote for it went with it
    assert not AuditRun.objects.filter(requested_by="VM112 dns_mx").exists()
    assert "no such channel" in caplog.text
    transitions.HANDLERS.remove(refuse)
    tasks.process_transitions()
    assert waiting() == 0 and AuditRun.objects.filter(requested_by="VM112 dns_mx").count() == 1


def test_a_portion_is_bounded(domain, monkeypatch):
    monkeypatch.setattr(transitions, "PORTION", 3)
    record(domain)
    assert transitions.process_transitions() is not None
    assert waiting() == 5


def test_what_changed_before_anything_could_listen_is_told_to_nobody(domain, listening):
    record(domain)
    CheckTransition.objects.update(processed_at=timezone.now())
    tasks.process_transitions()
    assert not AuditRun.objects.exists()


def _killed_at(step, act):
    """Run `act` in a process of its own that is killed before its statement number `step`; True if
    it came that far."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        left = [step]

        def count(execute, *args):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(*args)

        with connection.execute_wrapper(count):
            act()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.django_db(transaction=True)
def test_killed_between_any_two_steps_each_change_is_handled_once(domain, listening, bells):
    def record_and_process():
        store.record(domain, results(), begun_at=timezone.now())
        tasks.process_transitions()

    step = 0
    while _killed_at(step := step + 1, record_and_process):
        if not CheckTransition.objects.exists():
            record(domain)
        tasks.process_transitions()
        assert waiting() == 0
        handled = AuditRun.objects.filter(requested_by__startswith="VM112").values_list(
            "requested_by", flat=True
        )
        assert len(handled) == len(set(handled)) == 8, step
        CheckTransition.objects.all().delete()
        AuditRun.objects.all().delete()
        domain.checks.all().delete()
    assert step > 30  # it ended by itself only after its last statement
