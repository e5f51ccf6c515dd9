"""DNS lookups: a stub resolver over dnspython's messages that tells an answer from an absence from a fault.

dnspython's own resolver reports some faults (an answer with a foreign owner, one that is truncated even on TCP) as "no
answer". Here only NXDOMAIN and a proper NODATA are absences; everything else that is not an answer is a `DnsFault`.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from .base import Fault
from .dns_wire import MAX_CNAMES, BadTry, ask_tcp, ask_udp, has_soa, is_nodata, negative_ttl, read_answer
from .text import Text, _, show_bytes

CACHE_ENTRIES = 50_000
FAULT_SECONDS = 15  # for how long a name that timed out is not asked again by other audits
PAYLOAD = 1232  # EDNS buffer size: what fits into one unfragmented packet (DNS flag day 2020)


class DnsFault(Fault, dns.exception.DNSException):
    """A lookup that gave no answer. `code`: dns_timeout, dns_servfail, dns_refused, dns_bad_response, dns_unreachable,
    dns_bad_name or dns_limit. Also a DNSException, so that code written for dnspython's resolver meets what it expects."""

    def __init__(self, code, message, name="", rdtype=""):
        Fault.__init__(self, code, message)
        self.name, self.rdtype = name, rdtype


def _message(code, name, rdtype) -> Text:
    says: dict[str, Text] = {
        "dns_timeout": _("The name servers did not answer in time when asked for {type} of {name}.", type=rdtype, name=name),
        "dns_servfail": _("The name servers failed (SERVFAIL) when asked for {type} of {name}.", type=rdtype, name=name),
        "dns_refused": _("The name servers refused to answer for {type} of {name}.", type=rdtype, name=name),
        "dns_bad_response": _("The answer for {type} of {name} was not usable.", type=rdtype, name=name),
        "dns_unreachable": _("The DNS resolver could not be reached when asked for {type} of {name}.", type=rdtype, name=name),
        "dns_bad_name": _("{name} is not a name that DNS can be asked for.", name=name),
        "dns_limit": _("The limit of DNS queries for one audit was reached at {type} of {name}.", type=rdtype, name=name),
    }
    return says[code]


@dataclass(frozen=True)
class Lookup:
    """One answered lookup. `result`: NOERROR (there are records), NODATA or NXDOMAIN; `chain`: the aliases followed."""

    name: str
    rdtype: str
    result: str
    records: tuple = ()  # dnspython rdata objects
    chain: tuple[str, ...] = ()
    server: str = ""
    ttl: int = 0
    ms: int = 0
    cached: bool = False

    @property
    def texts(self):
        """The TXT records, each one's strings joined as bytes without a space."""
        return [b"".join(r.strings) for r in self.records]

    def evidence(self):
        """What was asked and seen, as JSON data."""
        shown = [show_bytes(t) for t in self.texts] if self.rdtype in ("TXT", "SPF") else [r.to_text() for r in self.records]
        seen = {"name": self.name, "type": self.rdtype, "result": self.result, "records": shown, "server": self.server, "ms": self.ms}
        if self.chain:
            seen["cname"] = list(self.chain)
        if self.cached:
            seen["cached"] = True
        return seen


@dataclass
class Limit:
    """How many queries may still be sent; a parent's limit counts too."""

    left: int
    parent: "Limit | None" = None

    def spend(self):
        """Take one; False when there is none left."""
        if self.left <= 0 or (self.parent and not self.parent.spend()):
            return False
        self.left -= 1
        return True


