"""What must not stop the worker on PostgreSQL and Redis: a row that somebody locked, a second host,
a queue that is away."""

import contextlib
import os
import signal
import subprocess
import time
from contextlib import contextmanager

import psycopg
import pytest
import redis

from mock_tenant.dnsserver import DnsServer
from scripts.ports import Reserved
from tests.installation import ZONE, Installation, wait

pytestmark = [pytest.mark.servers, pytest.mark.timeout(700)]


@contextmanager
def idle_transaction(installation, sql):
    """Somebody's transaction that has locked what this query finds, and does nothing more."""
    with psycopg.connect(installation.url) as connection:
        connection.execute(sql)
        yield
        connection.rollback()


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_one_locked_row_holds_up_no_other_domain(make_installation):
    """Case 179."""
    installation = make_installation(count=40)
    lock = "select * from audit_domains where domain = 'd7.test' for update"
    with installation.worker() as process:
        with idle_transaction(installation, lock):
            wait(lambda: installation.audited() == 39, 200, "all but the one that is locked")
            assert (
                installation.value("select domain from audit_domains where last_audit_at is null")
                == "d7.test"
            )
        wait(lambda: installation.audited() == 40, 200, "the last one, once it is let go")
        stop(process)


def test_one_row_locked_while_it_is_audited_holds_up_no_other(make_installation):
    """Case 179."""
    installation = make_installation(count=40)
    held = "select count(*) from audit_domains where claimed_by != ''"
    with installation.worker() as process:
        wait(lambda: installation.value(held), 200, "the first claims")
        lock = "select * from audit_domains where claimed_by != '' order by id limit 1 for update"
        with idle_transaction(installation, lock):
            wait(lambda: installation.audited() >= 39, 200, "all but the one that is locked")
        wait(lambda: installation.audited() == 40, 200, "the last one")
        stop(process)
    assert installation.value(held) == 0


def test_a_locked_schedule_stops_no_audit(make_installation):
    """Case 179: django-q2's scheduler gives up waiting; what people ask for is audited."""
    installation = make_installation(count=4)
    with (
        idle_transaction(installation, "select * from django_q_schedule for update"),
        installation.worker() as process,
    ):
        wait(lambda: installation.audited() == 4, 200, "every domain")
        stop(process)


def test_redis_away_is_said_once_and_again_when_it_is_back(make_installation, own_redis):
    """Case 158."""
    installation = make_installation(count=4, redis_url=own_redis.url, AUDIT_INTERVAL_SEC="30")
    log = installation.folder / "worker.log"
    with installation.worker() as process:
        wait(lambda: installation.audited() == 4, 200, "every domain")
        own_redis.stop()
        wait(lambda: "does not answer" in log.read_text(), 30, "what is wrong in the log")
        time.sleep(15)  # everything that asks for Redis has asked again and again
        own_redis.start()
        wait(lambda: "the queue answers again" in log.read_text(), 30, "that it is back")
        installation.shell(
            "from audit.models import *; AuditDomain.objects.update(last_audit_at=None)"
        )
        wait(lambda: installation.audited() == 4, 200, "every domain, once more")
        stop(process)
    text = log.read_text()
    assert text.count("does not answer") == 1 and "Traceback" not in text, text


def test_all_hosts_begin_at_once(make_installation):
    """Case 183: what is asked for in one request is audited by all three, within seconds."""
    installation = make_installation(count=40, AUDIT_CONCURRENCY="2")
    workers = "select count(*) from audit_workers"
    held = "select count(distinct claimed_by) from audit_domains where claimed_by != ''"
    with installation.worker() as one, installation.worker() as two, installation.worker() as three:
        wait(lambda: installation.value(workers) == 3, 200, "three workers")
        wait(lambda: installation.audited() == 40, 200, "every domain")
        installation.shell(
            "from audit.models import *; from audit.tasks import request_run\n"
            "t = Tenant.objects.get()\n"
            "request_run(tenant=t, domains=t.domains.all(), trigger='manual', by='ana')"
        )
        wait(lambda: installation.value(held) == 3, 10, "claims of all three")
        for process in (one, two, three):
            process.send_signal(signal.SIGTERM)
        assert [p.wait(60) for p in (one, two, three)] == [0, 0, 0]


class OwnRedis:
    """A Redis that goes and comes."""

    def __init__(self, folder):
        self.folder, self.process, self.kept = folder, None, Reserved()
        self.url = f"redis://127.0.0.1:{self.kept.port}/0"

    def start(self):
        options = ["--port", str(self.kept.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            ["redis-server", *options], cwd=self.folder, stdout=subprocess.DEVNULL
        )
        client = redis.Redis.from_url(self.url)

        def answers():
            with contextlib.suppress(redis.ConnectionError):
                return client.ping()

        wait(answers, 20, "Redis")

    def stop(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def own_redis(tmp_path):
    server = OwnRedis(tmp_path)
    with server.kept:
        server.start()
        yield server
        server.stop()


@pytest.fixture
def make_installation(tmp_path):
    """`make_installation(count=…, AUDIT_…=…)`: a database of its own, and an empty Redis."""
    server_url = os.environ["TEST_POSTGRES_URL"]
    name = f"g{os.getpid()}_{abs(hash(tmp_path)) % 10**9}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    redis.Redis.from_url(os.environ["TEST_REDIS_URL"]).flushall()
    url = server_url.rpartition("/")[0] + f"/{name}"
    with DnsServer(ZONE) as server:
        yield lambda **options: Installation(
            tmp_path,
            server,
            database_url=url,
            **{"redis_url": os.environ["TEST_REDIS_URL"], **options},
        )
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
