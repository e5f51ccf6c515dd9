"""The advice: what to publish instead of what is there, tried out before it is shown.

A record is shown only where this very check, with exactly that record published, says less than it
says now, and nothing new.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from collectors.base import Action, DnsRecord, Finding, Fix, Severity
from collectors.dns.mx.to_come import WithMx, with_mx_to_come
from collectors.dns.spf.evaluated import EvaluatedRecord, Evaluator
from collectors.dns.spf.findings import Fact, fact, judge_record
from collectors.dns.spf.proposals import Plan, propose
from collectors.dns.spf.rewrite import Proposal, comparable
from collectors.standards.spf.evaluation import MAX_LOOKUPS
from collectors.text import MAX_TEXT, Text, _, show_bytes

MAX_NOTES = 8
MAX_KEPT = 20  # terms that are named
ROUNDS = 4
NEAR_LIMIT = "spf_lookups_near_limit"
_NEVER_LEFT = {
    "spf_too_many_lookups",
    "spf_too_many_void_lookups",
    "spf_too_many_queries",
    "spf_sender_not_authorised",
}
_WEIGHT = {Severity.FAIL: 1000, Severity.WARN: 30, Severity.UNKNOWN: 1, Severity.INFO: 0}


@dataclass(frozen=True)
class Draft:
    """A proposal that was tried out, and the findings that publishing it would leave."""

    proposal: Proposal
    remaining: list[Finding]


async def try_plans(
    evaluator: Evaluator,
    start: Callable[[Plan], Proposal],
    *,
    tolerated: Collection[Fact],
    others: Collection[str] = (),
    ineffective: frozenset[str] = frozenset(),
    trim: bool = True,
) -> Draft | None:
    """The Draft that leaves least, of those that leave nothing but what is `tolerated`.

    None where there is none, or no time to try. `start`: what each plan begins with; `others`:
    addresses that may send now and still must; `ineffective`: terms without effect in what is
    published now, so that they can be left out where they would do harm (`trim`: or cost too many
    lookups).
    """
    best: Draft | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(evaluator.session.seconds_left):
            later = await with_mx_to_come(evaluator.target, evaluator.session)
            for plan in Plan:
                draft = await _refine_until_stable(
                    evaluator, start(plan), plan, ineffective=ineffective, trim=trim, later=later
                )
                if draft is None or not {fact(f) for f in draft.remaining} <= set(tolerated):
                    continue
                if len(await evaluator.passing(draft.proposal.value or "", others)) < len(others):
                    continue
                if best is None or _weight(draft) < _weight(best):
                    best = draft
                if not _weight(draft):
                    break
    return best


async def _refine_until_stable(
    evaluator: Evaluator,
    proposal: Proposal,
    plan: Plan,
    *,
    ineffective: frozenset[str],
    trim: bool,
    later: WithMx | None,
) -> Draft | None:
    """The Draft that `proposal` comes to: evaluated and mended until there is nothing to mend.

    Taking one obstacle away can lay another bare: `+all` was all that let the mail server send; an
    include behind `all` turns out to be dead. `later`: it holds once the MX fix is published, too.
    """
    for _round in range(ROUNDS):
        if not proposal.value or len(proposal.value) > MAX_TEXT:
            return None
        evaluated = await evaluator.evaluate(proposal.value, later=later)
        better = propose(evaluated, plan, ineffective=ineffective, trim=trim)
        if better.value in (None, proposal.value):
            return Draft(proposal, judge_record(evaluated))
        notes = list(dict.fromkeys([*proposal.notes, *better.notes]))
        proposal = Proposal(better.value, notes)
    return None


def _weight(draft: Draft) -> int:
    return sum(_WEIGHT[f.severity] for f in draft.remaining if f.code != NEAR_LIMIT)


def tolerable(findings: Iterable[Finding]) -> set[Fact]:
    """What a record may leave that is published instead of one with these findings.

    To come down to the limit of lookups from above, or to fewer of them, is no new fault; a record
    above it is of no use, whatever else is cured.
    """
    found = list(findings)
    counts = [f.message.params["n"] for f in found if f.code == NEAR_LIMIT]
    counts += [MAX_LOOKUPS for f in found if f.code == "spf_too_many_lookups"]
    return {fact(f) for f in found if f.code != "spf_too_many_lookups"} | {
        (NEAR_LIMIT, str(n)) for most in counts if isinstance(most, int) for n in range(most + 1)
    }


def tolerable_in_new(base: EvaluatedRecord) -> set[Fact]:
    """What a record may leave that is put together from the domain's own texts.

    It may have their faults, but exceed no limit: it would be of no more use than they are.
    """
    return tolerable(f for f in judge_record(base) if f.code not in _NEVER_LEFT)


# -- the records of the fix


def replacement(
    *, domain: str, current: str, proposal: Proposal, others: Sequence[str] = ()
) -> Fix | None:
    """The Fix that puts one record in the place of `current`, and of `others`."""
    if proposal.value is None or (proposal.value == current and not others):
        return None
    texts = [current, *others]
    if proposal.value in others:
        # It is published already: to publish it again and to remove it would leave nothing.
        texts.remove(proposal.value)
        texts.insert(0, proposal.value)
    if len(set(texts)) < len(texts):  # their strings are cut in different places
        twice = _("The same text stands there more than once: keep it once.")
        proposal.notes = [*proposal.notes, twice]
    if max(len(t) for t in (proposal.value, *texts)) > MAX_TEXT:
        return None  # no record of that length is of any use; what is wrong with it says what to do
    shown = [show_bytes(t.encode("latin-1")) for t in texts]
    records = [DnsRecord("TXT", domain, proposal.value, Action.REPLACE, shown[0])]
    records += [DnsRecord("TXT", domain, other, Action.REMOVE, other) for other in shown[1:]]
    first = (
        _("Put this record in the place of the present ones; a domain has only one SPF record.")
        if others
        else _(
            "Put this record in the place of the present one; never publish a second SPF record."
        )
    )
    return Fix(sentences(first, *_changes(proposal, texts)), tuple(records))


def addition(
    *,
    domain: str,
    proposal: Proposal,
    texts: Iterable[str] = (),
    instead_of: Sequence[str] = (),
    misplaced: Iterable[tuple[str, str]] = (),
) -> Fix:
    """The Fix for a domain without a record.

    `texts`: what the proposal is made of; `instead_of`: texts at the same name that fail to be
    records, `misplaced` (name, text) pairs that are of no use where they are.
    """
    if proposal.value is None:
        return Fix(
            _(
                "Publish one TXT record at {domain} that starts with “v=spf1” and names every "
                "server that sends.",
                domain=domain,
            )
        )
    records = [DnsRecord("TXT", domain, proposal.value)]
    if instead_of:
        first, *more = instead_of
        records = [DnsRecord("TXT", domain, proposal.value, Action.REPLACE, first)]
        records += [DnsRecord("TXT", domain, text, Action.REMOVE, text) for text in more]
    shown = [(name, show_bytes(text.encode("latin-1"))) for name, text in misplaced]
    records += [DnsRecord("TXT", name, text, Action.REMOVE, text) for name, text in shown]
    sentence = _("Put this record in the place of the text that is nearly one.")
    if not instead_of:
        sentence = _(
            "Publish this TXT record at {domain}; if the domain has other senders, name them in "
            "it too.",
            domain=domain,
        )
    return Fix(sentences(sentence, *_changes(proposal, texts)), tuple(records))


def without_type_99(domain: str, texts: Iterable[bytes]) -> Fix:
    """The Fix that takes records of the obsolete type away."""
    shown = [show_bytes(t) for t in texts]
    brief = sum(map(len, shown)) <= MAX_TEXT
    return Fix(
        _("Remove all records of the type SPF."),
        tuple(DnsRecord("SPF", domain, t, Action.REMOVE, t) for t in shown if brief),
    )


def without_record(e: EvaluatedRecord, terms: Sequence[str]) -> Fix | None:
    """What to do where no record can be given, because only the customer knows what can go.

    `terms`: those that let the mail server send.
    """
    if e.tree.lookups <= MAX_LOOKUPS:
        if not e.refused:
            return None
        return Fix(
            _(
                "The mail server needs “{terms}” in the record, before its “all”. No record is "
                "shown here, because this one cannot take it in without another fault: take out "
                "what is no longer used first.",
                terms=" ".join(terms),
            )
        )
    costs = [(e.tree.cost(t), t.text) for t in e.record.effective]
    costly = sorted((c for c in costs if c[0]), key=lambda c: -c[0])
    return Fix(
        _(
            "Only you know which senders are still in use. Take out terms until no more than "
            "{limit} lookups are left; they cost: {terms}. Addresses named with ip4 and ip6 cost "
            "none.",
            limit=MAX_LOOKUPS,
            terms=", ".join(f"{text} {cost}" for cost, text in costly[:MAX_KEPT]),
        )
    )


def _changes(proposal: Proposal, texts: Iterable[str]) -> Iterator[Text]:
    """What is changed and what is kept, a sentence each."""
    left_out = len(proposal.notes) - MAX_NOTES
    yield from proposal.notes[:MAX_NOTES]
    if left_out > 0:
        yield _("More changes: {n}.", n=left_out)
    words = [comparable(w) for text in texts for w in text.split(" ")[1:]]
    kept = [w for w in (proposal.value or "").split(" ")[1:] if comparable(w) in words]
    if kept:
        more = f" … (+{len(kept) - MAX_KEPT})" if len(kept) > MAX_KEPT else ""
        yield _("It keeps: {terms}.", terms=" ".join(kept[:MAX_KEPT]) + more)


def sentences(first: Text, *more: Text) -> Text:
    """Several sentences as one Text."""
    for text in more:
        first = _("{first} {second}", first=first, second=text)
    return first
