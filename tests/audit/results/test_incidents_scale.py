"""However many domains fail for one cause: one incident, and the last lot of audits costs as many
queries, and as much work in the database, as the first one."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditDomain, Incident, IncidentDomain, TenantCounts
from audit.queue.drain import LOT
from audit.results import domain_rows, incidents
from tests.audit import factories as make
from tests.audit.troubles import fault, found, unmeasured

pytestmark = pytest.mark.django_db
DOMAINS = 50 * LOT
OK = dict.fromkeys(found(), "ok")
ADDRESS = fault("webmail_refused", owner="host", addresses=["192.0.2.80"])
SPF = fault("spf_include_missing", owner="host", because=("server_spf", "broken"))
# {kind: (its tenants, the most queries of a lot that changes members, what is found)}
FAULTS = {
    "server": (1, 7, found(dns_spf=SPF)),
    "address": (1, 7, found(webmail_http=ADDRESS)),
    "address of several": (3, 10, found(webmail_http=ADDRESS)),
    "portal": (1, 7, unmeasured("portal_unreachable")),
    "resolver": (1, 8, unmeasured("resolver_down")),
    "resolver of several": (3, 10, unmeasured("resolver_down")),
}
FIRST = 12  # queries of the lot that opens the incident, or closes it; one more for each tenant
STEPS = 50  # of SQLite's virtual machine, counted at once


def costs(rows, results, before, differing):
    """`[(queries, steps of SQLite)]` that each lot costs for incidents, in its transaction."""
    found, now = [], timezone.now()
    statuses = {c: str(r.status) for c, r in results.items()}
    for n in range(0, len(rows), LOT):
        lot = rows[n : n + LOT]
        with transaction.atomic(), CaptureQueriesContext(connection) as seen, Steps() as steps:
            changes = domain_rows.Changes(lot)
            follows = [incidents.Seen(row, results, before, statuses, differing, 2) for row in lot]
            of_others = incidents.follow(follows, now)
            domain_rows.count(domain_rows.together(changes.write(), of_others))
        said = [q["sql"] for q in seen.captured_queries]
        found.append((len([sql for sql in said if "SAVEPOINT" not in sql]), steps.number))
    return found


class Steps:
    """Counts what SQLite does, in steps of its virtual machine; 0 on other databases."""

    number = 0

    def __enter__(self):
        if connection.vendor == "sqlite":
            connection.connection.set_progress_handler(self._more, STEPS)
        return self

    def _more(self):
        self.number += STEPS

    def __exit__(self, *_of_error):
        if connection.vendor == "sqlite":
            connection.connection.set_progress_handler(None, STEPS)


@pytest.mark.parametrize("kind", FAULTS)
def test_the_last_lot_costs_as_much_as_the_second(kind):
    tenants, most, broken = FAULTS[kind]
    for n in range(tenants):
        make.make_domains(DOMAINS // tenants, make.make_tenant(name=f"VM{n}"))
    AuditDomain.objects.update(onboarding=False)
    rows = list(AuditDomain.objects.order_by("pk"))
    each = len(rows) // tenants
    rows = [row for n in range(each) for row in rows[n::each]]  # each lot has some of all
    statuses = {c: str(r.status) for c, r in broken.items()}
    known = {c: s for c, s in statuses.items() if s != "unknown"}
    wrong = [c for c, s in statuses.items() if s != "ok"]
    first = costs(rows, broken, OK, wrong)
    assert Incident.objects.count() == 0
    second = costs(rows, broken, OK | known, [])
    incident, number = Incident.objects.get(), len(rows)
    assert (incident.kind, incident.domains_now) == (kind.split()[0], number)
    assert IncidentDomain.objects.filter(left_at=None).values("domain").distinct().count() == number
    assert sum(TenantCounts.objects.values_list("covered", flat=True)) == number
    unchanged = costs(rows, broken, OK | known, [])
    gone = costs(rows, found(), OK | known, wrong)
    last = costs(rows, found(), OK, [])
    assert Incident.objects.get().closed_at
    assert not any(TenantCounts.objects.values_list("covered", flat=True))
    assert max(second[0][0], last[-1][0]) <= FIRST + tenants - 1
    for each in (first, second[2:], unchanged, gone, last[:-1]):
        assert {queries for queries, _steps in each} == {each[0][0]} and each[0][0] <= most
        begin, end = (sum(steps for _queries, steps in part) for part in (each[:9], each[-9:]))
        assert end <= 1.3 * begin + 9 * STEPS
    assert unchanged[0][0] == 0
