"""Where DMARC reports are asked to go, and what authorises each destination (RFC 9990, 4)."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from collectors.base import Cause, Fault, Fix, Target
from collectors.names import organisational_domain as registrable
from collectors.net.session import CheckSession
from collectors.server.own_names import own_names
from collectors.standards import dmarc
from collectors.text import Text, _

DESTINATIONS = 10  # how many are verified, however many a record lists
WALKED = 10  # names that are asked at most to find the organizational domains of destinations


@dataclass(frozen=True)
class Destination:
    """A host that reports go to.

    `authorised` is None where it is not known; `by` says in words what decided it. `name`: where
    the authorising record is, or has to be; `standing`: whether a record stands there that does
    not authorise, or an alias.
    """

    host: str
    authorised: bool | None
    by: Text
    name: str = ""
    fault: Fault | None = None
    redirected: tuple[str, ...] = ()  # addresses that the destination's own record names instead
    standing: bool = False


Destinations = dict[str, Destination]  # by host


@dataclass(frozen=True)
class OwnReportAddress:
    """The tenant's address for reports; `uri` is empty where none is set.

    `repair`: what the host has to do before it takes reports about the domain; None: it takes them,
    or that could not be looked at. `cause`: the row of the server card that says so.
    """

    uri: str = ""
    host: str = ""
    repair: Fix | None = None
    cause: Cause | None = None

    @property
    def usable(self) -> str:
        """The URI where reports can be sent to it, else nothing."""
        return "" if self.repair else self.uri


def report_hosts(record: dmarc.DmarcRecord) -> list[str]:
    """The distinct hosts of all usable report addresses, those of `rua` first."""
    return list(
        dict.fromkeys(uri.host for uri in (*record.rua, *record.ruf) if uri.problem is None)
    )


async def texts_at(session: CheckSession, name: str) -> list[bytes]:
    """The TXT records at a name: the lookup that the standard's functions are given."""
    return (await session.lookup(name, "TXT")).texts


async def verify_destinations(
    domain: str, hosts: Iterable[str], session: CheckSession
) -> Destinations:
    """The first DESTINATIONS hosts, asked at the same time about a record found at `domain`."""
    verifier = _Verifier(domain, session)
    every = list(hosts)[:DESTINATIONS]
    if len(every) == 1:
        return {every[0]: await verifier.verify(every[0])}
    found = await asyncio.gather(*(verifier.verify(host) for host in every))
    return {destination.host: destination for destination in found}


async def own_report_address(target: Target, session: CheckSession) -> OwnReportAddress:
    """The tenant's address for reports, and whether it takes those about the target's domain."""
    uri = dmarc.parse_dmarc_uri("mailto:" + target.dmarc_rua.strip().removeprefix("mailto:"))
    if uri.problem:
        return OwnReportAddress()
    at = (await verify_destinations(target.domain, [uri.host], session))[uri.host]
    if at.authorised is not False:
        return OwnReportAddress(uri.text, uri.host)
    own = (await own_names(target, session)).dmarc_rua
    if own and own.problem:
        return OwnReportAddress(uri.text, uri.host, own.fix, own.cause)
    return OwnReportAddress(uri.text, uri.host, not_taken(uri.text, target.domain))


def not_taken(uri: str, domain: str) -> Fix:
    """What the host has to do where its report address takes no reports about a domain."""
    own = dmarc.parse_dmarc_uri(uri)
    text = _(
        "Our report address {address} takes no reports about {domain}. Publish “v=DMARC1;” at "
        "{name}, in the DNS of our own domain.",
        address=own.address,
        domain=domain,
        name=f"*._report._dmarc.{own.host}",
    )
    return Fix(text)


class _Verifier:
    """Verifies the destinations of the record at `domain`, the cheapest question first."""

    def __init__(self, domain: str, session: CheckSession) -> None:
        self.domain, self.session, self.left = domain, session, WALKED

    async def lookup(self, name: str) -> list[bytes]:
        return await texts_at(self.session, name)

    async def verify(self, host: str) -> Destination:
        if host == self.domain:
            return Destination(host, True, _("the domain itself"))
        # The list only says what to ask first; the walk decides (RFC 9989, 4.10.2).
        likely_same = registrable(host) == registrable(self.domain)
        try:
            if likely_same and (same := await self.same_organization(host)):
                return same
            listed = await self.authorisation(host)
            if listed.authorised or likely_same:
                return listed
            return await self.same_organization(host) or listed
        except Fault as fault:
            return Destination(host, None, fault.message, fault=fault)

    async def authorisation(self, host: str) -> Destination:
        """What the operator of `host` says about reports of the domain."""
        name = f"{self.domain}._report._dmarc.{host}"
        if len(name) > 253:  # step 4: such a name cannot exist
            too_long = _("the name of the authorising record would be longer than DNS allows")
            return Destination(host, False, too_long, name)
        found = await self.session.lookup(name, "TXT")
        records = [
            dmarc.parse_policy_record(text) for text in found.texts if dmarc.is_policy_record(text)
        ]
        if not records:
            nothing = _("no record at {name}", name=name)
            return Destination(host, False, nothing, name, standing=bool(found.chain))
        # step 9: the destination may name other addresses, but only at the same host
        instead = [uri for record in records for uri in record.destinations]
        if other := next((uri.host for uri in instead if uri.host != host), ""):
            elsewhere = _("the record at {name} sends them on to {other}", name=name, other=other)
            return Destination(host, False, elsewhere, name, standing=True)
        by = _("the record at {name}", name=name)
        return Destination(host, True, by, name, redirected=tuple(u.address for u in instead))

    async def same_organization(self, host: str) -> Destination | None:
        """The destination if it is in the organizational domain of the domain, else None."""
        organization = dmarc.organizational_domain(await dmarc.tree_walk(self.domain, self.lookup))
        if host != organization:
            if not host.endswith("." + organization):
                return None
            self.left -= host.count(".") - organization.count(".")
            if self.left < 0:
                return Destination(host, None, _("not verified"))
            walked = await dmarc.tree_walk(host, self.lookup)
            if dmarc.organizational_domain(walked) != organization:
                return None
        return Destination(host, True, _("the same organisational domain"))
