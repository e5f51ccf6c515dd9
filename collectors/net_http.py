"""The web client for names that others control: one GET to an address that was checked, with everything bounded.

httpcore (the transport of httpx) speaks HTTP/1.1; the connection under it is ours, pinned to the checked addresses, so
that nothing resolves the name a second time. No proxies, no cookies, no credentials, and no redirect is followed here.
"""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore

from .net_tls import SETUP_SECONDS, Handshake, WebFault, derived_contexts, dial, inspect, open_streams, stream_fault
from .page import page_text, page_title
from .text import _, clean, show_bytes
from .unpack import BadEncoding, Unpacker

USER_AGENT = "LigboxAudit/1.0 (read-only mail domain audit{contact})"
MAX_HEADERS = 64 * 1024  # bytes up to the end of the headers, interim responses counted
MAX_WIRE = 1024 * 1024  # bytes of a body with its chunk framing
MAX_CHUNKS = 10_000  # pieces of a body; tiny ones cost far more than they carry
KEPT_HEADERS = 100
KEPT_LOCATION = 8192

__all__ = ["Fetched", "Handshake", "WebClient", "WebFault"]


@dataclass(frozen=True)
class Fetched:
    """A response. `body` is unpacked and at most 256 KiB; `truncated` says that there was more. Times in milliseconds.

    `headers` are cleaned for showing (names in lower case). `location` is as it came, one character a byte: check it first.
    """

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    location: str | None
    body: bytes
    truncated: bool
    encoding: str  # the content coding that the body came in, '' for none; one that is not gzip or deflate is left packed
    address: str
    attempts: tuple[tuple[str, str], ...]  # (address, kind of fault) of the addresses that failed before
    ms_first_byte: int
    ms_total: int
    http_version: str
    tls_version: str

    def header(self, name):
        """The first header of this name (lower case), or ''."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def text(self):
        """The first 64 KiB of the page as text."""
        return page_text(self.body, self.header("content-type"))

    @property
    def title(self):
        """The page's title, or ''."""
        return page_title(self.text)

    def evidence(self):
        """This hop of a chain, as JSON data."""
        seen = {
            "url": self.url, "address": self.address, "status": self.status, "ms": self.ms_total, "ms_first_byte": self.ms_first_byte,
            "http": self.http_version, "tls": self.tls_version, "headers": [f"{name}: {value}" for name, value in self.headers],
        }  # fmt: skip
        if self.attempts:
            seen["failed_addresses"] = [f"{address}: {kind}" for address, kind in self.attempts]
        return seen


class WebClient:
    """GETs and TLS handshakes to names that others control, at addresses that the caller resolved and `reachable` allows.

    `ssl_context` decides whom to trust and how names are judged; contexts derived from it are made once, here. `contact`: where
    whoever runs a host that is asked can reach the one who asks, for the User-Agent (RFC 9110 section 10.1.5).
    """

    def __init__(self, ssl_context, *, reachable, contact=""):
        self._context, self._reachable = ssl_context, reachable
        self._user_agent = USER_AGENT.format(contact=f"; +{contact}" if contact else "")
        self._contexts = derived_contexts(ssl_context)

    async def handshake(self, host, port, addresses, *, seconds):
        """The certificates served for `host` (A-label, sent as SNI) at one of these addresses; raises WebFault."""
        return await inspect(host, port, addresses, contexts=self._contexts, reachable=self._reachable, seconds=seconds)

    async def fetch(self, url, addresses, *, seconds):
        """One GET of `url` (http or https, ASCII, host as A-label) at one of these addresses; raises WebFault."""
        parts = urlsplit(url)
        origin = httpcore.Origin(parts.scheme.encode(), parts.hostname.encode(), parts.port or _DEFAULT_PORTS[parts.scheme])
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = httpcore.Request(
            "GET",
            httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target.encode()),
            headers=[
                ("Host", parts.hostname if origin.port == _DEFAULT_PORTS[parts.scheme] else f"{parts.hostname}:{origin.port}"),
                ("User-Agent", self._user_agent),
                ("Accept", "text/html, */*;q=0.5"), ("Accept-Encoding", "identity"), ("Connection", "close"),
            ],
        )  # fmt: skip
        backend = PinnedBackend(addresses, reachable=self._reachable, seconds=min(seconds * 0.9, SETUP_SECONDS))
        connection = httpcore.AsyncHTTPConnection(origin, ssl_context=self._context, network_backend=backend)
        try:
            async with asyncio.timeout(seconds):
                response = await connection.handle_async_request(request)
                return await self._read(url, response, backend)
        except TimeoutError:
            raise WebFault("timeout", address=backend.address, detail=backend.waiting_for(), seconds=seconds) from None
        except httpcore.ProtocolError as error:
            raise backend.protocol_fault(error) from None
        finally:
            backend.abort()

    async def _read(self, url, response, backend):
        backend.headers_are_in()
        names = [(name.lower(), value) for name, value in response.headers]
        if not 200 <= response.status <= 599:
            raise WebFault("protocol", address=backend.address, detail=_("{status} is not an HTTP status", status=response.status))
        locations = {value for name, value in names if name == b"location"}
        if len(locations) > 1:
            raise WebFault("protocol", address=backend.address, detail=_("several different Location headers"))
        location = locations.pop().decode("latin-1")[:KEPT_LOCATION] if locations else None
        codings = b", ".join(value for name, value in names if name == b"content-encoding").decode("latin-1")
        redirect = location is not None and 300 <= response.status < 400  # its body is for nobody
        try:
            unpacker = Unpacker("" if redirect else codings)
            if not redirect:
                await _collect(response.stream, unpacker)
            body = unpacker.finish()
        except BadEncoding as error:
            raise WebFault("protocol", address=backend.address, detail=error.message) from None
        return Fetched(
            url=url,
            status=response.status,
            headers=tuple((clean(show_bytes(n), 100), clean(show_bytes(v), 1000)) for n, v in names[:KEPT_HEADERS]),
            location=location,
            body=body,
            truncated=unpacker.full,
            encoding=clean(unpacker.coding, 40),
            address=backend.address,
            attempts=backend.failed,
            ms_first_byte=backend.ms_first_byte,
            ms_total=backend.ms(),
            http_version=response.extensions.get("http_version", b"").decode("ascii", "replace"),
            tls_version=backend.tls_version,
        )


