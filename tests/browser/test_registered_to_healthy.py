"""From an onboarding event to 8/8, played: an operator makes the link on the board, the customer
pastes what the report says into the zone, one name server behind, and checks again until all is
done."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_network
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import expect

from audit import tasks
from audit.models import AuditDomain, ServersAsked, Tenant
from mock_tenant.dnsserver import DnsServer
from mock_tenant.tenant import MockTenant
from mock_tenant.zone import Zone
from scripts.ports import Reserved
from tests.audit.draining import close_loop, drain_due
from tests.audit.factories import make_operator
from tests.browser.test_looks import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NAME, NS1, NS2 = "dentista-faro.pt", "127.0.0.11", "127.0.0.12"
OLD_MX = "10 mx.antigo-provedor.example"


@pytest.fixture
def world(tmp_path, settings):
    """The mock company; the zone of one joining customer lies on two name servers of its own, and
    nothing in it is right yet."""
    mock = MockTenant(tmp_path, portal=0, dns=0, webmail=0)
    zone = mock.company.domains[NAME].zone
    zone[NAME] = {"NS": [f"ns1.{NAME}", f"ns2.{NAME}"], "MX": [OLD_MX]}
    del zone[f"s2026._domainkey.{NAME}"]
    for host, address in ((f"ns1.{NAME}", NS1), (f"ns2.{NAME}", NS2)):
        zone[host] = {"A": [address]}
    with (
        Reserved("127.0.0.1", NS1, NS2) as port,
        ThreadPoolExecutor(1) as worker,
        ExitStack() as up,
    ):
        mock.ports["dns"] = port.port
        up.enter_context(mock)
        ns1, ns2 = (up.enter_context(DnsServer({}, host=h, port=port.port)) for h in (NS1, NS2))
        settings.AUDIT_DNS_SERVERS = (("127.0.0.1", port.port),)
        settings.AUDIT_AUTHORITATIVE_PORT = port.port
        settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
        settings.AUDIT_CA_FILE = mock.env["SSL_CERT_FILE"]
        tenant = Tenant.objects.create(**{**mock.fields, "language": "en"})
        yield SimpleNamespace(mock=mock, zone=zone, ns1=ns1, ns2=ns2, tenant=tenant, worker=worker)
        worker.submit(close_loop).result()


def work(world):
    """What a worker does: events, then what is due. Not in the thread that has Chromium's loop."""

    def go():
        try:
            tasks.process_events()
            return drain_due(seconds=60)
        finally:
            connection.close()

    return world.worker.submit(go).result()


def publish(world, *servers):
    """Put the zone as it is now on these; resolvers see what the first name server has."""
    for server in servers:
        server.zone = Zone({"ttl": 60, "names": world.zone})
    if world.ns1 in servers:
        world.mock.dns.zone = Zone(world.mock.company.zone())


def paste(world, record):
    """Do what a record of the page says, in the zone."""
    fields = {}
    for line in record.locator(".fields > div").all():
        fields[line.locator("dt").inner_text()] = line.locator("[data-value]").first.inner_text()
    name = NAME if fields["Name"] == "@" else f"{fields['Name']}.{NAME}"
    value = " ".join(filter(None, (fields.get("Priority"), fields["Value"])))
    values = world.zone.setdefault(name, {}).setdefault(fields["Type"], [])
    kind = record.get_attribute("class").split("is-")[-1]
    if kind == "replace":
        values.remove(record.locator(".now del").inner_text())
    if kind == "remove":
        values.remove(value)
    else:
        values.append(value)


def check_again(page):
    """Press the button as soon as one may."""
    ServersAsked.objects.update(asked_at=timezone.now() - timedelta(seconds=21))
    page.get_by_role("button", name="Check again").click()


def test_from_an_event_to_eight_of_eight(new_page, live_server, world):
    publish(world, world.ns1, world.ns2)
    events = world.mock.onboard(
        web=live_server.url, tenant_id=world.tenant.pk, every=0, domains=[NAME]
    )
    events.join()
    assert work(world) == 1
    row = AuditDomain.objects.get(domain=NAME)
    assert row.onboarding and row.score < 8

    board = new_page(make_operator())
    board.goto("/onboarding/")
    board.get_by_label(f"Select {NAME}").check()
    board.get_by_role("button", name="Make report links").click()
    [name, address] = board.locator("pre.links").inner_text().split()
    assert name == NAME

    page = new_page(allow=(429,))
    page.goto(address)
    page.evaluate("window.stood = true")
    spf = page.locator("#step-dns_spf .record")
    expect(spf).to_have_count(1)
    paste(world, spf)
    publish(world, world.ns1)
    page.get_by_role("button", name="Check again").click()
    expect(spf.locator(".servers li")).to_have_text(
        ["ns1 has it", "ns2 not yet, it has no such record"]
    )
    expect(spf.locator(".servers")).to_have_class("servers is-some")
    assert page.evaluate("document.activeElement.textContent") == "Check again"
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.set_viewport_size({"width": 1400, "height": 900})

    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("You can check again in")).to_be_visible()
    expect(spf.locator(".servers li")).to_have_count(2)

    publish(world, world.ns2)
    check_again(page)
    expect(spf.locator(".servers")).to_have_class("servers is-all")
    expect(page.get_by_role("status").first).to_contain_text("1 of ")
    assert work(world) == 1
    expect(page.locator("#step-dns_spf")).to_have_count(0)
    expect(page.locator("#step-dns_mx .record").first).to_be_visible()

    for _round in range(3):  # DMARC's policy is tightened once its record stands
        for record in page.locator(".record").all():
            paste(world, record)
        publish(world, world.ns1, world.ns2)
        left = page.locator(".record").count()
        check_again(page)
        expect(page.locator(".servers.is-all")).to_have_count(left)
        work(world)
        row.refresh_from_db()
        if row.score == 8:
            break
        expect(page.locator(".servers.is-all")).to_have_count(0)
    assert row.score == 8
    expect(page.get_by_role("heading", name="Thank you, all is done")).to_be_visible()
    assert page.evaluate("window.stood"), "the page stood while all of it changed"

    board.goto("/onboarding/?stage=done")
    expect(board.locator("tr", has_text=NAME).locator(".at-stage.is-done")).to_be_visible()
    board.goto("/onboarding/")
    expect(board.get_by_text(NAME)).to_have_count(0)


def test_without_javascript_the_page_shows_the_same(new_page, live_server, world):
    publish(world, world.ns1, world.ns2)
    events = world.mock.onboard(
        web=live_server.url, tenant_id=world.tenant.pk, every=0, domains=[NAME]
    )
    events.join()
    work(world)
    [link] = AuditDomain.objects.get(domain=NAME).report_links.model.objects.make(
        [AuditDomain.objects.get(domain=NAME)]
    )
    page = new_page(allow=(429,), java_script_enabled=False)
    page.goto(link.get_absolute_url())
    paste(world, page.locator("#step-dns_spf .record"))
    publish(world, world.ns1)
    page.get_by_role("button", name="Check again").click()
    expect(page.locator("#step-dns_spf .servers li")).to_have_text(
        ["ns1 has it", "ns2 not yet, it has no such record"]
    )
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_role("heading", name="Not yet")).to_be_visible()
    page.get_by_role("link", name="Back to the report").click()
    expect(page.locator("#step-dns_spf .servers li")).to_have_count(2)
