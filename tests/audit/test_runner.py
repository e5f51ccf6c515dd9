"""Draining: claim, collect, record; against a real DNS server on loopback."""

from datetime import timedelta

import pytest
from django.db import DataError, OperationalError
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.timeout import TimeoutHandler

from audit import loop, owners, runner, tasks
from audit.models import AuditCheck, AuditDomain, AuditRun, Tenant, WorkerHeartbeat
from collectors.base import core_checks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("dns")]

ZONE = {
    "names": {f"d{n}.test": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]} for n in range(12)},
    "rules": [{"name": "slow.test", "delay": 0.4}, {"name": "mute.test", "action": "drop"}],
}


@pytest.fixture
def tenant():
    return Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"])


def make(tenant, *names):
    return [AuditDomain.objects.create(tenant=tenant, domain=name) for name in names]


def test_it_audits_all_that_is_due_and_nothing_twice(tenant):
    make(tenant, *(f"d{n}.test" for n in range(12)))
    assert runner.drain(seconds=30, width=5) == 12
    assert AuditCheck.objects.count() == 12 * 8
    assert not AuditDomain.objects.filter(last_audit_at=None).exists()
    assert not AuditDomain.objects.exclude(claimed_by="").exists()
    assert runner.drain(seconds=5) == 0
    run = AuditRun.objects.get()
    assert (run.trigger, run.domains, run.done, run.state) == ("schedule", 12, 12, "done")


def test_run_audit_returns_the_eight_and_saves_a_registered_domain(tenant):
    (domain,) = make(tenant, "d1.test")
    results = runner.run_audit(tenant.pk, "D1.test.")
    assert list(results) == core_checks()
    assert AuditCheck.objects.filter(domain=domain).count() == 8


def test_run_audit_of_an_unknown_domain_saves_nothing(tenant):
    assert set(runner.run_audit(tenant.pk, "d2.test")) == set(core_checks())
    assert not AuditCheck.objects.exists()


def test_a_slow_domain_holds_only_its_own_place(tenant, dns):
    """With a window of two, the mute domain keeps one place and the others pass it by."""
    make(tenant, "mute.test", *(f"d{n}.test" for n in range(6)))
    order = []
    record = runner.store.record

    def noted(domain, results, **options):
        order.append(domain.domain)
        return record(domain, results, **options)

    runner.store.record = noted
    try:
        assert runner.drain(seconds=30, width=2) == 7
    finally:
        runner.store.record = record
    assert order[-1] == "mute.test"


def test_a_check_over_its_time_is_unknown_and_the_others_are_saved(tenant, settings, monkeypatch):
    import asyncio

    from collectors.base import CHECKS, Check

    async def forever(target, net):
        await asyncio.sleep(60)

    monkeypatch.setitem(CHECKS, "carbonio", Check("carbonio", CHECKS["carbonio"].title, forever))
    settings.AUDIT_CHECK_TIMEOUT_SEC = 1
    (domain,) = make(tenant, "d3.test")
    runner.drain(seconds=20)
    statuses = dict(AuditCheck.objects.filter(domain=domain).values_list("check_id", "status"))
    assert statuses["carbonio"] == "unknown" and statuses["dns_mx"] != "unknown" and len(statuses) == 8
    assert AuditCheck.objects.get(domain=domain, check_id="carbonio").findings[0]["code"] == "check_timeout"


def test_a_bug_in_one_check_costs_the_others_nothing(tenant, monkeypatch, caplog):
    from collectors.base import CHECKS, Check

    async def broken(target, net):
        raise KeyError("bug")

    monkeypatch.setitem(CHECKS, "nginx_vhost", Check("nginx_vhost", CHECKS["nginx_vhost"].title, broken))
    (domain,) = make(tenant, "d3.test")
    runner.drain(seconds=20)
    assert AuditCheck.objects.get(domain=domain, check_id="nginx_vhost").findings[0]["code"] == "check_error"
    assert "KeyError" in caplog.text


