"""The client of a tenant's portal: one GET a question, a judged answer, no more than it can bear.

The portal is the operator's own address and may be on the LAN, so no address is refused here;
instead nothing leads away from it: no redirect is followed, no proxy of the environment is used,
and the token goes into one header of one request.
"""

import asyncio
import hashlib
import logging
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from collectors.base import UNREADABLE_TOKEN
from collectors.net.circuit_breaker import (
    FAILURES,
    PAUSE_SECONDS,
    Breaker,
    PortalFault,
    TokenBackoff,
)
from collectors.net.loop_lag import STALL_SECONDS, LoopLag
from collectors.net.portal_answers import InvalidPortalAnswer, read_answer, retry_after
from collectors.net.portal_transport import PortalTransport
from collectors.net.tls import trusted_context
from collectors.stored import Evidence
from collectors.text import _, clean, rounded

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024  # bytes of one answer
AT_ONCE = 8  # requests on their way to one portal
MOST_KEPT, KEPT_SECONDS = 32, 30.0  # idle connections, to all portals
WAITING_SHARE = 0.8  # of a request's time that it may wait until it is sent
FAIR_SHARE = 0.5  # of that time that the portal must have had before its silence is held against it
DataT = TypeVar("DataT")
_PLACE = b"-ligbox-audit-domain-"  # in a URL that is made once for all domains
_TOKEN = re.compile(r"[\x21-\x7e]*")
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "ligbox-audit/1.0",
}

__all__ = ["AT_ONCE", "FAILURES", "MAX_BODY", "PortalAnswer", "PortalClient", "PortalFault"]


@dataclass(frozen=True)
class PortalAnswer(Generic[DataT]):
    """What the portal says. `found` is False for its 404, and then there is no `data`."""

    what: str
    found: bool
    data: DataT  # the agreed keys alone, with the agreed types
    status: int = 200
    detail: str = ""  # the portal's words beside a 404
    date: str = ""  # its Date header, beside (when it was asked, when it had answered) by our clock
    between: tuple[float, float] = (0.0, 0.0)

    @property
    def clock_ahead(self) -> float | None:
        """Seconds that the portal's clock is ahead of ours at least; None where it does not say.

        Its Date (RFC 9110, 6.6.1) is a whole second, of some moment while it was asked.
        """
        try:
            date = parsedate_to_datetime(self.date).replace(tzinfo=UTC).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        sent, received = self.between
        return min(0.0, date + 1 - sent) + max(0.0, date - received)

    def evidence(self) -> Evidence:
        """The answer and its status; of a certificate, which is shown elsewhere, the size."""
        seen: Evidence = {"asked": self.what, "http_status": self.status}
        if not self.found:
            return {**seen, "detail": clean(self.detail, 500)}
        data: Mapping[str, Any] = self.data  # type: ignore[assignment]  # a TypedDict
        said = {k: f"{len(v)} characters" if k == "pem" else v for k, v in data.items()}
        return {**seen, "answer": said}


