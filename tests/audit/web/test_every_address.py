"""Cases 165 and 166: every address of the site, taken from its URLs: nothing is done without the
CSRF token, nothing is framed.
"""

import pytest
from django.core.exceptions import DisallowedHost
from django.test import Client

from audit.models import (
    ApiToken,
    AuditCheck,
    AuditDomain,
    AuditRun,
    CheckTransition,
    Notification,
    NotificationChannel,
    Tenant,
    WebhookEvent,
)
from tests.addresses import addresses
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    """One of everything, so that addresses lead somewhere; returns a client that is signed in as
    the administrator.
    """
    tenant = make.make_tenant(pk=1)
    domain = make.make_domain("cliente.pt", tenant, checks={"dns_spf": "fail"})
    WebhookEvent.objects.create(tenant=tenant, event_id="e", event="account.created", payload={})
    AuditRun.objects.get_or_create_run(
        tenant=tenant,
        domains=AuditDomain.objects.filter(pk=domain.pk),
        trigger="manual",
        by="x",
        scope="cliente.pt",
    )
    make.make_token()
    NotificationChannel.objects.create(pk=1, name="x", kind="webhook", url="https://x.invalid/")
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(make.make_admin())
    return client


def state():
    models = [Tenant, AuditDomain, AuditCheck, CheckTransition, AuditRun, WebhookEvent, ApiToken]
    models += [NotificationChannel, Notification]
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_the_addresses_are_those_of_the_site():
    found = addresses()
    assert {
        "/",
        "/login/",
        "/logout/",
        "/run/",
        "/i18n/setlang/",
        "/admin/audit/auditdomain/import/",
        "/api/v1/audit/run/1",
    } <= set(found)
    assert {
        "/domains/1/cliente.pt/run/",
        "/domains/1/cliente.pt/report/",
        "/admin/audit/tenant/1/delete/",
        "/admin/login/",
    } <= set(found)
    assert len(found) > 90


def test_no_post_without_the_token_does_anything(world):
    """Case 165."""
    before = state()
    for address in addresses():
        answer = world.post(
            address,
            {
                "action": "delete_selected",
                "post": "yes",
                "_selected_action": "1",
                "language": "pt",
                "confirm": "1",
            },
        )
        allowed = (
            {403, 404, 405, 415}
            if address.startswith("/api/") or address in ("/healthz", "/readyz", "/metrics")
            else {403}
        )
        assert answer.status_code in allowed, (address, answer.status_code)
        assert "sessionid" not in answer.cookies and "django_language" not in answer.cookies
    assert state() == before
    assert world.get("/").status_code == 200, "still signed in"


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_nor_does_any_other_method(world, method):
    """Case 165."""
    before = state()
    for address in addresses():
        answer = getattr(world, method)(address)
        assert answer.status_code in (403, 404, 405), (address, answer.status_code)
    assert state() == before


def test_a_get_signs_nobody_out_and_audits_nothing(world):
    """Case 165."""
    before = state()
    for address in addresses():
        answer = world.get(address)
        assert answer.status_code < 500 or address == "/readyz", (address, answer.status_code)
    assert state() == before
    assert world.get("/logout/").status_code == 405 and world.get("/").status_code == 200


def test_a_token_of_another_session_is_refused(world):
    """Case 165."""
    world.get("/")
    other = Client(enforce_csrf_checks=True)
    other.force_login(make.make_operator())
    other.get("/")
    theirs = other.cookies["csrftoken"].value
    assert (
        world.post("/domains/1/cliente.pt/run/", headers={"X-CSRFToken": theirs}).status_code == 403
    )
    assert (
        world.post(
            "/domains/1/cliente.pt/run/", headers={"X-CSRFToken": world.cookies["csrftoken"].value}
        ).status_code
        == 302
    )
    cross = {"X-CSRFToken": world.cookies["csrftoken"].value, "Origin": "https://evil.example"}
    assert world.post("/domains/1/cliente.pt/run/", headers=cross).status_code == 403
    assert world.post("/api/v1/audit/run/1", headers=cross).status_code == 403


@pytest.mark.parametrize("who", ["admin", "anonymous"])
def test_nothing_may_be_framed(world, who):
    """Case 166."""
    client = world if who == "admin" else Client(raise_request_exception=False)
    for address in [
        *addresses(),
        "/nothing-here",
        "/admin/nothing/",
        "/domains/1/nowhere.pt/",
        "/report/forged/",
    ]:
        _unframed(client.get(address), address)
        _unframed(client.post(address), address)


def test_no_error_may_be_framed_either(monkeypatch):
    """Case 166."""
    client = Client(raise_request_exception=False)
    monkeypatch.setattr("audit.web.overview.overview_context", lambda request: 1 / 0)
    client.force_login(make.make_admin())
    answer = client.get("/")
    assert answer.status_code == 500
    _unframed(answer, "500")

    def evil(request):
        raise DisallowedHost("evil")

    monkeypatch.setattr("django.http.HttpRequest.get_host", evil)
    answer = client.get("/")
    assert answer.status_code == 400
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def _unframed(answer, address):
    policy = answer.get("Content-Security-Policy", "")
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy, (
        address,
        answer.status_code,
        policy,
    )
    assert answer["X-Frame-Options"] == "DENY", address
