"""The net as a check sees it: lookups, the portal, the webmail address; shared, bounded and recorded.

`Network` is opened once per process from plain values. `Network.audit(target)` makes the `Audit` of one domain: its
shared answers and its limits. `Audit.net(check_id)` is what a check gets: the same doors, and a record of all that it saw.
"""

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

import certifi
import dns.resolver

from .addresses import is_reachable
from .base import Fault
from .net_dns import DnsClient, DnsFault, Limit, Lookup
from .net_http import Fetched, Handshake, WebClient, WebFault
from .net_portal import PortalAnswer, PortalClient
from .net_tls import NO_DHE, SETUP_SECONDS
from .pulse import Pulse
from .text import _

DNS_QUERIES = 120  # packets one audit may send to the resolver
DNS_QUERIES_A_CHECK = 40
HTTP_REQUESTS = 8  # requests and handshakes to customer-named hosts; the portal gets three at most anyway


class Budget(Fault):
    """One audit has made all the requests it may make."""


@dataclass(frozen=True)
class NetConfig:
    """What a `Network` is opened with; all times in seconds."""

    dns_servers: tuple[tuple[str, int], ...] = ()  # (address, port); empty: the system's
    dns_cache_seconds: int = 600
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()  # non-public ones that probes may reach
    ca_file: str = ""  # certificate authorities to trust beside the public ones
    contact: str = ""  # an address or URL for whoever wonders about our requests
    check_seconds: float = 10.0
    domain_seconds: float = 30.0
    portal_paths: dict[str, str] = field(
        default_factory=lambda: {
            "carbonio": "/api/v1/domains/{domain}/carbonio",
            "nginx": "/api/v1/domains/{domain}/nginx",
            "certificate": "/api/v1/domains/{domain}/certificate",
        }
    )


@dataclass(frozen=True)
class Addresses:
    """The addresses of a host, IPv4 first. `result` is NXDOMAIN or NODATA where there are none; `fault`: one family could not be had."""

    host: str
    all: tuple[str, ...]
    reachable: tuple[str, ...]
    result: str = "NOERROR"
    fault: Fault | None = None

    @property
    def unreachable(self):
        return tuple(a for a in self.all if a not in self.reachable)


class Network:
    """The process-wide part: resolver with cache, SSL context, clients. Belongs to one event loop."""

    def __init__(self, config=None):
        self.config = config or NetConfig()
        per_try = min(2.0, max(0.5, self.config.check_seconds / 5))
        self.dns = DnsClient(self.config.dns_servers, seconds=per_try, cache_seconds=self.config.dns_cache_seconds)
        self.ssl_context = trusted_context(self.config.ca_file)
        self.web = WebClient(self.ssl_context, reachable=self.reachable, contact=self.config.contact)
        self.portal = PortalClient(self.config.portal_paths, context=self.ssl_context)

    def reachable(self, address):
        """True if a probe may connect to this address."""
        return is_reachable(address, self.config.allowed_networks)

    def audit(self, target, *, fresh=False):
        """The audit of one domain; `fresh` bypasses the cache of earlier answers."""
        return Audit(self, target, fresh)

    async def close(self):
        """Close connections and cancel what is still on its way."""
        await self.dns.close()
        await self.portal.close()


