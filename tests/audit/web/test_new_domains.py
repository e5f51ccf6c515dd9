"""New domains on the pages: in onboarding, not critical, until their grace ends."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, AuditRun, ReportLink, Tenant
from tests.audit.factories import make_domain, make_operator, make_tenant, make_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fleet(settings):
    """One that is new, one whose grace is over, one that was all right once."""
    settings.AUDIT_GRACE_DAYS = 7
    tenant = make_tenant("VM112")
    for name in ("new.pt", "late.pt", "old.pt"):
        make_domain(name, tenant, checks={"dns_mx": "fail"})
    late = timezone.now() - timedelta(days=7, minutes=1)
    AuditDomain.objects.filter(domain="late.pt").update(created_at=late)
    AuditDomain.objects.filter(domain="old.pt").update(onboarding=False)
    return tenant


@pytest.fixture
def page(client):
    client.force_login(make_operator())

    def page(path):
        answer = client.get(path)
        assert answer.status_code == 200
        return answer.content.decode().replace("<wbr>", "")

    return page


def looks(html):
    """{domain: what its card, or row, looks like}."""
    found = re.findall(r'class="(?:card|line) is-(\w+).*?title="([a-z]+\.pt)"', html, re.S)
    return {name: look for look, name in found}


@pytest.mark.parametrize("view", ["cards", "table"])
def test_a_new_domain_is_in_onboarding_and_not_critical(page, view):
    html = page(f"/?view={view}&fold=none")
    assert looks(html) == {"new.pt": "onboarding", "late.pt": "critical", "old.pt": "critical"}
    assert re.search(r'id="count-critical".*?<b>2</b> critical', html, re.S)
    assert re.search(r'id="count-onboarding".*?<b>1</b> in onboarding', html, re.S)
    assert "<title>(2)" in html and "MX" in html, "what is missing is said"


def test_a_filter_by_status_has_as_many_as_its_number(page):
    html = page("/?status=critical")
    assert looks(html).keys() == {"late.pt", "old.pt"} and "2 domains match" in html
    assert "fold=new" not in html, "it goes without saying"
    assert looks(page("/?status=critical&fold=none")).keys() == {"new.pt", "late.pt", "old.pt"}
    html = page("/?status=critical&limit=1")
    following = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert looks(html) | looks(page(following)) == {"late.pt": "critical", "old.pt": "critical"}
    assert looks(page("/?group=onboarding")).keys() == {"new.pt", "late.pt"}


def test_what_is_asked_of_a_filter_reaches_those_that_it_shows(client, page, bells):
    page("/")
    client.post("/run/?status=critical")
    assert AuditRun.objects.get().domains == 2
    lines = b"".join(client.get("/export/?status=critical").streaming_content).decode()
    assert "new.pt" not in lines and "late.pt" in lines


def test_its_own_page_says_so_too(page, fleet):
    html = page(f"/domains/{fleet.pk}/new.pt/")
    assert 'class="badge is-onboarding"' in html and "critical.svg" not in html
    assert 'class="badge is-critical"' in page(f"/domains/{fleet.pk}/late.pt/")


def test_a_tenant_is_counted_alike(page, fleet):
    other = make_tenant("VM113")
    make_domain("a.pt", other, checks={"dns_spf": "warn"})
    html = page(f"/?tenant={other.pk}")
    assert re.search(r'id="count-warning".*?<b>0</b>', html, re.S)
    assert re.search(r'id="count-onboarding".*?<b>1</b>', html, re.S)
    assert "1 domain" in html


def test_a_card_says_what_became_of_its_link(page):
    assert "report link" not in page("/")
    [link] = ReportLink.objects.make([AuditDomain.objects.get(domain="new.pt")])
    for view in ("cards", "table"):
        assert "not opened yet" in page(f"/?view={view}")
    link.note_checked()
    assert re.search(r"report link\s+checked again", page("/"))
    link.revoke()
    assert "report link" not in page("/")


def test_in_the_api_its_status_is_what_it_is(client):
    headers = {"Authorization": f"Bearer {make_token()}"}
    data = client.get("/api/v1/audit/overview?status=critical", headers=headers).json()
    assert {c["domain"] for c in data["cards"]} == {"new.pt", "late.pt", "old.pt"}
    assert data["summary"]["critical"] == 3
    data = client.get("/api/v1/audit/overview?status=critical&fold=new", headers=headers).json()
    assert {c["domain"] for c in data["cards"]} == {"late.pt", "old.pt"}


def numbers_of(html):
    """[(the number, the address behind it)] of all that a page counts by status, without the one
    that is shown."""
    found = re.findall(r'class="count is-[^"]*"\s+href="([^"]+)"><b>([\d.,]+)</b>', html)
    return [(int(n), href.replace("&amp;", "&")) for href, n in found]


@pytest.mark.parametrize("path", ["/?view=cards", "/servers/", "/tenants/{tenant}/"])
def test_every_number_is_as_long_as_its_list(page, fleet, path):
    """Also where an incident covers one, and one is all right."""
    make_domain("good.pt", fleet, checks={})
    make_domain("covered.pt", fleet, checks={"dns_mx": "fail"})
    AuditDomain.objects.filter(domain="covered.pt").update(covered=True)
    numbers = numbers_of(page(path.format(tenant=fleet.pk)))
    assert sum(n for n, _href in numbers) == 5
    for n, href in numbers:
        assert len(looks(page(href))) == n, href


def test_a_status_leads_to_as_many_whatever_else_is_chosen(page):
    """The strip counts the whole fleet, and says so in every list."""
    for path in ("/?group=customer&q=late", "/?check=dns_mx&owner=customer", "/?status=onboarding"):
        for n, href in numbers_of(page(path)):
            assert len(looks(page(href))) == n, (path, href)
    assert looks(page("/?status=onboarding")) == {"new.pt": "onboarding"}


def test_a_group_has_no_number_while_something_narrows_it(page):
    """It keeps a search, so it would lead to fewer."""
    tab = r'id="group-\w+"\s+class="[^"]+"\s+href="([^"]+)"[^>]*>'
    found = re.findall(tab + "([^<]+)(<b>)?", page("/?q=late"))
    assert len(found) == 7 and not any(number for _href, _word, number in found)
    hrefs = {word.strip(): href.replace("&amp;", "&") for href, word, _number in found}
    assert looks(page(hrefs["The customer&#x27;s"])) == {"late.pt": "critical"}
    for path in ("/", "/?group=customer", "/?status=critical"):
        numbers = re.findall(tab + r"[^<]+<b>(\d+)</b>", page(path))
        assert len(numbers) == 7
        for href, n in numbers:
            assert len(looks(page(href.replace("&amp;", "&")))) == int(n), href


def test_a_server_counts_as_the_overview_does(page):
    html = page("/servers/")
    assert "<b>2</b> critical" in html and "<b>1</b> in onboarding" in html
    Tenant.objects.update(enabled=False)
    assert numbers_of(page("/servers/")) == [], "nothing lists what is not audited"
