"""SQLite's own faults: another process holds the one lock for writing; the process is killed in the
middle of a write. And its plans."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from ipaddress import ip_network

import pytest
from django.db import connection

from audit import tasks
from audit.models import AuditCheck, AuditDomain, AuditRun, Tenant
from audit.results import store
from mock_tenant.dnsserver import DnsServer
from tests.audit import factories as make
from tests.audit.draining import close_loop, drain_due
from tests.installation import COUNT, ROOT, ZONE, Installation, wait

pytestmark = pytest.mark.sqlite
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("rollback")
"""


@pytest.mark.django_db(transaction=True)
def test_while_another_process_writes_audits_go_on_and_none_is_lost(settings):
    """Case 153: The lock outlasts what a check may take: waiting for it must not make the checks
    under way unknown."""
    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.AUDIT_CHECK_TIMEOUT_SEC = 4
    tenant = Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"])
    AuditDomain.objects.bulk_create(
        [AuditDomain(tenant=tenant, domain=f"d{n}.test") for n in range(8)]
    )
    record = store.record
    holder = None

    def lock_first(*args, **options):
        nonlocal holder
        if holder is None:
            path = connection.settings_dict["NAME"]
            holder = subprocess.Popen(
                [sys.executable, "-c", HOLD, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert holder.stdout.readline() == "locked\n"
            threading.Timer(5.5, holder.stdin.close).start()
        return record(*args, **options)

    store.record = lock_first
    zone = {
        **ZONE,
        "rules": [
            {"name": "d0.test", "type": "MX", "delay": 0.01},
            {"name": "*.test", "type": "MX", "delay": 0.3},
        ],
    }
    try:
        with DnsServer(zone) as server:
            settings.AUDIT_DNS_SERVERS = ((server.host, server.port),)
            assert drain_due(seconds=100) == 8
    finally:
        store.record = record
        close_loop()
        if holder:
            holder.stdin.close()
            holder.wait(10)
    assert AuditCheck.objects.filter(check_id="dns_mx").count() == 8
    assert not AuditCheck.objects.filter(check_id="dns_mx", status="unknown").exists()
    assert connection.cursor().execute("pragma busy_timeout").fetchone()[0] == 20_000


@pytest.mark.django_db(transaction=True)
def test_while_the_disk_is_full_reads_work_and_what_was_audited_is_saved_once_there_is_room(
    settings, monkeypatch, caplog
):
    """Case 154: The limit on pages gives the error of a full disk (SQLITE_FULL), wherever the tests
    run."""
    from django.db import OperationalError, connection

    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    tenant = Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"])
    AuditDomain.objects.bulk_create(
        [AuditDomain(tenant=tenant, domain=f"d{n}.test") for n in range(8)]
    )
    record_lot, errors = store.record_lot, []

    def pragma(text):
        return connection.cursor().execute(f"pragma {text}").fetchone()[0]

    def on_a_full_disk(*args, **options):
        try:
            return record_lot(*args, **options)
        except OperationalError as error:
            errors.append(str(error))
            assert AuditDomain.objects.count() == 8
            if len(errors) == 4:
                pragma("max_page_count = 1073741823")
            raise

    connection.cursor().execute("vacuum")
    monkeypatch.setattr(store, "record_lot", on_a_full_disk)
    pragma(f"max_page_count = {pragma('page_count')}")
    try:
        with DnsServer({"names": ZONE["names"]}) as server:
            settings.AUDIT_DNS_SERVERS = ((server.host, server.port),)
            assert drain_due(seconds=100) == 8
    finally:
        pragma("max_page_count = 1073741823")
        close_loop()
    assert errors == ["database or disk is full"] * 4
    assert len([r for r in caplog.records if "disk is full" in r.getMessage()]) == 1
    assert (
        AuditCheck.objects.count() == 64 and not AuditDomain.objects.exclude(claimed_by="").exists()
    )
    assert pragma("integrity_check") == "ok"


def _mounted(folder):
    return (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(folder)], capture_output=True
        ).returncode
        == 0
    )