async def _collect(stream, unpacker):
    chunks = 0
    async with aclosing(aiter(stream)) as pieces:
        async for piece in pieces:
            chunks += 1
            unpacker.feed(piece)
            if unpacker.full or chunks >= MAX_CHUNKS:
                unpacker.full = True
                return


_DEFAULT_PORTS = {"https": 443, "http": 80}


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """What httpcore connects through, for one request: it dials the addresses it was made with, whatever the name."""

    def __init__(self, addresses, *, reachable, seconds):
        self.addresses, self.reachable = addresses, reachable
        self.started = time.monotonic()
        self.deadline = self.started + seconds  # for connecting and TLS
        self.address, self.failed, self.tls_version = "", (), ""
        self.stage, self.allowance = "connection", MAX_HEADERS
        self.ms_first_byte, self.start, self.ended = 0, b"", False
        self._writer = None

    def ms(self):
        return round((time.monotonic() - self.started) * 1000)

    def setup_seconds(self):
        return max(0.01, self.deadline - time.monotonic())

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        dialled = await dial(self.addresses, port, reachable=self.reachable, seconds=self.setup_seconds())
        self.address = dialled.address
        self.failed = tuple((fault.address, fault.kind) for fault in dialled.failed)
        return _Stream(self, dialled)

    async def connect_unix_socket(self, path, timeout=None, socket_options=None):
        raise WebFault("blocked", detail="a unix socket")

    def opened(self, writer):
        self._writer = writer
        self.stage = "headers"
        tls = writer.get_extra_info("ssl_object")
        self.tls_version = (tls.version() or "") if tls else ""

    def arrived(self, data):
        if not self.start:
            self.ms_first_byte = self.ms()
        if len(self.start) < 8:
            self.start += data[:8]
        self.allowance -= len(data)
        self.ended = not data

    def headers_are_in(self):
        self.stage, self.allowance = "body", MAX_WIRE

    def waiting_for(self):
        """What was waited for when the time was over, a Text."""
        if self.stage == "connection":
            return _("waiting for the connection")
        return _("waiting for the headers") if self.stage == "headers" else _("waiting for the rest of the page")

    def too_much(self):
        """The fault of an answer that goes on beyond its allowance."""
        says = _("the headers did not end within the limit") if self.stage == "headers" else _("the page did not end within the limit")
        return WebFault("protocol", address=self.address, detail=says)

    def protocol_fault(self, error):
        """The WebFault for what h11 refused: not HTTP, or a connection that closed before the message was whole."""
        if self.start and not b"HTTP/".startswith(self.start[:5]):
            return WebFault("protocol", address=self.address, detail=_("it begins with “{start}”", start=show_bytes(self.start)))
        words = str(error).split(": bytearray")[0].rstrip(".")  # h11 ends some of its sentences with the bytes themselves
        return WebFault("reset" if self.ended else "protocol", address=self.address, detail=words)

    def abort(self):
        if self._writer:
            self._writer.transport.abort()


class _Stream(httpcore.AsyncNetworkStream):
    """One connection; counts what arrives and ends it where the allowance does."""

    def __init__(self, backend, dialled):
        self.backend, self.dialled = backend, dialled
        self.reader = self.writer = None

    async def _open(self, context=None, host=None):
        seconds = self.backend.setup_seconds()
        self.reader, self.writer = await open_streams(self.dialled, context=context, host=host, seconds=seconds)
        self.backend.opened(self.writer)

    async def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        await self._open(ssl_context, server_hostname)
        return self

    async def read(self, max_bytes, timeout=None):
        allowance = self.backend.allowance
        if allowance <= 0:
            raise self.backend.too_much()
        try:
            data = await self.reader.read(min(max_bytes, allowance))
        except OSError as error:
            raise stream_fault(error, self.dialled.address, _("before the answer was complete")) from None
        self.backend.arrived(data)
        return data

    async def write(self, buffer, timeout=None):
        try:
            if self.writer is None:
                await self._open()
            self.writer.write(buffer)
            await self.writer.drain()
        except OSError as error:
            raise stream_fault(error, self.dialled.address, _("before the request was sent")) from None

    async def aclose(self):
        if self.writer:
            self.writer.transport.abort()
        else:
            self.dialled.sock.close()

    def get_extra_info(self, info):
        return self.writer.get_extra_info(info) if self.writer else None
