"""How one DNS question travels: over UDP (RFC 1035), or over TCP (RFC 7766)."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from collectors.net import dns_reader
from collectors.net.dns_wire import QR, TC, Answer, NoDnsMessage, Question, TooMuch
from collectors.net.loop_lag import LagTimeout

WAITING_DATAGRAMS = 64


class MayBeCut(Protocol):
    """What a message says; `truncated`: the whole of it comes over TCP."""

    @property
    def truncated(self) -> bool: ...


ReadT = TypeVar("ReadT", bound=MayBeCut)


class BadTry(Exception):
    """One try that failed; the argument is the code of the finding."""


@dataclass
class _Datagrams(asyncio.DatagramProtocol):
    queue: asyncio.Queue[bytes | Exception] = field(default_factory=asyncio.Queue)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.queue.qsize() < WAITING_DATAGRAMS:
            self.queue.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.queue.put_nowait(exc)


def read(data: bytes, question: Question) -> Answer:
    """The answer in a message, one that is truncated unread; raises NoDnsMessage or TooMuch."""
    if is_truncated(data, question):
        return Answer(0, len(data), truncated=True)
    return dns_reader.read(data, question)


async def ask_udp(
    question: Question,
    host: str,
    port: int,
    limit: LagTimeout,
    reader: Callable[[bytes, Question], ReadT] = read,  # type: ignore[assignment]
) -> ReadT:
    """What `reader` makes of the answer, which may be truncated; raises BadTry.

    A datagram that does not belong to the question is passed over: the right one may still come.
    """
    foreign = False
    try:
        async with limit:
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                _Datagrams, remote_addr=(host, port)
            )
            try:
                transport.sendto(question.to_wire())
                while True:
                    data = await protocol.queue.get()
                    if isinstance(data, Exception):
                        raise data
                    try:
                        return reader(data, question)
                    except NoDnsMessage:
                        foreign = True
            finally:
                transport.close()
    except TimeoutError:
        raise BadTry("dns_bad_response" if foreign else "dns_timeout") from None
    except OSError:
        raise BadTry("dns_unreachable") from None
    except TooMuch:
        raise BadTry("dns_bad_response") from None


async def ask_tcp(
    question: Question,
    host: str,
    port: int,
    limit: LagTimeout,
    reader: Callable[[bytes, Question], ReadT] = read,  # type: ignore[assignment]
) -> ReadT:
    """The whole answer; raises BadTry, also for a connection that ends early."""
    try:
        async with limit:
            incoming, writer = await asyncio.open_connection(host, port)
            try:
                wire = question.to_wire()
                writer.write(struct.pack("!H", len(wire)) + wire)
                (length,) = struct.unpack("!H", await incoming.readexactly(2))
                answer = reader(await incoming.readexactly(length), question)
            except (asyncio.IncompleteReadError, ConnectionError, NoDnsMessage, TooMuch):
                raise BadTry("dns_bad_response") from None
            finally:
                writer.close()
    except TimeoutError:
        raise BadTry("dns_timeout") from None
    except OSError:
        raise BadTry("dns_unreachable") from None
    if answer.truncated:
        raise BadTry("dns_bad_response")
    return answer


def is_truncated(data: bytes, question: Question) -> bool:
    """Whether these bytes answer the question by asking for TCP."""
    if len(data) < 12:
        return False
    message_id, flags = struct.unpack_from("!2H", data)
    return message_id == question.id and bool(flags & QR and flags & TC)
