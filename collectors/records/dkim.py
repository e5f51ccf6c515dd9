"""DKIM (RFC 6376, RFC 8301, RFC 8463): can receivers verify the signature that the tenant's server makes?

The portal knows the selector and the key that the server signs with; without it the configured selectors decide, and no
key can be compared. The portal is asked while the configured selectors are already being read, and is not waited for
longer than leaves time for a verdict.
"""

import asyncio

from collectors.base import Fault, Fix, Outcome, Owner, fail, info, unknown
from collectors.standards.dkim import KeyRecordError, parse_key
from collectors.text import _, show_bytes

from . import dkim_findings as findings
from .dkim_fix import Signing
from .dkim_read import MAX_SELECTORS, USUAL, aliased, guess, is_selector, misplaced, name_of, read, wildcard

PORTAL_SHARE = 0.6  # of the time left, for the portal; the rest is for what DNS still has to be asked
PROBED = 2  # missing selectors whose wrong places are looked at


async def audit(target, net):
    """The outcome of `dns_dkim`: every selector of the first source that has any is judged (portal, domain, tenant)."""
    configured = target.dkim_selectors or target.tenant_dkim_selectors
    source = "domain" if target.dkim_selectors else "tenant" if configured else None
    names = _unique(configured)
    evidence: dict = {"portal": "not_configured"}
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(_ask_portal(net)) if target.portal_url else None
        reads = {s.lower(): group.create_task(read(net, s, target.domain)) for s in names if is_selector(s, target.domain)}
        signing = fault = None
        if asked:
            signing, fault, evidence["portal"] = await _in_time(asked, net)
        if signing:
            names, source = [signing.selector], "portal"
            if signing.selector.lower() not in reads and is_selector(signing.selector, target.domain):
                reads[signing.selector.lower()] = group.create_task(read(net, signing.selector, target.domain))
    seen = {selector: task.result() for selector, task in reads.items()}
    evidence |= {"selectors_from": source, "selectors": [s.evidence() for s in seen.values()]}
    if len(_unique(configured, limit=None)) > MAX_SELECTORS:
        evidence["selectors_read_at_most"] = MAX_SELECTORS
    if signing:
        evidence["signing"] = {"selector": signing.selector, "public_key": signing.public_key}
        if signing.key:
            evidence["signing"]["sha256"] = signing.key.fingerprint
    if not names:
        return await _without_selector(target, net, evidence, fault)
    deciding = [seen[s.lower()] for s in names if s.lower() in seen]
    others = [s for s in seen.values() if s not in deciding]
    found = [_invalid(s, source) for s in names if s.lower() not in seen]
    found += await _judge(deciding, others=others, signing=signing, target=target, net=net, evidence=evidence)
    return Outcome(_summary(deciding, signing), found, evidence)


def _unique(selectors, limit=MAX_SELECTORS):
    """Selectors without repetition; names in DNS have no case."""
    return list({s.lower(): s for s in reversed(selectors)}.values())[::-1][:limit]


async def _ask_portal(net):
    """The portal's answer about the domain, or the fault in its place."""
    try:
        return await net.portal("carbonio")
    except Fault as fault:
        return fault


async def _in_time(asked, net):
    """(Signing or None, fault or None, what to say of it): the portal's answer, if it comes while there is time."""
    await asyncio.wait({asked}, timeout=net.seconds_left * PORTAL_SHARE)
    if not asked.done():
        asked.cancel()
        return None, unknown("portal_timeout", _("The portal did not answer in time, so the server's selector is not known.")), "too_late"
    answer = asked.result()
    if isinstance(answer, Fault):
        return None, answer.finding(), answer.code
    if not answer.found:
        return None, None, "domain_not_found"
    dkim = answer.data["dkim"]
    if dkim is None:
        return None, None, "no_key"
    try:
        key = parse_key(dkim["public_key"])
    except KeyRecordError:
        key = None
    return Signing(dkim["selector"], dkim["public_key"], key), None, "answered"


def _invalid(selector, source):
    """A selector that is no name: from the portal it is what the server writes into its signatures, from the settings a slip of ours."""
    if source == "portal":
        says = _("The server signs with the selector “{s}”, which is not a name: no receiver can look up its key.", s=selector[:100])
        fix = Fix(_("Give the domain a DKIM selector of letters, digits and inner hyphens on the server."))
        return fail("dkim_selector_invalid", says, owner=Owner.HOST, fix=fix)
    says = _("The configured selector “{s}” is not a name, so no key could be looked up for it.", s=selector[:100])
    fix = Fix(_("Correct the DKIM selectors in the settings of the domain or of its tenant."))
    return unknown("dkim_selector_invalid", says, fix=fix)


