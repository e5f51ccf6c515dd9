"""What could be published instead of an evaluated record. Pure; no lookups.

A plan says how the tenant's server is let in. Nobody else's term is touched but one that is known
to let nobody send, or everybody.
"""

from collections.abc import Iterator
from enum import Enum
from ipaddress import ip_address

from collectors.dns.spf.evaluated import EvaluatedRecord
from collectors.dns.spf.rewrite import Proposal, authorising_terms, comparable, rewritten
from collectors.dns.spf.tree import Branch
from collectors.names import same_name
from collectors.standards.spf.evaluation import MAX_LOOKUPS
from collectors.standards.spf.record import LOOKUP_TERMS, Term
from collectors.standards.spf.trace import SpfResult
from collectors.text import Text, _

MAX_RANGES = 8  # that stand for our include in somebody's record
_BROKEN = ("missing", "malformed_name", "loop", "multiple", "syntax")
_LEADS_NOWHERE = ("missing", "malformed_name", "loop")


class Plan(Enum):
    """How our server is let in, the best first: an include follows moves of the server."""

    INCLUDE = "include"
    ADDRESSES = "addresses"  # ip4 and ip6 cost no lookup (RFC 7208, section 4.6.4)
    RANGES = "ranges"  # the ranges behind our include in its place


def propose(
    e: EvaluatedRecord,
    plan: Plan = Plan.INCLUDE,
    *,
    ineffective: frozenset[str] = frozenset(),
    trim: bool = True,
) -> Proposal:
    """The record with as little changed as cures what can be cured.

    `ineffective`: texts of terms without effect in what is published now, so that they can be left
    out where they would do harm, and (`trim`) where it needs too many lookups.
    """
    drop = {
        **_leading_nowhere(e),
        **_open_to_all(e),
        **_harmful(e, ineffective, trim=trim),
        **_repeated(e),
    }
    before = min(_deciding_against_us(e, dropped=bool(drop)), default=None)
    terms = _terms_to_add(e, plan)
    own = _own_include(e)
    if plan == Plan.RANGES and own and own.index in e.tree.into:
        ranges = _ranges_behind(e.tree.into[own.index])
        if ranges:
            terms, before = ranges, own.index
            drop[own.index] = _(
                "“{term}” became the addresses behind it, which need no lookups. When we send from "
                "others, the record must be changed.",
                term=own.text,
            )
    return rewritten(e.record.text, terms, drop=drop, before=before if terms else None)


# -- our server


def _terms_to_add(e: EvaluatedRecord, plan: Plan) -> tuple[str, ...]:
    """The terms to put in for our addresses; none where they pass, or where they are there."""
    missing = [r for r in e.refused if not e.lacked_by_include(r)]
    if e.judged:
        ranges = [n for n, _domain, _text in e.tree.passing]
        # Where an evaluation got as far as a term, none before it lets the address send.
        missing += [
            r
            for r in e.results
            if r.result == "permerror"
            and not (plan == Plan.INCLUDE and _meets_include(e, r))
            and (r.trace.terms or not any(ip_address(r.ip) in n for n in ranges))
        ]
    if not missing:
        return ()
    include = e.include if plan == Plan.INCLUDE else ""
    return authorising_terms(include=include, addresses=[r.ip for r in missing])


def _own_include(e: EvaluatedRecord) -> Term | None:
    """The term of the record that names our include."""
    return next(
        (
            t
            for t in e.record.effective
            if t.name == "include"
            and t.qualifier == "+"
            and e.include
            and same_name(t.argument, e.include)
        ),
        None,
    )


def _meets_include(e: EvaluatedRecord, result: SpfResult) -> bool:
    """True if the record itself names our include where it works, before where evaluation ends."""
    named = [
        t.index
        for t in e.record.effective
        if t.name in ("include", "redirect")
        and t.qualifier in ("", "+")
        and e.include
        and same_name(t.argument, e.include)
    ]
    ended = result.trace.terms[-1].index if result.trace.terms else max(named, default=0)
    return bool(named) and min(named) <= ended


