"""Claiming with 100,000 domains due against 1,000 due, and what else looks at the queue.

    .venv/bin/python -m bench.claims [--quick] [SQLite] [PostgreSQL]

Processor time of process and database, medians of 21.
"""

import json
import sys

from bench.large import DATABASES, Clock, each_database, fill_domains, open_project
from bench.measure import at_most, options, tell

GOAL = 1.5
LOT = 8


def measure(count, rounds):
    """{what was done: ms} of a database with so many domains, all due."""
    open_project()
    from audit import tasks
    from audit.models import AuditDomain
    from audit.queue.fair_turns import FairTurns

    fill_domains(count, due=count)
    clock, found = Clock(), {}
    turns = FairTurns()

    def claim(number):
        ids = turns.take(number)
        assert len(AuditDomain.objects.claim("bench", ids)) == number
        if len(turns._regular.ids) < number:
            turns.forget()

    def claim_first():
        """As a drain that begins: it looks what is due, and claims."""
        new = FairTurns()
        assert AuditDomain.objects.claim("bench", new.take(1))

    found["a claim of one, first look"] = clock.ms(claim_first, 3 * rounds)
    found["a claim of one"] = clock.ms(lambda: claim(1), 3 * rounds)
    found[f"a claim of {LOT}"] = clock.ms(lambda: claim(LOT), 3 * rounds)
    found["a tick of the clock"] = clock.ms(tasks.tick, 3 * rounds)
    print(json.dumps(found))


def main():
    if sys.argv[1:2] == ["--measure"]:
        measure(*map(int, sys.argv[2:4]))
        return
    found = options(__doc__, DATABASES, DATABASES[:1], few=(1000, 600), many=(100_000, 1200))
    results, rows = (
        each_database(found.parts, "bench.claims", (found.few, found.many), quick=found.quick),
        [],
    )
    for database in found.parts:
        few, many = results[database, found.few], results[database, found.many]
        for what, took in many.items():
            name = f"{what}, {database}: {found.many:,} / {found.few:,} due, CPU"
            said = f"{few[what]:.2f} and {took:.2f} ms"
            rows.append(at_most(name, said, took / few[what], GOAL))
    tell(rows, found)


if __name__ == "__main__":
    main()
