"""The guarded web client: pinned to its addresses, bounded, and plain about what failed."""

import asyncio
import contextlib
import errno
import ssl

import pytest

from collectors.net import connection
from collectors.net.body_decoder import MAX_BODY
from collectors.net.http_client import USER_AGENT, WebClient, WebFault
from collectors.net.tls import trusted_context
from scripts.ports import Reserved
from tests.collectors.hostile_http import Full, Hostile, certificates
from tests.collectors.visits import dialled, hostile

__all__ = ["dialled", "hostile"]


@pytest.fixture(scope="module")
def client():
    return WebClient(
        trusted_context(certificates().ca_file),
        reachable=lambda address: address.startswith(("127.", "::1")),
    )


def fetch(client, server, path="/", *, host="good.test", addresses=("127.0.0.1",), seconds=6.0):
    return asyncio.run(
        client.fetch(f"https://{host}:{server.port}{path}", addresses, seconds=seconds)
    )


def handshake(client, server, host="good.test", addresses=("127.0.0.1",), seconds=6.0):
    return asyncio.run(client.handshake(host, server.port, addresses, seconds=seconds))


def fault(call):
    with pytest.raises(WebFault) as caught:
        call()
    return caught.value


# -- where it connects to


def test_the_name_is_never_resolved_and_the_address_given_is_dialled(
    client, hostile, dialled, monkeypatch
):
    async def no_resolving(*args, **kwargs):
        raise AssertionError("a name was resolved")

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", no_resolving)
    assert fetch(client, hostile).address == "127.0.0.1"
    assert dialled == [("127.0.0.1", hostile.port)]


def test_host_header_and_sni_keep_the_name(client, hostile):
    fetch(
        client, hostile, host="some.name.test"
    )  # a certificate for this name came, or the handshake had failed
    assert hostile.requests[-1][0] == f"some.name.test:{hostile.port}"


def test_the_request_is_a_plain_get_without_cookies_or_credentials(client, hostile):
    fetch(client, hostile, "/cookie-wall")
    fetch(client, hostile, "/cookie-wall")
    _host, first, headers = hostile.requests[-1]
    assert first == "GET /cookie-wall HTTP/1.1"
    assert {name: value for name, value in headers if name != "Host"} == {
        "User-Agent": USER_AGENT.format(contact=""),
        "Accept": "text/html, */*;q=0.5",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def test_whoever_wonders_about_a_request_reads_whom_to_ask(hostile):
    contact = "https://hosting.example/audits"
    named = WebClient(
        trusted_context(certificates().ca_file), reachable=lambda _address: True, contact=contact
    )
    fetch(named, hostile, "/who")
    assert (
        dict(hostile.requests[-1][2])["User-Agent"]
        == "LigboxAudit/1.0 (read-only mail domain audit; +https://hosting.example/audits)"
    )


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["127.0.0.1", "fd00::1"]]
)
def test_an_address_that_is_not_allowed_stops_it_before_any_is_dialled(
    client, hostile, dialled, addresses
):
    assert fault(lambda: fetch(client, hostile, addresses=addresses)).kind == "blocked"
    assert fault(lambda: handshake(client, hostile, addresses=addresses)).kind == "blocked"
    assert dialled == []


def test_the_peer_is_looked_at_again_after_connecting(hostile):
    answers = iter([True, False])
    suspicious = WebClient(
        trusted_context(certificates().ca_file), reachable=lambda address: next(answers)
    )
    before = len(hostile.requests)
    assert fault(lambda: fetch(suspicious, hostile)).kind == "blocked"
    assert len(hostile.requests) == before


def test_ipv4_is_tried_first_and_the_next_address_after_a_failure(client, dialled):
    with (
        Reserved("127.0.0.1", "127.0.0.9") as one,
        Hostile(certificates(), host="127.0.0.9", port=one.port) as server,
    ):
        got = fetch(client, server, addresses=["::1", "127.0.0.9", "127.0.0.1"])
    assert [address for address, _port in dialled] == ["127.0.0.1", "127.0.0.9"]
    assert (got.address, got.attempts) == ("127.0.0.9", (("127.0.0.1", "refused"),))


