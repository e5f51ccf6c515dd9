"""The onboarding in the API: the board, and links that are made, listed and revoked."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from audit.models import AuditDomain, ReportLink
from tests.audit import factories as make
from tests.audit.api.test_routes import assert_documented, call, tenant  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain(tenant):  # noqa: F811
    checks = dict.fromkeys(("dns_mx", "dns_spf"), "fail")
    return make.make_domain("cliente.pt", tenant, checks=checks)


def test_the_board_has_the_documented_shape(call, domain):  # noqa: F811
    done = make.make_domain("bom.pt", domain.tenant, checks={})
    AuditDomain.objects.filter(pk=done.pk).update(created_at=timezone.now() - timedelta(hours=3))
    [link] = ReportLink.objects.make([domain])
    link.note_opened()
    data = call("get", "/onboarding").json()
    assert_documented("Onboarding", data)
    assert data["stages"] == {"registered": 0, "link": 1, "dns": 0, "mx": 0, "done": 1}
    [row] = data["domains"]
    assert (row["domain"], row["stage"], row["waits"]) == ("cliente.pt", "link", "customer")
    assert row["missing"] == ["dns_mx", "dns_spf"] and row["link"]["opened_at"]
    assert row["status"] == "critical", "what it is stays true"
    assert "token" not in str(data) and "url" not in row["link"]
    [month] = data["months"]
    assert month["domains"] == 1 and 10_700 < month["median_seconds"] < 10_900
    assert call("get", "/onboarding?stage=done").json()["domains"][0]["domain"] == "bom.pt"
    assert call("get", "/onboarding?waits=us").json()["domains"] == []
    assert call("get", "/onboarding?stage=x").status_code == 422
    assert call("get", "/onboarding?cursor=x").status_code == 422


def test_pages_follow_each_other(call, domain):  # noqa: F811
    for n in range(4):
        make.make_domain(f"d{n}.pt", domain.tenant)
    names, cursor = [], ""
    while cursor is not None:
        data = call("get", f"/onboarding?limit=2&cursor={cursor}").json()
        names += [row["domain"] for row in data["domains"]]
        cursor = data["next_cursor"]
    assert names == ["cliente.pt", "d0.pt", "d1.pt", "d2.pt", "d3.pt"]


def test_a_link_is_made_opened_listed_and_revoked(call, domain):  # noqa: F811
    path = f"/tenants/{domain.tenant_id}/report-links"
    answer = call("post", path, {"domain": "CLIENTE.pt"})
    made = answer.json()
    assert answer.status_code == 201 and "no-store" in answer["Cache-Control"]
    assert_documented("ReportLink", made)
    page = made["url"].removeprefix("http://testserver")
    assert Client().get(page).status_code == 200
    assert Client().get(f"{page}seen/").status_code == 204
    data = call("get", f"{path}?domain=cliente.pt").json()
    assert_documented("ReportLinks", data)
    [listed] = data["links"]
    assert listed["url"] is None and listed["opened_at"] and listed["ended"] is None
    assert call("delete", f"{path}/{made['id']}").status_code == 204
    assert Client().get(page).status_code == 410
    assert call("get", path).json()["links"][0]["ended"] == "revoked"
    assert call("delete", f"{path}/{made['id']}").status_code == 204
    assert call("delete", f"{path}/{2**70}").status_code == 404
    said = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert [s.partition(" [")[0] for s in said] == ["Report link made", "Report link revoked"]


@pytest.mark.parametrize("body", [{}, [], {"domain": 1}, {"domain": "x" * 2000}, None, "x"])
def test_a_body_of_another_form_is_422(call, domain, body):  # noqa: F811
    answer = call("post", f"/tenants/{domain.tenant_id}/report-links", body)
    assert answer.status_code in (415, 422) and not ReportLink.objects.exists()


def test_there_is_no_link_to_nothing(call, tenant):  # noqa: F811
    make.make_domain("novo.pt", tenant)
    path = f"/tenants/{tenant.pk}/report-links"
    assert call("post", path, {"domain": "novo.pt"}).status_code == 409
    assert call("post", path, {"domain": "gone.pt"}).status_code == 404
    assert not ReportLink.objects.exists()


def test_a_token_of_one_tenant_sees_its_own_board(client, domain):
    other = make.make_tenant("VM113")
    headers = make.bearer(make.make_token(tenant=other))
    data = client.get("/api/v1/audit/onboarding", headers=headers).json()
    assert data["domains"] == [] and sum(data["stages"].values()) == 0
