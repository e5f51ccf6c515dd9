"""The board of the onboarding in a real browser: from an event over the link to 8/8."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audit.models import AuditDomain, ReportLink, WebhookEvent
from audit.queue import onboarding_events
from tests.audit.factories import (
    audit,
    make_domain,
    make_operator,
    make_tenant,
    make_viewer,
    make_worker,
)
from tests.audit.notify.receivers import MailServer, to_server
from tests.browser.test_looks import SMALL, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOTHING = dict.fromkeys(("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc"), "fail")


def event(tenant, domain):
    """The portal says that an account was made."""
    row = WebhookEvent.objects.create(
        tenant=tenant,
        event_id="e1",
        event="account.created",
        payload={"type": "account.created", "data": {"domain": domain}},
    )
    assert onboarding_events.process(row.pk)
    return AuditDomain.objects.get(domain=domain)


@pytest.fixture
def mails(settings):
    """A mail server that mail goes to."""
    with MailServer() as server:
        to_server(settings, server)
        yield server


@pytest.fixture
def tenant(settings):
    settings.AUDIT_GRACE_DAYS = 7
    make_worker()
    return make_tenant("VM112", language="pt", contact="suporte@host.test")


@pytest.fixture
def board(tenant):
    """One in every stage, one overdue, one that is done."""
    stages = {
        "registered.pt": NOTHING,
        "link.pt": NOTHING,
        "dns.pt": {"dns_mx": "fail"},
        "mx.pt": {"cert_le": "fail"},
        "dark-and-with-a-rather-long-name-that-goes-on.pt": {"dns_mx": "unknown"},
        "done.pt": {},
    }
    rows = {name: make_domain(name, tenant, checks=checks) for name, checks in stages.items()}
    make_domain("new.pt", tenant)
    late = timezone.now() - timedelta(days=9)
    AuditDomain.objects.filter(domain="link.pt").update(created_at=late)
    [link] = ReportLink.objects.make([rows["link.pt"]])
    link.note_sent("eva@example.com")
    link.note_opened()
    return rows


def test_from_the_event_to_8_of_8(new_page, tenant, mails):
    page = new_page(make_operator("ana"))
    page.goto("/onboarding/")
    expect(page.locator(".empty")).to_contain_text("event")
    domain = event(tenant, "novo.pt")
    page.reload()
    row = page.locator(f"#d{domain.pk}")
    expect(row).to_contain_text("waits for a measurement")
    expect(row).to_contain_text("not audited yet")
    audit(domain, **NOTHING)
    page.reload()
    expect(row).to_contain_text("MX, SPF, DKIM +1")
    expect(row).to_contain_text("no link sent yet")

    row.get_by_role("button", name="Mail a link").click()
    expect(page.locator("h1")).to_have_text("Send the report of novo.pt")
    page.get_by_label("To, one address").fill("eva@example.com")
    text = page.get_by_label("Text")
    text.fill(text.input_value().replace("novo.pt", "novo.pt (o seu)"))
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").first).to_contain_text("took the message to eva@example.com")
    [(_to, mail)] = mails.mails
    assert "novo.pt (o seu)" in mail.get_content()
    address = re.search(r"https?://\S+", mail.get_content())[0]

    page.goto("/onboarding/?stage=link")
    expect(row).to_contain_text("waits for the customer")
    expect(row).to_contain_text("not opened yet")
    customer = new_page(width=320, height=700)
    customer.goto(address)
    expect(customer.locator("h1")).to_be_visible()
    page.reload()
    expect(row).to_contain_text("not opened yet")  # as a filter of mail does it
    with customer.expect_response(re.compile("/seen/$")):
        customer.keyboard.press("Tab")
    page.reload()
    expect(row).to_contain_text("opened just now")

    audit(domain, dns_mx="fail")
    page.goto("/onboarding/")
    expect(row.locator(".at-stage")).to_have_text("DNS right")
    audit(domain, cert_le="fail")
    page.reload()
    expect(row.locator(".at-stage")).to_have_text("MX moved")
    audit(domain)
    page.reload()
    expect(page.locator(".empty")).to_contain_text("No domain is in onboarding")
    page.click("#stage-done")
    expect(row).to_contain_text("done just now")
    expect(page.locator(".months tbody tr")).to_have_count(1)


def test_a_report_that_is_read_without_scripts_was_opened(new_page, board):
    [link] = ReportLink.objects.make([board["dns.pt"]])
    customer = new_page(width=320, height=700, java_script_enabled=False)
    with customer.expect_response(re.compile("/seen/$")):
        customer.goto(link.get_absolute_url())
    link.refresh_from_db()
    assert link.opened_at
    box = customer.locator("main img").bounding_box()
    assert not box or not box["height"], "and nobody sees how"


def test_selected_domains_get_links_or_are_taken_out(new_page, board):
    page = new_page(make_operator())
    page.goto("/onboarding/")
    bar = page.locator("#selection")
    expect(bar).not_to_be_visible()
    page.get_by_role("checkbox", name="Select registered.pt").check()
    page.get_by_role("checkbox", name="Select dns.pt").check()
    expect(bar).to_be_visible()
    bar.get_by_role("button", name="Make report links").click()
    expect(page.locator("pre.links")).to_contain_text(
        re.compile(r"dns.pt http.*registered.pt http", re.S)
    )
    page.get_by_role("link", name="← Onboarding").click()
    page.get_by_role("checkbox", name="Select mx.pt").check()
    page.get_by_role("button", name="Take out of onboarding").click()
    expect(page).to_have_url(re.compile("/onboarding/$"))
    expect(page.get_by_role("status").first).to_contain_text("Taken out of onboarding: 1 domain.")
    expect(page.get_by_role("link", name="mx.pt")).to_have_count(0)


def test_a_link_is_revoked_on_the_scorecard_after_a_second_look(new_page, board):
    page = new_page(make_operator())
    row = board["link.pt"]
    page.goto(f"/domains/{row.tenant_id}/link.pt/")
    expect(page.locator(".links-made")).to_contain_text("opened just now")
    revoke = page.get_by_role("button", name="Revoke this link")
    expect(revoke).not_to_be_visible()
    page.locator(".revoke > summary").click()
    revoke.click()
    expect(page.locator(".links-made b")).to_contain_text("revoked just now")
    assert ReportLink.objects.get().revoked_at
    page.click("#turn-onboarding")
    expect(page.locator(".onboarding-line")).to_contain_text("Taken out of onboarding")
    page.click("#turn-onboarding")
    expect(page.locator(".onboarding-line")).to_contain_text("In onboarding")


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "pt-PT")])
@pytest.mark.parametrize("width", [1400, 320])
def test_its_pages_are_for_everybody(new_page, board, scheme, locale, width):
    page = new_page(make_operator(), width=width, color_scheme=scheme, locale=locale)
    link = ReportLink.objects.get()
    row = board["link.pt"]
    for path in (
        "/onboarding/",
        "/onboarding/?stage=done",
        "/onboarding/?q=nothing",
        f"/report-links/{link.pk}/mail/",
        f"/domains/{row.tenant_id}/link.pt/",
    ):
        page.goto(path)
        for details in page.locator(".revoke:not([open]) > summary").all():
            details.click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert violations(page) == [], path
        assert page.evaluate(SMALL) == [], path


def test_the_board_works_without_javascript(new_page, board):
    page = new_page(make_operator(), java_script_enabled=False)
    page.goto("/onboarding/?q=registered")
    page.get_by_role("checkbox", name="Select registered.pt").check()
    page.get_by_role("button", name="Take out of onboarding").click()
    expect(page.locator(".empty")).to_contain_text("Nothing fits these filters")
    assert not AuditDomain.objects.get(domain="registered.pt").onboarding


def test_who_may_only_look_gets_no_buttons(new_page, board):
    page = new_page(make_viewer())
    page.goto("/onboarding/")
    expect(page.locator(".board tbody tr")).to_have_count(6)
    assert page.locator("main button, main input[type=checkbox]").count() == 1, "the filters' own"
