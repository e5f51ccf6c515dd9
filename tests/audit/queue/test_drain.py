"""Draining: claim, collect, record; against a real DNS server on loopback."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from datetime import timedelta

import pytest
from django.db import DataError, OperationalError
from django.db.models import Q
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.timeout import TimeoutHandler

from audit import tasks
from audit.models import AuditCheck, AuditDomain, AuditRun, Tenant, WorkerHeartbeat
from audit.models.domains import MAX_ATTEMPTS, AuditDomainQuerySet
from audit.queue import claim_owner, db_retry, drain
from audit.queue.process import own_process
from audit.queue.resolver_health import ResolverWatch
from audit.queue.run_audit import run_audit
from audit.results import store
from collectors.base import Check, Outcome
from collectors.registry import CHECKS, core_checks
from collectors.text import _
from mock_tenant.dnsserver import DnsServer
from tests.audit.check_results import results
from tests.audit.draining import claim_due, drain_due

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("dns")]

ZONE = {
    "names": {
        f"d{n}.test": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]} for n in range(12)
    },
    "rules": [{"name": "slow.test", "delay": 0.4}],
}


@pytest.fixture
def tenant():
    return Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"])


def make(tenant, *names):
    return [AuditDomain.objects.create(tenant=tenant, domain=name) for name in names]


def test_it_audits_all_that_is_due_and_nothing_twice(tenant):
    make(tenant, *(f"d{n}.test" for n in range(12)))
    assert drain_due(seconds=100, width=5) == 12
    assert AuditCheck.objects.count() == 12 * 8
    assert not AuditDomain.objects.filter(last_audit_at=None).exists()
    assert not AuditDomain.objects.exclude(claimed_by="").exists()
    assert drain_due(seconds=100) == 0
    run = AuditRun.objects.get()
    assert (run.trigger, run.domains, run.done, run.state) == ("schedule", 12, 12, "done")


def test_run_audit_returns_the_eight_and_saves_a_registered_domain(tenant):
    (domain,) = make(tenant, "d1.test")
    results = run_audit(tenant.pk, "D1.test.")
    assert list(results) == core_checks()
    assert AuditCheck.objects.filter(domain=domain).count() == 8


def test_run_audit_of_an_unknown_domain_saves_nothing(tenant):
    assert set(run_audit(tenant.pk, "d2.test")) == set(core_checks())
    assert not AuditCheck.objects.exists()


def test_a_slow_domain_holds_only_its_own_place(tenant, settings, monkeypatch):
    """With a window of two, one that waits until all the others are recorded keeps one place, and
    they pass it by."""
    settings.AUDIT_CHECK_TIMEOUT_SEC, settings.AUDIT_DOMAIN_TIMEOUT_SEC = 60, 90
    make(tenant, "d0.test", *(f"d{n}.test" for n in range(1, 7)))
    order, record_lot, others_are_done = [], store.record_lot, asyncio.Event()

    async def wait_for_others(target, _session):
        if target.domain == "d0.test":
            await others_are_done.wait()
        return Outcome(_("It was looked at."))

    def noted(lot, **options):
        order.extend(audited.domain.domain for audited in lot)
        if len(order) == 6:
            others_are_done.set()
        return record_lot(lot, **options)

    title = CHECKS["carbonio"].title
    monkeypatch.setitem(CHECKS, "carbonio", Check("carbonio", title, wait_for_others))
    monkeypatch.setattr(store, "record_lot", noted)
    assert drain_due(seconds=100, width=2) == 7
    assert order[-1] == "d0.test"


def test_a_check_over_its_time_is_unknown_and_the_others_are_saved(tenant, settings, monkeypatch):
    async def forever(target, net):
        await asyncio.sleep(60)

    monkeypatch.setitem(CHECKS, "carbonio", Check("carbonio", CHECKS["carbonio"].title, forever))
    settings.AUDIT_CHECK_TIMEOUT_SEC = 1
    (domain,) = make(tenant, "d3.test")
    drain_due(seconds=100)
    statuses = dict(AuditCheck.objects.filter(domain=domain).values_list("check_id", "status"))
    assert (
        statuses["carbonio"] == "unknown" and statuses["dns_mx"] != "unknown" and len(statuses) == 8
    )
    assert (
        AuditCheck.objects.get(domain=domain, check_id="carbonio").findings[0]["code"]
        == "check_timeout"
    )


def test_a_bug_in_one_check_costs_the_others_nothing(tenant, monkeypatch, caplog):
    async def broken(target, net):
        raise KeyError("bug")

    monkeypatch.setitem(
        CHECKS, "nginx_vhost", Check("nginx_vhost", CHECKS["nginx_vhost"].title, broken)
    )
    (domain,) = make(tenant, "d3.test")
    drain_due(seconds=100)
    assert (
        AuditCheck.objects.get(domain=domain, check_id="nginx_vhost").findings[0]["code"]
        == "check_error"
    )
    assert "KeyError" in caplog.text


def test_a_domain_that_kills_its_worker_is_given_up_after_three_attempts(tenant):
    """Case 146."""
    (domain,) = make(tenant, "d4.test")
    for _n in range(3):  # three workers claim it and die
        assert claim_due("gone")
        AuditDomain.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert drain_due(seconds=100) == 0
    domain.refresh_from_db()
    assert domain.last_error == "worker died" and domain.last_audit_at is None
    assert domain.next_audit_at > timezone.now() and domain.claimed_by == ""


def test_who_stood_beside_the_killer_is_audited(tenant, monkeypatch):
    """Case 146: Two workers died with these two in hand: each is tried alone, and the innocent one
    passes."""
    make(tenant, "d4.test", "d5.test", "d6.test")
    AuditDomain.objects.exclude(domain="d6.test").update(attempts=2)
    seen = []
    collect = drain.collect

    def noted(jobs, **options):
        def each():
            for job in jobs:
                if job and not job.server:
                    seen.append(
                        [
                            job.target.domain,
                            *AuditDomain.objects.exclude(claimed_by="").values_list(
                                "domain", flat=True
                            ),
                        ]
                    )
                yield job

        return collect(each(), **options)

    monkeypatch.setattr(drain, "collect", noted)
    assert drain_due(seconds=100) == 3
    assert seen == [[name, name] for name in ("d4.test", "d5.test", "d6.test")]
    assert set(AuditDomain.objects.values_list("attempts", flat=True)) == {0}


def test_suspects_are_never_looked_at_beside_others(tenant, monkeypatch):
    """Case 181: Of eight that were in flight, four are tried at once, and nothing beside them; one
    that was alone when it happened is alone again."""
    make(tenant, *(f"d{n}.test" for n in range(12)))
    AuditDomain.objects.filter(domain__in=[f"d{n}.test" for n in range(8)]).update(crash_group=8)
    AuditDomain.objects.filter(domain="d8.test").update(crash_group=1, attempts=1)
    running, beside = set(), {}

    async def look(target, _session):
        running.add(target.domain)
        for _n in range(20):
            await asyncio.sleep(0.01)
            beside.setdefault(target.domain, set()).update(running)
        running.discard(target.domain)
        return Outcome(_("It was looked at."))

    title = CHECKS["carbonio"].title
    monkeypatch.setitem(CHECKS, "carbonio", Check("carbonio", title, look))
    assert drain_due(seconds=100, width=8) == 12
    assert beside["d8.test"] == {"d8.test"}
    groups = {frozenset(beside[f"d{n}.test"]) for n in range(8)}
    assert [len(group) for group in groups] == [4, 4]
    assert not AuditDomain.objects.filter(Q(crash_group__gt=0) | Q(attempts__gt=0)).exists()


def test_the_one_that_kills_its_worker_is_found_by_halving(tenant):
    """Case 181: The innocent are audited on the way, and none of them waits for its next slot."""
    rows = make(tenant, *(f"d{n}.test" for n in range(8)))
    killer, deaths = rows[5].pk, 0
    held = AuditDomain.objects.claim("1", [row.pk for row in rows])
    AuditDomain.objects.release_lost("1")
    while ids := AuditDomain.objects.suspects(timezone.now()):
        held = AuditDomain.objects.claim("2", ids)
        assert len(held) == len(ids)
        if held[0].attempts > MAX_ATTEMPTS:
            break
        if killer in ids:
            AuditDomain.objects.release_lost("2")
            deaths += 1
        else:
            for row in held:
                assert store.record(row, results(), begun_at=timezone.now(), owner="2")
    assert [row.pk for row in held] == [killer]
    assert deaths == 2 + MAX_ATTEMPTS  # of four, of two, then alone
    assert AuditDomain.objects.exclude(last_audit_at=None).count() == 7


def test_one_that_is_given_up_holds_up_no_other_suspect(tenant):
    """Case 181."""
    make(tenant, "d4.test", "d5.test", "d6.test")
    AuditDomain.objects.filter(domain="d4.test").update(attempts=MAX_ATTEMPTS, crash_group=1)
    AuditDomain.objects.filter(domain="d5.test").update(attempts=MAX_ATTEMPTS - 1, crash_group=1)
    AuditDomain.objects.filter(domain="d6.test").update(attempts=MAX_ATTEMPTS, crash_group=1)
    assert drain_due(seconds=100) == 1
    given_up = AuditDomain.objects.filter(last_error="worker died")
    assert set(given_up.values_list("domain", flat=True)) == {"d4.test", "d6.test"}


def test_a_claim_that_others_won_ends_no_drain(tenant, monkeypatch):
    """Case 183: Of those that it read, another worker has claimed the first four, then eight."""
    make(tenant, *(f"d{n}.test" for n in range(12)))
    claim, won = AuditDomainQuerySet.claim, []

    def claim_after_another(self, owner, ids):
        if len(won) < 2:
            won.append(claim(self, f"elsewhere:{len(won)}:x", ids))
        return claim(self, owner, ids)

    monkeypatch.setattr(AuditDomainQuerySet, "claim", claim_after_another)
    assert drain_due(seconds=100, width=4) == 12 - sum(map(len, won)) == 4


def test_a_database_that_is_cut_off_while_the_resolver_is_noted_fails_no_drain(
    tenant, monkeypatch, caplog
):
    make(tenant, "d1.test")

    def cut_off(_down):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ResolverWatch, "_note", staticmethod(cut_off))
    assert drain_due(seconds=100) == 1
    assert "could not be noted" in caplog.text


def test_a_drain_that_is_asked_to_stop_takes_no_new_domain(tenant):
    make(tenant, "d5.test")
    own_process().stopping = True
    assert drain_due(seconds=100) == 0
    assert AuditDomain.objects.due().count() == 1


def test_it_rings_the_next_drain_when_its_time_is_over(tenant):
    make(tenant, "d5.test", "d6.test")
    rung = []
    assert drain_due(seconds=0, on_over=lambda: rung.append(1)) == 0
    assert rung == [1] and AuditDomain.objects.due().count() == 2


def test_it_leaves_the_work_to_those_that_drain_already(tenant, settings):
    """Another process holds the only lane; when that is killed, the lane is free."""
    settings.AUDIT_WORKERS = 1
    make(tenant, "d5.test")
    own_process().share()
    reader, writer = os.pipe()
    other = os.fork()
    if other == 0:
        os.write(writer, b"%d" % (own_process().slots.acquire(1) is not None))
        signal.pause()
    try:
        assert os.read(reader, 1) == b"1"
        assert drain_due(seconds=100) == 0
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    assert drain_due(seconds=100) == 1


def test_a_drain_that_breaks_in_the_middle_gives_its_claims_back(tenant, monkeypatch):
    make(tenant, "d6.test", "d7.test")

    def full(*args, **options):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(store, "record_lot", full)
    monkeypatch.setattr(db_retry, "PERSISTENT_SECONDS", 0)
    with pytest.raises(OperationalError, match="full"):
        drain_due(seconds=100)
    assert AuditDomain.objects.due().count() == 2
    assert set(AuditDomain.objects.values_list("attempts", flat=True)) == {0}


def test_results_that_cannot_be_saved_cost_that_domain_its_turn_and_no_other(tenant, monkeypatch):
    make(tenant, *(f"d{n}.test" for n in range(6)))
    record_lot = store.record_lot

    def picky(lot, **options):
        if any(audited.domain.domain == "d3.test" for audited in lot):
            raise DataError("invalid byte sequence")
        return record_lot(lot, **options)

    monkeypatch.setattr(store, "record_lot", picky)
    assert drain_due(seconds=100, width=3) == 5
    left = AuditDomain.objects.get(last_audit_at=None)
    assert (
        left.domain == "d3.test"
        and "saved" in left.last_error
        and left.next_audit_at > timezone.now()
    )


def test_a_tenant_that_cannot_be_used_stops_no_other(tenant):
    make(tenant, "d1.test")
    broken = Tenant.objects.create(name="broken")
    Tenant.objects.filter(pk=broken.pk).update(mail_hosts=5)
    make(broken, "d2.test")
    assert drain_due(seconds=100) == 1
    assert "configuration" in AuditDomain.objects.get(domain="d2.test").last_error


def test_an_audit_that_blocks_its_process_is_counted_against_it(tenant, monkeypatch):
    """Case 147: django-q2 ends a task that is over its time with an exception in the middle of
    whatever it does."""

    async def blocks(target, net):
        signal.alarm(1)  # the time is over while this blocks, however slow the machine was before
        time.sleep(30)

    monkeypatch.setitem(CHECKS, "carbonio", Check("carbonio", CHECKS["carbonio"].title, blocks))
    make(tenant, "d3.test")
    with pytest.raises(TimeoutException), TimeoutHandler(60):
        drain_due(seconds=100)
    assert signal.alarm(0) == 0
    domain = AuditDomain.objects.due().get()
    assert domain.attempts == 1


def test_regular_audits_go_on_where_people_never_stop_asking(tenant, monkeypatch):
    make(tenant, *(f"d{n}.test" for n in range(6)), "slow.test")
    asked = AuditDomain.objects.exclude(domain="slow.test")
    asked.request_audit()
    record_lot, order = store.record_lot, []

    def ask_again(lot, **options):
        order.extend(audited.domain.domain for audited in lot)
        saved = record_lot(lot, **options)
        if len(order) < 12:
            asked.request_audit()
        return saved

    monkeypatch.setattr(store, "record_lot", ask_again)
    drain_due(seconds=100, width=1)
    assert "slow.test" in order[:6]


def test_claims_of_dead_processes_of_this_host_are_given_back(tenant):
    make(tenant, "d8.test")
    gone = subprocess.Popen(["true"])
    gone.wait()
    claim_due(f"{claim_owner.system_name()}:{gone.pid}:x")
    assert claim_owner.release_dead_claims() == 1
    assert AuditDomain.objects.due().get().attempts == 1


def test_claims_of_another_system_are_left_alone_even_if_its_host_has_our_name(tenant):
    """Process numbers of another machine or container say nothing here."""
    make(tenant, "d8.test")
    claim_due(f"{socket.gethostname()[:20]}-0123456789:{2**22 - 1}:x")
    assert claim_owner.release_dead_claims() == 0
    assert len(claim_owner.owner_name()) <= AuditDomain._meta.get_field("claimed_by").max_length


def test_a_manual_run_is_counted_down_to_done(tenant):
    make(tenant, "d1.test", "d2.test")
    run, _already = tasks.request_run(
        tenant=tenant, domains=tenant.domains.all(), trigger="manual", by="ana"
    )
    assert run.state == "queued" and run.domains == 2
    drain_due(seconds=100)
    run.refresh_from_db()
    assert (run.state, run.done, run.failed) == ("done", 2, 0)
    assert AuditRun.objects.count() == 1  # nothing of it was regular


def test_a_run_whose_domains_are_removed_or_disabled_ends(tenant):
    one, two = make(tenant, "d1.test", "d2.test")
    run, _already = tasks.request_run(
        tenant=tenant, domains=tenant.domains.all(), trigger="manual", by="ana"
    )
    one.delete()
    AuditDomain.objects.filter(pk=two.pk).update(enabled=False)
    tasks.tick()
    run.refresh_from_db()
    assert run.finished_at and run.failed == 1


def test_what_is_switched_off_behind_others_is_counted_when_these_are_done(tenant):
    """A run is looked at by the first domain that it waits for."""
    one, two, three, four = make(tenant, *(f"d{n}.test" for n in range(1, 5)))
    run, _already = tasks.request_run(
        tenant=tenant, domains=tenant.domains.all(), trigger="manual", by="ana"
    )
    AuditDomain.objects.filter(pk__in=[two.pk, four.pk]).update(enabled=False)
    AuditRun.objects.complete_inactive()
    assert run.pending.count() == 4
    AuditRun.objects.complete_domains(dict.fromkeys([one.pk, three.pk], timezone.now()), ok=True)
    AuditRun.objects.complete_inactive(most=1)
    assert run.pending.get().domain_id == four.pk
    AuditRun.objects.complete_inactive(most=1)
    run.refresh_from_db()
    assert run.finished_at and (run.done, run.failed) == (2, 2)


@pytest.mark.parametrize("action", ["servfail", "refused", "drop"])
def test_a_resolver_that_fails_is_told_once_and_not_blamed_on_the_domains(
    tenant, settings, caplog, action
):
    """Case 186."""
    beat = WorkerHeartbeat.objects.create(name=f"{socket.gethostname()[:80]}:1")
    make(tenant, *(f"d{n}.test" for n in range(5)))
    with DnsServer({"rules": [{"action": action}]}) as failing:
        settings.AUDIT_DNS_SERVERS = ((failing.host, failing.port),)
        drain_due(seconds=100)
    beat.refresh_from_db()
    assert beat.resolver_down_since
    assert [r.message for r in caplog.records if "resolver" in r.message] == [caplog.messages[0]]
    checks = AuditCheck.objects.filter(check_id__startswith="dns_")
    assert set(checks.values_list("status", "findings__0__code")) == {("unknown", "resolver_down")}
    assert len(set(checks.values_list("message", flat=True))) == 1


def test_pruning_takes_what_is_older_than_the_retention_and_no_present_state(tenant):
    (domain,) = make(tenant, "d1.test")
    drain_due(seconds=100)
    old = timezone.now() - timedelta(days=400)
    first = domain.transitions.get(check_id="dns_mx")
    domain.transitions.create(
        check_id="dns_mx", from_status=first.to_status, to_status="ok", at=old, tenant=tenant
    )
    domain.transitions.update(at=old)
    kept = set(domain.transitions.exclude(pk=first.pk))  # they say since when it is as it is
    AuditRun.objects.update(created_at=old, finished_at=old)
    AuditCheck.objects.update(checked_at=old)
    counts = tasks.prune()
    assert counts["transitions"] == 1 and counts["runs"] == 1
    assert set(domain.transitions.all()) == kept
    assert AuditCheck.objects.count() == 8


def test_without_a_portal_on_purpose_six_are_measured_also_where_the_audit_breaks(dns, monkeypatch):
    tenant = Tenant.objects.create(name="VM112", without_portal=True)
    domain = AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    six = set(core_checks(without_portal=True))
    assert drain_due(seconds=100) == 1
    assert set(domain.checks.values_list("check_id", flat=True)) == six
    domain.checks.all().delete()

    async def broken(*_of):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("audit.queue.collect._run_checks", broken)
    AuditDomain.objects.update(next_audit_at=timezone.now())
    assert drain_due(seconds=100) == 1
    assert dict(domain.checks.values_list("check_id", "status")) == dict.fromkeys(six, "unknown")