def test_a_silent_address_leaves_time_for_the_next(client):
    with (
        Reserved("127.0.0.1", "127.0.0.2") as one,
        Full(one.port),
        Hostile(certificates(), host="127.0.0.2", port=one.port) as server,
    ):
        got = fetch(client, server, addresses=["127.0.0.1", "127.0.0.2"], seconds=3)
    assert (got.address, got.attempts) == ("127.0.0.2", (("127.0.0.1", "timeout"),))


def test_where_all_addresses_fail_the_most_telling_word_is_kept(client):
    with Reserved("127.0.0.1", "127.0.0.9") as one, Full(one.port) as silent:
        error = fault(
            lambda: fetch(client, silent, addresses=["127.0.0.1", "127.0.0.9"], seconds=2)
        )
    assert (error.kind, error.address) == ("refused", "127.0.0.9")
    assert error.attempts == (("127.0.0.1", "timeout"), ("127.0.0.9", "refused"))


def test_at_most_four_addresses_are_tried(client, dialled):
    addresses = [f"127.0.1.{n}" for n in range(200)]
    with Reserved(*addresses[:4]) as closed:
        error = fault(lambda: fetch(client, closed, addresses=addresses))
    assert (error.kind, len(error.attempts), len(dialled)) == ("refused", 4, 4)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (errno.EHOSTUNREACH, "host"),
        (errno.ENETUNREACH, "network"),
        (errno.EADDRNOTAVAIL, "network"),
    ],
)
def test_no_route_is_told_from_a_host_that_is_down(client, hostile, monkeypatch, code, cause):
    async def unreachable(address, port, reachable):
        raise OSError(code, "no way")

    monkeypatch.setattr(connection, "_connect", unreachable)
    error = fault(lambda: fetch(client, hostile))
    assert (error.kind, error.cause, error.address) == ("unreachable", cause, "127.0.0.1")


def test_a_connection_that_is_cut_before_the_peer_can_be_looked_at_is_a_reset(
    client, hostile, monkeypatch
):
    async def cut(address, port, reachable):
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(connection, "_connect", cut)
    assert fault(lambda: fetch(client, hostile)).kind == "reset"


# -- what it reads


def test_no_more_is_read_than_the_limit(client, hostile):
    got = fetch(client, hostile, "/huge")
    assert (len(got.body), got.truncated) == (MAX_BODY, True)


def test_tiny_chunks_end_before_they_cost_much(client, hostile):
    got = fetch(client, hostile, "/tiny-chunks", seconds=5)
    assert got.truncated and len(got.body) < 20_000


def test_no_connection_or_task_stays_behind(client, hostile):
    async def go():
        for path in ("/", "/huge", "/close", "/garbage", "/gzip-bomb"):
            with contextlib.suppress(WebFault):
                await client.fetch(
                    f"https://good.test:{hostile.port}{path}", ["127.0.0.1"], seconds=6.0
                )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]

    assert asyncio.run(go()) == []


def test_cancelling_a_fetch_passes_and_is_no_fault(client, hostile):
    async def go():
        async with asyncio.timeout(0.1):
            await client.fetch(
                f"https://good.test:{hostile.port}/silent", ["127.0.0.1"], seconds=5.0
            )

    with pytest.raises(TimeoutError):
        asyncio.run(go())


def test_a_port_without_tls_can_be_fetched_where_the_operator_wrote_http(client):
    with Hostile(mode="http") as server:
        got = asyncio.run(
            client.fetch(f"http://good.test:{server.port}/", ["127.0.0.1"], seconds=6.0)
        )
    assert (got.status, got.tls_version) == (200, "")


def test_contexts_are_made_once_per_client(client, hostile, monkeypatch):
    def another(*args, **kwargs):
        raise AssertionError("a context was made for a call")

    certificates().prepare("selfsigned.test")  # the server's own
    handshake(client, hostile)
    monkeypatch.setattr(ssl, "SSLContext", another)
    handshake(client, hostile, "selfsigned.test")
    fetch(client, hostile)
