"""The whole tree of an SPF record: what every include and redirect leads to, and the lookups it costs when nothing matches.

check_host() stops at the first match, so it does not see what another sender would meet. Here everything that can be
reached is read, without judging an address; a branch that cannot be read is noted and costs what is known of it.
"""

import asyncio
from dataclasses import dataclass, field
from ipaddress import collapse_addresses, ip_network

from collectors.base import Fault
from collectors.standards import spf_macros as macros
from collectors.standards.spf_record import LOOKUP_TERMS, Record, Term, is_spf, record_text, scan

MAX_NAMES = 16  # names that are asked for; ten includes are the limit of a working record
MAX_TERMS = 20  # includes of one record that are followed
MAX_BRANCHES = 60  # a name may stand in the tree many times

# Nobody sends from these, so ranges that leave them out still cover the internet (IANA special-purpose registries).
_UNUSED4 = [ip_network(n) for n in ("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")]
_WHOLE4, _WHOLE6 = ip_network("0.0.0.0/0"), ip_network("2000::/3")


@dataclass
class Branch:
    """One domain's record in the tree. `problem`: "" or missing, multiple, syntax, loop, malformed_name, cut (a bound of
    ours), or the dns_* code of the failed lookup; `into` maps the index of an include or redirect to its Branch."""

    domain: str
    record: Record | None = None
    problem: str = ""
    into: dict[int, "Branch"] = field(default_factory=dict)
    via: Term | None = None  # the term that led here, and the domain whose term it is
    parent: str = ""
    variable: bool = False  # its name depends on address or sender, so another mail leads elsewhere

    def cost(self, term):
        """Lookups that this term costs, with all that is behind it."""
        below = self.into.get(term.index)
        return (term.name in LOOKUP_TERMS) + (below.lookups if below else 0)

    @property
    def lookups(self):
        """Lookups that the record costs where nothing matches early."""
        return sum(self.cost(t) for t in self.record.effective) if self.record else 0

    @property
    def unread(self):
        """The branches that are not known: a failed lookup, or beyond our bound."""
        return [b for b in self.walk() if b.problem == "cut" or b.problem.startswith("dns_")]

    def walk(self):
        """This branch and all below, in the order of evaluation."""
        yield self
        for branch in self.into.values():
            yield from branch.walk()

    @property
    def policy(self):
        """The branch whose `all` decides: this one, or what `redirect` leads to."""
        redirect = self.record and not self.record.all and self.record.modifier("redirect")
        return self.into[redirect.index].policy if redirect and redirect.index in self.into else self

    def rows(self, depth=0):
        """The tree as evidence: one row a record and a row a term that costs lookups, flat, with their depth."""
        row = {"depth": depth, "domain": self.domain, "lookups": self.lookups}
        if self.record:
            row["record"] = self.record.text
        if self.problem:
            row["problem"] = self.problem
        yield row
        for term in self.record.effective if self.record else ():
            if term.name in LOOKUP_TERMS:
                yield {"depth": depth + 1, "domain": self.domain, "term": term.text, "lookups": self.cost(term)}
                if term.index in self.into:
                    yield from self.into[term.index].rows(depth + 2)


async def read_tree(*, domain, text, net, ip, sender, known=None):
    """The Branch for `text`, the record of `domain`. `ip` and `sender` fill macros in names. Never raises a Fault.

    `known` is a Branch to be filled in place, so that a caller who runs out of time has what was read until then.
    """
    return await _Reader(net, ip, sender).read(known or Branch(domain), text)


class _Reader:
    def __init__(self, net, ip, sender):
        self.net, self.ip, self.sender = net, ip, sender
        self.names, self.branches = set(), 0

    async def read(self, branch, text, path=()):
        branch.record = scan(text)
        if branch.record.errors:
            branch.problem = "syntax"
        path = (*path, branch.domain)
        terms = [t for t in branch.record.effective if t.name in ("include", "redirect")][:MAX_TERMS]
        for term in terms:
            branch.into[term.index] = Branch(
                self._target(term, branch.domain), problem="cut", via=term, parent=branch.domain, variable=macros.uses(term.spec, "slihpv")
            )
        await asyncio.gather(*(self._follow(branch.into[t.index], path) for t in terms))
        return branch

    async def _follow(self, branch, path):
        name, self.branches = branch.domain, self.branches + 1
        if name in path:
            branch.problem = "loop"
            return
        if not macros.is_name(name) or "." not in name:
            branch.problem = "malformed_name"
            return
        if self.branches > MAX_BRANCHES or (name not in self.names and len(self.names) >= MAX_NAMES):
            return
        self.names.add(name)
        try:
            found = [t for t in (await self.net.lookup(name, "TXT")).texts if is_spf(t)]
        except Fault as fault:
            branch.problem = fault.code
            return
        branch.problem = "" if len(found) == 1 else "multiple" if found else "missing"
        if len(found) == 1:
            await self.read(branch, record_text(found[0]), path)

    def _target(self, term, domain):
        values = macros.values_for(ip=self.ip, domain=domain, sender=self.sender, helo=domain, receiver="unknown", timestamp=0)
        return macros.to_name(macros.expand(term.spec, {**values, "p": "unknown"})).lower()


def open_to_all(branch):
    """(domain, term text) of what lets every address pass, or None: `+all`, ranges that together cover the whole internet,
    or an include or redirect of such a record."""
    if branch.record is None:
        return None
    for term in branch.record.effective:
        if term.name == "all" and term.qualifier == "+":
            return branch.domain, term.text
        if term.name == "redirect" or (term.name == "include" and term.qualifier == "+"):
            inner = open_to_all(branch.into[term.index]) if term.index in branch.into else None
            if inner:
                return inner
        elif term.qualifier == "+" and term.covers_everything:
            return branch.domain, term.text
    ranges = list(passing_ranges(branch))
    for version, whole, unused in ((4, _WHOLE4, _UNUSED4), (6, _WHOLE6, [])):
        mine = [n for n, _domain, _text in ranges if n.version == version]
        if mine and any(whole.subnet_of(n) for n in collapse_addresses(mine + unused)):
            return next((d, t) for n, d, t in sorted(ranges, key=lambda r: r[0].prefixlen) if n.version == version)
    return None


def passing_ranges(branch):
    """(network, domain, term text) of every ip4 and ip6 range that passes, through includes that pass."""
    for term in branch.record.effective if branch.record else ():
        if term.qualifier == "+" and term.network is not None:
            yield term.network, branch.domain, term.text
        elif term.index in branch.into and term.qualifier in ("+", ""):
            yield from passing_ranges(branch.into[term.index])
