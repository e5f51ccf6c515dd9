"""The page of the board: who sees and does what on it, and what it costs."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, ReportLink, TenantCounts
from audit.models.results import CheckTransition
from tests.audit.factories import (
    audit,
    make_domain,
    make_domains,
    make_operator,
    make_tenant,
    make_viewer,
)

pytestmark = pytest.mark.django_db
NOTHING = dict.fromkeys(("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc"), "fail")


@pytest.fixture
def tenant():
    return make_tenant("VM112", language="en")


@pytest.fixture
def domain(tenant):
    return make_domain("novo.pt", tenant, checks=NOTHING)


def text_of(answer):
    assert answer.status_code == 200, answer.content
    html = answer.content.decode().replace("<wbr>", "")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_board_says_who_waits_for_whom_and_what_is_missing(client, domain):
    client.force_login(make_viewer())
    said = text_of(client.get("/onboarding/"))
    assert "waits for us" in said and "MX, SPF, DKIM +1" in said and "Registered" in said
    [link] = ReportLink.objects.make([domain])
    link.note_sent("ana@novo.pt")
    said = text_of(client.get("/onboarding/"))
    assert "waits for the customer" in said and "not opened yet" in said
    link.note_opened()
    said = text_of(client.get("/onboarding/"))
    assert "opened just now" in said
    assert "ana@novo.pt" not in said and "Mail it" not in said and "Take out" not in said


def test_what_is_overdue_says_so(client, domain, settings):
    settings.AUDIT_GRACE_DAYS = 7
    client.force_login(make_viewer())
    assert "overdue" not in text_of(client.get("/onboarding/"))
    settings.AUDIT_GRACE_DAYS = 0
    assert "overdue" in text_of(client.get("/onboarding/"))


def test_an_empty_board_says_how_domains_come_here(client, tenant):
    client.force_login(make_viewer())
    said = text_of(client.get("/onboarding/"))
    assert "No domain is in onboarding" in said and "import" in said and "event" in said
    assert "Nothing fits these filters" in text_of(client.get("/onboarding/?q=x"))


@pytest.mark.parametrize(
    "query",
    ["stage=x", "waits=x", "tenant=x", "tenant=999999", "cursor=x", "q=%00", "q=" + "x" * 999,
     "stage=done&waits=us&cursor=x", "stage=done", "stage=link&waits=customer&q=novo"],
)  # fmt: skip
def test_whatever_the_address_says_there_is_a_board(client, domain, query):
    client.force_login(make_viewer())
    assert client.get(f"/onboarding/?{query}").status_code == 200
    assert b"".join(client.get(f"/onboarding/export/?{query}").streaming_content)


def test_selected_domains_are_taken_out_and_put_back(client, domain):
    other = make_domain("outro.pt", domain.tenant, checks=NOTHING)
    ana = make_operator("ana")
    client.force_login(ana)
    answer = client.post("/onboarding/take-out/?q=novo", {"domain": [domain.pk]})
    assert answer["Location"] == "/onboarding/?q=novo"
    domain.refresh_from_db()
    other.refresh_from_db()
    assert not domain.onboarding and domain.onboarded_at is None and other.onboarding
    assert TenantCounts.objects.get().onboarding == 1
    page = f"/domains/{domain.tenant_id}/novo.pt/"
    said = text_of(client.get(page))
    assert "Taken out of onboarding" in said and "Put it back into onboarding" in said
    said = text_of(client.get("/onboarding/"))
    assert "novo.pt" not in said and "outro.pt" in said
    assert client.post(page + "onboarding/", {"to": "back"})["Location"] == page
    domain.refresh_from_db()
    assert domain.onboarding and TenantCounts.objects.get().onboarding == 2
    trail = text_of(client.get(page + "trail/"))
    assert "Taken out of onboarding" in trail and "Put back into onboarding" in trail
    assert client.post(page + "onboarding/", {"to": "x"}).status_code == 404


def test_what_ended_by_itself_is_not_put_back(client, tenant):
    domain = make_domain("bom.pt", tenant, checks={})
    client.force_login(make_operator())
    page = f"/domains/{tenant.pk}/bom.pt/"
    assert "onboarding" not in text_of(client.get(page)).replace("registered by onboarding", "")
    client.post(page + "onboarding/", {"to": "back"})
    domain.refresh_from_db()
    assert not domain.onboarding


def test_those_who_may_not_change_domains_take_none_out(client, domain):
    client.force_login(make_viewer())
    for address in ("/onboarding/take-out/", f"/domains/{domain.tenant_id}/novo.pt/onboarding/"):
        assert client.post(address, {"domain": [domain.pk], "to": "out"}).status_code == 403
    assert AuditDomain.objects.get().onboarding
    assert client.get("/onboarding/take-out/")["Location"] == "/onboarding/"


def test_nothing_selected_changes_nothing(client, domain):
    client.force_login(make_operator())
    answer = client.post("/onboarding/take-out/", {"domain": ["x", "0"]}, follow=True)
    assert "No domain was selected" in text_of(answer) and AuditDomain.objects.get().onboarding


def test_links_for_the_selected_lead_back_to_the_board(client, domain):
    client.force_login(make_operator())
    answer = client.post("/report-selected/", {"domain": [domain.pk], "board": "1"})
    html = answer.content.decode()
    link = ReportLink.objects.get()
    assert link.get_absolute_url() in html and f"/report-links/{link.pk}/mail/" in html
    assert 'href="/onboarding/"' in html


def test_the_sheet_has_what_the_filters_say(client, domain):
    make_domain("outro.pt", domain.tenant, checks={"cert_le": "fail"})
    client.force_login(make_viewer())
    answer = client.get("/onboarding/export/")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines[0].startswith("\ufeffDomain;Tenant;Stage") and len(lines) == 3
    assert lines[1].startswith("novo.pt;VM112;Registered;waits for us;")
    assert "onboarding-" in answer["Content-Disposition"]
    answer = client.get("/onboarding/export/?stage=mx")
    assert len(b"".join(answer.streaming_content).decode().splitlines()) == 2


def test_the_board_costs_twelve_queries_at_ten_thousand_domains(client, tenant):
    make_domains(10_000, tenant)
    new = list(AuditDomain.objects.order_by("pk").values_list("pk", flat=True)[:500])
    AuditDomain.objects.exclude(pk__in=new).update(onboarding=False)
    now = timezone.now()
    AuditDomain.objects.filter(pk__in=new).update(last_audit_at=now, needs_customer=True)
    AuditCheck.objects.bulk_create(
        AuditCheck(domain_id=pk, check_id=c, status="fail", checked_at=now, since=now)
        for pk in new
        for c in NOTHING
    )
    done = AuditDomain.objects.filter(onboarding=False).order_by("-pk")[:900]
    AuditDomain.objects.filter(pk__in=[d.pk for d in done]).update(onboarded_at=now)
    ReportLink.objects.make(list(AuditDomain.objects.filter(pk__in=new[::2])))
    client.force_login(make_operator())
    answer = client.get("/onboarding/")
    following = re.search(r'rel="next" href="([^"]+)"', answer.content.decode())[1]
    for query in ("", following.replace("&amp;", "&"), f"?tenant={tenant.pk}&waits=customer",
                  "?stage=link", "?stage=done", "?q=firma0001"):  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(f"/onboarding/{query}")
        assert answer.status_code == 200 and answer.content.count(b"<tr id=") >= 1, query
        assert len(queries) <= 12, (query, [q["sql"][:200] for q in queries])
    assert not CheckTransition.objects.exists()


def test_a_domain_moves_by_what_is_found(client, domain):
    client.force_login(make_viewer())
    AuditDomain.objects.update(created_at=timezone.now() - timedelta(days=2))
    for left, stage in [
        (NOTHING, "Registered"),
        ({"dns_mx": "fail"}, "DNS right"),
        ({"cert_le": "fail"}, "MX moved"),
    ]:
        audit(domain, **left)
        html = client.get("/onboarding/").content.decode()
        assert re.search(r'at-stage is-\w+">([^<]+)<', html)[1] == stage
    audit(domain)
    assert "No domain is in onboarding" in text_of(client.get("/onboarding/"))
    said = text_of(client.get("/onboarding/?stage=done"))
    assert "novo.pt" in said and "2 days" in said
