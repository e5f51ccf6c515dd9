"""Whether the next renewal will go through: what Let's Encrypt will look at, looked at before."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from collectors.base import DnsRecord, Fault, Finding, Fix, Owner, warn
from collectors.names import organisational_domain
from collectors.net.connection import in_order
from collectors.net.http_client import WebFault
from collectors.net.probe_faults import LEAST_SECONDS
from collectors.net.probe_url import ProbeUrl
from collectors.net.publishing import origin_of
from collectors.net.session import CheckSession
from collectors.server.webmail_place import WebmailPlace
from collectors.standards import caa
from collectors.standards.certificates import Certificate, covers, is_lets_encrypt, is_staging
from collectors.text import _

ISSUER = "letsencrypt.org"  # what Let's Encrypt calls itself in CAA records
CHALLENGE_PORTS = {443: 80}  # where HTTP-01 (RFC 8555, section 8.3) goes, by the port of HTTPS
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
MAX_NAMES = 10  # of one certificate that are looked up


def expect_renewal(url: ProbeUrl, place: WebmailPlace, session: CheckSession) -> None:
    """Ask for the CAA records while the handshake is on its way."""
    if url.scheme == "https" and place.visited and not place.found.unreachable:
        for name in caa.climbed(url.host):
            session.ask(name, "CAA")


async def renewal_findings(
    served: Sequence[Certificate],
    url: ProbeUrl,
    place: WebmailPlace,
    domain: str,
    session: CheckSession,
) -> list[Finding]:
    """The reasons for which the next renewal of the newest certificate will fail.

    One that is not for the webmail name is another site's, and nothing is said of its renewal. A
    certificate with a wildcard is renewed through DNS: neither port 80 nor where its names lead
    matters then.
    """
    leaf = max(
        (c for c in served if covers(c, url.host)),
        key=lambda c: c.not_before or _LONG_AGO,
        default=None,
    )
    if leaf is None or not is_lets_encrypt(leaf) or is_staging(leaf):
        return []
    if session.seconds_left < LEAST_SECONDS:
        return []
    wildcard = any(name.startswith("*.") for name in leaf.names)
    if wildcard and url.host not in leaf.names:  # asked for as *.X, the set of X counts
        looks = [_forbidden(url.host.partition(".")[2], domain, session, wildcard=True)]
    else:
        looks = [_forbidden(url.host, domain, session, wildcard=False)]
    if not wildcard:
        looks += [_closed(url, place, session), _moved_away(leaf, url.host, place, session)]
    found = await asyncio.gather(*looks)
    return [finding for finding in found if finding]


async def _forbidden(
    host: str, domain: str, session: CheckSession, *, wildcard: bool
) -> Finding | None:
    """CAA (RFC 8659), with the record that allows it, where it stands and is the customer's."""
    try:
        asked, records = await caa.relevant_set(host, session.lookup)
        if caa.allows(records, ISSUER, wildcard=wildcard):
            return None
        origin = await origin_of(session, asked, "CAA")
    except Fault:
        return None
    at = origin.wildcard or (origin.chain[-1] if origin.chain else asked)
    message = _(
        "The CAA record at {name} does not allow Let's Encrypt, so the next renewal of the "
        "certificate will fail.",
        name=at,
    )
    # at the end of the webmail name's alias, or where the name is the host's own, they can't act
    theirs = organisational_domain(at) == organisational_domain(domain)
    owner = Owner.CUSTOMER if theirs else Owner.HOST
    if caa.is_closed(records):
        text = _(
            "Take the critical CAA record out at {name}: while a property stands there that no "
            "authority knows, none may issue.",
            name=at,
        )
        return warn("cert_renewal_at_risk", message, owner=owner, fix=Fix(text))
    tag = "issuewild" if wildcard and caa.has(records, b"issuewild") else "issue"
    record = DnsRecord("CAA", at, f'0 {tag} "{ISSUER}"')
    text = _("Add a CAA record for Let's Encrypt at {name}; the others stay.", name=at)
    fix = Fix(text, (record,) if theirs else ())
    return warn("cert_renewal_at_risk", message, owner=owner, fix=fix)


async def _closed(url: ProbeUrl, place: WebmailPlace, session: CheckSession) -> Finding | None:
    port = CHALLENGE_PORTS.get(url.port)
    if port is None:
        return None
    try:
        await session.port_answers(port, in_order(place.visited))
    except Fault:
        return None
    except WebFault as fault:
        if fault.ours or fault.cause == "network" or fault.kind == "blocked":
            return None
        message = _(
            "Port {port} of {host} does not answer, through which Let's Encrypt checks: the next "
            "renewal of the certificate will fail.",
            port=port,
            host=url.host,
        )
        fix = Fix(_("Let the proxy answer on port {port} and open it in the firewall.", port=port))
        return warn("cert_renewal_at_risk", message, owner=Owner.HOST, fix=fix)
    return None


async def _moved_away(
    leaf: Certificate, host: str, place: WebmailPlace, session: CheckSession
) -> Finding | None:
    """Names on the certificate that do not lead to us; one of them stops the renewal for all."""
    if place.ours is None:
        return None
    names = [name for name in leaf.names if name != host][:MAX_NAMES]
    away = await asyncio.gather(*(_leads_away(name, place.ours, session) for name in names))
    gone = [name for name, is_away in zip(names, away, strict=True) if is_away]
    if not gone:
        return None
    message = _(
        "The certificate also names {names}, which does not lead to our server any more: the next "
        "renewal will fail for all of its names.",
        names=", ".join(gone[:5]),
    )
    fix = Fix(_("Take the name out of the certificate, or let it lead to the server again."))
    return warn("cert_renewal_at_risk", message, owner=Owner.HOST, fix=fix)


async def _leads_away(name: str, ours: frozenset[str], session: CheckSession) -> bool:
    try:
        found = await session.addresses(name)
    except Fault:
        return False
    return not any(address in ours for address in found.all)
