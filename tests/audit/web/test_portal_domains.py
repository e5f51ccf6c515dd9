"""The domains that differ between a server and our list, on the tenant's page, on cards and on
scorecards; and the buttons."""

import pytest
from django.contrib.admin.models import LogEntry

from audit.models import AuditDomain, PortalDomain, PortalSync
from audit.results import trail
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.make_tenant(portal_url="http://127.0.0.1:9")


@pytest.fixture
def page(client, tenant):
    """The page of the tenant, for an operator."""
    client.force_login(make.make_operator("ana"))
    return lambda: text_of(client.get(f"/tenants/{tenant.pk}/"))


def text_of(answer):
    """The page, without the places where names may be broken."""
    return answer.content.decode().replace("<wbr>", "").replace("\u200b", "")


def decide(client, tenant, act, *rows, **options):
    data = {"act": act, "domain": [row.pk for row in rows]}
    return client.post(f"/tenants/{tenant.pk}/domains/", data, **options)


def registered():
    return set(AuditDomain.objects.values_list("domain", flat=True))


def test_nothing_is_said_where_nothing_is_compared(tenant, page):
    assert "Domains on the server" not in page()
    PortalSync.objects.filter(pk=tenant.pk).update(state="not_offered")
    make.make_domain("a.test", tenant)
    PortalDomain.objects.create(tenant=tenant, domain="a.test", kind="lost")
    assert "Domains on the server" not in page()


def test_the_page_says_what_differs(tenant, page):
    make.make_domain("gone.test", tenant)
    make.make_difference(tenant, "xn--caf-dma.test")
    make.make_difference(tenant, "gone.test", "lost")
    make.make_difference(tenant, "left.test", ignored_at="2026-01-01T00:00Z")
    html = page()
    assert "1 domain on the server that we lack" in html and "café" in html
    assert "1 domain of ours that the server has no longer" in html
    assert f'href="/domains/{tenant.pk}/gone.test/"' in html
    assert "1 difference is left so." in html and "left.test" not in html
    assert "The server lists 3 domains" in html


def test_without_a_difference_one_line_says_so(tenant, page):
    make.make_difference(tenant, "a.test")
    PortalDomain.objects.all().delete()
    html = page()
    assert "The server lists 3 domains" in html and "the same as we have" in html
    assert "<form" not in html[html.index('id="server-domains"') :].partition("</section>")[0]


def test_a_failure_is_said_with_the_age_of_what_is_shown(tenant, page):
    make.make_difference(tenant, "a.test", state="failed")
    PortalSync.objects.update(message="The portal <b>did not answer</b> within 8 s.")
    html = page()
    assert "could not be compared" in html and "&lt;b&gt;did not answer" in html
    assert "What follows was so" in html and "a.test" in html


def test_a_viewer_sees_it_and_has_no_buttons(client, tenant):
    make.make_difference(tenant, "a.test", state="doubtful")
    client.force_login(make.make_viewer())
    html = text_of(client.get(f"/tenants/{tenant.pk}/"))
    assert "a.test" in html and 'name="act"' not in html and 'name="domain"' not in html
    assert decide(client, tenant, "register-all").status_code == 403
    assert registered() == set()


def test_a_stranger_is_sent_to_the_login(client, tenant):
    make.make_difference(tenant, "a.test")
    assert "/login/" in decide(client, tenant, "register-all")["Location"]
    client.force_login(make.make_user(staff=False))
    assert decide(client, tenant, "register-all").status_code == 403
    assert registered() == set()


def test_register_selected_all_and_leave_so(client, tenant, page, bells):
    rows = [make.make_difference(tenant, f"d{n}.test") for n in range(5)]
    page()
    answer = decide(client, tenant, "register", rows[0], rows[1])
    assert (answer.status_code, answer["Location"]) == (302, f"/tenants/{tenant.pk}/")
    assert registered() == {"d0.test", "d1.test"}
    decide(client, tenant, "leave-proposed", rows[2])
    assert "2 domains on the server that we lack" in page()
    html = decide(client, tenant, "register-all", headers={"HX-Request": "true"}).content.decode()
    assert html.strip().startswith("<article") and "that we lack" not in html
    assert registered() == {"d0.test", "d1.test", "d3.test", "d4.test"}
    decide(client, tenant, "show-again")
    assert "d2.test" in page()
    said = [trail.read(entry)[:2] for entry in LogEntry.objects.order_by("pk")]
    assert ("ana", trail.REGISTERED_MANY) in said and ("ana", trail.LEFT_SO) in said
    assert ("ana", trail.SHOWN_AGAIN) in said


