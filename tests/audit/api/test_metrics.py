"""`GET /metrics`: its door, its forms, and that it costs little and waits for nobody."""

import threading
from unittest import mock

import pytest
from django.core.cache import caches
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain

from audit.api import metrics
from audit.models import Incident
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
STRANGER = {"REMOTE_ADDR": "203.0.113.9"}


def samples(text, read=read_plain):
    """{(name, labels): value} of all samples."""
    return {
        (s.name, *sorted(s.labels.items())): s.value
        for family in read(text)
        for s in family.samples
    }


def get(secret=None, *, accept="", host="localhost", peer="127.0.0.1", **more):
    headers = {"Host": host, **({"Accept": accept} if accept else {})}
    headers |= make.bearer(secret) if secret else {}
    return Client().get("/metrics", headers=headers, REMOTE_ADDR=peer, **more)


@pytest.fixture
def world():
    one, other = make.make_tenant("VM112"), make.make_tenant('VM "113"\\\n{x="1"}')
    make.make_domain("a.pt", one, checks={"dns_spf": "fail"})
    make.make_domain("b.pt", other, checks={})
    make.make_worker()
    return one, other


# -- the door


def test_a_token_that_may_read_opens_it(world):
    """Case 250."""
    assert get(peer="203.0.113.9").status_code == 401
    assert get("lbx_wrong", peer="203.0.113.9").status_code == 401
    answer = get(make.make_token(), peer="203.0.113.9")
    assert answer.status_code == 200 and not answer.cookies
    assert "no-store" in answer["Cache-Control"]
    assert get(make.make_token("run"), peer="203.0.113.9").status_code == 200
    assert get(make.make_token(days=-1), peer="203.0.113.9").status_code == 401


def test_a_token_that_is_not_valid_is_refused_on_loopback_too(world):
    assert get("lbx_wrong").status_code == 401


def test_a_session_does_not_open_it(world):
    """Case 250."""
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.force_login(make.make_admin())
    assert client.get("/").status_code == 200
    answer = client.get("/metrics")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer ")
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", ""])
def test_this_machine_needs_none(world, peer):
    assert get(peer=peer).status_code == 200
    assert get(peer=peer, host="127.0.0.1:8000").status_code == 200
    assert get(peer=peer, host="[::1]:8000").status_code == 200


@pytest.mark.parametrize(
    "peer", ["203.0.113.9", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "x"]
)
def test_other_machines_do(world, peer):
    assert get(peer=peer).status_code == 401


@pytest.mark.parametrize("proxies", [0, 1, 2])
@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1, 203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1, 127.0.0.1, 127.0.0.1"},
        {"X-Forwarded-For": "::1"},
        {"X-Forwarded-For": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": "https"},
    ],
)
@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", ""])
def test_no_header_makes_anybody_this_machine(world, settings, proxies, header, peer):
    """Case 251: A proxy on this machine forwards strangers over loopback or our socket."""
    settings.PROXIES = proxies
    answer = Client().get("/metrics", headers={"Host": "localhost", **header}, REMOTE_ADDR=peer)
    assert answer.status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "10.0.0.1", "..", "a b", ""])
def test_a_foreign_name_that_leads_here_does_not_open_it(world, host):
    """Case 252: DNS rebinding in a browser of this machine."""
    assert get(host=host).status_code == 401
    assert get(make.make_token(), host=host).status_code == 200  # a page has no token


def test_loopback_can_be_closed(world, settings):
    settings.METRICS_LOOPBACK = False
    assert get().status_code == 401
    assert get(make.make_token()).status_code == 200


def test_a_token_is_not_taken_over_plain_http_where_the_site_has_https(world, settings):
    """Case 253."""
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["audit.example.com"]
    secret = make.make_token()
    answer = get(secret, peer="203.0.113.9", host="audit.example.com")
    assert (answer.status_code, answer["Location"]) == (301, "https://audit.example.com/metrics")
    assert get(secret, peer="203.0.113.9", host="evil.example").status_code == 400
    assert get(peer="127.0.0.1", host="127.0.0.1:8000").status_code == 200
    assert get(secret, peer="203.0.113.9", secure=True).status_code == 200


def test_it_is_only_read():
    assert Client().post("/metrics").status_code == 405
    assert Client().head("/metrics", headers={"Host": "localhost"}).status_code == 200


def test_guessing_tokens_is_bounded(world, monkeypatch):
    from audit.api import auth

    monkeypatch.setattr(auth.BAD_TOKENS, "tries", 3)
    found = [get(f"lbx_{n}", peer="203.0.113.9").status_code for n in range(5)]
    assert found == [401, 401, 401, 429, 429]


