"""The pages of servers, and *Test connection*, in a real browser."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audit.models import ServerCard
from audit.results.server_card import record_card
from collectors.base import Fix
from collectors.text import _
from tests.audit.factories import (
    make_admin,
    make_domain,
    make_operator,
    make_result,
    make_tenant,
    make_worker,
)
from tests.browser.test_looks import XSS, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def judge(tenant, **statuses):
    ServerCard.objects.filter(pk=tenant.pk).update(next_audit_at=timezone.now())
    (card,) = [c for c in ServerCard.objects.claim("w", 9) if c.pk == tenant.pk]
    fix = Fix(_("Correct {what}.", what=XSS))
    results = {
        c: make_result(c, s, owner="host", fix=fix, message=f"It is {XSS} {'long' * 60}.")
        for c, s in statuses.items()
    }
    assert record_card(card.pk, results, owner="w", begun_at=timezone.now())


@pytest.fixture
def tenant():
    make_worker()
    tenant = make_tenant("VM112")
    make_domain("bad.pt", tenant, checks={"dns_mx": "fail"})
    judge(tenant, server_mx="ok", server_ptr="fail", server_portal="unknown")
    judge(tenant, server_mx="fail", server_ptr="fail", server_portal="warn")
    return tenant


@pytest.mark.parametrize(
    ("scheme", "locale", "width"),
    [("light", "en-GB", 2560), ("dark", "pt-PT", 1280), ("light", "pt-BR", 320)],
)
def test_the_pages_fit_and_have_no_accessibility_violation(new_page, tenant, scheme, locale, width):
    page = new_page(make_admin(), color_scheme=scheme, locale=locale, width=width)
    for path in ("/servers/", f"/tenants/{tenant.pk}/", f"/tenants/{tenant.pk}/history/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        assert violations(page) == [], path


def test_test_now_shows_its_progress_and_its_result_without_a_reload(new_page, tenant):
    page = new_page(make_operator())
    page.goto(f"/tenants/{tenant.pk}/")
    page.evaluate("window.same = true")
    page.click("#run-now")
    expect(page.locator("#run")).to_be_visible()
    expect(page.locator("#run-now")).to_be_disabled()
    judge(tenant, server_mx="ok", server_ptr="ok", server_portal="ok")
    expect(page.locator("#run")).to_have_count(0)
    expect(page.locator("#run-now")).to_be_enabled()
    expect(page.locator(f"#c-{tenant.pk}-server_ptr")).to_have_class("check is-ok")
    assert page.evaluate("window.same")


def test_test_connection_opens_beside_the_form_and_leaves_it_as_it_is(new_page, tenant, settings):
    settings.AUDIT_DNS_SERVERS = (("127.0.0.1", 9),)
    page = new_page(make_admin(), color_scheme="dark")
    page.goto(f"/admin/audit/tenant/{tenant.pk}/change/")
    page.fill("#id_mail_hosts", "mx9.host.test")
    page.fill("#id_portal_token", "half-typed")
    with page.expect_popup(timeout=60_000) as opened:
        page.get_by_role("button", name="Test connection").click()
    beside = opened.value
    beside.wait_for_load_state()
    expect(beside.locator("dl.tested")).to_contain_text("Mail hosts")
    assert "half-typed" not in beside.content()
    assert page.input_value("#id_portal_token") == "half-typed"
    assert violations(page) == [] and violations(beside) == []
