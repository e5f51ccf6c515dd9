"""What is to be said of the one SPF record of a domain: its terms, its tree, and the result for each sending address."""

from dataclasses import dataclass

from collectors.base import Fault, Owner, fail, unknown, warn
from collectors.names import same_name
from collectors.standards.spf import MAX_LOOKUPS, MAX_VOID_LOOKUPS
from collectors.standards.spf_record import LOOKUP_TERMS
from collectors.standards.spf_trace import shown_name
from collectors.text import _

from . import spf_fix as fixes
from .spf_tree import open_to_all, passing_ranges

LONG = 450  # bytes; longer records may not fit into one UDP answer with the other TXT records (RFC 7208, section 3.4)


@dataclass
class Judge:
    """The findings about a record. `results`: check_host() for each address; `judged`: the addresses are the tenant's own.

    `costs`: what an include of the tenant's would cost, by the term's text in lower case.
    """

    target: object
    name: str  # where the record is published
    tree: object
    results: list
    judged: bool
    costs: dict

    def __post_init__(self):
        self.record = self.tree.record
        self.fix = self._fix()

    # -- the one fix: a record that cures all that a record can cure

    def _fix(self):
        drop, before = set(), None
        for branch in self.tree.walk():
            ours = same_name(branch.domain, self.target.spf_include) if self.target.spf_include else False
            if (
                branch.parent == self.tree.domain
                and branch.via in self.record.terms
                and branch.problem in ("missing", "loop", "malformed_name")
                and not ours
            ):
                drop.add(branch.via.index)
        for result in self.results:
            if result.reason == "too_many_void_lookups":
                drop |= {s.index for s in result.trace.steps if s.void_lookups}
        if open_to_all(self.tree):
            networks = list(passing_ranges(self.tree))
            drop |= {
                t.index
                for t in self.record.effective
                if (t.network is not None and t.network.prefixlen <= 3 and any(t.network == n for n, _d, _t in networks))
                or (t.name in ("a", "mx") and t.qualifier == "+" and 0 in (t.prefix4, t.prefix6))
            }
        for result in self._refused():
            step = result.trace.steps[-1] if result.trace.steps else None
            if step and step.outcome == "match" and step.index != getattr(self.record.all, "index", None):
                before = min(step.index, before or step.index)
        proposal = fixes.repaired(self.tree.record.text, self._terms(), drop=drop, before=before)
        costs = {t.text.lower().removeprefix("+"): self.tree.cost(t) for t in self.record.terms if t.name in LOOKUP_TERMS}
        return fixes.replacement(domain=self.name, current=self.record.text, proposal=proposal, costs={**self.costs, **costs})

    def _terms(self):
        """The terms that are missing for the tenant's addresses; none where its include is there and is no help."""
        refused = [r for r in self._refused() if not self._hosts_include(r)]
        unclear = [r for r in self.results if r.result in ("permerror", "temperror")] if self.judged else []
        if unclear and not refused:
            effective = [t for t in self.record.effective if t.qualifier in ("", "+")]
            include = self.target.spf_include.lower().removesuffix(".")
            if include and any(t.argument.lower().removesuffix(".") == include for t in effective if t.name in ("include", "redirect")):
                return ()
            covered = [n for n, _domain, _text in passing_ranges(self.tree)]
            refused = [r for r in unclear if not any(_inside(r.ip, n) for n in covered)]
        if not refused:
            return ()
        return fixes.authorising_terms(include=self.target.spf_include, addresses=[r.ip for r in refused])

    def _refused(self):
        return [r for r in self.results if r.result in ("neutral", "softfail", "fail", "none")] if self.judged else []

    def _hosts_include(self, result):
        """True if the tenant's own include was evaluated for the address and did not match: then its owner must act."""
        include = self.target.spf_include
        return bool(include) and any(
            s.target and same_name(s.target, include) and s.outcome in ("no match", "followed")
            for _depth, _domain, s in result.trace.walk()
            if s.child
        )

    # -- findings

    def findings(self):
        """All findings about the record, at most one for each fact."""
        found = [*self._tree_findings(), *self._result_findings(), *self._limits(), *self._ends(), *self._style()]
        unique = {}
        for finding in found:
            unique.setdefault((finding.code, str(finding.message)), finding)
        return list(unique.values())

    def _tree_findings(self):
        for branch in self.tree.walk():
            if branch.problem == "syntax":
                yield from (self._syntax(branch.domain, error) for error in branch.record.errors)
            elif branch.problem in ("missing", "malformed_name"):
                yield self._include_missing(branch.parent, branch.via.text, branch.domain)
            elif branch.problem == "multiple":
                yield self._multiple(branch.domain)
            elif branch.problem == "loop":
                yield self._loop(branch.domain)

    def _result_findings(self):
        for r in self.results:
            if r.result == "temperror":
                yield (
                    r.fault.finding()
                    if isinstance(r.fault, Fault)
                    else unknown(r.reason, _("A lookup that SPF depends on failed: {what}.", what=r.subject))
                )
            elif r.result == "permerror":
                yield from self._permerror(r)
            elif r.result != "pass" and self.judged:
                yield self._not_authorised(r)

    def _permerror(self, r):
        if r.reason == "syntax":
            yield self._syntax(r.where, r.syntax)
        elif r.reason in ("include_missing", "redirect_missing"):
            yield self._include_missing(r.where, r.term, r.subject)
        elif r.reason == "multiple":
            yield self._multiple(r.where)
        elif r.reason == "loop":
            yield self._loop(r.subject.rpartition(" → ")[2])
        elif r.reason == "too_many_void_lookups":
            names = ", ".join(shown_name(n) for n in r.voids)
            message = _(
                "More than {limit} of the record's lookups find nothing ({names}), so receivers stop with a permanent error and treat "
                "the domain as without SPF. Take out the terms that lead nowhere.",
                limit=MAX_VOID_LOOKUPS,
                names=names,
            )
            yield fail("spf_too_many_void_lookups", message, fix=self.fix)
        elif r.reason == "too_many_mx":
            message = _(
                "“{term}” of {domain} leads to {n} mail exchanges (limit 10), so receivers stop with a permanent error. "
                "Name the sending addresses instead.",
                term=r.term,
                domain=r.where,
                n=r.subject,
            )
            yield fail("spf_too_many_mx", message)
        elif r.reason == "too_many_queries":
            message = _(
                "The record needs more than {n} DNS queries to evaluate; receivers give up on it. Name the sending addresses instead of “mx” and “a”.",
                n=r.subject,
            )
            yield fail("spf_too_many_queries", message)

    def _limits(self):
        over = [r.lookups for r in self.results if r.reason == "too_many_lookups"]
        count, unread = max([self.tree.lookups, *over]), self.tree.unread
        if any(b.problem == "loop" for b in self.tree.walk()):
            return
        shown = _("at least {n}", n=count) if unread else _("{n}", n=count)
        if count > MAX_LOOKUPS:
            message = _(
                "The record needs DNS lookups: {n} (limit {limit}). Receivers stop with a permanent error and treat the domain as without SPF. "
                "Take out includes of senders no longer used, or name their addresses.",
                n=shown,
                limit=MAX_LOOKUPS,
            )
            yield fail("spf_too_many_lookups", message, fix=self.fix)
        elif count >= MAX_LOOKUPS - 1:
            message = _(
                "The record needs DNS lookups: {n} (limit {limit}). One more sender, or a change at a provider, breaks SPF for all mail. "
                "Take out what is no longer used.",
                n=shown,
                limit=MAX_LOOKUPS,
            )
            yield warn("spf_lookups_near_limit", message)

    def _ends(self):
        wide = open_to_all(self.tree)
        if wide:
            message = _(
                "“{term}” in the record of {domain} lets every address on the internet send for the domain, so SPF protects nothing. "
                "Name the real senders and end in “~all” or “-all”.",
                term=wide[1],
                domain=wide[0],
            )
            yield fail("spf_all_pass", message, fix=self.fix)
        policy = self.tree.policy
        if policy.record is None:
            return
        end = policy.record.all
        if end and end.qualifier == "?":
            message = _(
                "The record of {domain} ends in “?all”: receivers make no difference between your mail and forged mail. End it in “~all” or “-all”.",
                domain=policy.domain,
            )
            yield warn("spf_all_neutral", message, fix=self.fix)
        elif not end and not policy.record.modifier("redirect") and not any(_says(e.term, "all", "redirect") for e in policy.record.errors):
            message = _(
                "The record of {domain} has no “all” at its end, so mail from servers it does not name counts as neutral. Add “~all” or “-all”.",
                domain=policy.domain,
            )
            yield warn("spf_all_missing", message, fix=self.fix)

    def _style(self):
        own = [self.tree] if self.tree.policy is self.tree else [self.tree, self.tree.policy]
        pointers = [t.text for b in own if b.record for t in b.record.terms if t.uses_ptr]
        if pointers:
            message = _(
                "The record uses reverse lookups ({terms}): slow, unreliable, and ignored by some receivers. Name the addresses with ip4 and ip6.",
                terms=", ".join(pointers),
            )
            yield warn("spf_ptr", message)
        end = self.record.all
        late = [t.text for t in self.record.directives if end and t.index > end.index]
        late += [t.text for t in self.record.terms if end and t.is_modifier and t.name == "redirect"]
        if late:
            message = _("Terms that “all” makes void: {terms}. Receivers never look at them. Put “all” at the end.", terms=" ".join(late))
            yield warn("spf_terms_after_all", message, fix=self.fix)
        if len(self.record.text) > LONG:
            message = _(
                "The record has {n} bytes; over {limit} some answers no longer fit into one packet, and lookups fail here and there. Shorten it.",
                n=len(self.record.text),
                limit=LONG,
            )
            yield warn("spf_record_long", message)

    # -- single facts

    def _syntax(self, domain, error):
        message = _(
            "The SPF record of {domain} has an error in term {index}, “{term}” (character {place}): {why} Receivers then treat the whole record "
            "as broken and mail as unauthenticated. Correct the term.",
            domain=domain,
            index=error.index,
            term=error.term,
            place=error.offset + 1,
            why=_why(error.why),
        )
        return fail("spf_syntax", message, fix=self._own(domain))

    def _include_missing(self, domain, term, name):
        ours = bool(self.target.spf_include) and same_name(name, self.target.spf_include)
        message = _(
            "“{term}” in the record of {domain} leads to {name}, which has no SPF record. Receivers stop there with a permanent error. "
            "Take the term out, or correct the name.",
            term=term,
            domain=domain,
            name=shown_name(name),
        )
        return fail("spf_include_missing", message, owner=Owner.HOST if ours else Owner.CUSTOMER, fix=None if ours else self._own(domain))

    def _multiple(self, domain):
        message = _(
            "{domain}, which the record leads to, has several SPF records; a domain may have one. Receivers stop there with a permanent error. "
            "Whoever runs {domain} must merge them.",
            domain=domain,
        )
        return fail("spf_multiple", message)

    def _loop(self, domain):
        message = _(
            "The record leads back to {domain} in a circle. Receivers stop with a permanent error and treat the domain as without SPF. "
            "Take out the include or redirect that closes the circle.",
            domain=shown_name(domain),
        )
        return fail("spf_loop", message, fix=self.fix)

    def _not_authorised(self, r):
        decided = r.path[-1] if r.path else None
        by = (
            _("decided by “{term}” of {domain}", term=decided[1], domain=decided[0])
            if decided and not _says(decided[1], "redirect")
            else _("no term of the record matches")
        )
        if self._hosts_include(r):
            message = _(
                "The tenant may not send from {ip}: SPF gives {result}, {by}. The record includes {include}, but that does not list the address. "
                "Add it there.",
                ip=r.ip,
                result=r.result,
                by=by,
                include=self.target.spf_include,
            )
            return fail("spf_sender_not_authorised", message, owner=Owner.HOST)
        message = _(
            "The tenant may not send from {ip}: SPF gives {result}, {by}. Receivers reject this mail or treat it as spam. "
            "Add the tenant to the domain's record.",
            ip=r.ip,
            result=r.result,
            by=by,
        )
        return fail("spf_sender_not_authorised", message, fix=self.fix)

    def _own(self, domain):
        """The fix, where the fault is in the domain's own record."""
        return self.fix if domain == self.tree.domain else None


def _inside(address, network):
    from ipaddress import ip_address

    a = ip_address(address)
    return a.version == network.version and a in network


def _says(term, *names):
    return term.lower().lstrip("+?~-").startswith(names)


def _why(why):
    """A syntax error's kind as a sentence."""
    return {
        "not_ascii": _("it holds characters that are not ASCII."),
        "control_character": _("it holds a control character such as a tab."),
        "unknown_mechanism": _("there is no such mechanism."),
        "argument_missing": _("it lacks its value."),
        "argument_unexpected": _("it takes no such value."),
        "bad_address": _("the address is not valid."),
        "bad_prefix_length": _("the prefix length is not valid."),
        "bad_domain": _("the value is not a domain name."),
        "bad_macro": _("the macro is not valid."),
        "duplicate_modifier": _("it may stand there only once."),
        "bad_term": _("it is not a term of SPF."),
    }[why]
