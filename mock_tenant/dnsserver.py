"""A small deterministic DNS server on loopback, for the demo and for hostile tests; UDP and TCP on
one port.

It answers like a recursive resolver (RA set) that is authoritative for every name: what the zone
does not hold is NXDOMAIN. zone.py says how a zone is written, and every way in which it can
misbehave.

    with DnsServer(zone_dict) as s: s.host, s.port, s.queries
"""

import asyncio
import socket
import struct
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype

from mock_tenant import answers
from mock_tenant.records import make_rdatas, to_bytes, to_name
from mock_tenant.zone import ACTIONS, RCODES, Zone, zone_from_openspf

__all__ = [
    "ACTIONS",
    "RCODES",
    "DnsServer",
    "Zone",
    "make_rdatas",
    "to_bytes",
    "to_name",
    "zone_from_openspf",
]

IDLE_SECONDS = 60  # how long a TCP connection may be silent, from either side


class DnsServer:
    """The server, in a thread of its own; `queries` is what it was asked, in order.

    Raises OSError where a port is taken.
    """

    def __init__(self, zone=None, host="127.0.0.1", port=0, max_queries=200000, forget=False):
        """`max_queries`: how many are answered and kept, a guard against loops in tests.

        `forget`: keep the newest instead.
        """
        if not (host.startswith("127.") or host == "::1"):
            raise ValueError("loopback addresses only")
        self.zone = zone if isinstance(zone, Zone) else Zone(zone)
        self.host, self.port, self.max_queries, self.forget = host, port, max_queries, forget
        self.queries = []
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    # -- life
    def start(self):
        self._thread = threading.Thread(target=self._run, daemon=True, name="dnsserver")
        self._thread.start()
        self._ready.wait(10)
        if self._error:
            raise self._error
        return self

    def stop(self):
        if self._loop and self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(5)

    __enter__ = start

    def __exit__(self, *exc):
        self.stop()

    def clear(self):
        del self.queries[:]

    def count(self, name=None, rtype=None):
        want = name and to_name(name).to_text().lower()
        return sum(
            1
            for q in self.queries
            if (not want or q["name"].lower() == want) and (not rtype or q["type"] == rtype)
        )

    def _run(self):
        try:
            asyncio.run(self._main())
        except OSError as exc:
            self._error = exc
            self._ready.set()

    async def _main(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        udp, tcp = self._bind()
        self.port = udp.getsockname()[1]
        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        server = await asyncio.start_server(self._tcp, sock=tcp)
        self._ready.set()
        await self._stop.wait()
        for task in list(self._tasks):
            task.cancel()
        transport.close()
        server.close()

    def _bind(self):
        """A UDP and a TCP socket on the same port; where any will do, several are tried."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        for attempt in range(20):
            udp = socket.socket(family, socket.SOCK_DGRAM)
            tcp = socket.socket(family, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.port:  # somebody may keep it for us; two servers still can't share it: TCP says
                udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind((self.host, self.port))
                tcp.bind((self.host, udp.getsockname()[1]))
            except OSError:
                udp.close()
                tcp.close()
                if self.port or attempt == 19:
                    raise
            else:
                return udp, tcp
        raise AssertionError("the last try returns or raises")

    def _spawn(self, coro):
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- one query
    def _parse(self, wire, proto):
        if len(self.queries) >= self.max_queries:
            if not self.forget:
                return None
            del self.queries[: self.max_queries // 2]
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        qtype = dns.rdatatype.to_text(question.rdtype)
        self.queries.append(
            {
                "proto": proto,
                "name": question.name.to_text(),
                "type": qtype,
                "id": query.id,
                "edns": query.payload if query.edns >= 0 else None,
                "rd": bool(query.flags & dns.flags.RD),
                "cd": bool(query.flags & dns.flags.CD),
                "time": time.monotonic(),
            }
        )
        return query, question.name, qtype

    # -- UDP
    async def _udp(self, transport, wire, addr):
        parsed = self._parse(wire, "udp")
        if not parsed:
            return
        query, qname, qtype = parsed
        action, delay, extra = self.zone.match(qname, qtype, "udp")
        if delay:
            await asyncio.sleep(delay)
        if action in ("drop", "tcp_close"):
            return
        if action in ("tc", "tc_loop", "tcp_hang", "tcp_partial", "tcp_slow", "tc_partial"):
            transport.sendto(
                answers.truncated(self.zone, query, extra, partial=action == "tc_partial"), addr
            )
            return
        if action in ("garbage", "short", "empty"):
            transport.sendto(answers.not_dns(query, action), addr)
            return
        out = answers.build(self.zone, query, action, extra)
        if action in ("wrong_id", "spoof_then_right"):
            transport.sendto(answers.forged(query), addr)
            if action == "wrong_id":
                return
            await asyncio.sleep(0.05)
        limit = max(512, query.payload) if query.edns >= 0 else 512
        if len(out) > limit:
            out = answers.truncated(self.zone, query, extra)
        if action == "wrong_port":
            with socket.socket(
                socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_DGRAM
            ) as other:
                other.bind((self.host, 0))
                other.sendto(out, addr)
            return
        for _ in range(20 if action == "dup" else 1):
            transport.sendto(out, addr)

    # -- TCP
    async def _tcp(self, reader, writer):
        try:
            while True:
                try:
                    (length,) = struct.unpack(
                        "!H", await asyncio.wait_for(reader.readexactly(2), IDLE_SECONDS)
                    )
                    wire = await asyncio.wait_for(reader.readexactly(length), IDLE_SECONDS)
                except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                    return
                parsed = self._parse(wire, "tcp")
                if not parsed or not await self._tcp_answer(writer, *parsed):
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _tcp_answer(self, writer, query, qname, qtype):
        """Answer one query; False if the connection ends with it."""
        action, delay, extra = self.zone.match(qname, qtype, "tcp")
        if delay:
            await asyncio.sleep(delay)
        if action == "tcp_close":
            return False
        if action in ("drop", "tcp_hang"):
            await asyncio.sleep(IDLE_SECONDS)
            return False
        if action == "tc_loop":
            out = answers.truncated(self.zone, query, extra)
        elif action in ("garbage", "short", "empty"):
            out = answers.not_dns(query, action)
        elif action == "wrong_id":
            out = (query.id ^ 0x5555).to_bytes(2, "big") + answers.build(
                self.zone, query, "answer", extra
            )[2:]
        else:
            out = answers.build(self.zone, query, action, extra)
        framed = struct.pack("!H", len(out)) + out
        if action == "tcp_partial":
            writer.write(framed[: len(framed) // 2])
            await writer.drain()
            return False
        pieces = (
            [framed[i : i + 1] for i in range(len(framed))] if action == "tcp_slow" else [framed]
        )
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if action == "tcp_slow":
                await asyncio.sleep(0.1)
        return True


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server = server

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.server._spawn(self.server._udp(self.transport, data, addr))
