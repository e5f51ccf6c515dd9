"""SPF (RFC 7208): may the tenant send for the domain?"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from collectors.base import Fault, Finding, Fix, Outcome, Owner, Target, check, given_once
from collectors.dns.spf import fix as fixes
from collectors.dns.spf import messages
from collectors.dns.spf.beside import near_records, nearly, seams
from collectors.dns.spf.better import better_record, own_terms, record_with
from collectors.dns.spf.evaluated import STRANGER, Evaluator
from collectors.dns.spf.findings import judge_record
from collectors.dns.spf.proposals import Plan
from collectors.dns.spf.rewrite import Proposal, merged, new_record, rewritten
from collectors.dns.spf.slips import Mended, mend
from collectors.dns.spf.tree import addresses_of_others
from collectors.net.dns_lookup import Lookup
from collectors.net.publishing import safe_findings, wildcard_answer
from collectors.net.session import CheckSession
from collectors.server.own_names import OwnName, own_names
from collectors.standards.spf.evaluation import MAX_LOOKUPS, MAX_VOID_LOOKUPS
from collectors.standards.spf.record import is_spf, parse_leniently, record_text
from collectors.text import Text, _, show_bytes

NOT_AUTHORISED = "spf_sender_not_authorised"
# Findings that follow from a broken include of ours.
_FOLLOWS = {NOT_AUTHORISED, "spf_missing"}
_FOLLOWS_IF_NAMED = _FOLLOWS | {
    "spf_too_many_lookups",
    "spf_too_many_void_lookups",
    "spf_too_many_queries",
}
MISPLACED = ("{domain}.{domain}", "_spf.{domain}", "spf.{domain}")


@dataclass
class _Report:
    """What the check comes to; `summary` is shown where nothing is wrong."""

    summary: Text
    findings: list[Finding]
    evidence: dict[str, Any] = field(default_factory=dict)


@check("dns_spf", _("SPF"))
async def check_spf(target: Target, session: CheckSession) -> Outcome:
    """The outcome of `dns_spf`. A fault of the lookup of the record itself is raised."""
    evaluator = Evaluator(target, session)
    # Some servers never answer for the obsolete type, so it is not waited for until the end.
    session.ask(target.domain, "TXT", "SPF")
    apex = await session.lookup(target.domain, "TXT")
    # Sorted: servers turn the order around, and a fix must not change with it.
    texts = sorted(record_text(t) for t in apex.texts if is_spf(t))
    if not texts:
        report = await _without_record(evaluator, apex)
    elif len(texts) > 1:
        report = await _with_several_records(evaluator, apex, texts)
    else:
        report = await _with_one_record(evaluator, apex, texts[0])
    type_99 = await _type_99(target.domain, session)
    evidence = {
        "result": apex.result,
        "record": [show_bytes(t.encode("latin-1")) for t in texts],
        **report.evidence,
    }
    findings = report.findings
    if type_99:
        evidence["type_99"] = [show_bytes(t) for t in type_99]
        fix = fixes.without_type_99(target.domain, type_99)
        findings.append(replace(messages.type_99(bool(texts)), fix=fix))
    findings = await safe_findings(given_once(findings), domain=target.domain, session=session)
    return Outcome(report.summary, findings, evidence)


async def _type_99(domain: str, session: CheckSession) -> list[bytes]:
    """The records of the obsolete type SPF; none where they cannot be had in time."""
    if found := session.had(domain, "SPF"):
        return found.texts
    try:
        async with asyncio.timeout(session.seconds_left):
            return (await session.lookup(domain, "SPF")).texts
    except (Fault, TimeoutError):
        return []


# -- exactly one record


async def _with_one_record(evaluator: Evaluator, apex: Lookup, text: str) -> _Report:
    """Evaluate it for every address, read its whole tree, and try out what is better."""
    found = await evaluator.evaluate(text, seams(apex, text))
    findings = judge_record(found)
    beside = near_records(apex, text)
    slips = [messages.nearly_beside(near.shown) for near in beside]
    own = None
    if findings or slips:
        own = await _broken_own(evaluator, include=found.needs_include or bool(slips))
    if own:
        named = bool(found.own_domains)
        findings = [_rests_on(own, f, named=named) for f in [*findings, *slips]]
    else:
        joined = await record_with(beside, evaluator, found, findings) if beside else None
        fix, remaining = joined or await better_record(evaluator, found, findings)
        if fix:
            findings = judge_record(found, fix, remaining)
        findings += [replace(f, fix=fix) if joined else f for f in slips]
    evidence: dict[str, Any] = {
        "dns_lookups": {
            "count": found.tree.lookups,
            "limit": MAX_LOOKUPS,
            "complete": not found.tree.unread,
        },
        "void_lookups": {
            "count": max(r.void_lookups for r in found.results),
            "limit": MAX_VOID_LOOKUPS,
        },
        "tree": found.tree.rows(),
        "addresses": [r.to_dict() for r in found.results],
    }
    if found.judged:
        summary = _(
            "All sending addresses pass SPF; DNS lookups: {n} (limit {limit}).",
            n=found.tree.lookups,
            limit=MAX_LOOKUPS,
        )
    else:
        evidence["note"] = (
            f"no sending address is configured; evaluated for {STRANGER}, from which nobody sends"
        )
        summary = _(
            "The SPF record is in order; no sending address is configured to hold it against."
        )
    return _Report(summary, findings, evidence)


# -- several records


async def _with_several_records(
    evaluator: Evaluator, apex: Lookup, texts: Sequence[str]
) -> _Report:
    """Nobody evaluates any of them: they are to become one."""
    trees = [await evaluator.read_tree(text) for text in texts[:MAX_LOOKUPS]]
    finding = messages.multiple(len(texts))
    own = await _broken_own(evaluator)
    if own:
        finding = _rests_on(own, finding)
    else:
        # What is nearly a record joins them: whoever wrote it meant its senders too.
        almost = [(t, better) for t in sorted(apex.texts) if (better := nearly(apex, t))]
        mended = [m for text in texts if (m := mend(text, seams(apex, text)))]
        mended += [m for _t, better in almost if (m := mend(*better))]
        whole = len(mended) == len(texts) + len(almost)
        proposal = await _merged_record(evaluator, mended if whole else [])
        if proposal:
            fix = fixes.replacement(
                domain=evaluator.target.domain,
                current=texts[0],
                proposal=proposal,
                others=[*texts[1:], *(record_text(t) for t, _better in almost)],
            )
            finding = replace(finding, fix=fix)
    rows = [row for tree in trees for row in tree.rows()]
    return _Report(finding.message, [finding], {"tree": rows})


async def _merged_record(evaluator: Evaluator, records: list[Mended]) -> Proposal | None:
    """One record that says what all of these say, and lets our server send; tried out."""
    if not records:
        return None
    single = len(records) == 1
    base = Proposal(records[0].text, records[0].notes) if single else merged(records)
    cheapest_first = not single and await _loses_senders(evaluator, base.value or "", records)
    if cheapest_first:
        base = merged(records, cheapest_first=True)
    if not base.value:
        return None
    found = await evaluator.evaluate(base.value)

    def start(plan: Plan) -> Proposal:
        if found.judged:  # what is missing shows in the results
            return base
        terms = own_terms(evaluator, plan)
        if single:
            better = rewritten(base.value or "", terms)
            return Proposal(better.value, [*base.notes, *better.notes])
        return merged(records, terms, cheapest_first=cheapest_first)

    # None of their terms works now, so one that would spoil the new record can go; one that only
    # costs lookups may be needed.
    includes = frozenset(
        t.text.lower() for t in parse_leniently(base.value).directives if t.name == "include"
    )
    draft = await fixes.try_plans(
        evaluator, start, tolerated=fixes.tolerable_in_new(found), ineffective=includes, trim=False
    )
    return draft.proposal if draft else None


async def _loses_senders(evaluator: Evaluator, text: str, records: list[Mended]) -> bool:
    """True if somebody may not send by `text` who might by one of the records alone."""
    for record in records:
        alone = await evaluator.evaluate(record.text)
        others = [] if alone.open_term else addresses_of_others(alone.tree)
        passing = await evaluator.passing(record.text, others)
        if passing - await evaluator.passing(text, passing):
            return True
    return False


# -- no record


async def _without_record(evaluator: Evaluator, apex: Lookup) -> _Report:
    """Look at the usual wrong places, and say what to publish."""
    domain = evaluator.target.domain
    almost = [(t, better) for t in sorted(apex.texts) if (better := nearly(apex, t))]
    elsewhere = await _misplaced(domain, evaluator.session)
    doubled = [(n, text) for n, text in elsewhere if n == f"{domain}.{domain}"]
    drafts = [better for _t, better in almost][:MAX_LOOKUPS]
    if not drafts:
        others = [record_text(t) for t in await _type_99(domain, evaluator.session) if is_spf(t)]
        others += [text for _n, text in doubled + elsewhere]
        drafts = [(text, []) for text in others[:1]]
    instead_of = [show_bytes(t) for t, _better in almost]
    finding = messages.missing(
        apex.result, instead_of[0] if instead_of else None, apex.chain[-1] if apex.chain else ""
    )
    findings = [finding]
    findings += [messages.misplaced(n, domain) for n in dict.fromkeys(n for n, _text in elsewhere)]
    own = await _broken_own(evaluator)
    if own:
        findings = [_rests_on(own, f) for f in findings]
    else:
        mended = [m for draft in drafts if (m := mend(*draft))]
        if drafts and mended:
            proposal = await _merged_record(evaluator, mended)
        else:
            proposal = await _first_record(evaluator)
        fix = fixes.addition(
            domain=domain,
            proposal=proposal or Proposal(None),
            texts=[text for text, _seams in drafts],
            instead_of=instead_of,
            misplaced=doubled,
        )
        findings = [replace(f, fix=fix) for f in findings]
    return _Report(
        finding.message,
        findings,
        {"misplaced": [{"name": n, "record": text} for n, text in elsewhere]},
    )


async def _first_record(evaluator: Evaluator) -> Proposal | None:
    """A record that lets our server send, for a domain that has none; tried out."""
    draft = await fixes.try_plans(
        evaluator, lambda plan: new_record(own_terms(evaluator, plan)), tolerated=()
    )
    return draft.proposal if draft else None


async def _misplaced(domain: str, session: CheckSession) -> list[tuple[str, str]]:
    """(name, text) of SPF records in the usual wrong places.

    What cannot be looked up is passed over.
    """
    names = [m.format(domain=domain) for m in MISPLACED]
    names = [n for n in names if len(n) <= 253]
    for place in names:
        session.ask(place, "TXT")
    there: list[tuple[str, Lookup]] = []
    for place in names:
        with contextlib.suppress(Fault):
            answer = await session.lookup(place, "TXT")
            if any(is_spf(t) for t in answer.texts):
                there.append((place, answer))
    everywhere = await wildcard_answer(session, domain) if there else None
    return [
        (place, record_text(t))
        for place, found in there
        if not (everywhere and sorted(found.texts) == sorted(everywhere.texts))
        for t in found.texts
        if is_spf(t)
    ][:10]


# -- what is ours


async def _broken_own(evaluator: Evaluator, *, include: bool = True) -> OwnName | None:
    """A sending address of the tenant's that can't be one, or its include where something is wrong
    with it and our mail rests on it (`include`), so that it is to be mended first."""
    own = await own_names(evaluator.target, evaluator.session)
    if own.broken_senders:
        return own.broken_senders[0]
    return own.spf_include if include and own.spf_include and own.spf_include.problem else None


def _rests_on(own: OwnName, finding: Finding, *, named: bool = False) -> Finding:
    """A finding of a domain whose record rests on a broken setting of ours; `named`: on an include
    that it has.

    Until that works, a record would break more than it cures.
    """
    if finding.owner == Owner.HOST or finding.code in (_FOLLOWS_IF_NAMED if named else _FOLLOWS):
        message = finding.message
        if own.row == "server_ptr" and finding.code == NOT_AUTHORISED:
            message = own.problem or message  # no record should let that address send
        elif finding.code in _FOLLOWS:
            message = _("{first} {second}", first=message, second=own.problem or "")
        return replace(finding, message=message, owner=Owner.HOST, because=own.cause, fix=own.fix)
    why = _("No record is shown while ours is not in order: {problem}", problem=own.problem or "")
    return replace(finding, fix=Fix(why))
