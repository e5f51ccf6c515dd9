"""The overview with many domains against the overview with few: API and page, medians of one run, and their ratio.

    .venv/bin/python bench/overview.py [--few 1000] [--many 100000]

Makes its own SQLite databases in a temporary folder. At most 1.5 is wanted. Nothing is due, as when the worker keeps up: the last
audits are spread over one interval; some domains are stale and some were never audited. The API also in its other orders and filters.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OVERVIEW = "/api/v1/audit/overview"
LISTS = ["sort=last_audit", "sort=domain", "status=stale", "status=stale&sort=last_audit", "status=unknown", "tenant=2&sort=last_audit"]


def fill(count):
    """`count` domains with eight checks each; a tenth has a fault, one of 500 is stale, one of 500 was never audited."""
    from django.utils import timezone

    from audit.models import AuditCheck, AuditDomain, Tenant
    from audit.scoring import domain_status, score
    from collectors.base import core_checks

    chance, now = random.Random(1), timezone.now()
    later = now + timedelta(hours=1)
    tenants = [Tenant.objects.create(name=f"VM{n}") for n in range(5)]
    for start in range(0, count, 2000):
        domains, statuses = [], []
        for n in range(start, min(count, start + 2000)):
            found = dict.fromkeys(core_checks(), "ok")
            if chance.random() < 0.1:
                found[chance.choice(list(found))] = chance.choice(["fail", "warn", "unknown"])
            status = domain_status(found)
            last = now - timedelta(seconds=chance.random() * 600 + (3600 if n % 500 == 7 else 0)) if n % 500 else None
            state = {"score": score(found), "status": status, "severity": status.rank, "last_audit_at": last, "next_audit_at": later}
            domains.append(AuditDomain(tenant=tenants[n % 5], domain=f"d{n}.example.pt", **state))
            statuses.append(found)
        domains = AuditDomain.objects.bulk_create(domains)
        AuditCheck.objects.bulk_create(
            [
                AuditCheck(domain=d, check_id=c, status=s, message="x", checked_at=now, since=now)
                for d, found in zip(domains, statuses, strict=True)
                for c, s in found.items()
            ]
        )


def measure(count):
    """Medians in ms of API and page, for the database that the environment names. Runs in a process of its own."""
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "ligbox.settings"
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    fill(count)
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.create_superuser("bench"))
    print(json.dumps({path: timed(client, path) for path in (OVERVIEW, *(f"{OVERVIEW}?{query}" for query in LISTS), "/")}))


def timed(client, path, rounds=15):
    took = []
    for _n in range(rounds + 2):
        begun = time.perf_counter()
        assert client.get(path).status_code == 200
        took.append((time.perf_counter() - begun) * 1000)
    took = took[2:]
    return {"median": statistics.median(took), "min": min(took), "max": max(took)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(options.measure)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (options.few, options.many):
            env = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/{count}.sqlite3", "SECRET_KEY": "b" * 50}
            done = subprocess.run([sys.executable, __file__, "--measure", str(count)], env=env, check=True, capture_output=True, text=True)
            results[count] = json.loads(done.stdout.splitlines()[-1])
    for path, few in results[options.few].items():
        many = results[options.many][path]
        print(f"{path}: {options.few} domains {few['median']:.1f} ms ({few['min']:.1f}..{few['max']:.1f}), ", end="")
        print(f"{options.many} domains {many['median']:.1f} ms ({many['min']:.1f}..{many['max']:.1f}), ", end="")
        print(f"ratio {many['median'] / few['median']:.2f}")
    return None


if __name__ == "__main__":
    main()
