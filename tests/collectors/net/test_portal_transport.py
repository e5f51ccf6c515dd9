"""The transport to portals: which connection a request goes over, and what an answer may do."""

import asyncio
import contextlib
import socket
import ssl
import threading

import httpx
import pytest

from collectors.net.loop_lag import LoopLag
from collectors.net.portal_transport import PortalTransport
from tests.collectors.portal_server import PortalServer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
JSON = {"carbonio": {"json": {"yes": True}}}
CONTEXT = ssl.create_default_context()


def transport(*, most_kept=8, kept_seconds=30.0):
    return PortalTransport(
        lambda: CONTEXT, most_kept=most_kept, kept_seconds=kept_seconds, lag=LoopLag()
    )


async def get(way, url, *, read=True):
    """(status, body) of a GET of `url`/carbonio; without `read` its body is left."""
    response = await way.handle_async_request(httpx.Request("GET", f"{url}/carbonio"))
    try:
        body = b"".join([piece async for piece in response.stream]) if read else None
        return response.status_code, body
    finally:
        await response.aclose()


@contextlib.contextmanager
def speaking(*conversations):
    """A server on loopback, by its URL: conversation n is what is done with connection n."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        for conversation in conversations:
            with contextlib.suppress(OSError):
                connection, _peer = listening.accept()
                with connection:
                    conversation(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread.join(5)


# -- which connection


def test_the_connection_that_was_used_last_is_used_again():
    async def main(url):
        way = transport()
        await asyncio.gather(*(get(way, url) for _ in range(3)))
        for _ in range(5):
            await get(way, url)
        await way.aclose()

    with PortalServer(JSON) as portal:
        asyncio.run(main(portal.url))
    assert portal.connections == 3
    assert len({request.connection for request in portal.requests[3:]}) == 1


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one():
    """A portal, or what stands before it, that sends more than it was asked for."""
    sent = threading.Event()

    def two_answers(connection):
        connection.recv(9999)
        connection.sendall(ANSWER + b"{}" + ANSWER + b"[]")
        connection.recv(9999)

    def answer_too_late(connection):
        connection.recv(9999)
        connection.sendall(ANSWER + b"{}")
        connection.sendall(ANSWER + b"[]")
        sent.set()
        connection.recv(9999)

    def right(connection):
        connection.recv(9999)
        connection.sendall(ANSWER + b"{}")

    async def main(url):
        way = transport()
        got = [await get(way, url), await get(way, url)]
        await asyncio.to_thread(sent.wait, 5)
        got.append(await get(way, url))
        await way.aclose()
        return got

    with speaking(two_answers, answer_too_late, right) as url:
        assert asyncio.run(main(url)) == [(200, b"{}")] * 3


def test_an_answer_that_was_not_read_to_its_end_ends_its_connection():
    async def main(url):
        way = transport()
        await get(way, url, read=False)
        await get(way, url)
        await way.aclose()

    with PortalServer(JSON) as portal:
        asyncio.run(main(portal.url))
    assert portal.connections == 2


def test_connections_are_kept_for_a_while_and_only_so_many():
    async def main(url, **limits):
        way = transport(**limits)
        for _ in range(2):
            await asyncio.gather(*(get(way, url) for _ in range(4)))
        await way.aclose()

    for limits, connections in (({}, 4), ({"most_kept": 1}, 7), ({"kept_seconds": 0}, 8)):
        with PortalServer(JSON) as portal:
            asyncio.run(main(portal.url, **limits))
        assert portal.connections == connections


def test_a_connection_goes_to_its_own_portal_alone():
    async def main(*urls):
        way = transport()
        for url in urls * 2:
            assert (await get(way, url))[0] == 200
        await way.aclose()

    with PortalServer(JSON) as one, PortalServer(JSON) as other:
        asyncio.run(main(one.url, other.url))
    assert [(p.connections, len(p.requests)) for p in (one, other)] == [(1, 2), (1, 2)]


def test_a_given_up_request_leaves_no_connection_behind():
    async def main(portal):
        way = transport()
        waiting = asyncio.create_task(get(way, portal.url))
        await portal.asked(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        portal.answers = JSON
        assert (await get(way, portal.url))[0] == 200
        await way.aclose()

    with PortalServer({"carbonio": {"silent": True}}) as portal:
        asyncio.run(main(portal))
    assert portal.connections == 2


# -- addresses


def held(address, port=0):
    """A socket that keeps others from listening there and refuses who connects."""
    sock = socket.socket()
    sock.bind((address, port))
    return sock


def test_an_address_that_refuses_is_passed_over_and_all_that_refuse_say_so(monkeypatch):
    async def main(url, addresses):
        async def found(self, host, port, **kwargs):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", found)
        way = transport()
        try:
            return await get(way, url)
        finally:
            await way.aclose()

    with PortalServer(JSON) as portal, held("127.0.0.77", portal.port):
        url = f"http://portal.test:{portal.port}"
        assert asyncio.run(main(url, ["127.0.0.77", "127.0.0.1"]))[0] == 200
        assert portal.requests[0].headers["host"] == f"portal.test:{portal.port}"
        with pytest.raises(httpx.ConnectError) as caught:
            asyncio.run(main(url, ["127.0.0.77", "127.0.0.77"]))
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_an_address_that_is_silent_is_passed_over(monkeypatch):
    """A full backlog: the kernel answers no more SYN."""

    async def main(url, addresses):
        async def found(self, host, port, **kwargs):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", found)
        way = transport()
        try:
            return await get(way, url)
        finally:
            await way.aclose()

    with PortalServer(JSON) as portal, held("127.0.0.78", portal.port) as deaf:
        deaf.listen(0)
        with socket.create_connection(deaf.getsockname()):
            url = f"http://portal.test:{portal.port}"
            assert asyncio.run(main(url, ["127.0.0.78", "127.0.0.1"]))[0] == 200


@pytest.mark.parametrize("url", ["http://nowhere.invalid", "http://127.0.0.1:99999", "http://.x"])
def test_a_place_that_cannot_be_is_not_connected_to(url):
    async def main():
        way = transport()
        with pytest.raises(httpx.ConnectError):
            await get(way, url)
        await way.aclose()

    asyncio.run(main())


# -- what an answer may do


def test_a_body_without_a_length_ends_with_the_connection():
    def old(connection):
        connection.recv(9999)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n{}")

    async def main(url):
        way = transport()
        return await get(way, url)

    with speaking(old) as url:
        assert asyncio.run(main(url)) == (200, b"{}")


def test_what_is_not_http_is_told_from_a_connection_that_ends():
    """Also where both come at once."""

    def garbage(connection):
        connection.recv(9999)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    def cut(connection):
        connection.recv(9999)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")

    def hang_up(connection):
        connection.recv(9999)

    async def main(url):
        return await get(transport(), url)

    for conversations, error in (
        ([garbage], httpx.RemoteProtocolError),
        ([cut], httpx.ReadError),
        ([hang_up, hang_up], httpx.ReadError),
        ([hang_up, garbage], httpx.RemoteProtocolError),
    ):
        with speaking(*conversations) as url, pytest.raises(error):
            asyncio.run(main(url))


@pytest.mark.parametrize("interim", [False, True])
def test_an_answer_in_many_tiny_pieces_lets_others_come_in_between(interim):
    """Case 185: the work of one answer holds nobody up."""
    asked, sent, pieces = threading.Event(), threading.Event(), 5_000
    chunked = ANSWER.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")
    flood = b"HTTP/1.1 100 Continue\r\n\r\n" * pieces + ANSWER + b"{}"
    if not interim:
        flood = chunked + b"1\r\nx\r\n" * pieces + b"0\r\n\r\n"

    def sends(connection):
        connection.recv(9999)
        asked.set()
        connection.sendall(flood)
        sent.set()

    async def main(url):
        way, turns = transport(), 0
        asking = asyncio.create_task(get(way, url))
        while not asked.is_set():
            await asyncio.sleep(0)
        assert sent.wait(10)  # all of it is there when this loop goes on
        while not asking.done():
            turns += 1
            await asyncio.sleep(0)
        await way.aclose()
        return turns, asking.result()

    with speaking(sends) as url:
        turns, (status, body) = asyncio.run(main(url))
    assert (status, len(body)) == (200, 2 if interim else pieces)
    assert turns > pieces / 100


def test_what_nobody_reads_stays_with_the_portal():
    """Case 123: memory does not grow with what a portal sends."""
    stuck = threading.Event()

    def floods(connection):
        connection.recv(9999)
        connection.settimeout(1)
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000_000)
        except TimeoutError:
            stuck.set()

    async def main(url):
        way = transport()
        response = await way.handle_async_request(httpx.Request("GET", url))
        assert await asyncio.to_thread(stuck.wait, 20)
        await response.aclose()

    with speaking(floods) as url:
        asyncio.run(main(url))
