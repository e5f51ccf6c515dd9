"""However many domains fail for one cause: one incident, and a lot of audits costs as many queries
as the first one."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditDomain, Incident, IncidentDomain, TenantCounts
from audit.queue.drain import LOT
from audit.results import domain_rows, incidents
from tests.audit import factories as make
from tests.audit.troubles import fault, found

pytestmark = pytest.mark.django_db
DOMAINS = 50 * LOT
OK = dict.fromkeys(found(), "ok")
FAULTS = {
    "server": {
        "dns_spf": fault("spf_include_missing", owner="host", because=("server_spf", "broken"))
    },
    "address": {"webmail_http": fault("webmail_refused", owner="host", addresses=["192.0.2.80"])},
    "portal": dict.fromkeys(
        ("carbonio", "nginx_vhost"),
        fault("portal_unreachable", severity="unknown", owner="measurement"),
    ),
}
MOST = 7  # queries of a lot that changes members: what it looks at, and what it writes
FIRST = 12  # of the one that opens the incident, or closes it


def queries(rows, results, before, differing):
    """How many each lot asks and writes for incidents, in its transaction."""
    asked, now = [], timezone.now()
    statuses = {c: str(r.status) for c, r in results.items()}
    for n in range(0, len(rows), LOT):
        lot = rows[n : n + LOT]
        with transaction.atomic(), CaptureQueriesContext(connection) as seen:
            changes = domain_rows.Changes(lot)
            follows = [incidents.Seen(row, results, before, statuses, differing, 2) for row in lot]
            of_others = incidents.follow(follows, now)
            domain_rows.count(domain_rows.together(changes.write(), of_others))
        said = [q["sql"] for q in seen.captured_queries]
        asked.append(len([sql for sql in said if "SAVEPOINT" not in sql]))
    return asked


@pytest.mark.parametrize("kind", FAULTS)
def test_the_last_lot_costs_as_many_queries_as_the_second(kind):
    make.make_domains(DOMAINS, make.make_tenant())
    AuditDomain.objects.update(onboarding=False)
    rows = list(AuditDomain.objects.order_by("pk"))
    broken = found(**FAULTS[kind])
    statuses = {c: str(r.status) for c, r in broken.items()}
    known = {c: s for c, s in statuses.items() if s != "unknown"}
    wrong = [c for c, s in statuses.items() if s != "ok"]
    first = queries(rows, broken, OK, wrong)
    assert Incident.objects.count() == 0
    second = queries(rows, broken, OK | known, [])
    incident = Incident.objects.get()
    assert (incident.kind, incident.domains_now, incident.domains_most) == (kind, DOMAINS, DOMAINS)
    assert IncidentDomain.objects.filter(left_at=None).count() == DOMAINS
    assert TenantCounts.objects.get().covered == DOMAINS
    unchanged = queries(rows, broken, OK | known, [])
    gone = queries(rows, found(), OK | known, wrong)
    last = queries(rows, found(), OK, [])
    assert Incident.objects.get().closed_at and TenantCounts.objects.get().covered == 0
    assert max(second[0], last[-1]) <= FIRST
    for each in (first, second[1:], unchanged, gone, last[:-1]):
        assert set(each) == {each[0]} and each[0] <= MOST
    assert unchanged[0] == 0