def test_a_tenants_token_sees_that_tenant_alone(world):
    """Case 254."""
    one, other = world
    Incident.objects.create(
        kind="portal", key="p", tenant=other, owner="host", severity="fail",
        opened_at=timezone.now(), confirmed_at=timezone.now(),
    )  # fmt: skip
    text = get(make.make_token(tenant=one), peer="203.0.113.9").content.decode()
    found = samples(text)
    assert {v for name, *labels in found for k, v in labels if k == "tenant"} == {"VM112"}
    assert "113" not in text and "b.pt" not in text
    assert not any(name.startswith(("ligbox_audits", "ligbox_dns")) for name, *_labels in found)
    assert found["ligbox_incidents_open", ("kind", "portal"), ("tenant", "VM112")] == 0
    assert "ligbox_audits_total" in get(make.make_token()).content.decode()


# -- its forms


@pytest.mark.parametrize(
    "accept, kind",
    [
        ("", metrics.PLAIN),
        ("*/*", metrics.PLAIN),
        ("text/html", metrics.PLAIN),
        ("text/plain", metrics.PLAIN),
        ("application/openmetrics-text", metrics.OPEN),
        ("application/openmetrics-text; version=1.0.0", metrics.OPEN),
        ("application/openmetrics-text; version=9.9.9", metrics.PLAIN),
        ("application/openmetrics-text; version=1.0.0; q=0", metrics.PLAIN),
        ("application/openmetrics-text; q=0.1, text/plain; q=0.9", metrics.PLAIN),
        ("application/openmetrics-text; version=x\r\nX: 1", metrics.PLAIN),
        # Prometheus 2.42 and 3
        (
            "application/openmetrics-text;version=1.0.0,"
            "application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            metrics.OPEN,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2",
            metrics.OPEN,
        ),
    ],
)
def test_the_form_is_what_is_asked_for(world, accept, kind):
    answer = get(accept=accept)
    assert answer["Content-Type"] == kind
    read = read_open if kind == metrics.OPEN else read_plain
    found = samples(answer.content.decode(), read)
    assert found["ligbox_domains", ("status", "critical"), ("tenant", "VM112")] == 1


def test_both_forms_say_the_same(world):
    plain = samples(get().content.decode())
    opened = samples(get(accept=metrics.OPEN).content.decode(), read_open)
    assert opened.keys() == plain.keys()


def test_names_of_tenants_are_data(world):
    """Case 255."""
    _one, other = world
    for kind, read in ((metrics.OPEN, read_open), ("", read_plain)):
        found = samples(get(accept=kind).content.decode(), read)
        assert found["ligbox_domains", ("status", "healthy"), ("tenant", other.name)] == 1


def test_every_name_follows_the_conventions(world, settings):
    settings.METRICS_DOMAINS = 10
    families = list(read_open(get(accept=metrics.OPEN).content.decode()))
    assert len(families) > 15
    for family in families:
        assert family.name.startswith("ligbox_") and family.documentation.endswith("."), family
        assert not family.name.endswith("_total"), family.name
        for word in ("milli", "minutes", "_ms"):
            assert word not in family.name
        if family.name.endswith("seconds"):
            assert family.unit == "seconds"
        if family.type == "counter":
            assert all(s.name.endswith("_total") for s in family.samples)


# -- what it costs


def test_those_who_ask_at_once_share_a_page(
    world, django_assert_num_queries, django_assert_max_num_queries
):
    get()
    with django_assert_num_queries(0):
        assert get().status_code == 200
    caches["process"].clear()
    secret = make.make_token()
    with django_assert_max_num_queries(14):  # 11 on SQLite; two find the token and note its use
        get(secret)


def test_the_database_away_is_said_at_once_and_it_is_left_alone(world):
    """Case 256."""
    down = OperationalError("password of db01 is wrong")
    with mock.patch.object(metrics, "_make", side_effect=down) as asked:
        for _scrape in range(5):
            answer = get()
            assert answer.status_code == 503 and answer["Retry-After"] == "5"
            assert b"db01" not in answer.content
    assert asked.call_count == 1
    caches["process"].clear()
    cursor = "django.db.backends.base.base.BaseDatabaseWrapper.cursor"
    with mock.patch(cursor, side_effect=down):
        assert get().status_code == 503
        assert get("lbx_x", peer="203.0.113.9").status_code == 503


def test_who_waits_for_anothers_page_does_not_wait_for_ever(world, monkeypatch):
    """Case 256."""
    monkeypatch.setattr(metrics, "WAIT_SECONDS", 0.05)
    with metrics._one_at_a_time:
        assert get().status_code == 503
    assert get().status_code == 200


def test_a_page_is_made_once_for_those_who_came_while_it_was_made(world, monkeypatch):
    begun, go_on, made = threading.Event(), threading.Event(), []

    def slowly(tenant, kind):
        begun.set()
        go_on.wait(30)
        made.append(kind)
        return b"page"

    monkeypatch.setattr(metrics, "_make", slowly)
    pages = []
    threads = [
        threading.Thread(target=lambda: pages.append(metrics._page(None, metrics.PLAIN)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (pages, len(made)) == ([b"page"] * 4, 1)
