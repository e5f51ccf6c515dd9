"""webmail_http where the network, or our own bound, ends the visit: whose fault it is counts."""

import asyncio
import errno
import time

import pytest

from collectors.net import connection, session
from collectors.net.http_client import WebClient
from collectors.webmail import findings
from collectors.webmail import visit as visit_module
from scripts.ports import Reserved
from tests.collectors.hostile_http import PATHS, Full, Hostile, answer
from tests.collectors.visits import hostile, verdict, visit

__all__ = ["hostile"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENETUNREACH, ("unknown", ["webmail_no_route"])),
        (errno.EHOSTUNREACH, ("fail", ["webmail_host_unreachable"])),
    ],
)
def test_no_route_of_our_own_is_unknown_and_a_host_that_cannot_be_reached_fails(
    hostile, monkeypatch, code, expected
):
    async def unreachable(address, port, reachable):
        raise OSError(code, "no way")

    monkeypatch.setattr(connection, "_connect", unreachable)
    assert verdict(visit(hostile)) == expected


def test_a_visit_that_uses_up_the_requests_of_an_audit_is_unknown_and_keeps_what_was_seen(
    hostile, monkeypatch
):
    monkeypatch.setattr(session, "HTTP_REQUESTS", 2)
    result = visit(hostile, "/redirect/5", seconds=2)
    assert verdict(result) == ("unknown", ["audit_limit"])
    assert [hop["status"] for hop in result.evidence["requests"]] == [302, 302]


SILENT_AAAA = {
    "name": "good.test",
    "type": "AAAA",
    "action": "drop",
}  # asked twice, for half a second each


def test_silence_in_what_slow_name_servers_left_of_the_time_is_not_held_against_the_webmail():
    with Hostile(mode="mute") as server:
        result = visit(server, rules=[SILENT_AAAA], seconds=2.0)
        assert verdict(result) == ("unknown", ["check_timeout", "dns_timeout"])
        assert "good.test had too little time to answer" in str(result.message)
        assert result.evidence["requests"][0]["error"] == "timeout"
        assert verdict(visit(server, seconds=2.0)) == ("fail", ["webmail_timeout"])


def test_nothing_but_their_silence_is_said_of_a_good_webmail_of_slow_name_servers(hostile):
    assert verdict(visit(hostile, rules=[SILENT_AAAA], seconds=2.0)) == ("unknown", ["dns_timeout"])


def test_a_refusing_address_is_broken_whatever_another_would_have_answered():
    with Reserved("127.0.0.1", "127.0.0.9") as one, Full(one.port) as server:
        names = {"good.test": {"A": ["127.0.0.1", "127.0.0.9"]}}
        result = visit(server, names=names, rules=[SILENT_AAAA], seconds=2.0)
        assert verdict(result) == ("fail", ["webmail_refused", "check_timeout", "dns_timeout"])
        assert verdict(visit(server, names=names, seconds=2.0)) == (
            "fail",
            ["webmail_timeout", "webmail_refused"],
        )


def test_silence_while_our_own_process_stood_still_is_not_held_against_the_webmail(monkeypatch):
    async def stand_still():
        await asyncio.sleep(0.1)
        time.sleep(1.5)

    async def connect(self, host, port, addresses, *, seconds, connect=WebClient.connect):
        still = asyncio.create_task(stand_still())
        try:
            return await connect(self, host, port, addresses, seconds=1.0)
        finally:
            await still

    monkeypatch.setattr(WebClient, "connect", connect)
    with Hostile(mode="mute") as server:
        result = visit(server, seconds=6.0)
    assert verdict(result) == ("unknown", ["check_timeout"])
    assert "This machine was too busy" in str(result.message)


def test_slowness_while_our_own_process_stood_still_is_not_held_against_the_webmail(
    hostile, monkeypatch
):
    async def stand_still():
        await asyncio.sleep(0.05)
        time.sleep(1.5)

    pages = []

    async def fetch(self, url, addresses, *, fetch=WebClient.fetch, **options):
        still = asyncio.create_task(stand_still())
        try:
            pages.append(await fetch(self, url, addresses, **options))
            return pages[-1]
        finally:
            await still

    monkeypatch.setattr(findings, "SLOW_MS", 1000)
    monkeypatch.setattr(WebClient, "fetch", fetch)
    monkeypatch.setitem(PATHS, "/soon", lambda: [0.2, answer()])
    result = visit(hostile, "/soon", seconds=6.0)
    assert verdict(result) == ("ok", [])
    assert pages[0].ms_first_byte > 1000


def test_redirects_that_take_up_the_time_are_the_webmails_own(hostile, monkeypatch):
    monkeypatch.setitem(
        PATHS, "/late-redirect", lambda: [0.9, answer(status="302 Found", Location="/")]
    )
    monkeypatch.setattr(visit_module, "LEAST_SECONDS", 1.5)
    result = visit(hostile, "/late-redirect", seconds=2.0)
    assert verdict(result) == ("fail", ["webmail_timeout"])
    assert "redirects took" in str(result.message)
