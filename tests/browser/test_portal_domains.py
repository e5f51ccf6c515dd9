"""The domains that differ between a server and our list, in a real browser."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audit.models import AuditDomain
from tests.audit.factories import make_difference, make_domain, make_operator, make_tenant
from tests.browser.test_looks import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tenant():
    tenant = make_tenant("VM112", portal_url="http://127.0.0.1:9")
    make_domain("gone.test", tenant, checks={"dns_mx": "fail"})
    for name in ("new.test", "xn--caf-dma.test", f"{'long-' * 12}x.test"):
        make_difference(tenant, name)
    make_difference(tenant, "gone.test", "lost")
    make_difference(tenant, "left.test", state="doubtful", ignored_at=timezone.now())
    return tenant


@pytest.mark.parametrize(
    ("scheme", "locale", "width"),
    [("light", "en-GB", 1280), ("dark", "pt-PT", 1280), ("light", "pt-BR", 320)],
)
def test_the_section_fits_and_has_no_accessibility_violation(
    new_page, tenant, scheme, locale, width
):
    page = new_page(make_operator(), color_scheme=scheme, locale=locale, width=width)
    for path in (f"/tenants/{tenant.pk}/", f"/domains/{tenant.pk}/gone.test/", "/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        assert violations(page) == [], path


def test_what_is_selected_is_registered_and_the_rest_stays(new_page, tenant):
    page = new_page(make_operator(), allow=[422])
    page.goto(f"/tenants/{tenant.pk}/")
    page.evaluate("window.same = true")
    section = page.locator("#server-domains")
    section.get_by_role("button", name="Register selected").click()
    expect(section.get_by_role("alert")).to_contain_text("Select at least one domain")
    section.get_by_label("café.test").check()
    section.get_by_role("button", name="Register selected").click()
    expect(
        section.get_by_role("heading", name="2 domains on the server that we lack")
    ).to_be_visible()
    assert AuditDomain.objects.filter(domain="xn--caf-dma.test").exists()
    section.get_by_role("button", name="Leave all so").click()
    expect(section.get_by_text("2 differences are left so.")).to_be_visible()
    assert page.evaluate("window.same"), "without a reload"


def test_it_works_without_javascript_and_by_keyboard(new_page, tenant):
    page = new_page(make_operator(), java_script_enabled=False)
    page.goto(f"/tenants/{tenant.pk}/")
    page.get_by_label("new.test").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Register selected").press("Enter")
    expect(page.get_by_label("new.test")).to_have_count(0)
    assert AuditDomain.objects.filter(domain="new.test").exists()
