"""The customer's report in a real browser: each field is copied by keyboard and said, all of it is
there without JavaScript and on paper, and it fits a phone.
"""

import itertools

import pytest
from playwright.sync_api import expect

from audit.models import ReportLink
from audit.reading.customer_report import steps_of
from collectors.base import Action, DnsRecord, Fix
from collectors.text import _
from tests.audit.customer_zone import store_domain
from tests.audit.factories import make_domain, make_result, make_tenant
from tests.browser.test_looks import XSS, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CLOUDFLARE = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
KEY = "v=DKIM1; k=rsa; p=" + "QUJD" * 120


def path_of(row):
    (link,) = ReportLink.objects.make([row])
    return f"/report/{link.token}/"


@pytest.fixture
def row():
    return store_domain(name_servers=CLOUDFLARE, dkim_cname="{selector}.{domain}.dkim.host.test")


@pytest.fixture
def hostile(row):
    """Long, broken and hostile texts wherever records have some."""
    records = (
        DnsRecord("TXT", "s1._domainkey.padaria.pt", KEY, Action.REPLACE, XSS),
        DnsRecord("TXT", f"{'a' * 63}.{'b' * 63}.padaria.pt", XSS + "y" * 900),
    )
    fix = Fix(_("{x}", x=XSS + "z" * 300), records)
    result = make_result("dns_dkim", "fail", fix=fix, message=XSS)
    return store_domain(tenant=make_tenant("VM9", language="en"), checks={"dns_dkim": result})


@pytest.mark.parametrize(
    ("scheme", "language", "width"),
    [("light", "en", 1280), ("dark", "pt", 390), ("light", "pt-br", 320)],
)
def test_it_fits_and_axe_finds_nothing(new_page, row, hostile, scheme, language, width):
    type(row.tenant).objects.update(language=language)
    done = make_domain("bom.pt", row.tenant, checks={})
    page = new_page(color_scheme=scheme, width=width)
    for domain in (row, hostile, done, make_domain("novo.pt", row.tenant)):
        page.goto(path_of(domain))
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, domain
        assert violations(page) == [], domain


def test_each_field_is_copied_by_the_keyboard_and_said_aloud(new_page, row):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(path_of(row))
    dkim = page.locator("#step-dns_dkim .record").last
    mx = page.locator("#step-dns_mx .record")
    wanted = {
        (dkim, 0): "CNAME",
        (dkim, 1): "s1._domainkey",
        (dkim, 2): "s1._domainkey.padaria.pt",
        (dkim, 3): "s1.padaria.pt.dkim.host.test",
        (dkim, 4): "3600",
        (mx, 1): "@",
        (mx, 3): "10",
        (mx, 4): "mx1.host.test",
        (page.locator("#step-dns_spf .record"), 3): (
            "v=spf1 include:_spf.elsewhere.test include:_spf.host.test ~all"
        ),
    }
    for (record, number), text in wanted.items():
        button = record.locator("[data-copy]").nth(number)
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_text("Copied")
        expect(page.locator("#live")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == text


def test_all_of_it_is_there_without_javascript(new_page, row):
    page = new_page(java_script_enabled=False)
    page.goto(path_of(row))
    expect(page.locator("[data-copy]").first).to_be_hidden()
    records = [r for step in steps_of(row) for r in step.records]
    for record in records:
        shown = page.locator(f"#{record.key}")
        for text in (record.name, record.relative, record.value):
            assert text in shown.inner_text(), text
    expect(page.locator("h3 .number")).to_have_text(["1", "2", "3", "4"])
    expect(page.locator(".hint b")).to_have_text("Your DNS is at Cloudflare.")
    page.locator(".zone summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as zone.txt").click()
    assert download.value.suggested_filename == "zone.txt"


def test_on_paper_every_record_is_whole(new_page, row):
    page = new_page(width=720, color_scheme="dark")
    page.goto(path_of(row))
    page.emulate_media(media="print")
    for step in steps_of(row):
        for record in step.records:
            shown = page.locator(f"#{record.key}")
            assert record.name in shown.inner_text() and record.value in shown.inner_text()
    expect(page.locator("[data-copy]").first).to_be_hidden()
    expect(page.locator("#again button")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_headings_are_in_order_and_each_button_says_what_it_copies(new_page, row):
    page = new_page()
    page.goto(path_of(row))
    levels = page.evaluate(
        "[...document.querySelectorAll('main :is(h1,h2,h3,h4)')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    names = page.locator("#step-dns_mx [data-copy]").evaluate_all(
        "all => all.map(b => b.getAttribute('aria-label'))"
    )
    assert names[0] == "Copy: Type, MX" and len(set(names)) == len(names)
