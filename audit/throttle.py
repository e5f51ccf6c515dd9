"""How often somebody may try or ask: counters in a cache."""

import hashlib
import logging
import time
from ipaddress import ip_network

from django.conf import settings
from django.core.cache import caches

log = logging.getLogger(__name__)


class Limit:
    """At most `tries` within `seconds`, counted from the first one; each key has its own counter. `cache`: an alias of settings.CACHES."""

    def __init__(self, name, *, tries, seconds, cache="default"):
        self.name, self.tries, self.seconds, self.cache = name, tries, seconds, cache

    def _keys(self, key):
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return f"limit:{self.name}:{digest}:count", f"limit:{self.name}:{digest}:ends"

    def hit(self, key):
        """Count one try: 0 if it is allowed, else the seconds until the next one will be.

        A cache that is out of reach allows it: nobody is locked out of the page that says what is wrong.
        """
        (count, ends), cache = self._keys(key), caches[self.cache]
        try:
            now = time.time()
            cache.add(ends, now + self.seconds, self.seconds)
            cache.add(count, 0, self.seconds)
            try:
                tries = cache.incr(count)
            except ValueError:  # it ran out in this moment
                return 0
            if tries <= self.tries:
                return 0
            return max(1, round((cache.get(ends) or now + self.seconds) - now))
        except Exception:
            log.exception("the cache that counts tries could not be reached")
            return 0

    def reset(self, key):
        """Forget the tries of this key."""
        try:
            caches[self.cache].delete_many(self._keys(key))
        except Exception:
            log.exception("the cache that counts tries could not be reached")


def request_limit():
    """How often one caller may ask anything of the API. Counted in this process: no request waits for another machine to count it."""
    return Limit("api", tries=settings.AUDIT_REQUESTS_PER_SECOND * 10, seconds=10, cache="process")


def peer(request):
    """What a stranger is counted by: the address, of IPv6 the /64 (whoever has one address there has them all)."""
    address = client_address(request)
    try:
        return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
    except ValueError:
        return address


def client_address(request):
    """The caller's address; what reverse proxies say is believed as far as settings.PROXIES of them are ours."""
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if settings.PROXIES and len(forwarded) >= settings.PROXIES:
        return forwarded[-settings.PROXIES]
    return request.META.get("REMOTE_ADDR", "")
