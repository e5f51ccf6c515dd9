"""Ten thousand domains that fail at once for one cause, and are well again: what recording it costs
beyond the audits.

    .venv/bin/python -m bench.incidents [--quick] [SQLite] [PostgreSQL]

Processor time of process and database for what is written of incidents, in lots as a drain saves
them: the audits that begin it and confirm it together, and those that end it.
"""

import gc
import json
import sys

from bench.large import DATABASES, Clock, each_database, open_project
from bench.measure import at_most, options, tell

GOAL = 1.0  # seconds


def measure(count, _rounds):
    """{what happened: seconds} of so many domains of one tenant."""
    open_project()
    from django.db import transaction
    from django.utils import timezone

    from audit.models import AuditDomain, Incident, Tenant
    from audit.queue.drain import LOT
    from audit.results import domain_rows, incidents
    from collectors.base import Cause, CheckResult, Finding, Outcome, Owner, Severity
    from collectors.registry import core_checks
    from collectors.text import _

    tenant = Tenant.objects.create(name="VM112")
    AuditDomain.objects.bulk_create(
        [
            AuditDomain(tenant=tenant, domain=f"cliente{n:06d}.pt", onboarding=False)
            for n in range(count)
        ],
        batch_size=500,
    )
    rows = list(AuditDomain.objects.order_by("pk"))
    now, clock = timezone.now(), Clock()
    gc.collect()
    gc.freeze()  # no worker holds all these rows, to be gone through again and again

    def result(check_id, *findings):
        outcome = Outcome(_("Measured."), list(findings), {})
        return CheckResult.of(check_id, outcome, checked_at=now, duration_ms=1)

    well = {check_id: result(check_id) for check_id in core_checks()}
    because = Cause("server_spf", "server_spf_broken")
    spf = Finding(
        "spf_include_missing", Severity.FAIL, _("It is broken."), Owner.HOST, None, because
    )
    broken = well | {"dns_spf": result("dns_spf", spf)}

    def follow(results, before, differing):
        statuses = {c: str(r.status) for c, r in results.items()}
        was = {c: str(r.status) for c, r in before.items()}
        began, _backend = clock.now()
        for n in range(0, count, LOT):
            lot = rows[n : n + LOT]
            with transaction.atomic():
                changes = domain_rows.Changes(lot)
                seen = [incidents.Seen(row, results, was, statuses, differing) for row in lot]
                of_others = incidents.follow(seen, now)
                domain_rows.count(domain_rows.together(changes.write(), of_others))
        return clock.now()[0] - began

    found = {"begin": follow(broken, well, ["dns_spf"]) + follow(broken, broken, [])}
    assert Incident.objects.get().domains_now == count
    found["go on"] = follow(broken, broken, [])
    found["stop"] = follow(well, broken, ["dns_spf"]) + follow(well, well, [])
    assert Incident.objects.get().closed_at
    print(json.dumps(found))


def main():
    if sys.argv[1:2] == ["--measure"]:
        measure(*map(int, sys.argv[2:4]))
        return
    found = options(__doc__, DATABASES, DATABASES[:1], domains=(10_000, 800))
    sizes, rows = (found.domains,), []
    results = each_database(found.parts, "bench.incidents", sizes, quick=found.quick)
    for (database, count), took in results.items():
        for what, seconds in took.items():
            name = f"{count:,} domains {what} failing for one cause, {database}, CPU"
            rows.append(at_most(name, f"{seconds:.2f} s", seconds, GOAL, " s"))
    tell(rows, found)


if __name__ == "__main__":
    main()
