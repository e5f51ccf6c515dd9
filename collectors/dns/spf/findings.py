"""What is to be said of the one SPF record of a domain: its terms, its tree, its results."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from collectors.base import Fault, Finding, Fix, Owner, unknown
from collectors.dns.spf import messages
from collectors.dns.spf.evaluated import EvaluatedRecord
from collectors.names import same_name
from collectors.standards.spf.evaluation import MAX_LOOKUPS
from collectors.standards.spf.trace import SpfResult
from collectors.text import _

MAX_ERRORS = 10  # of one record that are named
# One fact each, whatever the numbers in the message.
_LIMITS = {"spf_too_many_lookups", "spf_too_many_void_lookups", "spf_record_long"}
# What a fix never claims to cure: it only keeps our mail from meeting it.
_OTHERS = {"spf_too_many_mx", "spf_too_many_queries", "spf_ptr", "spf_record_long"}

Fact = tuple[str, str]


def judge_record(
    e: EvaluatedRecord, fix: Fix | None = None, remaining: Collection[Finding] = ()
) -> list[Finding]:
    """All findings, at most one for each fact.

    `fix` goes with those that it cures; `remaining`: those that it leaves.
    """
    found = [
        *_of_slips(e),
        *_of_tree(e),
        *_of_results(e),
        *_of_limits(e),
        *_of_end(e),
        *_of_style(e),
    ]
    once = list({(f.code, str(f.message)): f for f in reversed(found)}.values())[::-1]
    left = {fact(f) for f in remaining}
    return [replace(f, fix=fix) if _is_curable(f) and fact(f) not in left else f for f in once]


def _is_curable(finding: Finding) -> bool:
    return finding.owner == Owner.CUSTOMER and finding.code not in _OTHERS


def fact(finding: Finding) -> Fact:
    """What makes a finding the same before and after a change."""
    if finding.code == "spf_sender_not_authorised":
        return finding.code, str(finding.message.params["ip"])
    if finding.code == "spf_lookups_near_limit":
        return finding.code, str(finding.message.params["n"])
    return finding.code, "" if finding.code in _LIMITS else str(finding.message)


def _of_slips(e: EvaluatedRecord) -> Iterator[Finding]:
    for slip in e.mended.slips[:MAX_ERRORS] if e.mended else ():
        yield messages.slip(slip)


def _of_tree(e: EvaluatedRecord) -> Iterator[Finding]:
    for b in e.tree.walk():
        if b.problem == "syntax" and b.record:
            for error in b.record.errors[:MAX_ERRORS]:
                yield _owned(e, messages.syntax(b.domain, error, own=b is e.tree), b.domain)
        elif b.variable or b.via is None:
            continue  # said only where one of our addresses meets it
        elif b.problem in ("missing", "malformed_name"):
            yield _include_missing(e, b.parent, b.via.text, b.domain)
        elif b.problem == "multiple":
            yield _owned(e, messages.multiple_elsewhere(b.domain), b.domain)
        elif b.problem == "loop":
            yield messages.loop(b.domain)


def _of_results(e: EvaluatedRecord) -> Iterator[Finding]:
    for r in e.results:
        if r.result == "temperror":
            if isinstance(r.fault, Fault):
                yield r.fault.finding()
            else:
                yield unknown(r.reason, _("A lookup failed: {what}.", what=r.subject))
        elif r.result == "permerror":
            yield from _of_permerror(e, r)
        elif r in e.refused:
            yield messages.not_authorised(r, include=e.include if e.lacked_by_include(r) else "")


def _of_permerror(e: EvaluatedRecord, r: SpfResult) -> Iterator[Finding]:
    """The cause; the limit of ten is judged once for the whole record."""
    if r.reason == "syntax" and r.syntax:
        own = r.where == e.tree.domain
        yield _owned(e, messages.syntax(r.where, r.syntax, own=own), r.where)
    elif r.reason in ("include_missing", "redirect_missing"):
        yield _include_missing(e, r.where, r.term, r.subject)
    elif r.reason == "multiple":
        yield _owned(e, messages.multiple_elsewhere(r.where), r.where)
    elif r.reason == "loop":
        yield messages.loop(r.subject.rpartition(" ")[2])
    elif r.reason == "too_many_void_lookups":
        yield messages.too_many_voids(r)
    elif r.reason == "too_many_mx":
        yield messages.too_many_mx(r)
    elif r.reason == "too_many_mx_addresses":
        yield messages.too_many_mx_addresses(r)
    elif r.reason == "too_many_queries":
        yield messages.too_many_queries(r)


def _include_missing(e: EvaluatedRecord, domain: str, term: str, name: str) -> Finding:
    if e.include and same_name(name, e.include):
        return messages.own_include_missing(domain, term, name)
    return _owned(e, messages.include_missing(domain, term, name), domain)


def _owned(e: EvaluatedRecord, finding: Finding, domain: str) -> Finding:
    """The finding, the host's where it is about a record of ours."""
    return replace(finding, owner=Owner.HOST) if domain in e.own_domains else finding


def _of_limits(e: EvaluatedRecord) -> Iterator[Finding]:
    if any(b.problem == "loop" for b in e.tree.walk()):
        return
    count = max([e.tree.lookups, *(r.lookups for r in e.results)])
    shown = _("at least {n}", n=count) if e.tree.unread else count
    if count > MAX_LOOKUPS:
        yield messages.too_many_lookups(shown)
    elif count >= MAX_LOOKUPS - 1:
        yield messages.near_limit(shown)


def _of_end(e: EvaluatedRecord) -> Iterator[Finding]:
    if e.open_term:
        yield messages.all_pass(*e.open_term)
    policy = e.tree.policy
    if policy.record is None:
        return
    end = policy.record.all
    if end and end.qualifier == "?":
        yield messages.all_neutral(policy.domain)
    broken = any(  # it is there, in a way
        "all" in error.term.lower() or "redirect" in error.term.lower()
        for error in policy.record.errors
    )
    if not end and not policy.record.modifier("redirect") and not broken:
        yield messages.all_missing(policy.domain)


def _of_style(e: EvaluatedRecord) -> Iterator[Finding]:
    policies = [e.tree] if e.tree.policy is e.tree else [e.tree, e.tree.policy]
    reverse = [t.text for b in policies if b.record for t in b.record.terms if t.uses_ptr]
    if reverse:
        yield messages.ptr(reverse)
    end = e.record.all
    late = [
        t.text
        for t in e.record.terms
        if end and (t.name == "redirect" if t.is_modifier else t.index > end.index)
    ]
    if late:
        yield messages.terms_after_all(late)
    if len(e.record.text) > messages.LONG:
        yield messages.record_long(len(e.record.text))
