"""Comparing portals' lists of domains with ours: asked over real sockets, by one worker at a
time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, PortalDomain, PortalSync, Tenant
from audit.models.domains import free_to_claim
from audit.queue import portal_sync
from audit.queue.process import own_process
from audit.results.trail import Actor
from tests.audit import factories as make
from tests.collectors.portal_server import TOKEN, PortalServer

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timedelta(days=1)


@pytest.fixture(autouse=True)
def _own_loop(settings):
    own_process().loop.close()
    settings.AUDIT_CHECK_TIMEOUT_SEC = 5
    yield
    own_process().loop.close()


@pytest.fixture
def portal():
    with PortalServer({"domains": lists("a.test", "b.test")}) as running:
        yield running


def lists(*names, **more):
    """An answer with these domains."""
    return {"json": {"domains": [{"domain": n, "type": "local"} for n in names]}, **more}


def tenant_of(portal, *names, name="VM112", **fields):
    """A tenant of this portal, with domains that it has had for a while."""
    tenant = make.make_tenant(name, portal_url=portal.url, portal_token=TOKEN, **fields)
    for domain in names:
        make.make_domain(domain, tenant)
    tenant.domains.update(created_at=timezone.now() - LONG_AGO)
    return tenant


def compare():
    """One more comparison of all, now."""
    PortalSync.objects.update(next_at=timezone.now())
    return portal_sync.compare_due(own_process())


def differences(kind=None):
    rows = PortalDomain.objects.open(kind)
    return {row.domain: row.kind for row in rows}


def state():
    return PortalSync.objects.get().state


def test_what_the_portal_has_and_we_lack_is_proposed_and_what_it_lost_is_shown(portal):
    tenant_of(portal, "b.test", "c.test")
    assert compare() == 1
    assert differences() == {"a.test": "proposed", "c.test": "lost"}
    assert state() == "compared"
    request = portal.requests[0]
    assert (request.method, request.path) == ("GET", "/api/v1/domains")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert AuditDomain.objects.count() == 2, "nothing is registered or removed by itself"


def test_rows_vanish_when_the_difference_does_and_keep_their_age_while_it_lasts(portal):
    tenant_of(portal, "b.test", "c.test")
    compare()
    PortalDomain.objects.update(since=timezone.now() - LONG_AGO)
    portal.answers["domains"] = lists("b.test", "d.test")
    compare()
    assert differences() == {"c.test": "lost", "d.test": "proposed"}
    old = PortalDomain.objects.get(domain="c.test")
    assert timezone.now() - old.since >= LONG_AGO
    portal.answers["domains"] = lists("b.test", "c.test")
    compare()
    assert not PortalDomain.objects.exists()


def test_what_was_registered_or_removed_since_is_no_difference(portal):
    tenant = tenant_of(portal, "b.test", "c.test")
    compare()
    make.make_domain("a.test", tenant)
    AuditDomain.objects.get(domain="c.test").delete()
    assert differences() == {}


def test_names_are_compared_as_they_are_kept_and_what_is_no_domain_is_passed_over(portal):
    portal.answers["domains"] = lists("CAFÉ.Test.", "b.test", "server.lan", "", "x" * 300, "co.uk")
    tenant_of(portal, "xn--caf-dma.test", "b.test")
    compare()
    assert differences() == {}
    sync = PortalSync.objects.get()
    assert (sync.listed, sync.passed_over) == (2, 4)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 503, "json": {"detail": "no snapshot yet"}},
        {"status": 401},
        {"drop": True},
        {"body": b"<html>"},
        {"json": {"domains": ["a.test"]}},
        {"json": {"domains": [{"domain": "a.test"}, {"domain": None}]}},
        {"body": b'{"domains": [{"domain": "a.te'},
        {"cut": True, "before": b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"domains": []}'},
        {"body": b'{"domains": [' + b'{"domain": "a.test"},' * 60_000 + b'{"domain": "b.test"}]}'},
    ],
    ids=["500", "503", "401", "drop", "html", "shape", "entry", "half", "cut", "large"],
)
def test_an_answer_that_fails_or_is_not_whole_changes_nothing(portal, answer):
    tenant_of(portal, "b.test", "c.test", sync="register")
    PortalDomain.objects.create(tenant=Tenant.objects.get(), domain="z.test", kind="proposed")
    PortalSync.objects.update(state="compared")
    portal.answers["domains"] = answer
    compare()
    assert differences() == {"z.test": "proposed"}
    assert AuditDomain.objects.count() == 2
    sync = PortalSync.objects.get()
    assert sync.state == "failed" and sync.message and sync.message_source["id"]
    assert TOKEN not in sync.message
    assert sync.claimed_by == "" and sync.next_at > timezone.now() + timedelta(minutes=50)


@pytest.mark.parametrize("body", [b'{"detail": "no such address"}', b"<html>Not Found"])
def test_a_portal_that_offers_no_list_has_nothing_said_of_it(portal, body):
    tenant_of(portal, "b.test", "c.test")
    compare()
    PortalDomain.objects.filter(domain="a.test").update(ignored_at=timezone.now())
    portal.answers["domains"] = {"status": 404, "body": body}
    compare()
    assert (state(), differences()) == ("not_offered", {})
    assert not AuditDomain.objects.annotate(is_lost=PortalDomain.objects.lost()).filter(is_lost=1)
    portal.answers["domains"] = lists("a.test", "b.test")
    compare()
    assert differences() == {"c.test": "lost"}, "what was left so is left so still"


@pytest.mark.parametrize("fields", [{"sync": "off"}, {"portal_url": ""}, {"enabled": False}])
def test_a_tenant_that_is_not_to_be_compared_is_not_asked(portal, fields):
    tenant = tenant_of(portal, "c.test")
    compare()
    for name, value in fields.items():
        setattr(tenant, name, value)
    tenant.save()
    assert compare() == 0
    assert len(portal.requests) == 1
    if "enabled" not in fields:
        assert differences() == {}


def test_a_change_of_the_portal_compares_at_once_and_not_with_the_old_answer(portal):
    tenant = tenant_of(portal, "b.test")
    compare()
    assert not PortalSync.objects.due().exists()
    (claimed,) = _claim("me")
    tenant.portal_url = f"{portal.url}/other"
    tenant.save()
    said = portal_sync.Listed.of(["x.test"])
    assert portal_sync.record(claimed.pk, said, owner="me", asked_at=timezone.now()) is None
    assert PortalSync.objects.due().exists()
    assert "x.test" not in differences()


def _claim(owner):
    PortalSync.objects.update(next_at=timezone.now())
    return PortalSync.objects.claim(owner, 8)


def test_of_two_workers_one_asks(portal):
    tenant_of(portal, "b.test")
    PortalSync.objects.update(next_at=timezone.now())
    gate = threading.Event()
    portal.answers["domains"] = lists("a.test", gate=gate)
    asked = []

    def work():
        from audit.queue.process import AuditProcess

        process = AuditProcess()
        try:
            asked.append(portal_sync.compare_due(process))
        finally:
            process.loop.close()
            connection.close()

    first = threading.Thread(target=work)
    first.start()
    portal._wait(1)
    work()  # while the first one asks
    gate.set()
    first.join(20)
    assert sorted(asked) == [0, 1]
    assert len(portal.requests) == 1
    assert differences() == {"a.test": "proposed", "b.test": "lost"}


def test_of_two_that_saw_the_same_row_one_gets_it(portal, monkeypatch):
    tenant_of(portal, "b.test")
    calls = []

    def between(now):
        calls.append(now)
        if len(calls) == 2:  # the row was seen, and is not claimed yet
            assert PortalSync.objects.claim("other", 8)
        return free_to_claim(now)

    monkeypatch.setattr("audit.models.portal_sync.free_to_claim", between)
    assert PortalSync.objects.claim("me", 8) == []
    assert PortalSync.objects.get().claimed_by == "other"


def test_whoever_has_lost_the_claim_writes_nothing(portal):
    tenant = tenant_of(portal, "b.test")
    _claim("me")
    PortalSync.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert _claim("other")
    said = portal_sync.Listed.of(["a.test"])
    now = timezone.now()
    assert portal_sync.record(tenant.pk, said, owner="me", asked_at=now) is None
    assert portal_sync.record(tenant.pk, said, owner="other", asked_at=now) == "compared"


def test_one_tenant_that_breaks_stops_nobody(portal, monkeypatch, caplog):
    tenant_of(portal, "b.test")
    broken = tenant_of(portal, name="VM113")

    def record(tenant_id, *args, **options):
        assert tenant_id != broken.pk
        return real(tenant_id, *args, **options)

    real = portal_sync.record
    monkeypatch.setattr(portal_sync, "record", record)
    assert compare() == 2
    assert differences() == {"a.test": "proposed"}
    assert "VM113" in caplog.text


def test_where_the_tenant_wants_it_they_are_registered_and_audited_at_once(portal, bells):
    tenant_of(portal, "b.test", sync="register")
    compare()
    new = AuditDomain.objects.get(domain="a.test")
    assert (new.source, new.requested_at is not None) == ("onboarding", True)
    assert "drain" in bells
    assert differences() == {}


def test_the_tick_rings_for_what_is_due_once_an_hour(portal, bells):
    tenant_of(portal, "b.test")
    tasks.tick()
    assert "compare_portals" in bells
    assert tasks.compare_portals() == 1
    bells.clear()
    tasks.tick()
    assert "compare_portals" not in bells
    PortalSync.objects.update(next_at=timezone.now() + timedelta(days=3))  # a clock set back
    tasks.tick()
    assert "compare_portals" in bells


def test_the_button_of_the_server_card_compares_at_once(portal, bells):
    tenant = tenant_of(portal, "b.test")
    compare()
    tasks.request_server_test(tenant, who=Actor.command("root"))
    assert bells == ["drain", "compare_portals"]
    assert portal_sync.compare_due(own_process()) == 1


def test_a_large_list_costs_little(portal):
    """Case 123: as many names as one answer holds."""
    portal.answers["domains"] = lists(*(f"kunde{n:05d}.test" for n in range(20_000)))
    tenant_of(portal, "b.test")
    compare()
    assert PortalDomain.objects.open().count() == 20_001
    portal.answers["domains"] = lists("b.test")
    compare()
    assert differences() == {}