def test_what_is_lost_can_be_left_so(client, tenant, page):
    make.make_domain("gone.test", tenant)
    make.make_domain("away.test", tenant)
    row = make.make_difference(tenant, "gone.test", "lost")
    make.make_difference(tenant, "away.test", "lost")
    page()
    decide(client, tenant, "leave-lost", row)
    assert "1 domain of ours" in page()
    decide(client, tenant, "leave-all-lost")
    assert "domain of ours" not in page()
    assert registered() == {"gone.test", "away.test"}


def test_beyond_the_quota_it_says_how_many_were_left_out(client, tenant, page):
    tenant.quota = 1
    tenant.save()
    for n in range(3):
        make.make_difference(tenant, f"d{n}.test")
    page()
    answer = decide(client, tenant, "register-all")
    assert answer.status_code == 422
    assert "Registered: 1. Left out: 2, as the tenant&#x27;s quota is 1." in answer.content.decode()
    assert registered() == {"d0.test"}


@pytest.mark.parametrize("act", ["register", "leave-lost", "leave-proposed"])
def test_with_nothing_selected_nothing_is_done_and_said(client, tenant, page, act):
    make.make_difference(tenant, "a.test")
    page()
    answer = client.post(f"/tenants/{tenant.pk}/domains/", {"act": act, "domain": ["x", "", "-1"]})
    assert answer.status_code == 422 and "Select at least one" in answer.content.decode()
    assert registered() == set()
    for unknown in ("", "drop", "register-everything"):
        assert decide(client, tenant, unknown).status_code == 422


def test_only_this_tenants_differences_are_meant(client, tenant, page):
    other = make.make_tenant("VM113", portal_url="http://127.0.0.1:9")
    theirs = make.make_difference(other, "theirs.test")
    make.make_difference(tenant, "ours.test")
    page()
    decide(client, tenant, "register", theirs)
    assert registered() == set()
    assert client.post("/tenants/99/domains/", {"act": "register-all"}).status_code == 404


def test_a_list_in_doubt_is_believed_by_a_button(client, tenant, page, bells):
    make.make_difference(tenant, "a.test", state="doubtful")
    PortalSync.objects.update(doubted=7, message="The server's list lacks 7 of 12 domains at once.")
    html = page()
    assert "lacks 7 of 12" in html and "Believe the list" in html
    decide(client, tenant, "believe")
    assert PortalSync.objects.get().believed == 7
    assert trail.read(LogEntry.objects.get())[1:] == (trail.BELIEVED, "7")


def test_many_are_shown_in_part_and_counted_whole(tenant, page, django_assert_max_num_queries):
    first = make.make_difference(tenant, "d0.test")
    PortalDomain.objects.bulk_create(
        PortalDomain(tenant=tenant, domain=f"n{n:04d}.test", kind="proposed") for n in range(2000)
    )
    with django_assert_max_num_queries(30):
        html = page()
    assert "2001 domains" in html.replace(",", "") and "The first 50 are shown here." in html
    assert html.count('name="domain"') == 50 and str(first) in html


def test_a_lost_domain_says_so_on_its_card_and_scorecard(client, tenant):
    make.make_domain("gone.test", tenant, checks={"dns_mx": "fail"})
    make.make_domain("here.test", tenant, checks={})
    lost = make.make_difference(tenant, "gone.test", "lost")
    client.force_login(make.make_viewer())

    def pages():
        return [
            client.get(url).content.decode()
            for url in ("/", "/?view=table", f"/domains/{tenant.pk}/gone.test/")
        ]

    assert ["o longer" in html for html in pages()] == [True] * 3
    assert pages()[0].count("no longer on the server") == 1
    assert "no longer lists" not in client.get(f"/domains/{tenant.pk}/here.test/").content.decode()
    lost.ignored_at = "2026-01-01T00:00Z"
    lost.save()
    assert ["no longer" in html for html in pages()] == [False] * 3
