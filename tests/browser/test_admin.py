"""The administration in a real browser: no error, no breach of the policy, nothing wider than the
screen, in light and dark.
"""

import pytest
from django.urls import reverse
from django.utils import translation

from audit.models import ApiToken, AuditDomain
from ligbox.formats import words
from tests.audit.admin.test_pages import XSS, fill, pages
from tests.audit.factories import make_admin, make_domain, make_tenant, make_token
from tests.browser.test_looks import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 1400), ("light", 390)])
def test_every_page_is_quiet_and_fits(new_page, scheme, width):
    user = make_admin()
    fill(XSS[0])
    page = new_page(user, color_scheme=scheme, width=width, allow=(403,))
    for path in pages():
        if "/export/" in path:
            continue
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


PARTS = 3  # of the pages: axe looks at each for seconds


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation(new_page, scheme, part):
    fill("x.pt")
    page = new_page(make_admin(), color_scheme=scheme, allow=(403,))
    for path in pages()[part::PARTS]:
        if "/export/" not in path:
            page.goto(path)
            assert violations(page) == [], path


CUT = """[...document.querySelectorAll(".results, .inline-group, .list-scroll")]
    .filter((list) => list.scrollWidth > list.clientWidth).map((list) => list.className)"""


@pytest.mark.parametrize("locale", ["en-GB", "pt-PT", "pt-BR"])
def test_no_column_is_cut_on_a_usual_screen(new_page, locale):
    user = make_admin("a-rather-long-name-of-somebody")
    fill("a-rather-long-name.cliente-da-plataforma.pt")
    make_token("read", "run", days=30, name="monitoring of the second data centre")
    page = new_page(user, locale=locale, width=1440, allow=(403,))
    for path in pages():
        if "/export/" not in path:
            page.goto(path)
            assert page.evaluate(CUT) == [], path


@pytest.mark.parametrize(
    ("locale", "language"), [("en-GB", "en"), ("pt-PT", "pt"), ("pt-BR", "pt-br")]
)
def test_the_date_picker_works_and_the_new_secret_is_shown(new_page, locale, language):
    page = new_page(make_admin(), locale=locale)
    page.goto(reverse("admin:audit_apitoken_add"))
    page.fill("[name=name]", "monitoring")
    page.click(".date-icon")
    month, year = page.inner_text(".calendarbox caption").split()
    with translation.override(language):
        assert month in map(translation.gettext, words.MONTHS) and month.istitle() == (
            language == "en"
        )
    assert len(year) == 4
    page.click(".calendarbox td a >> nth=10")
    page.click(".clock-icon")
    page.click(".clockbox li a >> nth=1")
    page.click("[name=_save]")
    secret = page.input_value("#secret")
    token = ApiToken.objects.get()
    assert token.digest == ApiToken.digest_of(secret) and token.expires_at


def test_a_list_is_pasted_looked_at_and_imported(new_page):
    make_tenant()
    page = new_page(make_admin(), width=390)
    page.goto(reverse("admin:audit_auditdomain_import"))
    page.fill("[name=lines]", "\nnovo.pt\nbücher.example\n<img src=x onerror=alert(1)>.pt")
    page.click("[name=look]")
    assert page.locator(".is-bad").count() == 1 and page.locator(".is-new").count() == 2
    page.fill("[name=lines]", "\nnovo.pt\nbücher.example\n")
    page.click("[name=look]")
    page.click("[name=confirm]")
    assert "Registered, to be audited now: 2" in page.inner_text(".messagelist")
    assert AuditDomain.objects.count() == 2


def test_the_buttons_of_the_domains_do_not_lie_over_the_title(new_page):
    make_domain("cliente.pt", checks={})
    page = new_page(make_admin(), locale="pt-PT")
    page.goto(reverse("admin:audit_auditdomain_changelist"))
    for width in (360, 800, 1100, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        title, tools = (
            page.locator("#content h1").bounding_box(),
            page.locator(".object-tools").bounding_box(),
        )
        assert title["y"] + title["height"] <= tools["y"], width
