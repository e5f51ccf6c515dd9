"""The client of a tenant's portal: one GET a question, a judged answer, and no more requests than a sick portal can bear.

The portal is the operator's own address and may be on the LAN, so no address is refused here; instead nothing leads away
from it: no redirect is followed, no proxy of the environment is used, and the token goes into one header of one request.
"""

import asyncio
import hashlib
import logging
import re
import socket
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from .portal_answers import Misshapen, retry_after, shaped
from .portal_breaker import FAILURES, PAUSE_SECONDS, Breaker, Caller, PortalFault
from .text import _, clean

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024  # bytes of one answer
AT_ONCE = 8  # requests on their way to one portal
_TOKEN = re.compile(r"[\x21-\x7e]*")
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ligbox-audit/1.0"}

__all__ = ["AT_ONCE", "FAILURES", "MAX_BODY", "PortalAnswer", "PortalClient", "PortalFault"]


@dataclass(frozen=True)
class PortalAnswer:
    """What the portal says. `found` is False for its 404; `data` holds the agreed keys alone, with the agreed types."""

    what: str
    found: bool
    data: dict = field(default_factory=dict)
    status: int = 200
    ms: int = 0
    detail: str = ""  # the portal's words beside a 404

    def evidence(self):
        """JSON data: the answer and how it was had; a certificate only by its size, as it is described elsewhere."""
        data = {key: f"{len(value)} characters" if key == "pem" else value for key, value in self.data.items()}
        seen = {"asked": self.what, "http_status": self.status, "ms": self.ms}
        return {**seen, "answer": data} if self.found else {**seen, "detail": clean(self.detail, 500)}


class _Portal:
    """What one process keeps of one portal, by its origin."""

    def __init__(self, clock):
        self.breaker, self.slots = Breaker(clock), asyncio.Semaphore(AT_ONCE)
        self._callers: dict[bytes, Caller] = {}

    def caller(self, token):
        """The `Caller` of a token, which itself is not kept."""
        return self._callers.setdefault(hashlib.sha256(token.encode()).digest(), Caller())


class PortalClient:
    """Asks portals. One per process; connections are kept alive and belong to the event loop that is running."""

    def __init__(self, paths, *, clock=time.monotonic, context=None):
        """`paths`: what is asked → path below `portal_url` with `{domain}` in it."""
        self._paths, self._clock, self._context = paths, clock, context
        self._portals: dict[str, _Portal] = {}
        self._transport, self._fresh, self._loop = None, None, None

    async def get(self, portal_url, token, what, domain, *, seconds) -> PortalAnswer:
        """The portal's answer within `seconds`, waiting for a free slot included. Raises PortalFault."""
        url, headers = self._url(portal_url, what, domain), _headers(token)
        self._open()
        portal = self._portals.setdefault(f"{url.scheme}://{url.netloc.decode('ascii')}", _Portal(self._clock))
        breaker, caller, started, sent = portal.breaker, portal.caller(token), time.monotonic(), False
        caller.admit(self._clock())
        probe = breaker.admit()
        try:
            async with asyncio.timeout(seconds), portal.slots:
                caller.admit(self._clock())
                probe = probe or breaker.admit()  # it may have failed for the others while this one waited
                sent = True
                response, body = await _exchange(self._transport, self._fresh, httpx.Request("GET", url, headers=headers))
        except TimeoutError:
            fault = PortalFault("portal_timeout", _("The portal did not answer within {seconds} s.", seconds=f"{seconds:.3g}"))
            if sent:
                breaker.failed(fault)
            raise fault from None
        except PortalFault as fault:
            if sent and fault.code == "portal_unreachable":
                breaker.failed(fault)
            elif sent:
                breaker.answered()
            raise
        finally:
            if probe:
                breaker.probe_ended()
        breaker.answered()
        self._refuse(portal, caller, response)
        try:
            answer = shaped(what, response.status_code, _text(body), domain)
        except Misshapen as error:
            message = _("The portal's answer cannot be used: {problem}", problem=error.message)
            raise PortalFault("portal_bad_response", message) from None
        data, detail = _without(token, answer) if len(token) >= 8 else answer
        ms = round((time.monotonic() - started) * 1000)
        return PortalAnswer(what, response.status_code == 200, data, response.status_code, ms, detail)

    async def close(self):
        """Close the connections of the running loop; those of an earlier loop went with it."""
        transports, loop, self._transport = (self._transport, self._fresh), self._loop, None
        if transports[0] is not None and loop is asyncio.get_running_loop():
            for transport in transports:
                await transport.aclose()

    def _url(self, portal_url, what, domain):
        if not portal_url:
            raise PortalFault("portal_not_configured", _("This tenant has no portal address, so the server itself cannot be asked."))
        try:
            url = httpx.URL(portal_url.rstrip("/") + self._paths[what].replace("{domain}", quote(domain, safe="")))
        except httpx.InvalidURL:
            url = None
        if url is None or url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
            message = _("The tenant's portal address is not usable; give http:// or https://, a host and perhaps a port and a path.")
            raise PortalFault("portal_not_configured", message)
        return url

    def _open(self):
        loop = asyncio.get_running_loop()
        if self._transport is None or self._loop is not loop:
            self._context = self._context or ssl.create_default_context()
            self._transport, self._fresh = (
                httpx.AsyncHTTPTransport(
                    verify=self._context,
                    trust_env=False,
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=kept, keepalive_expiry=30),
                )
                for kept in (AT_ONCE * 4, 0)
            )
            self._loop = loop
            for portal in self._portals.values():
                portal.slots = asyncio.Semaphore(AT_ONCE)

    def _refuse(self, portal, caller, response):
        """Raise the fault of an answer that is neither 200 nor 404."""
        status = response.status_code
        if status in (401, 403):
            if not caller.refused:  # said once, not once a domain
                log.warning("a portal refuses the tenant's token (HTTP %d)", status)
            caller.refused = True
            message = _("The portal refused the tenant's token (HTTP {status}); save a valid token at the tenant.", status=status)
            raise PortalFault("portal_auth", message)
        caller.refused = False
        if 300 <= status < 400:
            message = _("The portal answered with a redirect, which is not followed (HTTP {status}).", status=status)
            raise PortalFault("portal_error", message)
        if status in (200, 404):
            return
        fault = PortalFault("portal_error", _("The portal answered with an error (HTTP {status}).", status=status))
        wait = retry_after(response.headers.get("Retry-After")) if status in (429, 503) else None
        if status == 429:
            caller.told_to_wait(fault, PAUSE_SECONDS if wait is None else wait, self._clock())
        elif wait:
            portal.breaker.told_to_wait(fault, wait)
        raise fault