def _can_mount():
    if os.geteuid() or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        return _mounted(folder) and subprocess.run(["umount", "-l", folder]).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a disk of its own, of 24 MB."""
    assert _mounted(tmp_path)
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


if _can_mount():  # in a container without that right the page limit above stands for it

    @pytest.mark.timeout(180)
    def test_the_worker_on_a_full_disk_says_so_once_and_recovers(small_disk):
        """Case 154."""
        with DnsServer(ZONE) as server:
            installation = Installation(small_disk, server)
            installation.folder = small_disk.parent  # its log is not on that disk
            log, ballast = small_disk.parent / "worker.log", small_disk / "ballast"
            with installation.worker() as process:
                wait(lambda: installation.audited() >= 3, 30, "the first domains")
                with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        assert file.write(bytes(4096))
                wait(
                    lambda: "disk is full" in log.read_text() and "no heartbeat" in log.read_text(),
                    30,
                    "what is wrong in the log",
                )
                time.sleep(3)  # the heartbeat and each audit fail again and again
                assert installation.audited() < COUNT and process.poll() is None
                assert log.read_text().count("disk is full") <= 4, log.read_text()
                ballast.unlink()
                wait(lambda: installation.audited() == COUNT, 60, "every domain")
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            assert installation.value("pragma integrity_check") == "ok"
            assert installation.value("select count(*) from audit_checks") == COUNT * 8
            assert (
                installation.value("select count(*) from audit_domains where claimed_by != ''") == 0
            )
            log.unlink()


WRITE = """
import itertools, hashlib
from django.utils import timezone
from audit.api import webhooks
from audit.results import store
from audit.models import *
from tests.audit.check_results import results
tenant, domains = Tenant.objects.get(), list(AuditDomain.objects.all())
for n in itertools.count():
    event = f"{START}-{n}"
    webhooks._store(tenant, event_id=event, event="other", payload={"type": "other"}, digest="")
    print(event, flush=True)
    found = results(dns_mx="fail" if n // len(domains) % 2 else "ok")
    store.record(domains[n % len(domains)], found, begun_at=timezone.now())
"""


@pytest.mark.timeout(400)  # it ends with its writes, however slow the machine
def test_killed_while_it_writes_the_database_is_whole_and_has_every_event_that_was_answered(
    tmp_path,
):
    """Case 155."""
    with DnsServer(ZONE) as server:
        installation = Installation(tmp_path, server)
        answered = []
        for start in range(4):
            code = WRITE.replace("START", str(start))
            with subprocess.Popen(
                [sys.executable, "manage.py", "shell", "-v0", "-c", code],
                cwd=ROOT,
                env=installation.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                for _n in range(40 + 7 * start):
                    line = process.stdout.readline()
                    assert line, process.stderr.read()
                    answered.append(line.strip())
                process.kill()
                answered += process.stdout.read().split()
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        assert database.execute("pragma integrity_check").fetchone()[0] == "ok"
        kept = {row[0] for row in database.execute("select event_id from webhook_events")}
        halves = database.execute(
            "select count(*) from "
            "(select count(*) n from audit_checks group by domain_id having n != 8)"
        )
        assert halves.fetchone()[0] == 0
    assert len(answered) > 160 and not set(answered) - kept


def steps(act):
    """How many steps SQLite takes for what `act` asks, in tens."""
    taken = []
    with closing(connection.cursor()):
        connection.connection.set_progress_handler(lambda: taken.append(1), 10)
        try:
            act()
        finally:
            connection.connection.set_progress_handler(None, 0)
    return len(taken)


LOOKS = {
    "what is switched off": lambda run: AuditRun.objects.complete_inactive(),
    "what is complete": lambda run: AuditRun.objects.end_complete(),
    "whether this one is complete": lambda run: AuditRun.objects.end_complete([run.pk]),
}


@pytest.mark.django_db
@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_a_large_run_that_waits_costs_a_look_no_more_than_a_small_one(look):
    tenant, took = make.make_tenant(), []
    for count in (20, 2000):
        domains = make.make_domains(count, tenant, prefix=f"n{count}x")
        run, _already = AuditRun.objects.get_or_create_run(
            tenant=tenant, domains=domains, trigger="manual", by="ana", scope=str(count)
        )
        took.append(steps(lambda run=run: look(run)))
        AuditRun.objects.all().delete()
    assert took[1] <= 1.5 * took[0] + 1


@pytest.mark.django_db
def test_stored_events_cost_a_tick_nothing_while_none_comes():
    """All of them were counted every 30 seconds."""
    tenant, took = make.make_tenant(), []
    for count in (20, 2000):
        make.make_events(count, tenant)
        took.append(steps(tasks.process_events))
    assert took[1] <= took[0] + 1
