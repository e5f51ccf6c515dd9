"""What to publish in the place of the one record of a domain, tried out before it is shown."""

from collections.abc import Sequence

from collectors.base import Finding, Fix
from collectors.dns.mx.senders import losing_senders
from collectors.dns.mx.to_come import with_mx_to_come
from collectors.dns.spf import fix as fixes
from collectors.dns.spf.beside import NearRecord, with_terms_of
from collectors.dns.spf.evaluated import EvaluatedRecord, Evaluator
from collectors.dns.spf.proposals import Plan
from collectors.dns.spf.rewrite import Proposal, authorising_terms, comparable
from collectors.dns.spf.tree import addresses_of_others
from collectors.standards.spf.evaluation import MAX_LOOKUPS

NOT_AUTHORISED = "spf_sender_not_authorised"


async def better_record(
    evaluator: Evaluator, found: EvaluatedRecord, findings: list[Finding]
) -> tuple[Fix | None, list[Finding]]:
    """The Fix for an evaluated record, and the findings that it leaves."""
    text, mended = found.record.text, found.mended
    if mended is None or not findings:
        return None, findings
    start = Proposal(mended.text, mended.notes) if mended.notes else Proposal(text)
    start = await _with_mx_senders(evaluator, text, start)
    others = [] if found.open_term else addresses_of_others(found.tree)
    draft = await fixes.try_plans(
        evaluator,
        lambda _plan: start,
        tolerated=fixes.tolerable(findings),
        others=await evaluator.passing(text, others),
        ineffective=found.ineffective_terms,
    )
    if draft and (mended.notes or draft.proposal.value not in (text, start.value)):
        fix = fixes.replacement(
            domain=evaluator.target.domain, current=text, proposal=draft.proposal
        )
        return fix, draft.remaining
    what = "spf_too_many_lookups" if found.tree.lookups > MAX_LOOKUPS else NOT_AUTHORISED
    terms = own_terms(evaluator, Plan.INCLUDE)
    return fixes.without_record(found, terms), [f for f in findings if f.code != what]


async def record_with(
    beside: Sequence[NearRecord],
    evaluator: Evaluator,
    found: EvaluatedRecord,
    findings: list[Finding],
) -> tuple[Fix, list[Finding]] | None:
    """As `better_record`, with the senders of the texts beside it; None where it bears none."""
    text, mended = found.record.text, found.mended
    if mended is None or found.open_term:
        return None
    start = Proposal(mended.text, mended.notes) if mended.notes else Proposal(text)
    start = with_terms_of(beside, await _with_mx_senders(evaluator, text, start))
    draft = await fixes.try_plans(
        evaluator,
        lambda _plan: start,
        tolerated=fixes.tolerable(findings),
        others=await evaluator.passing(text, addresses_of_others(found.tree)),
        ineffective=found.ineffective_terms,
    )
    words = {comparable(w) for w in (draft.proposal.value or "").split(" ")} if draft else set()
    if draft is None or not all(comparable(t) in words for near in beside for t in near.terms):
        return None
    fix = fixes.replacement(
        domain=evaluator.target.domain,
        current=text,
        proposal=draft.proposal,
        others=[near.text for near in beside],
    )
    return (fix, draft.remaining) if fix else None


async def _with_mx_senders(evaluator: Evaluator, text: str, start: Proposal) -> Proposal:
    """What is begun with, and in it those who may send by `mx` until the MX fix is published."""
    target, session = evaluator.target, evaluator.session
    later = await with_mx_to_come(target, session)
    lost = await losing_senders(target, session, text, later)
    better = lost.kept_by(start.value or "") if lost else ""
    return Proposal(better, [*start.notes, lost.says(kept=True)]) if lost and better else start


def own_terms(evaluator: Evaluator, plan: Plan) -> tuple[str, ...]:
    """The terms that let the tenant send, by a plan."""
    include = evaluator.target.spf_include if plan == Plan.INCLUDE else ""
    return authorising_terms(include=include, addresses=evaluator.addresses)
