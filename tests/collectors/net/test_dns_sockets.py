"""First tries over shared sockets: who gets which answer, how long a port lives, who guesses."""

import asyncio
import contextlib
import socket
import time

import dns.message
import dns.rrset
import pytest

from collectors.net.dns_sockets import AT_ONCE, MAX_FOREIGN, USES, DnsSockets
from collectors.net.dns_transport import BadTry
from collectors.net.dns_wire import Question
from collectors.net.loop_lag import LoopLag


class Peer(asyncio.DatagramProtocol):
    """A server on loopback that keeps what it is asked; `reply(data, source)` says what to do."""

    def __init__(self):
        self.asked, self.came = [], asyncio.Event()
        self.reply = self.right

    def connection_made(self, transport):
        self.transport = transport
        self.address = transport.get_extra_info("sockname")

    def datagram_received(self, data, source):
        self.asked.append((data, source))
        self.came.set()
        self.reply(data, source)

    def right(self, data, source, address="192.0.2.1"):
        query = dns.message.from_wire(data)
        reply, name = dns.message.make_response(query), query.question[0].name
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", address))
        self.transport.sendto(reply.to_wire(), source)

    def silent(self, data, source):
        pass

    @property
    def ports(self):
        return [source[1] for _data, source in self.asked]


def with_peer(act, seconds=5.0):
    """What `await act(sockets, peer)` comes to."""

    async def main():
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
        sockets = DnsSockets(seconds, LoopLag())
        try:
            return await act(sockets, peer)
        finally:
            sockets.close()
            transport.close()

    return asyncio.run(main())


def ask(sockets, peer, name="a.test"):
    """The future of what a question comes to."""
    future = asyncio.get_running_loop().create_future()
    sockets.ask(Question(name, 1), *peer.address, future.set_result)
    return future


async def asked(peer, count):
    while len(peer.asked) < count:
        peer.came.clear()
        await peer.came.wait()


def test_each_question_gets_its_own_answer():
    async def act(sockets, peer):
        peer.reply = peer.silent
        waiting = {n: ask(sockets, peer, f"n{n}.test") for n in range(20)}
        await asked(peer, 20)
        for n, (data, source) in reversed(list(enumerate(peer.asked))):
            peer.right(data, source, f"192.0.2.{n}")
        return {n: (await future).records[0].address for n, future in waiting.items()}

    assert with_peer(act) == {n: f"192.0.2.{n}" for n in range(20)}


def test_a_port_serves_no_more_than_its_uses():
    async def act(sockets, peer):
        peer.reply = peer.silent
        for n in range(USES + 1):
            ask(sockets, peer, f"n{n}.test")
        await asked(peer, USES + 1)
        return peer.ports

    ports = with_peer(act)
    assert len(set(ports)) == 2 and ports.count(ports[0]) == USES


def test_a_port_is_closed_when_nobody_waits():
    async def act(sockets, peer):
        for _turn in range(3):
            await ask(sockets, peer)
            await asyncio.sleep(0)  # until those who got an answer had their turn
        return peer.ports

    assert len(set(with_peer(act))) == 3


def test_ids_of_what_waits_at_one_port_differ(monkeypatch):
    ids = iter([7, 7, 7, 8])
    monkeypatch.setattr("secrets.randbits", lambda _bits: next(ids))

    async def act(sockets, peer):
        peer.reply = peer.silent
        ask(sockets, peer)
        ask(sockets, peer)
        await asked(peer, 2)
        return [data[:2] for data, _source in peer.asked]

    assert with_peer(act) == [b"\0\7", b"\0\10"]


def test_whoever_guesses_loses_the_port():
    """Case 26: many answers with other ids; the next question is asked from another port."""

    async def act(sockets, peer):
        peer.reply = peer.silent
        first = ask(sockets, peer)
        await asked(peer, 1)
        (data, source) = peer.asked[0]
        for n in range(MAX_FOREIGN):
            peer.right(
                (int.from_bytes(data[:2], "big") + 1 + n & 0xFFFF).to_bytes(2, "big") + data[2:],
                source,
            )
        await asyncio.sleep(0.1)
        second = ask(sockets, peer, "b.test")
        await asked(peer, 2)
        for query in peer.asked:
            peer.right(*query)
        return [(await f).records[0].address for f in (first, second)], peer.ports

    answers, ports = with_peer(act)
    assert answers == ["192.0.2.1"] * 2
    assert ports[0] != ports[1]


def test_a_flood_holds_up_nobody_else():
    """Case 26: what comes without end is read with turns for others in between."""

    class Flood:
        def __init__(self):
            self.read = 0

        def recv(self, _size):
            self.read += 1
            return b"\0" * 12

    async def act(sockets, peer):
        peer.reply = peer.silent
        ask(sockets, peer)
        through = next(iter(sockets._open.values()))
        real, through.socket = through.socket, Flood()
        sockets._read(through)
        flood, through.socket = through.socket, real
        return flood.read

    assert with_peer(act) == AT_ONCE


def test_an_answer_from_elsewhere_is_not_seen():
    """Case 27: the kernel passes on nothing but what comes from the server."""

    async def act(sockets, peer):
        peer.reply = peer.silent
        waiting = ask(sockets, peer)
        await asked(peer, 1)
        ((data, source),) = peer.asked
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            reply = dns.message.make_response(dns.message.from_wire(data))
            reply.answer.append(dns.rrset.from_text("a.test.", 60, "IN", "A", "203.0.113.66"))
            with contextlib.suppress(OSError):
                other.sendto(reply.to_wire(), source)
        peer.right(data, source)
        return (await waiting).records[0].address

    assert with_peer(act) == "192.0.2.1"


def test_an_answer_to_another_question_is_passed_over():
    async def act(sockets, peer):
        def other_first(data, source):
            peer.right(data.replace(b"\1a\4test", b"\1b\4test"), source, "203.0.113.66")
            peer.right(data, source)

        peer.reply = other_first
        return (await ask(sockets, peer)).records[0].address

    assert with_peer(act) == "192.0.2.1"


def test_silence_ends_when_the_time_is_over_for_each_from_its_own_sending():
    async def act(sockets, peer):
        peer.reply = peer.silent
        begun = time.monotonic()
        first = ask(sockets, peer)
        await asyncio.sleep(0.2)
        second = ask(sockets, peer, "b.test")
        ends = []
        for waiting in (first, second):
            assert isinstance(error := await waiting, BadTry) and str(error) == "dns_timeout"
            ends.append(time.monotonic() - begun)
        return ends

    first, second = with_peer(act, seconds=0.4)
    assert first >= 0.4 and second >= 0.6


@pytest.mark.parametrize("already", [0, 3])
def test_a_closed_port_of_the_server_is_told_at_once(already):
    async def act(sockets, peer):
        peer.reply = peer.silent
        waiting = [ask(sockets, peer, f"n{n}.test") for n in range(already)]
        await asked(peer, already)
        peer.transport.close()
        await asyncio.sleep(0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
            held.bind(peer.address)  # nobody else takes it
            held.connect(("127.0.0.1", 9))  # and the kernel refuses what comes from elsewhere
            waiting.append(ask(sockets, peer))
            return {str(await future) for future in waiting}

    assert with_peer(act) == {"dns_unreachable"}


def test_closing_leaves_nothing_behind():
    async def act(sockets, peer):
        peer.reply = peer.silent
        future = ask(sockets, peer)
        await asked(peer, 1)
        sockets.close()
        return future.done(), sockets._lag._blocks

    assert with_peer(act) == (False, 0)
