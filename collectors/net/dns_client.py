"""DNS lookups: a stub resolver that tells an answer from an absence from a fault.

dnspython's own resolver reports some faults (an answer with a foreign owner, one that is truncated
even on TCP) as "no answer". Here only NXDOMAIN and a proper NODATA are absences; everything else
that is not an answer is a `DnsFault`.

A lookup that is answered at once, as nearly all are, costs no task: it is sent where it is asked
for, and over when the answer is read. All else (a retry, TCP, aliases that the server does not
follow) is a task that goes on from what the first try came to.
"""

import asyncio
import re
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import dns.exception
import dns.name
import dns.rcode

from collectors.net.dns_lookup import DnsFault, Lookup, QueryLimit, dns_fault, fault_message
from collectors.net.dns_reader import MAX_CNAMES
from collectors.net.dns_records import NS, A, Texts, type_number
from collectors.net.dns_sockets import DnsSockets
from collectors.net.dns_transport import BadTry, ask_tcp, ask_udp
from collectors.net.dns_wire import Answer, Question
from collectors.net.loop_lag import LagTimeout, LoopLag
from collectors.net.resolver_health import NO_ROOT, ROOT, ResolverHealth, denial
from collectors.text import MAX_TEXT, Text

RESOLV_CONF = Path("/etc/resolv.conf")
CACHE_BYTES = 64 * 1024 * 1024  # of all that is kept, as it is counted here
ENTRY_BYTES = 1400  # what an answer takes beside its records
RECORD_BYTES, STRING_BYTES = 170, 45  # beside the bytes of texts
TRIES = 2
DENIED_SECONDS = 2.0  # for how long what `denies_all` found is believed
FAULT_SECONDS = 15  # for how long a name that timed out is not asked again by other audits
_FAULTS: dict[int, str] = {dns.rcode.SERVFAIL: "dns_servfail", dns.rcode.REFUSED: "dns_refused"}
_WITHOUT_EDNS: tuple[int, ...] = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
_USABLE: tuple[int, ...] = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
_PLAIN_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
Key = tuple[str, str]  # name and type
Server = tuple[str, int]
_Ask = Callable[[Question, str, int, LagTimeout], Awaitable[Answer]]


class Entry:
    """A lookup on its way (`found` is None), or what it came to and until when that is kept."""

    __slots__ = ("begun", "expires", "found", "size", "waiters")

    def __init__(self, begun: float) -> None:
        self.begun, self.expires, self.size = begun, float("inf"), 0
        self.found: Lookup | DnsFault | None = None
        self.waiters: list[asyncio.Future[Lookup | DnsFault]] = []


