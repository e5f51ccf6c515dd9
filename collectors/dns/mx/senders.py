"""Who may send for a domain by the term `mx` of its SPF record, and could not with another MX set.

Whoever moves mail to another server goes on sending from the old one for a while, or for good: a
fix of the MX records takes away nobody's leave to send (RFC 7208, section 5.4).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from collectors.base import Action, DnsRecord, Fault, Finding, Fix, Target
from collectors.dns.mx.exchanges import MAX_EXCHANGES
from collectors.dns.mx.to_come import WithMx, passes, with_mx_to_come
from collectors.net.dns_records import Exchange as MxRecord
from collectors.net.session import CheckSession
from collectors.standards.spf.record import is_spf, parse_leniently, record_text
from collectors.text import Text, _

MAX_ADDRESSES = 20  # that are looked at; with more, a record gets too long anyhow
MAX_BYTES = 450  # of a record; more is a finding of its own


@dataclass(frozen=True)
class LosingSenders:
    """`hosts` that a record lets send now, and does not once other MX records stand.

    `terms`: what lets them send without a lookup (RFC 7208, section 4.6.4), with the prefix length
    that `mx` has. `complete`: these are all of them.
    """

    hosts: tuple[str, ...]
    terms: tuple[str, ...]
    complete: bool = True

    def kept_by(self, text: str) -> str:
        """The record `text` with them, where `mx` let them send; '' where it gets too long."""
        terms = parse_leniently(text).terms
        at = next((t.offset for t in terms if t.name == "mx" and not t.is_modifier), None)
        if at is None:
            ends = ("include", "all", "redirect")
            at = next((t.offset for t in terms if t.name in ends), len(text) + 1)
        words = [text[:at].rstrip(" "), *self.terms, text[at:]]
        better = " ".join(w for w in words if w)
        return better if self.complete and len(better) <= MAX_BYTES else ""

    def says(self, *, kept: bool) -> Text:
        """What becomes of them."""
        if kept:
            return _(
                "The SPF record lets {hosts} send by “mx”: so that this stays so, {terms} is put "
                "into it. Take that out when nothing is sent from there any more.",
                hosts=", ".join(self.hosts),
                terms=" ".join(self.terms),
            )
        return _(
            "The SPF record lets {hosts} send by “mx”, and will not any more: if mail of the "
            "domain is still sent from there, first put {terms} into it.",
            hosts=", ".join(self.hosts),
            terms=" ".join(self.terms),
        )


async def losing_senders(
    target: Target, session: CheckSession, text: str, later: WithMx | None
) -> LosingSenders | None:
    """Who sends by an exchange that goes, if `text` is the record; None where nobody does.

    What cannot be looked up is passed over.
    """
    if later is None:
        return None
    lost: dict[str, str] = {}  # host by address
    complete = False
    with contextlib.suppress(Fault, TimeoutError):
        async with asyncio.timeout(session.seconds_left):
            complete = await _look(target.domain, session, text, later, lost)
    if not lost:
        return None
    mx = next((t for t in parse_leniently(text).directives if t.name == "mx"), None)
    terms = [_term(a, (mx.prefix4, mx.prefix6) if mx else (32, 128)) for a in lost]
    hosts, once = tuple(dict.fromkeys(lost.values())), tuple(dict.fromkeys(terms))
    return LosingSenders(hosts, once, complete)


def _term(address: str, prefixes: tuple[int, int]) -> str:
    version = ip_address(address).version
    network = ip_network((address, prefixes[version == 6]), strict=False)
    shown = address if network.num_addresses == 1 else network
    return f"ip{version}:{shown}"


async def _look(
    domain: str, session: CheckSession, text: str, later: WithMx, lost: dict[str, str]
) -> bool:
    """Fill in each address that loses its leave to send, and the exchange that it is of.

    Whether all were looked at.
    """
    found = (await session.lookup(domain, "MX")).records
    stay = {record.exchange for record in later.records}
    best = sorted((r for r in found if isinstance(r, MxRecord)), key=lambda r: r.preference)
    going = list(dict.fromkeys(r.exchange for r in best if r.exchange and r.exchange not in stay))
    seen: set[str] = set()
    for host in going[:MAX_EXCHANGES]:
        try:
            addresses = (await session.addresses(host)).all
        except Fault:
            continue  # it could not be seen that it may send
        for address in addresses:
            if address in seen:
                continue
            if len(seen) == MAX_ADDRESSES:
                return False
            seen.add(address)
            now_passes = await passes(domain, text, address, session)
            if now_passes and not await passes(domain, text, address, later):
                lost[address] = host
    return len(going) <= MAX_EXCHANGES


async def keep_senders(
    findings: Sequence[Finding], target: Target, session: CheckSession, hosts: Sequence[str]
) -> list[Finding]:
    """The findings, with the SPF record in their MX fix that lets everybody send who may now.

    `hosts`: the mail hosts that the fix publishes. Where the SPF check has a fix of its own, its
    record takes this one's place (`collectors.dns.agreement`).
    """
    if not any(_changes_mx(f.fix) for f in findings):
        return list(findings)
    try:
        texts = [t for t in (await session.lookup(target.domain, "TXT")).texts if is_spf(t)]
    except Fault:
        return list(findings)
    text = record_text(texts[0]) if len(texts) == 1 else ""
    later = await with_mx_to_come(target, session, hosts) if text else None
    lost = await losing_senders(target, session, text, later)
    if lost is None:
        return list(findings)
    better = lost.kept_by(text)
    record = DnsRecord("TXT", target.domain, better, Action.REPLACE, text, carried=True)
    more = (record,) if better else ()

    def kept(fix: Fix) -> Fix:
        says = _("{text} {why}", text=fix.text, why=lost.says(kept=bool(better)))
        return Fix(says, (*fix.records, *more))

    return [replace(f, fix=kept(f.fix)) if f.fix and _changes_mx(f.fix) else f for f in findings]


def _changes_mx(fix: Fix | None) -> bool:
    return fix is not None and any(r.type == "MX" and r.action != Action.ADD for r in fix.records)
