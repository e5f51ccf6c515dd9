"""The httpx transport to portals: HTTP/1.1 as h11 reads it, over connections that are kept.

It follows nothing, unpacks nothing, keeps no cookies and knows of no proxies.
"""

import asyncio
import contextlib
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from socket import SOCK_STREAM
from typing import cast

import h11
import httpx

from collectors.net.loop_lag import LoopLag

MAX_HEAD = 100 * 1024  # bytes of a status line with its headers
EVENTS_AT_ONCE = 64  # pieces of one answer, after which others come in between
NEXT_ADDRESS_SECONDS = 1.0  # for an address that does not answer, while there is another
_Origin = tuple[bool, str, int | None]  # (with TLS, host, port)


class PortalTransport(httpx.AsyncBaseTransport):
    """GETs to any portals, for the event loop that runs; without a time limit of its own.

    Raises httpx.ConnectError (its cause says why), httpx.ReadError where a connection ends before
    the answer does, and httpx.RemoteProtocolError for what is no HTTP/1.1.
    """

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        *,
        most_kept: int,
        kept_seconds: float,
        lag: LoopLag,
    ) -> None:
        self._context, self._lag = context, lag
        self._most_kept, self._kept_seconds = most_kept, kept_seconds
        self._kept: OrderedDict[_Connection, float] = OrderedDict()  # idle, since when

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response; its body is yet to be read, and `aclose` gives the connection back.

        That a connection ends without an answer says nothing: a portal may close one that is kept
        at any time. So there is one second try, over a new one, as the others that are kept may
        have gone the same way.
        """
        origin = request.url.scheme == "https", request.url.host, request.url.port
        try:
            return await self._ask(self._take(origin) or await self._open(origin), request)
        except httpx.ReadError:
            return await self._ask(await self._open(origin), request)

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        while self._kept:
            self._kept.popitem()[0].abort()
        await asyncio.sleep(0)  # in which their sockets are closed

    async def _ask(self, connection: "_Connection", request: httpx.Request) -> httpx.Response:
        try:
            connection.send(request)
            head = await connection.head()
        except BaseException:
            connection.abort()
            raise
        body = _Body(self, connection)
        return httpx.Response(head.status_code, headers=list(head.headers), stream=body)

    def _take(self, origin: _Origin) -> "_Connection | None":
        """Of the good ones that are kept for this origin, the one that was used last."""
        for connection in [c for c in reversed(self._kept) if c.origin == origin]:
            since = self._kept.pop(connection)
            if time.monotonic() - since < self._kept_seconds and connection.begin_again():
                return connection
            connection.abort()
        return None

    def give_back(self, connection: "_Connection") -> None:
        """Keep a connection whose answer was read to its end; close any other."""
        if not connection.at_rest():
            connection.abort()
            return
        self._kept[connection] = time.monotonic()
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)[0].abort()

    async def _open(self, origin: _Origin) -> "_Connection":
        """A new connection, to the first of the host's addresses that answers."""
        secure, host, port = origin
        loop, context = asyncio.get_running_loop(), self._context() if secure else None
        try:
            found = await loop.getaddrinfo(host, port or (443 if secure else 80), type=SOCK_STREAM)
        except (OSError, ValueError, OverflowError) as error:
            raise httpx.ConnectError(str(error)) from error
        addresses, failed = list(dict.fromkeys(one[4][:2] for one in found)), None
        for address in addresses:
            last = address == addresses[-1]
            limit = contextlib.nullcontext() if last else self._lag.timeout(NEXT_ADDRESS_SECONDS)
            try:
                async with limit:
                    _transport, connection = await loop.create_connection(
                        lambda: _Connection(origin),
                        *address,
                        ssl=context,
                        server_hostname=host if secure else None,
                    )
                    return connection
            except OSError as error:  # a TimeoutError and an ssl.SSLError are one
                failed = failed or error
        raise httpx.ConnectError(str(failed)) from failed


class _Body(httpx.AsyncByteStream):
    """The body of a response as it was sent."""

    def __init__(self, transport: PortalTransport, connection: "_Connection") -> None:
        self._transport, self._connection = transport, connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._connection.next_event(), h11.Data):
            yield event.data

    async def aclose(self) -> None:
        self._transport.give_back(self._connection)


class _Connection(asyncio.Protocol):
    """One connection, for one request at a time."""

    def __init__(self, origin: _Origin) -> None:
        self.origin = origin
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused, self._at_eof, self._lost, self._events = False, False, False, 0

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._h11.receive_data(data)
        if self._waiter is None and self._transport:  # what nobody waits for is left with the peer
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._at_eof = True
        self._wake()

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    # -- one exchange

    def send(self, request: httpx.Request) -> None:
        """Send a request without a body."""
        target = request.extensions.get("target", request.url.raw_path)
        event = h11.Request(method=request.method, target=target, headers=request.headers.raw)
        head, end = self._h11.send(event), self._h11.send(h11.EndOfMessage())
        assert self._transport
        self._transport.write((head or b"") + (end or b""))

    async def head(self) -> h11.Response:
        """The final response; interim ones are passed over."""
        while not isinstance(event := await self.next_event(), h11.Response):
            pass
        return event

    async def next_event(self) -> object:
        """What comes next of the answer, an h11.Event."""
        while True:
            self._events += 1
            if self._events % EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error)) from None
            if event is not h11.NEED_DATA:
                return event
            if self._at_eof or self._lost:
                return self._end()
            await self._more()

    def _end(self) -> object:
        """What the end of the connection means: the body's end where nothing else marks it."""
        try:
            if self._at_eof:
                self._h11.receive_data(b"")
                return self._h11.next_event()
        except h11.RemoteProtocolError:
            pass
        raise httpx.ReadError("the connection ended before the answer did")

    async def _more(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        self._resume()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _resume(self) -> None:
        if self._paused and self._transport:
            self._paused = False
            self._transport.resume_reading()

    # -- between two

    def at_rest(self) -> bool:
        """Whether the answer was read to its end, and the connection may be used again."""
        self._resume()
        done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        return done and self._is_quiet()

    def begin_again(self) -> bool:
        """Make ready for another request; False where the peer has ended it or spoken unasked."""
        if not self._is_quiet():
            return False
        self._h11.start_next_cycle()
        return True

    def _is_quiet(self) -> bool:
        return not (self._at_eof or self._lost or self._h11.trailing_data[0])

    def abort(self) -> None:
        """Close it, whatever is on its way."""
        if self._transport:
            self._transport.abort()
