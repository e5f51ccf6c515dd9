"""SQLite's own faults: another process holds the one lock for writing; the process is killed in the middle of a write. And its plans."""

import sqlite3
import subprocess
import sys
import threading
from ipaddress import ip_network

import pytest
from django.utils import timezone

from audit import loop, overview, paging, runner
from audit.models import AuditCheck, AuditDomain, Tenant
from mock_tenant.dnsserver import DnsServer
from tests.installation import ROOT, ZONE, Installation

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("rollback")
"""


@pytest.mark.django_db(transaction=True)
def test_case_153_while_another_process_writes_audits_go_on_and_none_is_lost(settings):
    """The lock outlasts what a check may take: waiting for it must not make the checks under way unknown."""
    from django.db import connection

    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.AUDIT_CHECK_TIMEOUT_SEC = 2
    tenant = Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"])
    AuditDomain.objects.bulk_create([AuditDomain(tenant=tenant, domain=f"d{n}.test") for n in range(8)])
    record = runner.store.record
    holder = None

    def lock_first(*args, **options):
        nonlocal holder
        if holder is None:
            path = connection.settings_dict["NAME"]
            holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert holder.stdout.readline() == "locked\n"
            threading.Timer(3, holder.stdin.close).start()
        return record(*args, **options)

    runner.store.record = lock_first
    zone = {**ZONE, "rules": [{"name": "d0.test", "type": "MX", "delay": 0.01}, {"name": "*.test", "type": "MX", "delay": 0.3}]}
    try:
        with DnsServer(zone) as server:
            settings.AUDIT_DNS_SERVERS = ((server.host, server.port),)
            assert runner.drain(seconds=30) == 8
    finally:
        runner.store.record = record
        loop.close_process_loop()
        if holder:
            holder.stdin.close()
            holder.wait(10)
    assert AuditCheck.objects.filter(check_id="dns_mx").count() == 8
    assert not AuditCheck.objects.filter(check_id="dns_mx", status="unknown").exists()
    assert connection.cursor().execute("pragma busy_timeout").fetchone()[0] == 20_000


WRITE = """
import itertools, hashlib
from django.utils import timezone
from audit import store, webhooks
from audit.models import *
from tests.audit.results import results
tenant, domains = Tenant.objects.get(), list(AuditDomain.objects.all())
for n in itertools.count():
    event = f"{START}-{n}"
    webhooks._store(tenant, event_id=event, event="other", payload={"type": "other"}, digest="")
    print(event, flush=True)
    store.record(domains[n % len(domains)], results(dns_mx="fail" if n // len(domains) % 2 else "ok"), begun_at=timezone.now())
"""


@pytest.mark.timeout(120)
def test_case_155_killed_while_it_writes_the_database_is_whole_and_has_every_event_that_was_answered(tmp_path):
    with DnsServer(ZONE) as server:
        installation = Installation(tmp_path, server)
        answered = []
        for start in range(4):
            with subprocess.Popen(
                [sys.executable, "manage.py", "shell", "-v0", "-c", WRITE.replace("START", str(start))],
                cwd=ROOT, env=installation.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            ) as process:  # fmt: skip
                for _n in range(40 + 7 * start):
                    line = process.stdout.readline()
                    assert line, process.stderr.read()
                    answered.append(line.strip())
                process.kill()
                answered += process.stdout.read().split()
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        assert database.execute("pragma integrity_check").fetchone()[0] == "ok"
        kept = {row[0] for row in database.execute("select event_id from webhook_events")}
        halves = database.execute("select count(*) from (select count(*) n from audit_checks group by domain_id having n != 8)")
        assert halves.fetchone()[0] == 0
    assert len(answered) > 160 and not set(answered) - kept


@pytest.mark.django_db
@pytest.mark.parametrize("tenant", [None, 1])
@pytest.mark.parametrize("sort", overview.ORDERS)
def test_no_list_reads_all_domains_to_sort_them(sort, tenant):
    """Each order has an index, with a tenant and without, and from the middle on as well."""
    rows = overview.select(AuditDomain.objects.active(), overview.Filters(tenant=tenant, sort=sort))
    rows = rows.select_related("tenant")
    middle = {"worst": [1, 7, 50], "domain": ["m.pt", 50], "last_audit": [timezone.now(), 50]}[sort]
    for values in (None, middle):
        for part in paging._parts(rows, overview.ORDERS[sort], values):
            plan = part[:61].explain()
            assert "USING INDEX" in plan and "TEMP B-TREE" not in plan, plan
