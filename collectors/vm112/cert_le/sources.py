"""The two sources of cert_le: the certificate that the portal reports and the served ones."""

import asyncio
from dataclasses import dataclass

from collectors.base import Fault, Target
from collectors.net.circuit_breaker import PortalFault
from collectors.net.connection import in_order
from collectors.net.http_client import Handshake, WebFault
from collectors.net.portal_facts import KnownFact
from collectors.net.probe_faults import LEAST_SECONDS, no_answer_not_blamed, not_asked, tls_words
from collectors.net.probe_url import ProbeUrl
from collectors.net.session import CheckSession
from collectors.server.webmail_place import WebmailPlace
from collectors.standards.certificate_chains import leaves_of
from collectors.standards.certificates import (
    Certificate,
    CertificateError,
    covers,
    read_chain,
    read_pem,
)
from collectors.stored import Evidence, StoredFacts
from collectors.text import Text, _


@dataclass(frozen=True)
class Reported:
    """The portal's side: its certificates in the order of its file; `missing` (404); or the fault.

    `known`: what it says now, or said last. `absent`: there is no portal, on purpose, so what is
    served is held against nothing.
    """

    chain: tuple[Certificate, ...] = ()
    known: KnownFact[str] | None = None
    missing: bool = False
    fault: Fault | None = None
    seen: Evidence | None = None
    absent: bool = False

    @property
    def evidence(self) -> Evidence:
        return self.seen or (self.known.evidence if self.known else {})

    @property
    def facts(self) -> StoredFacts:
        """What is to be remembered of it."""
        return self.known.facts if self.known else StoredFacts()

    @property
    def leaves(self) -> tuple[Certificate, ...]:
        """Those that are no authority's, wherever they stand in the file."""
        return leaves_of(self.chain)

    def leaf_for(self, host: str) -> Certificate | None:
        """The one that the host is to serve, or the first, or None."""
        return next((c for c in self.leaves if covers(c, host)), next(iter(self.leaves), None))


@dataclass(frozen=True)
class Served:
    """One address's side: the handshake and its certificates, or `why` there are none.

    `absent`: that nothing is served is itself known; without it, it could only not be looked at.
    `refused`: TLS was spoken or tried, and the server has no certificate for the name.
    """

    handshake: Handshake | None = None
    chain: tuple[Certificate, ...] = ()
    why: Text | None = None
    absent: bool = False
    fault: Fault | None = None
    address: str = ""
    refused: bool = False

    @property
    def leaf(self) -> Certificate | None:
        return self.chain[0] if self.chain else None


async def reported_by_portal(target: Target, session: CheckSession) -> Reported:
    """What the portal says of the domain's certificate, or said last if it is silent."""
    if target.without_portal:
        return Reported(absent=True, seen={"absent": True})
    try:
        known = await session.configured_certificate()
    except PortalFault as fault:
        seen = {"error": fault.code, "message": str(fault.message)}
        return Reported(fault=fault, seen=seen)
    if not known.value:
        return Reported((), known, missing=True)
    return Reported(read_pem(known.value), known)


async def served_at(session: CheckSession, url: ProbeUrl, place: WebmailPlace) -> list[Served]:
    """What the addresses of the webmail name serve that are ours; one entry at least."""
    if url.scheme != "https":
        why = _("The tenant's webmail address is not an https address.")
        return [Served(why=why, absent=True)]
    if not place.found.all:
        why = _("The name {host} has no address.", host=url.host)
        return [Served(why=why, absent=True)]
    if place.found.unreachable:
        why = _(
            "The webmail name has an address that is not public ({address}); nothing is dialled.",
            address=place.found.unreachable[0],
        )
        return [Served(why=why, absent=True)]
    if not place.visited:
        why = _(
            "The webmail name leads to {address} and not to our server, so the certificate there "
            "is none of ours.",
            address=place.foreign[0],
        )
        return [Served(why=why)]
    return list(
        await asyncio.gather(
            *(_served_by(address, url, session) for address in in_order(place.visited))
        )
    )


async def _served_by(address: str, url: ProbeUrl, session: CheckSession) -> Served:
    if session.seconds_left < LEAST_SECONDS:
        return Served(why=not_asked(url.host), address=address)
    brief = session.seconds_left < session.fair_seconds
    try:
        shake = await session.handshake(url.host, url.port, address)
    except Fault as fault:
        return Served(why=fault.message, fault=fault, address=address)
    except WebFault as fault:
        if fault.ours or (fault.silent and brief):
            return Served(why=no_answer_not_blamed(fault, url.host), address=address)
        absent = _absent(fault)
        refused = absent and fault.kind == "tls"
        return Served(why=_why(fault), absent=absent, address=address, refused=refused)
    try:
        return Served(shake, read_chain(shake.chain), address=address)
    except CertificateError:
        why = _("The certificate that is served cannot be read.")
        return Served(shake, why=why, address=address)


def _absent(fault: WebFault) -> bool:
    """Whether a failed handshake shows that no certificate is served.

    Not where the reason is a way of ours that is missing, nor where the server speaks TLS and only
    not with us.
    """
    if fault.kind == "unreachable":
        return fault.cause != "network"
    return fault.kind != "tls" or fault.cause in ("no_tls", "unknown_name", "alert")


def _why(fault: WebFault) -> Text:
    words = {
        "refused": _("The webmail address refuses the connection."),
        "timeout": _("The webmail address did not answer in time."),
        "reset": _("The webmail address closed the connection during the TLS handshake."),
        "unreachable": _("The webmail address cannot be reached."),
    }
    if fault.kind in words:
        return words[fault.kind]
    return _("No TLS connection with the webmail address: {cause}.", cause=tls_words(fault))
