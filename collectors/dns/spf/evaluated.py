"""One SPF record evaluated: its whole tree, and check_host() for every address we send from."""

import asyncio
import contextlib
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ipaddress import ip_address

from collectors.base import Target
from collectors.dns.mx.to_come import WithMx
from collectors.dns.spf.slips import Mended, mend
from collectors.dns.spf.tree import Branch, TreeReader
from collectors.names import same_name
from collectors.net.session import CheckSession
from collectors.standards.spf import check_host
from collectors.standards.spf.record import SpfRecord, parse_leniently
from collectors.standards.spf.trace import SpfResult

STRANGER = "192.0.2.1"  # judges where no sending address is known; nobody's (RFC 5737)
QUERIES = 38  # for one address; with its other lookups the check stays within what it may ask
_REFUSED = ("none", "neutral", "softfail", "fail")


@dataclass(frozen=True)
class EvaluatedRecord:
    """`tree` and `results` of a record, and what the tenant expects of it.

    `include`: the name that the tenant's customers include, or "". `judged`: the results are those
    of the tenant's sending addresses, and not of a stranger. `mended`: the record as it was meant,
    None where nobody can say.
    """

    tree: Branch
    record: SpfRecord
    results: list[SpfResult]
    include: str
    judged: bool
    mended: Mended | None

    @property
    def open_term(self) -> tuple[str, str] | None:
        """(domain, term text) of what lets every address pass, or None."""
        return self.tree.open_term

    @property
    def refused(self) -> list[SpfResult]:
        """The results of our addresses that do not pass, without those that end in an error."""
        return [r for r in self.results if r.result in _REFUSED] if self.judged else []

    def lacked_by_include(self, result: SpfResult) -> bool:
        """True if the tenant's own include was evaluated for the address and did not pass."""
        return bool(self.include) and any(
            term.child
            and same_name(term.target, self.include)
            and term.outcome in ("no match", "followed")
            for _depth, _domain, term in result.trace.walk()
        )

    @property
    def needs_include(self) -> bool:
        """True if our mail rests on the include: it is named, or an address does not pass."""
        return bool(self.own_domains or self.refused) or any(
            r.result == "permerror" for r in self.results
        )

    @cached_property
    def own_domains(self) -> set[str]:
        """The names of the tree that are ours: the include, and what it leads to."""
        own = [b for b in self.tree.walk() if self.include and same_name(b.domain, self.include)]
        return {b.domain for branch in own for b in branch.walk()}

    @property
    def ineffective_terms(self) -> frozenset[str]:
        """The texts of the directives behind `all`."""
        end = self.record.all
        return frozenset(
            t.text.lower() for t in self.record.directives if end and t.index > end.index
        )


@dataclass(frozen=True)
class Evaluator:
    """Evaluates records as if each stood at the target's domain."""

    target: Target
    session: CheckSession
    _known: dict[tuple[str, bool], EvaluatedRecord] = field(
        default_factory=dict
    )  # by text; drafts come again

    @cached_property
    def addresses(self) -> list[str]:
        """The sending addresses, mapped ones as IPv4, each once."""
        return list(_plain_addresses(tuple(self.target.sending_ips)))

    async def read_tree(self, text: str) -> Branch:
        """The tree of a record, as far as it can be read in the time that is left."""
        tree, reader = self._tree(text)
        await self._read_on(reader)
        return tree

    def _tree(self, text: str) -> tuple[Branch, TreeReader]:
        tree = Branch(self.target.domain, parse_leniently(text))
        reader = TreeReader(
            tree,
            session=self.session,
            ip=ip_address((self.addresses or [STRANGER])[0]),
            sender=f"postmaster@{self.target.domain}",
        )
        return tree, reader

    async def _read_on(self, reader: TreeReader) -> None:
        if not reader.read_on():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.session.seconds_left):
                    await reader.read()

    async def passing(self, text: str, addresses: Collection[str]) -> set[str]:
        """Those of the addresses, whosever they are, that a record lets send."""
        found = set()
        for address in addresses:
            result = await self._check_host(address, text)
            if result.result == "pass":
                found.add(address)
        return found

    async def evaluate(
        self, text: str, seams: Collection[int] = (), *, later: WithMx | None = None
    ) -> EvaluatedRecord:
        """A record evaluated for every address; its text is taken as it is, not looked up.

        `seams`: the offsets at which its strings were joined. `later`: what passes must pass by
        these answers too.
        """
        key = text, later is not None
        if key in self._known:
            return self._known[key]
        tree, reader = self._tree(text)
        reading = None if reader.read_on() else asyncio.create_task(self._read_on(reader))
        results: list[SpfResult] = []
        try:
            for address in self.addresses or [STRANGER]:
                result = await self._check_host(address, text)
                if later and result.result == "pass":
                    result = await self._check_host(address, text, later)
                results.append(result)
                if result.reason == "too_many_queries":
                    break  # so it is for every other address, and the queries are used up
            if reading:
                await reading
        finally:
            if reading:
                reading.cancel()
        include = self.target.spf_include.lower().removesuffix(".")
        self._known[key] = EvaluatedRecord(
            tree,
            parse_leniently(text),
            results,
            include,
            judged=bool(self.addresses),
            mended=mend(text, seams),
        )
        return self._known[key]

    async def _check_host(self, address: str, text: str, later: WithMx | None = None) -> SpfResult:
        domain = self.target.domain
        return await check_host(
            ip=address,
            domain=domain,
            sender=f"postmaster@{domain}",
            helo=domain,
            resolver=later or self.session,
            max_queries=QUERIES,
            known_records={domain: text},
            known=None if later else self.session.known_policies,
        )


@lru_cache(maxsize=100)  # a tenant's are those of all its domains
def _plain_addresses(texts: tuple[str, ...]) -> list[str]:
    found = [ip_address(a.strip()) for a in texts]
    plain = [(a.version == 6 and a.ipv4_mapped) or a for a in found]
    return [str(a) for a in dict.fromkeys(plain)]
