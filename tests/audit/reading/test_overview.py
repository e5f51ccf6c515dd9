"""The overview as data: what is counted, filtered and sorted, and with how few queries."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditDomain, WorkerHeartbeat
from audit.reading import filters
from audit.reading.filters import Filters
from audit.reading.overview import COUNTED, counts, overview
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


def names(**filters):
    return [c["domain"] for c in overview(AuditDomain.objects.all(), Filters(**filters))["cards"]]


def test_tenants_without_domains_are_listed_with_noughts():
    make.make_tenant("empty")
    make.make_domain("a.pt", make.make_tenant("full"), checks={})
    data = overview(AuditDomain.objects.all(), Filters())
    assert [(t["name"], t["domains"], t["healthy"]) for t in data["tenants"]] == [
        ("empty", 0, 0),
        ("full", 1, 1),
    ]
    assert data["summary"] == {
        "domains": 1,
        "healthy": 1,
        "warning": 0,
        "critical": 0,
        "unknown": 0,
        "stale": 0,
    }


def test_disabled_domains_and_tenants_are_not_on_the_overview():
    tenant = make.make_tenant("VM1")
    make.make_domain("on.pt", tenant)
    make.make_domain("off.pt", tenant, enabled=False)
    make.make_domain("gone.pt", make.make_tenant("VM2", enabled=False))
    data = overview(AuditDomain.objects.all(), Filters())
    assert [c["domain"] for c in data["cards"]] == ["on.pt"]
    assert data["summary"]["domains"] == 1 and [t["name"] for t in data["tenants"]] == ["VM1"]


def test_the_worst_stand_first():
    tenant = make.make_tenant()
    make.make_domain("healthy.pt", tenant, checks={})
    make.make_domain("never.pt", tenant)
    make.make_domain("warning.pt", tenant, checks={"dns_mx": "warn"})
    make.make_domain("critical.pt", tenant, checks={"dns_mx": "fail"})
    make.make_domain("worse.pt", tenant, checks={"dns_mx": "fail", "dns_spf": "fail"})
    assert names() == ["worse.pt", "critical.pt", "warning.pt", "never.pt", "healthy.pt"]
    assert names(sort="domain") == [
        "critical.pt",
        "healthy.pt",
        "never.pt",
        "warning.pt",
        "worse.pt",
    ]
    assert names(sort="last_audit")[0] == "never.pt"


def test_each_filter_narrows_the_cards_and_never_the_counts():
    one, two = make.make_tenant("VM1"), make.make_tenant("VM2")
    make.make_domain("um.pt", one, checks={"dns_mx": "fail"})
    make.make_domain("dois.pt", two, checks={})
    assert names(tenant=one.pk) == ["um.pt"]
    assert (
        names(status="critical") == ["um.pt"]
        and names(status="healthy") == ["dois.pt"]
        and names(status="warning") == []
    )
    assert names(check="dns_mx") == ["um.pt"] and names(check="dns_spf") == []
    assert names(owner="customer") == ["um.pt"] and names(owner="host") == []
    assert names(q="OIS") == ["dois.pt"] and names(q="%") == [] and names(q="_") == []
    assert overview(AuditDomain.objects.all(), Filters(q="nothing"))["summary"]["domains"] == 2


def test_a_name_is_found_as_people_write_it():
    make.make_domain("café.pt")
    assert names(q="café.pt") == names(q="CAFÉ.pt") == names(q="xn--caf") == ["xn--caf-dma.pt"]


def test_stale_means_older_than_twice_the_interval(settings):
    settings.AUDIT_INTERVAL_SEC = 600
    tenant, now = make.make_tenant(), timezone.now()
    for name, minutes in [("fresh.pt", 19), ("old.pt", 21)]:
        domain = make.make_domain(name, tenant, checks={})
        AuditDomain.objects.filter(pk=domain.pk).update(
            last_audit_at=now - timedelta(minutes=minutes)
        )
    new = make.make_domain("new.pt", tenant)
    forgotten = make.make_domain("forgotten.pt", tenant)
    AuditDomain.objects.filter(pk=forgotten.pk).update(created_at=now - timedelta(minutes=21))
    assert set(names(status="stale")) == {"old.pt", "forgotten.pt"}
    data = overview(AuditDomain.objects.all(), Filters())
    assert {c["domain"] for c in data["cards"] if c["stale"]} == {
        "old.pt",
        "forgotten.pt",
    } and data["summary"]["stale"] == 2
    assert new.stale is False


def test_the_worker_is_alive_for_half_a_minute():
    def worker():
        return overview(AuditDomain.objects.all(), Filters())["worker"]

    assert worker()["alive"] is False and worker()["last_seen"] is None
    beat = make.make_worker()
    assert worker()["alive"] is True
    beat.last_seen = timezone.now() - timedelta(seconds=31)
    beat.save()
    assert worker()["alive"] is False and worker()["last_seen"] == beat.last_seen


def test_a_worker_of_the_future_is_not_alive():
    """Case 152: the clock was a day ahead when the worker died."""
    make.make_worker(seen=timezone.now() + timedelta(days=1), name="host:9")
    found = overview(AuditDomain.objects.all(), Filters())["worker"]
    assert (found["alive"], found["last_seen"]) == (False, None)
    assert not WorkerHeartbeat.alive().exists()
    beat = make.make_worker()
    found = overview(AuditDomain.objects.all(), Filters())["worker"]
    assert (found["alive"], found["last_seen"]) == (True, beat.last_seen)


def test_the_resolver_of_any_host_that_is_down_is_said():
    """Whichever of the hosts was seen last."""
    for age in (5, 1, 9):
        make.make_worker(seen=timezone.now() - timedelta(seconds=age), name=f"h{age}:1")
    since = timezone.now() - timedelta(minutes=3)
    for name in ("h5:1", "h1:1", "h9:1"):
        WorkerHeartbeat.objects.update(resolver_down_since=None)
        WorkerHeartbeat.objects.filter(name=name).update(resolver_down_since=since)
        found = overview(AuditDomain.objects.all(), Filters())["worker"]
        assert found["resolver_down_since"] == since
    long_ago = timezone.now() - timedelta(minutes=9)
    WorkerHeartbeat.objects.filter(name="h9:1").update(last_seen=long_ago)  # it is gone
    found = overview(AuditDomain.objects.all(), Filters())["worker"]
    assert found["resolver_down_since"] is None


def test_the_number_of_queries_does_not_depend_on_the_number_of_domains(client):
    tenant, secret = make.make_tenant(), make.make_token()
    make.make_domains(10, tenant)
    client.get("/api/v1/audit/overview", headers=make.bearer(secret))

    def count(who):
        with CaptureQueriesContext(connection) as queries:
            assert who.get("/api/v1/audit/overview?limit=200", headers=headers).status_code == 200
        return len(queries)

    headers = make.bearer(secret)
    few = count(client)
    make.make_domains(990, tenant, prefix="outra")
    assert count(client) == few < 10
    headers = {}
    client.force_login(make.make_viewer())
    assert count(client) < 10


def test_the_numbers_are_kept_and_not_counted(django_assert_num_queries):
    tenant = make.make_tenant()
    make.make_domains(5, tenant)
    with django_assert_num_queries(1):
        (found,) = counts()
    assert (
        set(found) == {"id", "name", "without_portal", "groups", *COUNTED}
        and found["domains"] == found["unknown"] == 5
    )
    make.make_domain("six.pt", tenant)
    assert counts()[0]["domains"] == counts(tenant.pk)[0]["domains"] == 6


def test_of_many_stale_ones_the_list_is_the_same_as_of_a_few(monkeypatch):
    tenant = make.make_tenant()
    make.make_domains(6, tenant)
    AuditDomain.objects.filter(domain__in=["firma000001.pt", "firma000004.pt"]).update(
        last_audit_at=timezone.now()
    )
    AuditDomain.objects.exclude(last_audit_at=None).update(
        last_audit_at=timezone.now() - timedelta(days=1)
    )
    few = names(status="stale")
    monkeypatch.setattr(filters, "FEW", 1)
    assert names(status="stale") == few == ["firma000001.pt", "firma000004.pt"]


@pytest.mark.parametrize("status", filters.STATUSES)
def test_what_is_counted_is_what_the_filter_finds(status):
    """The rule of a status stands once: a domain is in the count, the list and the row alike."""
    old = timezone.now() - timedelta(days=2)
    tenant = make.make_tenant()
    make.make_domain("healthy.pt", tenant, checks={})
    make.make_domain("warning.pt", tenant, checks={"dns_mx": "warn"})
    make.make_domain("critical.pt", tenant, checks={"dns_mx": "fail"})
    make.make_domain("never.pt", tenant)
    for name, times in {"late.pt": {"last_audit_at": old}, "lost.pt": {"created_at": old}}.items():
        domain = make.make_domain(name, tenant, checks={} if name == "late.pt" else None)
        AuditDomain.objects.filter(pk=domain.pk).update(**times)
    make.make_domain("off.pt", tenant, enabled=False)
    found = names(status=status)
    assert found and counts()[0][status] == len(found)
    rows = AuditDomain.objects.active()
    states = {d.domain: {str(d.status), *(["stale"] if d.stale else [])} for d in rows}
    assert set(found) == {name for name, state in states.items() if status in state}


def test_the_worst_is_who_has_the_least_of_what_may_be_had():
    """A score of five counts for more where six are the most."""
    tenant, without = make.make_tenant("VM112"), make.make_tenant("VM113", without_portal=True)
    wrong = {"dns_mx": "fail"}
    make.make_domain("five-of-six.pt", without, checks=wrong)
    make.make_domain("six-of-eight.pt", tenant, checks=wrong | {"dns_spf": "warn"})
    make.make_domain("seven-of-eight.pt", tenant, checks=wrong)
    make.make_domain("four-of-six.pt", without, checks=wrong | {"dns_spf": "warn"})
    order = ["four-of-six.pt", "six-of-eight.pt", "five-of-six.pt", "seven-of-eight.pt"]
    assert names() == order
    AuditDomain.objects.update(share=0)
    import_module("audit.migrations.0032_share_of_the_score").begin(apps, None)
    assert names() == order, "also those from before"
