"""DKIM (RFC 6376, RFC 8301, RFC 8463): can receivers verify what the tenant's server signs?

The portal knows the selector and the key that the server signs with; without it the configured
selectors decide, and no key can be compared. The portal is asked while the configured selectors are
already being read, and is not waited for longer than leaves time for a verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from collectors.base import Finding, Fix, Outcome, Owner, Target, check, fail, info, unknown
from collectors.dns.dkim import fix as fixes
from collectors.dns.dkim.findings import SelectorFindings
from collectors.dns.dkim.messages import ed25519_only, invalid_selector, wildcard_key
from collectors.dns.dkim.selector_lookup import (
    MAX_SELECTORS,
    USUAL,
    MisplacedKey,
    SelectorLookup,
    find_misplaced_keys,
    guess_selectors,
    is_selector,
    key_name,
    read_selector,
)
from collectors.dns.dkim.server_key import PortalKey, ServerKey, ask_portal, delegated_name
from collectors.net.publishing import ask_wildcard, safe_findings, safe_fix, wildcard_answer
from collectors.net.session import CheckSession
from collectors.standards.dkim import key_in
from collectors.stored import Evidence
from collectors.text import Text, _

PROBED = 2  # missing selectors whose wrong places are looked at


@check("dns_dkim", _("DKIM"))
async def check_dkim(target: Target, session: CheckSession) -> Outcome:
    """The outcome of `dns_dkim`: all selectors of the first source that has any are judged."""
    configured = target.dkim_selectors or target.tenant_dkim_selectors
    names = _unique(configured)[:MAX_SELECTORS]
    asked: dict[str, str] = {}  # as they are written, by their names in DNS

    def ask(selectors: Iterable[str]) -> None:
        for s in selectors:
            if s.lower() not in asked and is_selector(s, target.domain):
                asked[s.lower()] = s
                session.ask(key_name(s, target.domain), "TXT")

    ask(names)
    portal = PortalKey("none" if target.without_portal else "not_configured")
    if target.portal_url:
        if (last := target.portal_facts.dkim) and is_selector(last["selector"], target.domain):
            session.ask(key_name(last["selector"], target.domain), "TXT")  # most likely it still is
        ask_wildcard(session, f"_domainkey.{target.domain}")
        portal = await ask_portal(target, session)
    if server := portal.server_key:
        names = [server.selector]
        ask(names)
    lookups = {key: await read_selector(session, s, target.domain) for key, s in asked.items()}
    source = "domain" if target.dkim_selectors else "tenant" if configured else None
    evidence: Evidence = {
        "portal": portal.state,
        "selectors_from": "portal" if server else source,
        "selectors": [s.evidence() for s in lookups.values()],
    }
    if len(_unique(configured)) > MAX_SELECTORS:
        evidence["selectors_read_at_most"] = MAX_SELECTORS
    if server:
        evidence["signing"] = _signing_evidence(server)
    if portal.decided and portal.fault:
        return Outcome(portal.fault.message, [portal.fault], evidence)
    if not names:
        return await _without_selector(target, session, evidence, portal.fault)
    found = [invalid_selector(s, signs=bool(server)) for s in names if s.lower() not in lookups]
    deciding = [lookups[s.lower()] for s in names if s.lower() in lookups]
    others = [s for s in lookups.values() if s not in deciding]
    wild = None
    if any(s.texts or s.chain for s in deciding):
        wild = await wildcard_answer(session, f"_domainkey.{target.domain}")
    said = SelectorFindings(target, server, others, wild)
    found += await _judge_selectors(deciding, said=said, session=session, evidence=evidence)
    return Outcome(_summary(deciding, server), found, evidence)


def _unique(selectors: Sequence[str]) -> list[str]:
    """Selectors without repetition; names in DNS have no case."""
    return list({s.lower(): s for s in reversed(selectors)}.values())[::-1]


def _signing_evidence(server: ServerKey) -> Evidence:
    seen: Evidence = {"selector": server.selector, "public_key": server.public_key}
    if server.key:
        seen["sha256"] = server.key.fingerprint
    if server.said_at:  # the portal is silent now
        seen["remembered_since"] = server.said_at.isoformat()
    return seen


async def _judge_selectors(
    deciding: Sequence[SelectorLookup],
    *,
    said: SelectorFindings,
    session: CheckSession,
    evidence: Evidence,
) -> list[Finding]:
    """The findings on all selectors that count, with fixes that can be pasted.

    Wrong places are looked at where a record is missing, a wildcard where one is there.
    """
    domain = said.target.domain
    probed = [s for s in deciding if s.lookup and not s.texts and not s.chain][:PROBED]
    keys = {s.selector: await find_misplaced_keys(session, s.selector, domain) for s in probed}
    misplaced = {selector: found for selector, found in keys.items() if found}
    if misplaced:
        evidence["misplaced"] = _misplaced_evidence(k for keys in misplaced.values() for k in keys)
    found = [f for s in deciding for f in said.of(s, misplaced.get(s.selector, ()))]
    found = await _pasteable(found, said=said, session=session)
    if said.wildcard and any(key_in(text) for text in said.wildcard.texts):
        evidence["wildcard"] = said.wildcard.texts
        found.append(wildcard_key(domain))
    with_key = [s for s in deciding if s.key]
    if with_key and all(s.key and s.key.type == "ed25519" for s in with_key):
        found.append(ed25519_only(with_key[0].name))
    return found


def _misplaced_evidence(keys: Iterable[MisplacedKey]) -> list[Evidence]:
    return [{"name": key.name, "txt": key.text} for key in keys]


async def _pasteable(
    found: Iterable[Finding], *, said: SelectorFindings, session: CheckSession
) -> list[Finding]:
    """The findings with safe fixes; with an alias of the tenant's name where that will do."""
    server, domain = said.server, said.target.domain
    if not server or not any(f.fix and f.fix.records for f in found):
        return await safe_findings(found, domain=domain, session=session)
    alias = await delegated_name(server, said.target, session)
    made: list[Finding] = []
    for finding in found:
        name = key_name(server.selector, domain)
        fix = fixes.as_alias(finding.fix, name, server, alias) if alias and finding.fix else None
        if fix:
            fix = await safe_fix(fix, domain=domain, session=session)
        if fix and fix.records:
            made.append(replace(finding, fix=fix))
        else:
            made += await safe_findings([finding], domain=domain, session=session)
    return made


