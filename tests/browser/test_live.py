"""The page is as old as it says: ages that count, a server that is lost, and clicks that wait."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone, translation
from playwright.sync_api import expect

from audit.models import AuditDomain
from audit.templatetags import show
from tests.audit.factories import audit, make_domain, make_operator, make_viewer, make_worker
from tests.browser.steps import refresh
from tests.browser.test_looks import violations
from tests.browser.test_overview import fleet  # noqa: F401 - a fixture
from tests.browser.test_races import hold

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOST = {"en": "No contact with the server", "pt": "Sem contacto com o servidor"}


@pytest.mark.parametrize(("locale", "language"), [("en-GB", "en"), ("pt-PT", "pt")])
@pytest.mark.parametrize("off", [timedelta(), timedelta(days=-3)])
def test_ages_count_in_the_browser_as_the_server_says_them(new_page, locale, language, off):
    make_worker()
    domain = make_domain("cliente.pt", checks={})
    AuditDomain.objects.filter(pk=domain.pk).update(last_audit_at=timezone.now())
    page = new_page(make_viewer(), locale=locale, allow=[503])
    page.clock.install(time=timezone.now() + off)  # its clock may be wrong
    page.goto(f"/domains/{domain.tenant_id}/cliente.pt/")
    page.route("**/panel/**", lambda route: route.fulfill(status=503))
    page.route("**/healthz", lambda route: route.fulfill(status=503))
    age = page.locator(".sc-when time").first
    expect(age).to_have_attribute("title", re.compile("202"))
    at = timezone.now()
    gone = timedelta()
    steps = [30, 60, 60, 59 * 60, 3600, 30 * 3600, 30 * 3600]
    for step in steps:
        page.clock.fast_forward(step * 1000)
        gone += timedelta(seconds=step)
        page.clock.run_for(1_100)
        with translation.override(language):
            said = {
                show.relative(at, at + gone + timedelta(seconds=more)) for more in (-40, 0, 40, 80)
            }
        text = age.inner_text()
        assert text in said, (gone, text)


@pytest.mark.parametrize(("locale", "language"), [("en-GB", "en"), ("pt-PT", "pt")])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_lost_server_is_told_within_seconds_until_it_is_back(
    new_page,
    fleet,  # noqa: F811
    locale,
    language,
    scheme,
):
    page = new_page(make_operator(), locale=locale, color_scheme=scheme, allow=[503])
    page.clock.install()
    page.goto("/")
    bar, icon = page.locator("#lost"), page.locator("#icon")
    expect(bar).to_be_hidden()
    page.route("**/healthz", lambda route: route.fulfill(status=503))
    page.clock.run_for(12_000)
    expect(bar).to_be_hidden()
    with page.expect_response("**/healthz"):
        page.clock.run_for(6_000)
    page.clock.run_for(2_000)
    expect(bar).to_be_visible()
    expect(bar).to_contain_text(LOST[language])
    expect(bar.locator("time")).not_to_be_empty()
    expect(icon).to_have_attribute("href", re.compile("lost"))
    assert violations(page) == []
    audit(fleet[0])
    page.unroute("**/healthz")
    page.clock.run_for(6_000)
    expect(bar).to_be_hidden()
    expect(page.locator(f"#d{fleet[0].pk} .badge")).not_to_have_class(re.compile("critical"))
    expect(icon).to_have_attribute("href", re.compile("warning"))


def test_a_server_that_cannot_refresh_the_list_is_told_at_once(new_page, fleet):  # noqa: F811
    page = new_page(make_viewer(), allow=[503])
    page.goto("/")
    page.route("**/board/**", lambda route: route.fulfill(status=503))
    refresh(page)
    expect(page.locator("#lost")).to_contain_text("The server cannot refresh this page.")
    page.unroute("**/board/**")
    refresh(page)
    expect(page.locator("#lost")).to_be_hidden()


def test_a_click_that_waits_shows_it_and_a_quiet_refresh_does_not(new_page, fleet):  # noqa: F811
    page = new_page(make_operator())
    page.goto("/")
    waiting = page.locator("html.waiting")
    for pattern, act in [
        ("**/panel/**", lambda: page.locator("[data-card]").first.click()),
        ("**/board/**", lambda: page.select_option("#f-owner", "customer")),
        ("**/report/", lambda: page.click("#report-now")),
        ("**/bad.pt/run/**", lambda: page.click("#run-now")),
    ]:
        held = hold(page, pattern)
        with page.expect_request(pattern):
            act()
        expect(waiting).to_have_count(1)
        for route in held:
            route.continue_()
        page.unroute(pattern)
        expect(waiting).to_have_count(0)
    hold(page, "**/board/**")
    with page.expect_request("**/board/**"):
        refresh(page)
    expect(waiting).to_have_count(0)
    page.unroute_all(behavior="ignoreErrors")


def test_the_progress_of_a_run_survives_a_reload(new_page, fleet):  # noqa: F811
    page = new_page(make_operator("ana"))
    page.goto("/?status=critical")
    page.evaluate("window.confirm = () => true")
    page.click("#run-filtered")
    expect(page.locator("#progress")).to_contain_text("0 of 1")
    page.goto("/")
    expect(page.locator("#progress")).to_contain_text("0 of 1")
    audit(fleet[0])
    expect(page.locator("#progress")).to_contain_text("1 of 1")
    page.reload()
    expect(page.locator("#progress")).to_be_hidden()
    other = new_page(make_operator("rui"))
    other.goto("/")
    expect(other.locator("#progress")).to_be_hidden()
