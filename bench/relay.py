"""A network of a given round trip: relays datagrams and connections on loopback, later.

    python -m bench.relay SECONDS udp:PORT:TO tcp:PORT:TO …

Half of the round trip each way. A connection's first bytes wait for one round trip more, as its
handshake would have taken that (the kernel's own handshake is at once). Runs until it is ended.
"""

import asyncio
import sys
from contextlib import contextmanager, suppress

from bench.servers import free_port, running

HOST = "127.0.0.1"


class Datagrams(asyncio.DatagramProtocol):
    """Takes datagrams of clients; each client has a socket of its own towards the server."""

    def __init__(self, half, port):
        self.half, self.port, self.clients = half, port, {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, client):
        asyncio.get_running_loop().call_later(self.half, self._pass_on, data, client)

    def _pass_on(self, data, client):
        if client not in self.clients:
            self.clients[client] = asyncio.ensure_future(self._connect(client))
        self.clients[client].add_done_callback(lambda made: made.result().sendto(data))

    async def _connect(self, client):
        loop = asyncio.get_running_loop()
        back = Answers(self.half, self.transport, client)
        return (await loop.create_datagram_endpoint(lambda: back, remote_addr=(HOST, self.port)))[0]


class Answers(asyncio.DatagramProtocol):
    """Brings the server's answers back to one client."""

    def __init__(self, half, transport, client):
        self.half, self.transport, self.client = half, transport, client

    def datagram_received(self, data, _server):
        asyncio.get_running_loop().call_later(self.half, self.transport.sendto, data, self.client)


async def relay_connection(half, port, reader, writer):
    """Both directions of one connection until both have ended."""
    there_reader, there_writer = await asyncio.open_connection(HOST, port)
    opened = asyncio.get_running_loop().time()
    await asyncio.gather(
        _pump(half, reader, there_writer, not_before=opened + 3 * half),
        _pump(half, there_reader, writer),
        return_exceptions=True,
    )


async def _pump(half, reader, writer, *, not_before=0.0):
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while data := await reader.read(65536):
            loop.call_at(max(loop.time() + half, not_before), writer.write, data)
    loop.call_at(max(loop.time() + half, not_before) + 0.001, writer.close)


async def serve(seconds, *ways):
    """Relay all ways, for ever."""
    loop, half = asyncio.get_running_loop(), seconds / 2
    for way in ways:
        kind, port, to = way.split(":")
        if kind == "udp":
            await loop.create_datagram_endpoint(
                lambda to=int(to): Datagrams(half, to), local_addr=(HOST, int(port))
            )
        else:
            await asyncio.start_server(
                lambda r, w, to=int(to): relay_connection(half, to, r, w), HOST, int(port)
            )
    print("ready", flush=True)
    await asyncio.Event().wait()


@contextmanager
def relay(folder, seconds, *, udp=(), tcp=()):
    """{port: port of the relay before it} while a relay of this round trip runs."""
    ports = {port: free_port() for port in (*udp, *tcp)}
    ways = [
        f"{kind}:{ports[port]}:{port}"
        for kind, those in (("udp", udp), ("tcp", tcp))
        for port in those
    ]
    log = folder / f"relay-{min(ports.values())}.log"
    command = [sys.executable, "-m", "bench.relay", str(seconds), *ways]
    with running(command, lambda: b"ready" in log.read_bytes(), log):
        yield ports


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), *sys.argv[2:]))
