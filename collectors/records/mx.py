"""MX (RFC 5321 section 5.1, RFC 7505, RFC 2181 section 10.3): does mail for the domain reach the tenant?"""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address

from collectors.base import Fault, Outcome, Owner, fail, info, warn
from collectors.names import same_name
from collectors.net import Addresses
from collectors.net_dns import DnsFault
from collectors.text import _

from . import mx_fix as fixes
from .apex_alias import foreign_end, instead_of_alias

MAX_EXCHANGES = 10  # whose addresses are looked up; the best ones


@dataclass(frozen=True)
class Exchange:
    """One MX record: `host` in lower case without trailing dot ('' for the root, which is a null MX), `ours` if it is the tenant's."""

    preference: int
    host: str
    ours: bool

    @property
    def text(self):
        return f"{self.preference} {self.host or '.'}"

    @property
    def is_literal(self):
        """Whether an address stands where a name belongs: `192.0.2.1.`, `[192.0.2.1].` or `2001:db8::1.`"""
        try:
            ip_address(self.host.removeprefix("[").removesuffix("]").removeprefix("ipv6:"))
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Seen:
    """What an exchange's name leads to; `fault` where that could not be had."""

    exchange: Exchange
    addresses: Addresses | None = None
    alias: str = ""
    fault: Fault | None = None


async def audit(target, net):
    """The outcome of `dns_mx`. A fault of the MX lookup is raised; one of an exchange's addresses counts where it could matter."""
    lookup = await net.lookup(target.domain, "MX")
    name = lookup.chain[-1] if lookup.chain else target.domain
    found = sorted((_exchange(r, target) for r in lookup.records), key=lambda x: (x.preference, x.host))
    evidence = {"result": lookup.result, "mx": [x.text for x in found], "mail_hosts": target.mail_hosts}
    if not found:
        return await _absent(lookup, name, target, net, evidence)
    standing = [] if foreign_end(target.domain, lookup.chain) else found
    fix = instead_of_alias(fixes.record_set(name, standing, target.mail_hosts), target.domain, lookup.chain)
    exchanges = [x for x in found if x.host]
    if not exchanges:
        says = _("{name} publishes a null MX (“0 .”): it declares that it takes no mail, and senders do not even try.", name=name)
        return Outcome(says, [fail("mx_null", says, fix=fix)], evidence)
    findings = []
    if len(exchanges) < len(found):
        says = _("A null MX (“0 .”) stands beside other MX records: they contradict each other, and some senders refuse to deliver.")
        findings.append(fail("mx_null_mixed", says, fix=fix))
    for literal in (x for x in exchanges if x.is_literal):
        says = _("An MX record names “{host}”, an address; it takes a host name, and senders do not deliver there.", host=literal.host)
        findings.append(fail("mx_target_is_ip", says, fix=fix))
    seen = await _look(_unique(exchanges), net)
    if target.mail_hosts:
        findings += _ours([x for x in exchanges if not x.is_literal], seen, target, fix)
    findings += [] if foreign_end(target.domain, lookup.chain) else _duplicates(name, exchanges)
    evidence["exchanges"] = [_shown(s) for s in seen]
    if len(_unique(exchanges)) > MAX_EXCHANGES:
        evidence["exchanges_looked_up_at_most"] = MAX_EXCHANGES
    findings += _reach(seen, target, fix)
    return Outcome(_summary(exchanges, target), findings, evidence)


def _exchange(record, target):
    host = record.exchange.to_text(omit_final_dot=True).lower().removesuffix(".")
    return Exchange(record.preference, host, any(same_name(host, ours) for ours in target.mail_hosts))


def _unique(exchanges):
    """Each host once, at its best preference, addresses left out."""
    return list({x.host: x for x in reversed(exchanges) if not x.is_literal}.values())[::-1]


async def _absent(lookup, name, target, net, evidence):
    fix = instead_of_alias(fixes.record_set(name, [], target.mail_hosts), target.domain, lookup.chain)
    if lookup.result == "NXDOMAIN":
        if lookup.chain:
            says = _(
                "{domain} is an alias of {name}, which does not exist in DNS: no mail can be delivered to it. Correct the alias.",
                domain=target.domain,
                name=name,
            )
        else:
            says = _(
                "The domain {name} does not exist in DNS: no mail can be delivered to it. See that it is registered and its name "
                "servers know it.",
                name=name,
            )
        return Outcome(says, [fail("mx_domain_not_found", says, fix=fix)], evidence)
    try:
        address = await net.addresses(name)
    except DnsFault:
        address = None  # it would only say more
    if address and address.all:
        evidence["addresses"] = address.all
        says = _(
            "{name} has no MX record: senders deliver to its own address {address}, usually that of its web site.",
            name=name,
            address=address.all[0],
        )
    else:
        says = _("{name} has no MX record: mail for it cannot be delivered.", name=name)
    return Outcome(says, [fail("mx_missing", says, fix=fix)], evidence)


