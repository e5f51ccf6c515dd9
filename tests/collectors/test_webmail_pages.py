"""webmail_http and the page that comes: its status, placeholders, how long it took, and whether it asks for encryption."""

import pytest

import collectors.webmail_page
from collectors.default_pages import stock_page

from .lab import codes, look, target
from .visits import dialled, hostile, verdict, visit

__all__ = ["dialled", "hostile"]


@pytest.mark.parametrize("status", [404, 500, 502, 304])
def test_a_status_that_is_no_page_fails_and_is_named(hostile, status):
    result = visit(hostile, f"/status/{status}")
    assert verdict(result) == ("fail", ["webmail_status"])
    assert str(status) in str(result.message)
    assert str(result.findings[0].owner) == "host"


def test_a_bad_gateway_points_behind_the_proxy(hostile):
    assert "mailbox service" in str(visit(hostile, "/status/502").findings[0].fix.text)


@pytest.mark.parametrize(
    ("path", "product"),
    [("/nginx", "nginx"), ("/apache", "Apache"), ("/debian", "Apache"), ("/parked", "Sedo"), ("/nginx-with-location", "nginx")],
)
def test_a_placeholder_page_fails_and_is_named(hostile, path, product):
    result = visit(hostile, path)
    assert verdict(result) == ("fail", ["webmail_default_page"])
    assert product in str(result.message)


def test_a_page_that_only_mentions_servers_is_none(hostile):
    assert verdict(visit(hostile, "/mentions-nginx")) == ("ok", [])


@pytest.mark.parametrize(
    ("title", "text", "url", "product"),
    [
        ("Test Page for the Nginx HTTP Server on Fedora", "", "", "nginx"),
        ("HTTP Server Test Page powered by: Rocky Linux", "", "", "Apache"),
        ("Test Page for the HTTP Server on Red Hat Enterprise Linux", "", "", "web server (test page)"),
        ("It works! Apache httpd", "", "", "Apache"),
        ("IIS Windows Server", "", "", "IIS"),
        ("Index of /", "", "", "web server (an empty directory)"),
        ("", "", "https://www.sedo.com/search/?domain=kunde.test", "Sedo"),
        ("", "", "https://notsedo.com/", ""),
        ("Carbonio Login", "<h1>It works!</h1>", "", ""),
        ("Index of /mail", "", "", ""),
        ("kunde.test is for sale | HugeDomains", "", "", "HugeDomains"),
        ("", "<HTML><body><h1>It works!</h1></body></html>", "", "Apache"),
        ("", "", "", ""),
    ],
)
def test_stock_pages_are_told_by_signs_that_nothing_else_has(title, text, url, product):
    assert stock_page(url or "https://webmail.kunde.test/", title, text) == product


def test_a_first_byte_after_the_limit_is_slow(hostile, monkeypatch):
    monkeypatch.setattr(collectors.webmail_page, "SLOW_MS", 300)
    result = visit(hostile, "/late", seconds=2)
    assert verdict(result) == ("warn", ["webmail_slow"])
    assert "0.4 s" in str(result.message)
    assert verdict(visit(hostile, "/")) == ("ok", [])


@pytest.mark.parametrize(("path", "shown"), [("/", []), ("/no-hsts", ["webmail_no_hsts"]), ("/hsts-off", ["webmail_no_hsts"])])
def test_a_missing_hsts_header_is_shown_and_changes_nothing(hostile, path, shown):
    result = visit(hostile, path)
    assert (str(result.status), codes(result)) == ("ok", shown)
    assert str(result.message).endswith("HTTPS valid")


@pytest.mark.parametrize("path", ["/gzip", "/deflate", "/deflate-raw"])
def test_a_packed_page_that_nobody_asked_for_is_read(hostile, path):
    assert visit(hostile, path).evidence["title"] == "Carbonio Login"


def test_a_page_in_another_coding_is_not_read_and_no_fault(hostile):
    assert verdict(visit(hostile, "/brotli")) == ("ok", [])


def test_a_webmail_without_encryption_fails_even_if_the_operator_wrote_it():
    from .hostile_http import Hostile

    with Hostile(mode="http") as server:
        url = f"http://good.test:{server.port}/"
        result, _dns = look("webmail_http", {"names": {"good.test": {"A": ["127.0.0.1"]}}}, target(webmail_url=url))
    assert verdict(result) == ("fail", ["webmail_not_https"])
