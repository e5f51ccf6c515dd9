"""The sending addresses on the block lists of the operator's choice (RFC 5782).

A list is asked about the tenant's own sending addresses and nothing else. Before that it has to
tell its test entries apart: one that lists everything, or nothing, or will not be asked, says
nothing about anybody. Its name may hold a key that was given to the operator: that is not shown.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from collectors.base import Fault, Finding, Fix, Outcome, Owner, fail, unknown
from collectors.net.session import CheckSession
from collectors.server.own_names import is_address
from collectors.server.reverse_dns import no_sending_address
from collectors.server.subject import Row, Server
from collectors.text import Text, _, clean, show_bytes

LISTED, NOT_LISTED = "127.0.0.2", "127.0.0.1"  # test entries (RFC 5782, 5)
LISTED_6, NOT_LISTED_6 = "::ffff:7f00:2", "::ffff:7f00:1"
MAX_LISTS = 8
KEY_LENGTH = 20  # characters of a label
REASON = 200  # characters of what a list says of an entry
_CODES = ip_network("127.0.0.0/8")  # only these are answers of a list (RFC 5782, 2.1)
# “you may not ask”: through a public resolver, too often, without a key
_REFUSALS = tuple(map(ip_network, ("127.255.255.0/24", "127.0.0.1/32", "127.0.0.255/32")))


class _Refused(Exception):
    """The list does not want to be asked, or is none (any more); with a sentence."""

    def __init__(self, code: str, message: Text) -> None:
        super().__init__(str(message))
        self.code, self.message = code, message


@dataclass
class Listing:
    """What one list says. `listed`: {address: its answers}; `reasons`: in the list's words."""

    name: str
    listed: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    not_asked: list[str] = field(default_factory=list)  # addresses of a family that it has not
    findings: list[Finding] = field(default_factory=list)  # where it says nothing

    def evidence(self) -> dict[str, Any]:
        seen = {"listed": self.listed, "reasons": self.reasons, "not_asked": self.not_asked}
        return {key: value for key, value in seen.items() if value}


def list_name(address: str, zone: str) -> str:
    """Where a list is asked about an address: reversed octets or nibbles (RFC 5782, 2.1, 2.4)."""
    pointer = ip_address(address).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def shown_name(zone: str) -> str:
    """A list's name without the key that may stand in it: a label that nobody would choose."""
    return ".".join("…" if len(label) >= KEY_LENGTH else label for label in zone.split("."))


async def judge_block_lists(server: Server, session: CheckSession) -> Outcome:
    """Each sending address on each list."""
    ips = [ip for ip in server.sending_ips if is_address(ip)]
    lists, quiet = server.dnsbls[:MAX_LISTS], session.apart()
    every = await asyncio.gather(*(_ask(zone, ips, quiet) for zone in lists))
    findings = [f for ip in ips if (f := _listed(ip, every))]
    findings += [f for one in every for f in one.findings]
    return Outcome(
        _("On none of: {lists}.", lists=", ".join(map(shown_name, lists))),
        findings,
        {"asked_about": ips, "lists": {one.name: one.evidence() for one in every}},
    )


async def _ask(zone: str, ips: Sequence[str], session: CheckSession) -> Listing:
    found = Listing(shown_name(zone))
    try:
        await _test(zone, LISTED, NOT_LISTED, session)
        six = [ip for ip in ips if ":" in ip]
        if six and not await _knows_ipv6(zone, session):
            found.not_asked = six
        asked = [ip for ip in ips if ip not in found.not_asked]
        answers = await asyncio.gather(*(_entry(zone, ip, session) for ip in asked))
        found.listed = {ip: codes for ip, codes in zip(asked, answers, strict=True) if codes}
        for ip in found.listed:
            found.reasons[ip] = await _reason(zone, ip, session)
    except _Refused as refused:
        found.findings = [unknown(refused.code, refused.message)]
    except Fault as fault:
        message = _(
            "The block list {list} could not be asked ({code}).",
            list=shown_name(zone),
            code=fault.code,
        )
        found.findings = [unknown("server_dnsbl_silent", message)]
    return found


async def _test(zone: str, listed: str, not_listed: str, session: CheckSession) -> None:
    """Raises _Refused where the test entries are not what they must be."""
    yes, no = await asyncio.gather(_entry(zone, listed, session), _entry(zone, not_listed, session))
    if no:
        message = _(
            "The block list {list} lists every address, as one does that has been given up: its "
            "answers mean nothing.",
            list=shown_name(zone),
        )
        raise _Refused("server_dnsbl_dead", message)
    if not yes:
        message = _(
            "The block list {list} does not know its own test entry: it is none, or none any more.",
            list=shown_name(zone),
        )
        raise _Refused("server_dnsbl_dead", message)


async def _knows_ipv6(zone: str, session: CheckSession) -> bool:
    try:
        await _test(zone, LISTED_6, NOT_LISTED_6, session)
    except (_Refused, Fault):
        return False
    return True


async def _entry(zone: str, ip: str, session: CheckSession) -> list[str]:
    """The list's answers about an address, none where it is not listed."""
    found = await session.lookup(list_name(ip, zone), "A")
    answers = [ip_address(a) for a in found.addresses]
    if any(a in network for a in answers for network in _REFUSALS):
        message = _(
            "The block list {list} does not let us ask ({answer}): see its terms, and ask through "
            "a resolver of your own or with the key that it gave you.",
            list=shown_name(zone),
            answer=", ".join(map(str, answers[:3])),
        )
        raise _Refused("server_dnsbl_refuses", message)
    if any(a not in _CODES for a in answers):
        message = _(
            "The block list {list} answers with {answer}, as no list does: its name may have been "
            "given up.",
            list=shown_name(zone),
            answer=", ".join(map(str, answers[:3])),
        )
        raise _Refused("server_dnsbl_dead", message)
    return [str(a) for a in answers[:10]]


async def _reason(zone: str, ip: str, session: CheckSession) -> str:
    try:
        texts = (await session.lookup(list_name(ip, zone), "TXT")).texts
    except Fault:
        return ""
    return clean(show_bytes(texts[0]), REASON) if texts else ""


def _listed(ip: str, every: Sequence[Listing]) -> Finding | None:
    on = [one for one in every if ip in one.listed]
    if not on:
        return None
    lists = ", ".join(f"{one.name} ({', '.join(one.listed[ip][:3])})" for one in on)
    message = _(
        "The sending address {ip} is on a block list: {lists}. Receivers that use it refuse or "
        "distrust mail from it.",
        ip=ip,
        lists=lists,
    )
    fix = Fix(
        _(
            "Find out what was sent from it (a hijacked account, a form on a web site), stop that, "
            "and ask the list to take the address off."
        )
    )
    return fail("server_dnsbl_listed", message, owner=Owner.HOST, fix=fix)


def _off(server: Server) -> Text | None:
    if not server.dnsbls:
        return _("No block lists are set (AUDIT_DNSBLS).")
    return no_sending_address(server)


DNSBL_ROW = Row("server_dnsbl", _("Block lists"), judge_block_lists, _off)
