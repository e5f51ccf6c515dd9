"""An installation of its own to measure: a database that knows the world, and real workers."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from bench.measure import ROOT, cpu_seconds, pss_mb
from bench.servers import end_with_parent
from bench.zones import SELECTOR, TENANT

WARM_UP = 64  # customers, the first, that are audited before the measuring begins
INTERVAL = 30 * 86400  # what was audited is not due again while we measure

FILL = """
import json
from datetime import timedelta
from django.utils import timezone
from audit.models import AuditDomain, Tenant
given = json.load(open(PATH))
tenant = Tenant.objects.create(**given["tenant"])
far = timezone.now() + timedelta(days=20)
AuditDomain.objects.bulk_create(
    [AuditDomain(tenant=tenant, domain=name, next_audit_at=far) for name in given["names"]],
    batch_size=500,
)
"""
RING = """
import json, time
from django.utils import timezone
from audit import tasks
from audit.models import AuditDomain
first, last = json.load(open(PATH))
began, now = time.time(), timezone.now()
AuditDomain.objects.filter(domain__gte=first, domain__lte=last).update(next_audit_at=now)
tasks.tick()
json.dump([began, f"{now:%Y-%m-%d %H:%M:%S.%f}"], open(PATH, "w"))
"""
VERDICTS = """
import json
from audit.models import AuditCheck
rows = AuditCheck.objects.values_list("domain__domain", "check_id", "status", "findings")
json.dump([[d, c, s, [f["code"] for f in found]] for d, c, s, found in rows], open(PATH, "w"))
"""


class Site:
    """The database at `url` and what runs on it; `world` stands there with its tenant."""

    def __init__(self, folder, world, *, dns_port, web, url="", **env):
        self.folder, self.world = Path(folder), world
        self.url = url or f"sqlite:///{folder}/site.sqlite3"
        self.env = {
            **os.environ,
            "DATABASE_URL": self.url,
            "REDIS_URL": "",
            "SECRET_KEY": "b" * 60,
            "AUDIT_DNS_SERVERS": f"127.0.0.1:{dns_port}",
            "AUDIT_ALLOWED_NETWORKS": "127.0.0.0/8",
            "AUDIT_INTERVAL_SEC": str(INTERVAL),
            "AUDIT_WORKERS": "1",
            "SSL_CERT_FILE": str(web.ca_file),
            **env,
        }
        self.manage("migrate", "-v0")
        self.shell(FILL, {"names": world.names, "tenant": self._tenant(web)})

    @staticmethod
    def _tenant(web):
        return {
            **TENANT,
            "portal_url": f"http://127.0.0.1:{web.portal}",
            "webmail_url": f"https://webmail.{{domain}}:{web.webmail}/",
            "dkim_selectors": [SELECTOR],
            "quota": 10**6,
        }

    def manage(self, *args):
        """Run a management command."""
        subprocess.run(
            [sys.executable, "manage.py", *args], cwd=ROOT, env=self.env, check=True, timeout=600
        )

    def shell(self, code, given=None):
        """Run code with the project loaded and PATH, a file with `given` as JSON; what it holds
        then."""
        path = self.folder / "given.json"
        path.write_text(json.dumps(given))
        self.manage("shell", "-v0", "-c", f"PATH = {str(path)!r}\n{code}")
        return json.loads(path.read_text())

    def sql(self, statement):
        """The rows of one statement; what it changes is committed."""
        if self.url.startswith("sqlite"):
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=60)
        else:
            import psycopg

            connection = psycopg.connect(self.url)
        try:
            cursor = connection.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        finally:
            connection.close()
        return rows

    def written(self):
        """What PostgreSQL has done so far: transactions, rows written, bytes of its log."""
        time.sleep(1.1)  # its processes tell once a second
        return self.sql(
            "select xact_commit, tup_inserted + tup_updated + tup_deleted, "
            "(pg_current_wal_lsn() - '0/0')::bigint from pg_stat_database "
            "where datname = current_database()"
        )[0]

    @contextmanager
    def worker(self, **env):
        """A `manage.py worker`, ended with all its processes."""
        log = (self.folder / f"worker-{time.monotonic_ns()}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker"], cwd=ROOT, env={**self.env, **env},
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one thread
        )  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()  # those below it end with it
                process.wait()
            log.close()

    def audit(self, workers, first, last, *, seconds=1800):
        """Have customers `first` to `last` (as the world numbers them) audited once by the workers.

        Returns (wall seconds, processor seconds of the workers). Ends the benchmark where that
        takes longer than `seconds`.
        """
        given = [self.world.names[first], self.world.names[last - 1]]
        began_cpu = sum(cpu_seconds(worker.pid) for worker in workers)
        began, now = self.shell(RING, given)
        zone = "" if self.url.startswith("sqlite") else "+00"
        waiting = f"next_audit_at <= '{now}{zone}'"
        while self.sql(f"select count(*) from audit_domains where {waiting}")[0][0]:
            if time.time() - began > seconds:
                sys.exit(f"{last - first} domains were not audited within {seconds} s")
            time.sleep(0.1)
        wall = time.time() - began
        time.sleep(0.5)  # what is claimed is recorded already; the drain ends
        return wall, sum(cpu_seconds(worker.pid) for worker in workers) - began_cpu

    def repeated(self):
        """How many audits were made again because the machine kept a worker from running."""
        logs = self.folder.glob("worker-*.log")
        return sum(log.read_text(errors="replace").count("is looked at again") for log in logs)

    def wrong(self):
        """What the database says that is not as it must be, a line each."""
        seen = {}
        for domain, check, status, codes in self.shell(VERDICTS):
            seen.setdefault(domain, {})[check] = (status, codes)
        return [
            line
            for customer in self.world.customers
            for line in self.world.wrong(customer, seen.get(customer.name, {}))
        ]


def memory_mb(workers):
    """Proportional memory of the workers with all their processes, in MB."""
    return sum(pss_mb(worker.pid) for worker in workers)
