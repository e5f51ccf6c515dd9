"""What the metrics say of a world that is known, and that it is read by indexes."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import CollectorRegistry

from audit.models import AuditDomain, CheckCounts, Incident, Tally, Tenant, WorkerHeartbeat
from audit.reading.metrics import DatabaseCollector
from audit.results import check_counts
from tests.audit import factories as make
from tests.audit.test_query_plans import plans_of, sorts, whole_tables

pytestmark = pytest.mark.django_db


def read(name, of=None, **labels):
    """The value of a sample; None where there is none."""
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(of))
    return registry.get_sample_value(f"ligbox_{name}", labels)


@pytest.fixture
def tenant():
    return make.make_tenant("VM112", portal_url="http://10.10.10.112:8090/portal")


def test_of_an_empty_database_there_is_something_to_say():
    assert read("workers_alive") == 0 and read("worker_heartbeat_age_seconds") is None
    assert read("oldest_due_domain_seconds") == 0
    assert read("audits_total", result="healthy") == 0
    assert read("audit_duration_seconds_count") == 0 and read("dns_cache_hits_total") == 0
    assert read("incidents_open", tenant="", kind="resolver") == 0


def test_domains_by_status(tenant, settings):
    make.make_domain(tenant=tenant, checks={})
    make.make_domain(tenant=tenant, checks={"dns_mx": "fail"})
    make.make_domain(tenant=tenant, checks={"dns_mx": "fail"}, enabled=False)
    late = timezone.now() - timedelta(seconds=3 * settings.AUDIT_INTERVAL_SEC)
    AuditDomain.objects.filter(status="healthy").update(last_audit_at=late)
    found = {s: read("domains", tenant="VM112", status=s) for s in ("healthy", "critical")}
    assert found == {"healthy": 1, "critical": 1}
    assert read("domains_stale", tenant="VM112") == 1
    Tenant.objects.update(enabled=False)
    assert read("domains", tenant="VM112", status="healthy") is None


def test_domains_by_group(tenant):
    make.make_domain(tenant=tenant, checks={})
    assert read("domains_in_group", tenant="VM112", group="onboarding") == 0
    make.make_domain(tenant=tenant)
    assert read("domains_in_group", tenant="VM112", group="onboarding") == 1


def test_checks_are_those_that_were_counted_last(tenant):
    make.make_domain(tenant=tenant, checks={"dns_mx": "fail"})
    labels = {"tenant": "VM112", "check": "dns_mx", "status": "fail"}
    assert read("checks", **labels) is None
    assert read("checks_counted_timestamp_seconds") is None
    check_counts.keep()
    assert read("checks", **labels) == 1
    assert read("checks", **{**labels, "status": "ok"}) == 0
    at = CheckCounts.objects.get().counted_at.timestamp()
    assert read("checks_counted_timestamp_seconds") == at


def test_open_incidents_by_kind(tenant):
    now = timezone.now()
    for n, (of, kind, closed) in enumerate(
        [(tenant, "portal", None), (tenant, "check", None), (tenant, "check", now),
         (tenant, "check", None), (None, "name_server", None)]
    ):  # fmt: skip
        Incident.objects.create(
            tenant=of, kind=kind, key=str(n), owner="host", severity="fail",
            opened_at=now, confirmed_at=now, closed_at=closed,
        )  # fmt: skip
    assert read("incidents_open", tenant="VM112", kind="check") == 2
    assert read("incidents_open", tenant="VM112", kind="portal") == 1
    assert read("incidents_open", tenant="", kind="name_server") == 1
    assert read("incidents_open", tenant.pk, tenant="", kind="name_server") is None


def test_the_oldest_due_domain_of_all_and_of_a_tenant(tenant):
    now = timezone.now()
    other = make.make_tenant("VM113")
    make.make_domain(tenant=tenant, next_audit_at=now - timedelta(seconds=90))
    make.make_domain(tenant=other, next_audit_at=now - timedelta(seconds=900))
    make.make_domain(tenant=other, next_audit_at=now - timedelta(days=9), enabled=False)
    assert 900 <= read("oldest_due_domain_seconds") < 960
    assert 90 <= read("oldest_due_domain_seconds", tenant.pk) < 150
    AuditDomain.objects.update(next_audit_at=now + timedelta(hours=1))
    assert read("oldest_due_domain_seconds") == read("oldest_due_domain_seconds", tenant.pk) == 0
    for bulk in (False, True):
        asked = AuditDomain.objects.filter(tenant=tenant)
        asked.update(requested_at=None, requested_bulk=False)
        asked.request_audit(now - timedelta(seconds=20), bulk=bulk)
        assert 20 <= read("oldest_due_domain_seconds", tenant.pk) < 80
    Tenant.objects.update(enabled=False)
    assert read("oldest_due_domain_seconds") == read("oldest_due_domain_seconds", tenant.pk) == 0


def test_workers_that_are_alive_and_how_long_ago_one_was(tenant):
    now = timezone.now()
    make.make_worker(name="a:1", seen=now - timedelta(seconds=100))
    assert read("workers_alive") == 0 and 100 <= read("worker_heartbeat_age_seconds") < 160
    make.make_worker(name="b:1", seen=now)
    assert read("workers_alive") == 1 and read("worker_heartbeat_age_seconds") < 60
    assert read("resolver_down") == 0
    WorkerHeartbeat.objects.filter(name="a:1").update(resolver_down_since=now)
    assert read("resolver_down") == 0  # it says nothing any more
    WorkerHeartbeat.objects.filter(name="b:1").update(resolver_down_since=now)
    assert read("resolver_down") == 1


def test_a_portal_that_is_left_alone_is_its_tenants(tenant, settings):
    make.make_tenant("VM113", portal_url="http://10.10.10.112:80901")
    make.make_tenant("VM114", portal_url="http://10.10.10.112:8090")
    make.make_tenant("none")

    def states():
        return [read("portal_breaker_open", tenant=t) for t in ("VM112", "VM113", "VM114", "none")]

    assert states() == [0, 0, 0, None]
    Tally.note_portals({"http://10.10.10.112:8090": True})
    assert states() == [1, 0, 1, None]
    Tally.note_portals({"http://10.10.10.112:8090": False})
    assert states() == [0, 0, 0, None]
    Tally.note_portals({"http://10.10.10.112:8090": True})
    Tally.objects.update(value=timezone.now().timestamp() - 2 * settings.AUDIT_INTERVAL_SEC - 1)
    assert states() == [0, 0, 0, None]  # the worker that said it is gone


def test_what_was_counted_is_summed_into_a_histogram():
    Tally.add(
        {
            ("audits", "healthy"): 3,
            ("audits", "given_up"): 1,
            ("audits_within", "0.25"): 2,
            ("audits_within", "1.0"): 1,
            ("audits_within", "+Inf"): 1,
            ("audit_seconds", ""): 72.5,
            ("lookups", "nxdomain"): 7,
            ("cache_hits", ""): 11,
        }
    )
    assert read("audits_total", result="healthy") == 3
    assert read("audits_total", result="given_up") == 1
    assert read("audit_duration_seconds_bucket", le="0.1") == 0
    assert read("audit_duration_seconds_bucket", le="0.25") == 2
    assert read("audit_duration_seconds_bucket", le="5.0") == 3
    assert read("audit_duration_seconds_bucket", le="+Inf") == 4
    assert read("audit_duration_seconds_count") == 4
    assert read("audit_duration_seconds_sum") == 72.5
    assert read("dns_lookups_total", result="nxdomain") == 7
    assert read("dns_cache_hits_total") == 11


def test_series_of_domains_are_asked_for_by_a_number(tenant, settings):
    """Case 255."""
    ends = timezone.now() + timedelta(days=9)
    good = make.make_domain("b.pt", tenant, checks={})
    make.make_domain("a.pt", tenant, checks={"dns_mx": "fail"})
    make.make_domain("c.pt", tenant, checks={"dns_mx": "fail"}, enabled=False)
    AuditDomain.objects.filter(pk=good.pk).update(certificate_ends_at=ends)
    assert read("domain_score", tenant="VM112", domain="a.pt") is None
    settings.METRICS_DOMAINS = 1
    assert read("domain_score", tenant="VM112", domain="a.pt") == 7  # the worst first
    assert read("domain_score", tenant="VM112", domain="b.pt") is None
    assert read("domain_series_left_out") == 1
    settings.METRICS_DOMAINS = 2
    assert read("domain_score", tenant="VM112", domain="b.pt") == 8
    assert read("domain_max_score", tenant="VM112", domain="b.pt") == 8
    assert read("domain_series_left_out") == 0
    name = "domain_certificate_expiry_timestamp_seconds"
    assert read(name, tenant="VM112", domain="b.pt") == ends.timestamp()
    assert read(name, tenant="VM112", domain="a.pt") is None


def test_no_large_table_is_read_whole_or_sorted(tenant, settings):
    """Case 257: also where each domain has its series."""
    for status in ("ok", "warn", "fail"):
        make.make_domain(tenant=tenant, checks={"dns_mx": status})
    check_counts.keep()
    settings.METRICS_DOMAINS = 10
    for of in (None, tenant.pk):
        plans = plans_of(lambda of=of: list(DatabaseCollector(of).collect()))
        assert len(plans) <= 13
        for sql, plan in plans:
            assert not whole_tables(plan), (sql, plan)
            if sql.startswith('SELECT "audit_domains"'):
                assert not sorts(plan), (sql, plan)
            assert '"audit_checks"' not in sql  # 800,000 rows of 100,000 domains


def test_without_a_portal_there_is_nothing_of_what_it_alone_knows(settings):
    settings.METRICS_DOMAINS = 10
    without = make.make_tenant("VM113", without_portal=True)
    make.make_domain("a.pt", without, checks={})
    check_counts.keep()
    assert read("domain_score", tenant="VM113", domain="a.pt") == 6
    assert read("domain_max_score", tenant="VM113", domain="a.pt") == 6
    assert read("domains", tenant="VM113", status="healthy") == 1
    assert read("checks", tenant="VM113", check="cert_le", status="ok") == 1
    assert read("checks", tenant="VM113", check="carbonio", status="unknown") is None
