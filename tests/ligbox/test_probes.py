"""Case 200: probes are answered whatever the Host, over plain http; nothing else is."""

import pytest
from django.test import Client, override_settings

from ligbox.probes import OURS, PROBES
from tests.addresses import addresses
from tests.audit import factories as make

HOSTS = ["10.0.0.7", "10.0.0.7:8000", "[fd00::1]", "evil.example", "a_b", "..", "x" * 300, ""]
pytestmark = pytest.mark.django_db


@pytest.fixture
def production(settings):
    settings.ALLOWED_HOSTS = ["audit.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    settings.PROXIES = 1


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_probe_of_any_host_is_answered(production, path, host, method):
    make.make_worker()
    client = Client()
    client.cookies["sessionid"] = "x" * 32
    answer = client.generic(method, path, headers={"Host": host, "Accept-Language": "pt"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies and not answer.has_header("Vary")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert method == "HEAD" or answer.json()["status"] in ("ok", "ready")


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_it_takes_no_other_method(production, path, method):
    answer = Client(enforce_csrf_checks=True).generic(method, path, headers={"Host": "10.0.0.7"})
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", [h for h in HOSTS if h])
def test_nothing_else_answers_such_a_host(production, host):
    """Also over https, and static files too."""
    client = Client(raise_request_exception=False)
    secure = {"secure": True, "headers": {"Host": host}}
    paths = [
        "/static/css/base.css",
        "/nothing",
        "//healthz",
        "/healthz/",
        "/HEALTHZ",
        "/healthz%0A",
    ]
    for path in [*addresses()[::9], *paths]:
        if path not in OURS:
            assert client.get(path, **secure).status_code == 400, path
            assert client.get(path, headers={"Host": host}).status_code == 400, path


@override_settings(SECURE_SSL_REDIRECT=True)
def test_everything_else_is_sent_to_https():
    for path in ("/", "/static/css/base.css", "/healthz/", "/login/", "/api/v1/docs"):
        answer = Client().get(path)
        assert (answer.status_code, answer.url) == (301, f"https://testserver{path}")
