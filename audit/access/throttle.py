"""How often somebody may try or ask: counters in a cache."""

import hashlib
import logging
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import BaseCache, caches
from django.http import HttpRequest

log = logging.getLogger(__name__)
T = TypeVar("T")
AWAY = 10  # seconds until a cache that was out of reach is asked again
away_until: dict[str, float] = {}  # by alias, of this process's clock


class Throttle:
    """At most `tries` within `seconds`, counted from the first one; each key has its own counter.
    `cache`: an alias of settings.CACHES. While that is out of reach, this process counts for
    itself: nobody is locked out of the page that says what is wrong, and nobody may try for ever.
    """

    def __init__(self, name: str, *, tries: float, seconds: int, cache: str = "default") -> None:
        self.name, self.tries, self.seconds, self.cache = name, tries, seconds, cache

    def hit(self, key: str, *, tries: float | None = None) -> int:
        """Count one try: 0 if it is allowed, else the seconds until the next one will be. `tries`:
        a bound for this one in place of the usual one.
        """
        return self._ask(self._hit, key, self.tries if tries is None else tries)

    def wait(self, key: str) -> int:
        """What `hit` would answer, without counting."""
        return self._ask(self._wait, key)

    def give_back(self, key: str) -> None:
        """One try does not count after all."""
        self._ask(self._give_back, key)

    def reset(self, key: str) -> None:
        """Forget the tries of this key."""
        self._ask(lambda cache, key: cache.delete_many(self._keys(key)), key)

    def _ask(self, question: Callable[..., T], key: str, *args: Any) -> T:
        if time.monotonic() >= away_until.get(self.cache, 0):
            try:
                return question(caches[self.cache], key, *args)
            except Exception:
                log.exception("the cache that counts tries could not be reached")
                away_until[self.cache] = time.monotonic() + AWAY
        return question(caches["process"], key, *args)

    def _keys(self, key: str) -> tuple[str, str]:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return f"limit:{self.name}:{digest}:count", f"limit:{self.name}:{digest}:ends"

    def _hit(self, cache: BaseCache, key: str, tries: float) -> int:
        (count, ends), now = self._keys(key), time.time()
        cache.add(ends, now + self.seconds, self.seconds)
        cache.add(count, 0, self.seconds)
        try:
            if cache.incr(count) <= tries:
                return 0
        except ValueError:  # it ran out in this moment
            return 0
        return self._left(cache, ends)

    def _wait(self, cache: BaseCache, key: str) -> int:
        count, ends = self._keys(key)
        return self._left(cache, ends) if (cache.get(count) or 0) >= self.tries else 0

    def _left(self, cache: BaseCache, ends: str) -> int:
        now = time.time()
        return max(1, round((cache.get(ends) or now + self.seconds) - now))

    def _give_back(self, cache: BaseCache, key: str) -> None:
        try:
            cache.decr(self._keys(key)[0])
        except ValueError:  # it ran out, or was forgotten
            return


def request_limit() -> Throttle:
    """How often one caller may ask anything of the API. Counted in this process: no request waits
    for another machine to count it.
    """
    return Throttle(
        "api", tries=settings.AUDIT_REQUESTS_PER_SECOND * 10, seconds=10, cache="process"
    )


def peer(request: HttpRequest) -> str:
    """What a stranger is counted by: the address, of IPv6 the /64 (whoever has one address there
    has them all). An IPv4 address in IPv6 clothes is that IPv4 address.
    """
    text = client_address(request)
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def client_address(request: HttpRequest) -> str:
    """The caller's address; what reverse proxies say is believed as far as settings.PROXIES of them
    are ours.
    """
    forwarded = [
        part.strip()
        for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if part.strip()
    ]
    if settings.PROXIES and len(forwarded) >= settings.PROXIES:
        return _without_port(forwarded[-settings.PROXIES])
    return request.META.get("REMOTE_ADDR", "")


def _without_port(text: str) -> str:
    """Some proxies write the port too, which is another one for each connection."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
