"""A server without a portal beside one that has one, in a real browser."""

import pytest
from playwright.sync_api import expect

from audit.models import Tenant
from tests.audit.factories import make_admin, make_domain, make_tenant, make_viewer, make_worker
from tests.browser.test_looks import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SAID = "Not measured here: Carbonio, nginx virtual host. This server has no portal, on purpose."


@pytest.fixture
def fleet():
    """The same domain on both, all right but for what is not measured on one."""
    make_worker()
    without = make_tenant("VM113", without_portal=True)
    other = make_tenant("VM112", portal_url="http://10.10.10.112:8090", portal_token="t")
    make_domain("six.pt", without, checks={"carbonio": "unknown"}, onboarding=False)
    make_domain("eight.pt", other, checks={"nginx_vhost": "fail"}, onboarding=False)
    return without


def test_cards_and_table_count_to_what_is_measured(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/?view=cards")
    card, other = (page.locator("a.card", has_text=name) for name in ("six.pt", "eight.pt"))
    expect(card.locator(".score")).to_have_text("6/6")
    expect(other.locator(".score")).to_have_text("7/8")
    expect(card.locator(".badge")).to_have_text("healthy")
    expect(card.locator(".seg.is-off")).to_have_count(2)
    expect(card.locator(".seg.is-ok")).to_have_count(6)
    expect(card.locator(".seg.is-off").first).to_have_attribute(
        "title", "Carbonio: not measured here"
    )
    expect(card).to_contain_text(SAID)  # for ears: the places are for eyes
    expect(other.locator(".seg.is-off")).to_have_count(0)
    page.goto("/?view=table&fold=none")
    row = page.locator("tr.line", has_text="six.pt")
    expect(row.locator(".at-score")).to_contain_text("6/6")
    expect(row.locator(".seg")).to_have_count(8)  # each below its heading
    expect(row.locator(".seg").nth(1)).to_have_attribute(
        "title", "nginx virtual host: not measured here"
    )
    expect(row.locator(".at-checks")).to_contain_text(SAID)


def test_the_scorecard_lists_six_and_says_why(new_page, fleet):
    page = new_page(make_viewer())
    page.goto(f"/domains/{fleet.pk}/six.pt/")
    expect(page.locator("#scorecard .score")).to_have_text("6/6")
    expect(page.locator("ol.rows > .check")).to_have_count(6)
    expect(page.locator(".not-here")).to_have_text(SAID)


def test_its_server_page_says_so(new_page, fleet):
    page = new_page(make_viewer())
    page.goto(f"/tenants/{fleet.pk}/")
    expect(page.locator(".banner.is-info")).to_contain_text(SAID)
    expect(page.locator(".server-off")).to_contain_text("This server has no portal, on purpose.")


def test_the_form_refuses_both_and_one_of_them_counts_at_once(new_page, fleet):
    other = Tenant.objects.get(name="VM112")
    page = new_page(make_admin())
    page.goto(f"/admin/audit/tenant/{other.pk}/change/")
    page.get_by_label("Without a portal").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".errorlist")).to_contain_text("There is a portal address above")
    page.get_by_label("Portal address").fill("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert Tenant.objects.get(pk=other.pk).portal_token == "t"
    page.goto("/?view=cards")
    card = page.locator("a.card", has_text="eight.pt")
    expect(card.locator(".score")).to_have_text("6/6")
    expect(card.locator(".badge")).to_have_text("healthy")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 320)])
def test_it_fits_and_axe_finds_nothing(new_page, fleet, scheme, width):
    page = new_page(make_viewer(), color_scheme=scheme, width=width)
    for path in (
        "/?view=cards",
        "/?view=table&fold=none",
        f"/domains/{fleet.pk}/six.pt/",
        f"/tenants/{fleet.pk}/",
    ):
        page.goto(path)
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
