"""Where a probe goes: the webmail URL that the operator wrote, and redirects."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import idna

from collectors.names import DomainError, is_host_name, normalize_domain
from collectors.text import Text, _, clean, show_bytes

MAX_LOCATION = 16 * 1024  # a sign-in elsewhere takes several KiB
_PRINTABLE = re.compile(r"[!-~]+(?: +[!-~]+)*")
# Browsers find a host in these and urljoin finds none: the two must not disagree on where it leads.
_AMBIGUOUS = re.compile(r"https?:(?!//[^/?#])|///", re.IGNORECASE)
_PARTS = re.compile(r"((?:https?:)?//[^/\\?#]*|)([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HOST_BEGINS = re.compile(r"https?:|[/\\]{2}", re.IGNORECASE)
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class ProbeUrl:
    """A URL that may be asked for: http or https, a host name as A-label, no user-info."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


class UrlRefused(ValueError):
    """A URL that is not gone to; `reason` says why, in words that go into brackets."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


def start_url(url: str) -> ProbeUrl:
    """The operator's webmail URL; raises UrlRefused. Names inside a network are its choice."""
    return _probe_url(
        url,
        lambda host: (
            host.lower().removesuffix(".")
            if is_host_name(host) and not _numeric(host)
            else normalize_domain(host)
        ),
    )


def redirect_url(location: str, base: ProbeUrl, *, ports: set[int]) -> ProbeUrl:
    """Where a Location header leads to from `base`; raises UrlRefused.

    `ports`: those allowed beside 80 and 443.
    """
    location = _as_browsers_read(_encoded(location.strip(" \t")))
    if len(location) > MAX_LOCATION:
        raise UrlRefused(_("an address of {n} characters", n=len(location)))
    if not _PRINTABLE.fullmatch(location) or "\\" in location:
        raise UrlRefused(_("an address with characters that a URL cannot have"))
    if _AMBIGUOUS.match(location):
        raise UrlRefused(_("an address that is not a URL"))
    try:
        url = urljoin(base.url, location)
    except ValueError:
        raise UrlRefused(_("an address that is not a URL")) from None
    place = _probe_url(url, normalize_domain)
    if place.port not in {_DEFAULT_PORTS[place.scheme], *ports}:
        raise UrlRefused(_("port {port}", port=place.port))
    return place


def _as_browsers_read(location: str) -> str:
    """Without tabs, and with `\\` as `/` in a path (WHATWG URL); not where a host may begin."""
    location = location.replace("\t", "")
    origin, path, rest = _PARTS.findall(location)[0]
    if _HOST_BEGINS.match(path):
        return location
    return origin + path.replace("\\", "/") + rest.replace("\\", "%5C")


def _encoded(location: str) -> str:
    """Raw UTF-8 as browsers take it: a host by IDNA, the rest percent-encoded, byte by byte."""
    if location.isascii():
        return location
    raw = location.encode("latin-1", "replace")
    start = re.match(rb"(?:https?:)?//[^/?#]*", raw, re.IGNORECASE)
    origin = raw[: start.end()] if start else b""
    try:
        host = idna.uts46_remap(origin.decode(), std3_rules=False, transitional=False)
    except (UnicodeError, idna.IDNAError):
        return location
    return host + quote(raw[len(origin) :], safe=bytes(range(128)))


def shown(location: str) -> str:
    """A Location header as it may be shown: bytes outside ASCII escaped, cut."""
    return clean(show_bytes(location.encode("latin-1", "replace")), 300)


def _probe_url(url: str, host_name: Callable[[str], str]) -> ProbeUrl:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused(_("an address that is not a URL")) from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise UrlRefused(_("the scheme {scheme}", scheme=parts.scheme[:40] or "?"))
    if "@" in parts.netloc:
        raise UrlRefused(_("an address with a user name in it"))
    try:
        host = host_name(parts.hostname or "")
    except DomainError:
        raise UrlRefused(
            _("{host} is not the name of a public host", host=parts.hostname or "?")
        ) from None
    if port == 0:
        raise UrlRefused(_("port {port}", port=port))
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    suffix = "" if port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]{}|^`") if parts.query else ""
    return ProbeUrl(f"{parts.scheme}://{host}{suffix}{path}{query}", parts.scheme, host, port)


def _numeric(host: str) -> bool:
    return (
        re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", host.removesuffix(".").split(".")[-1]) is not None
    )
