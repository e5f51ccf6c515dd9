"""Answers that come late: what a person did meanwhile wins. The test holds each answer back and
lets go of it, or sees it given up.
"""

import pytest
from playwright.sync_api import expect

from audit.models import AuditRun
from tests.audit.factories import audit, make_operator, make_viewer
from tests.browser.steps import refresh
from tests.browser.test_overview import fleet, path  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# what stands below the list the moment that this address has answered
ANSWERED = """address => { window.answered = new Promise(done =>
    document.body.addEventListener("htmx:afterRequest", ({ detail }) =>
        detail.xhr.responseURL === address &&
        done(document.getElementById("progress").getAttribute("hx-get")))) }"""


def hold(page, pattern):
    """The requests to this address, unanswered, in a list that grows."""
    held = []
    page.route(pattern, lambda route: held.append(route))
    return held


def ask_for(page, shown, asked):
    """Open the card of one domain and, when it is there, ask for another's, whose answer is held
    back: the held requests.
    """
    page.goto("/")
    page.locator("[data-card]", has_text=shown).click()
    expect(page.locator("#scorecard-title")).to_have_text(shown)
    held = hold(page, f"**/{asked}/panel/**")
    with page.expect_request(f"**/{asked}/panel/**"):
        page.locator("[data-card]", has_text=asked).click()
    return held


def test_a_panel_that_was_closed_before_it_came_stays_closed(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), aborts=True)
    held = ask_for(page, "good.pt", "bad.pt")
    with page.expect_event("requestfailed", lambda r: "/bad.pt/panel/" in r.url):
        page.keyboard.press("Escape")
    expect(page.locator("#scorecard")).to_have_count(0)
    assert path(page) == "/" and len(held) == 1


def test_the_back_button_takes_back_a_panel_that_still_comes(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), aborts=True)
    held = ask_for(page, "bad.pt", "good.pt")
    with page.expect_event("requestfailed", lambda r: "/good.pt/panel/" in r.url):
        page.go_back()
    expect(page.locator("#scorecard")).to_have_count(0)
    assert path(page) == "/" and len(held) == 1


def test_the_back_button_brings_the_old_list_though_a_refresh_hangs(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), aborts=True)
    page.goto("/")
    page.select_option("#f-check", "dns_dmarc")
    expect(page.locator("[data-card]")).to_have_count(1)
    held = hold(page, "**/board/?check=dns_dmarc*")
    with page.expect_request("**/board/?check=dns_dmarc*"):
        refresh(page)
    page.go_back()
    expect(page.locator("[data-card]")).to_have_count(3)
    assert page.locator("#f-check").input_value() == "" and path(page) == "/" and len(held) == 1


def test_a_panel_that_comes_late_leaves_the_focus_with_who_types(new_page, fleet):  # noqa: F811
    page = new_page(make_operator())
    page.goto("/")
    held = hold(page, "**/bad.pt/panel/**")
    with page.expect_request("**/bad.pt/panel/**"):
        page.locator("[data-card]", has_text="bad.pt").click()
    page.focus("#q")
    held[0].continue_()
    expect(page.locator("#scorecard-title")).to_have_text("bad.pt")
    page.keyboard.type("r")
    assert page.locator("#q").input_value() == "r"
    assert not AuditRun.objects.exists()


def test_the_progress_of_an_older_run_does_not_replace_that_of_a_newer(new_page, fleet):  # noqa: F811
    """Given up or not: a refresh of the list makes htmx forget what is on its way."""
    page = new_page(make_operator(), aborts=True)
    gone = []
    page.on("requestfailed", lambda request: gone.append(request.url))
    page.goto("/?status=critical")
    page.evaluate("window.confirm = () => true")
    held = hold(page, "**/progress/?ids=*")
    with page.expect_request("**/progress/?ids=*"):
        page.click("#run-filtered")
    with page.expect_response("**/board/**"):
        refresh(page)
    audit(fleet[0], dns_spf="fail")  # the first run ends
    with page.expect_response("**/run/?status=critical"):
        page.click("#run-filtered")
    assert AuditRun.objects.count() == 2
    newer = f"/progress/?ids={AuditRun.objects.latest('pk').pk}"
    expect(page.locator("#progress")).to_have_attribute("hx-get", newer)
    older = held[0].request.url
    if older not in gone:
        page.evaluate(ANSWERED, older)
        held[0].continue_()
        assert page.evaluate("window.answered") == newer
    expect(page.locator("#progress")).to_have_attribute("hx-get", newer)


def test_filters_that_could_not_be_had_are_asked_for_again(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), allow=[503])
    page.clock.install()
    page.goto("/")
    page.route("**/board/?*", lambda route: route.fulfill(status=503))
    with page.expect_response(lambda r: r.status == 503):
        page.select_option("#f-check", "dns_dmarc")
    expect(page.locator("#notice")).to_contain_text("tries again by itself")
    page.unroute("**/board/?*")
    page.clock.run_for(6_000)
    expect(page.locator("[data-card]")).to_have_count(1)
    assert path(page) == "/?check=dns_dmarc"
    expect(page.locator("#f-check")).to_have_value("dns_dmarc")
    assert page.locator("[data-unsent]").count() == 0


def test_filters_that_were_refused_show_what_the_list_shows(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), allow=[414])
    page.goto("/?check=dns_spf")
    page.route("**/board/?*", lambda route: route.fulfill(status=414))
    with page.expect_response(lambda r: r.status == 414):
        page.select_option("#f-check", "dns_dmarc")
    expect(page.locator("#f-check")).to_have_value("dns_spf")
    expect(page.locator("[data-card]")).to_have_count(1)


def test_the_back_button_takes_back_filters_that_could_not_be_had(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), allow=[503])
    page.clock.install()
    page.goto("/")
    page.locator("[data-card]", has_text="bad.pt").click()
    expect(page.locator("#scorecard-title")).to_have_text("bad.pt")
    page.route("**/board/?*push=1*", lambda route: route.fulfill(status=503))
    with page.expect_response(lambda r: r.status == 503):
        page.select_option("#f-check", "dns_dmarc")
    page.go_back()
    expect(page.locator("#f-check")).to_have_value("")
    page.clock.run_for(6_000)
    expect(page.locator("[data-card]")).to_have_count(3)
    assert path(page) == "/"


def test_an_answer_keeps_the_text_that_is_not_sent_yet(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), aborts=True)
    page.clock.install()
    page.goto("/")
    held = hold(page, "**/board/?push=1*")
    page.focus("#q")
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    page.keyboard.type("so")
    with page.expect_request("**/board/?push=1*"):
        page.clock.run_for(400)
    page.keyboard.type("-so")
    page.keyboard.press("Tab")  # the focus leaves before that is sent
    held[0].continue_()
    expect(page.locator("[data-card]")).to_have_count(1)
    expect(page.locator("#q")).to_have_value("so-so")
    page.unroute("**/board/?push=1*")
    page.clock.run_for(2_000)
    expect(page).to_have_url("/?q=so-so")


def test_news_that_come_while_the_list_is_on_its_way_are_had_after_it(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer())
    page.goto("/")
    held = hold(page, "**/board/**")
    with page.expect_request("**/board/**"):
        refresh(page)
    refresh(page)  # its answer may be older than this news
    with page.expect_request("**/board/**"):
        held[0].continue_()
    page.unroute_all(behavior="ignoreErrors")
