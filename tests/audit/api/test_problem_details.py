"""Every error of the API is a problem (RFC 9457), says nothing of the inside, and no input is a
500.
"""

import json
import logging
from unittest import mock

import pytest
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.test import Client

from audit.models import AuditDomain
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
BASE = "/api/v1/audit"


@pytest.fixture
def tenant():
    return make.make_tenant()


@pytest.fixture
def headers():
    return make.bearer(make.make_token("run"))


def problem(answer, status, *, of=None):
    assert answer.status_code in ((status,) if isinstance(status, int) else status), (
        answer.status_code,
        answer.content[:300],
    )
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (
        {"type", "title", "status", "detail"}
        <= set(body)
        <= {"type", "title", "status", "detail", "errors"}
    )
    assert body["status"] == answer.status_code and body["detail"]
    assert (
        "Traceback" not in answer.content.decode()
        and "/site-packages/" not in answer.content.decode()
    )
    if of:
        assert of in [e["name"] for e in body["errors"]] and {
            "in",
            "name",
            "code",
            "message",
        } == set(body["errors"][0])
    return body


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api",
        "/api/v1/",
        "/api/v2/audit/overview",
        "/api/v1/audit/overview/",
        "/api/v1/audit/runs/x",
        "/api/\x00é",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_address_is_404(path, method):
    problem(getattr(Client(enforce_csrf_checks=True), method)(path), 404)


def test_an_unknown_address_is_a_problem_under_debug_too(client, settings):
    settings.DEBUG = True
    problem(client.get("/api/v1/nothing"), 404)
    problem(client.get(f"{BASE}/runs/1", headers=make.bearer(make.make_token())), 404)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace", "post"])
def test_another_method_is_405_with_those_that_are_allowed(client, method):
    """Case 143."""
    for path in (f"{BASE}/overview", "/api/v1/openapi.json", "/api/v1/docs"):
        answer = getattr(client, method)(path)
        problem(answer, 405)
        assert answer["Allow"] == "GET, HEAD, OPTIONS"


def test_head_is_get_without_a_body(client, headers):
    get, head = (
        client.get(f"{BASE}/overview", headers=headers),
        client.head(f"{BASE}/overview", headers=headers),
    )
    assert (
        head.status_code == 200
        and head.content == b""
        and int(head["Content-Length"]) == len(get.content)
    )
    assert client.head(f"{BASE}/overview").status_code == 401
    assert client.head(f"{BASE}/run/1", headers=headers).status_code == 405


