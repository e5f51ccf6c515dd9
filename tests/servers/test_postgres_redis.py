"""The worker on PostgreSQL with Redis as the queue; scripts/test-servers.sh starts both and sets
the addresses."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from mock_tenant.dnsserver import DnsServer
from tests.installation import (
    CHANGES_OF_A_CHECK,
    COUNT,
    ROOT,
    ZONE,
    Installation,
    descendants,
    wait,
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(700)]


@pytest.fixture
def installation(tmp_path):
    """A database of its own on the PostgreSQL server, and an empty Redis."""
    import psycopg
    import redis

    server_url = os.environ["TEST_POSTGRES_URL"]
    name = f"t{os.getpid()}_{abs(hash(tmp_path)) % 10**9}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    redis.Redis.from_url(os.environ["TEST_REDIS_URL"]).flushall()
    with DnsServer(ZONE) as server:
        url = server_url.rpartition("/")[0] + f"/{name}"
        yield Installation(
            tmp_path, server, database_url=url, redis_url=os.environ["TEST_REDIS_URL"]
        )
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def complete(installation):
    return installation.audited() == COUNT


def once(installation):
    """Every domain has its eight checks, no change is noted twice, and no claim is left."""
    assert installation.value("select count(*) from audit_checks") == COUNT * 8
    assert installation.value(CHANGES_OF_A_CHECK) == 1
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0


def test_two_hosts_audit_each_domain_once_and_stop_cleanly(installation):
    with installation.worker() as one, installation.worker() as two:
        wait(lambda: complete(installation), 200, "every domain")
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
        assert [one.wait(30), two.wait(30)] == [0, 0]
    once(installation)
    assert installation.value("select sum(done) from audit_runs") == COUNT


def test_killed_in_the_middle_and_started_again(installation):
    """Case 145."""
    with installation.worker() as process:
        wait(lambda: installation.audited() >= 3, 200, "the first domains")
        for pid in [process.pid, *descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
    with installation.worker() as process:
        # claims of the dead would end by themselves after 120 s
        wait(lambda: complete(installation), 100, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    once(installation)


def test_the_database_restarts_in_the_middle(installation):
    """Case 156."""
    restart = os.environ["TEST_POSTGRES_RESTART"].split("\t")
    with installation.worker() as process:
        wait(lambda: installation.audited() >= 3, 200, "the first domains")
        subprocess.run(restart, check=True, timeout=60, stdout=subprocess.DEVNULL)
        wait(lambda: complete(installation), 200, "every domain after the restart")
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    once(installation)


def test_a_queue_that_forgets_everything_loses_no_audit(installation):
    """Case 158."""
    import redis

    with installation.worker() as process:
        wait(lambda: installation.audited() >= 1, 200, "the first domain")
        redis.Redis.from_url(os.environ["TEST_REDIS_URL"]).flushall()
        wait(lambda: complete(installation), 200, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    once(installation)


def test_two_processes_that_record_the_same_domains_in_opposite_orders_never_deadlock(installation):
    """Case 157."""
    code = """
from django.utils import timezone
from audit.results import store
from audit.models import AuditDomain
from tests.audit.check_results import results
domains = sorted(AuditDomain.objects.order_by("pk")[:10], key=lambda d: ORDER * d.pk)
for n in range(20):
    for domain in domains:
        store.record(domain, results(dns_mx="fail" if n % 2 else "ok"), begun_at=timezone.now())
"""
    outcomes = []

    def record(order):
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "-v0", "-c", code.replace("ORDER", str(order))],
            cwd=ROOT, env=installation.env, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        outcomes.append((done.returncode, done.stderr))

    threads = [threading.Thread(target=record, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [code for code, _err in outcomes] == [0, 0], outcomes
    assert installation.value("select count(*) from audit_checks") == 80