def test_case_146_a_domain_that_kills_its_worker_is_given_up_after_three_attempts(tenant):
    (domain,) = make(tenant, "d4.test")
    for n in range(3):  # three workers claim it and die
        assert AuditDomain.objects.claim("gone", count=1, suspects=n == 2)
        AuditDomain.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert runner.drain(seconds=10) == 0
    domain.refresh_from_db()
    assert domain.last_error == "worker died" and domain.last_audit_at is None
    assert domain.next_audit_at > timezone.now() and domain.claimed_by == ""


def test_case_146_who_stood_beside_the_killer_is_audited(tenant, monkeypatch):
    """Two workers died with these two in hand: each is tried alone, and the innocent one passes."""
    make(tenant, "d4.test", "d5.test", "d6.test")
    AuditDomain.objects.exclude(domain="d6.test").update(attempts=2)
    seen = []
    collect = runner.collect

    def noted(jobs, **options):
        def each():
            for job in jobs:
                if job:
                    seen.append([job.target.domain, *AuditDomain.objects.exclude(claimed_by="").values_list("domain", flat=True)])
                yield job

        return collect(each(), **options)

    monkeypatch.setattr(runner, "collect", noted)
    assert runner.drain(seconds=20) == 3
    assert seen == [[name, name] for name in ("d4.test", "d5.test", "d6.test")]
    assert set(AuditDomain.objects.values_list("attempts", flat=True)) == {0}


def test_a_drain_that_is_asked_to_stop_takes_no_new_domain(tenant):
    make(tenant, "d5.test")
    runner.stopping.set()
    assert runner.drain(seconds=10) == 0
    assert AuditDomain.objects.due().count() == 1


def test_it_rings_the_next_drain_when_its_time_is_over(tenant):
    make(tenant, "d5.test", "d6.test")
    rung = []
    assert runner.drain(seconds=0, on_over=lambda: rung.append(1)) == 0
    assert rung == [1] and AuditDomain.objects.due().count() == 2


def test_it_leaves_the_work_to_those_that_drain_already(tenant, settings):
    """Another process holds the only lane; when that is killed, the lane is free."""
    import os
    import signal

    from audit import lanes

    settings.AUDIT_WORKERS = 1
    make(tenant, "d5.test")
    reader, writer = os.pipe()
    other = os.fork()
    if other == 0:
        os.write(writer, b"%d" % (lanes.take() is not None))
        signal.pause()
    try:
        assert os.read(reader, 1) == b"1"
        assert runner.drain(seconds=10) == 0
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    assert runner.drain(seconds=10) == 1


def test_a_drain_that_breaks_in_the_middle_gives_its_claims_back(tenant, monkeypatch):
    make(tenant, "d6.test", "d7.test")

    def full(*args, **options):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(runner.store, "record", full)
    monkeypatch.setattr(loop, "PERSISTENT_SECONDS", 0)
    with pytest.raises(OperationalError, match="full"):
        runner.drain(seconds=10)
    assert AuditDomain.objects.due().count() == 2
    assert set(AuditDomain.objects.values_list("attempts", flat=True)) == {0}


def test_results_that_cannot_be_saved_cost_that_domain_its_turn_and_no_other(tenant, monkeypatch):
    make(tenant, *(f"d{n}.test" for n in range(6)))
    record = runner.store.record

    def picky(domain, results, **options):
        if domain.domain == "d3.test":
            raise DataError("invalid byte sequence")
        return record(domain, results, **options)

    monkeypatch.setattr(runner.store, "record", picky)
    assert runner.drain(seconds=20, width=3) == 5
    left = AuditDomain.objects.get(last_audit_at=None)
    assert left.domain == "d3.test" and "saved" in left.last_error and left.next_audit_at > timezone.now()


def test_a_tenant_that_cannot_be_used_stops_no_other(tenant):
    make(tenant, "d1.test")
    broken = Tenant.objects.create(name="broken")
    Tenant.objects.filter(pk=broken.pk).update(mail_hosts=5)
    make(broken, "d2.test")
    assert runner.drain(seconds=20) == 1
    assert "configuration" in AuditDomain.objects.get(domain="d2.test").last_error


