"""The dialogue with a mail server: bounded in bytes, lines and time, and nothing injected."""

import asyncio
import time

import pytest

from collectors.net.loop_lag import LoopLag
from collectors.net.smtp_client import MAX_REPLY, smtp_context, visit
from collectors.net.tls import trusted_context
from collectors.net.web_fault import WebFault
from scripts.ports import Reserved
from tests.collectors.certificate_maker import authority, server_context
from tests.collectors.smtp_server import EHLO, SmtpServer


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """(context of a server for mx1.host.test, context of a client that trusts it)."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(authority().root_pem)
    client = smtp_context(trusted_context(str(folder / "ca.pem")))
    return server_context(folder, authority().leaf(["mx1.host.test"])), client


def go(server, tls, *, seconds=5.0, host="mx1.host.test", reachable=lambda address: True):
    return asyncio.run(
        visit(
            host,
            server.port,
            "127.0.0.1",
            context=tls[1],
            reachable=reachable,
            seconds=seconds,
            lag=LoopLag(),
        )
    )


def test_a_whole_visit(tls):
    with SmtpServer(context=tls[0]) as server:
        met = go(server, tls)
    assert met.fault is None and met.starttls and met.tls_version.startswith("TLS")
    assert met.extensions == ("SIZE", "STARTTLS", "8BITMIME")
    assert len(met.chain) >= 1


def test_a_greeting_of_several_lines_in_small_pieces_is_read(tls):
    with SmtpServer(greeting=b"220-one\r\n220-two\r\n220 three\n", context=tls[0]) as server:
        met = go(server, tls)
    assert met.greeting.lines == ("one", "two", "three") and met.fault is None


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"\x16\x03\x01\x02\x00\n",
        b"999 x\r\n",
        b"220_x\r\n",
        b"220-endless\r\n" * 200 + b"220 end\r\n",
        b"220 " + b"x" * 65536 + b"\r\n",
        b"220-x\r\n" * 10000,
    ],
)
def test_what_is_no_reply_or_too_long_is_a_fault(tls, greeting):
    """Case 224: 64 KB answers."""
    with SmtpServer(greeting=greeting) as server:
        met = go(server, tls)
    assert met.fault.kind == "protocol"


@pytest.mark.parametrize("part", ["greeting", "ehlo", "starttls"])
@pytest.mark.parametrize("text", [b"220-still\r\n", b"x" * 1000])
def test_an_endless_reply_ends_soon(tls, part, text):
    """Case 224: little is read of it, whatever comes."""
    with SmtpServer(**{part: text}, repeat=part == "greeting") as server:
        met = go(server, tls, seconds=1.5)
        assert met.fault and met.fault.kind in ("protocol", "timeout")
    assert server.sent < 100 * MAX_REPLY + 4_000_000  # what the sockets hold, and no more


def test_a_slow_greeting_takes_no_more_than_its_time(tls):
    began = time.monotonic()
    with SmtpServer(greeting=None) as server:
        met = go(server, tls, seconds=0.5)
    assert met.fault.kind == "timeout" and time.monotonic() - began < 10


@pytest.mark.parametrize("more", [b"250 injected\r\n", b"\r\n", b"\x16\x03\x03\x00\x00"])
def test_what_is_sent_in_clear_behind_starttls_ends_the_visit(tls, more):
    """Case 224: CVE-2011-0411 and its kin, seen from the client."""
    with SmtpServer(starttls=b"220 Ready\r\n" + more, context=tls[0]) as server:
        met = go(server, tls)
    assert (met.fault.kind, met.fault.cause) == ("tls", "injected") and not met.chain


def test_a_certificate_for_another_name_is_the_faults_cause(tls):
    with SmtpServer(context=tls[0]) as server:
        met = go(server, tls, host="mx2.host.test")
    assert (met.fault.kind, met.fault.cause) == ("tls", "name_mismatch")


def test_a_name_that_cannot_be_sent_is_a_fault_and_no_crash(tls):
    with SmtpServer(context=tls[0]) as server:
        assert go(server, tls, host="x" * 300).fault.kind == "tls"


def test_who_hangs_up_or_refuses(tls):
    with SmtpServer(ehlo=b"221 bye\r\n") as server:
        assert go(server, tls).turned_away.code == 221
    with Reserved() as nobody, pytest.raises(WebFault) as caught:
        go(nobody, tls)
    assert caught.value.kind == "refused"


def test_an_address_that_may_not_be_reached_is_not_dialled(tls):
    with SmtpServer(ehlo=EHLO) as server, pytest.raises(WebFault) as caught:
        go(server, tls, reachable=lambda address: False)
    assert (caught.value.kind, server.connections) == ("blocked", 0)
