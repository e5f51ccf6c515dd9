"""Reverse DNS of the sending addresses, confirmed forward (RFC 8601, section 3; RFC 1912, 2.1).

Many receivers refuse or distrust mail from an address without it.
"""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from collectors.base import Fault, Finding, Fix, Outcome, Owner, fail
from collectors.net.dns_records import Named
from collectors.net.session import CheckSession
from collectors.server.name_rows import name_findings
from collectors.server.own_names import is_address, judge_sending_address
from collectors.server.subject import Row, Server
from collectors.text import Text, _

MAX_NAMES = 5  # of one address that are looked up


@dataclass(frozen=True)
class Reverse:
    """An address with the names that it has; `confirmed`: the one that leads back to it."""

    address: str
    names: tuple[str, ...] = ()
    confirmed: str = ""
    fault: Fault | None = None

    def evidence(self) -> dict[str, Any]:
        seen: dict[str, Any] = {"names": list(self.names)}
        return seen | ({"confirmed": self.confirmed} if self.confirmed else {})


async def judge_reverse_dns(server: Server, session: CheckSession) -> Outcome:
    """Each address is on the internet and has a name, and the name has the address."""
    own = [judge_sending_address(ip, session) for ip in server.sending_ips]
    ips = [name.name for name in own if not name.problem]
    every = await asyncio.gather(*(_reverse(ip, session) for ip in ips))
    findings = name_findings(own, session)
    findings += [finding for one in every if (finding := _finding(one))]
    names = dict.fromkeys(one.confirmed for one in every if one.confirmed)
    return Outcome(
        _(
            "Each sending address has a name that leads back to it: {names}.",
            names=", ".join(names),
        ),
        findings,
        {"addresses": {one.address: one.evidence() for one in every}},
    )


async def _reverse(ip: str, session: CheckSession) -> Reverse:
    try:
        found = await session.lookup(ip_address(ip).reverse_pointer, "PTR")
    except Fault as fault:
        return Reverse(ip, fault=fault)
    names = tuple(r.target for r in found.records if isinstance(r, Named))
    trouble = None
    for name in names[:MAX_NAMES]:
        try:
            addresses = await session.addresses(name)
        except Fault as fault:
            trouble = trouble or fault
            continue
        if ip_address(ip) in map(ip_address, addresses.all):
            return Reverse(ip, names, name)
        trouble = trouble or addresses.fault
    return Reverse(ip, names, fault=trouble)


def _finding(one: Reverse) -> Finding | None:
    if one.confirmed:
        return None
    if one.fault:
        return one.fault.finding()
    if not one.names:
        message = _(
            "The sending address {ip} has no reverse DNS: many receivers refuse mail from it.",
            ip=one.address,
        )
        fix = Fix(
            _(
                "Have whoever gave you the address set its reverse name to one of the server's, "
                "such as the name that it greets with."
            )
        )
        return fail("server_ptr_missing", message, owner=Owner.HOST, fix=fix)
    message = _(
        "The sending address {ip} has the reverse name {names}, which does not lead back to it: "
        "receivers count that as none.",
        ip=one.address,
        names=", ".join(one.names[:3]),
    )
    fix = Fix(
        _(
            "Publish the address {ip} at {name}, or have the reverse name set to one that has it.",
            ip=one.address,
            name=one.names[0],
        )
    )
    return fail("server_ptr_mismatch", message, owner=Owner.HOST, fix=fix)


def no_sending_address(server: Server) -> Text | None:
    """Why nothing is judged that is about sending addresses."""
    return None if any(map(is_address, server.sending_ips)) else _("No sending address is set.")


PTR_ROW = Row("server_ptr", _("Reverse DNS"), judge_reverse_dns, no_sending_address)