def _deciding_against_us(e: EvaluatedRecord, *, dropped: bool) -> Iterator[int]:
    """Indexes of terms that would be met before those put in.

    `dropped`: terms are left out, which may be what stops the evaluation.
    """
    for result in e.results:
        last = result.trace.terms[-1] if result.trace.terms else None
        if last is None:
            continue
        is_all = e.record.all is not None and last.index == e.record.all.index
        if (result in e.refused and last.outcome == "match" and not is_all) or (
            result.result == "permerror" and not dropped
        ):
            yield last.index


def _ranges_behind(branch: Branch) -> tuple[str, ...]:
    """All that a record lets send, as ip4 and ip6 terms; empty where it is more than that."""
    terms = tuple(dict.fromkeys(_addresses_of(branch)))
    return terms if 0 < len(terms) <= MAX_RANGES and "" not in terms else ()


def _addresses_of(branch: Branch) -> Iterator[str]:
    """The ip4 and ip6 terms of a record and its includes; "" for what is neither."""
    if branch.record is None or branch.problem or branch.variable:
        yield ""
        return
    for term in branch.record.effective:
        below = branch.into.get(term.index)
        if term.name == "all" and term.qualifier != "+":
            return
        if term.network is not None and term.qualifier == "+":
            yield term.text.removeprefix("+").lower()
        elif below and term.qualifier in ("", "+"):
            yield from _addresses_of(below)
        else:
            yield ""


# -- terms that can go


def _leading_nowhere(e: EvaluatedRecord) -> dict[int, Text]:
    """Terms that can let nobody send, whatever the mail.

    Includes of nothing or of ourselves; where void lookups are too many, names without any address.
    A name with macros is another one for another mail, and so is what `ptr` finds.
    """
    dead = {
        index
        for index, b in e.tree.into.items()
        if b.problem in _LEADS_NOWHERE and not b.variable and not same_name(b.domain, e.include)
    }
    if any(r.reason == "too_many_void_lookups" for r in e.results):
        void: dict[int, set[int]] = {}  # index -> address families for which nothing was found
        for result in e.results:
            for term in result.trace.terms:
                if term.void_lookups and not term.seen and not term.child:
                    void.setdefault(term.index, set()).add(ip_address(result.ip).version)
        dead |= {index for index, versions in void.items() if versions == {4, 6}}
    return {
        t.index: _("“{term}” was left out: it lets nobody send.", term=t.text)
        for t in e.record.terms
        if t.index in dead and "%" not in t.argument and t.name != "ptr"
    }


def _open_to_all(e: EvaluatedRecord) -> dict[int, Text]:
    """Our own terms that cover so much that they let everyone send."""
    if not e.open_term:
        return {}
    return {
        t.index: _("“{term}” was left out: it lets everyone send.", term=t.text)
        for t in e.record.effective
        if t.qualifier == "+"
        and (t.covers_everything or (t.network is not None and t.network.prefixlen <= 3))
    }


def _harmful(e: EvaluatedRecord, ineffective: frozenset[str], *, trim: bool) -> dict[int, Text]:
    """Terms among `ineffective` that would do harm where they take effect.

    They break the record, or open it to everyone, or cost too many lookups.
    """
    broken = {
        index
        for index, b in e.tree.into.items()
        if not b.variable and (any(x.problem in _BROKEN for x in b.walk()) or b.open_term)
    }
    if trim and e.tree.lookups > MAX_LOOKUPS:
        broken |= {t.index for t in e.record.terms if t.name in LOOKUP_TERMS}
    return {
        t.index: _("“{term}” was left out: it has no effect now, and would do harm.", term=t.text)
        for t in e.record.terms
        if t.index in broken and t.text.lower() in ineffective
    }


def _repeated(e: EvaluatedRecord) -> dict[int, Text]:
    """Terms that stand there before and need lookups again, where these are too many."""
    if e.tree.lookups <= MAX_LOOKUPS:
        return {}
    seen: set[str] = set()
    repeated: dict[int, Text] = {}
    for term in e.record.effective:
        if term.name not in LOOKUP_TERMS or term.is_modifier:
            continue
        mechanism = comparable(term.text.lstrip("+-~?"))
        if mechanism in seen:
            repeated[term.index] = _(
                "“{term}” was left out: it stands there twice.", term=term.text
            )
        seen.add(mechanism)
    return repeated
