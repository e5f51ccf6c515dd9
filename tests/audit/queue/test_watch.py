"""The watch over a cluster: by rows that should be recorded, and by a clock that nobody sets."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Tenant
from audit.queue import schedules, watch

pytestmark = pytest.mark.django_db


class Clock:
    """Time that passes when it is told to; `set_back` moves the clock on the wall alone."""

    def __init__(self):
        self.passed, self.wall = 1000.0, 1_790_000_000.0

    def monotonic(self):
        return self.passed

    def time(self):
        return self.wall

    def wait(self, seconds):
        self.passed += seconds
        self.wall += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


@pytest.fixture
def domain():
    return AuditDomain.objects.create(tenant=Tenant.objects.create(name="VM112"), domain="kunde.pt")


def due(**ago):
    AuditDomain.objects.update(next_audit_at=timezone.now() - timedelta(**ago))


def looks(cluster, clock, seconds, *, tasks_wait=False):
    """What the watch says while so much time passes in which the cluster's sentinel is well."""
    for _n in range(seconds // 10):
        clock.wait(10)
        cluster.note_guard()
        if trouble := cluster.trouble(tasks_wait=tasks_wait):
            return trouble
    return ""


def test_domains_that_are_due_while_nothing_is_recorded_are_trouble(clock, domain):
    """Case 180."""
    cluster = watch.ClusterWatch(100)
    due(minutes=5)
    assert looks(cluster, clock, 100) == ""
    assert "nothing was recorded" in looks(cluster, clock, 30)


def test_one_that_is_recorded_by_any_host_is_progress(clock, domain):
    cluster = watch.ClusterWatch(100)
    due(minutes=5)
    for _n in range(5):
        assert looks(cluster, clock, 90) == ""
        AuditDomain.objects.update(last_audit_at=timezone.now())


@pytest.mark.parametrize("quiet", ["not due", "due for a moment", "paused"])
def test_where_nothing_has_waited_for_long_there_is_no_trouble(clock, domain, quiet):
    cluster = watch.ClusterWatch(100)
    due(minutes={"not due": -5}.get(quiet, 0), hours={"paused": 1}.get(quiet, 0))
    AuditDomain.objects.update(enabled=quiet != "paused")
    assert looks(cluster, clock, 1000) == ""


def test_tasks_that_wait_while_none_begins_are_trouble(clock):
    cluster = watch.ClusterWatch(100)
    assert looks(cluster, clock, 90, tasks_wait=True) == ""
    cluster.note_task()
    assert looks(cluster, clock, 100, tasks_wait=True) == ""
    assert "no task started" in looks(cluster, clock, 30, tasks_wait=True)


def test_a_sentinel_without_a_sign_of_life_is_trouble(clock):
    """Case 180."""
    cluster = watch.ClusterWatch(100)
    for _n in range(6):
        clock.wait(10)
        assert cluster.trouble(tasks_wait=False) == ""
    clock.wait(10)
    assert "sentinel stands still" in cluster.trouble(tasks_wait=False)


def test_after_a_standstill_of_the_watch_itself_nothing_is_held_against_the_cluster(clock, domain):
    """Case 184: A whole machine that slept."""
    cluster = watch.ClusterWatch(100)
    due(minutes=5)
    clock.wait(3600)
    assert cluster.trouble(tasks_wait=True) == ""
    assert looks(cluster, clock, 90, tasks_wait=True) == ""


def test_a_clock_that_is_set_back_starts_the_cluster_again_and_mends_the_rows(clock, domain):
    """Case 180: Its sentinel waits by the clock on the wall, and would for an hour."""
    schedules.sync()
    cluster = watch.ClusterWatch(100)
    AuditDomain.objects.update(next_audit_at=timezone.now() + timedelta(hours=3))
    clock.wait(10)
    clock.wall -= 3600
    assert "set back by 3600 s" in cluster.trouble(tasks_wait=False)
    assert AuditDomain.objects.get().next_audit_at < timezone.now() + timedelta(minutes=11)
    clock.wait(10)
    cluster.note_guard()
    assert cluster.trouble(tasks_wait=False) == ""


def test_a_clock_that_is_set_right_by_a_little_or_forth_disturbs_nothing(clock):
    cluster = watch.ClusterWatch(100)
    for seconds in (-2, 3600):
        clock.wall += seconds
        assert looks(cluster, clock, 10) == ""
