"""The net as a check sees it: lookups, the portal, the webmail address; bounded and recorded.

`NetworkClients` is opened once per process from plain values. Its `audit_session(target)` is the
audit of one domain: its shared answers and its limits. That one's `check_session(check_id)` is what
a check gets: the same doors, and a record of all that it saw.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from urllib.parse import urlsplit

from collectors.base import CheckResult, Fault, Fix, Status, Target
from collectors.net.addresses import is_reachable
from collectors.net.circuit_breaker import PortalFault
from collectors.net.connection import SETUP_SECONDS, Connection
from collectors.net.dns_client import CACHE_BYTES, DnsClient, Entry
from collectors.net.dns_lookup import DnsFault, Lookup, QueryLimit
from collectors.net.dns_records import Record
from collectors.net.http_client import Fetched, Handshake, WebClient, WebFault
from collectors.net.loop_lag import STALL_SECONDS, LoopLag
from collectors.net.portal_answers import CarbonioAnswer, CertificateAnswer, NginxAnswer
from collectors.net.portal_facts import (
    KnownFact,
    remembered_certificate,
    remembered_signing_key,
    said_certificate,
    said_signing_key,
)
from collectors.net.resolver_health import ROOT
from collectors.net.smtp_client import SmtpVisit, smtp_context
from collectors.net.smtp_client import visit as smtp_visit
from collectors.net.task_cache import TaskCache
from collectors.net.tls import handshake_of, trusted_context
from collectors.standards.certificate_chains import Intermediates
from collectors.standards.spf.known import Known, KnownPolicies
from collectors.stored import Evidence, LookupEvidence, Observed, SigningKey
from collectors.text import _

if TYPE_CHECKING:
    from collectors.net.portal_client import PortalAnswer, PortalClient

DNS_QUERIES = 120  # packets one audit may send to the resolver
DNS_QUERIES_A_CHECK = 40
DNS_QUERIES_A_ROW = 200  # of the server card, and twice that for all of it
SERVER_SECONDS = 20.0  # for a row of it: a mail server may let a stranger wait
T = TypeVar("T")
# also handshakes, to customer-named hosts: four addresses, five redirects at each
HTTP_REQUESTS = 30


class RequestsSpent(Fault):
    """One audit has made all the requests it may make."""


@dataclass(frozen=True)
class NetConfig:
    """What `NetworkClients` are opened with; all times in seconds."""

    dns_servers: tuple[tuple[str, int], ...] = ()  # (address, port); empty: the system's
    dns_cache_seconds: int = 600
    dns_cache_bytes: int = CACHE_BYTES
    resolver_probe: tuple[str, ...] = (ROOT,)  # names that any working resolver answers
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()  # that probes may reach, too
    ca_file: str = ""  # certificate authorities to trust beside the public ones
    authoritative_port: int = 53  # where the name servers of zones are asked
    contact: str = ""  # an address or URL for whoever wonders about our requests
    check_seconds: float = 10.0
    domain_seconds: float = 30.0
    portal_paths: dict[str, str] = field(
        default_factory=lambda: {
            "carbonio": "/api/v1/domains/{domain}/carbonio",
            "nginx": "/api/v1/domains/{domain}/nginx",
            "certificate": "/api/v1/domains/{domain}/certificate",
            "domains": "/api/v1/domains",
        }
    )


@dataclass(frozen=True)
class Addresses:
    """The addresses of a host, IPv4 first.

    `result` is NXDOMAIN or NODATA where there are none; `fault`: one family could not be had;
    `alias`: the name that the host is an alias of, at the end of the chain.
    """

    host: str
    all: tuple[str, ...]
    reachable: tuple[str, ...]
    result: str = "NOERROR"
    fault: Fault | None = None
    alias: str = ""

    @property
    def unreachable(self) -> tuple[str, ...]:
        return tuple(a for a in self.all if a not in self.reachable)


class NetworkClients:
    """The process-wide part: resolver with cache, SSL context, clients. Of one event loop.

    What takes a while to make is made when it is first asked for.
    """

    def __init__(self, config: NetConfig | None = None) -> None:
        self.config = config or NetConfig()
        self.lag = LoopLag()
        self.dns = DnsClient(
            self.config.dns_servers,
            seconds=min(2.0, max(0.5, self.config.check_seconds / 5)),
            cache_seconds=self.config.dns_cache_seconds,
            cache_bytes=self.config.dns_cache_bytes,
            probe=self.config.resolver_probe,
            lag=self.lag,
        )
        self.intermediates = Intermediates()  # of public authorities; no domain's data
        self.kept = TaskCache()  # what audits share beyond lookups, by the tenant's settings
        self.known_spf = Known()  # and what follows from answers alone

    @cached_property
    def _trust(self) -> Future[ssl.SSLContext]:
        """The TLS context, made in a thread from when it is first asked for.

        To read the authorities takes about 20 ms, in which questions are answered. The thread is a
        daemon's: whoever interrupts us in this moment waits for nobody.
        """
        made: Future[ssl.SSLContext] = Future()
        made.set_running_or_notify_cancel()  # it can't be cancelled

        def make() -> None:
            try:
                made.set_result(trusted_context(self.config.ca_file))
            except Exception as error:  # noqa: BLE001 - for whoever takes it
                made.set_exception(error)

        Thread(target=make, name="authorities", daemon=True).start()
        return made

    @property
    def ssl_context(self) -> ssl.SSLContext:
        return self._trust.result()

    def begin_tls(self) -> bool:
        """Begin to make `ssl_context`; True once it is there."""
        return self._trust.done()

    async def tls_is_ready(self) -> None:
        """Wait for `ssl_context`, so that who takes it does not keep the loop waiting."""
        if not self.begin_tls():
            await asyncio.shield(asyncio.wrap_future(self._trust))

    @cached_property
    def web(self) -> WebClient:
        return WebClient(
            self.ssl_context, reachable=self.reachable, contact=self.config.contact, lag=self.lag
        )

    @cached_property
    def smtp_context(self) -> ssl.SSLContext:
        return smtp_context(self.ssl_context)

    @cached_property
    def portal(self) -> "PortalClient":
        from collectors.net.portal_client import PortalClient  # here: httpx takes a while too

        return PortalClient(
            self.config.portal_paths, context=lambda: self.ssl_context, lag=self.lag
        )

    async def ask_portal(
        self, target: Target, what: str, domain: str, *, seconds: float
    ) -> "PortalAnswer[Any]":
        """What the target's portal answers within `seconds`; raises PortalFault. `domain`: '' for
        what is of no domain."""
        if target.portal_url.lower().startswith("https:"):
            await self.tls_is_ready()
        return await self.portal.get(
            target.portal_url, target.portal_token, what, domain, seconds=seconds
        )

    def portals_left_alone(self) -> set[str]:
        """The origins of portals that are not asked at the moment, as they did not answer."""
        return self.portal.left_alone() if "portal" in vars(self) else set()

    def reachable(self, address: str) -> bool:
        """True if a probe may connect to this address."""
        return is_reachable(address, self.config.allowed_networks)

    def audit_session(self, target: Target, *, fresh: bool = False) -> "AuditSession":
        """The audit of one domain; `fresh`: with no answer from before it."""
        report_host = target.dmarc_rua.rpartition("@")[2]
        self.dns.health.expect([*target.mail_hosts[:2], target.spf_include, report_host])
        return AuditSession(self, target, fresh)

    def server_session(self, target: Target, *, fresh: bool = False) -> "AuditSession":
        """The judgement of a server card, with limits of its own."""
        audit = self.audit_session(target, fresh=fresh)
        audit.check_seconds = min(SERVER_SECONDS, self.config.domain_seconds)
        audit.dns_limit = QueryLimit(2 * DNS_QUERIES_A_ROW)
        audit.queries_a_check = DNS_QUERIES_A_ROW
        return audit

    async def close(self) -> None:
        """Close connections and cancel what is still on its way."""
        await self.kept.close()
        await self.dns.close()
        if "portal" in vars(self):  # it was asked
            await self.portal.close()


class AuditSession:
    """One audit of one domain; its checks share what is had once for it, and its limits."""

    def __init__(self, network: NetworkClients, target: Target, fresh: bool = False) -> None:
        self.network, self.target, self.fresh = network, target, fresh
        self.started = time.monotonic()
        self.since = self.started if fresh else None  # what was asked before will not do
        self.config = network.config
        self.check_seconds = min(self.config.check_seconds, self.config.domain_seconds)
        self.dns_limit, self.queries_a_check = QueryLimit(DNS_QUERIES), DNS_QUERIES_A_CHECK
        self.http_limit = QueryLimit(HTTP_REQUESTS)
        # As the audit first had them, whatever a name's TTL is: DNS rebinding changes nothing.
        self.lookups: dict[tuple[str, str], Lookup | DnsFault] = {}
        self.asked: dict[tuple[str, str], Entry] = {}  # for a lookup() that comes later
        self.portal_answers: dict[tuple[str, str], asyncio.Task[PortalAnswer[Any]]] = {}
        self.connections: dict[
            tuple[str, int, str], asyncio.Task[tuple[Connection, Handshake]]
        ] = {}
        self.running: dict[str, asyncio.Task[CheckResult]] = {}  # the checks of this audit

    def check_session(self, check_id: str) -> "CheckSession":
        """What one check looks through."""
        return CheckSession(self, check_id)

    async def close(self) -> None:
        """End what no check waits for any more."""
        tasks = [*self.portal_answers.values(), *self.connections.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in self.connections.values():
            if not (task.cancelled() or task.exception()):
                task.result()[0].abort()


class CheckSession:
    """What a check looks through; `seen()` gives the record of every lookup and request."""

    def __init__(self, audit: AuditSession, check_id: str) -> None:
        self._audit, self.check_id = audit, check_id
        self._network, self.lag = audit.network, audit.network.lag
        self._limit = QueryLimit(audit.queries_a_check, audit.dns_limit)
        self._started = self.lag.now()
        self._lookups: dict[tuple[str, str], LookupEvidence] = {}
        self._requests: list[Evidence] = []

    def apart(self, *, queries: int | None = None) -> "CheckSession":
        """A session with the limits of this one, of which nothing stands in the evidence.

        `queries`: it may send so many, and what it sends is charged to the audit alone.
        """
        other = CheckSession(self._audit, self.check_id)
        other._limit, other._started = self._limit, self._started
        if queries is not None:
            other._limit = QueryLimit(queries, self._audit.dns_limit)
        return other

    @property
    def seconds_left(self) -> float:
        """Seconds that requests may still take, so that the check ends with a verdict in time."""
        return max(0.05, self._audit.check_seconds * 0.9 - (self.lag.now() - self._started))

    @property
    def fair_seconds(self) -> float:
        """Seconds that web servers must have had before the silence of one is held against it.

        Slow name servers take their time from the same check; what is left then may be too little
        for a good server too.
        """
        return min(0.4 * self._audit.check_seconds, 0.8 * SETUP_SECONDS)

    async def status_of(self, check_id: str) -> Status | None:
        """How another check of this audit ends; None if it is not run, or not done in time.

        Two checks must not ask this of each other.
        """
        task = self._audit.running.get(check_id)
        if task is None:
            return None
        done, _pending = await asyncio.wait([task], timeout=self.seconds_left)
        return task.result().status if done and not task.cancelled() else None

    def seen(self) -> Observed:
        """What was asked and what came back, as evidence.

        Lookups by name: they are answered in another order each time.
        """
        observed = Observed()
        if self._lookups:
            observed["lookups"] = [self._lookups[key] for key in sorted(self._lookups)]
        if self._requests:
            observed["requests"] = self._requests
        return observed

    # -- DNS

    async def lookup(self, name: str, rdtype: str) -> Lookup:
        """One lookup of an absolute name; raises DnsFault for what is no answer and no absence."""
        key = (name.lower().removesuffix("."), rdtype)
        found = self._audit.lookups.get(key) or await self._look_up(key)
        if isinstance(found, DnsFault):
            self._lookups[key] = {"name": key[0], "type": rdtype, "result": found.code}
            raise found.with_traceback(None)
        if key not in self._lookups:
            self._lookups[key] = found.evidence
        return found

    def ask(self, name: str, *rdtypes: str) -> None:
        """Send the questions for lookups that come later, so that these need not wait in turn."""
        audit = self._audit
        for rdtype in rdtypes:
            key = (name.lower().removesuffix("."), rdtype)
            if key not in audit.lookups and key not in audit.asked:
                with contextlib.suppress(DnsFault):  # no name: so says lookup(), too
                    entry = self._network.dns.ask(*key, limit=self._limit, since=audit.since)
                    audit.asked[key] = entry

    def had(self, name: str, rdtype: str) -> Lookup | None:
        """What lookup() would return at once; None where it would wait or raise."""
        found = self.peek(name, rdtype)
        if found is not None:
            self._lookups.setdefault((found.name, rdtype), found.evidence)
        return found

    def peek(self, name: str, rdtype: str) -> Lookup | None:
        """As had(), for one who may yet do without it: it is not in the evidence."""
        key = (name.lower().removesuffix("."), rdtype)
        audit, asked = self._audit, self._audit.asked.get(key)
        found = audit.lookups.get(key)
        if found is None:
            found = asked.found if asked else self._network.dns.kept(*key, since=audit.since)
        if not isinstance(found, Lookup):
            return None
        audit.lookups[key] = found
        return found

    @property
    def known_spf(self) -> Known:
        """What SPF records came to in any audit of this process."""
        return self._network.known_spf

    @property
    def known_policies(self) -> KnownPolicies:
        """What includes came to in any audit of this process, to be held against the answers."""

        def had(name: str, rdtype: str) -> Sequence[Record] | None:
            return None if (found := self.had(name, rdtype)) is None else found.records

        return KnownPolicies(self.known_spf, had)

    async def _look_up(self, key: tuple[str, str]) -> Lookup | DnsFault:
        """What an audit has not had yet; another check may have it first."""
        dns, asked, had = self._network.dns, self._audit.asked.get(key), self._audit.lookups
        found = await dns.outcome(asked) if asked else None
        if found is None or (isinstance(found, DnsFault) and found.code == "dns_limit"):
            try:
                found = await dns.lookup(*key, limit=self._limit, since=self._audit.since)
            except DnsFault as fault:
                found = fault
        if isinstance(found, DnsFault) and found.code == "dns_limit":
            return found  # others may ask yet
        return had.setdefault(key, found)

    async def resolve(self, qname: object, rdtype: object) -> Sequence[Record]:
        """Like dnspython's, but () where there is nothing, and DnsFault for faults."""
        return (await self.lookup(str(qname), str(rdtype))).records

    async def addresses(self, host: str) -> Addresses:
        """A and AAAA of a host, and which a probe may reach. Raises DnsFault if it has neither."""
        self.ask(host, "A", "AAAA")
        found: list[Lookup] = []
        fault: DnsFault | None = None
        for rdtype in ("A", "AAAA"):
            try:
                found.append(await self.lookup(host, rdtype))
            except DnsFault as error:
                fault = fault or error
        every = tuple(a for lookup in found for a in lookup.addresses)
        if fault and not every:
            raise fault
        result = "NODATA"
        if every:
            result = "NOERROR"
        elif any(f.result == "NXDOMAIN" for f in found):
            result = "NXDOMAIN"
        reachable = tuple(a for a in every if self.reachable(a))
        alias = next((f.chain[-1] for f in found if f.chain), "")
        return Addresses(host, every, reachable, result, fault, alias)

    def reachable(self, address: str) -> bool:
        """True if a probe may connect to this address: global, or in an allowed network."""
        return self._network.reachable(address)

    async def for_all_audits(
        self,
        key: Hashable,
        look: Callable[[AuditSession], Coroutine[Any, Any, T]],
        *,
        seconds: Callable[[T], float],
    ) -> T:
        """What `look` finds through a session of its own, had once for all audits with this `key`.

        Its lookups are not charged to this audit. `seconds`: how long it is kept, at most as long
        as answers from DNS are; an audit that looks anew takes one that was begun after itself.
        """
        network, fresh = self._network, self._audit.fresh

        async def make() -> T:
            session = AuditSession(network, Target(domain=""), fresh)
            try:
                return await look(session)
            finally:
                await session.close()

        return await network.kept.get(
            key,
            make,
            seconds=lambda found: min(seconds(found), network.config.dns_cache_seconds),
            since=self._audit.since or 0.0,
        )

    # -- the tenant's portal

    @overload
    async def portal(self, what: Literal["carbonio"]) -> "PortalAnswer[CarbonioAnswer]": ...
    @overload
    async def portal(self, what: Literal["nginx"]) -> "PortalAnswer[NginxAnswer]": ...
    @overload
    async def portal(self, what: Literal["certificate"]) -> "PortalAnswer[CertificateAnswer]": ...

    async def portal(self, what: str) -> "PortalAnswer[Any]":
        """The portal's answer, had once an audit; raises PortalFault. A 404 is an answer.

        Cancelling the caller does not cancel the request for the others.
        """
        return await self.portal_about(self._audit.target.domain, what)

    async def portal_about(
        self, domain: str, what: str, *, share: float = 0.8
    ) -> "PortalAnswer[Any]":
        """As portal(), about any domain of the tenant; `share`: of the check's time, at most."""
        target, tasks, key = self._audit.target, self._audit.portal_answers, (what, domain)
        if key not in tasks:
            tasks[key] = asyncio.create_task(self._ask_portal(what, domain, target, share))
            tasks[key].add_done_callback(lambda t: t.cancelled() or t.exception())
        return await asyncio.shield(tasks[key])

    async def _ask_portal(
        self, what: str, domain: str, target: Target, share: float
    ) -> "PortalAnswer[Any]":
        if not target.portal_url:
            message = _("This tenant has no portal address, so the server itself cannot be asked.")
            cure = Fix(
                _(
                    "Enter the portal's address in the tenant's settings, or tick “without a "
                    "portal” there if the server has none."
                )
            )
            raise PortalFault("portal_not_configured", message, cure if target.tenant else None)
        seconds = self._audit.check_seconds * share
        return await self._network.ask_portal(target, what, domain, seconds=seconds)

    async def signing_key(self, *, seconds: float) -> KnownFact[SigningKey | None]:
        """The key that the server signs with, as the portal says within `seconds`, or said last.

        Raises PortalFault where it says nothing and nothing is remembered.
        """
        try:
            async with self.lag.timeout(seconds):
                return said_signing_key(await self.portal("carbonio"))
        except TimeoutError:
            message = _("The portal did not answer in time.")
            fault = PortalFault("portal_timeout", message)
        except PortalFault as silence:
            fault = silence
        return remembered_signing_key(self._audit.target.portal_facts, fault)

    async def configured_certificate(self) -> KnownFact[str]:
        """The PEM text that the proxy is configured with, as the portal says, or said last.

        Raises PortalFault where it says nothing and nothing is remembered.
        """
        try:
            return said_certificate(await self.portal("certificate"))
        except PortalFault as fault:
            return remembered_certificate(self._audit.target.portal_facts, fault)

    # -- the webmail address

    @property
    def intermediates(self) -> Intermediates:
        """The issuing certificates that this process has met in trusted chains."""
        return self._network.intermediates

    def expect_connection(self) -> None:
        """Make ready for TLS, once a process, while the first questions are on their way."""
        self._network.begin_tls()

    async def handshake(self, host: str, port: int, address: str) -> Handshake:
        """The certificates that one (checked) address serves for `host`; raises WebFault.

        The connection of the visit serves for that too, unless what it met is the certificate.
        """
        try:
            _connection, shake = await self._first_connection(host, port, address)
        except WebFault as fault:
            if fault.kind not in ("tls", "reset"):
                raise
            look, met = self._network.web.handshake, fault
            return await self._web(lambda left: look(host, port, [address], seconds=left, met=met))
        return shake

    async def fetch(self, url: str, addresses: Sequence[str], *, cookies: str = "") -> Fetched:
        """One GET of `url` at one of these (checked) addresses; raises WebFault.

        A redirect is returned, not followed.
        """
        parts, connection = urlsplit(url), None
        if parts.scheme == "https" and len(addresses) == 1:
            host, port = parts.hostname or "", parts.port or 443
            connection, _shake = await self._first_connection(host, port, addresses[0])
            if connection.taken:
                connection = None
            else:
                connection.taken = True
        get, lag = self._network.web.fetch, self.lag
        stalled, lagged = lag.stalled_seconds, lag.lagged_seconds
        page = await self._web(
            lambda left: get(url, addresses, seconds=left, cookies=cookies, connection=connection),
            charged=connection is None,
        )
        # of many short lags, few came between the answer and our reading it
        lost = lag.stalled_seconds - stalled + min(lag.lagged_seconds - lagged, 1.0)
        return replace(page, ms_stalled=round(lost * 1000))

    async def port_answers(self, port: int, addresses: Sequence[str]) -> None:
        """Connect to a port of one of these (checked) addresses; raises WebFault."""
        answers = self._network.web.answers
        await self._web(lambda left: answers(port, addresses, seconds=left))

    async def smtp(self, host: str, port: int, address: str) -> SmtpVisit:
        """A visit to one (checked) address of a mail host; raises WebFault where nobody answers."""
        await self._network.tls_is_ready()
        network, stalled = self._network, self.lag.stalled_seconds
        met = await self._web(
            lambda left: smtp_visit(
                host,
                port,
                address,
                context=network.smtp_context,
                reachable=network.reachable,
                seconds=left,
                lag=self.lag,
            )
        )
        if met.fault:
            met.fault.local_stall = self.lag.stalled_seconds - stalled > STALL_SECONDS
        return met

    async def _first_connection(
        self, host: str, port: int, address: str
    ) -> tuple[Connection, Handshake]:
        """The audit's first TLS connection to an address of a host; one request may use it."""
        key, tasks = (host, port, address), self._audit.connections

        async def connect() -> tuple[Connection, Handshake]:
            await self._network.tls_is_ready()
            make = self._network.web.connect
            connection = await self._web(lambda left: make(host, port, [address], seconds=left))
            return connection, handshake_of(connection)

        if key not in tasks:
            tasks[key] = asyncio.create_task(connect())
            tasks[key].add_done_callback(lambda t: t.cancelled() or t.exception())
        return await asyncio.shield(tasks[key])

    def record_request(self, entry: Evidence) -> None:
        """Keep a request (JSON data) in the evidence of this check."""
        self._requests.append(entry)

    async def _web(self, request: Callable[[float], Awaitable[T]], *, charged: bool = True) -> T:
        """What a request comes to within the time left, which it is given.

        What it meets is marked where this process stood still meanwhile.
        """
        if charged and not self._audit.http_limit.spend():
            message = _(
                "The limit of requests for one audit was reached, so not everything could be "
                "looked at."
            )
            raise RequestsSpent("audit_limit", message)
        self.lag.begin()
        stalled = self.lag.stalled_seconds
        try:
            return await request(self.seconds_left)
        except WebFault as fault:
            self.lag.now()
            fault.local_stall = self.lag.stalled_seconds - stalled > STALL_SECONDS
            raise
        finally:
            self.lag.end()
