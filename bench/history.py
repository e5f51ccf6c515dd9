"""A tenant's history with 1,000,000 transitions against 10,000, and what else reads transitions.

    .venv/bin/python -m bench.history [--quick] [SQLite] [PostgreSQL]

Processor time of web process and database, medians of seven; 2,000 domains.
"""

import json
import sys

from bench.large import (
    DATABASES,
    Clock,
    each_database,
    fill_domains,
    fill_transitions,
    open_project,
)
from bench.measure import Row, at_most, options, tell

GOAL = 1.5
DOMAINS = 2000
DEEP = 5  # pages, until the deep one


def measure(count, rounds):
    """{what was read: ms} of a database with so many transitions."""
    open_project()
    from django.contrib.auth.models import User
    from django.core.cache import cache
    from django.test import Client
    from django.urls import reverse

    from audit.models import Tenant

    fill_domains(DOMAINS)
    fill_transitions(count)
    client, clock, found = Client(HTTP_HOST="localhost"), Clock(), {}
    client.force_login(User.objects.create_superuser("bench"))
    tenant = Tenant.objects.order_by("pk").first()
    domain = tenant.domains.order_by("domain").first().domain
    page = reverse("scorecard", args=[tenant.pk, domain])
    history = f"/api/v1/audit/tenants/{tenant.pk}/history"

    def get(url):
        cache.clear()
        answer = client.get(url)
        assert answer.status_code == 200, (url, answer.status_code)
        return answer

    for query in ("", "check_id=dns_spf", f"domain={domain}", f"domain={domain}&check_id=dns_spf"):
        what = query.replace(domain, "one").replace("&", ", ") or "all"
        url = f"{history}?{query}&limit=60"
        found[f"history {what}"] = clock.ms(lambda url=url: get(url), rounds)
        cursor = ""
        for _page in range(DEEP):
            cursor = get(f"{url}&cursor={cursor}").json()["next_cursor"] or cursor
        if cursor:
            url += f"&cursor={cursor}"
            found[f"history {what}, deep"] = clock.ms(lambda url=url: get(url), rounds)
    found["scorecard page"] = clock.ms(lambda: get(page), rounds)
    found["overview page"] = clock.ms(lambda: get("/"), rounds)
    print(json.dumps(found))


def main():
    if sys.argv[1:2] == ["--measure"]:
        measure(*map(int, sys.argv[2:4]))
        return
    found = options(__doc__, DATABASES, DATABASES[:1], few=(10_000, 2000), many=(1_000_000, 4000))
    results, rows = (
        each_database(found.parts, "bench.history", (found.few, found.many), quick=found.quick),
        [],
    )
    for database in found.parts:
        few, many = results[database, found.few], results[database, found.many]
        for what, took in many.items():
            if what in few:
                name = f"{what}, {database}: {found.many:,} / {found.few:,} transitions, CPU"
                said = f"{few[what]:.1f} and {took:.1f} ms"
                rows.append(at_most(name, said, took / few[what], GOAL))
            else:
                rows.append(
                    Row(f"{what}, {database}, {found.many:,} transitions", f"{took:.1f} ms")
                )
    tell(rows, found)


if __name__ == "__main__":
    main()