class DnsClient:
    """A resolver client: its servers, and one cache of what was answered and what is on its way.

    `servers`: (address, port) pairs, asked in turn; empty means the system's. `seconds`: how long
    one try may take. `probe`: names that must work (see ResolverHealth). One per process and loop.
    """

    def __init__(
        self,
        servers: Sequence[Server] = (),
        *,
        seconds: float = 2.0,
        cache_seconds: float = 600,
        cache_bytes: int = CACHE_BYTES,
        in_flight: int = 100,
        probe: Iterable[str] = (),
        lag: LoopLag | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.servers = list(servers) or [(server, 53) for server in system_servers()]
        self.seconds, self.cache_seconds, self.cache_bytes = seconds, cache_seconds, cache_bytes
        self.health = ResolverHealth(self._fault_code, probe)
        self._cache: OrderedDict[Key, Entry] = OrderedDict()  # least used first
        self._cached_bytes = 0
        self._on_their_way: set[Entry] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = _Slots(in_flight)
        self._lag, self._clock = lag or LoopLag(), clock
        self._sockets = DnsSockets(seconds, self._lag)
        self._turn = 0
        self._counts: Counter[str] = Counter()
        self._hits = 0
        self._denied: tuple[float, bool] | None = None  # when `denies_all` was last asked

    async def lookup(
        self, name: str, rdtype: str, *, limit: QueryLimit | None = None, since: float | None = None
    ) -> Lookup:
        """The lookup of an absolute name; raises DnsFault. Answers are kept while their TTL lasts.

        `since`: an answer to a question that was sent before this moment (by `clock`) will not do.
        """
        key = (_normal(name), rdtype)
        while True:
            entry = self._usable(key, since)
            shared = entry is not None
            found = await self.outcome(entry or self._begin(key, limit or QueryLimit(8)))
            if isinstance(found, Lookup):
                return found
            if not (shared and found.code == "dns_limit"):  # else another's: ask with our own
                raise found.with_traceback(None)

    def ask(
        self, name: str, rdtype: str, *, limit: QueryLimit, since: float | None = None
    ) -> Entry:
        """As lookup(), without waiting; `outcome` of what is returned is what it comes to."""
        key = (_normal(name), rdtype)
        return self._usable(key, since) or self._begin(key, limit)

    async def outcome(self, entry: Entry) -> Lookup | DnsFault:
        """What a lookup comes to."""
        if entry.found:
            return entry.found
        waiter: asyncio.Future[Lookup | DnsFault] = asyncio.get_running_loop().create_future()
        entry.waiters.append(waiter)  # a waiter who leaves stops nothing
        return await waiter

    def kept(self, name: str, rdtype: str, since: float | None = None) -> Lookup | None:
        """What lookup() would return at once; None where it would ask, wait or raise."""
        entry = self._usable((name, rdtype), since)
        return entry.found if entry and isinstance(entry.found, Lookup) else None

    async def works(self, names: Iterable[str] = ()) -> bool:
        """True if the resolver answers for one of the names that must work, `names` among them.

        It is asked now; `health.down` is the sentence about it while it does not.
        """
        self.health.expect(names)
        return await self.health.works()

    async def denies_all(self) -> Text | None:
        """The sentence about a resolver that says of every name that must work, those of tenants
        and of the root among them, that there is none; None for one that knows any, or where no
        tenant's is known. What it says of other names proves nothing then."""
        names = self.health.names
        if not any(name != ROOT for name in names):
            return None
        if self._denied is None or self._clock() - self._denied[0] > DENIED_SECONDS:
            denied = all(await asyncio.gather(*map(self._denies, names)))
            self._denied = self._clock(), denied
        return denial(names) if self._denied[1] else None

    async def _denies(self, name: str) -> bool:
        self._turn += 1
        asked = ("", NS) if name == ROOT else (_normal(name), A)
        try:
            answer = await self._ask(*asked, QueryLimit(4 * TRIES), self._turn)
        except BadTry:
            return False  # a fault is not what it says
        return answer.rcode != 0

    def take_counts(self) -> "Counter[str]":
        """How many lookups were sent since this was last asked, by what they came to: noerror,
        nodata, nxdomain, or the code of their fault without `dns_`."""
        taken, self._counts = self._counts, Counter()
        said: Counter[str] = Counter()
        for result, number in taken.items():
            said[result.lower().removeprefix("dns_")] += number
        return said

    def take_hits(self) -> int:
        """How many were not sent since this was last asked: the answer was kept, or on its way."""
        taken, self._hits = self._hits, 0
        return taken

    async def close(self) -> None:
        """Cancel what is still on its way."""
        await self.health.close()
        self._slots.forget_line()
        self._sockets.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for entry in list(self._on_their_way):
            self._abandon(entry)

    # -- what is kept

    def _usable(self, key: Key, since: float | None) -> Entry | None:
        entry = self._cache.get(key)
        if entry is None or (since is not None and entry.begun < since):
            return None
        if entry.expires <= self._clock():
            self._drop(key)
            return None
        self._cache.move_to_end(key)
        self._hits += 1
        return entry

    def _drop(self, key: Key) -> None:
        if entry := self._cache.pop(key, None):
            self._cached_bytes -= entry.size

    def _settle(self, key: Key, entry: Entry, found: Lookup | DnsFault, seconds: float = 0) -> None:
        """Tell those who wait, and keep it for so long and while there is room."""
        entry.found = found
        self._counts[found.result if isinstance(found, Lookup) else found.code] += 1
        self._on_their_way.discard(entry)
        for waiter in entry.waiters:
            if not waiter.done():
                waiter.set_result(found)
        entry.waiters.clear()
        if self._cache.get(key) is not entry:
            return
        seconds = min(seconds, self.cache_seconds)
        if seconds <= 0:
            self._drop(key)
            return
        entry.expires, entry.size = self._clock() + seconds, cost(found)
        self._cached_bytes += entry.size
        while self._cached_bytes > self.cache_bytes:
            self._drop(next(iter(self._cache)))

    def _abandon(self, entry: Entry, error: BaseException | None = None) -> None:
        """End the waiting for a lookup that comes to nothing."""
        self._on_their_way.discard(entry)
        for waiter in entry.waiters:
            if not waiter.done():
                waiter.set_exception(error) if error else waiter.cancel()

    # -- the first try

    def _begin(self, key: Key, limit: QueryLimit) -> Entry:
        """Send the question; what becomes of it is told to the waiters of the entry."""
        self._drop(key)
        entry = self._cache[key] = Entry(self._clock())
        self._on_their_way.add(entry)
        self._turn += 1
        turn = self._turn
        if not self.servers or self.health.silent:
            self._go_on(key, entry, limit, turn)
        elif not limit.spend():
            self._go_on(key, entry, limit, turn, BadTry("dns_limit"))
        else:
            self._slots.take(lambda: self._send(key, entry, limit, turn))
        return entry

    def _send(self, key: Key, entry: Entry, limit: QueryLimit, turn: int) -> bool:
        host, port = self.servers[turn % len(self.servers)]
        question = Question(key[0], type_number(key[1]))
        on_answer = partial(self._on_first, key, entry, limit, turn)
        self._sockets.ask(question, host, port, on_answer)
        return True

    def _on_first(
        self, key: Key, entry: Entry, limit: QueryLimit, turn: int, answer: Answer | BadTry
    ) -> None:
        """The first try is over: it is an answer that ends the lookup, or there is more to do."""
        self._slots.give()
        if isinstance(answer, Answer) and _ends_lookup(answer):
            self._settle(key, entry, _lookup(key, answer), answer.ttl)
        else:
            self._go_on(key, entry, limit, turn, answer)

    # -- all else

    def _go_on(
        self,
        key: Key,
        entry: Entry,
        limit: QueryLimit,
        turn: int,
        first: Answer | BadTry | None = None,
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._look_up(key, entry, limit, turn, first))
        self._tasks.add(task)
        task.add_done_callback(partial(self._on_end, entry))

    def _on_end(self, entry: Entry, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._abandon(entry)
        elif error := task.exception():
            self._abandon(entry, error)

    async def _look_up(
        self, key: Key, entry: Entry, limit: QueryLimit, turn: int, first: Answer | BadTry | None
    ) -> None:
        """Ask until there is an answer, and follow aliases that the server did not follow."""
        name, kind = key[0], type_number(key[1])
        chain: list[str] = []
        ttls: list[int] = []
        try:
            if first is None and await self.health.is_silent():
                raise BadTry("resolver_down")
            while True:
                answer = await self._ask(name, kind, limit, turn, first)
                first = None
                chain += answer.chain
                ttls.append(answer.ttl)
                if len(chain) > MAX_CNAMES or len({key[0], *chain}) <= len(chain):
                    raise BadTry("dns_bad_response")
                if answer.ends:
                    break
                name = chain[-1]  # the server does not follow into another zone
            if not (answer.records or answer.rcode or answer.nodata):
                raise BadTry("dns_bad_response")
        except BadTry as bad:
            fault = await self._fault(key, str(bad), entry.begun)
            self._settle(key, entry, fault, FAULT_SECONDS if fault.code == "dns_timeout" else 0)
        else:
            answer.chain, answer.ttl = tuple(chain), min(ttls)
            self._settle(key, entry, _lookup(key, answer), answer.ttl)

    async def _fault(self, key: Key, code: str, begun: float) -> DnsFault:
        """What a lookup failed of: the resolver's own failures are held against no name."""
        if code == "resolver_down" or await self.health.is_to_blame(code, begun=begun):
            message = self.health.down or fault_message("dns_unreachable", *key)
            return DnsFault("resolver_down", message, *key)
        return dns_fault(code, *key)

    async def _ask(
        self,
        name: str,
        kind: int,
        limit: QueryLimit,
        turn: int,
        first: Answer | BadTry | None = None,
    ) -> Answer:
        """The first usable answer, NOERROR or NXDOMAIN, of TRIES; raises BadTry.

        `first`: what the first question already came to.
        """
        code = "dns_unreachable"
        for server in self._in_turn(turn):
            try:
                for edns in (True, False):  # without it where the server does not know it
                    for ask in (ask_udp, ask_tcp):  # over TCP where the answer is truncated
                        if first is None:
                            answer = await self._try(Question(name, kind, edns), ask, server, limit)
                        elif isinstance(first, BadTry):
                            raise first
                        else:
                            answer = first
                        first = None
                        if not answer.truncated:
                            break
                    if answer.rcode in _USABLE:
                        return answer
                    code = _FAULTS.get(answer.rcode, "dns_bad_response")
                    if answer.rcode not in _WITHOUT_EDNS:
                        break
            except BadTry as bad:
                code, first = str(bad), None
                if code == "dns_limit":
                    break
        raise BadTry(code)

    async def _try(
        self, question: Question, ask: _Ask, server: Server, limit: QueryLimit
    ) -> Answer:
        """One question over a connection or socket of its own; raises BadTry."""
        if not limit.spend():
            raise BadTry("dns_limit")
        async with self._slots:
            # from the moment of sending
            return await ask(question, *server, self._lag.timeout(self.seconds))

    def _in_turn(self, turn: int) -> Iterator[Server]:
        """The servers of one question, another first each time."""
        for attempt in range(TRIES if self.servers else 0):
            yield self.servers[(turn + attempt) % len(self.servers)]

    async def _fault_code(self, name: str) -> str:
        """The code of the fault that the resolver answers `name` with; '' for an answer."""
        self._turn += 1
        asked = ("", NS) if name == ROOT else (_normal(name), A)
        try:
            answer = await self._ask(*asked, QueryLimit(4 * TRIES), self._turn)
        except BadTry as bad:
            return str(bad)
        return NO_ROOT if name == ROOT and answer.rcode else ""


class _Slots:
    """At most so many questions at a time; who comes first is served first."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._line: deque[Callable[[], bool]] = deque()

    def take(self, begin: Callable[[], bool]) -> None:
        """Call `begin` once there is a slot; it returns whether it takes it."""
        self._line.append(begin)
        if self._free:
            self._free -= 1
            self.give()

    def give(self) -> None:
        """Hand on a slot."""
        while self._line:
            if self._line.popleft()():
                return
        self._free += 1

    def forget_line(self) -> None:
        """Nobody who waits is served."""
        self._line.clear()

    async def __aenter__(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def begin() -> bool:
            if turn.done():
                return False  # whoever waited has gone
            turn.set_result(None)
            return True

        self.take(begin)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give()
            raise

    async def __aexit__(self, *_error: object) -> None:
        self.give()


def cost(found: Lookup | DnsFault) -> int:
    """Bytes of memory that an entry takes, its evidence with it; measured, and rather too many."""
    if isinstance(found, DnsFault):
        return ENTRY_BYTES
    size = ENTRY_BYTES + RECORD_BYTES * len(found.records)
    for record in found.records:
        if isinstance(record, Texts):
            length = len(record.joined)
            size += STRING_BYTES * len(record.strings) + length + min(length, MAX_TEXT)
    return size


def _ends_lookup(answer: Answer) -> bool:
    """Whether there is no more to do: records or a proper absence, without an alias."""
    if answer.truncated or answer.chain or answer.rcode not in _USABLE:
        return False
    return bool(answer.records or answer.rcode or answer.nodata)


def _lookup(key: Key, answer: Answer) -> Lookup:
    result = "NOERROR" if answer.records else "NXDOMAIN" if answer.rcode else "NODATA"
    return Lookup(*key, result, answer.records, answer.chain, answer.ttl)


def _normal(name: str) -> str:
    """`name` in lower case without its trailing dot; raises DnsFault (RFC 1035, 2.3.4)."""
    if len(name) <= 253 and _PLAIN_NAME.fullmatch(name):
        return name
    try:
        if not name.isascii():
            raise ValueError(name)
        return dns.name.from_text(name).to_text(omit_final_dot=True).lower()
    except (dns.exception.DNSException, ValueError):
        raise dns_fault("dns_bad_name", name[:300], "") from None


def system_servers() -> list[str]:
    """The addresses in resolv.conf(5)."""
    try:
        text = RESOLV_CONF.read_text(errors="replace")
    except OSError:
        return []
    lines = [line.split() for line in text.splitlines()]
    return [words[1] for words in lines if words[:1] == ["nameserver"] and _is_address(words[1:])]


def _is_address(words: Sequence[str]) -> bool:
    try:
        return bool(ip_address("".join(words[:1])))
    except ValueError:
        return False