class _Portal:
    """What one process keeps of one portal, by its origin."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.breaker, self.slots = Breaker(clock), asyncio.Semaphore(AT_ONCE)
        self._tokens: dict[bytes, TokenBackoff] = {}

    def backoff(self, token: str) -> TokenBackoff:
        """What a token has met here; the token itself is not kept."""
        return self._tokens.setdefault(hashlib.sha256(token.encode()).digest(), TokenBackoff())


class PortalClient:
    """Asks portals. One per process; its kept connections belong to the event loop that runs."""

    def __init__(
        self,
        paths: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        context: Callable[[], ssl.SSLContext] | None = None,
        lag: LoopLag | None = None,
    ) -> None:
        """`paths`: what is asked → path below `portal_url` with `{domain}` in it.

        `context`: has the TLS context, or makes it for the first portal that is asked over TLS.
        """
        self._paths, self._clock, self._context = paths, clock, context or cache(trusted_context)
        self._lag = lag or LoopLag()
        self._portals: dict[tuple[str, bytes], _Portal] = {}  # by scheme, host and port
        self._transport: PortalTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def get(
        self, portal_url: str, token: str, what: str, domain: str, *, seconds: float
    ) -> PortalAnswer[Any]:
        """The portal's answer; raises PortalFault.

        It has `seconds`, less what was waited for a free slot, from the moment of sending.
        """
        url, headers = _url(portal_url, self._paths[what]), _headers(token)
        target = url.raw_path.replace(_PLACE, quote(domain, safe="").encode())
        transport = self._open()
        origin = url.scheme, url.netloc
        portal = self._portals.get(origin)
        if portal is None:
            portal = self._portals[origin] = _Portal(self._clock)
        backoff, started = portal.backoff(token), self._lag.now()
        backoff.raise_if_backing_off(self._clock())
        probe = portal.breaker.raise_if_backing_off()
        try:
            async with self._slot(portal, seconds * WAITING_SHARE):
                backoff.raise_if_backing_off(self._clock())
                # it may have failed for the others while this one waited
                probe = probe or portal.breaker.raise_if_backing_off()
                sent = self._lag.now()
                request = httpx.Request("GET", url, headers=headers, extensions={"target": target})
                left, asked_at = seconds - (sent - started), time.time()
                response, body = await self._send(
                    portal, transport, request, left, fair=left >= seconds * FAIR_SHARE
                )
        finally:
            if probe:
                portal.breaker.probe_ended()
        self._refuse(portal, backoff, response)
        try:
            answer = read_answer(what, response.status_code, _text(body), domain)
        except InvalidPortalAnswer as error:
            message = _("The portal's answer cannot be used: {problem}", problem=error.message)
            raise PortalFault("portal_bad_response", message) from None
        may_echo = len(token) >= 8 and (token.encode() in body or b"\\" in body)
        data, detail = _without(token, answer) if may_echo else answer
        status, date = response.status_code, response.headers.get("Date", "")
        between = asked_at, time.time()
        return PortalAnswer(what, status == 200, data, status, detail, date, between)

    def left_alone(self) -> set[str]:
        """The portals that are left alone but for probes, as `http://10.10.10.112:8090`."""
        return {
            f"{scheme}://{place.decode('ascii', 'replace')}"
            for (scheme, place), portal in self._portals.items()
            if portal.breaker.is_open
        }

    async def close(self) -> None:
        """Close the connections of the running loop; those of an earlier loop went with it."""
        transport, self._transport = self._transport, None
        if transport and self._loop is asyncio.get_running_loop():
            await transport.aclose()

    @asynccontextmanager
    async def _slot(self, portal: _Portal, seconds: float) -> AsyncIterator[None]:
        """One of the portal's slots. That they are taken is not held against the portal."""
        slots = portal.slots
        if not slots.locked():
            await slots.acquire()
        else:
            try:
                async with self._lag.timeout(seconds):
                    await slots.acquire()
            except TimeoutError:
                raise _too_little_time() from None
        try:
            yield
        finally:
            slots.release()

    async def _send(
        self,
        portal: _Portal,
        transport: PortalTransport,
        request: httpx.Request,
        seconds: float,
        *,
        fair: bool,
    ) -> tuple[httpx.Response, bytes]:
        """The response within `seconds`; its outcome counts for the portal's breaker.

        What comes to nothing while this process itself stood still counts for nothing, and neither
        does silence where that time is not `fair`.
        """
        stalled = self._lag.stalled_seconds
        try:
            async with self._lag.timeout(seconds):
                exchanged = await _exchange(transport, request)
        except (TimeoutError, PortalFault) as error:
            fault = error if isinstance(error, PortalFault) else None
            if fault and fault.code != "portal_unreachable":
                portal.breaker.answered()
                raise
            if not (fault or fair):
                raise _too_little_time() from None
            message = _("The portal did not answer within {seconds} s.", seconds=rounded(seconds))
            fault = fault or PortalFault("portal_timeout", message)
            if self._lag.stalled_seconds - stalled < STALL_SECONDS:
                portal.breaker.failed(fault)
            raise fault from None
        portal.breaker.answered()
        return exchanged

    def _open(self) -> PortalTransport:
        """The transport of the running loop."""
        loop = asyncio.get_running_loop()
        if self._transport and self._loop is loop:
            return self._transport
        self._transport = PortalTransport(
            self._context, most_kept=MOST_KEPT, kept_seconds=KEPT_SECONDS, lag=self._lag
        )
        self._loop = loop
        for portal in self._portals.values():
            portal.slots = asyncio.Semaphore(AT_ONCE)
        return self._transport

    def _refuse(self, portal: _Portal, backoff: TokenBackoff, response: httpx.Response) -> None:
        """Raise the fault of an answer that is neither 200 nor 404."""
        status = response.status_code
        if status in (401, 403):
            if not backoff.refused:  # said once, not once a domain
                log.warning("a portal refuses the tenant's token (HTTP %d)", status)
            backoff.refused = True
            message = _(
                "The portal refused the tenant's token (HTTP {status}); save a valid token at the "
                "tenant.",
                status=status,
            )
            raise PortalFault("portal_auth", message)
        backoff.refused = False
        if 300 <= status < 400:
            message = _(
                "The portal answered with a redirect, which is not followed (HTTP {status}).",
                status=status,
            )
            raise PortalFault("portal_error", message)
        if status in (200, 404):
            return
        fault = PortalFault(
            "portal_error", _("The portal answered with an error (HTTP {status}).", status=status)
        )
        wait = retry_after(response.headers.get("Retry-After")) if status in (429, 503) else None
        if status == 429:
            backoff.back_off(fault, PAUSE_SECONDS if wait is None else wait, self._clock())
        elif wait:
            portal.breaker.back_off(fault, wait)
        raise fault


