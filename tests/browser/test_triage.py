"""The overview as triage, in a real browser: incidents, groups, the table, what is known, views."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audit.models import AuditDomain, Incident, IncidentDomain, SavedView, TenantCounts, Waiver
from tests.audit.factories import (
    make_domain,
    make_domains,
    make_operator,
    make_tenant,
    make_viewer,
    make_worker,
)
from tests.browser.steps import refresh
from tests.browser.test_looks import SMALL, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOCALES = [("light", "en-GB"), ("dark", "pt-PT")]


@pytest.fixture
def fleet():
    """Two of our own, one known, two under an incident, three healthy; a portal that is away."""
    make_worker()
    tenant, now = make_tenant("VM112"), timezone.now()
    ends = now + timedelta(days=60, hours=1)
    for name, checks, fields in [
        ("spf.pt", {"dns_spf": "fail"}, {"trouble_at": now, "certificate_ends_at": ends}),
        ("dmarc.pt", {"dns_dmarc": "warn", "cert_le": "warn"}, {"certificate_ends_at": now}),
        ("known.pt", {"dns_dmarc": "warn"}, {"known": True}),
        ("under0.pt", {"nginx_vhost": "fail"}, {"covered": True}),
        ("under1.pt", {"nginx_vhost": "fail"}, {"covered": True}),
        *((f"good{n}.pt", {}, {}) for n in range(3)),
    ]:
        domain = make_domain(name, tenant, checks=checks)
        AuditDomain.objects.filter(pk=domain.pk).update(onboarding=False, **fields)
    known = AuditDomain.objects.get(domain="known.pt")
    Waiver.objects.create(domain=known, check_id="dns_dmarc", reason="moves to us", by="ana")
    opened = {"opened_at": now - timedelta(minutes=18), "confirmed_at": now, "owner": "host"}
    incident = Incident.objects.create(
        kind="server", key="1", tenant=tenant, code="server_proxy_config", severity="fail",
        message="nginx -t finds an error in sites/clinica.conf.", domains_now=2, **opened,
    )  # fmt: skip
    Incident.objects.create(
        kind="portal",
        key="2",
        tenant=tenant,
        code="portal_unreachable",
        severity="unknown",
        **opened,
    )
    for domain in AuditDomain.objects.filter(covered=True):
        IncidentDomain.objects.create(
            incident=incident, domain=domain, check_id="nginx_vhost", since=now
        )
    AuditDomain.objects.count_anew([tenant.pk])
    return incident


def test_the_first_screen_answers_without_a_click(new_page, fleet):
    page = new_page(make_viewer(), width=1600)
    page.goto("/")
    expect(page.locator("#incidents .incident")).to_have_count(2)
    expect(page.locator("#incidents")).to_contain_text("VM112: nginx refuses its configuration")
    expect(page.locator("#group-new b")).to_have_text("1")
    expect(page.locator("#group-known b")).to_have_text("1")
    card = page.locator("[data-card]", has_text="spf.pt")
    expect(card).to_contain_text("SPF: The sentence about dns_spf")
    expect(card.locator(".whose")).to_have_text("customer")
    expect(page.locator("[data-card]", has_text="under0.pt")).to_have_count(0)
    expect(page.locator(".folded")).to_contain_text("2 more under the incidents above")
    page.get_by_role("link", name="2 domains").first.click()
    expect(page).to_have_url(f"/?incident={fleet.pk}")
    expect(page.locator("[data-card]")).to_have_count(2)
    expect(page.locator("[data-card]").first).to_contain_text("Follows from VM112: nginx refuses")


def test_each_group_is_a_view_with_its_number(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/?group=known")
    expect(page.locator("[data-card]")).to_contain_text("known: moves to us · ana · for good")
    page.click("#group-new")
    expect(page).to_have_url("/?group=new")
    expect(page.locator("[data-card]")).to_contain_text("new")
    page.click("#group-unmeasured")
    expect(page.locator(".empty")).to_contain_text("Everything could be measured")


def test_the_table_folds_sorts_and_is_remembered(new_page, fleet):
    page = new_page(make_viewer(), width=1600)
    page.goto("/")
    page.click("#view-table")
    expect(page.locator("[data-card]")).to_have_text(["spf.pt", "dmarc.pt", "known.pt"])
    expect(page.locator("#unfold")).to_have_text("3 healthy domains folded")
    page.get_by_role("link", name="Domain", exact=True).click()
    expect(page.locator("[data-card]")).to_have_text(["dmarc.pt", "known.pt", "spf.pt"])
    expect(page.locator("th[aria-sort]")).to_have_text("Domain")
    page.get_by_role("link", name="Certificate", exact=True).click()
    expect(page.locator("[data-card]")).to_have_text(["dmarc.pt", "spf.pt", "known.pt"])
    page.get_by_role("link", name="Since", exact=True).click()
    expect(page.locator("[data-card]").first).to_have_text("spf.pt")
    page.click("#unfold")
    expect(page.locator("[data-card]")).to_have_count(8)
    page.goto("/")
    expect(page.locator("table")).to_be_visible()
    page.click("#view-cards")
    expect(page.locator("table")).to_have_count(0)
    page.goto("/")
    expect(page.locator(".cards")).to_be_visible()


def test_the_keys_the_panel_and_the_refresh_work_on_rows(new_page, fleet):
    page = new_page(make_operator(), width=1600)
    page.goto("/?view=table")
    for key in "jjx":
        page.keyboard.press(key)
    expect(page.locator("tr:has(.pick :checked) [data-card]")).to_have_text("dmarc.pt")
    page.keyboard.press("Enter")
    expect(page.locator("#scorecard-title")).to_have_text("dmarc.pt")
    page.keyboard.press("k")
    expect(page.locator("#scorecard-title")).to_have_text("spf.pt")
    refresh(page)
    page.keyboard.press("Escape")
    expect(page).to_have_url("/?view=table")
    expect(page.locator(".selection-count")).to_be_visible()


def test_all_that_match_are_selected_and_not_only_the_page(new_page, fleet):
    tenant = AuditDomain.objects.first().tenant
    make_domains(20, tenant)
    page = new_page(make_operator(), width=1600)
    page.goto("/?view=table&status=unknown&limit=5")
    page.locator("#all").check()
    expect(page.locator(".selection-all")).to_have_text("all 20 that match")
    page.locator("[data-item] .pick input").first.uncheck()
    expect(page.locator("#all")).not_to_be_checked()
    expect(page.locator(".selection-all")).not_to_be_visible()
    page.locator("#all").check()
    page.click("#run-selected")
    expect(page.locator("#progress")).to_contain_text("0 of 20")


def test_all_that_match_are_selected_where_the_table_has_no_head(new_page, fleet):
    page = new_page(make_operator(), width=390)
    page.goto("/?view=table")
    rows = page.locator("[data-item] .pick input")
    expect(page.locator("#all")).not_to_be_visible()
    rows.nth(1).check()
    page.get_by_label("all 3 that match", exact=True).check()
    assert [box.is_checked() for box in rows.all()] == [True] * 3
    rows.nth(2).uncheck()
    expect(page.locator("[data-all]:checked")).to_have_count(0)
    page.get_by_label("all 3 that match", exact=True).check()
    page.click("#run-selected")
    expect(page.locator("#progress")).to_contain_text("0 of 3")


def test_a_page_keeps_its_view_when_another_chooses_another(new_page, fleet):
    page = new_page(make_viewer(), width=1600)
    page.goto("/?view=cards")
    page.goto("/")
    other = page.context.new_page()
    other.goto("/?view=table")
    with page.expect_response("**/board/**"):
        refresh(page)
    page.select_option("#f-check", "dns_spf")
    expect(page.locator("[data-card]")).to_have_count(1)
    expect(page).to_have_url("/?check=dns_spf")
    page.go_back()
    expect(page).to_have_url("/")
    expect(page.locator("[data-card]")).to_have_count(6)
    expect(page.locator(".cards")).to_be_visible()


ON_TOP = """(menu) => {
  const { left, top, width, height } = menu.getBoundingClientRect();
  const thirds = [1 / 6, 1 / 2, 5 / 6];
  return left >= 0 && left + width <= innerWidth && thirds.every((x) => thirds.every(
    (y) => menu.contains(document.elementFromPoint(left + x * width, top + y * height))));
}"""


@pytest.mark.parametrize("locale", ["en-GB", "pt-PT", "pt-BR"])
def test_the_menu_of_views_opens_on_the_screen_at_every_width(new_page, fleet, locale):
    page = new_page(make_viewer(), locale=locale, width=320)
    page.goto("/?view=table")
    page.check("#more")
    page.locator("#views summary").click()
    expect(page.locator("#saved-views input[name=name]")).to_be_visible()
    for width in (320, 390, 768, 1000, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.locator("#views .menu-body").evaluate(ON_TOP), width


def test_a_finding_is_marked_as_known_and_taken_back(new_page, fleet):
    page = new_page(make_operator("ana"), width=1600)
    page.goto("/?view=table")
    page.locator("[data-card]", has_text="spf.pt").click()
    page.locator(".mark-known summary").click()
    page.get_by_label("Why it may stand").fill("moves to us on 1 March")
    with page.expect_event("requestfinished", lambda r: "/spf.pt/panel/" in r.url):
        refresh(page)
    expect(page.get_by_label("Why it may stand")).to_have_value("moves to us on 1 March")
    page.get_by_role("button", name="Mark as known").click()
    expect(page.locator(".waiver")).to_contain_text("moves to us on 1 March · ana · until")
    expect(page.locator("tr", has_text="spf.pt")).to_contain_text("known:")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator(".waiver")).to_have_count(0)
    expect(page.locator("tr", has_text="spf.pt")).not_to_contain_text("known:")


def test_a_view_is_kept_under_a_name(new_page, fleet):
    page = new_page(make_viewer(), width=1600)
    page.goto("/?group=new&view=table")
    page.locator("#views summary").click()
    page.get_by_label("Name of this view").fill("New ones")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".saved-views li a")).to_have_text("New ones")
    assert SavedView.objects.get().query == "?group=new&view=table"
    page.goto("/")
    page.locator("#views summary").click()
    page.get_by_role("link", name="New ones").click()
    expect(page).to_have_url("/?group=new&view=table")


def test_all_of_it_works_without_javascript(new_page, fleet):
    page = new_page(make_operator(), width=1600, java_script_enabled=False)
    page.goto("/?view=table")
    page.check("#all", force=True)
    page.click("#mark-selected")
    page.get_by_label("Why it may stand").fill("all of it")
    page.get_by_role("button", name="Mark as known").click()
    expect(page.locator("main > .banner")).to_contain_text("Marked as known")
    page.locator("#views summary").click()
    page.get_by_role("link", name="Views that you keep").click()
    page.get_by_label("Name of this view").fill("table")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".saved-views li")).to_have_count(1)


@pytest.mark.parametrize("scheme, locale", LOCALES)
def test_it_has_no_accessibility_violation(new_page, fleet, scheme, locale):
    page = new_page(make_operator(), width=1600, color_scheme=scheme, locale=locale)
    for path in (
        "/",
        "/?view=table&fold=none",
        "/incidents/",
        f"/incidents/{fleet.pk}/",
        "/views/",
    ):
        page.goto(path)
        assert violations(page) == [], path
    page.goto("/?view=table")
    page.locator("[data-card]").first.click()
    expect(page.locator("#scorecard")).to_be_visible()
    page.evaluate("document.querySelectorAll('#scorecard details').forEach(d => d.open = true)")
    assert violations(page) == []
    page.goto("/?view=table")
    page.locator("#all").check()
    page.click("#mark-selected")
    expect(page.locator(".known-form")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("locale", ["en-GB", "pt-PT", "pt-BR"])
def test_it_fits_every_width_with_targets_large_enough(new_page, fleet, locale):
    page = new_page(make_operator(), has_touch=True, locale=locale)
    for path in (
        "/",
        "/?view=table&fold=none",
        "/incidents/",
        f"/incidents/{fleet.pk}/",
        "/views/",
    ):
        page.goto(path)
        for width in (320, 390, 768, 1200, 2560):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (path, width)
        assert page.evaluate(SMALL) == [], path
    page.goto("/?view=table")
    assert page.locator(".table").bounding_box()["width"] > 2400, "a wide screen is used whole"


@pytest.mark.parametrize("view", ["cards", "table"])
def test_on_a_phone_the_first_row_is_seen_at_once(new_page, fleet, view):
    page = new_page(make_operator(), width=390, height=844, is_mobile=True, has_touch=True)
    page.goto(f"/?view={view}")
    assert page.locator("[data-item]").first.bounding_box()["y"] < 300
    assert TenantCounts.objects.count() == 1
    for seen in ("#count-critical", "#group-new", "#group-ours"):
        expect(page.locator(seen)).to_be_in_viewport(ratio=1)
    expect(page.locator("#view-table")).to_be_hidden()
    page.locator("#more").check()
    expect(page.locator("#f-tenant")).to_be_visible()
    expect(page.locator("#view-table")).to_be_visible()
