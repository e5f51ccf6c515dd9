"""Where a probe goes: the webmail URL that the operator wrote, and the redirects that a server answers with."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from .names import DomainError, is_host_name, normalize_domain
from .text import Text, _, clean, show_bytes

MAX_LOCATION = 2048
_PRINTABLE = re.compile(r"[!-~]+(?: +[!-~]+)*")
# Browsers find a host in these and urljoin finds none: the two must not disagree about where a redirect leads.
_AMBIGUOUS = re.compile(r"https?:(?!//[^/?#])|///", re.IGNORECASE)
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Place:
    """A URL that may be asked for, as far as its text can say: http or https, a host name as A-label, no user-info."""

    url: str
    scheme: str
    host: str
    port: int


class NotAPlace(ValueError):
    """A URL that is not gone to; `reason` says why, in words that go into brackets."""

    def __init__(self, reason: Text):
        super().__init__(str(reason))
        self.reason = reason


def start_place(url):
    """The `Place` of the operator's webmail URL; raises NotAPlace. Names that live inside a network are the operator's choice."""
    return _place(url, lambda host: host.lower().removesuffix(".") if is_host_name(host) and not _numeric(host) else normalize_domain(host))


def redirect_place(location, base, *, ports):
    """The `Place` that a Location header leads to from `base`; raises NotAPlace. `ports`: those allowed beside 80 and 443."""
    if len(location) > MAX_LOCATION:
        raise NotAPlace(_("an address of {n} characters", n=len(location)))
    if not _PRINTABLE.fullmatch(location) or "\\" in location:
        raise NotAPlace(_("an address with characters that a URL cannot have"))
    if _AMBIGUOUS.match(location):
        raise NotAPlace(_("an address that is not a URL"))
    try:
        url = urljoin(base.url, location)
    except ValueError:
        raise NotAPlace(_("an address that is not a URL")) from None
    place = _place(url, normalize_domain)
    if place.port not in {_DEFAULT_PORTS[place.scheme], *ports}:
        raise NotAPlace(_("port {port}", port=place.port))
    return place


def shown(location):
    """A Location header as it may be shown: bytes outside ASCII escaped, cut."""
    return clean(show_bytes(location.encode("latin-1", "replace")), 300)


def _place(url, host_name):
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAPlace(_("an address that is not a URL")) from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise NotAPlace(_("the scheme {scheme}", scheme=parts.scheme[:40] or "?"))
    if "@" in parts.netloc:
        raise NotAPlace(_("an address with a user name in it"))
    try:
        host = host_name(parts.hostname or "")
    except DomainError:
        raise NotAPlace(_("{host} is not the name of a public host", host=parts.hostname or "?")) from None
    if port == 0:
        raise NotAPlace(_("port {port}", port=port))
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    suffix = "" if port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]{}|^`") if parts.query else ""
    return Place(f"{parts.scheme}://{host}{suffix}{path}{query}", parts.scheme, host, port)


def _numeric(host):
    return re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", host.removesuffix(".").split(".")[-1]) is not None
