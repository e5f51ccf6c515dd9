"""The differences between a server's list of domains and ours, in the API."""

import pytest

from audit.models import AuditDomain, PortalDomain, PortalSync
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


def test_the_differences_to_the_server_are_listed_by_name(client):
    tenant = make.make_tenant(portal_url="http://127.0.0.1:9")
    headers = make.bearer(make.make_token("read"))
    url = f"/api/v1/audit/tenants/{tenant.pk}/portal-domains"
    empty = client.get(url, headers=headers).json()
    assert (empty["state"], empty["domains"], empty["asked_at"]) == ("never", [], None)
    make.make_domain("gone.test", tenant)
    make.make_difference(tenant, "gone.test", "lost")
    make.make_difference(tenant, "xn--caf-dma.test")
    make.make_difference(tenant, "left.test", ignored_at="2026-01-01T00:00Z")
    said = client.get(f"{url}?limit=1", headers=headers).json()
    assert (said["state"], said["listed"], said["message"]) == ("compared", 3, "")
    assert [(d["domain"], d["kind"]) for d in said["domains"]] == [("gone.test", "lost")]
    rest = client.get(url, {"cursor": said["next_cursor"]}, headers=headers).json()
    assert [(d["unicode"], d["kind"]) for d in rest["domains"]] == [("café.test", "proposed")]
    one = client.get(f"{url}?kind=proposed", headers=headers).json()
    assert [d["domain"] for d in one["domains"]] == ["xn--caf-dma.test"]
    assert client.get(f"{url}?kind=other", headers=headers).status_code == 422
    card = client.get("/api/v1/audit/overview", headers=headers).json()["cards"][0]
    assert (card["domain"], card["lost"]) == ("gone.test", True)
    scorecard = client.get(f"/api/v1/audit/tenants/{tenant.pk}/scorecard", headers=headers).json()
    assert scorecard["lost"] is True


@pytest.fixture
def post(client):
    """`post(path, body=None)`: `(status, answer)` of a token that may change things."""
    headers = make.bearer(make.make_token("run"))

    def post(path, body=None):
        data = {} if body is None else {"data": body, "content_type": "application/json"}
        answer = client.post(f"/api/v1/audit/tenants/{path}", headers=headers, **data)
        return answer.status_code, answer.json()

    return post


def shown(tenant):
    return {d.domain for d in PortalDomain.objects.filter(tenant=tenant).open()}


def test_differences_are_left_as_they_are_and_shown_again(post):
    tenant, other = make.make_tenant("VM112"), make.make_tenant("VM113")
    for name in ("a.test", "xn--caf-dma.test", "b.test"):
        make.make_difference(tenant, name)
    make.make_domain("gone.test", tenant)
    make.make_difference(tenant, "gone.test", "lost")
    make.make_difference(other, "a.test")
    url = f"{tenant.pk}/portal-domains"
    some = {"kind": "proposed", "domains": ["A.test.", "café.test", "gone.test", "none.test"]}
    assert post(f"{url}/leave", some) == (200, {"left": 2})
    assert shown(tenant) == {"b.test", "gone.test"} and shown(other) == {"a.test"}
    assert post(f"{url}/leave", some) == (200, {"left": 0}), "again changes nothing"
    assert post(f"{url}/leave", {"kind": "lost"}) == (200, {"left": 1})
    assert shown(tenant) == {"b.test"} and AuditDomain.objects.filter(domain="gone.test").exists()
    assert post(f"{url}/show-again") == (200, {"shown": 3})
    assert shown(tenant) == {"a.test", "xn--caf-dma.test", "b.test", "gone.test"}


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"kind": "other"}, {"kind": "lost", "domains": []},
        {"kind": "lost", "domains": ["not one"]}, {"kind": "lost", "domains": ["a.test"] * 1001},
    ],
)  # fmt: skip
def test_what_is_not_understood_leaves_nothing(post, body):
    tenant = make.make_tenant()
    make.make_difference(tenant, "a.test", "lost")
    status, answer = post(f"{tenant.pk}/portal-domains/leave", body)
    assert status == 422 and answer["errors"]


def test_a_list_in_doubt_is_believed_once_somebody_says_so(post, bells):
    tenant = make.make_tenant()
    url = f"{tenant.pk}/portal-domains/believe"
    assert post(url)[0] == 409
    make.make_difference(tenant, "a.test")
    PortalSync.objects.filter(pk=tenant.pk).update(state="doubtful", doubted=12, believed=0)
    status, answer = post(url)
    assert (status, answer["state"]) == (200, "doubtful"), "until it was compared"
    assert PortalSync.objects.get(pk=tenant.pk).believed == 12
