"""Themes, widths, accessibility, and hostile text, in a real browser."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from audit.models import AuditDomain
from audit.results import store
from collectors.base import Action, DnsRecord, Fix
from collectors.text import _
from tests.audit.factories import (
    audit,
    make_domain,
    make_operator,
    make_result,
    make_tenant,
    make_worker,
)
from tests.browser.steps import refresh

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
XSS = '"><img src=x onerror=alert(1)><script>alert(1)</script>'


@pytest.fixture
def fleet():
    """One domain of every kind."""
    make_worker()
    bad = make_domain("bad.pt", checks={})
    audit(bad, dns_spf="fail", dns_dmarc="warn", dns_mx="unknown")
    long = "v=spf1 ip4:203.0.113.25 " + "include:a.test " * 20 + "-all"
    records = (
        DnsRecord("TXT", "bad.pt", long, Action.REPLACE, "v=spf1 -all"),
        DnsRecord("TXT", "bad.pt", "v=spf1 +all", Action.REMOVE, "v=spf1 +all"),
    )
    fix = Fix(_("Replace it."), records)
    store.record(bad, {"dns_spf": make_result("dns_spf", "fail", fix=fix)}, begun_at=timezone.now())
    make_domain("раypal.a-very-long-name-that-goes-on-and-on-and-on.pt", checks={"dns_mx": "warn"})
    make_domain("new.pt")
    stale = make_domain("stale.pt", checks={})
    AuditDomain.objects.filter(pk=stale.pk).update(last_audit_at=timezone.now() - timedelta(days=2))
    make_domain("good.pt", checks={})
    return bad


def violations(page):
    page.evaluate("Promise.all(document.getAnimations().map(a => a.finished.catch(() => {})))")
    found = (
        Axe()
        .run(page, options={"resultTypes": ["violations"], "preload": False})
        .response["violations"]
    )
    return [
        (
            v["id"],
            [n["html"][:160] + " | " + (n.get("failureSummary") or "")[:300] for n in v["nodes"]],
        )
        for v in found
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_no_accessibility_violation(new_page, fleet, scheme):
    page = new_page(color_scheme=scheme)
    page.goto("/login/")
    page.fill("#id_username", "x")
    page.fill("#id_password", "y")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#login-error")).to_be_visible()
    assert violations(page) == []
    page = new_page(make_operator(), color_scheme=scheme)
    page.goto("/?sort=worst")
    assert violations(page) == []
    page.locator("[data-card]").first.click()
    expect(page.locator("#scorecard")).to_be_visible()
    page.evaluate("document.querySelectorAll('#scorecard details').forEach(d => d.open = true)")
    assert violations(page) == []
    page.goto(f"/domains/{fleet.tenant_id}/bad.pt/")
    page.evaluate("document.querySelectorAll('#scorecard details').forEach(d => d.open = true)")
    assert violations(page) == []
    page.keyboard.press("?")
    assert violations(page) == []
    page.goto(f"/domains/{fleet.tenant_id}/bad.pt/history/")
    assert violations(page) == []


def test_it_has_no_accessibility_violation_on_an_empty_installation(new_page):
    page = new_page(make_operator())
    page.goto("/")
    expect(page.locator(".steps")).to_be_visible()
    assert violations(page) == []


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_it_follows_the_system_theme_until_one_is_chosen(new_page, fleet):
    page = new_page(make_operator(), color_scheme="dark")
    page.goto("/")
    dark = background(page)
    page.emulate_media(color_scheme="light")
    light = background(page)
    assert light != dark
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    toggle.click()
    expect(toggle).to_have_text("Theme: dark")
    assert background(page) == dark
    page.reload()
    assert background(page) == dark
    toggle.click()
    assert background(page) == light


SMALL = """[...document.querySelectorAll(
    "a, button, select, input:not([type=hidden]), summary"
)].filter(e => {
    const r = e.getBoundingClientRect();
    return r.width && (r.height < 24 || r.width < 24)
        && !e.matches(".skip, p > a, h2 > a, label > input");
}).map(e => e.outerHTML.slice(0, 90))"""


@pytest.mark.parametrize("locale", ["en-GB", "pt-PT", "pt-BR"])
def test_it_fits_every_width_with_targets_large_enough(new_page, fleet, locale):
    page = new_page(make_operator("a-rather-long-name"), locale=locale)
    for path in [
        "/",
        f"/domains/{fleet.tenant_id}/bad.pt/",
        f"/domains/{fleet.tenant_id}/bad.pt/history/",
        "/login/",
    ]:
        page.goto(path)
        page.evaluate("document.querySelectorAll('main details').forEach(d => d.open = true)")
        for width in (320, 360, 768, 1200, 2560):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            assert page.locator(".top").bounding_box()["height"] < 100, "at most two rows"
        assert page.evaluate(SMALL) == [], path


CLIPPED = """() => [...document.querySelectorAll("#filters select")].filter((select) => {
  const has = select.offsetWidth;
  Object.assign(select.style, { flex: "none", maxWidth: "none" });
  const wants = select.offsetWidth; // as wide as its text and its arrow
  Object.assign(select.style, { flex: "", maxWidth: "" });
  return wants > has;
}).map((select) => select.selectedOptions[0].text)"""


@pytest.mark.parametrize("locale", ["pt-PT", "pt-BR", "en-GB"])
def test_the_filters_can_be_read_at_every_width_and_beside_the_panel(new_page, fleet, locale):
    page = new_page(make_operator(), locale=locale)
    for width in (360, 768, 1200, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/")
        assert page.evaluate(CLIPPED) == [], width
    page.locator("[data-card]").first.click()
    expect(page.locator("#scorecard")).to_be_visible()
    assert page.evaluate(CLIPPED) == []


@pytest.mark.parametrize("width", [740, 768, 900, 1160, 1400])
def test_nothing_lies_over_the_head_of_the_panel(new_page, fleet, width):
    page = new_page(make_operator("a-rather-long-name"), width=width)
    page.goto("/")
    page.locator("[data-card]").first.click()
    expect(page.locator("#scorecard")).to_be_visible()
    page.evaluate("Promise.all(document.getAnimations().map(a => a.finished.catch(() => {})))")
    for part in ("#scorecard-title", "[data-close]"):
        box = page.locator(part).bounding_box()
        inside = (
            f"document.elementFromPoint({box['x'] + 4}, {box['y'] + 2})?.closest({part!r}) !== null"
        )
        assert page.evaluate(inside), part


def test_a_stale_card_does_not_look_healthy(new_page, fleet):
    page = new_page(make_operator())
    page.goto("/?q=stale")
    green = page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--healthy')"
    )
    assert green
    colours = """(e) => [getComputedStyle(e, '::before').backgroundColor,
                         getComputedStyle(e.querySelector('.seg')).backgroundColor]"""
    stale = page.locator(".card").evaluate(colours)
    page.goto("/?q=good")
    good = page.locator(".card").evaluate(colours)
    assert not set(stale) & set(good)
    assert "nothing to do when last seen" not in page.content()


def test_a_stale_scorecard_does_not_look_healthy(new_page, fleet):
    page = new_page(make_operator())
    colours = """() => [
        getComputedStyle(document.querySelector("#scorecard .badge")).backgroundColor,
        getComputedStyle(document.querySelector("#scorecard .ico.is-ok")).color]"""
    seen = []
    for name in ("stale.pt", "good.pt"):
        page.goto(f"/domains/{fleet.tenant_id}/{name}/")
        seen.append(page.evaluate(colours))
    assert not set(seen[0]) & set(seen[1])


def test_it_prints_dark_on_white_whatever_the_theme(new_page, fleet):
    page = new_page(make_operator(), color_scheme="dark")
    page.goto(f"/domains/{fleet.tenant_id}/bad.pt/")
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    toggle.click()
    expect(toggle).to_have_text("Theme: dark")
    dark = page.evaluate("getComputedStyle(document.body).color")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page.evaluate("getComputedStyle(document.body).color") != dark
    expect(page.locator("ins").first).to_have_css("text-decoration-line", "underline")
    expect(page.locator(".fold > summary").first).not_to_be_visible()


def test_on_a_phone_a_card_leads_to_a_page_of_its_own(new_page, fleet):
    page = new_page(make_operator(), width=360, height=740)
    page.goto("/?sort=domain")
    page.locator("[data-card]", has_text="bad.pt").click()
    expect(page.locator("h1")).to_have_text("bad.pt")
    expect(page.locator("#board")).to_have_count(0)
    page.go_back()
    expect(page.locator("[data-card]").first).to_be_visible()


def test_it_keeps_still_for_those_who_ask(new_page, fleet):
    page = new_page(make_operator(), reduced_motion="reduce")
    page.goto("/")
    page.locator("[data-card]").first.click()
    expect(page.locator("#scorecard")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_hostile_text_is_text(new_page):
    """Case 161."""
    make_worker()
    domain = make_domain("cliente.pt", make_tenant(XSS[:100]))
    fix = Fix(_("Say {x}.", x=XSS), (DnsRecord("TXT", XSS, XSS, Action.REPLACE, "</pre>" + XSS),))
    for status in ("ok", "fail"):
        result = make_result(
            "dns_spf",
            status,
            message=XSS,
            evidence={XSS: ["javascript:alert(1)", "</title>", "{{987*789}}", status]},
            fix=fix,
        )
        store.record(domain, {"dns_spf": result}, begun_at=timezone.now())
    page = new_page(make_operator())
    page.goto("/")
    page.locator("[data-card]").click()
    expect(page.locator("#scorecard .finding-said")).to_have_text(XSS)
    refresh(page)
    page.wait_for_load_state("networkidle")
    for path in [
        f"/domains/{domain.tenant_id}/cliente.pt/",
        f"/domains/{domain.tenant_id}/cliente.pt/history/",
    ]:
        page.goto(path)
        assert page.locator("img").count() == 0
        hrefs = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
        assert all(h.startswith(("http://localhost", "http://127.0.0.1")) for h in hrefs)
