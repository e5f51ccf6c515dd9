"""The exchanges of a domain: what its MX records name, and where these names lead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address

from collectors.base import Evidence, Fault
from collectors.names import organisational_domain, same_name
from collectors.net.dns_lookup import DnsFault
from collectors.net.dns_records import Exchange as MxRecord
from collectors.net.session import Addresses, CheckSession
from collectors.server.own_names import OwnName, OwnNames

MAX_EXCHANGES = 10  # whose addresses are looked up; the best ones


@dataclass(frozen=True)
class Exchange:
    """One MX record. `host`: in lower case without trailing dot, '' for the root (a null MX).

    `ours`: it is one of the tenant's `mail_hosts`.
    """

    preference: int
    host: str
    ours: bool = False

    @property
    def text(self) -> str:
        return f"{self.preference} {self.host or '.'}"

    @cached_property  # a hostile zone names 2,000, and each is looked at in many ways
    def is_literal(self) -> bool:
        """Whether an address stands where a name belongs: `192.0.2.1.`, `[192.0.2.1].`, `::1.`"""
        try:
            ip_address(self.host.removeprefix("[").removesuffix("]").removeprefix("ipv6:"))
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class ExchangeLookup:
    """What an exchange's name leads to; `fault` where that could not be had."""

    exchange: Exchange
    addresses: Addresses | None = None
    fault: Fault | None = None

    @property
    def host(self) -> str:
        return self.exchange.host

    @property
    def alias(self) -> str:
        return self.addresses.alias if self.addresses else ""

    @property
    def found(self) -> tuple[str, ...]:
        return self.addresses.all if self.addresses else ()

    @property
    def reached(self) -> tuple[str, ...]:
        return self.addresses.reachable if self.addresses else ()

    @property
    def is_dead(self) -> bool:
        """Whether there is no address."""
        return self.addresses is not None and not self.addresses.all

    @property
    def unseen(self) -> Fault | None:
        """Why it is not known whether anything can be reached there; None where it is."""
        if self.addresses is None:
            return self.fault
        return None if self.addresses.reachable else self.addresses.fault

    def evidence(self) -> Evidence:
        shown: Evidence = {
            "preference": self.exchange.preference,
            "host": self.host,
            "ours": self.exchange.ours,
        }
        if self.addresses is None:
            return {**shown, "result": self.fault.code if self.fault else ""}
        shown |= {
            "result": self.addresses.result,
            "addresses": self.found,
            "unreachable": self.addresses.unreachable,
            **({"unseen": self.addresses.fault.code} if self.addresses.fault else {}),
        }
        return {**shown, "alias_of": self.alias} if self.alias else shown


@dataclass(frozen=True)
class Exchanges:
    """All that was seen of a domain's exchanges, best first.

    `own`: the tenant's names, as they are judged; empty where no judgement is needed.
    `through_alias`: the domain is an alias, and the MX records are those of a name outside it.
    `borne`: those of `mail_hosts` that can be published without breaking the domain's SPF record.
    """

    domain: str
    records: Sequence[Exchange]
    lookups: Sequence[ExchangeLookup] = ()
    mail_hosts: tuple[str, ...] = ()
    own: OwnNames = field(default_factory=OwnNames)
    through_alias: bool = False
    borne: tuple[str, ...] = ()

    @property
    def named(self) -> list[Exchange]:
        """Those that name a host."""
        return [x for x in self.records if x.host and not x.is_literal]

    @property
    def broken(self) -> OwnName | None:
        """The first of the tenant's own names that does not work."""
        return next((name for name in self.own.mail_hosts.values() if name.problem), None)

    def own_name(self, host: str) -> OwnName | None:
        return next((n for n in self.own.mail_hosts.values() if same_name(n.name, host)), None)

    def lookup(self, host: str) -> ExchangeLookup | None:
        return next((s for s in self.lookups if s.host == host), None)

    @property
    def own_addresses(self) -> set[str]:
        return {a for name in self.own.mail_hosts.values() for a in name.addresses}

    def leads_to_us(self, host: str) -> bool | None:
        """Whether a name leads to the tenant's mail hosts only.

        None where that cannot be said of a name that may well: the customer's or the tenant's.
        """
        seen = self.lookup(host)
        if seen is None or self.through_alias:
            return False
        if any(same_name(seen.alias, ours) for ours in self.mail_hosts):
            return True
        if seen.reached and set(seen.found) <= self.own_addresses:
            return True
        return None if self.why_unclear(seen) and not self.is_a_strangers(host) else False

    def is_a_strangers(self, host: str) -> bool:
        """Whether a name belongs to neither the customer nor the tenant."""
        known = {organisational_domain(name) for name in (self.domain, *self.mail_hosts)}
        return organisational_domain(host) not in known

    def why_unclear(self, seen: ExchangeLookup) -> Fault | None:
        """Why it cannot be said whether a name leads to the tenant's mail hosts."""
        own = (name.fault for name in self.own.mail_hosts.values())
        return seen.unseen or next((fault for fault in own if fault), None)


def read_exchange(record: MxRecord, mail_hosts: Iterable[str]) -> Exchange:
    """The Exchange in an MX record."""
    host = record.exchange
    return Exchange(record.preference, host, any(same_name(host, ours) for ours in mail_hosts))


async def look_up(exchanges: Iterable[Exchange], session: CheckSession) -> list[ExchangeLookup]:
    """Where the best MAX_EXCHANGES names lead, each once."""
    best = {x.host: x for x in reversed(list(exchanges))}.values()
    asked = list(best)[::-1][:MAX_EXCHANGES]
    for exchange in asked:
        session.ask(exchange.host, "A", "AAAA")
    return [await _look_up(x, session) for x in asked]


async def _look_up(exchange: Exchange, session: CheckSession) -> ExchangeLookup:
    try:
        return ExchangeLookup(exchange, await session.addresses(exchange.host))
    except DnsFault as fault:
        return ExchangeLookup(exchange, fault=fault)
