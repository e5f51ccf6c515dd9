"""cert_le: the certificate that the portal reports and those that are served, and one verdict.

What is served decides, as it is what people meet. Where it cannot be had, the portal's is judged
alone; then nothing is said of its trust, which hangs on the chain that a server sends along.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from collectors.base import Fault, Finding, Fix, Outcome, Owner, Target, check, fail, unknown
from collectors.net.probe_url import UrlRefused, start_url
from collectors.net.session import CheckSession
from collectors.server.webmail_place import WebmailPlace, webmail_place
from collectors.standards.certificate_chains import Intermediates
from collectors.standards.certificates import Certificate, describe
from collectors.text import Text, _
from collectors.vm112.cert_le.findings import certificate_findings, two_sides, unreadable_served
from collectors.vm112.cert_le.nodes import as_good, best_node, node_certificate_findings
from collectors.vm112.cert_le.renewal import expect_renewal, renewal_findings
from collectors.vm112.cert_le.sources import Reported, Served, reported_by_portal, served_at


@check("cert_le", _("Certificate"))
async def check_certificate(target: Target, session: CheckSession) -> Outcome:
    """Look at both sources at once and judge them together."""
    try:
        url = start_url(target.webmail)
    except UrlRefused as error:
        message = _(
            "The tenant's webmail URL {url} cannot be used: {reason}. Correct it in the tenant.",
            url=target.webmail,
            reason=error.reason,
        )
        return Outcome(message, [unknown("webmail_url_invalid", message)], {"url": target.webmail})
    now = datetime.now(UTC)

    async def look() -> tuple[WebmailPlace | None, list[Served]]:
        try:
            place = await webmail_place(target, session, url.host)
        except Fault as fault:
            return None, [Served(why=fault.message, fault=fault)]
        expect_renewal(url, place, session)
        return place, await served_at(session, url, place)

    reported, (place, nodes) = await asyncio.gather(reported_by_portal(target, session), look())
    intermediates = session.intermediates
    outcome = certificate_outcome(url.host, reported, nodes, now=now, intermediates=intermediates)
    served = [node.leaf for node in nodes if node.leaf]
    if served and place:
        about = await renewal_findings(served, url, place, target.domain, session)
        outcome.findings.extend(about)
    return outcome


# -- the verdict


def certificate_outcome(
    host: str,
    reported: Reported,
    nodes: Sequence[Served],
    *,
    now: datetime,
    intermediates: Intermediates,
) -> Outcome:
    """The Outcome from what both sides said; `nodes`: one entry an address. No I/O."""
    leaf = reported.leaf_for(host)
    evidence: dict[str, Any] = {"host": host, "portal": _portal_evidence(reported, leaf)}

    def judged(node: Served) -> list[Finding]:
        return certificate_findings(host, node, reported, now, intermediates)

    seen = [(node, judged(node)) for node in nodes if node.leaf]
    if seen:
        served, findings = best_node(seen, reported)
        leaf = served.leaf
        alike = as_good(findings, seen)
        findings = [*findings, *node_certificate_findings(host, served, seen, nodes)]
        evidence["judged"] = "served"
    else:
        served = nodes[0]
        findings, alike = judged(served) if leaf else [], []
        evidence["judged"] = "portal"
        evidence["trust"] = "not judged: it depends on the chain that the server sends"
    evidence["served"] = _served_evidence(served)
    if len(nodes) > 1:
        evidence["nodes"] = {node.address: _node_evidence(node) for node in nodes}
    if leaf is None:
        return _nothing(reported, nodes, evidence)
    findings += two_sides(reported, served, alike, now)
    return Outcome(_summary(leaf, reported, served, now), findings, evidence, reported.facts)


def _nothing(reported: Reported, nodes: Sequence[Served], evidence: dict[str, Any]) -> Outcome:
    """No certificate from either side: missing where both say so, else not to be measured."""
    del evidence["judged"], evidence["trust"]
    unread = next((node for node in nodes if node.handshake), None)
    why = (unread or nodes[0]).why or ""
    if unread:
        findings = [unreadable_served(unread)]
    elif reported.missing and all(node.absent for node in nodes):
        message = _(
            "The portal knows no certificate for {host}, and from outside none can be seen, so "
            "HTTPS does not work there. {why}",
            host=evidence["host"],
            why=why,
        )
        fix = Fix(_("Issue a Let's Encrypt certificate for the webmail name on the server."))
        findings = [fail("cert_missing", message, owner=Owner.HOST, fix=fix)]
    else:
        message = _("No certificate could be looked at. {why}", why=why)
        findings = [unknown("cert_unreachable", message)]
    sides = [reported.fault, *(node.fault for node in nodes)]
    faults = {fault.code: fault for fault in sides if fault}
    findings += [fault.finding() for fault in faults.values()]
    return Outcome(findings[0].message, findings, evidence, reported.facts)


def _summary(leaf: Certificate, reported: Reported, served: Served, now: datetime) -> Text:
    days = max(0, (leaf.not_after - now).days) if leaf.not_after else 0
    if not served.leaf:
        where = _("reported by the portal, the served one could not be looked at")
    elif any(known.sha256 == served.leaf.sha256 for known in reported.leaves):
        where = _("the one that is served")
    else:
        where = _("as it is served")
    return _(
        "{issuer}, days left: {days}, {where}", issuer=leaf.issuer_name, days=days, where=where
    )


# -- evidence


def _portal_evidence(reported: Reported, leaf: Certificate | None) -> dict[str, Any]:
    return {**reported.evidence, **({"certificate": describe(leaf)} if leaf else {})}


def _served_evidence(served: Served) -> dict[str, Any]:
    seen: dict[str, Any] = {"error": served.why} if served.why else {}
    if served.handshake:
        shake = served.handshake
        seen |= {
            "address": shake.address,
            "tls_version": shake.tls_version,
            "trusted": shake.trusted,
        }
        if not shake.trusted:
            seen["verify_error"] = {"code": shake.verify_code, "message": shake.verify_message}
    if served.leaf:
        chain = [
            {"subject": c.subject[:500], "issuer": c.issuer[:500], "sha256": c.sha256}
            for c in served.chain[1:]
        ]
        seen |= {"certificate": describe(served.leaf), "chain": chain}
    return seen


def _node_evidence(node: Served) -> dict[str, Any]:
    if node.leaf is None:
        return {"error": node.why}
    return {
        "sha256": node.leaf.sha256,
        "subject": node.leaf.subject[:500],
        "issuer": node.leaf.issuer[:500],
        "not_after": node.leaf.not_after and node.leaf.not_after.isoformat(),
    }
