"""*Check again*: what it asks for, what it says, and how often it may be asked."""

import json
import time
from datetime import timedelta
from ipaddress import ip_network
from threading import Thread

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditDomain, AuditRun, ReportLink, ServersAsked
from audit.reading.check_again import checked_again
from audit.reading.customer_report import steps_of
from audit.results import store
from audit.tasks import prune
from audit.web import check_again
from collectors.base import Action, DnsRecord, Fix
from collectors.text import _
from mock_tenant.zone import Zone
from tests.audit.factories import audit, make_domain, make_operator, make_result, make_tenant
from tests.collectors.authoritative.name_servers import Internet, delegated

pytestmark = pytest.mark.django_db
DOMAIN, SPF, BEFORE = "cliente.pt", "v=spf1 include:_spf.host.test -all", "v=spf1 -all"
ONE, TWO = "127.0.0.11", "127.0.0.12"
RIGHT = {"names": {DOMAIN: {"TXT": [SPF]}}}
BEHIND = {"ttl": 3600, "names": {DOMAIN: {"TXT": [BEFORE]}}}
HTMX = {"HX-Request": "true"}


def broken_domain(name=DOMAIN, tenant=None):
    """A domain whose SPF record is to be replaced."""
    row = make_domain(name, tenant or make_tenant(language="en"), checks={})
    fix = Fix(_("Publish it."), (DnsRecord("TXT", name, SPF, Action.REPLACE, BEFORE),))
    results = {"dns_spf": make_result("dns_spf", "fail", fix=fix)}
    assert store.record(row, results, begun_at=timezone.now())
    return row


@pytest.fixture
def link():
    return ReportLink.objects.make([broken_domain()])[0]


@pytest.fixture
def internet(settings):
    """Two name servers, one behind; our settings lead there."""
    with Internet(delegated(DOMAIN, ns1=ONE, ns2=TWO), {ONE: RIGHT, TWO: BEHIND}) as net:
        config = net.config()
        settings.AUDIT_DNS_SERVERS = config.dns_servers
        settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
        settings.AUDIT_AUTHORITATIVE_PORT = net.port
        yield net


def path_of(link):
    return reverse("check-again", args=[link.token])


def report_of(link):
    return reverse("report", args=[link.token])


def seen(row):
    """{server: words} of the one record of the report."""
    [record] = [r for step in steps_of(row) for r in step.records]
    again = checked_again(row, [record])
    return {line.server: line.words for line in again.records[record.key].lines}, again


def test_it_says_which_name_server_has_what_and_has_the_domain_audited_anew(link, internet):
    answer = Client().post(path_of(link))
    assert (answer.status_code, answer["Location"]) == (302, report_of(link))
    assert "no-store" in answer["Cache-Control"]
    words, again = seen(link.domain)
    assert words == {"ns1": "has it", "ns2": "not yet, it has an old value:"}
    [record] = again.records.values()
    assert (record.state, record.until) == ("some", 3600)
    assert record.lines[1].values == (BEFORE,)
    assert again.headline == "0 of 1 record is right on all your name servers."
    run = AuditRun.objects.get(trigger="manual")
    assert (run.scope, run.domains, run.finished_at) == (DOMAIN, 1, None)
    row = AuditDomain.objects.get()
    assert row.requested_at, "an audit that was asked for takes nothing from a cache"
    link.refresh_from_db()
    assert link.checked_at and again.is_open


def test_what_stands_on_all_of_them_is_right(link, internet):
    internet.servers[TWO].zone = internet.servers[ONE].zone
    Client().post(path_of(link))
    _words, again = seen(link.domain)
    assert [r.state for r in again.records.values()] == ["all"] and again.right == 1


def test_a_server_that_is_silent_is_never_taken_for_one_that_is_right(link, internet):
    internet.servers[TWO].stop()
    Client().post(path_of(link))
    words, again = seen(link.domain)
    assert words["ns1"] == "has it" and words["ns2"] in (
        "does not answer",
        "cannot be reached from here",
    )
    assert [r.state for r in again.records.values()] == ["some"] and again.right == 0