def test_case_147_an_audit_that_blocks_its_process_is_counted_against_it(tenant, monkeypatch):
    """django-q2 ends a task that is over its time with an exception in the middle of whatever it does."""
    import signal

    from collectors.base import CHECKS, Check

    async def blocks(target, net):
        import time

        signal.alarm(1)  # the time is over while this blocks, however slow the machine was before
        time.sleep(30)

    monkeypatch.setitem(CHECKS, "carbonio", Check("carbonio", CHECKS["carbonio"].title, blocks))
    make(tenant, "d3.test")
    with pytest.raises(TimeoutException), TimeoutHandler(60):
        runner.drain(seconds=20)
    assert signal.alarm(0) == 0
    domain = AuditDomain.objects.due().get()
    assert domain.attempts == 1


def test_regular_audits_go_on_where_people_never_stop_asking(tenant, monkeypatch):
    make(tenant, *(f"d{n}.test" for n in range(6)), "slow.test")
    asked = AuditDomain.objects.exclude(domain="slow.test")
    asked.request_audit()
    record, order = runner.store.record, []

    def ask_again(domain, results, **options):
        order.append(domain.domain)
        saved = record(domain, results, **options)
        if len(order) < 12:
            asked.request_audit()
        return saved

    monkeypatch.setattr(runner.store, "record", ask_again)
    runner.drain(seconds=30, width=1)
    assert "slow.test" in order[:6]


def test_claims_of_dead_processes_of_this_host_are_given_back(tenant):
    import subprocess

    make(tenant, "d8.test")
    gone = subprocess.Popen(["true"])
    gone.wait()
    AuditDomain.objects.claim(f"{owners.system()}:{gone.pid}:x", count=1)
    assert runner.release_dead() == 1
    assert AuditDomain.objects.due().get().attempts == 1


def test_claims_of_another_system_are_left_alone_even_if_its_host_has_our_name(tenant):
    """Process numbers of another machine or container say nothing here."""
    import socket

    make(tenant, "d8.test")
    AuditDomain.objects.claim(f"{socket.gethostname()[:20]}-0123456789:{2**22 - 1}:x", count=1)
    assert runner.release_dead() == 0
    assert len(owners.owner_name()) <= AuditDomain._meta.get_field("claimed_by").max_length


def test_a_manual_run_is_counted_down_to_done(tenant):
    make(tenant, "d1.test", "d2.test")
    run, _ = tasks.request_run(tenant=tenant, domains=tenant.domains.all(), trigger="manual", by="ana")
    assert run.state == "queued" and run.domains == 2
    runner.drain(seconds=20)
    run.refresh_from_db()
    assert (run.state, run.done, run.failed) == ("done", 2, 0)
    assert AuditRun.objects.count() == 1  # nothing of it was regular


def test_a_run_whose_domains_are_removed_or_disabled_ends(tenant):
    one, two = make(tenant, "d1.test", "d2.test")
    run, _ = tasks.request_run(tenant=tenant, domains=tenant.domains.all(), trigger="manual", by="ana")
    one.delete()
    AuditDomain.objects.filter(pk=two.pk).update(enabled=False)
    tasks.tick()
    run.refresh_from_db()
    assert run.finished_at and run.failed == 1


def test_a_silent_resolver_is_told_once_and_not_blamed_on_the_domains(tenant, settings, caplog):
    import socket

    beat = WorkerHeartbeat.objects.create(name=f"{socket.gethostname()[:80]}:1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        settings.AUDIT_DNS_SERVERS = (silent.getsockname(),)
        (domain,) = make(tenant, "d9.test")
        runner.drain(seconds=20)
    beat.refresh_from_db()
    assert beat.resolver_down_since and "resolver does not answer" in caplog.text
    statuses = AuditCheck.objects.filter(domain=domain, check_id__startswith="dns_").values_list("status", flat=True)
    assert set(statuses) == {"unknown"}


def test_pruning_takes_what_is_older_than_the_retention_and_no_present_state(tenant):
    (domain,) = make(tenant, "d1.test")
    runner.drain(seconds=20)
    old = timezone.now() - timedelta(days=400)
    domain.transitions.update(at=old)
    AuditRun.objects.update(finished_at=old)
    AuditCheck.objects.update(checked_at=old)
    counts = tasks.prune()
    assert counts["transitions"] >= 1 and counts["runs"] == 1
    assert AuditCheck.objects.count() == 8
