"""The web client for names that others control: one GET to a checked address, with bounds.

The connection is ours, pinned to the addresses given, so that nothing resolves the name a second
time. No proxies, no credentials, and no redirect is followed here.
"""

import ssl
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from collectors.net.body_decoder import BadEncoding, BodyDecoder
from collectors.net.connection import SETUP_SECONDS, Connection, Reachable, dial, open_connection
from collectors.net.http1 import Head, Headers, Http1Response, Http2Spoken, HttpResponse
from collectors.net.loop_lag import LoopLag
from collectors.net.page_text import page_text, page_title
from collectors.net.steady import steady_header, steady_url
from collectors.net.tls import Handshake, derived_contexts, http2_context, inspect
from collectors.net.web_fault import WebFault
from collectors.net.wire import Wire
from collectors.stored import Evidence
from collectors.text import _, clean, show_bytes

USER_AGENT = "LigboxAudit/1.0 (read-only mail domain audit{contact})"
MAX_CHUNKS = 10_000  # pieces of a body; tiny ones cost far more than they carry
KEPT_HEADERS = 100
KEPT_LOCATION = 20 * 1024
WANTS_HTTP2 = (426, 464, 505)  # statuses with which servers refuse HTTP/1.1
_DEFAULT_PORTS = {"https": 443, "http": 80}
_Context = ssl.SSLContext | None  # None without TLS

__all__ = ["Fetched", "Handshake", "WebClient", "WebFault"]


@dataclass(frozen=True)
class Fetched:
    """A response; times in milliseconds.

    `body` is unpacked and at most 256 KiB; `truncated` says that there was more. `headers` are
    cleaned for showing (names in lower case). `location` is as it came, one character a byte: check
    it first; so are `cookies`, the Set-Cookie lines.
    """

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    location: str | None
    body: bytes
    truncated: bool
    encoding: str  # the content coding; one that is not gzip or deflate is left packed
    address: str
    attempts: tuple[tuple[str, str], ...]  # (address, kind of fault) of those that failed before
    ms_first_byte: int
    ms_total: int
    http_version: str
    tls_version: str
    cookies: tuple[str, ...] = ()
    ms_stalled: int = 0  # for how long our own process stood still meanwhile

    def header(self, name: str) -> str:
        """The first header of this name (lower case), or ''."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def text(self) -> str:
        """The first 64 KiB of the page as text."""
        return page_text(self.body, self.header("content-type"))

    @property
    def title(self) -> str:
        """The page's title, or ''."""
        return page_title(self.text)

    def evidence(self) -> Evidence:
        """This hop of a chain, as JSON data: what is the same at each visit (see steady.py)."""
        seen = {
            "url": steady_url(self.url),
            "address": self.address,
            "status": self.status,
            "http": self.http_version,
            "tls": self.tls_version,
            "headers": [steady_header(name, value) for name, value in self.headers],
        }
        if self.attempts:
            seen["failed_addresses"] = [f"{address}: {kind}" for address, kind in self.attempts]
        return seen