def test_what_a_server_says_is_text_and_bounded(link, internet):
    evil = "v=spf1 <script>alert(1)</script>\u202e"
    long = "v=spf1 " + "a:x.test " * 200
    texts = [{"hex": evil.encode().hex()}, long]
    internet.servers[TWO].zone = Zone({"names": {DOMAIN: {"TXT": texts}}})
    Client().post(path_of(link))
    html = Client().get(report_of(link)).content.decode()
    assert "&lt;script&gt;" in html and "<script>alert" not in html and "\u202e" not in html
    assert long[:290] in html and long[:320] not in html


def test_of_many_records_few_are_kept_and_shown(link, internet):
    texts = [f"v=spf1 {n} " + "x" * 3000 for n in range(100)]
    internet.servers[TWO].zone = Zone({"names": {DOMAIN: {"TXT": texts}}})
    internet.servers[ONE].zone = Zone({"names": {DOMAIN: {"TXT": texts[:15]}}})
    Client().post(path_of(link))
    assert len(json.dumps(ServersAsked.objects.get().answers)) < 100_000
    [record] = seen(link.domain)[1].records.values()
    assert [len(line.values) for line in record.lines] == [3, 0], "one does not fit into 64 KB"


def test_a_second_time_at_once_is_refused_with_the_seconds(link, internet):
    """Case 286."""
    client = Client()
    client.post(path_of(link))
    count = internet.count
    for headers, alone in (({}, True), (HTMX, False)):
        answer = client.post(path_of(link), headers=headers)
        html = answer.content.decode()
        assert answer.status_code == 429 and 15 <= int(answer["Retry-After"]) <= 20
        assert f"You can check again in {answer['Retry-After']} seconds." in html
        assert ("<h1>" in html) == alone and "no-store" in answer["Cache-Control"]
    assert answer["HX-Retarget"] == ".again-wait"
    assert internet.count == count and AuditRun.objects.count() == 1
    ServersAsked.objects.update(asked_at=timezone.now() - timedelta(seconds=21))
    assert client.post(path_of(link)).status_code == 302


def test_another_link_to_the_same_domain_has_the_same_turn(link, internet):
    other = ReportLink.objects.make([link.domain])[0]
    assert Client().post(path_of(link)).status_code == 302
    assert Client().post(path_of(other)).status_code == 429


def test_an_address_may_do_it_six_times_a_minute_whatever_links_it_has(internet):
    tenant = make_tenant(language="en")
    rows = [broken_domain(f"kunde{n}.pt", tenant) for n in range(7)]
    links = ReportLink.objects.make(rows)
    found = [Client().post(path_of(one)).status_code for one in links]
    assert found == [302] * 6 + [429]
    assert Client(REMOTE_ADDR="192.0.2.9").post(path_of(links[6])).status_code == 302


def test_a_clock_that_was_set_back_locks_nobody_out(link, internet):
    ServersAsked.objects.create(domain=link.domain, asked_at=timezone.now() + timedelta(days=1))
    assert Client().post(path_of(link)).status_code == 302


def test_without_the_token_of_the_page_nothing_happens(link, internet):
    client = Client(enforce_csrf_checks=True)
    assert client.post(path_of(link)).status_code == 403
    assert internet.count == 0 and not AuditRun.objects.exists()


def test_one_of_us_does_not_count_as_the_customer(link, internet, client):
    client.force_login(make_operator())
    assert client.post(path_of(link)).status_code == 302
    link.refresh_from_db()
    assert link.checked_at is None and ServersAsked.objects.exists()


