"""An installation of its own for tests: a database, a DNS server, and `manage.py` processes that
are killed at the end."""

import functools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COUNT = 40
# how often at most one check of one domain has changed
CHANGES_OF_A_CHECK = (
    "select max(n) from "
    "(select count(*) n from audit_transitions group by domain_id, check_id) as t"
)
ZONE = {
    "names": {
        f"d{n}.test": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]} for n in range(COUNT)
    },
    "rules": [{"name": "*.test", "type": "MX", "delay": 0.4}],
}


def descendants(pid):
    """The processes below `pid`, from /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except (OSError, IndexError):
                continue
    found, wave = [], {pid}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave}
        found += wave
    return found


_kept = tempfile.TemporaryDirectory(prefix="ligbox-migrated-")  # as long as this process


@functools.cache
def migrated():
    """The file of an empty SQLite database with all tables, to copy: to make one takes seconds."""
    path = Path(_kept.name, "db.sqlite3")
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{path}", "SECRET_KEY": "k" * 60}
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=120)
    return path


class Installation:
    """A database of its own and a DNS server, for `manage.py` processes."""

    def __init__(self, folder, server, *, database_url="", redis_url="", count=COUNT, **env):
        self.folder, self.server = folder, server
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
            "AUDIT_INTERVAL_SEC": "86400",  # however slow the machine is, each is due once
            **env,
        }
        if database_url:
            self.manage("migrate", "-v0")
        else:
            shutil.copy(migrated(), folder / "db.sqlite3")
        self.shell(f"""
from audit.models import *
t = Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"])
AuditDomain.objects.bulk_create(
    [AuditDomain(tenant=t, domain=f"d{{n}}.test") for n in range({count})]
)
""")

    def manage(self, *args):
        command = [sys.executable, "manage.py", *args]
        subprocess.run(command, cwd=ROOT, env=self.env, check=True, timeout=120)

    def shell(self, code):
        """Run this code with the project loaded."""
        self.manage("shell", "-v0", "-c", code)

    def value(self, sql):
        """The first value of a query's first row."""
        if self.url.startswith("sqlite"):
            path = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=20)) as connection:
                return connection.execute(sql).fetchone()[0]
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchone()[0]

    def execute(self, sql):
        """Run one statement."""
        if self.url.startswith("sqlite"):
            path = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
                connection.execute(sql)
            return
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute(sql)

    def audited(self):
        return self.value("select count(*) from audit_domains where last_audit_at is not null")

    @contextmanager
    def worker(self, *args, **options):
        log = (self.folder / "worker.log").open("a")
        command = [sys.executable, "manage.py", "worker", *args]
        process = start_process(command, env=self.env, stderr=log, stdout=log, **options)
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


def start_process(command, **options):
    """A process that Ctrl-C interrupts, also where we were started in the background of a script
    (then SIGINT is ignored, and children inherit that)."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, cwd=ROOT, **options)
    finally:
        signal.signal(signal.SIGINT, kept)


def wait(condition, seconds, what):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.1)
