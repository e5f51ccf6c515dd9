"""The pause of the quiet refresh."""

import re

import pytest
from playwright.sync_api import expect

from tests.audit.factories import audit, make_operator, make_viewer
from tests.browser.test_overview import fleet  # noqa: F401 - a fixture

ASKS = re.compile("/(board|panel|progress)/")  # not whether the server is there
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_it_pauses_the_refresh_until_told_otherwise(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer())
    page.clock.install()
    page.goto("/")
    pause = page.get_by_role("button", name="Pause the refresh")
    expect(pause).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".top")).not_to_contain_text("Paused")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".top")).to_contain_text("Paused")
    asked = []
    page.on("request", lambda r: asked.append(r.url) if ASKS.search(r.url) else None)
    page.clock.run_for(70_000)
    assert asked == []
    audit(fleet[2], dns_mx="fail", dns_spf="fail")
    pause.click()  # what is overdue is had at once
    expect(page.locator("[data-card] h2").first).to_have_text("good.pt")
    expect(page.locator(".top")).not_to_contain_text("Paused")
    asked.clear()
    with page.expect_request("**/board/**"):
        page.clock.run_for(31_000)
    pause.click()
    page.reload()
    expect(pause).to_have_attribute("aria-pressed", "false")


def test_an_audit_that_one_asks_for_shows_its_progress_in_a_pause(new_page, fleet):  # noqa: F811
    page = new_page(make_operator())
    page.goto("/")
    page.get_by_role("button", name="Pause the refresh").click()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("r")
    expect(page.locator("#progress")).to_contain_text("0 of 1")
    audit(fleet[0], dns_spf="warn")
    expect(page.locator("#progress")).to_contain_text("1 of 1")
    expect(page.locator(f"#d{fleet[0].pk} .badge")).to_have_text("warning")


@pytest.mark.parametrize("locale", ["pt-PT", "pt-BR"])
def test_the_pause_is_where_there_is_a_refresh_and_fits_a_phone(new_page, fleet, locale):  # noqa: F811
    bad = fleet[0]
    page = new_page(make_operator("a-rather-long-name"), width=360, height=740, locale=locale)
    for path, found in [
        ("/", 1),
        (f"/domains/{bad.tenant_id}/bad.pt/", 1),
        (f"/domains/{bad.tenant_id}/bad.pt/history/", 0),
    ]:
        page.goto(path)
        expect(page.locator("[data-pause]")).to_have_count(found)
        if found:
            page.click("[data-pause]")
            expect(page.locator("[data-paused]")).not_to_be_empty()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