def _headers(token):
    if not _TOKEN.fullmatch(token):
        message = _("The tenant's portal token holds characters that no token has (blanks, line breaks or accents); save it again.")
        raise PortalFault("portal_auth", message)
    return {**_HEADERS, "Authorization": f"Bearer {token}"} if token else _HEADERS


async def _exchange(transport, fresh, request):
    """(response, body). A kept connection that the portal has just closed says nothing about it: one second try, over
    `fresh`, which keeps none; the other kept ones may have gone the same way.

    A transport is used without an httpx client around it: it knows no cookies, redirects and credentials of URLs.
    """
    for way in (transport, fresh):
        response = None
        try:
            response = await way.handle_async_request(request)
            return response, await _body(response)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError) as error:
            if _is_not_http(error):
                raise PortalFault("portal_bad_response", _("What answers at the portal's address does not speak HTTP.")) from None
            if way is transport and response is None:
                continue
            message = _("The portal closed the connection before its answer was complete.")
            raise PortalFault("portal_unreachable", message) from None
        except httpx.TransportError as error:
            message = _("The portal cannot be reached: {cause}.", cause=_cause(error))
            raise PortalFault("portal_unreachable", message) from None
        finally:
            if response is not None:
                await response.aclose()
    raise AssertionError("the second try ends in a result or a fault")


def _is_not_http(error):
    words = str(error)
    return isinstance(error, httpx.RemoteProtocolError) and not words.startswith(("Server disconnected", "peer closed"))


async def _body(response):
    """The body as it was sent, at most MAX_BODY bytes of it."""
    too_large = PortalFault("portal_bad_response", _("The portal's answer is larger than {limit} MiB.", limit=MAX_BODY >> 20))
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise PortalFault("portal_bad_response", _("The portal's answer is compressed, which was not asked for."))
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > MAX_BODY):
        raise too_large
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)


def _text(body):
    """The body as text, None where it is not UTF-8."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _without(token, value):
    """An answer without the token, which a portal may echo: in the read values, as JSON has several spellings of one text."""
    if isinstance(value, str):
        return value.replace(token, "[token]")
    if isinstance(value, dict):
        return {_without(token, key): _without(token, inner) for key, inner in value.items()}
    return type(value)(_without(token, inner) for inner in value) if isinstance(value, (list, tuple)) else value


def _cause(error):
    """Why a connection failed, in plain words, from the innermost exceptions."""
    seen, queue = set(), [error]
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