class WebClient:
    """GETs and TLS handshakes to names that others control, at addresses that the caller resolved.

    `reachable` says which of them may be dialled. `ssl_context` decides whom to trust and how names
    are judged; contexts derived from it are made once. `contact`: where whoever runs a host
    that is asked can reach the one who asks, for the User-Agent (RFC 9110 section 10.1.5).
    """

    def __init__(
        self,
        ssl_context: ssl.SSLContext,
        *,
        reachable: Reachable,
        contact: str = "",
        lag: LoopLag | None = None,
    ) -> None:
        ssl_context.set_alpn_protocols(["http/1.1"])
        self._context, self._reachable = ssl_context, reachable
        self._lag = lag or LoopLag()
        self._user_agent = USER_AGENT.format(contact=f"; +{contact}" if contact else "")

    @cached_property
    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext]:
        return derived_contexts(self._context)

    @cached_property
    def _http2_context(self) -> ssl.SSLContext:
        """Made when the first server asks for it, as few do."""
        return http2_context(self._context)

    async def handshake(
        self,
        host: str,
        port: int,
        addresses: Sequence[str],
        *,
        seconds: float,
        met: WebFault | None = None,
    ) -> Handshake:
        """The certificates served for `host` (A-label, sent as SNI) at one of these addresses.

        `met`: what a visit there met, so that nothing is judged twice. Raises WebFault.
        """
        return await inspect(
            host,
            port,
            addresses,
            contexts=self._contexts,
            reachable=self._reachable,
            seconds=seconds,
            lag=self._lag,
            met=met,
        )

    async def answers(self, port: int, addresses: Sequence[str], *, seconds: float) -> None:
        """Connect to a port and leave again; raises WebFault where no address answers."""
        dialled = await dial(
            addresses, port, reachable=self._reachable, seconds=seconds, lag=self._lag
        )
        dialled.sock.close()

    async def connect(
        self,
        host: str,
        port: int,
        addresses: Sequence[str],
        *,
        secure: bool = True,
        http2: bool = False,
        seconds: float,
    ) -> Connection:
        """A connection to one of these addresses, its certificate found right; raises WebFault.

        Where the server speaks HTTP/2 alone, that is agreed on.
        """
        lag = self._lag
        deadline = lag.now() + min(seconds * 0.9, SETUP_SECONDS)

        async def opened(context: _Context, where: Sequence[str]) -> Connection:
            return await open_connection(
                where,
                port,
                context=context,
                host=host,
                reachable=self._reachable,
                seconds=max(0.01, deadline - lag.now()),
                lag=lag,
            )

        if not secure:
            return await opened(None, addresses)
        try:
            return await opened(self._http2_context if http2 else self._context, addresses)
        except WebFault as fault:
            if fault.cause != "no_http1" or http2:
                raise
            return await opened(self._http2_context, [fault.address])

    async def fetch(
        self,
        url: str,
        addresses: Sequence[str],
        *,
        seconds: float,
        cookies: str = "",
        connection: Connection | None = None,
    ) -> Fetched:
        """One GET of `url` (http or https, ASCII, host as A-label) at one of these addresses.

        `connection`: one to the first of them that is open already. Raises WebFault.
        """
        lag = self._lag
        deadline = lag.now() + seconds
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or _DEFAULT_PORTS[parts.scheme]

        async def connect(where: Sequence[str], *, http2: bool = False) -> Connection:
            left = max(0.01, deadline - lag.now())
            return await self.connect(host, port, where, secure=secure, http2=http2, seconds=left)

        async def get(connection: Connection, *, http2: bool) -> Fetched:
            return await self._get(url, cookies, connection, deadline, http2=http2)

        connection = connection or await connect(addresses)
        spoken, failed, page = False, None, None
        try:
            page = await get(connection, http2=connection.protocol == "h2")
        except Http2Spoken:
            spoken = True
        except WebFault as fault:
            failed = fault
        if connection.protocol or not secure or not _may_want_http2(spoken, failed, page):
            return _page_or_raise(page, failed, connection)
        try:
            other = await connect([connection.address], http2=True)
        except WebFault:
            return _page_or_raise(page, failed, connection)
        if other.protocol == "h2" or spoken:
            return await get(other, http2=True)
        other.abort()
        return _page_or_raise(page, failed, connection)

    async def _get(
        self, url: str, cookies: str, connection: Connection, deadline: float, *, http2: bool
    ) -> Fetched:
        """The page over an open connection, which is closed. Raises WebFault, Http2Spoken."""
        parts, wire = urlsplit(url), Wire(connection)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Host": parts.netloc,
            "User-Agent": self._user_agent,
            "Accept": "text/html, */*;q=0.5",
            "Accept-Encoding": "identity",
            **({"Cookie": cookies} if cookies else {}),
        }
        seconds = max(0.01, deadline - self._lag.now())
        try:
            async with self._lag.timeout(seconds):
                if http2:
                    # late, as few servers need it and it slows the start of a command
                    from collectors.net.http2 import Http2Response

                    response = Http2Response(wire)
                    await response.ask(_http2_headers(parts.scheme, target, headers))
                    return await _read(url, response, wire)
                await wire.write(_request(target, headers))
                return await _read(url, Http1Response(wire), wire)
        except TimeoutError:
            fault = wire.fault("timeout", wire.waiting_for)
            fault.seconds = seconds
            raise fault from None
        finally:
            connection.abort()


def _may_want_http2(spoken: bool, failed: WebFault | None, page: Fetched | None) -> bool:
    """Whether HTTP/1.1 is perhaps what was wrong: refused, hung up on, or answered with HTTP/2."""
    hung_up = failed is not None and failed.kind == "reset"
    return spoken or hung_up or (page is not None and page.status in WANTS_HTTP2)


def _page_or_raise(
    page: Fetched | None, failed: WebFault | None, connection: Connection
) -> Fetched:
    if page:
        return page
    says = _("it speaks HTTP/2 only")
    raise failed or WebFault("unreadable", address=connection.address, detail=says)


def _request(target: str, headers: dict[str, str]) -> bytes:
    lines = [f"GET {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def _http2_headers(scheme: str, target: str, headers: dict[str, str]) -> Headers:
    """RFC 9113, section 8.3.1."""
    rest = {name.lower(): value for name, value in headers.items()}
    pseudo = {":method": "GET", ":scheme": scheme, ":authority": rest.pop("host"), ":path": target}
    return [(name.encode(), value.encode()) for name, value in {**pseudo, **rest}.items()]


async def _read(url: str, response: HttpResponse, wire: Wire) -> Fetched:
    head = await response.head()
    wire.headers_are_in()
    if head.status == 101:
        raise wire.fault("protocol", _("it changes to another protocol"))
    locations = set(head.values(b"location"))
    if len(locations) > 1:
        raise wire.fault("protocol", _("several different Location headers"))
    location = locations.pop().decode("latin-1")[:KEPT_LOCATION] if locations else None
    codings = b",".join(head.values(b"content-encoding")).decode("latin-1")
    redirect = location is not None and 300 <= head.status < 400  # its body is for nobody
    try:
        decoder = BodyDecoder("" if redirect else codings)
        if not redirect:
            await _collect(response, head, decoder)
        body = decoder.finish()
    except BadEncoding as error:
        raise wire.fault(error.kind, error.message) from None
    connection = wire.connection
    return Fetched(
        url=url,
        status=head.status,
        headers=tuple(
            (clean(show_bytes(n), 100), clean(show_bytes(v), 1000))
            for n, v in head.headers[:KEPT_HEADERS]
        ),
        location=location,
        body=body,
        truncated=decoder.full,
        encoding=clean(decoder.coding, 40),
        address=connection.address,
        attempts=connection.failed,
        ms_first_byte=wire.ms_first_byte or 0,
        ms_total=wire.ms(),
        http_version=head.version,
        tls_version=connection.tls_version,
        cookies=tuple(v.decode("latin-1") for v in head.values(b"set-cookie")),
    )


async def _collect(response: HttpResponse, head: Head, decoder: BodyDecoder) -> None:
    chunks = 0
    async with aclosing(response.body(head)) as pieces:
        async for piece in pieces:
            chunks += 1
            decoder.feed(piece)
            if decoder.full or chunks >= MAX_CHUNKS:
                decoder.full = True
                return
