"""cert_le: the certificate that the portal reports and the one that the webmail address serves, and one verdict over both.

The served one decides, as it is what people meet. Where it cannot be had, the portal's is judged alone; then nothing is
said of its trust, which hangs on the chain that a server sends along.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from collectors.base import Fault, Fix, Outcome, Owner, fail, unknown
from collectors.net_http import Handshake, WebFault
from collectors.net_portal import PortalFault
from collectors.standards.certificate_chains import Intermediates
from collectors.standards.certificates import Certificate, CertificateError, describe, read_chain, read_pem
from collectors.text import Text, _, clean
from collectors.web_place import NotAPlace, start_place
from collectors.web_words import LEAST_SECONDS, not_asked, tls_words, unheard

from . import certificate_findings as findings_of

INTERMEDIATES = Intermediates()  # what this process has learnt of public authorities; no domain's data


@dataclass(frozen=True)
class Reported:
    """The portal's side: its certificates (leaf first), or `missing` (404), or the fault that kept them from us."""

    chain: tuple[Certificate, ...] = ()
    missing: bool = False
    fault: Fault | None = None
    seen: dict | None = None

    @property
    def leaf(self):
        return self.chain[0] if self.chain else None


@dataclass(frozen=True)
class Served:
    """The webmail address's side: the handshake and its certificates, or `why` there are none.

    `absent`: that nothing is served is itself known; without it, it could only not be looked at.
    """

    handshake: Handshake | None = None
    chain: tuple[Certificate, ...] = ()
    why: Text | None = None
    absent: bool = False
    fault: Fault | None = None

    @property
    def leaf(self):
        return self.chain[0] if self.chain else None


async def audit(target, net, *, now=None, intermediates=INTERMEDIATES):
    """The Outcome of cert_le. `now` is the moment for which it is judged."""
    try:
        place = start_place(target.webmail)
    except NotAPlace as error:
        message = _("The tenant's webmail URL {url} cannot be used: {reason}. Correct it in the tenant.", url=target.webmail,
                    reason=error.reason)  # fmt: skip
        return Outcome(message, [unknown("webmail_url_invalid", message)], {"url": target.webmail})
    reported, served = await asyncio.gather(_reported(net), _served(net, place))
    return judge(place.host, reported, served, now=now or datetime.now(UTC), intermediates=intermediates)


async def _reported(net):
    try:
        answer = await net.portal("certificate")
    except Fault as fault:
        return Reported(fault=fault, seen={"error": fault.code, "message": str(fault.message)})
    if not answer.found:
        return Reported(missing=True, seen=answer.evidence())
    try:
        return Reported(read_pem(answer.data["pem"]), seen=answer.evidence())
    except CertificateError as error:
        problem = _("the field “{field}” holds no readable certificate.", field="pem")
        message = _("The portal's answer cannot be used: {problem}", problem=problem)
        return Reported(fault=PortalFault("portal_bad_response", message), seen={**answer.evidence(), "error": clean(str(error), 300)})


async def _served(net, place):
    if place.scheme != "https":
        return Served(why=_("The tenant's webmail address is not an https address."), absent=True)
    try:
        addresses = (await net.addresses(place.host)).all
        if not addresses:
            return Served(why=_("The name {host} has no address.", host=place.host), absent=True)
        blocked = [a for a in addresses if not net.reachable(a)]
        if blocked:
            why = _("The webmail name has an address that is not public ({address}); nothing is dialled.", address=blocked[0])
            return Served(why=why, absent=True)
        if net.seconds_left < LEAST_SECONDS:
            return Served(why=not_asked(place.host))
        brief = net.seconds_left < net.fair_seconds
        handshake = await net.handshake(place.host, place.port, addresses)
    except Fault as fault:
        return Served(why=fault.message, fault=fault)
    except WebFault as fault:
        if fault.silent and (brief or fault.deaf):
            return Served(why=unheard(fault, place.host))
        return Served(why=_why(fault), absent=_absent(fault))
    try:
        return Served(handshake, read_chain(handshake.chain))
    except CertificateError as error:
        return Served(handshake, why=_("The certificate that is served cannot be read ({problem}).", problem=clean(str(error), 200)))


