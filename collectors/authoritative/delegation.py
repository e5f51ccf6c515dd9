"""Who is to be asked: the zone of a domain, its name servers, and their addresses.

The parent's referral decides, because it is what the world goes by; where it cannot be had, what
our resolver says of the zone (RFC 1034, 4.2; RFC 2181, 6). No server is asked whose name has any
address that a probe may not reach.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.authoritative.answers import Server, State, Trouble
from collectors.authoritative.budget import Budget, Host, Recursor, Spent
from collectors.names import is_below, public_suffixes
from collectors.net.dns_records import Address, Named
from collectors.net.dns_referral import Referral, read_referral
from collectors.net.dns_transport import BadTry
from collectors.text import clean

SERVERS = 6
PARENTS_ASKED = 2
REFERRAL_SECONDS = 2.5  # that the parent may take of the time
_LABELS_UP = 6  # how far above the domain its zone is looked for
Reachable = Callable[[str], bool]


@dataclass(frozen=True)
class Delegation:
    """`names`: the zone's name servers; `glue`: addresses that the parent sent along, by name."""

    zone: str = ""
    names: tuple[str, ...] = ()
    glue: dict[str, list[str]] = field(default_factory=dict)
    trouble: Trouble | None = None


class Finder:
    """Finds out whom to ask, within a budget."""

    def __init__(self, budget: Budget, recursor: Recursor, reachable: Reachable, port: int) -> None:
        self._budget, self._recursor = budget, recursor
        self._reachable, self._port = reachable, port

    async def delegation(self, domain: str) -> Delegation:
        """The zone that holds this domain, and its name servers."""
        zone, failed = domain, False
        names: tuple[str, ...] = ()
        for name in _upwards(domain):
            try:
                names = await self._servers_of(name)
            except BadTry:
                failed = True  # they may be down: the parent knows them
                break
            if names:
                zone = name
                break
        if not (names or failed):
            return Delegation(trouble=Trouble.NO_SERVERS)
        referral = await self._referral(zone, domain)
        if referral and referral.servers:
            glue: dict[str, list[str]] = {}
            for name, address in referral.glue:
                glue.setdefault(name, []).append(address)
            return Delegation(referral.zone, referral.servers, glue)
        if names:
            return Delegation(zone, names)
        return Delegation(trouble=Trouble.NOT_FOUND)

    async def servers(self, delegation: Delegation) -> list[Server]:
        """The servers to ask, at most six, spread over all; with an address, or why there is none.

        Sorted, so that they are the same ones each time.
        """
        names = sorted(set(delegation.names))
        spread = min(len(names), SERVERS)
        chosen = [names[i * len(names) // spread] for i in range(spread)]
        return list(
            await asyncio.gather(*(self._server(n, delegation.glue.get(n)) for n in chosen))
        )

    async def _server(self, name: str, glue: list[str] | None = None) -> Server:
        shown = clean(name, 255)
        try:
            addresses = glue or await self._addresses(name)
        except Spent:
            return Server(shown, state=State.NOT_ASKED)
        except BadTry:
            return Server(shown, state=State.NOT_FOUND)
        for address in addresses:
            if not self._reachable(address):
                return Server(shown, address, State.NOT_PUBLIC)
        if not addresses:
            return Server(shown, state=State.NO_ADDRESS)
        return Server(shown, min(addresses, key=lambda a: ":" in a))

    async def _addresses(self, name: str) -> list[str]:
        """The IPv4 addresses of a name server; IPv6 is asked for where there are none."""
        for rdtype in ("A", "AAAA"):
            found = await self._recursor.records(name, rdtype)
            if addresses := [r.address for r in found if isinstance(r, Address)]:
                return addresses
        return []

    async def _servers_of(self, name: str) -> tuple[str, ...]:
        """The name servers at a name, () where it is not the top of a zone."""
        answer = await self._recursor.ask(name, "NS")
        if answer.chain:  # an alias, which is the top of no zone (RFC 1034, 3.6.2)
            return ()
        return tuple(r.target for r in answer.records if isinstance(r, Named) and r.target)

    async def _referral(self, zone: str, domain: str) -> Referral | None:
        """What the parent's servers say of the zone; None where none of them says anything soon."""
        with contextlib.suppress(BadTry, TimeoutError):
            async with asyncio.timeout(REFERRAL_SECONDS):
                parent, names = await self._parent(zone)
                for name in sorted(names)[:PARENTS_ASKED]:
                    found = await self._referral_of(name, zone)
                    if found and len(found.zone) > len(parent) and is_below(domain, found.zone):
                        return found
        return None

    async def _referral_of(self, name: str, zone: str) -> Referral | None:
        """What one server of the parent says of the zone; None where it says nothing."""
        server = await self._server(name)
        if server.state != State.ANSWERED:
            return None
        host: Host = (server.address, self._port)
        try:
            return await self._budget.ask(host, zone, "NS", tries=1, reader=read_referral)
        except Spent:
            raise
        except BadTry:
            return None

    async def _parent(self, zone: str) -> tuple[str, tuple[str, ...]]:
        """The zone above, and its name servers."""
        for name in _upwards(zone.partition(".")[2], suffixes=True):
            if names := await self._servers_of(name):
                return name, names
        return "", ()


def _upwards(name: str, *, suffixes: bool = False) -> list[str]:
    """A name and those above it; registries' own (public suffixes) where they are asked for."""
    labels = name.split(".") if name else []
    names = [".".join(labels[i:]) for i in range(min(len(labels), _LABELS_UP))]
    known = public_suffixes()
    return names if suffixes else [n for n in names if n == name or known.privatesuffix(n)]
