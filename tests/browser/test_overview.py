"""The overview in a real browser: filters and the address, the panel, keys, audits, refresh."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audit.models import AuditDomain, AuditRun
from collectors.base import Action, DnsRecord, Fix
from collectors.text import _
from tests.audit.factories import (
    audit,
    make_domain,
    make_domains,
    make_operator,
    make_result,
    make_tenant,
    make_viewer,
    make_worker,
)
from tests.browser.steps import refresh

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SPF = "v=spf1 include:_spf.google.com include:_spf.host.test ~all"


@pytest.fixture
def fleet():
    """Three domains of two tenants: bad.pt (SPF fails), so-so.pt (DMARC warns), good.pt."""
    make_worker()
    tenant = make_tenant()
    fix = Fix(
        _("Add our include."),
        (DnsRecord("TXT", "bad.pt", SPF, Action.REPLACE, "v=spf1 include:_spf.google.com ~all"),),
    )
    bad = make_domain("bad.pt", tenant, checks={})
    audit(bad, dns_spf="fail")
    from audit.results import store

    store.record(bad, {"dns_spf": make_result("dns_spf", "fail", fix=fix)}, begun_at=timezone.now())
    return [
        bad,
        make_domain("so-so.pt", tenant, checks={"dns_dmarc": "warn"}),
        make_domain("good.pt", make_tenant("VM113"), checks={}),
    ]


def names(page):
    return page.locator("[data-card] h2").all_inner_texts()


def path(page):
    return page.evaluate("location.pathname + location.search")


def test_it_shows_cards_worst_first_and_the_state_on_the_tab(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/")
    assert names(page) == ["bad.pt", "so-so.pt", "good.pt"]
    expect(page).to_have_title("(1) Ligbox Audit")
    expect(page.locator("#icon")).to_have_attribute("href", re.compile("critical"))
    expect(page.locator(".alive")).to_contain_text("worker alive")


def test_it_filters_in_place_and_goes_back(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/")
    page.select_option("#f-check", "dns_dmarc")
    expect(page.locator("[data-card]")).to_have_count(1)
    expect(page).to_have_url("/?check=dns_dmarc")
    page.reload()
    assert names(page) == ["so-so.pt"]
    page.select_option("#f-check", "")
    expect(page.locator("[data-card]")).to_have_count(3)
    page.go_back()
    expect(page.locator("[data-card]")).to_have_count(1)
    expect(page.locator("#f-check")).to_have_value("dns_dmarc")
    page.click("#count-critical")  # a number leads to as many as it says: to no check alone
    expect(page.locator("[data-card]")).to_have_count(1)
    expect(page).to_have_url("/?status=critical")
    assert names(page) == ["bad.pt"]
    expect(page.locator("#f-check")).to_have_value("")
    page.select_option("#f-check", "dns_dmarc")
    expect(page.locator(".empty")).to_be_visible()
    page.get_by_role("link", name="Show all domains").click()
    expect(page.locator("[data-card]")).to_have_count(3)


def test_it_searches_with_the_slash_key_as_one_types(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("so-so", delay=10)
    expect(page.locator("[data-card]")).to_have_count(1)
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("so-so")
    expect(page).to_have_url("/?q=so-so")
    page.keyboard.type("jk/r?", delay=10)
    expect(page.locator("#q")).to_have_value("so-sojk/r?")  # keys are letters while one types
    expect(page.locator(".empty")).to_be_visible()
    expect(page.locator("#help")).not_to_be_visible()


def test_it_opens_the_panel_by_click_and_closes_it_with_escape(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/?sort=domain")
    card = page.locator("[data-card]", has_text="so-so.pt")
    card.click()
    expect(page.locator("#scorecard-title")).to_have_text("so-so.pt")
    expect(page).to_have_url(f"/domains/{fleet[1].tenant_id}/so-so.pt/?sort=domain")
    expect(page.locator("#panel")).to_be_focused()
    expect(card).to_have_attribute("aria-current", "true")
    page.locator("[data-card]", has_text="good.pt").click()
    expect(page.locator("#scorecard-title")).to_have_text("good.pt")
    page.go_back()
    expect(page.locator("#scorecard-title")).to_have_text("so-so.pt")
    page.keyboard.press("Escape")
    expect(page.locator("#scorecard")).to_have_count(0)
    expect(page).to_have_url("/?sort=domain")
    expect(card).to_be_focused()
    page.go_back()
    expect(page.locator("#scorecard-title")).to_have_text("so-so.pt")
    page.locator("[data-close]").click()
    expect(page.locator("#scorecard")).to_have_count(0)


def test_it_works_with_the_keyboard_alone(new_page, fleet):
    page = new_page(make_operator())
    page.goto("/")
    for _step in "jjk":
        page.keyboard.press(_step)
    expect(page.locator("[data-card]").nth(0)).to_be_focused()
    page.keyboard.press("Control+j")
    expect(page.locator("[data-card]").nth(0)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#scorecard-title")).to_have_text("bad.pt")
    page.keyboard.press("Escape")
    expect(page.locator("[data-card]").nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.locator("#run progress")).to_be_visible()
    assert AuditRun.objects.get().scope == "so-so.pt"
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()
    expect(page.locator("#scorecard")).to_be_visible()


def test_it_audits_the_card_asked_for_though_another_settles_late(new_page, fleet):
    page = new_page(make_operator())
    page.goto("/")
    page.evaluate("""() => {
      htmx.config.defaultSettleDelay = 500;
      document.addEventListener("htmx:afterSettle", (event) => {
        document.body.dataset.settled = event.detail.requestConfig?.path;
      });
    }""")
    held = []
    page.route("**/so-so.pt/panel/**", lambda route: held.append(route))
    for key in ("j", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#scorecard-title")).to_have_text("bad.pt")
    for key in ("Escape", "j", "r"):
        page.keyboard.press(key)
    expect(page.locator("body")).to_have_attribute("data-settled", re.compile("/bad.pt/panel/"))
    held[0].continue_()
    expect(page.locator("#scorecard-title")).to_have_text("so-so.pt")
    expect(page.locator("#run progress")).to_be_visible()
    assert AuditRun.objects.get().scope == "so-so.pt"


def test_it_shows_the_progress_of_an_audit_and_its_results_as_they_land(new_page, fleet):
    bad = fleet[0]
    page = new_page(make_operator())
    page.goto("/")
    page.locator("[data-card]").nth(0).click()
    page.locator(f"#e-{bad.pk}-dns_spf summary").click()
    page.click("[data-run]")
    expect(page.locator("#run progress")).to_be_visible()
    expect(page.locator("[data-run]")).to_be_disabled()
    audit(bad, dns_spf="warn")
    expect(page.locator("#run")).to_contain_text("Audit finished")
    expect(page.locator("[data-run]")).to_be_enabled()
    expect(page.locator(f"#c-{bad.pk}-dns_spf")).to_contain_text("warning")
    (
        expect(page.locator(f"#e-{bad.pk}-dns_spf")).to_have_attribute("open", ""),
        "what was opened stays open",
    )
    expect(page.locator(f"#d{bad.pk} .badge")).to_have_text("warning")
    expect(page.locator("#live")).to_contain_text("Audit of bad.pt finished: 7 of 8")
    expect(page).to_have_title("(2) Ligbox Audit")
    expect(page.locator("#icon")).to_have_attribute("href", re.compile("warning"))


def test_it_audits_all_that_is_filtered(new_page, fleet):
    page = new_page(make_operator())
    page.goto("/?status=critical")
    page.evaluate("window.confirm = () => true")
    page.click("#run-filtered")
    expect(page.locator("#progress")).to_contain_text("0 of 1")
    refresh(page)
    expect(page.locator("#progress")).to_contain_text("0 of 1")
    audit(fleet[0])
    expect(page.locator("#progress")).to_contain_text("1 of 1")
    expect(page.locator(".empty")).to_be_visible()


def test_it_refreshes_quietly(new_page, fleet):
    page = new_page(make_viewer(), height=500)
    for domain in make_domains(30, fleet[0].tenant):
        audit(domain)
    page.goto("/?sort=domain")
    page.locator("[data-card]").nth(1).click()
    expect(page.locator("#scorecard")).to_be_visible()
    page.focus("#q")
    page.evaluate("scrollTo(0, 400)")
    page.evaluate("""() => {
        window.first = document.querySelector("[data-card]");
        document.getElementById("q").value = "half-ty";
    }""")
    audit(fleet[0], dns_mx="fail")
    audit(fleet[2], dns_mx="warn")
    refresh(page)
    expect(page.locator(f"#d{fleet[2].pk} .badge")).to_have_text("warning")
    assert page.evaluate(
        "[document.activeElement.id, document.getElementById('q').value, scrollY]"
    ) == ["q", "half-ty", 400]
    assert page.evaluate("window.first === document.querySelector('[data-card]')"), (
        "what stays is the same element"
    )
    expect(page.locator("#scorecard")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("1 critical, 2 warning")


def test_it_copies_the_value_and_nothing_else(new_page, fleet):
    page = new_page(make_viewer(), permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/domains/{fleet[0].tenant_id}/bad.pt/")
    page.get_by_role("button", name="Copy the value for bad.pt").click()
    expect(page.locator(".is-value .copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == SPF
    expect(page.locator(".is-value .copy")).to_have_text("Copy")


def test_it_works_without_javascript(new_page, fleet):
    page = new_page(make_operator(), java_script_enabled=False)
    page.goto("/?status=critical")
    page.locator("[data-card]").click()
    expect(page.locator("h1")).to_have_text("bad.pt")
    expect(page.locator(".copy").first).not_to_be_visible()
    page.click("#run-now")
    expect(page.locator("#run")).to_contain_text("Waiting")
    page.get_by_role("link", name="← Overview").click()
    expect(page).to_have_url("/?status=critical")
    page.fill("#q", "nothing")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".empty")).to_be_visible()


def test_it_leads_to_the_login_when_the_session_has_ended(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/?status=critical")
    page.context.clear_cookies()
    refresh(page)
    page.wait_for_url("**/login/?next=/%3Fstatus%3Dcritical")


def test_it_says_when_a_domain_is_gone_or_the_server_away(new_page, fleet):
    page = new_page(make_viewer(), allow=[404])
    page.goto("/")
    AuditDomain.objects.filter(domain="good.pt").delete()
    page.locator("[data-card]", has_text="good.pt").click()
    expect(page.locator("#notice")).to_contain_text("not here any more")
    expect(page).to_have_url("/")


def test_a_link_for_the_customer_is_made_copied_and_kept_while_the_panel_refreshes(new_page, fleet):
    page = new_page(make_operator())
    page.goto("/")
    page.locator("[data-card]").first.click()
    page.get_by_role("button", name="Report for the customer").click()
    link = page.locator("#report code")
    expect(link).to_be_visible()
    address = link.inner_text()
    with page.expect_response(lambda r: "/panel/" in r.url):
        refresh(page)
    expect(link).to_have_text(address)
    customer = new_page(width=360, height=800)
    customer.goto(address)
    expect(customer.locator("h1")).to_be_visible()
    assert customer.locator("nav").count() == 0
    assert customer.evaluate("document.documentElement.scrollWidth <= innerWidth")