def _absent(fault):
    """Whether a failed handshake shows that no certificate is served: not where the reason is a way of ours that is missing,
    nor where the server speaks TLS and only not with us."""
    if fault.kind == "unreachable":
        return fault.cause != "network"
    return fault.kind != "tls" or fault.cause in ("no_tls", "unknown_name", "alert")


def _why(fault):
    words = {
        "refused": _("The webmail address refuses the connection."),
        "timeout": _("The webmail address did not answer in time."),
        "reset": _("The webmail address closed the connection during the TLS handshake."),
        "unreachable": _("The webmail address cannot be reached."),
    }
    if fault.kind in words:
        return words[fault.kind]
    return _("No TLS connection with the webmail address: {cause}.", cause=tls_words(fault))


# -- the verdict


def judge(host, reported, served, *, now, intermediates):
    """The Outcome from what both sides said; no I/O."""
    evidence = {"host": host, "judged_at": now.isoformat(timespec="seconds"), "portal": _portal_evidence(reported, now)}
    evidence["served"] = _served_evidence(served, now)
    leaf = served.leaf or reported.leaf
    if leaf is None:
        return _nothing(reported, served, evidence)
    trust = findings_of.trust(reported, served, now, intermediates)
    findings = [
        *findings_of.names(leaf, host),
        *findings_of.dates(leaf, now),
        *trust,
        *findings_of.issuer(leaf, trust),
        *findings_of.key(leaf),
        *findings_of.unreadable(leaf),
    ]
    findings += findings_of.between(reported, served)
    evidence["judged"] = "served" if served.leaf else "portal"
    if not served.leaf:
        evidence["trust"] = "not judged: it depends on the chain that the server sends"
    return Outcome(_summary(leaf, reported, served, now), findings, evidence)


def _nothing(reported, served, evidence):
    """No certificate from either side: missing where both say so, else not to be measured."""
    if served.handshake is not None:
        findings = [unknown("cert_unreadable", served.why, owner=Owner.HOST)]
    elif reported.missing and served.absent:
        message = _(
            "The portal knows no certificate for {host}, and from outside none can be seen, so HTTPS does not work there. {why}",
            host=evidence["host"],
            why=served.why,
        )
        fix = Fix(_("Issue a Let's Encrypt certificate for the webmail name on the server."))
        findings = [fail("cert_missing", message, owner=Owner.HOST, fix=fix)]
    else:
        findings = [unknown("cert_unreachable", _("No certificate could be looked at. {why}", why=served.why))]
    findings += [side.fault.finding() for side in (reported, served) if side.fault]
    return Outcome(findings[0].message, findings, evidence)


def _summary(leaf, reported, served, now):
    days = max(0, (leaf.not_after - now).days) if leaf.not_after else 0
    if not served.leaf:
        where = _("reported by the portal, the served one could not be looked at")
    elif reported.leaf and reported.leaf.sha256 == served.leaf.sha256:
        where = _("the one that is served")
    else:
        where = _("as it is served")
    return _("{issuer}, days left: {days}, {where}", issuer=leaf.issuer_name, days=days, where=where)


# -- evidence


def _portal_evidence(reported, now):
    return {**(reported.seen or {}), **({"certificate": describe(reported.leaf, now)} if reported.leaf else {})}


def _served_evidence(served, now):
    seen = {"error": served.why} if served.why else {}
    if served.handshake:
        shake = served.handshake
        seen |= {"address": shake.address, "tls_version": shake.tls_version, "ms": shake.ms, "trusted": shake.trusted}
        if not shake.trusted:
            seen["verify_error"] = {"code": shake.verify_code, "message": shake.verify_message}
    if served.leaf:
        chain = [{"subject": c.subject[:500], "issuer": c.issuer[:500], "sha256": c.sha256} for c in served.chain[1:]]
        seen |= {"certificate": describe(served.leaf, now), "chain": chain}
    return seen