class DnsClient:
    """A resolver client: its servers, the shared cache and the lookups in flight. One per process, one event loop.

    `servers`: (address, port) pairs, asked in turn; empty means the system's. `seconds`: how long one try may take.
    """

    def __init__(self, servers=(), *, seconds=2.0, cache_seconds=600, in_flight=100):
        self.servers = list(servers) or [(str(s), 53) for s in _system_servers()]
        self.seconds, self.cache_seconds = seconds, cache_seconds
        self._cache: OrderedDict = OrderedDict()  # (name, type) -> (expires, Lookup | DnsFault)
        self._running: dict = {}  # (name, type) -> the task that others may wait for
        self._tasks: set = set()  # all that are on their way
        self._slots = asyncio.Semaphore(in_flight)
        self._turn = 0

    async def lookup(self, name, rdtype, *, limit=None, fresh=False):
        """A `Lookup` for an absolute name; raises DnsFault.

        Answers come from the cache while their TTL lasts, and a lookup that is already on its way is shared. `fresh`
        asks anew and leaves the answer for others.
        """
        key = (_normal(name), rdtype)
        if not fresh:
            known = self._known(key)
            if isinstance(known, DnsFault):
                raise known
            if known:
                return replace(known, cached=True)
            if key in self._running:
                try:
                    return await asyncio.shield(self._running[key])
                except DnsFault as fault:
                    if fault.code != "dns_limit":
                        raise  # it was the other one's limit that was reached: ask with our own
        task = asyncio.create_task(self._fetch(key, limit or Limit(8)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not fresh:
            self._running[key] = task
            task.add_done_callback(lambda t: self._running.pop(key) if self._running.get(key) is t else None)
        task.add_done_callback(lambda t: t.cancelled() or t.exception())  # a waiter may be gone: it is not lost news
        return await asyncio.shield(task)

    def _known(self, key):
        entry = self._cache.get(key)
        if entry and entry[0] > time.monotonic():
            return entry[1]
        self._cache.pop(key, None)
        return None

    def _keep(self, key, value, seconds):
        if seconds > 0:
            self._cache[key] = (time.monotonic() + seconds, value)
            while len(self._cache) > CACHE_ENTRIES:
                self._cache.popitem(last=False)

    async def _fetch(self, key, limit):
        name, rdtype = key
        started = time.monotonic()
        try:
            found = await self._resolve(name, rdtype, limit)
        except DnsFault as fault:
            if fault.code == "dns_timeout":
                self._keep(key, fault, min(FAULT_SECONDS, self.cache_seconds))
            raise
        found = replace(found, ms=round((time.monotonic() - started) * 1000))
        self._keep(key, found, min(found.ttl, self.cache_seconds))
        return found

    async def _resolve(self, name, rdtype, limit):
        """Ask, and follow aliases that the server did not follow itself."""
        chain, ttls, asked = [], [], name
        while True:
            message, server = await self._ask(asked, rdtype, limit)
            links, rrset, link_ttls = read_answer(message, asked, rdtype)
            chain += links
            ttls += link_ttls
            last = chain[-1] if chain else name
            if len(chain) > MAX_CNAMES or len(set(chain)) < len(chain) or name in chain:
                raise DnsFault("dns_bad_response", _message("dns_bad_response", name, rdtype), name, rdtype)
            if rrset is not None:
                result, records = "NOERROR", tuple(rrset)
                ttls.append(rrset.ttl)
            elif message.rcode() == dns.rcode.NXDOMAIN:
                result, records = "NXDOMAIN", ()
                ttls.append(negative_ttl(message))
            elif links and not has_soa(message):
                asked = last  # an authoritative server that does not follow into another zone
                continue
            else:
                if not is_nodata(message, bool(links)):
                    raise DnsFault("dns_bad_response", _message("dns_bad_response", name, rdtype), name, rdtype)
                result, records = "NODATA", ()
                ttls.append(negative_ttl(message))
            return Lookup(name, rdtype, result, records, tuple(chain), server, min(ttls))

    async def _ask(self, name, rdtype, limit):
        """(message, server): the first usable answer, NOERROR or NXDOMAIN, of at most two tries; raises DnsFault."""
        code = "dns_unreachable"
        self._turn += 1
        for attempt in range(2):
            if not self.servers:
                break
            host, port = self.servers[(self._turn + attempt) % len(self.servers)]
            try:
                async with self._slots:
                    return await self._try(name, rdtype, host, port, limit), f"{host}:{port}" if port != 53 else host
            except BadTry as bad:
                code = str(bad)
                if code == "dns_limit":
                    break
        raise DnsFault(code, _message(code, name, rdtype), name, rdtype)

    async def _try(self, name, rdtype, host, port, limit):
        """One try: UDP, without EDNS where the server does not know it, TCP where the answer is truncated."""
        for edns in (True, False):
            query = dns.message.make_query(dns.name.from_text(name), rdtype, use_edns=0 if edns else False, payload=PAYLOAD)
            if not limit.spend():
                raise BadTry("dns_limit")
            noted = []  # what came and did not belong to the question
            try:
                async with asyncio.timeout(self.seconds):
                    message = await ask_udp(query, host, port, noted)
                if message is None:  # truncated
                    if not limit.spend():
                        raise BadTry("dns_limit")
                    async with asyncio.timeout(self.seconds):
                        message = await ask_tcp(query, host, port)
            except TimeoutError:
                raise BadTry("dns_bad_response" if noted else "dns_timeout") from None
            except OSError:
                raise BadTry("dns_unreachable") from None
            rcode = message.rcode()
            if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return message
            if edns and rcode in (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS):
                continue
            raise BadTry({dns.rcode.SERVFAIL: "dns_servfail", dns.rcode.REFUSED: "dns_refused"}.get(rcode, "dns_bad_response"))
        raise BadTry("dns_bad_response")

    async def works(self):
        """True if the resolver answers at all (it is asked for the root's name servers)."""
        try:
            await self.lookup(".", "NS", fresh=True)
        except DnsFault as fault:
            return fault.code not in ("dns_timeout", "dns_unreachable")
        return True

    async def close(self):
        """Cancel what is still on its way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _normal(name):
    """`name` in lower case without its trailing dot; raises DnsFault for what is not a domain name (RFC 1035, 2.3.4)."""
    try:
        if not name.isascii():
            raise ValueError(name)
        return dns.name.from_text(name).to_text(omit_final_dot=True).lower()
    except (dns.exception.DNSException, ValueError):
        raise DnsFault("dns_bad_name", _message("dns_bad_name", name[:300], ""), name[:300], "") from None


def _system_servers():
    try:
        return dns.resolver.Resolver(configure=True).nameservers
    except (dns.resolver.NoResolverConfiguration, OSError):
        return []
