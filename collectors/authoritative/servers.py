"""Asks all name servers of a zone the same questions, each directly, within hard bounds."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import dns.exception
import dns.name
import dns.rcode

from collectors.authoritative.answers import Answers, Said, Server, State, Trouble
from collectors.authoritative.budget import QUERIES, SECONDS, Budget, Recursor
from collectors.authoritative.compare import means_the_same
from collectors.authoritative.delegation import Finder
from collectors.names import same_name
from collectors.net.addresses import is_reachable
from collectors.net.dns_client import system_servers
from collectors.net.dns_records import Named, Record, Texts
from collectors.net.dns_transport import BadTry
from collectors.net.dns_wire import Answer
from collectors.net.session import NetConfig
from collectors.text import clean

QUESTIONS = 10  # names and types of one look
RECORDS, TEXT = 20, 2000  # of an answer that are kept, and characters of each
_STATES = {
    "dns_timeout": State.SILENT,
    "dns_unreachable": State.UNREACHABLE,
    "dns_bad_response": State.UNREADABLE,
    "dns_limit": State.NOT_ASKED,
}
_POLICIES = ("v=spf1", "v=dmarc1", "v=dkim1", "k=", "p=")  # kept before other texts
Asked = tuple[str, str]  # name and type


async def ask(
    domain: str,
    questions: Sequence[Asked],
    *,
    config: NetConfig,
    aliases: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    queries: int = QUERIES,
) -> Answers:
    """What each name server of the zone of `domain` (A-label) says to these questions.

    `questions`: (name, type), names in lower case without the final dot; the first ten count.
    `aliases`: {name: where its CNAME is to lead}; where it is not there, it is looked whether what
    stands there says the same. Takes at most `seconds` and sends at most `queries` packets:
    whatever was not learnt by then is NOT_ASKED, or SILENT where a server had its time. Raises
    nothing for what servers do.
    """
    usual = [q for q in dict.fromkeys(questions) if _is_name(q[0])]
    look = _Look(domain, usual[:QUESTIONS], config, queries, aliases or {})
    with contextlib.suppress(TimeoutError):
        # a little is left for what follows: the end of sockets, the page
        async with asyncio.timeout(seconds * 0.95):
            await look.run()
    await look.recursor.close()
    return look.answers()


class _Look:
    """One look, and what it has learnt so far."""

    def __init__(
        self,
        domain: str,
        questions: list[Asked],
        config: NetConfig,
        queries: int,
        aliases: Mapping[str, str],
    ) -> None:
        self.domain, self.questions, self.port = domain, questions, config.authoritative_port
        self.aliases = {n: t.lower().removesuffix(".") for n, t in aliases.items() if _is_name(t)}
        self.budget = Budget(queries)
        hosts = list(config.dns_servers) or [(address, 53) for address in system_servers()]
        self.recursor = Recursor(self.budget, hosts)
        self.finder = Finder(
            self.budget,
            self.recursor,
            lambda address: is_reachable(address, config.allowed_networks),
            self.port,
        )
        self.servers: list[Server] = []
        self.zone, self.of_all = "", 0
        self.trouble: Trouble | None = Trouble.NOT_FOUND  # until it is known
        self.said: dict[tuple[str, Asked], Said] = {}

    def answers(self) -> Answers:
        """What is known now."""
        said = [
            self.said.get((server.name, asked)) or Said(server.name, *asked, State.NOT_ASKED)
            for server in self.servers
            if server.state == State.ANSWERED
            for asked in self.questions
        ]
        trouble = self.trouble
        if trouble == Trouble.NOT_FOUND and not self.recursor.answered:
            trouble = Trouble.RESOLVER
        return Answers(
            self.zone, trouble, tuple(self.servers), self.of_all, tuple(said), self.budget.sent
        )

    async def run(self) -> None:
        delegation = await self.finder.delegation(self.domain)
        self.zone, self.of_all = delegation.zone, len(set(delegation.names))
        if delegation.trouble:
            self.trouble = delegation.trouble
            return
        self.servers = await self.finder.servers(delegation)
        self.trouble = None
        asked = [s for s in self.servers if s.state == State.ANSWERED]
        if not asked:
            return
        number = max(1, self.budget.left // len(asked)) if self.questions else 0
        questions = self.questions[:number]
        self.budget.owed = len(questions) * len(asked)
        await asyncio.gather(*(self._ask_all(server, questions) for server in asked))

    async def _ask_all(self, server: Server, questions: list[Asked]) -> None:
        """All questions to one server. Whoever does not answer the first is asked no other."""
        first, *others = questions
        state = await self._ask(server, first)
        if state in (State.SILENT, State.UNREACHABLE):
            self.budget.owed -= len(others)
            for asked in others:
                self.said[server.name, asked] = Said(server.name, *asked, state)
            return
        await asyncio.gather(*(self._ask(server, asked) for asked in others))
        own = [s for (name, _), s in self.said.items() if name == server.name]
        if any(s.state == State.ANSWERED for s in own):  # so the zone is its own, but not all of it
            for said in own:
                if said.state == State.LAME:
                    key = server.name, (said.name, said.type)
                    self.said[key] = replace(said, state=State.ELSEWHERE)

    async def _ask(self, server: Server, asked: Asked) -> State:
        try:
            host = server.address, self.port
            answer: Answer = await self.budget.ask(host, *asked, owed=True)
            said = await self._read(server, asked, answer)
            if said.state == State.ANSWERED and asked[1] == "CNAME" and not answer.rcode:
                said = await self._instead(server, said)
        except BadTry as bad:
            said = Said(server.name, *asked, _STATES.get(str(bad), State.FAILED))
        self.said[server.name, asked] = said
        return said.state

    async def _read(self, server: Server, asked: Asked, answer: Answer) -> Said:
        def but(state: State) -> Said:
            return Said(server.name, *asked, state)

        if answer.rcode == dns.rcode.REFUSED:
            return but(State.REFUSED)
        if answer.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return but(State.FAILED)
        if not answer.authoritative:
            return but(State.LAME)
        if not (answer.records or answer.chain or answer.rcode or answer.nodata):
            return but(State.UNREADABLE)  # records, and none of what was asked
        chain, records, ttl = list(answer.chain), answer.records, answer.ttl
        if len({asked[0], *chain}) <= len(chain):
            return but(State.LOOP)
        if not answer.ends:  # the rest of the way is another zone's
            try:
                end = await self.recursor.ask(chain[-1], asked[1])
            except BadTry as bad:
                code = str(bad)
                return but(State.NOT_ASKED if code == "dns_limit" else State.ELSEWHERE)
            chain, records, ttl = [*chain, *end.chain], end.records, min(ttl, end.ttl)
            if not end.ends or len({asked[0], *chain}) <= len(chain):
                return but(State.LOOP)
        return Said(
            server.name,
            *asked,
            State.ANSWERED,
            _texts(records),
            tuple(clean(name, 255) for name in chain[:16]),
            ttl,
            await self._leads(asked, records),
        )

    async def _leads(self, asked: Asked, records: Sequence[Record]) -> bool | None:
        """Whether what an alias points at is there: a key, or an address."""
        if asked[1] != "CNAME" or not records or not isinstance(records[0], Named):
            return None
        try:
            for rdtype in _types_at_the_end(asked[0]):
                if await self.recursor.records(records[0].target, rdtype):
                    return True
        except BadTry:
            return None
        return False

    async def _instead(self, server: Server, said: Said) -> Said:
        """The same, or with `stands_in` where another alias, or records instead of one, say what
        the end of the alias that is looked for says, and nothing else."""
        target = self.aliases.get(said.name)
        if not target or any(same_name(target, text) for text in said.records):
            return said
        found = False
        try:
            for rdtype in _types_at_the_end(said.name):
                there = _texts(await self._at(server, said, rdtype))
                wanted = _texts(await self.recursor.records(target, rdtype)) if there else ()
                if rdtype == "TXT" and len(there) > 1:  # one key alone may stand there
                    return said
                if not all(any(means_the_same(rdtype, w, t) for w in wanted) for t in there):
                    return said
                found = found or bool(there)
        except BadTry:
            return replace(said, state=State.NOT_ASKED)
        return replace(said, stands_in=found)

    async def _at(self, server: Server, said: Said, rdtype: str) -> Sequence[Record]:
        """What a server has at a name itself, or at the end of its alias there; raises BadTry."""
        if said.records:
            return await self.recursor.records(said.records[0].lower().rstrip("."), rdtype)
        answer: Answer = await self.budget.ask((server.address, self.port), said.name, rdtype)
        return answer.records if answer.authoritative and not answer.chain else ()


def _types_at_the_end(name: str) -> tuple[str, ...]:
    """What is looked for at the end of an alias: a key, or addresses."""
    return ("TXT",) if "._domainkey." in name else ("A", "AAAA")


def _is_name(name: str) -> bool:
    try:
        return len(dns.name.from_text(name)) > 1
    except dns.exception.DNSException:
        return False


def _texts(records: Sequence[Record]) -> tuple[str, ...]:
    """Records as text, bounded; policies and keys before other texts."""
    texts = [r.to_text() for r in records]
    if records and isinstance(records[0], Texts):
        texts.sort(key=lambda text: not text.lower().startswith(_POLICIES))
    return tuple(clean(text, TEXT) for text in texts[:RECORDS])
