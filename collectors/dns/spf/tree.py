"""The whole tree of an SPF record: what every include and redirect leads to, and what it costs.

check_host() stops at the first match, so it does not see what another sender would meet. Here
everything that can be reached is read, without judging an address; a branch that cannot be read is
noted and costs what is known of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from typing import Any

from collectors.base import Fault
from collectors.net.dns_lookup import Lookup
from collectors.net.dns_records import Record
from collectors.net.session import CheckSession
from collectors.standards.spf import macros
from collectors.standards.spf.record import (
    LOOKUP_TERMS,
    SpfRecord,
    Term,
    is_spf,
    parse_leniently,
    record_text,
)
from collectors.text import CleanJson

MAX_NAMES = 16  # names that are asked for; ten includes are the limit of a working record
MAX_TERMS = 20  # includes of one record that are followed
MAX_OTHERS = 12  # addresses of other senders that are looked at again
MAX_BRANCHES = 60  # a name may stand in the tree many times

# Nobody sends from these, so ranges that leave them out still cover the internet (IANA's registries
# of special-purpose addresses).
_UNUSED4 = [IPv4Network(n) for n in ("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")]
_WHOLE4, _WHOLE6 = IPv4Network("0.0.0.0/0"), IPv6Network("2000::/3")


Passing = tuple[IPv4Network | IPv6Network, str, str]


@dataclass
class Branch:
    """One domain's record in the tree.

    `problem`: "" or missing, multiple, syntax, loop, malformed_name, cut (a bound of ours), or the
    dns_* code of the failed lookup; `into` maps the index of an include or redirect to its Branch.
    """

    domain: str
    record: SpfRecord | None = None
    problem: str = ""
    into: dict[int, "Branch"] = field(default_factory=dict)
    via: Term | None = None  # the term that led here, and the domain whose term it is
    parent: str = ""
    variable: bool = False  # its name depends on address or sender, so another mail leads elsewhere
    _rows: dict[int, list[dict[str, Any]]] | None = None  # by depth, once it is shared

    def cost(self, term: Term) -> int:
        """Lookups that this term costs, with all that is behind it."""
        below = self.into.get(term.index)
        return (term.name in LOOKUP_TERMS) + (below.lookups if below else 0)

    @cached_property
    def lookups(self) -> int:
        """Lookups that the record costs where nothing matches early. Not before it is read."""
        return sum(self.cost(t) for t in self.record.effective) if self.record else 0

    @property
    def unread(self) -> "list[Branch]":
        """The branches that are not known: a failed lookup, or beyond our bound."""
        return [b for b in self.walk() if b.problem == "cut" or b.problem.startswith("dns_")]

    def walk(self) -> "Iterator[Branch]":
        """This branch and all below, in the order of evaluation."""
        yield self
        for branch in self.into.values():
            yield from branch.walk()

    @property
    def policy(self) -> "Branch":
        """The branch whose `all` decides: this one, or what `redirect` leads to."""
        if self.record and not self.record.all:
            redirect = self.record.modifier("redirect")
            if redirect and redirect.index in self.into:
                return self.into[redirect.index].policy
        return self

    @cached_property
    def open_term(self) -> tuple[str, str] | None:
        """(domain, term text) of what lets every address pass, or None. Not before it is read."""
        return open_to_all(self)

    @cached_property
    def passing(self) -> list[Passing]:
        """(network, domain, term text) of every ip4 and ip6 range that passes, through includes.

        Not before it is read.
        """
        found: list[Passing] = []
        for term in self.record.effective if self.record else ():
            if term.qualifier == "+" and term.network is not None:
                found.append((term.network, self.domain, term.text))
            elif term.index in self.into and term.qualifier in ("+", ""):
                found += self.into[term.index].passing
        return found

    def rows(self, depth: int = 0) -> list[dict[str, Any]]:
        """The tree as evidence: a row a record and a row a term that costs lookups, with depths."""
        if self._rows is None:
            return list(self._made_rows(depth))
        if depth not in self._rows:
            self._rows[depth] = [CleanJson(row) for row in self._made_rows(depth)]
        return self._rows[depth]

    @property
    def is_shared(self) -> bool:
        """Whether what it leads to stands in other trees too: nobody changes it."""
        return self._rows is not None

    def share(self) -> None:
        """Say that it is complete, so that it can stand in other trees."""
        self._rows = self._rows or {}

    def become(self, known: "Branch") -> None:
        """Take over all that is known of the same name."""
        own = ("via", "parent", "variable")
        vars(self).update({k: v for k, v in vars(known).items() if k not in own})

    def _made_rows(self, depth: int) -> Iterator[dict[str, Any]]:
        row: dict[str, Any] = {"depth": depth, "domain": self.domain, "lookups": self.lookups}
        if self.record:
            row["record"] = self.record.text
        if self.problem:
            row["problem"] = self.problem
        yield row
        for term in self.record.effective if self.record else ():
            if term.name in LOOKUP_TERMS:
                yield {
                    "depth": depth + 1,
                    "domain": self.domain,
                    "term": term.text,
                    "lookups": self.cost(term),
                }
                if term.index in self.into:
                    yield from self.into[term.index].rows(depth + 2)


class TreeReader:
    """Reads on from the record of `tree`, a level of includes at a time. Never raises a Fault.

    `ip` and `sender` fill macros in names. The branches are filled in place, so that a caller who
    runs out of time has what was read until then.
    """

    def __init__(
        self, tree: Branch, *, session: CheckSession, ip: IPv4Address | IPv6Address, sender: str
    ) -> None:
        self.session, self.ip, self.sender = session, ip, sender
        self.tree, self.known = tree, session.known_spf
        self.over = False  # the bounds: from here on, nothing is taken from other trees
        self._begin()

    def _begin(self) -> None:
        self.names: set[str] = set()
        self.branches = 0
        self.shared: list[KnownBranch] = []
        self.tree.into.clear()
        self.level = self._below(self.tree, ())  # what is to be read next, each with its path

    async def read(self) -> None:
        """Read it whole."""
        try:
            while not self.read_on():
                branches = [branch for branch, _path in self.level if branch.problem == "cut"]
                for branch in branches:
                    self.session.ask(branch.domain, "TXT")
                for branch in branches:
                    try:
                        _read(branch, await self.session.lookup(branch.domain, "TXT"))
                    except Fault as fault:
                        branch.problem = fault.code
        finally:
            self._tell()

    def read_on(self) -> bool:
        """Go on for as long as nothing has to be waited for; whether all is read."""
        while self.level:
            for branch, path in self.level:
                if branch.problem == "cut" and not self._is_known(branch, path):
                    found = self.session.had(branch.domain, "TXT")
                    if found is None:
                        return False
                    _read(branch, found)
            self.level = [below for at in self.level for below in self._below(*at)]
            if self.over and self.shared:
                self._begin()  # what is cut off then hangs on the order of reading
        self._tell()
        if not self.over:
            for branch in self.tree.into.values():
                self._keep(branch)
        return True

    def _is_known(self, branch: Branch, path: tuple[str, ...]) -> bool:
        """Take over a branch from an earlier tree if DNS answers as it did then."""
        found: KnownBranch | None = self.known.get(("tree", branch.domain))
        if found is None or self.over or not found.answers.keys().isdisjoint(path):
            return False
        if (
            self.branches + found.below > MAX_BRANCHES
            or len(self.names | found.answers.keys()) > MAX_NAMES
        ):
            self.over = True
            return False
        for name, records in found.answers.items():
            answer = self.session.peek(name, "TXT")
            if answer is None or answer.records != records:
                return False
        branch.become(found.branch)
        self.names |= found.answers.keys()
        self.branches += found.below
        self.shared.append(found)
        return True

    def _keep(self, branch: Branch) -> None:
        """Let a branch stand in other trees, if it is whole and leads everybody to the same."""
        every = list(branch.walk())
        below = [b.via for b in every[1:]]
        if branch.is_shared or any(b.problem for b in every):
            return
        if any(term is None or term.plain_target is None for term in below):
            return
        seen = {b.domain: self.session.peek(b.domain, "TXT") for b in every}
        answers = {name: found.records for name, found in seen.items() if found is not None}
        if len(answers) == len(seen):
            branch.share()
            known = KnownBranch(branch, answers, len(below))
            self.known.keep(("tree", branch.domain), known, answers.values())

    def _tell(self) -> None:
        """Have in the evidence what the branches of other trees rest on."""
        for known in self.shared:
            for name in known.answers:
                self.session.had(name, "TXT")

    def _below(self, branch: Branch, path: tuple[str, ...]) -> "list[_Place]":
        """What a branch that has been read leads to and is to be read."""
        if branch.record is None or branch.is_shared:
            return []
        if branch.record.errors:
            branch.problem = "syntax"
        path = (*path, branch.domain)
        terms = [t for t in branch.record.effective if t.name in ("include", "redirect")]
        for term in terms[:MAX_TERMS]:
            branch.into[term.index] = Branch(
                self._target(term, branch.domain),
                problem="cut",
                via=term,
                parent=branch.domain,
                variable=macros.uses(term.spec, "slihpv"),
            )
        return [(below, path) for below in branch.into.values() if self._is_to_be_read(below, path)]

    def _is_to_be_read(self, branch: Branch, path: tuple[str, ...]) -> bool:
        name, self.branches = branch.domain, self.branches + 1
        if name in path:
            branch.problem = "loop"
        elif not macros.is_name(name) or "." not in name:
            branch.problem = "malformed_name"
        elif self.branches <= MAX_BRANCHES and (name in self.names or len(self.names) < MAX_NAMES):
            self.names.add(name)
            return True
        else:
            self.over = True
        return False

    def _target(self, term: Term, domain: str) -> str:
        if term.plain_target is not None:
            return term.plain_target
        values = macros.values_for(ip=self.ip, domain=domain, sender=self.sender, helo=domain)
        return macros.to_name(macros.expand(term.spec, {**values, "p": "unknown"}))


_Place = tuple[Branch, tuple[str, ...]]


@dataclass(frozen=True)
class KnownBranch:
    """A branch that is whole, the answers that it rests on by name, and how many are below it."""

    branch: Branch
    answers: dict[str, tuple[Record, ...]]
    below: int


def _read(branch: Branch, lookup: Lookup) -> None:
    """Take what stands at the name of a branch."""
    found = [t for t in lookup.texts if is_spf(t)]
    branch.problem = "" if len(found) == 1 else "multiple" if found else "missing"
    if len(found) == 1:
        branch.record = parse_leniently(record_text(found[0]))


def open_to_all(branch: Branch) -> tuple[str, str] | None:
    """(domain, term text) of what lets every address pass, or None.

    That is `+all`, ranges that together cover the whole internet, or an include or redirect of such
    a record.
    """
    if branch.record is None:
        return None
    for term in branch.record.effective:
        if term.name == "all" and term.qualifier == "+":
            return branch.domain, term.text
        if term.name == "redirect" or (term.name == "include" and term.qualifier == "+"):
            inner = branch.into[term.index].open_term if term.index in branch.into else None
            if inner:
                return inner
        elif term.qualifier == "+" and term.covers_everything:
            return branch.domain, term.text
    every = branch.passing
    if not _may_cover_a_family(network for network, _domain, _text in every):
        return None
    ranges = sorted(every, key=lambda r: r[0].prefixlen)
    ranges4 = [n for n, _domain, _text in ranges if isinstance(n, IPv4Network)]
    ranges6 = [n for n, _domain, _text in ranges if isinstance(n, IPv6Network)]
    whole4 = any(_WHOLE4.subnet_of(n) for n in collapse_addresses([*ranges4, *_UNUSED4]))
    whole6 = any(_WHOLE6.subnet_of(n) for n in collapse_addresses(ranges6))
    for whole, version in ((whole4 and ranges4, 4), (whole6, 6)):
        if whole:
            return next((d, t) for n, d, t in ranges if n.version == version)
    return None


def _may_cover_a_family(networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether so many addresses are in them; as ever, some may be counted twice."""
    shares = {4: sum(2.0**-n.prefixlen for n in _UNUSED4), 6: 1 - 2.0**-_WHOLE6.prefixlen}
    for network in networks:
        shares[network.version] += 2.0**-network.prefixlen
    return max(shares.values()) >= 1


def addresses_of_others(branch: Branch) -> list[str]:
    """An address of each term of a record that lets ranges send, at most MAX_OTHERS."""
    ranges: dict[int, str] = {}
    for term in branch.record.effective if branch.record else ():
        below = branch.into.get(term.index)
        if term.qualifier == "+" and term.network is not None:
            ranges[term.index] = str(term.network[0])
        elif below and term.qualifier in ("+", "") and below.passing:
            network, _domain, _text = below.passing[0]
            ranges[term.index] = str(network[0])
    return list(ranges.values())[:MAX_OTHERS]