async def _judge(deciding, *, others, signing, target, net, evidence):
    """The findings on all deciding selectors. Wrong places are looked at where a record is missing, a wildcard where one is there."""
    probed = [s for s in deciding if s.lookup and not s.texts and not s.chain][:PROBED]
    wild, *places = await asyncio.gather(
        wildcard(net, target.domain) if any(s.texts or s.chain for s in deciding) else asyncio.sleep(0),
        *(misplaced(net, s.selector, target.domain) for s in probed),
    )
    places = {s.selector: place for s, place in zip(probed, places, strict=True)}
    found = []
    for seen in deciding:
        if seen.fault:
            found.append(seen.fault.finding())
        elif places.get(seen.selector):
            evidence.setdefault("misplaced", []).extend({"name": n, "txt": show_bytes(t)} for n, t in places[seen.selector])
            aliases = await aliased(net, [n for n, _text in places[seen.selector]])
            found.append(findings.misplaced(seen, found=places[seen.selector], signing=signing, aliases=aliases))
        elif not seen.texts:
            found.append(findings.missing(seen, signing=signing, others=others, wild=wild, target=target))
        else:
            found += findings.judge(seen, signing=signing, others=others, wild=wild, target=target)
    if wild and wild.texts:
        evidence["wildcard"] = wild.texts
        found.append(findings.wildcard(target.domain))
    if any(s.key for s in deciding) and all(s.key.type == "ed25519" for s in deciding if s.key):
        found.append(findings.ed25519_only(deciding[0].name))
    return found


async def _without_selector(target, net, evidence, fault):
    """No selector is known from anywhere. If nothing can exist below `_domainkey`, that is still a verdict (RFC 8020)."""
    top = f"_domainkey.{target.domain}"
    lookup = await net.lookup(top, "TXT")
    fix = Fix(_("Publish the DKIM record that the operator of the mail server gives for the domain."))
    if lookup.result == "NXDOMAIN":
        evidence["misplaced"] = [{"name": n, "txt": show_bytes(t)} for n, t in await misplaced(net, None, target.domain)]
        if evidence["misplaced"]:
            says = _(
                "A DKIM key stands at {place}, where no receiver looks, and nothing at all below {top}: signatures cannot be verified.",
                place=evidence["misplaced"][0]["name"], top=top,
            )  # fmt: skip
            return Outcome(says, [fail("dkim_misplaced", says, fix=fix)], evidence)
        says = _("There is no name below {top}, and so no DKIM key: receivers cannot verify the domain's signatures.", top=top)
        return Outcome(says, [fail("dkim_missing", says, fix=fix)], evidence)
    says = _("No DKIM selector is known for the domain, so it could not be seen which key its mail is signed with.")
    fix = Fix(_("Enter the selector that the mail server signs with for the domain or for its tenant."))
    found = [unknown("dkim_selector_unknown", says, fix=fix)]
    found += [fault] if fault else []
    evidence["tried"] = [name_of(s, target.domain) for s in USUAL]
    guessed = await guess(net, target.domain)
    if guessed and (wild := await wildcard(net, target.domain)) and wild.texts:
        guessed = []  # a wildcard answers for every selector
    evidence["selectors"] = [s.evidence() for s in guessed]
    for seen in guessed:
        message = _(
            "A DKIM key is published for the usual selector “{s}” ({key}); it may be the one in use.", s=seen.selector, key=seen.key.label
        )
        found.append(info("dkim_guessed", message, owner=Owner.HOST))
    return Outcome(says, found, evidence)


def _summary(deciding, signing):
    """The sentence for a domain with nothing to do."""
    good = [s for s in deciding if s.key]
    if len(good) == 1 and signing:
        return _("Selector {s}: {key}, the key that the server signs with", s=good[0].selector, key=good[0].key.label)
    if len(good) == 1:
        return _("Selector {s}: {key}", s=good[0].selector, key=good[0].key.label)
    return _("Keys are published for the selectors {names}", names=", ".join(s.selector for s in good))
