"""The worker command as a real process: it audits, stops cleanly, and loses nothing when it is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from mock_tenant.dnsserver import DnsServer

ROOT = Path(__file__).resolve().parents[2]
COUNT = 40
ZONE = {
    "names": {f"d{n}.test": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]} for n in range(COUNT)},
    "rules": [{"name": "*.test", "type": "MX", "delay": 0.4}],
}


def descendants(pid):
    """The processes below `pid`, from /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found, wave = [], {pid}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave}
        found += wave
    return found


class Installation:
    """A database of its own and a DNS server, for `manage.py` processes."""

    def __init__(self, folder, server):
        self.db = folder / "db.sqlite3"
        self.env = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{self.db}",
            "REDIS_URL": "",
            "SECRET_KEY": "k" * 60,
            "AUDIT_DNS_SERVERS": f"{server.host}:{server.port}",
            "AUDIT_ALLOWED_NETWORKS": "127.0.0.0/8",
            "AUDIT_CHECK_TIMEOUT_SEC": "3",
            "AUDIT_CONCURRENCY": "4",
        }
        self.manage("migrate", "-v0")
        names = ",".join(f"'d{n}.test'" for n in range(COUNT))
        self.manage(
            "shell", "-v0", "-c",
            "from audit.models import *; t = Tenant.objects.create(name='VM112', mail_hosts=['mx1.host.test']);"
            f"AuditDomain.objects.bulk_create([AuditDomain(tenant=t, domain=n) for n in ({names})])",
        )  # fmt: skip

    def manage(self, *args):
        subprocess.run([sys.executable, "manage.py", *args], cwd=ROOT, env=self.env, check=True, timeout=60)

    def value(self, sql):
        with sqlite3.connect(self.db, timeout=20) as connection:
            return connection.execute(sql).fetchone()[0]

    def audited(self):
        return self.value("select count(*) from audit_domains where last_audit_at is not null")

    @contextmanager
    def worker(self, **options):
        log = (self.db.parent / "worker.log").open("a")
        process = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=ROOT, env=self.env, stderr=log, stdout=log, **options)
        try:
            yield process
        finally:
            for pid in [process.pid, *descendants(process.pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait(10)
            log.close()


def wait(condition, seconds, what):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@pytest.fixture
def installation(tmp_path):
    with DnsServer(ZONE) as server:
        yield Installation(tmp_path, server)


@pytest.mark.timeout(180)
def test_case_145_killed_in_the_middle_and_started_again_every_domain_is_audited_once(installation):
    with installation.worker() as process:
        wait(lambda: 3 <= installation.audited(), 30, "the first domains")
        for pid in [process.pid, *descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
        process.wait(10)
    at_the_kill = installation.audited()
    assert at_the_kill < COUNT, "the round was over before the kill"
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") > 0
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 60, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from audit_checks") == COUNT * 8
    assert installation.value("select max(n) from (select count(*) n from audit_transitions group by domain_id, check_id)") == 1
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0
    assert installation.value("select sum(done) from audit_runs") <= COUNT


@pytest.mark.timeout(120)
def test_case_151_a_signal_to_the_whole_group_stops_it_cleanly_in_the_middle_of_a_round(installation):
    with installation.worker(start_new_session=True) as process:
        wait(lambda: installation.audited() >= 1, 30, "the first domain")
        assert installation.value("select count(*) from audit_workers") == 1
        children = descendants(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
        wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 5, "no process left")
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0
    assert installation.value("select count(*) from audit_workers") == 0


@pytest.mark.timeout(180)
def test_case_149_two_clusters_audit_each_domain_once(installation):
    with installation.worker() as one, installation.worker() as two:
        wait(lambda: installation.audited() == COUNT, 60, "every domain")
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
        assert [one.wait(30), two.wait(30)] == [0, 0]
    assert installation.value("select sum(done) from audit_runs") == COUNT