def trusted_context(ca_file=""):
    """An SSL context that trusts certifi's authorities and those in `ca_file`, and judges names as browsers do."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_ciphers(f"@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM:{NO_DHE}")
    if ca_file:
        context.load_verify_locations(ca_file)
    context.hostname_checks_common_name = False
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 sets it; it refuses private authorities that browsers accept
    return context


class Audit:
    """One audit of one domain: lookups and portal answers are had once and shared by its checks; limits hold for all."""

    def __init__(self, network, target, fresh=False):
        self.network, self.target, self.fresh = network, target, fresh
        self.config = network.config
        self.check_seconds = min(self.config.check_seconds, self.config.domain_seconds)
        self.dns_limit = Limit(DNS_QUERIES)
        self.http_limit = Limit(HTTP_REQUESTS)
        self._shared: dict[tuple, asyncio.Task] = {}

    def net(self, check_id):
        """The `Net` for one check."""
        return Net(self, check_id)

    def once(self, key, make):
        """The task for `key`, made by the coroutine function `make` the first time it is asked for."""
        if key not in self._shared:
            task = asyncio.create_task(make())
            task.add_done_callback(lambda t: t.cancelled() or t.exception())
            self._shared[key] = task
        return self._shared[key]

    def forget(self, key, task):
        """Let the next caller of `once(key)` begin anew, unless somebody has done so already."""
        if self._shared.get(key) is task:
            del self._shared[key]

    async def close(self):
        """End what no check waits for any more."""
        for task in self._shared.values():
            task.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)


class Net:
    """What a check looks through. Every lookup and request is recorded; `seen()` gives the record."""

    def __init__(self, audit, check_id):
        self._audit, self.check_id = audit, check_id
        self._network = audit.network
        self._limit = Limit(DNS_QUERIES_A_CHECK, audit.dns_limit)
        self._started = time.monotonic()
        self._lookups: dict[tuple, dict] = {}
        self._requests: list[dict] = []

    @property
    def seconds_left(self):
        """Seconds that requests of this check may still take, so that it ends with a verdict and not by time-out."""
        return max(0.05, self._audit.check_seconds * 0.9 - (time.monotonic() - self._started))

    @property
    def fair_seconds(self):
        """Seconds that web servers must have had before the silence of one is held against it.

        Slow name servers take their time from the same check; what is left then may be too little for a good server too.
        """
        return min(0.4 * self._audit.check_seconds, 0.8 * SETUP_SECONDS)

    def seen(self):
        """What was asked and what came back, as evidence."""
        kept = {"lookups": list(self._lookups.values()), "requests": self._requests}
        return {key: value for key, value in kept.items() if value}

    # -- DNS

    async def lookup(self, name, rdtype) -> Lookup:
        """One lookup of an absolute name: records, NODATA or NXDOMAIN; raises DnsFault for everything else."""
        key = (name.lower().removesuffix("."), rdtype)
        try:
            found = await self._shared_lookup(key)
        except DnsFault as fault:
            self._lookups[key] = {"name": key[0], "type": rdtype, "result": fault.code}
            raise
        self._lookups[key] = found.evidence()
        return found

    async def _shared_lookup(self, key):
        """The audit's lookup of this name and type; one that ended at another check's limit is asked anew on our own."""

        def ask():
            return self._network.dns.lookup(*key, limit=self._limit, fresh=self._audit.fresh)

        task = self._audit.once(("dns", *key), ask)
        try:
            return await asyncio.shield(task)
        except DnsFault as fault:
            if fault.code != "dns_limit" or self._limit.left <= 0:
                raise
            self._audit.forget(("dns", *key), task)
            return await asyncio.shield(self._audit.once(("dns", *key), ask))

    @property
    def resolver(self):
        """This net with dnspython's interface: `async resolve(qname, rdtype)`, its exceptions, and DnsFault for faults."""
        return _Resolver(self)

    async def addresses(self, host) -> Addresses:
        """A and AAAA of a host, and which of them a probe may reach. Raises DnsFault if neither could be had."""
        got = await asyncio.gather(self.lookup(host, "A"), self.lookup(host, "AAAA"), return_exceptions=True)
        found = [g for g in got if isinstance(g, Lookup)]
        every = tuple(r.address for lookup in found for r in lookup.records)
        error = next((g for g in got if isinstance(g, BaseException)), None)
        fault = error if isinstance(error, Fault) else None
        if error and not (every and fault):
            raise error
        result = "NOERROR" if every else "NXDOMAIN" if any(f.result == "NXDOMAIN" for f in found) else "NODATA"
        return Addresses(host, every, tuple(a for a in every if self.reachable(a)), result, fault)

    def reachable(self, address):
        """True if a probe may connect to this address: global, or in an allowed network."""
        return self._network.reachable(address)

    # -- the tenant's portal

    async def portal(self, what) -> PortalAnswer:
        """The portal's answer to `what` (carbonio, nginx, certificate), had once an audit; raises PortalFault.

        A 404 is an answer (`found` is False). Cancelling the caller does not cancel the request for the others.
        """
        target = self._audit.target
        seconds = self._audit.check_seconds * 0.8

        async def ask():
            return await self._network.portal.get(target.portal_url, target.portal_token, what, target.domain, seconds=seconds)

        return await asyncio.shield(self._audit.once(("portal", what), ask))

    # -- the webmail address

    async def handshake(self, host, port, addresses) -> Handshake:
        """A TLS handshake with `host`:`port` at one of these (checked) addresses, for its certificates. Raises net_http.WebFault."""
        return await self._listening(self._network.web.handshake, host, port, addresses)

    async def fetch(self, url, addresses) -> Fetched:
        """One GET of `url` at one of these (checked) addresses; a redirect is returned, not followed. Raises net_http.WebFault."""
        return await self._listening(self._network.web.fetch, url, addresses)

    def record_request(self, entry):
        """Keep a request (JSON data) in the evidence of this check."""
        self._requests.append(entry)

    async def _listening(self, request, *where):
        """What a request comes to within the time left; a silence that it meets is marked where this process stood still meanwhile."""
        if not self._audit.http_limit.spend():
            raise Budget("audit_limit", _("The limit of requests for one audit was reached, so not everything could be looked at."))
        async with Pulse() as pulse:
            try:
                return await request(*where, seconds=self.seconds_left)
            except WebFault as fault:
                fault.deaf = fault.silent and pulse.stood_still
                raise


class _Resolver:
    def __init__(self, net):
        self._net = net

    async def resolve(self, qname, rdtype):
        found = await self._net.lookup(str(qname), str(rdtype))
        if found.result == "NXDOMAIN":
            raise dns.resolver.NXDOMAIN
        if found.result == "NODATA":
            raise dns.resolver.NoAnswer
        return list(found.records)