async def _without_selector(
    target: Target, session: CheckSession, evidence: Evidence, fault: Finding | None
) -> Outcome:
    """No selector is known from anywhere. If there can be no key, that is a verdict (RFC 8020)."""
    top = f"_domainkey.{target.domain}"
    lookup = await session.lookup(top, "TXT")
    if lookup.result == "NXDOMAIN":
        return await _without_any_key(top, target, session, evidence)
    says = _(
        "No DKIM selector is known for the domain, so it could not be seen which key its mail is "
        "signed with."
    )
    fix = Fix(
        _("Enter the selector that the mail server signs with for the domain or for its tenant.")
    )
    found = [unknown("dkim_selector_unknown", says, fix=fix)]
    found += [fault] if fault else []
    evidence["tried"] = [key_name(s, target.domain) for s in USUAL]
    guessed = await guess_selectors(session, target.domain)
    if guessed and (wild := await wildcard_answer(session, top)) and wild.texts:
        guessed = []  # a wildcard answers for every selector
    evidence["selectors"] = [s.evidence() for s in guessed]
    for seen in guessed:
        message = _(
            "A DKIM key is published for the usual selector “{s}” ({key}); it may be the one in "
            "use.",
            s=seen.selector,
            key=seen.key.label if seen.key else "",
        )
        found.append(info("dkim_guessed", message, owner=Owner.HOST))
    return Outcome(says, found, evidence)


async def _without_any_key(
    top: str, target: Target, session: CheckSession, evidence: Evidence
) -> Outcome:
    fix = Fix(
        _("Publish the DKIM record that the operator of the mail server gives for the domain.")
    )
    misplaced = await find_misplaced_keys(session, None, target.domain)
    evidence["misplaced"] = _misplaced_evidence(misplaced)
    if misplaced:
        says = _(
            "A DKIM key stands at {place}, where no receiver looks, and nothing at all below "
            "{top}: signatures cannot be verified.",
            place=misplaced[0].name,
            top=top,
        )
        return Outcome(says, [fail("dkim_misplaced", says, fix=fix)], evidence)
    says = _(
        "There is no name below {top}, and so no DKIM key: receivers cannot verify the domain's "
        "signatures.",
        top=top,
    )
    return Outcome(says, [fail("dkim_missing", says, fix=fix)], evidence)


def _summary(deciding: Sequence[SelectorLookup], server: ServerKey | None) -> Text:
    """The sentence for a domain with nothing to do."""
    good = [(s.selector, s.key.label) for s in deciding if s.key]
    if len(good) != 1:
        names = ", ".join(selector for selector, _label in good)
        return _("Keys are published for the selectors {names}", names=names)
    selector, label = good[0]
    if server and server.said_at:
        return _(
            "Selector {s}: {key}, the key that the server signed with by the portal's last answer",
            s=selector,
            key=label,
        )
    if server:
        return _("Selector {s}: {key}, the key that the server signs with", s=selector, key=label)
    return _("Selector {s}: {key}", s=selector, key=label)
