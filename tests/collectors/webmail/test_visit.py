"""webmail_http and redirects: at most five, each to a checked address, none that leads astray."""

import errno
from urllib.parse import quote

import pytest

from collectors.net import connection
from tests.collectors.hostile_http import Hostile, answer, certificates
from tests.collectors.visits import dialled, hostile, verdict, visit

__all__ = ["dialled", "hostile"]

LOOPBACK_A = {"A": ["127.0.0.1"]}


def asked(server, since=0):
    return [request[1].split(" ")[1] for request in server.requests[since:]]


def cookies(server, since):
    return [dict(request[2]).get("Cookie") for request in server.requests[since:]]


def to(server, url, **options):
    """A visit to a page that redirects to `url`."""
    return visit(server, "/to?u=" + quote(url, safe=""), **options)


@pytest.mark.parametrize(
    ("path", "requests"), [("/loop", 1), ("/pingpong", 2), ("/redirect/6", 6), ("/redirect/50", 6)]
)
def test_redirects_in_a_circle_or_too_many_are_a_loop(hostile, path, requests):
    """Case 67."""
    before = len(hostile.requests)
    result = visit(hostile, path)
    assert verdict(result) == ("fail", ["webmail_redirect_loop"])
    assert len(hostile.requests) - before == requests
    assert len(result.evidence["requests"]) == requests


def test_five_redirects_are_followed(hostile):
    """Case 67."""
    result = visit(hostile, "/redirect/5", seconds=2)
    assert verdict(result) == ("ok", [])
    assert result.evidence["final_url"] == f"https://good.test:{hostile.port}/"
    assert [hop["status"] for hop in result.evidence["requests"]] == [302] * 5 + [200]


def test_a_page_that_redirects_to_itself_with_a_cookie_cannot_be_judged(hostile):
    assert verdict(visit(hostile, "/cookie-wall")) == ("unknown", ["webmail_redirect_cookie"])


def test_a_cookie_is_returned_to_the_host_that_set_it_and_to_no_other(hostile):
    before = len(hostile.requests)
    assert verdict(visit(hostile, "/cookie-gate")) == ("ok", [])
    assert cookies(hostile, before) == [None, "seen=1"]
    names = {"good.test": LOOPBACK_A, "login.good.test": LOOPBACK_A}
    before = len(hostile.requests)
    url = quote(f"https://login.good.test:{hostile.port}/", safe="")
    visit(hostile, f"/cookie-to?u={url}", names=names)
    assert cookies(hostile, before) == [None, None]


def test_a_cookie_ends_with_the_visit(hostile):
    visit(hostile, "/cookie-gate")
    before = len(hostile.requests)
    visit(hostile, "/")
    assert cookies(hostile, before) == [None]


def test_counting_redirects_that_set_cookies_cannot_be_judged(hostile):
    assert verdict(visit(hostile, "/cookie-count/9")) == ("unknown", ["webmail_redirect_cookie"])


def test_a_circle_of_two_hosts_that_share_a_cookie_cannot_be_judged():
    paths = {"/": []}
    with Hostile(certificates(), paths=paths) as server:
        there = f"https://login.good.test:{server.port}/in"
        paths["/"] = [
            answer(status="302 Found", Location=there, Set_Cookie="s=1; Path=/; Domain=good.test")
        ]
        paths["/in"] = [answer(status="302 Found", Location=f"https://good.test:{server.port}/x")]
        paths["/x"] = [answer(status="302 Found", Location=there)]
        names = {"good.test": LOOPBACK_A, "login.good.test": LOOPBACK_A}
        assert verdict(visit(server, names=names)) == ("unknown", ["webmail_redirect_cookie"])


def test_a_page_that_asks_for_cookies_although_they_were_returned_cannot_be_judged(hostile):
    assert verdict(visit(hostile, "/cookie-never")) == ("unknown", ["webmail_refuses_audit"])


def test_a_redirect_to_the_metadata_service_is_not_followed(hostile, dialled):
    """Case 68."""
    result = to(hostile, "http://169.254.169.254/latest/meta-data/")
    assert verdict(result) == ("fail", ["webmail_redirect_blocked"])
    assert dialled == [("127.0.0.1", hostile.port)]
    assert "169.254.169.254" in str(result.message)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "127.1",
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "①②⑦.⓪.⓪.①",
        "db.internal",
    ],
)
def test_an_address_in_any_spelling_is_not_followed(hostile, dialled, scheme, host):
    """Case 69."""
    # the server can send ASCII alone in a header; what is not, comes percent-encoded
    result = to(hostile, f"{scheme}://{host if host.isascii() else quote(host)}/")
    assert verdict(result) == ("fail", ["webmail_redirect_blocked"])
    assert dialled == [("127.0.0.1", hostile.port)]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://good.test/",
        "ftp://good.test/",
        "javascript:alert(1)",
        "data:text/html,hello",
        "https://good.test@169.254.169.254/",
        "https://user:secret@good.test/",
        "https://good.test:22/",
        "https://good.test:99999/",
        "https://good.test:x/",
        "https://[::1/",
        "https:///",
        "https:///evil.test/",
        "///evil.test/",
        "https:evil.test",
        "\\\\evil",
        "https:\\\\good.test\\",
        "https://good test/",
    ],
)
def test_another_scheme_port_or_user_is_a_finding_and_not_a_hop(hostile, dialled, url):
    """Case 70."""
    result = to(hostile, url)
    assert verdict(result) == ("fail", ["webmail_redirect_blocked"])
    assert dialled == [("127.0.0.1", hostile.port)]