def _ours(exchanges, seen, target, fix):
    """Whether the tenant's exchanges are there and come first. A foreign one of equal preference gets a share of all mail,
    so it is judged like a better one. `seen`: what their names lead to."""
    foreign = [x for x in exchanges if not x.ours]
    best = min((x.preference for x in exchanges if x.ours), default=None)
    if best is None:
        doubled = next((x for x in foreign if any(same_name(x.host, f"{h}.{target.domain}") for h in target.mail_hosts)), None)
        if doubled:
            says = _(
                "The MX record names {host}: the domain was added to the server's name. Mail does not reach the mail server; end the "
                "name with a dot, or choose “absolute name”, when entering it.",
                host=doubled.host,
            )
        elif alias := next((s for s in seen if any(same_name(s.alias, h) for h in target.mail_hosts)), None):
            says = _(
                "The MX record names {host}, an alias of the mail server {to}: some senders refuse to deliver to an alias. Name the "
                "mail server itself.",
                host=alias.exchange.host,
                to=alias.alias,
            )
        else:
            says = _("None of the MX records names the mail server ({hosts}): mail goes elsewhere.", hosts=", ".join(target.mail_hosts))
        return [fail("mx_not_ours", says, fix=fix)]
    findings = []
    first = [x for x in foreign if x.preference < best]
    equal = [x for x in foreign if x.preference == best]
    behind = [x for x in foreign if x.preference > best]
    if first:
        says = _("Senders deliver to {hosts} first: mail comes to the mail server only when that one is down.", hosts=_hosts(first))
        findings.append(fail("mx_not_primary", says, fix=fix))
    elif equal:
        says = _("{hosts} has the same preference as the mail server: part of the mail goes there.", hosts=_hosts(equal))
        findings.append(fail("mx_not_primary", says, fix=fix))
    if behind:
        says = _(
            "{hosts} takes mail when the mail server is busy: mail may get stuck there, or spam come in that way.", hosts=_hosts(behind)
        )
        findings.append(warn("mx_foreign_backup", says, fix=fix))
    return findings


def _duplicates(name, exchanges):
    by_host: dict[str, list] = {}
    for exchange in exchanges:
        by_host.setdefault(exchange.host, []).append(exchange)
    return [
        info("mx_duplicate", _("{host} is listed more than once; the best preference counts.", host=host), fix=fixes.once(name, same))
        for host, same in by_host.items()
        if len(same) > 1
    ]


async def _look(exchanges, net):
    return await asyncio.gather(*(_look_at(x, net) for x in exchanges[:MAX_EXCHANGES]))


async def _look_at(exchange, net):
    try:
        addresses = await net.addresses(exchange.host)
    except DnsFault as fault:
        return Seen(exchange, fault=fault)
    alias = ""
    for rdtype in ("A", "AAAA"):
        try:
            chain = (await net.lookup(exchange.host, rdtype)).chain  # the same lookup, shared
        except DnsFault:
            continue
        alias = alias or (chain[-1] if chain else "")
    return Seen(exchange, addresses, alias)


def _shown(seen):
    shown = {"preference": seen.exchange.preference, "host": seen.exchange.host, "ours": seen.exchange.ours}
    if seen.fault:
        return {**shown, "result": seen.fault.code}
    shown |= {"result": seen.addresses.result, "addresses": seen.addresses.all, "unreachable": seen.addresses.unreachable}
    return {**shown, "alias_of": seen.alias} if seen.alias else shown


def _reach(seen, target, fix):
    """Whether the exchanges lead to addresses that senders can reach. Without `mail_hosts` every exchange counts as ours."""
    findings = []
    ours = [s for s in seen if s.exchange.ours or not target.mail_hosts]
    nowhere = [s for s in seen if s.addresses and not s.addresses.all]
    for s in nowhere:
        all_of_ours = s in ours and all(o in nowhere for o in ours)
        says = _("{host}, which an MX record names, has no address: mail cannot be delivered there.", host=s.exchange.host)
        findings.append((fail if all_of_ours else warn)("mx_target_unresolvable", says, **_cure(s, target, fix)))
    for s in seen:
        host = s.exchange.host
        if s.alias:
            says = _(
                "{host} is an alias of {to}; an MX record must not name an alias, and some senders refuse it.",
                host=host,
                to=s.alias,
            )
            findings.append(warn("mx_target_is_cname", says, **_cure(s, target, fix)))
        if s.addresses and s.addresses.fault and not s.addresses.reachable:
            findings += [s.addresses.fault.finding()] if s in ours else []  # the other family may be the one that works
        elif s.addresses and s.addresses.all and not s.addresses.reachable:
            listed = ", ".join(s.addresses.all[:4])
            says = _(
                "{host}, which an MX record names, has no address on the internet ({addresses}): senders cannot reach it.",
                host=host,
                addresses=listed,
            )
            findings.append(fail("mx_target_private", says, **_cure(s, target, fix)))
        if s.fault and s in ours:
            findings.append(s.fault.finding())
    return findings


def _cure(seen, target, fix):
    """Who must act, and how: the host for the addresses of its own server, else the customer with the MX set."""
    if not target.mail_hosts:
        return {"owner": Owner.CUSTOMER, "fix": fixes.ask()}  # which exchanges are meant, nobody can say
    if not seen.exchange.ours:
        return {"owner": Owner.CUSTOMER, "fix": fix}
    inside = same_name(seen.exchange.host, target.domain) or seen.exchange.host.endswith(f".{target.domain}")
    return {"owner": Owner.CUSTOMER if inside else Owner.HOST, "fix": fixes.addresses(seen.exchange.host)}


def _hosts(exchanges):
    return ", ".join(dict.fromkeys(x.host for x in exchanges[:5]))


def _summary(exchanges, target):
    shown = ", ".join(x.text for x in exchanges[:5])
    return _("{mx} (our server)", mx=shown) if target.mail_hosts else _("{mx}", mx=shown)
