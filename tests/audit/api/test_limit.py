"""Case 134: how many requests of any kind one caller may make; counted by token, user or portal,
and strangers by address.
"""

import json
import re

import pytest
import time_machine
from django.test import Client
from django.urls import get_resolver

from audit.access.throttle import Throttle, peer
from audit.models import WebhookEvent
from ligbox.openapi import EXAMPLES
from tests.audit import factories as make
from tests.audit.api.test_matrix import ROLES, TABLE, as_role
from tests.audit.api.test_matrix import send as send_as
from tests.audit.api.test_webhooks import post

pytestmark = pytest.mark.django_db
OVERVIEW, DOCUMENT = "/api/v1/audit/overview", "/api/v1/openapi.json"


@pytest.fixture
def five(settings):
    """Half a request a second: five in ten seconds."""
    settings.AUDIT_REQUESTS_PER_SECOND = 0.5


def statuses(get_or_create_run, times):
    return [get_or_create_run(n).status_code for n in range(times)]


def test_a_thousand_requests_in_ten_seconds_are_429_with_the_time_to_wait(client, monkeypatch):
    """Case 134."""
    monkeypatch.setattr("audit.api.routes.overview", lambda *args, **kwargs: EXAMPLES["Overview"])
    headers = make.bearer(make.make_token())
    with time_machine.travel("2026-11-24T10:00:00Z", tick=False) as clock:
        found = statuses(lambda n: client.get(OVERVIEW, headers=headers), 500)
        assert set(found) == {200}
        clock.shift(4)
        found = statuses(lambda n: client.get(OVERVIEW, headers=headers), 500)
        assert set(found) == {429}
        answer = client.get(OVERVIEW, headers=headers)
        assert (
            answer["Retry-After"] == "6"
            and answer["Content-Type"] == "application/problem+json"
            and answer.json()["status"] == 429
        )
        clock.shift(6)
        assert client.get(OVERVIEW, headers=headers).status_code == 200


def test_no_forwarded_address_is_a_new_caller(client, five):
    """Case 134."""

    def stranger(n):
        return client.get(
            OVERVIEW,
            headers={"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=198.51.100.{n}"},
        )

    assert statuses(stranger, 7) == [401] * 5 + [429] * 2
    assert client.get(OVERVIEW, REMOTE_ADDR="192.0.2.7").status_code == 401


def test_behind_a_proxy_of_ours_each_address_it_names_is_a_caller(client, five, settings):
    """Case 134."""
    settings.PROXIES = 1

    def stranger(n, address="203.0.113.9"):
        return client.get(OVERVIEW, headers={"X-Forwarded-For": f"198.51.100.{n}, {address}"})

    assert statuses(stranger, 6) == [401] * 5 + [429]
    assert stranger(1, "203.0.113.10").status_code == 401


def test_each_token_and_each_user_has_a_count_of_their_own(five):
    one, two = make.bearer(make.make_token()), make.bearer(make.make_token())
    client, signed_in = Client(), Client()
    signed_in.force_login(make.make_viewer())
    assert statuses(lambda n: client.get(OVERVIEW, headers=one), 6) == [200] * 5 + [429]
    assert statuses(lambda n: client.get(OVERVIEW, headers=two), 6) == [200] * 5 + [429]
    assert statuses(lambda n: signed_in.get(OVERVIEW), 6) == [200] * 5 + [429]
    assert statuses(lambda n: Client().get(OVERVIEW), 6) == [401] * 5 + [429]


@pytest.mark.parametrize("role", ["anonymous", "viewer", "operator", "run"])
@pytest.mark.parametrize("operation", [o for o in TABLE if o != "receiveEvent"])
def test_every_operation_counts(client, five, operation, role):
    """Case 134."""
    world = {"tenant": make.make_tenant().pk, "run": 1, "link": 1}
    headers = as_role(client, role, None)
    assert role in ROLES
    for _n in range(5):
        assert client.get(f"{OVERVIEW}?sort=none", headers=headers).status_code in (401, 422)
    assert send_as(client, operation, world, headers).status_code == 429


