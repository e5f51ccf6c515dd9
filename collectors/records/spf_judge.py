"""What is to be said of the one SPF record of a domain: its terms, its tree, and the result for each sending address."""

from dataclasses import dataclass, replace
from ipaddress import ip_address

from collectors.base import Fault, unknown
from collectors.names import same_name
from collectors.standards.spf import MAX_LOOKUPS
from collectors.standards.spf_record import LOOKUP_TERMS
from collectors.text import _

from . import spf_fix as fixes
from . import spf_says as says
from .spf_tree import Branch, open_to_all, passing_ranges

_REFUSED = ("none", "neutral", "softfail", "fail")
_BROKEN = ("missing", "malformed_name", "loop", "multiple", "syntax")
MAX_ERRORS = 10  # of one record that are named
_LIMITS = ("spf_too_many_lookups", "spf_too_many_void_lookups")


@dataclass
class Judge:
    """`tree` and `results` (check_host() for each address) of the record at `name`; `judged`: the addresses are the tenant's."""

    target: object
    name: str
    tree: Branch
    results: list
    judged: bool

    def __post_init__(self):
        self.record = self.tree.record
        self.include = self.target.spf_include.lower().removesuffix(".")
        self.wide = open_to_all(self.tree)
        self.refused = [r for r in self.results if r.result in _REFUSED] if self.judged else []
        self.terms = self._terms()
        self.fix = None

    def findings(self, fix=None, remaining=()):
        """All findings, at most one for each fact. `fix` goes with those that it cures; `remaining`: those that it leaves."""
        self.fix = fix
        found = [*self._of_tree(), *self._of_results(), *self._of_limits(), *self._of_end(), *self._of_style()]
        left = {_fact(f) for f in remaining}
        once = list({(f.code, str(f.message)): f for f in reversed(found)}.values())[::-1]
        return [replace(f, fix=None) if _fact(f) in left else f for f in once]

    # -- the one fix: a record that cures all that a record can cure

    def _terms(self):
        """The terms to put into the record for the tenant's addresses; none where they pass, or where they are there."""
        missing = [r for r in self.refused if not self._include_is_no_help(r)]
        if self.judged:
            ranges = [n for n, _domain, _text in passing_ranges(self.tree)]
            errors = [r for r in self.results if r.result == "permerror" and not self._meets_include(r)]
            # Where an evaluation got as far as a term, none before it lets the address send, whatever stands behind.
            missing += [r for r in errors if r.trace.steps or not any(_inside(r.ip, n) for n in ranges)]
        if not missing:
            return ()
        return fixes.authorising_terms(include=self.include, addresses=[r.ip for r in missing])

    def _meets_include(self, result):
        """True if the record itself names the tenant's include where it works, and not behind the term that ends in an error."""
        working = [t for t in self.record.effective if t.name in ("include", "redirect") and t.qualifier in ("", "+")]
        named = [t.index for t in working if same_name(t.argument, self.include)] if self.include else []
        ended = result.trace.steps[-1].index if result.trace.steps else max(named, default=0)
        return bool(named) and min(named) <= ended

    def _include_is_no_help(self, result):
        """True if the tenant's own include was evaluated for the address and did not pass."""
        steps = [s for _depth, _domain, s in result.trace.walk() if s.child and same_name(s.target, self.include)]
        return bool(self.include) and any(s.outcome in ("no match", "followed") for s in steps)

    def proposal(self, idle=frozenset(), *, trim=True):
        """The record with as little changed as cures what can be cured.

        `idle`: texts of terms that it can do without where they do harm, and (`trim`) where it needs too many lookups.
        """
        drop = self._dead() | self._open() | self._harmful(idle, trim)
        before = None
        for result in self.results:
            step = result.trace.steps[-1] if result.trace.steps else None
            decides = result in self.refused and step and step.outcome == "match" and step.index != getattr(self.record.all, "index", None)
            stops = step and result.result == "permerror" and not drop  # what is left out may be what stops it
            if decides or stops:
                before = min(step.index, before or step.index)  # it would be met before the terms put in
        return fixes.repaired(self.record.text, self.terms, drop=drop, before=before if self.terms else None)

    @property
    def costs(self):
        """What the terms of the record cost in lookups, by their text."""
        return {t.text.lower().removeprefix("+"): self.tree.cost(t) for t in self.record.terms if t.name in LOOKUP_TERMS}

    @property
    def idle(self):
        """The texts of the terms behind `all`, which have no effect."""
        end = self.record.all
        return frozenset(t.text.lower() for t in self.record.directives if end and t.index > end.index)

    def _harmful(self, idle, trim):
        """Indexes of terms among `idle` that break the record, or open it to everyone, where they take effect."""
        broken = {i for i, b in self.tree.into.items() if any(x.problem in _BROKEN for x in b.walk()) or open_to_all(b)}
        if trim and self.tree.lookups > MAX_LOOKUPS:
            broken |= {t.index for t in self.record.terms if t.name in LOOKUP_TERMS}
        return {t.index for t in self.record.terms if t.index in broken and t.text.lower() in idle}

    def _dead(self):
        """Indexes of terms that can authorise nobody: includes of nothing or of ourselves, names without any address."""
        dead = {
            b.via.index
            for b in self.tree.into.values()
            if b.problem in ("missing", "malformed_name", "loop") and not b.variable and not same_name(b.domain, self.include)
        }
        if not any(r.reason == "too_many_void_lookups" for r in self.results):
            return dead
        void = {}  # index -> address families for which nothing was found
        for result in self.results:
            for step in result.trace.steps:
                if step.void_lookups and not step.seen and not step.child:
                    void.setdefault(step.index, set()).add(ip_address(result.ip).version)
        return dead | {index for index, versions in void.items() if versions == {4, 6}}

    def _open(self):
        """Indexes of our own terms that cover so much that they let everyone send."""
        if not self.wide:
            return set()
        terms = [t for t in self.record.effective if t.qualifier == "+"]
        return {t.index for t in terms if (t.network is not None and t.network.prefixlen <= 3) or t.covers_everything}

    def _own(self, domain):
        """The fix, where the fault stands in the domain's own record."""
        return self.fix if domain == self.tree.domain else None

    # -- findings

    def _of_tree(self):
        for b in self.tree.walk():
            if b.problem == "syntax":
                yield from (says.syntax(b.domain, e, self._own(b.domain)) for e in b.record.errors[:MAX_ERRORS])
            elif b.variable:
                continue  # said only where one of our addresses meets it
            elif b.problem in ("missing", "malformed_name"):
                yield self._include_missing(b.parent, b.via.text, b.domain)
            elif b.problem == "multiple":
                yield says.multiple_elsewhere(b.domain)
            elif b.problem == "loop":
                yield says.loop(b.domain, self.fix)

    def _of_results(self):
        for r in self.results:
            if r.result == "temperror":
                yield r.fault.finding() if isinstance(r.fault, Fault) else unknown(r.reason, _("A lookup failed: {what}.", what=r.subject))
            elif r.result == "permerror":
                yield from self._of_permerror(r)
            elif r in self.refused:
                include = self.target.spf_include if self._include_is_no_help(r) else ""
                yield says.not_authorised(r, include=include, fix=self.fix)

    def _of_permerror(self, r):
        """The cause; the limit of ten is judged once for the whole record."""
        if r.reason == "syntax":
            yield says.syntax(r.where, r.syntax, self._own(r.where))
        elif r.reason in ("include_missing", "redirect_missing"):
            yield self._include_missing(r.where, r.term, r.subject)
        elif r.reason == "multiple":
            yield says.multiple_elsewhere(r.where)
        elif r.reason == "loop":
            yield says.loop(r.subject.rpartition(" ")[2], self.fix)
        elif r.reason == "too_many_void_lookups":
            yield says.too_many_voids(r, self.fix)
        elif r.reason == "too_many_mx":
            yield says.too_many_mx(r)
        elif r.reason == "too_many_queries":
            yield says.too_many_queries(r)

    def _include_missing(self, domain, term, name):
        return says.include_missing(domain, term, name, hosts=bool(self.include) and same_name(name, self.include), fix=self._own(domain))

    def _of_limits(self):
        if any(b.problem == "loop" for b in self.tree.walk()):
            return
        count = max([self.tree.lookups, *(r.lookups for r in self.results)])
        shown = _("at least {n}", n=count) if self.tree.unread else count
        if count > MAX_LOOKUPS:
            yield says.too_many_lookups(shown, self.fix)
        elif count >= MAX_LOOKUPS - 1:
            yield says.near_limit(shown)

    def _of_end(self):
        if self.wide:
            yield says.all_pass(*self.wide, self.fix)
        policy = self.tree.policy
        if policy.record is None:
            return
        end = policy.record.all
        if end and end.qualifier == "?":
            yield says.all_neutral(policy.domain, self.fix)
        broken = any("all" in e.term.lower() or "redirect" in e.term.lower() for e in policy.record.errors)  # it is there, in a way
        if not end and not policy.record.modifier("redirect") and not broken:
            yield says.all_missing(policy.domain, self.fix)

    def _of_style(self):
        policies = [self.tree, self.tree.policy] if self.tree.policy is not self.tree else [self.tree]
        reverse = [t.text for b in policies if b.record for t in b.record.terms if t.uses_ptr]
        if reverse:
            yield says.ptr(reverse)
        end = self.record.all
        if end:
            late = [
                t.text for t in self.record.terms if (t.index > end.index and not t.is_modifier) or (t.is_modifier and t.name == "redirect")
            ]
            if late:
                yield says.terms_after_all(late, self.fix)
        if len(self.record.text) > says.LONG:
            yield says.record_long(len(self.record.text))


def _fact(finding):
    """What makes a finding the same before and after; a limit is one fact, whatever the numbers in its message."""
    return finding.code, "" if finding.code in _LIMITS else str(finding.message)


def _inside(address, network):
    a = ip_address(address)
    return a.version == network.version and a in network
