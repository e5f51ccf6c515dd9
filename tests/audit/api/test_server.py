"""The server card by the API: what it says, and a test that is asked for."""

import pytest

from audit.models import ServerCard
from audit.results.server_card import record_card
from tests.audit import factories as make
from tests.audit.api.test_routes import assert_documented

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.make_tenant("VM112")


@pytest.fixture
def call(client, tenant):
    """`call(method, path, scope)`: the answer to a token with this scope."""
    tokens = {scope: make.make_token(scope) for scope in ("read", "run")}

    def send(method, path="", scope="run"):
        headers = make.bearer(tokens[scope])
        address = f"/api/v1/audit/tenants/{tenant.pk}/server{path}"
        return getattr(client, method)(address, headers=headers)

    return send


def done(tenant):
    """A worker judges the card."""
    (card,) = ServerCard.objects.claim("w", 9)
    results = {"server_mx": make.make_result("server_mx", "fail")}
    assert record_card(tenant.pk, results, owner="w", begun_at=card.requested_at)


def test_a_test_is_queued_once_and_done_when_a_worker_was_there(call, tenant, bells):
    ServerCard.objects.update(requested_at=None)
    first = call("post", "/test")
    assert first.status_code == 202
    assert_documented("TestAccepted", first.json())
    assert first.json() == {
        "status": "queued",
        "already_queued": False,
        "status_url": f"/api/v1/audit/tenants/{tenant.pk}/server",
    }
    assert first["Location"] == first.json()["status_url"]
    assert call("post", "/test").json()["already_queued"]
    before = call("get", scope="read").json()
    assert_documented("Server", before)
    assert (before["queued"], before["last_audit"]) == (True, None)
    done(tenant)
    after = call("get", scope="read").json()
    assert (after["queued"], after["status"]) == (False, "fail") and after["last_audit"]


def test_a_disabled_tenant_is_not_tested(call, tenant):
    tenant.enabled = False
    tenant.save()
    assert call("post", "/test").status_code == 409
    assert not call("get").json()["queued"]


def test_it_is_throttled_as_audits_are(call, settings):
    settings.AUDIT_RUNS_PER_MINUTE = 1
    assert call("post", "/test").status_code == 202
    answer = call("post", "/test")
    assert answer.status_code == 429 and int(answer["Retry-After"]) > 0
