"""One POST to an address that the operator gave: pinned to addresses that were checked, bounded, no
redirect followed, no proxy, nothing kept."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from collectors.net.connection import SETUP_SECONDS, Reachable, open_connection
from collectors.net.http1 import Http1Response, Http2Spoken
from collectors.net.loop_lag import LoopLag
from collectors.net.wire import Wire
from collectors.text import _

MOST_READ = 4096  # bytes of an answer's body
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Posted:
    """What the receiver answered; `body` is its beginning."""

    status: int
    body: bytes
    address: str


async def resolve(host: str) -> list[str]:
    """The addresses of a host as this machine knows them, /etc/hosts and names of the LAN too.
    Raises OSError where there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[4][0]) for where in found))


async def post(
    url: str,
    addresses: list[str],
    *,
    body: bytes,
    headers: Mapping[str, str],
    context: ssl.SSLContext,
    reachable: Reachable,
    seconds: float,
) -> Posted:
    """Post `body` to `url` (http or https) at one of these addresses; raises WebFault.

    If one of them may not be reached, none is dialled. Header values are ASCII without line breaks.
    """
    lag = LoopLag()
    deadline = lag.now() + seconds
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = await open_connection(
        addresses,
        parts.port or _DEFAULT_PORTS[parts.scheme],
        context=context if parts.scheme == "https" else None,
        host=host,
        reachable=reachable,
        seconds=min(SETUP_SECONDS, seconds),
        lag=lag,
    )
    wire = Wire(connection)
    try:
        async with lag.timeout(max(0.01, deadline - lag.now())):
            await wire.write(_request(parts.netloc, _target(parts), headers, body))
            response = Http1Response(wire)
            head = await response.head()
            wire.headers_are_in()
            read = bytearray()
            async with aclosing(response.body(head)) as pieces:
                async for piece in pieces:
                    read += piece
                    if len(read) >= MOST_READ:
                        break
            return Posted(head.status, bytes(read[:MOST_READ]), connection.address)
    except Http2Spoken:
        raise wire.fault("unreadable", _("it speaks HTTP/2 only")) from None
    except TimeoutError:
        fault = wire.fault("timeout", wire.waiting_for)
        fault.seconds = seconds
        raise fault from None
    finally:
        connection.abort()


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _request(netloc: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
