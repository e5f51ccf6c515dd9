"""Connections to addresses that were checked: dialling, and TLS on top.

Nothing here resolves a name. What is dialled is one of the addresses given, and the peer is looked
at again afterwards.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from collectors.net.loop_lag import LoopLag
from collectors.net.web_fault import WebFault, connect_fault, stream_fault
from collectors.text import _

SETUP_SECONDS = 5.0  # connecting and TLS together
MAX_DIALLED = 4  # addresses of one host that are tried
Reachable = Callable[[str], bool]


@dataclass(frozen=True)
class Dialled:
    """A connected socket; `failed` holds the faults of the addresses that were tried before."""

    sock: socket.socket
    address: str
    failed: tuple[WebFault, ...] = ()


@dataclass
class Connection:
    """An open connection to one checked address. Whoever has it closes it; `taken`: it was used."""

    address: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ms_setup: int  # for connecting and TLS
    failed: tuple[tuple[str, str], ...] = ()  # (address, kind of fault) of those tried before
    taken: bool = False

    @property
    def tls(self) -> ssl.SSLObject | None:
        return self.writer.get_extra_info("ssl_object")

    @property
    def tls_version(self) -> str:
        return (self.tls.version() or "") if self.tls else ""

    @property
    def protocol(self) -> str:
        """What ALPN (RFC 7301) agreed on, or ''."""
        return (self.tls.selected_alpn_protocol() or "") if self.tls else ""

    def abort(self) -> None:
        self.writer.transport.abort()


_RANK = {"refused": 4, "reset": 3, "timeout": 2, "unreachable": 1}


def in_order(addresses: Sequence[str]) -> list[str]:
    """The addresses that are dialled, of both families where there are too many, IPv4 first.

    DNS turns the order; sorted, one audit sees what the last one saw.
    """
    ordered = sorted(addresses, key=lambda a: (ip_address(a).version, int(ip_address(a))))
    ipv4, ipv6 = ([a for a in ordered if (":" in a) is six] for six in (False, True))
    ipv4 = ipv4[: MAX_DIALLED - min(len(ipv6), MAX_DIALLED // 2)]
    return [*ipv4, *ipv6[: MAX_DIALLED - len(ipv4)]]


async def dial(
    addresses: Sequence[str], port: int, *, reachable: Reachable, seconds: float, lag: LoopLag
) -> Dialled:
    """Connect to the first of the addresses that answers; raises WebFault.

    The time is divided among them. If a single one may not be reached, none is dialled.
    """
    for address in addresses:
        if not reachable(address):
            raise WebFault("blocked", address=address, detail="not a public address")
    ordered = in_order(addresses)
    deadline, failed = lag.now() + seconds, list[WebFault]()
    for number, address in enumerate(ordered):
        share = max(0.0, deadline - lag.now()) / (len(ordered) - number)
        try:
            async with lag.timeout(share):
                return Dialled(await _connect(address, port, reachable), address, tuple(failed))
        except TimeoutError:
            says = _("waiting for the connection")
            failed.append(WebFault("timeout", address=address, detail=says, seconds=share))
        except OSError as error:
            failed.append(connect_fault(error, address))
    if not failed:
        raise WebFault("unreachable", cause="host", detail="no address")
    worst = max(failed, key=lambda fault: (_RANK[fault.kind], fault.cause != "network"))
    worst.attempts = tuple((fault.address, fault.kind) for fault in failed)
    raise worst


async def _connect(address: str, port: int, reachable: Reachable) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
        peer = sock.getpeername()[0]
        if ip_address(peer) != ip_address(address) or not reachable(peer):
            raise WebFault(
                "blocked", address=peer, detail="connected to another address than the one dialled"
            )
    except BaseException:
        sock.close()
        raise
    return sock


async def open_connection(
    addresses: Sequence[str],
    port: int,
    *,
    context: ssl.SSLContext | None,
    host: str,
    reachable: Reachable,
    seconds: float,
    lag: LoopLag,
) -> Connection:
    """A `Connection` to one of these addresses within `seconds`, with TLS where a context is given.

    `host` is sent as SNI. Raises WebFault.
    """
    began = lag.now()
    dialled = await dial(addresses, port, reachable=reachable, seconds=seconds, lag=lag)
    address, left = dialled.address, max(0.01, seconds - (lag.now() - began))
    try:
        async with lag.timeout(left):
            reader, writer = await asyncio.open_connection(
                sock=dialled.sock, ssl=context, server_hostname=host if context else None
            )
    except TimeoutError:
        says = _("waiting for the TLS handshake")
        raise WebFault("timeout", address=address, detail=says, seconds=seconds) from None
    except OSError as error:  # an ssl.SSLError is one
        raise stream_fault(error, address, _("during the TLS handshake")) from None
    except ValueError as error:  # a name that cannot be sent as SNI
        raise WebFault("tls", address=address, cause="handshake", detail=str(error)) from None
    ms = round((lag.now() - began) * 1000)
    failed = tuple((fault.address, fault.kind) for fault in dialled.failed)
    return Connection(address, reader, writer, ms, failed)