def test_a_redirect_without_scheme_goes_through_the_same_checks(hostile, dialled):
    """Case 70."""
    names = {"good.test": LOOPBACK_A, "evil.test": {"A": ["10.0.0.5"]}}
    assert verdict(to(hostile, "//evil.test/", names=names)) == (
        "fail",
        ["webmail_redirect_blocked"],
    )
    assert dialled == [("127.0.0.1", hostile.port)]


def test_the_same_port_and_the_default_port_are_followed(hostile, dialled, monkeypatch):
    """Case 70."""
    assert verdict(to(hostile, f"https://good.test:{hostile.port}/")) == ("ok", [])
    record = connection._connect

    async def none_at_443(address, port, reachable):
        if port != 443:
            return await record(address, port, reachable)
        dialled.append((address, port))
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(connection, "_connect", none_at_443)
    assert verdict(to(hostile, "https://good.test/")) == ("fail", ["webmail_refused"])
    assert ("127.0.0.1", 443) in dialled


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/location-crlf", "fail", "webmail_redirect_blocked"),
        ("/location-1mb", "unknown", "webmail_unreadable"),
        ("/location-long", "fail", "webmail_redirect_blocked"),
        ("/location-bytes", "fail", "webmail_redirect_blocked"),
        ("/two-locations", "fail", "webmail_bad_response"),
        ("/no-location", "fail", "webmail_bad_response"),
    ],
)
def test_a_location_that_is_none_is_a_finding(hostile, path, status, code):
    """Case 71."""
    result = visit(hostile, path)
    assert verdict(result) == (status, [code])
    assert len(str(result.message)) < 700
    assert "\r" not in str(result.message)


def test_bytes_in_a_location_are_shown_escaped(hostile):
    """Case 71."""
    assert r"https://b\xfccher.test/\xff" in str(visit(hostile, "/location-bytes").message)


def test_a_refresh_in_the_page_is_not_followed(hostile):
    """Case 72."""
    before = len(hostile.requests)
    assert verdict(visit(hostile, "/refresh?u=https://good.test/loop")) == ("ok", [])
    assert asked(hostile, before) == ["/refresh?u=https://good.test/loop"]


def test_a_redirect_to_plain_http_is_insecure_and_not_followed(hostile, dialled):
    assert verdict(to(hostile, "http://good.test/")) == ("fail", ["webmail_redirect_insecure"])
    assert len(dialled) == 1


def test_a_redirect_to_a_private_name_is_blocked_and_not_dialled(hostile, dialled):
    names = {"good.test": LOOPBACK_A, "inside.good.test": {"A": ["127.0.0.1", "192.168.1.1"]}}
    result = to(hostile, f"https://inside.good.test:{hostile.port}/", names=names)
    assert verdict(result) == ("fail", ["webmail_redirect_blocked"])
    assert str(result.findings[0].owner) == "host"
    assert "192.168.1.1" in str(result.message)
    assert len(dialled) == 1


def test_a_redirect_to_a_name_that_is_not_there_says_so(hostile):
    assert verdict(to(hostile, "https://gone.test/")) == ("fail", ["webmail_redirect_unresolvable"])


def test_a_redirect_to_a_name_that_cannot_be_looked_up_is_unknown_and_keeps_what_was_seen(hostile):
    result = to(
        hostile,
        "https://broken.test/",
        rules=[{"name": "broken.test", "action": "servfail"}],
        seconds=3,
    )
    assert verdict(result) == ("unknown", ["dns_servfail"])
    assert result.evidence["requests"][0]["status"] == 302


def test_a_webmail_that_ends_on_another_organisation_warns(hostile):
    names = {"good.test": LOOPBACK_A, "www.other.test": LOOPBACK_A, "login.good.test": LOOPBACK_A}
    assert verdict(to(hostile, f"https://www.other.test:{hostile.port}/", names=names)) == (
        "warn",
        ["webmail_redirect_offsite"],
    )
    assert verdict(to(hostile, f"https://login.good.test:{hostile.port}/", names=names)) == (
        "ok",
        [],
    )


def test_a_bad_certificate_after_a_redirect_is_a_tls_finding(hostile):
    names = {"good.test": LOOPBACK_A, "expired.test": LOOPBACK_A}
    result = to(hostile, f"https://expired.test:{hostile.port}/", names=names)
    assert verdict(result) == ("fail", ["webmail_tls"])
    assert "expired.test" in str(result.message)


def test_the_body_of_a_redirect_is_not_waited_for(hostile):
    assert verdict(visit(hostile, "/redirect-with-endless-body")) == ("ok", [])


def test_a_relative_redirect_with_a_space_is_asked_for_encoded(hostile):
    before = len(hostile.requests)
    visit(hostile, "/to?u=" + quote("/a b"))
    assert asked(hostile, before)[1:] == ["/a%20b"]
