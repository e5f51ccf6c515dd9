"""A worker under random kills for a while: nothing lost, nothing doubled, lag and memory bounded.

    scripts/soak.py [--minutes 10] [--domains 2000] [--interval 60] [--kill-every 20] [--seed N]

Everything is on loopback and stops by itself: a database of its own (SQLite in a temporary folder,
or the empty PostgreSQL database of SOAK_DATABASE_URL, with SOAK_REDIS_URL as the queue), a name
server that knows the domains and is silent for one in fifty, and one worker with two processes. A
trigger in the database writes down each save. Exit status: 0 all held, 1 something did not.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from processes import say  # noqa: E402 - the path is set first

from mock_tenant.dnsserver import DnsServer  # noqa: E402

DEAD = 50  # one domain in so many has silent name servers
MEMORY_GROWTH_MB = 60  # from the first half to the second
TRIGGER = {
    "sqlite": [
        "create table soak_saves (domain_id integer, at real)",
        "create trigger soak after update of last_audit_at on audit_domains begin insert into "
        "soak_saves values (new.id, (julianday('now') - 2440587.5) * 86400); end",
    ],
    "postgresql": [
        "create table soak_saves (domain_id bigint, at double precision)",
        "create function soak() returns trigger language plpgsql as $$ begin insert into "
        "soak_saves values (new.id, extract(epoch from clock_timestamp())); return new; end $$",
        "create trigger soak after update of last_audit_at on audit_domains for each row "
        "when (new.last_audit_at is distinct from old.last_audit_at) execute function soak()",
    ],
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--domains", type=int, default=2000)
    parser.add_argument("--interval", type=int, default=60)
    parser.add_argument("--kill-every", type=float, default=20, help="seconds, on average")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)  # noqa: S311
    names = [f"d{n}.test" for n in range(options.domains)]
    zone = {
        "ttl": 5,
        "names": {n: {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]} for n in names},
        "rules": [
            {"name": f"{prefix}{name}", "action": "drop"}
            for name in names[::DEAD]
            for prefix in ("", "*.")
        ],
    }
    with tempfile.TemporaryDirectory() as folder, DnsServer(zone, forget=True) as server:
        soak = Soak(Path(folder), server, options, random.Random(seed))  # noqa: S311
        try:
            soak.prepare(names)
            soak.run()
        finally:
            soak.kill_all()
        problems = soak.problems()
    say(f"seed {seed}: {soak.summary}")
    for problem in problems:
        say(f"FAIL {problem}")
    return 1 if problems else 0


class Soak:
    """One run. `lags`: seconds that the longest waiting domain was over its time, by sample."""

    def __init__(self, folder, server, options, chance):
        self.folder, self.options, self.chance = folder, options, chance
        self.url = os.environ.get("SOAK_DATABASE_URL") or f"sqlite:///{folder}/soak.sqlite3"
        self.env = {
            **os.environ,
            "DATABASE_URL": self.url,
            "REDIS_URL": os.environ.get("SOAK_REDIS_URL", ""),
            "SECRET_KEY": "k" * 60,
            "AUDIT_INTERVAL_SEC": str(options.interval),
            "AUDIT_DNS_SERVERS": f"{server.host}:{server.port}",
            "AUDIT_ALLOWED_NETWORKS": "127.0.0.0/8",
            "AUDIT_CHECK_TIMEOUT_SEC": "3",
            "AUDIT_WORKERS": "2",
        }
        self.worker, self.kills, self.restarts = None, 0, 0
        self.lags, self.memory, self.summary = [], [], ""

    def prepare(self, names):
        self.manage("migrate", "-v0")
        self.manage(
            "shell", "-v0", "-c",
            "from audit.models import AuditDomain as D, Tenant\n"
            "t = Tenant.objects.create(name='soak', mail_hosts=['mx1.host.test'])\n"
            f"D.objects.bulk_create([D(tenant=t, domain=n) for n in {names!r}], batch_size=500)\n"
            "from django.utils import timezone\n"
            "for d in D.objects.all(): D.objects.filter(pk=d.pk).update("
            "next_audit_at=d.next_slot(timezone.now()))",
        )  # fmt: skip
        for statement in TRIGGER["sqlite" if self.url.startswith("sqlite") else "postgresql"]:
            self.sql(statement)

    def manage(self, *args):
        subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *args], cwd=ROOT, env=self.env, check=True, timeout=120
        )

    def sql(self, statement):
        """The rows of a statement ([] where it gives none), committed."""
        if self.url.startswith("sqlite"):
            import sqlite3 as driver

            connection = driver.connect(self.url.removeprefix("sqlite:///"), timeout=30)
        else:
            import psycopg

            connection = psycopg.connect(self.url)
        with contextlib.closing(connection), connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def run(self):
        """Start a worker, kill something now and then, and look at lag and memory each second."""
        self.began = time.time()
        end = time.monotonic() + self.options.minutes * 60
        next_kill = time.monotonic() + self._pause()
        self._start()
        while time.monotonic() < end:
            time.sleep(1)
            if self.worker.poll() is not None:
                self.restarts += 1
                self._start()
            self._sample()
            if time.monotonic() >= next_kill:
                self._kill_one()
                next_kill = time.monotonic() + self._pause()
        self.ended = time.time()

    def _pause(self):
        return self.chance.uniform(0.5, 1.5) * self.options.kill_every

    def _start(self):
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "manage.py", "worker"], cwd=ROOT, env=self.env, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip

    def _kill_one(self):
        """SIGKILL for one process of the worker's, one time in four for the main one."""
        below = descendants(self.worker.pid)
        main_one = self.chance.random() < 0.25 or not below
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.worker.pid if main_one else self.chance.choice(below), signal.SIGKILL)
            self.kills += 1

    def _sample(self):
        now = "julianday('now')" if self.url.startswith("sqlite") else "now()"
        span = (
            f"max(({now} - julianday(next_audit_at)) * 86400)"
            if self.url.startswith("sqlite")
            else f"max(extract(epoch from {now} - next_audit_at))"
        )
        self.lags.append(float(self.sql(f"select {span} from audit_domains")[0][0] or 0))  # noqa: S608
        self.memory.append(sum(map(rss_mb, [self.worker.pid, *descendants(self.worker.pid)])))

    def kill_all(self):
        if self.worker:
            for pid in [self.worker.pid, *descendants(self.worker.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.worker.wait(10)

    def problems(self):
        """What did not hold, a sentence each."""
        interval, seconds = self.options.interval, self.ended - self.began
        saves = {pk: [self.began] for (pk,) in self.sql("select id from audit_domains")}
        for pk, at in self.sql("select domain_id, at from soak_saves order by at"):
            saves[pk].append(at)
        counts = [len(times) - 1 for times in saves.values()]
        gaps = [b - a for t in saves.values() for a, b in pairwise([*t, self.ended])]
        most = int(seconds // interval) + 2
        done = self.sql("select coalesce(sum(done), 0) from audit_runs")[0][0]
        total, half = sum(counts), len(self.memory) // 2
        growth = max(self.memory[half:]) - max(self.memory[:half])
        self.summary = (
            f"{total} audits of {len(counts)} domains in {seconds:.0f} s, {self.kills} kills, "
            f"{self.restarts} restarts; saves a domain {min(counts)} to {max(counts)}, at most "
            f"{max(gaps):.0f} s apart; longest lag "
            f"{max(self.lags):.0f} s of {2 * interval} s; memory {max(self.memory):.0f} MB "
            f"({growth:+.0f} MB in the second half); counted in runs {done}"
        )
        found = []
        if min(counts) < 1 or max(gaps) >= 3 * interval:  # a turn, and the lag that is allowed
            found.append(f"lost: a domain was not saved for {max(gaps):.0f} s")
        if max(counts) > most:
            found.append(f"doubled: a domain was saved {max(counts)} times, at most {most}")
        if max(self.lags) >= 2 * interval:
            found.append(f"lag: a domain waited {max(self.lags):.0f} s, two intervals or more")
        aside = self.sql("select count(*) from audit_domains where last_error != ''")[0][0]
        if aside:
            found.append(f"{aside} domains were set aside, though none of them harms a worker")
        if growth > MEMORY_GROWTH_MB:
            found.append(f"memory grew by {growth:.0f} MB in the second half")
        if abs(total - done) > 0.02 * total:
            found.append(f"runs count {done} audits, {total} were saved")
        return found


def descendants(pid):
    """The processes below `pid`, from /proc."""
    found, wave = [], [pid]
    while wave:
        children = []
        for parent in wave:
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
                children += [int(child) for child in text.split()]
        found += children
        wave = children
    return found


def rss_mb(pid):
    """Proportional memory of a process in MB; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
