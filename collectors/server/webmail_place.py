"""Where the webmail name leads, held against where the tenant says that it must lead."""

from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address

from collectors.base import Target
from collectors.net.session import Addresses, CheckSession
from collectors.server.own_names import OwnName, own_names


@dataclass(frozen=True)
class WebmailPlace:
    """The addresses of the webmail name.

    `ours`: those that it must lead to; None where nothing is set, or what is set cannot be looked
    at. `broken`: the setting of ours that does not work.
    """

    found: Addresses
    ours: frozenset[str] | None = None
    broken: OwnName | None = None

    @property
    def foreign(self) -> tuple[str, ...]:
        """The addresses that are not ours, as far as that is known."""
        if self.ours is None:
            return ()
        return tuple(a for a in self.found.all if _same(a) not in self.ours)

    @property
    def visited(self) -> tuple[str, ...]:
        """The addresses at which our webmail is looked for."""
        return tuple(a for a in self.found.all if a not in self.foreign)


async def webmail_place(target: Target, session: CheckSession, host: str) -> WebmailPlace:
    """Where `host` leads; raises DnsFault."""
    session.expect_connection()
    if not (target.webmail_addresses or target.webmail_target):
        return WebmailPlace(await session.addresses(host))
    # these alone: a visit does not wait for what is asked of the others
    names = replace(target, mail_hosts=(), sending_ips=(), spf_include="", dmarc_rua="")
    session.ask(host, "A", "AAAA")
    own = await own_names(names, session)
    found = await session.addresses(host)
    name = own.webmail_target
    settings = [s for s in (name, *own.webmail_addresses.values()) if s]
    broken = next((s for s in settings if s.problem), None)
    ours = {_same(address) for address in target.webmail_addresses}
    if name:
        ours |= {_same(address) for address in name.addresses}
    unsure = name is not None and (name.fault or (name.problem and not ours))
    if unsure and any(_same(address) not in ours for address in found.all):
        return WebmailPlace(found, None, broken)
    return WebmailPlace(found, frozenset(ours), broken)


@lru_cache(10_000)
def _same(address: str) -> str:
    return str(ip_address(address))