@lru_cache(1000)
def _url(portal_url: str, path: str) -> httpx.URL:
    """Where a tenant's portal is asked, with `_PLACE` for the domain; raises PortalFault."""
    try:
        url = httpx.URL(portal_url.rstrip("/") + path.replace("{domain}", _PLACE.decode()))
    except httpx.InvalidURL:
        url = httpx.URL("")
    strange = url.userinfo or url.query or url.fragment
    if url.scheme not in ("http", "https") or not url.host or strange:
        message = _(
            "The tenant's portal address is not usable; give http:// or https://, a host and "
            "perhaps a port and a path."
        )
        raise PortalFault("portal_not_configured", message)
    return url


def _too_little_time() -> PortalFault:
    message = _(
        "Other questions were on their way to the portal for so long that too little time was left "
        "for this one."
    )
    return PortalFault("portal_busy", message)


def _headers(token: str) -> dict[str, str]:
    if token == UNREADABLE_TOKEN:
        message = _(
            "The tenant's portal token cannot be decrypted, so the portal was not asked; bring "
            "back the key (ENCRYPTION_KEYS) or save the token again."
        )
        raise PortalFault("portal_auth", message)
    if not _TOKEN.fullmatch(token):
        message = _(
            "The tenant's portal token holds characters that no token has (blanks, line breaks or "
            "accents); save it again."
        )
        raise PortalFault("portal_auth", message)
    return {**_HEADERS, "Authorization": f"Bearer {token}"} if token else _HEADERS


async def _exchange(
    transport: PortalTransport, request: httpx.Request
) -> tuple[httpx.Response, bytes]:
    """(response, body).

    The transport is used without an httpx client around it: it knows no cookies, redirects and
    credentials of URLs.
    """
    try:
        response = await transport.handle_async_request(request)
        try:
            return response, await _body(response)
        finally:
            await response.aclose()
    except httpx.RemoteProtocolError:
        message = _("What answers at the portal's address does not speak HTTP.")
        raise PortalFault("portal_bad_response", message) from None
    except httpx.ReadError:
        message = _("The portal closed the connection before its answer was complete.")
        raise PortalFault("portal_unreachable", message) from None
    except httpx.ConnectError as error:
        message = _("The portal cannot be reached: {cause}.", cause=_cause(error))
        raise PortalFault("portal_unreachable", message) from None


async def _body(response: httpx.Response) -> bytes:
    """The body as it was sent, at most MAX_BODY bytes of it."""
    too_large = PortalFault(
        "portal_bad_response",
        _("The portal's answer is larger than {limit} MiB.", limit=MAX_BODY >> 20),
    )
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise PortalFault(
            "portal_bad_response", _("The portal's answer is compressed, which was not asked for.")
        )
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > MAX_BODY):
        raise too_large
    body = bytearray()
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for chunk in response.stream:  # not unpacked
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)


def _text(body: bytes) -> str | None:
    """The body as text, None where it is not UTF-8."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _without(token: str, value: Any) -> Any:
    """An answer without the token, which a portal may echo.

    In the values that were read, as JSON has several spellings of one text (with backslashes).
    """
    if isinstance(value, str):
        return value.replace(token, "[token]")
    if isinstance(value, dict):
        return {_without(token, key): _without(token, inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_without(token, inner) for inner in value)
    return value


def _cause(error: BaseException) -> str:
    """Why a connection failed, in plain words, from the innermost exceptions."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, ssl.SSLCertVerificationError):
            return _("its certificate is not trusted ({words})", words=one.verify_message)
        if isinstance(one, ssl.SSLError):
            return _("no TLS connection ({words})", words=one.reason or "TLS error")
        if isinstance(one, ConnectionRefusedError):
            return _("connection refused")
        if isinstance(one, socket.gaierror):
            return _("its name does not resolve")
        queue += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return clean(str(error) or type(error).__name__, 200)
