"""What django-q2 runs: bells for as many drains as there is work and room, and runs that end."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from audit import tasks
from audit.models import AuditCheck, AuditDomain, AuditRun, CheckTransition
from audit.queue import drain
from tests.audit import factories as make
from tests.audit.draining import claim_due
from tests.audit.notify.making import Clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch):
    """The tasks that were rung for."""
    names = []
    monkeypatch.setattr(tasks, "enqueue", lambda name="drain": names.append(name))
    return names


@pytest.mark.parametrize(
    ("due", "workers", "busy", "bells"),
    [(1, 1, 0, 1), (100, 3, 0, 3), (100, 3, 1, 2), (3, 3, 0, 2), (100, 1, 1, 1), (100, 0, 0, 1)],
)
def test_each_idle_worker_that_has_enough_to_do_is_rung_for(
    rung, settings, due, workers, busy, bells
):
    """Case 183: And one at least, as what holds a claim may be gone."""
    settings.AUDIT_CONCURRENCY = 2
    make.make_domains(3, make.make_tenant())
    for n in range(workers):
        make.make_worker(name=f"host:{n}")
    make.make_worker(name="gone:1", seen=timezone.now() - timedelta(minutes=5))
    for n in range(busy):
        claim_due(f"host:{n}:x")
    claim_due("host:9:x:command")
    tasks.enqueue_drains(due)
    assert rung == ["drain"] * bells


def test_a_bell_that_came_while_a_drain_ended_is_rung_again(rung, monkeypatch):
    """It found no slot free, and nobody would look before the next tick."""
    domain = make.make_domain()
    monkeypatch.setattr(drain, "drain", lambda *args, **options: 1)
    tasks.drain()
    assert rung == ["drain"]
    AuditDomain.objects.filter(pk=domain.pk).update(enabled=False)
    tasks.drain()
    assert rung == ["drain"]


def test_a_drain_that_had_nothing_to_do_rings_for_no_other(rung, monkeypatch):
    """What is due and can't be had (a locked row) must not keep the queue busy."""
    make.make_domain()
    monkeypatch.setattr(drain, "drain", lambda *args, **options: 0)
    tasks.drain()
    assert rung == []


def test_the_run_of_a_drain_that_was_killed_ends(rung):
    long_ago = timezone.now() - timedelta(hours=1)
    lost = AuditRun.objects.create(trigger="schedule", done=3, domains=3, started_at=long_ago)
    now = AuditRun.objects.create(trigger="schedule", started_at=timezone.now())
    tasks.tick()
    lost.refresh_from_db()
    now.refresh_from_db()
    assert (lost.state, lost.done, now.state) == ("done", 3, "running")


@pytest.mark.django_db
def test_since_when_something_is_wrong_outlives_the_history(settings):
    """The portal is away for a moment, after the change to what is has long been pruned."""
    clock = Clock(datetime(2026, 11, 24, 2, 31, 5, tzinfo=UTC))
    try:
        domain = make.make_domain(checks={})
        for status in ("fail", "ok", "fail"):
            clock.go(days=1)
            make.audit(domain, dns_mx=status)
        began = timezone.now()
        clock.go(days=settings.AUDIT_RETENTION_DAYS + 10)
        assert tasks.prune()["transitions"] == 3  # but the last of each check
        kept = CheckTransition.objects.filter(check_id="dns_mx")
        assert [(t.from_status, t.to_status) for t in kept] == [("ok", "fail")]
        for status in ("unknown", "fail"):
            clock.go(seconds=60)
            make.audit(domain, dns_mx=status)
        assert AuditCheck.objects.get(domain=domain, check_id="dns_mx").since == began
        clock.go(days=settings.AUDIT_RETENTION_DAYS)
        assert tasks.prune()["transitions"] == 0
    finally:
        clock.stop()
