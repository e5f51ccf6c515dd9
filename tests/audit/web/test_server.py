"""The pages of servers: the list, a tenant's card, *Test now*, history and evidence."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Incident, ServerCard, Tenant
from audit.reading import trail
from audit.results.server_card import record_card
from collectors.base import Fix
from collectors.text import _
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.make_tenant("VM112", portal_token="very-secret-token", portal_url="http://10.0.0.1")


def judged(tenant, **statuses):
    ServerCard.objects.filter(pk=tenant.pk).update(next_audit_at=timezone.now())
    assert ServerCard.objects.claim("w", 9)
    results = {
        c: make.make_result(c, s, owner="host", fix=Fix(_("Do it."))) for c, s in statuses.items()
    }
    assert record_card(tenant.pk, results, owner="w", begun_at=timezone.now())
    ServerCard.objects.give_back("w")


@pytest.fixture
def page(client, tenant):
    """`page(path)`: its text, as a viewer."""
    client.force_login(make.make_viewer())

    def get(path="", **options):
        response = client.get(f"/tenants/{tenant.pk}/{path}", **options)
        assert response.status_code == 200, response
        return response.content.decode()

    return get


def test_a_card_that_was_never_judged_says_so_and_what_is_off_why(page):
    html = page()
    assert "never tested" in html and "Not audited yet." in html
    assert "No SPF include is set." in html and "AUDIT_SMTP" in html


def test_rows_that_fail_are_open_and_rows_that_are_ok_are_one_line(page, tenant):
    judged(tenant, server_mx="fail", server_ptr="ok", server_portal="ok")
    html = page()
    assert "1 thing to correct" in html
    assert "server_mx_problem" in html and "Do it." in html
    assert (
        f'id="c-{tenant.pk}-server_mx"' in html and html.count('<details class="fold" id="o-') >= 2
    )
    assert f"/tenants/{tenant.pk}/evidence/server_mx/" in html
    assert "very-secret-token" not in html


def test_its_domains_by_state_lead_to_the_overview(page, tenant):
    make.make_domain("a.pt", tenant, checks={"dns_mx": "fail"})
    make.make_domain("b.pt", tenant, checks={})
    html = page()
    assert f"/?status=critical&amp;tenant={tenant.pk}" in html or (
        f"/?tenant={tenant.pk}&amp;status=critical" in html
    )
    assert "healthy" in html


def test_its_open_incidents_are_named(page, tenant):
    now = timezone.now()
    made = {"tenant": tenant, "opened_at": now, "confirmed_at": now, "domains_now": 7}
    Incident.objects.create(kind="server", key="1:server_mx", message="It is <b>gone</b>.", **made)
    Incident.objects.create(kind="server", key="1:x", message="Old.", closed_at=now, **made)
    html = page()
    assert ">VM112: It is &lt;b&gt;gone&lt;/b&gt;</a>" in html
    assert "7 domains" in html and "Old." not in html


def test_history_and_evidence(page, tenant, client):
    judged(tenant, server_mx="ok")
    judged(tenant, server_mx="fail")
    assert "The sentence about server_mx." in page("history/")
    seen = client.get(f"/tenants/{tenant.pk}/evidence/server_mx/").json()
    assert (seen["tenant"], seen["evidence"]) == ("VM112", {"seen": "server_mx"})
    assert client.get(f"/tenants/{tenant.pk}/evidence/server_spf/").status_code == 404
    assert client.get(f"/tenants/{tenant.pk}/history/?cursor=nonsense").status_code == 200


def test_test_now_asks_shows_progress_and_ends(
    client, tenant, bells, django_capture_on_commit_callbacks
):
    make.make_worker()
    judged(tenant, server_mx="ok")
    client.force_login(make.make_operator())
    url = f"/tenants/{tenant.pk}/test/"
    with django_capture_on_commit_callbacks(execute=True):
        html = client.post(url, headers={"HX-Request": "true"}).content.decode()
    assert "Waiting for the worker" in html and "data-poll" in html
    assert bells == ["drain", "compare_portals"]
    assert ServerCard.objects.get().requested_at
    assert client.post(url).headers["Location"] == f"/tenants/{tenant.pk}/"
    assert [entry.said for entry in trail.recent(tenant)] == ["Server test asked for"], "it waits"
    assert 'http-equiv="refresh"' in client.get(f"/tenants/{tenant.pk}/").content.decode()
    ServerCard.objects.claim("w", 1)
    assert "results appear here" in client.get(f"/tenants/{tenant.pk}/card/").content.decode()
    later = timezone.now() + timedelta(seconds=1)
    record_card(tenant.pk, {}, owner="w", begun_at=later)
    assert "data-poll" not in client.get(f"/tenants/{tenant.pk}/card/").content.decode()


def test_without_a_worker_the_page_says_what_to_start(client, tenant, bells):
    client.force_login(make.make_operator())
    client.post(f"/tenants/{tenant.pk}/test/")
    assert "no worker is running" in client.get(f"/tenants/{tenant.pk}/").content.decode()


def test_who_presses_too_often_is_told_to_wait(client, tenant, settings, bells):
    settings.AUDIT_RUNS_PER_MINUTE = 2
    client.force_login(make.make_operator())
    answers = [client.post(f"/tenants/{tenant.pk}/test/") for _press in range(3)]
    assert [a.status_code for a in answers] == [302, 302, 429]
    assert int(answers[2]["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("who", "see", "test"),
    [(None, 302, 302), ("nobody", 403, 403), ("viewer", 200, 403), ("operator", 200, 302)],
)
def test_who_may_see_and_who_may_test(client, tenant, who, see, test, bells):
    users = {"viewer": make.make_viewer, "operator": make.make_operator}
    if who:
        client.force_login(users.get(who, lambda: make.make_user(staff=False))())
    for path in ("/servers/", f"/tenants/{tenant.pk}/", f"/tenants/{tenant.pk}/history/"):
        assert client.get(path).status_code == see
    assert client.post(f"/tenants/{tenant.pk}/test/").status_code == test
    if test != 302 or not who:
        assert bells == []


def test_a_tenant_that_is_not_there_or_switched_off(client, tenant, bells):
    client.force_login(make.make_operator())
    for path in ("", "card/", "history/", "evidence/server_mx/"):
        assert client.get(f"/tenants/{2**63}/{path}").status_code == 404
        assert client.get(f"/tenants/999/{path}").status_code == 404
    Tenant.objects.update(enabled=False)
    assert "switched off" in client.get(f"/tenants/{tenant.pk}/").content.decode()
    assert client.post(f"/tenants/{tenant.pk}/test/").status_code == 404


def test_the_list_has_the_worst_first_with_its_worst_rows(client, tenant):
    fine = make.make_tenant("A")
    judged(tenant, server_mx="fail", server_ptr="warn", server_spf="ok")
    judged(fine, server_mx="ok")
    client.force_login(make.make_viewer())
    html = client.get("/servers/").content.decode()
    assert html.index("VM112") < html.index(">A</a>")
    assert "Mail hosts" in html and "Reverse DNS" in html and "All in order" in html


def test_the_list_costs_the_same_for_many_tenants(client, django_assert_max_num_queries):
    client.force_login(make.make_viewer())
    for n in range(30):
        judged(make.make_tenant(f"T{n}"), server_mx="fail")
    client.get("/servers/")
    with django_assert_max_num_queries(8):
        assert client.get("/servers/").status_code == 200


def test_without_a_tenant_the_list_says_how_to_begin(client):
    client.force_login(make.make_admin())
    assert "/admin/audit/tenant/add/" in client.get("/servers/").content.decode()


def test_a_server_without_a_portal_says_so_at_once(page, tenant):
    make.make_domain("a.pt", tenant, checks={"carbonio": "fail"})
    judged(tenant, server_portal="fail", server_services="fail", server_mx="ok")
    tenant.portal_url, tenant.without_portal = "", True
    tenant.save()
    html = page()
    assert "Not measured here: Carbonio, nginx virtual host." in html
    assert "The scores of its domains count to 6." in html
    assert html.count("This server has no portal, on purpose.") == 4, "and each of the three rows"
    assert "server_portal_problem" not in html and "things to correct" not in html
    assert "No portal address is set." not in html


def test_a_server_whose_address_was_forgotten_says_what_to_set(page, tenant):
    Tenant.objects.update(portal_url="")
    html = page()
    assert "No portal address is set." in html and "on purpose" not in html
