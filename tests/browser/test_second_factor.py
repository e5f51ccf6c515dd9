"""Signing in with a second factor in a real browser, under the real policy; and a page that is left
alone."""

import base64
import re
import time

import pytest
from django_otp.oath import TOTP
from playwright.sync_api import expect

from audit.models import SecondFactor
from tests.audit.factories import make_admin, make_domain, make_operator, make_worker
from tests.browser.steps import refresh
from tests.browser.test_looks import SMALL, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIGN_IN = {"en-GB": "Sign in"}


def code(key, steps=0):
    found = TOTP(base64.b32decode(key))
    found.drift = steps
    return f"{found.token():06}"


def password(page, path="/"):
    page.goto(path)
    page.fill("#id_username", "root")
    page.fill("#id_password", "correct horse battery")
    page.locator("main .primary").click()


def looked_at(page):
    """Nothing wrong with this page: it can be read, reached and fits a phone."""
    assert violations(page) == []
    for width in (360, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(SMALL) == []


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "pt-PT")])
def test_it_is_set_up_and_asked_for(new_page, settings, scheme, locale):
    """Cases 162 and 215."""
    settings.SECOND_FACTOR = "superusers"
    make_admin("root")
    page = new_page(color_scheme=scheme, locale=locale)
    password(page, "/admin/audit/tenant/")
    page.wait_for_url("**/second-factor/new/?next=%2Fadmin%2Faudit%2Ftenant%2F")
    expect(page.locator(".qr svg")).to_be_visible()
    looked_at(page)
    dark = page.locator(".qr svg path").last.evaluate("e => getComputedStyle(e).stroke")
    light = page.locator(".qr svg path").first.evaluate("e => getComputedStyle(e).fill")
    assert (dark, light) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)"), "a camera reads it in the dark"
    key = page.locator(".key").inner_text().replace(" ", "")
    page.fill("#id_code", "000000")
    page.locator("main .primary").click()
    expect(page.locator("#code-error")).to_be_visible()
    page.fill("#id_code", code(key))
    page.locator("main .primary").click()
    expect(page.locator(".codes li")).to_have_count(10)
    looked_at(page)
    recovery = page.locator(".codes li").first.inner_text()
    page.locator("main a.plain").click()
    page.wait_for_url("**/admin/audit/tenant/")
    page.goto("/second-factor/")
    expect(page.locator("#id_code")).to_be_focused()
    looked_at(page)

    other = new_page(color_scheme=scheme, locale=locale)
    password(other)
    other.wait_for_url("**/second-factor/?next=%2F")
    looked_at(other)
    other.fill("#id_code", recovery)
    other.locator("main .primary").click()
    expect(other.locator(".nav")).to_be_visible()
    assert len(SecondFactor.objects.get().recovery) == 9


def test_a_page_left_alone_says_so_and_one_that_is_touched_does_not(new_page):
    """Case 214: so that the server takes nobody for somebody."""
    make_worker()
    make_domain("a.pt", checks={})
    page = new_page(make_operator())
    page.clock.install()
    page.route("**/healthz", lambda _route: None)  # nobody answers in no time at all
    seen = []
    page.on("request", lambda r: "/board/" in r.url and seen.append("x-unattended" in r.headers))
    page.goto("/")

    def refresh():
        count = len(seen)
        with page.expect_response(re.compile("/board/")):
            page.clock.run_for(31_000)
        assert len(seen) == count + 1
        return seen[-1]

    assert not refresh(), "somebody has just opened it"
    assert refresh() and refresh()
    page.mouse.click(5, 5)
    assert not refresh()
    assert refresh()
    page.keyboard.press("j")
    assert not refresh()
    assert refresh()


def test_a_page_left_alone_for_long_leads_to_the_login_which_says_why(new_page, settings):
    """Case 214."""
    make_worker()
    make_domain("a.pt", checks={})
    make_admin("root")
    page = new_page()
    password(page)
    expect(page.locator("#board")).to_be_visible()
    settings.SESSION_IDLE_MINUTES = 0
    time.sleep(0.01)
    refresh(page)
    page.wait_for_url("**/login/?next=/")
    expect(page.locator(".banner")).to_contain_text("Your session has ended")
