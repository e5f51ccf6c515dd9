"""Where DMARC reports are asked to go, and what authorises each destination (RFC 9990, section 4)."""

import asyncio
from dataclasses import dataclass

from collectors.base import Fault
from collectors.names import organisational_domain as registrable
from collectors.standards import dmarc
from collectors.text import Text, _

DESTINATIONS = 10  # how many are verified, however many a record lists
WALKED = 2  # for how many of them a tree walk is made where the public suffix list leaves it open


@dataclass(frozen=True)
class Destination:
    """A host that reports go to. `authorised` is None where it is not known; `by` says in words what decided it."""

    host: str
    authorised: bool | None
    by: Text
    name: str = ""  # where the authorising record is, or has to be
    fault: Fault | None = None
    redirected: tuple[str, ...] = ()  # addresses that the destination's own record names instead


def hosts(record):
    """The distinct hosts of all usable report addresses, those of `rua` first."""
    return list(dict.fromkeys(uri.host for uri in (*record.rua, *record.ruf) if uri.problem is None))


async def verify(domain, record, lookup) -> dict[str, Destination]:
    """{host: Destination} for the first DESTINATIONS hosts of the record that was found at `domain`; asked at the same time."""
    every = hosts(record)[:DESTINATIONS]
    walkers = [h for h in every if _outside(domain, record, h) and _may_be_one_organisation(domain, h)][:WALKED]
    return dict(zip(every, await asyncio.gather(*(_verify(domain, record, h, lookup, h in walkers) for h in every)), strict=True))


def authorisation_name(domain, host):
    """Where the operator of `host` says that it takes reports about `domain`."""
    return f"{domain}._report._dmarc.{host}"


async def _verify(domain, record, host, lookup, may_walk):
    if host == domain:
        return Destination(host, True, _("the domain itself"))
    if not _outside(domain, record, host):
        return Destination(host, True, _("the same organisational domain"))
    name = authorisation_name(domain, host)
    if len(name) > 253:  # step 4: such a name cannot exist
        return Destination(host, False, _("the name of the authorising record would be longer than DNS allows"), name)
    try:
        found = [dmarc.parse(text) for text in await lookup(name) if dmarc.is_record(text)]
        if found:
            # step 9: the destination may name other addresses, but only at the same host
            instead = tuple(u.address for u in found[0].destinations if u.host == host)
            return Destination(host, True, _("the record at {name}", name=name), name, redirected=instead)
        if _may_be_one_organisation(domain, host):
            organisation = await _organisation(domain, lookup)
            if host == organisation or host.endswith("." + organisation):
                if not may_walk:
                    return Destination(host, None, _("not verified"), name)
                if await _organisation(host, lookup) == organisation:
                    return Destination(host, True, _("the same organisational domain"))
    except Fault as fault:
        return Destination(host, None, fault.message, name, fault)
    return Destination(host, False, _("no record at {name}", name=name), name)


def _outside(domain, record, host):
    """True if `host` is outside the organisational domain of the record's domain, as far as can be said without a query.

    The public suffix list stands in for two tree walks of up to eight queries each: where it puts both names into one
    organisation, receivers do too, unless a `psd=n` draws the border elsewhere; the record's own is taken into account.
    """
    if record.psd == "n":
        return host != domain and not host.endswith("." + domain)
    return registrable(domain) != registrable(host)


def _may_be_one_organisation(domain, host):
    """True if the names share more than a top-level domain: a record in between can make them one organisation after all."""
    return domain.split(".")[-2:] == host.split(".")[-2:]


async def _organisation(name, lookup):
    return dmarc.organisational_domain(await dmarc.walk(name, lookup))