@pytest.mark.parametrize("end", ["revoked", "expired", "made up", "switched off"])
def test_a_link_that_leads_nowhere_asks_nobody(link, internet, end):
    """Case 287."""
    path, report = path_of(link), report_of(link)
    if end == "revoked":
        ReportLink.objects.update(revoked_at=timezone.now())
    elif end == "expired":
        ReportLink.objects.update(expires_at=timezone.now())
    elif end == "switched off":
        AuditDomain.objects.update(enabled=False)
    else:
        path, report = "/report/1.x/again/", "/report/1.x/"
    answer = Client().post(path)
    assert (answer.status_code, answer["Location"]) == (302, report)
    assert Client().get(report).status_code in (404, 410)
    assert internet.count == 0 and not AuditRun.objects.exists()


def test_a_get_leads_to_the_report_and_asks_nobody(link, internet):
    for method in ("get", "head"):
        answer = getattr(Client(), method)(path_of(link))
        assert (answer.status_code, answer["Location"]) == (302, report_of(link))
    assert Client().put(path_of(link)).status_code == 405
    assert internet.count == 0


def test_where_no_record_is_to_be_changed_it_is_said_which_servers_answer(internet):
    """As where all of them were silent, so that nothing could be seen."""
    internet.servers[TWO].zone.add_rule(action="refused")
    row = make_domain(DOMAIN, make_tenant(language="en"), checks={})
    audit(row, dns_mx="unknown", dns_spf="unknown")
    [link] = ReportLink.objects.make([row])
    assert Client().post(path_of(link)).status_code == 302
    assert AuditRun.objects.count() == 1
    assert checked_again(row, []).servers == ("ns1 answers", "ns2 refuses to answer for the domain")
    html = Client().get(report_of(link)).content.decode()
    assert "<li>ns2 refuses to answer for the domain</li>" in html


def test_others_who_ask_meanwhile_are_told_to_wait_and_hold_no_thread(link, internet, monkeypatch):
    monkeypatch.setattr(check_again, "WAIT_SECONDS", 0.05)
    assert check_again._turn.acquire(blocking=False)
    try:
        answer = Client().post(path_of(link))
        assert (answer.status_code, answer["Retry-After"]) == (429, "10")
        assert not ServersAsked.objects.exists(), "nobody's turn was used up"
        for _n in range(9):
            assert Client().post(path_of(link))["Retry-After"] == "10"
    finally:
        check_again._turn.release()
    assert Client().post(path_of(link)).status_code == 302


def test_a_zone_that_answers_nothing_holds_a_thread_for_eight_seconds_at_most(link, internet):
    for server in (internet.resolver, *internet.servers.values()):
        server.zone.rules.clear()
        server.zone.add_rule(action="drop")
    began = time.monotonic()
    assert Client().post(path_of(link)).status_code == 302
    assert time.monotonic() - began < 8
    assert internet.count <= 40
    again = checked_again(link.domain, [])
    assert "our own DNS does not answer" in again.trouble


def test_what_was_seen_is_of_use_for_minutes(link, internet):
    Client().post(path_of(link))
    ServersAsked.objects.update(asked_at=timezone.now() - timedelta(minutes=4))
    again = seen(link.domain)[1]
    assert again.is_late and not again.is_open, "the page does not wait for ever"
    assert "takes longer than usual" in Client().get(report_of(link)).content.decode()
    ServersAsked.objects.update(asked_at=timezone.now() - timedelta(minutes=16))
    assert checked_again(link.domain, []) is None


def test_old_looks_are_pruned(link):
    ServersAsked.objects.create(domain=link.domain, asked_at=timezone.now() - timedelta(days=2))
    assert prune()["servers_asked"] == 1


def test_answers_that_another_version_kept_are_passed_over(link):
    for kept in ({}, [], {"zone": 1}, {"said": [{"state": "new"}]}):
        ServersAsked.objects.update_or_create(domain=link.domain, defaults={"answers": kept})
        assert checked_again(link.domain, []).records == {}


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_asks(settings):
    row = make_domain("viele.pt", make_tenant(), checks={})
    waits = []

    def claim():
        try:
            waits.append(ServersAsked.objects.claim(row))
        finally:
            connection.close()

    threads = [Thread(target=claim) for _n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(w > 0 for w in waits) == [False] + [True] * 7
    audit(row)