@pytest.mark.parametrize("path", [DOCUMENT, "/api/v1/docs"])
def test_the_document_and_its_page_count_too(client, five, path):
    """Case 134."""
    answers = [client.get(path) for _n in range(6)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] and 1 <= int(
        answers[-1]["Retry-After"]
    ) <= 10


def test_there_is_no_other_address_below_the_api():
    (below,) = [p for p in get_resolver().url_patterns if str(p.pattern) == "api/v1/"]
    names = {p.name for p in below.url_patterns}
    assert names == {
        "api-root",
        "openapi-json",
        "openapi-view",
        *(re.sub("([A-Z])", r"_\1", operation).lower() for operation in TABLE),
    }


def test_a_portal_counts_by_itself_and_strangers_at_its_address_keep_no_event_out(five):
    """Case 134."""
    tenant, other = make.make_tenant(), make.make_tenant("VM113")
    forged = "v1," + "A" * 43 + "="
    assert statuses(lambda n: post(tenant, signature=forged), 6) == [401] * 5 + [429]
    assert statuses(lambda n: post(tenant, headers={"webhook-id": None}), 1) == [429]
    assert statuses(lambda n: post(tenant, event_id=f"e{n}"), 6) == [202] * 5 + [429]
    assert post(other).status_code == 202
    assert WebhookEvent.objects.filter(tenant=tenant).count() == 5, (
        "what was answered 429 is not kept: the portal sends it again"
    )


def test_counting_asks_nothing_of_the_database(client, five, django_assert_num_queries):
    headers = make.bearer(make.make_token())
    for _n in range(5):
        client.get(OVERVIEW, headers=headers)
    with django_assert_num_queries(1):  # whose token it is
        assert client.get(OVERVIEW, headers=headers).status_code == 429
    with django_assert_num_queries(0):
        assert statuses(lambda n: client.get(OVERVIEW), 6)[-1] == 429


def test_a_shared_cache_that_is_down_holds_no_request_up(client, monkeypatch, settings):
    """The requests of the API are counted in the process itself, whatever REDIS_URL says."""
    backend = settings.CACHES["process"]["BACKEND"]
    assert backend == "django.core.cache.backends.locmem.LocMemCache"
    from django.core.cache import caches

    monkeypatch.setattr(caches["default"], "add", lambda *args: 1 / 0)
    assert client.get(DOCUMENT).status_code == 200


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix:", "unix:"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8::1, forged", "2001:db8::1, forged"),
    ],
)
def test_strangers_are_told_apart_by_address_of_ipv6_by_network(rf, address, key):
    assert peer(rf.get("/", REMOTE_ADDR=address)) == key


def test_a_limit_starts_anew_after_its_time():
    limit = Throttle("test", tries=1, seconds=10, cache="process")  # one that goes by our clock
    with time_machine.travel("2026-11-24T10:00:00Z", tick=False) as clock:
        assert [limit.hit("a"), limit.hit("a"), limit.hit("b")] == [0, 10, 0]
        clock.shift(11)
        assert limit.hit("a") == 0


def test_a_head_and_a_body_that_is_too_large_count_like_the_rest(five):
    """Case 134."""
    client, headers = Client(), make.bearer(make.make_token("run"))
    tenant = make.make_tenant()
    path = f"/api/v1/audit/tenants/{tenant.pk}/domains"
    assert statuses(lambda n: client.head(path, headers=headers), 4) == [200] * 4
    large = json.dumps({"domain": "x" * 70_000})
    assert (
        client.post(path, large, content_type="application/json", headers=headers).status_code
        == 413
    )
    assert (
        client.post(path, large, content_type="application/json", headers=headers).status_code
        == 429
    )
