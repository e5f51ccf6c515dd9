"""No question that the product asks often reads a large table from end to end, or sorts one."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, CheckTransition, Tenant
from audit.models.counts import GROUPS
from audit.models.domain_indexes import GROUP_INDEXES, LIST_ORDERS
from audit.queue.claim_owner import release_dead_claims
from audit.queue.fair_turns import FairTurns
from audit.reading import overview, paging
from audit.reading.filters import FILTERS, ORDERS, Filters
from audit.results import incident_sweep, store
from tests.audit import factories as make
from tests.audit.check_results import results
from tests.audit.troubles import servers_silent

pytestmark = pytest.mark.django_db
LARGE = (
    "audit_domains",
    "audit_checks",
    "audit_transitions",
    "audit_runs",
    "audit_seen",
    "audit_incidents",
    "audit_incident_domains",
    "webhook_events",
)
CHOICES = [
    *((name, value) for name, f in FILTERS.items() if name != "sort" for value in f.values),
    ("tenant", 1),
    ("q", "zzz"),
    ("q", "203.0.113.25"),
    ("q", "spf_missing"),
    ("sort", "worst"),
]


def plans_of(act):
    """[(sql, plan)] of all that `act` asks and writes, as the database would do it with large
    tables."""
    with CaptureQueriesContext(connection) as captured:
        act()
    verbs = ("SELECT", "UPDATE", "DELETE")
    asked = [q["sql"] for q in captured.captured_queries if q["sql"].startswith(verbs)]
    if connection.vendor == "sqlite":
        return [(sql, _sqlite_plan(sql)) for sql in asked]
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):  # of few rows it would always
            cursor.execute(f"SET LOCAL enable_{way} = off")
        plans = []
        for sql in asked:
            cursor.execute(f"EXPLAIN {sql}")
            plans.append((sql, [line for (line,) in cursor.fetchall()]))
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = on")
        return plans


def _sqlite_plan(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return [row[-1] for row in cursor.fetchall()]


def whole_tables(plan):
    """The lines of a plan that read a large table from end to end; a partial index is small."""
    if connection.vendor == "sqlite":
        lines = [line for line in plan if line.startswith("SCAN")]
        return [line for line in lines if line.split()[1] in LARGE and "USING" not in line]
    return [line for line in plan if "Seq Scan" in line and any(f" {t}" in line for t in LARGE)]


def sorts(plan):
    return [line for line in plan if "FOR ORDER BY" in line or line.strip(" ->").startswith("Sort")]


@pytest.fixture(scope="module")
def fleet(kept_rows):
    """A few of everything, in the database that the tests have."""
    Tenant.objects.filter(pk=1).delete()
    for pk in (1, 2):
        tenant = make.make_tenant(f"VM{pk}", pk=pk)
        for n, status in enumerate(["ok", "warn", "fail", "unknown"]):
            make.make_domain(f"d{n}.pt", tenant, checks={"dns_mx": status})
        make.make_domain("never.pt", tenant)
    return AuditDomain.objects.all()


@pytest.mark.parametrize("tenant", [None, 1])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name, value", CHOICES)
def test_a_list_is_read_in_its_order(fleet, name, value, order, tenant, monkeypatch):
    """Whatever is filtered, and from the middle on as well; a few looked up may be sorted."""
    for module in ("filters", "search"):
        monkeypatch.setattr(f"audit.reading.{module}.FEW", -1)
    filters = Filters(**{"tenant": tenant, "sort": order, name: value})
    times = ("last_audit_at", "trouble_at", "certificate_ends_at")
    middle = SimpleNamespace(
        severity=1, share=875, id=1, domain="d.pt", **dict.fromkeys(times, timezone.now())
    )
    cursor = paging._encode(ORDERS[str(filters.get("sort", "worst"))], middle)
    back = paging._encode([paging._BACK, *ORDERS[str(filters.get("sort", "worst"))]], middle)
    for start in ("", cursor, back):
        asked = plans_of(
            lambda start=start: overview.overview(fleet, filters, limit=3, cursor=start)
        )
        for sql, plan in asked:
            assert not whole_tables(plan), (sql, plan)
            if "LIMIT 4" in sql and 'ORDER BY "audit_domains"' in sql:
                assert not sorts(plan), (sql, plan)


@pytest.mark.parametrize("check", ["", "dns_mx"])
@pytest.mark.parametrize("of", ["tenant", "domain"])
def test_a_history_is_read_in_its_order(client, admin_user, fleet, of, check):
    client.force_login(admin_user)
    order = ["-at", "-id"]
    middle = SimpleNamespace(at=timezone.now(), id=5)
    for cursor in ("", *(paging._encode(m, middle) for m in (order, [paging._BACK, *order]))):
        asked = {"cursor": cursor, "check_id": check, "domain": "d0.pt" if of == "domain" else ""}
        chosen = {name: value for name, value in asked.items() if value}
        plans = plans_of(
            lambda chosen=chosen: client.get(
                "/api/v1/audit/tenants/1/history", {**chosen, "limit": 3}
            )
        )
        assert any("audit_transitions" in sql for sql, _plan in plans)
        for sql, plan in plans:
            assert not whole_tables(plan) and not sorts(plan), (sql, plan)


def _record(fleet):
    (row,) = AuditDomain.objects.claim("me", [fleet.get(tenant=1, domain="never.pt").pk])
    store.record_lot([store.Audited(row, results(), timezone.now(), "me")])


def _servers_fail(fleet):
    some = fleet.filter(pk__in=list(fleet.filter(tenant=2).values_list("pk", flat=True)))
    some.update(silent_servers="ns.a.pt")
    incident_sweep.sweep(timezone.now())
    some.update(silent_servers="")
    for domain in fleet.filter(tenant=1)[:2]:
        for _confirmed in range(2):
            found = servers_silent("ns.b.pt", domain=domain.domain)
            store.record(domain, found, begun_at=timezone.now())


ACTS = {
    "whose turn": lambda fleet: FairTurns().take(3),
    "suspects": lambda fleet: fleet.suspects(timezone.now()),
    "claim and record": _record,
    "the tick": lambda fleet: tasks.tick(),
    "the sweep of the dead": lambda fleet: release_dead_claims(),
    "is anything due": lambda fleet: fleet.due().exists(),
    "overdue": lambda fleet: fleet.overdue().exists(),
    "counts": lambda fleet: overview.counts(),
    "the worker's state": lambda fleet: overview.worker(fleet),
    "name servers that fail": lambda fleet: _servers_fail(fleet),
    "pruning": lambda fleet: tasks._delete(CheckTransition.objects.filter(at__lt=timezone.now())),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_the_queue_is_read_by_its_indexes(fleet, act):
    AuditDomain.objects.update(next_audit_at=timezone.now())
    for sql, plan in plans_of(lambda: act(fleet)):
        assert not whole_tables(plan), (sql, plan)


@pytest.mark.parametrize("group", GROUP_INDEXES)
def test_a_group_is_read_in_its_order_by_its_own_index(fleet, group):
    """Few of a large fleet: not by the index of all of it."""
    rows = fleet.filter(**GROUPS[group]).order_by(*LIST_ORDERS["worst"])
    ((_sql, plan),) = plans_of(lambda: list(rows.values_list("pk")[:4]))
    assert f"audit_domain_of_{group}" in " ".join(plan) and not sorts(plan), plan
