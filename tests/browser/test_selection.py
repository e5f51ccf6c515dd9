"""A selection on the overview: made by mouse and keys, audited, kept while the page refreshes."""

import pytest
from playwright.sync_api import expect

from audit.models import AuditRun, RunDomain
from tests.audit.factories import audit, make_operator, make_viewer
from tests.browser.steps import refresh
from tests.browser.test_looks import SMALL, violations
from tests.browser.test_overview import fleet, path  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def picked(page):
    """The names of the cards that are selected, in their order."""
    return page.locator(".cards > li:has(:checked) h2").all_inner_texts()


def test_it_audits_a_selection(new_page, fleet):  # noqa: F811
    page = new_page(make_operator())
    page.goto("/?q=pt")
    expect(page.locator("#selection")).not_to_be_visible()
    for name in ("bad.pt", "good.pt"):
        page.locator(".cards > li", has_text=name).hover()
        page.get_by_role("checkbox", name=f"Select {name}").click()
    expect(page.locator("#selection")).to_be_visible()
    assert picked(page) == ["bad.pt", "good.pt"]
    assert path(page) == "/?q=pt", "a selection opens nothing"
    page.click("#run-selected")
    expect(page.locator("#progress")).to_contain_text("0 of 2")
    expect(page.locator("#notice")).to_contain_text("0 of 2")
    expect(page.locator("#selection")).not_to_be_visible()
    expect(page.locator(f"#d{fleet[0].pk} .when")).to_contain_text("audit asked for")
    assert set(RunDomain.objects.values_list("domain", flat=True)) == {fleet[0].pk, fleet[2].pk}
    audit(fleet[0])
    audit(fleet[2])
    expect(page.locator("#progress")).to_contain_text("2 of 2")
    expect(page.locator("#notice")).to_contain_text("2 of 2")  # it has not stood still


def test_it_selects_and_audits_with_the_keyboard_alone(new_page, fleet):  # noqa: F811
    page = new_page(make_operator())
    page.goto("/")
    for key in "jxjx":
        page.keyboard.press(key)
    assert picked(page) == ["bad.pt", "so-so.pt"]
    page.keyboard.press("x")
    assert picked(page) == ["bad.pt"]
    page.keyboard.press("Tab")  # to the checkbox of so-so.pt: a checkbox is no place to type
    page.keyboard.press("Space")
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert picked(page) == ["bad.pt", "so-so.pt", "good.pt"]
    page.keyboard.press("Escape")
    assert picked(page) == []
    expect(page.locator("[data-card]").nth(2)).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # opens, as on the card
    expect(page.locator("#scorecard-title")).to_have_text("good.pt")
    assert not AuditRun.objects.exists()
    page.keyboard.press("Escape")
    assert picked(page) == ["good.pt"], "the panel is closed first"
    page.keyboard.press("r")
    expect(page.locator("#progress")).to_contain_text("0 of 1")
    assert RunDomain.objects.get().domain == fleet[2]
    assert picked(page) == []


def test_the_focus_goes_back_to_the_card_when_the_bar_goes(new_page, fleet):  # noqa: F811
    page = new_page(make_operator())
    page.goto("/")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="Select none").press("Enter")
    expect(page.locator("[data-card]").first).to_be_focused()
    assert picked(page) == []


def test_a_quiet_refresh_keeps_the_selection_of_the_domains_that_stay(new_page, fleet):  # noqa: F811
    page = new_page(make_operator())
    page.goto("/?status=critical")
    page.goto("/")
    for key in "jxjx":
        page.keyboard.press(key)
    audit(fleet[2], dns_mx="fail", dns_spf="fail")  # now worse than both: the cards move
    refresh(page)
    expect(page.locator("[data-card] h2").first).to_have_text("good.pt")
    assert sorted(picked(page)) == ["bad.pt", "so-so.pt"]
    expect(page.locator("#selection")).to_be_visible()
    fleet[1].delete()
    refresh(page)
    expect(page.locator("[data-card]")).to_have_count(2)
    assert picked(page) == ["bad.pt"]


def test_it_keeps_the_selection_when_it_is_asked_too_often(new_page, fleet, settings):  # noqa: F811
    settings.AUDIT_RUNS_PER_MINUTE = 1
    page = new_page(make_operator(), allow=[429])
    page.goto("/")
    for said in ("0 of 1", "many audits in a short time"):
        page.focus("[data-card]")
        page.keyboard.press("x")
        page.click("#run-selected")
        expect(page.locator("#progress")).to_contain_text(said)
        if said == "0 of 1":  # what was asked for is selected no more
            expect(page.locator("#selection")).to_be_hidden()
    assert picked(page) == ["bad.pt"]


def test_it_selects_without_javascript(new_page, fleet):  # noqa: F811
    page = new_page(make_operator(), java_script_enabled=False)
    page.goto("/?q=pt")
    page.check(f"#s{fleet[1].pk}", force=True)
    page.click("#run-selected")
    expect(page.locator("#progress")).to_contain_text("0 of 1")
    expect(page).to_have_url(f"/?q=pt&runs={AuditRun.objects.get().pk}")
    assert RunDomain.objects.get().domain == fleet[1]


def test_viewers_select_nothing(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer())
    page.goto("/")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".pick, #selection")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_selection_fits_a_phone_and_hides_nothing(new_page, fleet, scheme):  # noqa: F811
    page = new_page(
        make_operator(),
        width=360,
        height=740,
        color_scheme=scheme,
        has_touch=True,
        is_mobile=True,
        locale="pt-PT",
    )
    page.goto("/")
    box = page.locator(".pick").first
    assert box.evaluate("e => getComputedStyle(e).opacity") == "1", (
        "there is no hovering on a phone"
    )
    box.tap()
    expect(page.locator("#selection")).to_be_visible()
    assert path(page) == "/"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(SMALL) == []
    name, label = (
        page.locator(".card h2").first.bounding_box(),
        page.locator(".pick input").first.bounding_box(),
    )
    assert label["x"] + label["width"] <= name["x"], "the box is beside the name, not over it"
    page.locator("[data-card]").last.focus()
    card, bar = (
        page.locator("[data-card]").last.bounding_box(),
        page.locator("#selection").bounding_box(),
    )
    assert card["y"] + card["height"] <= bar["y"], "the bar does not lie over what has the focus"
    assert violations(page) == []
