"""Large databases, filled and asked in processes of their own: SQLite files, and PostgreSQL."""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from bench.measure import ROOT
from bench.servers import postgresql

TENANTS = 5
FAULTY = 0.4  # of the domains; a page of each filter must be full in the smallest database, too
DATABASES = ("SQLite", "PostgreSQL")


def each_database(names, module, sizes, *, quick=False):
    """{(database, size): what `measure(size, rounds)` of the module found, decoded from JSON}."""
    found = {}
    for name in names:
        for size in sizes:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                url = f"sqlite:///{folder}/large.sqlite3"
                if name == "PostgreSQL":
                    url = stack.enter_context(postgresql(folder))[1]
                env = {
                    **os.environ,
                    "DATABASE_URL": url,
                    "REDIS_URL": "",
                    "SECRET_KEY": "b" * 60,
                    "AUDIT_REQUESTS_PER_SECOND": "100000",
                }
                print(f"  {module}: {name}, {size}", file=sys.stderr, flush=True)
                done = subprocess.run(
                    [sys.executable, "-m", module, "--measure", str(size), "1" if quick else "7"],
                    cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
                )  # fmt: skip
                found[name, size] = json.loads(done.stdout.splitlines()[-1])
    return found


def open_project():
    """Set up Django and the tables of the environment's database."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ligbox.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill_domains(count, *, due=0):
    """`count` domains of TENANTS tenants, each with its eight checks; `due` of them are due now.

    FAULTY have three checks that are not ok, a tenth was last audited too long ago.
    """
    from django.utils import timezone

    from audit.models import AuditCheck, AuditDomain, Tenant
    from audit.results.scoring import domain_status, score
    from collectors.registry import core_checks

    chance, now = random.Random(1), timezone.now()
    tenants = [Tenant.objects.create(name=f"VM{n}") for n in range(TENANTS)]
    sources = AuditDomain.Source.values
    for start in range(0, count, 2000):
        domains, statuses = [], []
        for n in range(start, min(count, start + 2000)):
            found = dict.fromkeys(core_checks(), "ok")
            if chance.random() < FAULTY:
                worst = chance.choice(("fail", "warn", "unknown"))
                found.update(dict.fromkeys(chance.sample(list(found), 3), worst))
            status = domain_status(found, core_checks())
            age = 3600 if n % 10 == 7 else 600 * chance.random()
            state = {
                "score": score(found, core_checks()),
                "share": 1000 * score(found, core_checks()) // len(core_checks()),
                "status": status,
                "severity": status.rank,
                "last_audit_at": now - timedelta(seconds=age),
                "next_audit_at": now + timedelta(seconds=-60 if n < due else 3600),
                "needs_customer": status.rank < 3 and n % 2 == 0,
                "needs_host": status.rank < 3 and n % 2 == 1,
                "source": sources[n % len(sources)],
            }
            tenant = tenants[n % TENANTS]
            domains.append(AuditDomain(tenant=tenant, domain=f"cliente{n:06d}.pt", **state))
            statuses.append(found)
        domains = AuditDomain.objects.bulk_create(domains)
        AuditCheck.objects.bulk_create(
            [
                AuditCheck(domain=d, check_id=c, status=s, message="x", checked_at=now, since=now)
                for d, found in zip(domains, statuses, strict=True)
                for c, s in found.items()
            ]
        )
    settle()


def fill_transitions(count):
    """`count` transitions of the domains that are there, over 90 days, of all checks."""
    from django.utils import timezone

    from audit.models import AuditDomain, CheckTransition
    from collectors.registry import core_checks

    domains, now = list(AuditDomain.objects.values_list("pk", "tenant_id")), timezone.now()
    checks, step = core_checks(), timedelta(days=90) / count
    of_tenant = "tenant" in {f.name for f in CheckTransition._meta.fields}
    for start in range(0, count, 5000):
        rows = []
        for n in range(start, min(count, start + 5000)):
            domain, tenant = domains[n * 7919 % len(domains)]
            transition = CheckTransition(
                domain_id=domain, check_id=checks[n // 3 % len(checks)],
                from_status="ok" if n % 2 else "fail", to_status="fail" if n % 2 else "ok",
                at=now - step * (count - n), processed_at=now, message="x",
            )  # fmt: skip
            if of_tenant:
                transition.tenant_id = tenant
            rows.append(transition)
        CheckTransition.objects.bulk_create(rows)
    settle()


def settle():
    """Have the database know how its rows are spread, as it does after a while."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


class Clock:
    """Processor time of this process and of its PostgreSQL backend."""

    def __init__(self):
        from django.db import connection

        self.connection = connection

    def now(self):
        """(seconds, by which backend)."""
        own, backend = time.process_time(), None
        if self.connection.vendor == "postgresql":
            self.connection.ensure_connection()
            backend = self.connection.connection.info.backend_pid
            own += int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e9
        return own, backend

    def ms(self, action, rounds):
        """The median of what `action` costs, in ms; it is called once before.

        It may change the backend, when the connection is old; then it is called again.
        """
        action()
        took = []
        while len(took) < rounds:
            began, backend = self.now()
            action()
            ended, now = self.now()
            if now == backend:
                took.append((ended - began) * 1000)
        return statistics.median(took)
