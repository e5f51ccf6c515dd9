"""The pages of certificates and of the last 24 hours, in a real browser."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audit.models import CheckTransition, Incident
from audit.results import store
from tests.audit.factories import make_domain, make_result, make_tenant, make_viewer
from tests.browser.test_looks import SMALL, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = ("/certificates/", "/last-24-h/")
LONG = "v=spf1 " + "include:a-very-long-name.that-goes-on.and-on.example " * 4 + "-all"


@pytest.fixture
def fleet():
    """Certificates of each kind, changes of many, and incidents."""
    now, tenant = timezone.now(), make_tenant("VM112")
    changed = (now - timedelta(hours=1)).replace(minute=30)  # all within one hour
    for n, days in enumerate([-3, 3, 15, 60, 70, 80, 81, 82]):
        certificate = {
            "sha256": f"{n}",
            "issuer": "C=US, O=Let's Encrypt, CN=R12",
            "names": [f"webmail.a-very-long-name-that-goes-on-and-on-{n}-{m}.pt" for m in range(4)],
            "not_before": (now - timedelta(days=20)).isoformat(),
            "not_after": (now + timedelta(days=days)).isoformat(),
        }
        evidence = {
            "served": {"address": "2001:db8::1", "certificate": certificate},
            "nodes": {"2001:db8::1": {"sha256": f"{n}"}, "203.0.113.81": {"sha256": "x"}},
        }
        status = "fail" if days < 0 else "warn" if days < 20 else "ok"
        domain = make_domain(f"a-very-long-name-of-a-customer-{n}.pt", tenant)
        store.record(
            domain, {"cert_le": make_result("cert_le", status, evidence=evidence)}, begun_at=now
        )
        CheckTransition.objects.create(
            domain=domain,
            check_id="dns_spf",
            from_status="ok",
            to_status="fail",
            at=changed - timedelta(minutes=n),
            message="The SPF record is wrong.",
            evidence_before={"record": ["v=spf1 ~all"]},
            evidence_after={"record": [LONG]},
        )
    for n, closed in enumerate([None, now - timedelta(hours=1)]):
        Incident.objects.create(
            kind="check",
            key=str(n),
            tenant=tenant,
            message="One cause.",
            owner="host",
            severity="fail",
            opened_at=now - timedelta(days=2),
            confirmed_at=now - timedelta(days=2),
            closed_at=closed,
            domains_most=7,
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["pt-PT", "en-GB"])
def test_the_pages_fit_every_width_and_have_no_accessibility_violation(
    new_page, fleet, scheme, locale
):
    page = new_page(make_viewer(), color_scheme=scheme, locale=locale)
    for path in PAGES:
        page.goto(path)
        page.evaluate("document.querySelectorAll('main details').forEach(d => d.open = true)")
        for width in (320, 768, 1200, 2560):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (path, width, wide)
            if width in (320, 1200):
                assert violations(page) == [], (path, width)
        assert page.evaluate(SMALL) == [], path


def test_a_filter_is_chosen_and_a_row_leads_to_its_scorecard(new_page, fleet):
    page = new_page(make_viewer())
    page.goto("/certificates/")
    expect(page.locator("tbody tr")).to_have_count(8)
    page.get_by_label("State").select_option("expired")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody th a").click()
    expect(page.locator("h1")).to_have_text("a-very-long-name-of-a-customer-0.pt")
    page.goto("/last-24-h/")
    expect(page.locator("details.fold summary").first).to_have_text("and 2 more")
    page.get_by_label("Time", exact=True).select_option("7")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("h1")).to_have_text("Last 7 days")