def test_options_names_the_methods_and_there_is_no_cors(client, headers):
    """Case 143."""
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        client.options(f"{BASE}/overview", headers=origin),
        client.get(f"{BASE}/overview", headers={**headers, **origin}),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert client.options(f"{BASE}/tenants/1/domains").status_code == 204
    assert client.options(f"{BASE}/tenants/1/domains")["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_answers_are_not_kept_by_caches(client, headers):
    assert client.get(f"{BASE}/overview", headers=headers)["Cache-Control"] == "no-store"
    assert client.get(f"{BASE}/overview")["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e9", "limit"),
        ("limit=x", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("status=green", "status"),
        ("status=ok", "status"),
        ("sort=tenant__portal_token", "sort"),
        ("tenant=x", "tenant"),
        ("tenant=0", "tenant"),
        (f"tenant={2**63}", "tenant"),
        ("q=" + "x" * 254, "q"),
        ("cursor=x", "cursor"),
        ("cursor=" + "x" * 3000, "cursor"),
        ("check=spf", "check"),
        ("owner=me", "owner"),
        ("q=" + "x" * 1_000_000, "q"),
        ("cursor=%ED%A0%80", "cursor"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_a_query_that_is_not_valid_is_422_and_named(client, headers, query, name):
    """Cases 138, 139, 140."""
    problem(client.get(f"{BASE}/overview?{query}", headers=headers), 422, of=name)


def test_parameters_that_are_empty_or_unknown_count_as_left_out(client, headers, tenant):
    make.make_domain("cliente.pt", tenant)
    plain = client.get(f"{BASE}/overview", headers=headers).json()["cards"]
    empty = client.get(
        f"{BASE}/overview?tenant=&status=&q=&sort=&limit=&cursor=&page=9&expand=tenant.portal_token",
        headers=headers,
    )
    assert empty.status_code == 200 and empty.json()["cards"] == plain


def test_a_nul_is_400(client, headers, tenant):
    """Case 136."""
    for path in (
        "overview?q=a%00b",
        f"tenants/{tenant.pk}/domains?q=%00",
        "overview?x%00=1",
        f"tenants/{tenant.pk}/history?domain=%00",
    ):
        problem(client.get(f"{BASE}/{path}", headers=headers), 400)
    problem(client.delete(f"{BASE}/tenants/{tenant.pk}/domains/a%00b", headers=headers), 422)
    body = '{"domain": "a\\u0000.pt"}'
    problem(
        client.post(
            f"{BASE}/tenants/{tenant.pk}/domains",
            body,
            content_type="application/json",
            headers=headers,
        ),
        400,
    )


@pytest.mark.parametrize(
    "text",
    [
        "' OR 1=1 --",
        "%27",
        "{{7*7}}",
        "${7*7}",
        "../../",
        "%",
        "_",
        "\\",
        "*",
        "<script>",
        "\u202eevil",
        "😀",
        "%ED%A0%80",
        "%FF",
        "ß",
        "．",
        "xn--",
    ],
)
def test_a_search_text_is_plain_data(client, headers, tenant, text):
    """Cases 137, 141."""
    make.make_domain("cliente.pt", tenant)
    for path in ("overview", f"tenants/{tenant.pk}/domains"):
        answer = client.get(f"{BASE}/{path}", {"q": text}, headers=headers)
        assert answer.status_code == 200
        assert not answer.json().get("cards") and not answer.json().get("domains")
        raw = client.get(
            f"{BASE}/{path}?q={text if '%' in text and len(text) > 1 else 'x'}", headers=headers
        )
        assert raw.status_code == 200


def test_ten_thousand_keys_are_400(client, headers):
    """Case 140."""
    problem(
        client.get(
            f"{BASE}/overview?" + "&".join(f"k{n}=1" for n in range(10_000)), headers=headers
        ),
        400,
    )


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-1",
        str(2**31),
        str(2**63 - 1),
        str(2**63),
        str(2**64),
        "9" * 400,
        "9" * 5000,
        "1e3",
        "1.0",
        "٣",
        "null",
        "00x",
    ],
)
def test_ids_of_any_shape_are_404(client, headers, number):
    """Case 138."""
    paths = [
        f"runs/{number}",
        f"tenants/{number}/scorecard",
        f"tenants/{number}/history",
        f"tenants/{number}/domains",
    ]
    for path in paths:
        problem(client.get(f"{BASE}/{path}", headers=headers), 404)
    problem(client.post(f"{BASE}/run/{number}", headers=headers), 404)
    problem(client.delete(f"{BASE}/tenants/{number}/domains/a.pt", headers=headers), 404)
    body = json.dumps({"domain": "a.pt"})
    problem(
        client.post(
            f"{BASE}/tenants/{number}/domains",
            body,
            content_type="application/json",
            headers=headers,
        ),
        404,
    )
    problem(
        client.post(f"/api/v1/webhooks/{number}", "{}", content_type="application/json"),
        (400, 401, 404),
    )


@pytest.mark.parametrize(
    "domain",
    [
        "localhost",
        "192.0.2.1",
        "a",
        "not%20one",
        "co.uk",
        "-a.pt",
        "%ED%A0%80",
        "x" * 999,
        "a..pt",
        "*.pt",
        "a.invalid",
    ],
)
def test_what_is_not_a_domain_is_422_with_the_sentence(client, headers, tenant, domain):
    for path in (
        f"tenants/{tenant.pk}/scorecard?domain={domain}",
        f"tenants/{tenant.pk}/history?domain={domain}",
    ):
        problem(client.get(f"{BASE}/{path}", headers=headers), 422, of="domain")
    problem(
        client.post(f"{BASE}/run/{tenant.pk}?domain={domain}", headers=headers), 422, of="domain"
    )
    problem(
        client.delete(f"{BASE}/tenants/{tenant.pk}/domains/{domain}", headers=headers),
        422,
        of="domain",
    )


def test_a_domain_that_is_not_registered_is_404(client, headers, tenant):
    for path in (
        f"tenants/{tenant.pk}/scorecard?domain=a.pt",
        f"tenants/{tenant.pk}/history?domain=a.pt",
    ):
        problem(client.get(f"{BASE}/{path}", headers=headers), 404)
    problem(client.post(f"{BASE}/run/{tenant.pk}?domain=a.pt", headers=headers), 404)


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"\xff\xfe{}",
        b'{"domain": NaN}',
        b'{"a":1,"a":2}',
        b"[" * 10_000,
        b'{"domain":"\\ud800.pt"}',
        b"1" * 5000,
    ],
)
def test_a_body_that_is_not_json_is_400(client, headers, tenant, raw):
    headers = {
        **headers,
        "Content-Type": "application/json",
    }  # the client leaves it out where the body is empty
    problem(
        client.generic(
            "POST",
            f"{BASE}/tenants/{tenant.pk}/domains",
            raw,
            content_type="application/json",
            headers=headers,
        ),
        400,
    )
    assert not AuditDomain.objects.exists()


def test_other_content_types_are_415_and_large_bodies_413(client, headers, tenant):
    path = f"{BASE}/tenants/{tenant.pk}/domains"
    problem(client.post(path, {"domain": "a.pt"}, headers=headers), 415)
    problem(
        client.post(
            path, "domain=a.pt", content_type="application/x-www-form-urlencoded", headers=headers
        ),
        415,
    )
    problem(
        client.post(
            path, b'"' + b"x" * 70_000 + b'"', content_type="application/json", headers=headers
        ),
        413,
    )


def test_a_database_that_does_not_answer_is_503(client, headers):
    with mock.patch(
        "audit.api.routes.overview",
        side_effect=OperationalError("could not connect to db01 as ligbox"),
    ):
        answer = client.get(f"{BASE}/overview", headers=headers)
    problem(answer, 503)
    assert answer["Retry-After"] and b"db01" not in answer.content


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_is_500_without_a_word_of_the_inside_and_with_all_of_it_in_the_log(
    client, headers, settings, caplog, debug
):
    """Case 143."""
    settings.DEBUG = debug
    with (
        mock.patch(
            "audit.api.routes.overview", side_effect=RuntimeError("SELECT secret FROM table")
        ),
        caplog.at_level(logging.ERROR),
    ):
        answer = client.get(f"{BASE}/overview", headers=headers)
    problem(answer, 500)
    assert (
        b"secret" not in answer.content
        and "SELECT secret" in caplog.text
        and "Traceback" in caplog.text
    )


def test_errors_outside_of_any_view_are_problems_too():
    client = Client(raise_request_exception=False)
    with mock.patch("django.http.HttpRequest.get_host", side_effect=DisallowedHost("evil")):
        problem(client.get(f"{BASE}/overview"), 400)
    with mock.patch(
        "django.middleware.common.CommonMiddleware.process_request",
        side_effect=RuntimeError("inside"),
    ):
        problem(client.get(f"{BASE}/overview"), 500)


def test_pages_keep_their_own_errors(client):
    assert client.get("/nothing-here")["Content-Type"].startswith("text/html")
