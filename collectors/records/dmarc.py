"""Does an enforceable DMARC policy with reports apply to the domain? (RFC 9989, RFC 9990)"""

from collectors.base import Fault, Finding, Outcome, fail
from collectors.standards import dmarc
from collectors.text import _

from . import dmarc_fixes as fixes
from . import dmarc_reports as reports
from .dmarc_judge import Judge
from .wildcards import at_every_name


async def audit(target, net) -> Outcome:
    """The findings of `dns_dmarc`. A lookup that decides which record applies and fails makes the check unknown."""
    results, place = {}, fixes.Place(f"_dmarc.{target.domain}", target.domain)

    async def lookup(name):
        found = await net.lookup(name, "TXT")
        results[name] = found.result
        if name == place.name:
            place.chain = found.chain
        return found.texts

    at = await dmarc.discover(target.domain, lookup)
    if place.chain or (at.own.texts and at.own is not at.found):
        await _mark_wildcard(place, at.own, net)
    evidence = {"walk": [_seen(step, results, at) for step in at.steps]}
    if len(at.own.records) > 1:
        return Outcome(_("Several DMARC records."), [_multiple(place, at.own.records, target)], evidence)
    if at.found is None:
        finding = _not_dmarc(place, at.own, target) or await _misplaced(place, target, net) or _missing(place, at.own, target)
        return Outcome(finding.message, [finding], evidence)

    findings: list[Finding] = []
    if at.inherited:
        findings += filter(None, [_not_dmarc(place, at.own, target)])
    record, exists = at.found.record, True
    either = {record.policy(inherited=at.inherited, exists=e)[1] for e in (True, False)}
    if len(either) > 1:
        try:
            exists = await _exists(target.domain, net)
        except Fault as fault:
            findings += [fault.finding()] if "none" in either else []
    tag, policy = record.policy(inherited=at.inherited, exists=exists)
    destinations = await reports.verify(at.found.domain, record, lookup)
    judge = Judge(target, at, (tag, policy), place)
    judged = judge.policy_findings() + judge.report_findings(destinations)
    if at.found is at.own and any(f.fix for f in judged):
        await _mark_wildcard(place, at.own, net)
        judged = judge.policy_findings() + judge.report_findings(destinations)
    findings += judged
    evidence |= _evidence(at, record, tag, policy, destinations)
    return Outcome(judge.summary(), findings, evidence)


async def _mark_wildcard(place, own, net):
    """Note in `place` whether what was found there comes from a wildcard."""
    other = await at_every_name(net, place.domain)
    if other and (other.texts or other.chain) and (sorted(other.texts), other.chain) == (sorted(own.texts), place.chain):
        place.wild, place.chain = True, ()  # a name of its own beats it; there is no alias to remove


async def _exists(domain, net):
    """False for a domain that has neither MX nor addresses, as `np` means it (RFC 9989, 3.2)."""
    for rdtype in ("MX", "A", "AAAA"):
        found = await net.lookup(domain, rdtype)
        if found.result != "NODATA":
            return found.result == "NOERROR"
    return False


# -- no record that counts


def _multiple(place, records, target):
    message = _(
        "There are {count} DMARC records at {name}. Receivers ignore them all, so the domain is not protected. Keep a single one.",
        count=len(records),
        name=place.name,
    )
    text = _("Replace one of the records by this one, which joins them, and remove the others.")
    return fail("dmarc_multiple", message, fix=fixes.merge(place, records, target, text))


def _not_dmarc(place, step, target):
    """The finding for a text that was meant to be a record and is none, or None."""
    meant = [text for text in step.texts if dmarc.is_almost(text)]
    if not meant or step.records:
        return None
    message = _(
        "The text at {name} does not begin with exactly “v=DMARC1;”, so receivers ignore it: {text}. Publish it as shown in the fix.",
        name=place.name,
        text=fixes.shown(meant),
    )
    fix = fixes.replace(place, dmarc.guess(meant[0]), target, _("Replace the TXT record at {name} by this one.", name=place.name))
    return fail("dmarc_syntax", message, fix=fix)


async def _misplaced(place, target, net):
    """The finding for a record at one of the usual wrong places, or None. A lookup that fails here changes no verdict."""
    name = place.name
    for wrong in (f"{name}.{target.domain}", target.domain):
        try:
            texts = (await net.lookup(wrong, "TXT")).texts if len(wrong) <= 253 else []
        except Fault:
            continue
        meant = [t for t in texts if dmarc.is_record(t) or dmarc.is_almost(t)]
        if meant and wrong != target.domain:
            everywhere = await at_every_name(net, target.domain)
            if everywhere and sorted(everywhere.texts) == sorted(texts):
                continue
        for text in meant:
            record = dmarc.parse(text) if dmarc.is_record(text) else dmarc.guess(text)
            message = _(
                "The DMARC record is at {wrong}, where receivers do not look, so the domain is not protected. It belongs at {name}.",
                wrong=wrong,
                name=name,
            )
            advice = _("Publish the record at {name} and remove the one at {wrong}.", name=name, wrong=wrong)
            return fail("dmarc_misplaced", message, fix=fixes.move(wrong, place, record, target, advice))
    return None


def _missing(place, step, target):
    name = place.name
    if step.texts:
        message = _(
            "None of the TXT records at {name} is a DMARC record: {text}. Anyone can send mail in the name of {domain}, "
            "and receivers are not told what to do with it. Publish a DMARC record.",
            name=name,
            text=fixes.shown(step.texts),
            domain=target.domain,
        )
    else:
        message = _(
            "There is no DMARC record at {name}. Anyone can send mail in the name of {domain}, and receivers are not told "
            "what to do with it. Publish a DMARC record.",
            name=name,
            domain=target.domain,
        )
    text = _("Add this TXT record. Where other services also send for the domain, start with p=none and read the reports first.")
    return fail("dmarc_missing", message, fix=fixes.add(place, None, target, text))


# -- evidence


def _seen(step, results, at):
    name = f"_dmarc.{step.domain}"
    seen = {"name": name, "result": results.get(name), "records": [r.text for r in step.records], "applies": step is at.found}
    others = [text for text in step.texts if not dmarc.is_record(text)]
    return {**seen, "other_texts": others} if others else seen


def _evidence(at, record, tag, policy, destinations):
    weaker = {"reject": "quarantine"}.get(policy, "none")
    modes = {kind: "strict" if strict else "relaxed" for kind, strict in zip(("dkim", "spf"), record.strict.values(), strict=True)}
    seen = {
        "record": record.text,
        "policy": {
            "from": f"_dmarc.{at.found.domain}",
            "inherited": at.inherited,
            "tag": tag,
            "policy": policy,
            "applied": weaker if record.testing else policy,
        },
        "tags": dict(record.tags),
        "alignment": modes,
        "reports": [_address(kind, uri, destinations) for kind in ("rua", "ruf") for uri in getattr(record, kind)],
    }
    if record.ignored:
        seen["ignored"] = list(record.ignored)
    if len(at.steps) > 1:
        seen["organisational_domain"] = dmarc.organisational_domain(at.steps)
    return seen


def _address(kind, uri, destinations):
    seen = {"tag": kind, "uri": uri.text}
    if uri.problem:
        return {**seen, "problem": uri.problem}
    at = destinations.get(uri.host)
    if at is None:
        return {**seen, "authorised": None, "by": _("not verified")}
    seen |= {"authorised": at.authorised, "by": at.by}
    return {**seen, "redirected_to": list(at.redirected)} if at.redirected else seen
