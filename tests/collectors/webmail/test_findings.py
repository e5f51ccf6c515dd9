"""webmail_http and the page that comes: its status, placeholders, time, and encryption."""

from types import SimpleNamespace

import pytest

from collectors.webmail import findings
from tests.collectors.lab import codes, look, target
from tests.collectors.visits import dialled, hostile, verdict, visit

__all__ = ["dialled", "hostile"]


@pytest.mark.parametrize("status", [404, 500, 502, 304])
def test_a_status_that_is_no_page_fails_and_is_named(hostile, status):
    result = visit(hostile, f"/status/{status}")
    assert verdict(result) == ("fail", ["webmail_status"])
    assert str(status) in str(result.message)
    assert str(result.findings[0].owner) == "host"


def test_a_bad_gateway_points_behind_the_proxy(hostile):
    assert "mailbox service" in str(visit(hostile, "/status/502").findings[0].fix.text)


def test_a_first_byte_after_the_limit_is_slow(hostile, monkeypatch):
    assert verdict(visit(hostile, "/", seconds=30)) == ("ok", [])
    monkeypatch.setattr(findings, "SLOW_MS", 100)  # of 400
    assert verdict(visit(hostile, "/late", seconds=30)) == ("warn", ["webmail_slow"])


@pytest.mark.parametrize(
    ("ms", "stalled", "shown"),
    [(3000, 0, ""), (3001, 0, "3 s"), (3400, 399, "3 s"), (3400, 400, "")],
)
def test_the_limit_is_held_against_the_time_that_was_theirs(ms, stalled, shown):
    hops = [SimpleNamespace(ms_total=9, ms_first_byte=9, ms_stalled=0)]
    hops.append(SimpleNamespace(ms_total=9000, ms_first_byte=ms - 9, ms_stalled=stalled))
    found = findings._slow(hops)
    assert bool(found) == bool(shown) and (not found or f"took {shown}" in str(found.message))


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/", []), ("/no-hsts", ["webmail_no_hsts"]), ("/hsts-off", ["webmail_no_hsts"])],
)
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
    from tests.collectors.hostile_http import Hostile

    with Hostile(mode="http") as server:
        url = f"http://good.test:{server.port}/"
        result, _dns = look(
            "webmail_http", {"names": {"good.test": {"A": ["127.0.0.1"]}}}, target(webmail_url=url)
        )
    assert verdict(result) == ("fail", ["webmail_not_https"])
