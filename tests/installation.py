"""An installation of its own for tests: a database, a DNS server, and `manage.py` processes that are killed at the end."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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

    def __init__(self, folder, server, *, database_url="", redis_url=""):
        self.folder = folder
        self.url = database_url or f"sqlite:///{folder}/db.sqlite3"
        self.env = {
            **os.environ,
            "DATABASE_URL": self.url,
            "REDIS_URL": redis_url,
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
        """The first value of a query's first row."""
        if self.url.startswith("sqlite"):
            with sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=20) as connection:
                return connection.execute(sql).fetchone()[0]
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchone()[0]

    def audited(self):
        return self.value("select count(*) from audit_domains where last_audit_at is not null")

    @contextmanager
    def worker(self, **options):
        log = (self.folder / "worker.log").open("a")
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
