"""Cases 165 and 166: every address of the site, taken from its URLs: nothing is done without the CSRF token, nothing is framed."""

import pytest
from django.core.exceptions import DisallowedHost
from django.test import Client
from django.urls import URLPattern, get_resolver

from audit.models import ApiToken, AuditCheck, AuditDomain, AuditRun, CheckTransition, Tenant, WebhookEvent

from . import factories as make

pytestmark = pytest.mark.django_db
VALUES = {"tenant_id": "1", "run_id": "1", "domain": "cliente.pt", "check_id": "dns_spf", "token": "x", "object_id": "1", "kind": "csv"}
VALUES |= {
    "content_type_id": "1",
    "app_label": "audit",
    "url": "nowhere/",
    "id": "1",
    "hash": "x",
    "uidb64": "x",
    "path": "x",
    "backup_id": "1",
}


def addresses():
    """Every address of the site, with something in each place."""

    def walk(patterns, before, places):
        for pattern in patterns:
            route, names = before + _plain(pattern.pattern), places | set(pattern.pattern.converters)
            if isinstance(pattern, URLPattern):
                yield route
            else:
                yield from walk(pattern.url_patterns, route, names)

    return sorted({"/" + address for address in walk(get_resolver().url_patterns, "", set())})


def _plain(pattern):
    text = str(pattern)
    for name, converter in pattern.converters.items():
        kind = {"IntConverter": "int:", "SlugConverter": "slug:", "PathConverter": "path:", "StringConverter": ""}[type(converter).__name__]
        for form in (f"<{kind}{name}>", f"<str:{name}>"):
            text = text.replace(form, VALUES[name])
    special = {"^api(?:/|$)": "api/", "(?P<app_label>auth|audit|django_q)/$": "audit/", "(?P<url>.*)$": "nowhere/"}
    if text in special:
        return special[text]
    if text.startswith("^(?P<app_label>"):
        return "audit/"
    assert not set("<>^$()") & set(text), f"what is {text}?"
    return text


@pytest.fixture
def world():
    """One of everything, so that addresses lead somewhere; returns a client that is signed in as the administrator."""
    tenant = make.make_tenant(pk=1)
    domain = make.make_domain("cliente.pt", tenant, checks={"dns_spf": "fail"})
    WebhookEvent.objects.create(tenant=tenant, event_id="e", event="account.created", payload={})
    AuditRun.objects.ask(tenant=tenant, domains=AuditDomain.objects.filter(pk=domain.pk), trigger="manual", by="x", scope="cliente.pt")
    make.make_token()
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(make.make_admin())
    return client


def state():
    models = [Tenant, AuditDomain, AuditCheck, CheckTransition, AuditRun, WebhookEvent, ApiToken]
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_the_addresses_are_those_of_the_site():
    found = addresses()
    assert {"/", "/login/", "/logout/", "/run/", "/i18n/setlang/", "/admin/audit/auditdomain/import/", "/api/v1/audit/run/1"} <= set(found)
    assert {"/domains/1/cliente.pt/run/", "/domains/1/cliente.pt/report/", "/admin/audit/tenant/1/delete/", "/admin/login/"} <= set(found)
    assert len(found) > 100


def test_case_165_no_post_without_the_token_does_anything(world):
    before = state()
    for address in addresses():
        answer = world.post(
            address, {"action": "delete_selected", "post": "yes", "_selected_action": "1", "language": "pt", "confirm": "1"}
        )
        allowed = {403, 404, 405, 415} if address.startswith("/api/") or address in ("/healthz", "/readyz") else {403}
        assert answer.status_code in allowed, (address, answer.status_code)
        assert "sessionid" not in answer.cookies and "django_language" not in answer.cookies
    assert state() == before
    assert world.get("/").status_code == 200, "still signed in"


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_case_165_nor_does_any_other_method(world, method):
    before = state()
    for address in addresses():
        answer = getattr(world, method)(address)
        assert answer.status_code in (403, 404, 405), (address, answer.status_code)
    assert state() == before


def test_case_165_a_get_signs_nobody_out_and_audits_nothing(world):
    before = state()
    for address in addresses():
        answer = world.get(address)
        assert answer.status_code < 500 or address == "/readyz", (address, answer.status_code)
    assert state() == before
    assert world.get("/logout/").status_code == 405 and world.get("/").status_code == 200


def test_case_165_a_token_of_another_session_is_refused(world):
    world.get("/")
    other = Client(enforce_csrf_checks=True)
    other.force_login(make.make_operator())
    other.get("/")
    theirs = other.cookies["csrftoken"].value
    assert world.post("/domains/1/cliente.pt/run/", headers={"X-CSRFToken": theirs}).status_code == 403
    assert world.post("/domains/1/cliente.pt/run/", headers={"X-CSRFToken": world.cookies["csrftoken"].value}).status_code == 302
    cross = {"X-CSRFToken": world.cookies["csrftoken"].value, "Origin": "https://evil.example"}
    assert world.post("/domains/1/cliente.pt/run/", headers=cross).status_code == 403
    assert world.post("/api/v1/audit/run/1", headers=cross).status_code == 403


@pytest.mark.parametrize("who", ["admin", "anonymous"])
def test_case_166_nothing_may_be_framed(world, who):
    client = world if who == "admin" else Client(raise_request_exception=False)
    for address in [*addresses(), "/nothing-here", "/admin/nothing/", "/domains/1/nowhere.pt/", "/report/forged/"]:
        _unframed(client.get(address), address)
        _unframed(client.post(address), address)


def test_case_166_no_error_may_be_framed_either(monkeypatch):
    client = Client(raise_request_exception=False)
    monkeypatch.setattr("audit.views.overview.board_of", lambda request: 1 / 0)
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
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy, (address, answer.status_code, policy)
    assert answer["X-Frame-Options"] == "DENY", address
