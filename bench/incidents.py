"""Ten thousand domains that fail at once for one cause, and are well again: what recording it costs
beyond the audits.

    .venv/bin/python -m bench.incidents [--quick] [SQLite] [PostgreSQL]

Processor time of process and database, in lots as a drain saves them: the audits that begin it (of
the tenth that is audited within a minute two, which confirm it; of the others one) and those that
end it; less what the same lots cost without incidents (the transaction, and what an audit writes in
a domain's row anyway). And the worst: all are seen once before one of them is confirmed. Of each
the least of three rounds.
"""

import gc
import json
import sys

from bench.large import DATABASES, Clock, each_database, open_project
from bench.measure import at_most, options, tell

GOAL = 1.0  # seconds


def measure(count, rounds):
    """{what happened: seconds} of so many domains of one tenant."""
    open_project()
    from django.db import transaction
    from django.utils import timezone

    from audit.models import AuditDomain, Incident, Tenant
    from audit.queue.drain import SAVED
    from audit.results import domain_rows, incidents, store
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

    def record(results, before, differing, some=slice(None), *, beyond=True):
        """Seconds that lots of these audits take; `beyond`: with their incidents."""
        statuses = {c: str(r.status) for c, r in results.items()}
        was = {c: str(r.status) for c, r in before.items()}
        audited = rows[some]
        began, _backend = clock.now()
        for n in range(0, len(audited), SAVED):
            lot = audited[n : n + SAVED]
            with transaction.atomic():
                changes, of_others = domain_rows.Changes(lot), {}
                for row in lot:
                    store._take(row, store.Audited(row, results, now), statuses, now)
                if beyond:
                    seen = [
                        incidents.Seen(row, results, was, statuses, differing, 2) for row in lot
                    ]
                    of_others = incidents.follow(seen, now)
                moved = changes.write(store._TIMES)
                domain_rows.count(domain_rows.together(moved, of_others))
        return clock.now()[0] - began

    first, others = slice(count // 10), slice(count // 10, None)  # of a minute, and its interval
    fails, is_well = (broken, well, ["dns_spf"]), (well, broken, ["dns_spf"])
    phases = {
        "begin": ((*fails, first), (broken, broken, [], first), (*fails, others)),
        "go on": ((broken, broken, []),),
        "stop": (is_well, (well, well, [])),
        "begin, each seen once before one is confirmed,": (fails, (broken, broken, [])),
    }
    record(well, well, [])  # whatever is done once is done
    least = {}  # seconds without and with, of several rounds: what else runs here only adds
    for _round in range(min(rounds, 3)):
        for name, parts in (*phases.items(), ("stop", phases["stop"])):
            took = [sum(record(*p, beyond=beyond) for p in parts) for beyond in (False, True)]
            least[name] = [*map(min, took, least.get(name, took))]
            incident = Incident.objects.latest("pk")
            ends = name == "stop"
            assert (incident.domains_now, bool(incident.closed_at)) == (0 if ends else count, ends)
    found = {name: beyond - alone for name, (alone, beyond) in least.items()}
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
