"""The panel and the list it stands beside, or over: focus, keys, names, and the back button."""

import pytest
from playwright.sync_api import expect

from tests.audit.factories import make_operator, make_viewer
from tests.browser.steps import refresh
from tests.browser.test_looks import violations
from tests.browser.test_overview import fleet, path  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BEHIND = """() => ["header.top a", "#q", "[data-card]", ".foot"].filter((part) => {
  const element = document.querySelector(part);
  element.focus();
  return element === document.activeElement;
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [800, 1151])
def test_over_the_list_it_is_all_there_is(new_page, fleet, width, scheme):  # noqa: F811
    page = new_page(make_operator(), width=width, color_scheme=scheme)
    page.goto("/")
    page.locator("[data-card]").first.click()
    panel = page.get_by_role("dialog", name="bad.pt")
    expect(panel).to_have_attribute("aria-modal", "true")
    assert page.evaluate(BEHIND) == []
    for _step in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body"
            " || document.activeElement.closest('#panel') !== null"
        )
    refresh(page)
    page.wait_for_load_state("networkidle")
    assert page.evaluate(BEHIND) == []
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("[data-card]").first).to_be_focused()
    assert "#q" in page.evaluate(BEHIND)


def test_beside_the_list_both_can_be_used(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), width=1152)
    page.goto("/")
    page.locator("[data-card]").first.click()
    panel = page.get_by_role("dialog", name="bad.pt")
    expect(panel).to_be_visible()
    assert panel.get_attribute("aria-modal") is None and "#q" in page.evaluate(BEHIND)
    page.set_viewport_size({"width": 1000, "height": 800})
    expect(panel).to_have_attribute("aria-modal", "true")
    assert page.evaluate(BEHIND) == []


@pytest.mark.parametrize("width", [1000, 1400])
def test_the_keys_turn_an_open_panel_to_the_next_domain(new_page, fleet, width):  # noqa: F811
    page = new_page(make_viewer(), width=width, aborts=True)
    page.goto("/")
    page.locator("[data-card]").first.click()
    title = page.locator("#scorecard-title")
    expect(title).to_have_text("bad.pt")
    page.keyboard.press("j")
    expect(title).to_have_text("so-so.pt")
    expect(page.locator("[data-card][aria-current]")).to_contain_text("so-so.pt")
    page.keyboard.press("k")
    expect(title).to_have_text("bad.pt")
    for key in "jjj":  # faster than they come, and past the end
        page.keyboard.press(key)
    expect(title).to_have_text("good.pt")
    page.keyboard.press("Escape")
    expect(page.locator("[data-card]", has_text="good.pt")).to_be_focused()


def test_the_back_button_takes_back_the_text_where_one_still_is(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer())
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("so-so")
    expect(page).to_have_url("/?q=so-so")
    page.go_back()
    expect(page.locator("[data-card]")).to_have_count(3)
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("")
    page.select_option("#f-check", "dns_dmarc")
    expect(page).to_have_url("/?check=dns_dmarc")
    page.go_back()
    expect(page.locator("[data-card]")).to_have_count(3)
    page.fill("#q", "so-so")  # at once, as one pastes: what was looked for before
    expect(page.locator("[data-card]")).to_have_count(1)
    page.go_forward()
    expect(page.locator("#q")).to_have_value("so-so")


def test_the_back_button_brings_the_list_that_a_panel_was_opened_from(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer())
    page.goto("/?sort=domain")
    page.locator("[data-card]", has_text="bad.pt").click()
    expect(page.locator("#scorecard-title")).to_have_text("bad.pt")
    page.fill("#q", "good")
    expect(page.locator("[data-card]")).to_have_count(1)
    page.go_back()
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator("[data-card]")).to_have_count(3)
    expect(page.locator("#scorecard-title")).to_have_text("bad.pt")
    assert path(page).endswith("/bad.pt/?sort=domain")
