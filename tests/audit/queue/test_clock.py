"""The clock is set forth and back: nothing is audited in a rush, nothing waits for a time that is
far away."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.models import Schedule

from audit import tasks
from audit.models import AuditCheck, AuditDomain, AuditRun, Tenant
from audit.queue import db_retry, schedules
from audit.queue.event_loop import ProcessLoop
from audit.results import store
from tests.audit.check_results import results
from tests.audit.draining import claim_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain():
    return AuditDomain.objects.create(tenant=Tenant.objects.create(name="VM112"), domain="kunde.pt")


@pytest.fixture
def clock(monkeypatch):
    """`clock(days=1)`: from now on it is a day later than it really is."""
    real = timezone.now

    def shift(**by):
        monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(**by))

    return shift


def test_set_back_by_a_day_the_next_audit_is_within_the_interval(domain, clock, settings):
    """Case 152."""
    clock(days=1)
    store.record(domain, results(dns_mx="fail"), begun_at=timezone.now())
    clock(days=0)
    tasks.tick()
    domain.refresh_from_db()
    wait = (domain.next_audit_at - timezone.now()).total_seconds()
    assert 0 < wait <= settings.AUDIT_INTERVAL_SEC * 1.05 + 1
    store.record(domain, results(dns_mx="fail", at=timezone.now()), begun_at=timezone.now())
    domain.refresh_from_db()
    assert domain.last_audit_at <= timezone.now()
    assert AuditCheck.objects.get(check_id="dns_mx").since <= timezone.now()


def test_set_back_by_a_day_a_request_is_audited_once_and_its_run_ends(domain, clock):
    """Case 152."""
    clock(days=1)
    rows = AuditDomain.objects.filter(pk=domain.pk)
    run, _ = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="manual", by="ana", scope="kunde.pt"
    )
    claim_due("elsewhere:1:x")
    clock(days=0)
    tasks.tick()
    domain.refresh_from_db()
    assert domain.claimed_until < timezone.now() + timedelta(minutes=10)
    rows.update(claimed_by="me")
    assert store.record(domain, results(), begun_at=timezone.now(), owner="me")
    run.refresh_from_db()
    assert run.state == "done" and not AuditDomain.objects.due().exists()


def test_set_forth_by_a_day_each_domain_is_audited_once(domain, clock):
    """Case 152."""
    store.record(domain, results(), begun_at=timezone.now())
    clock(days=1)
    tasks.tick()
    (claimed,) = claim_due("me", count=5)
    store.record(claimed, results(), begun_at=timezone.now(), owner="me")
    assert not AuditDomain.objects.due().exists()
    assert domain.transitions.count() == 8


def test_a_request_of_what_is_now_the_future_is_due_at_once(domain, clock):
    """Case 152: else it is audited, and audited, and audited: it was asked for after each began."""
    clock(hours=5)
    rows = AuditDomain.objects.filter(pk=domain.pk)
    rows.request_audit()
    clock(hours=0)
    assert not AuditDomain.objects.due().exists()
    AuditDomain.objects.repair_future_times(timezone.now())
    assert rows.get().requested_at <= timezone.now()
    assert AuditDomain.objects.due().count() == 1


def test_an_audit_of_what_is_now_the_future_is_not_fresh_for_ever(domain, clock):
    clock(hours=5)
    store.record(domain, results(), begun_at=timezone.now())
    clock(hours=0)
    AuditDomain.objects.repair_future_times(timezone.now())
    assert AuditDomain.objects.get().last_audit_at <= timezone.now()


def test_a_shorter_interval_holds_at_once(domain, settings):
    settings.AUDIT_INTERVAL_SEC = 86400
    AuditDomain.objects.update(next_audit_at=timezone.now() + timedelta(hours=20))
    settings.AUDIT_INTERVAL_SEC = 600
    AuditDomain.objects.repair_future_times(timezone.now())
    assert AuditDomain.objects.get().next_audit_at < timezone.now() + timedelta(seconds=640)


@pytest.mark.parametrize("off", [timedelta(days=1), timedelta(days=-30)])
def test_the_tick_comes_though_its_turn_is_far_away(off):
    """Case 152: Set back by a day it would wait for a day; a month without a worker is 86,400 turns
    that django-q2 would step through."""
    schedules.sync()
    rows = Schedule.objects.filter(name="audit tick")
    rows.update(next_run=timezone.now() + off)
    schedules.keep_time()
    assert abs(rows.get().next_run - timezone.now()) < timedelta(seconds=5)
    kept = rows.get().next_run
    schedules.keep_time()
    assert rows.get().next_run == kept


def test_a_turn_that_is_near_is_left_alone():
    schedules.sync()
    rows = Schedule.objects.filter(name="audit prune")
    rows.update(next_run=rows.get().calculate_next_run())
    before = rows.get().next_run
    schedules.keep_time()
    assert rows.get().next_run == before


def test_pauses_and_limits_do_not_follow_the_clock(clock):
    """It counts its time by a clock that nobody sets."""
    loop, tries = ProcessLoop(), []

    def busy():
        tries.append(1)
        clock(days=len(tries))
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return "saved"

    assert db_retry.retry_on_db_error(loop, busy) == "saved"
    loop.close()
