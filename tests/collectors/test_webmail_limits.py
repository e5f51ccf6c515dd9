"""webmail_http where the network, or our own bound, ends the visit: whose fault it is decides the severity."""

import errno

import pytest

import collectors.net
import collectors.net_tls

from .visits import hostile, verdict, visit

__all__ = ["hostile"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENETUNREACH, ("unknown", ["webmail_no_route"])),
        (errno.EHOSTUNREACH, ("fail", ["webmail_host_unreachable"])),
    ],
)
def test_no_route_of_our_own_is_unknown_and_a_host_that_cannot_be_reached_fails(hostile, monkeypatch, code, expected):
    async def unreachable(address, port, reachable):
        raise OSError(code, "no way")

    monkeypatch.setattr(collectors.net_tls, "_connect", unreachable)
    assert verdict(visit(hostile)) == expected


def test_a_visit_that_uses_up_the_requests_of_an_audit_is_unknown_and_keeps_what_was_seen(hostile, monkeypatch):
    monkeypatch.setattr(collectors.net, "HTTP_REQUESTS", 2)
    result = visit(hostile, "/redirect/5", seconds=2)
    assert verdict(result) == ("unknown", ["audit_limit"])
    assert [hop["status"] for hop in result.evidence["requests"]] == [302, 302]
