"""The names in a tenant's settings, judged once for all of its domains: a fault there is ours.

Each function judges one setting, and is a row of the server card: `server_mx`, `server_spf`,
`server_reports`, `server_webmail`, and `server_ptr` for the addresses that it sends from. Where one
is broken, a domain's finding that rests on it is the host's to act on, and the customer gets no
record.
"""

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from collectors.base import Cause, Fault, Fix, Target
from collectors.net.addresses import is_internal
from collectors.net.session import Addresses, AuditSession, CheckSession
from collectors.standards import dmarc
from collectors.standards.spf import check_host
from collectors.standards.spf.evaluation import MAX_LOOKUPS
from collectors.standards.spf.trace import SpfResult
from collectors.text import Text, _

KEPT_SECONDS = 60
FAULT_SECONDS = 15  # for how long a judgement is kept in which something could not be looked at
MAX_NAMES = 20  # of one setting; nobody has that many
STRANGER = "192.0.2.1"  # nobody sends from it (RFC 5737)
ANYBODY = "domain.invalid"  # whose reports only a destination takes that takes everybody's
ROWS = {
    "server_mx": _("mail hosts"),
    "server_spf": _("SPF include"),
    "server_reports": _("DMARC report address"),
    "server_webmail": _("webmail addresses"),
    "server_ptr": _("sending addresses"),
}
# the finding of a row where one of its names does not work
BROKEN = {
    "server_mx": "server_mx_broken",
    "server_spf": "server_spf_broken",
    "server_reports": "server_reports_broken",
    "server_webmail": "server_webmail_broken",
    "server_ptr": "server_ptr_broken",
}
_OF_THE_SENDER = re.compile(
    r"%\{[slohp]", re.IGNORECASE
)  # macros that differ from domain to domain
_REASONS = {
    "syntax": _("its record, or one that it includes, is not valid"),
    "multiple": _("it, or what it includes, has several SPF records"),
    "include_missing": _("it includes a name without SPF record"),
    "redirect_missing": _("it redirects to a name without SPF record"),
    "loop": _("it includes itself"),
    "too_many_lookups": _("it needs more than 10 DNS lookups"),
    "too_many_void_lookups": _("more than two of its DNS lookups find nothing"),
    "too_many_mx": _("it names a domain with more than 10 mail exchangers"),
    "too_many_mx_addresses": _("it names a mail exchanger with more than 10 addresses"),
    "too_many_queries": _("it needs more DNS queries than receivers make"),
}


@dataclass(frozen=True)
class OwnName:
    """One name or address of the tenant's settings.

    `problem`: a sentence; None where it works or could not be looked at, and then `fault` says why.
    `row`: of the server card. `addresses`: what it leads to. Of an SPF include, `lookups`: how many
    it needs, and `results`: (sending address, what becomes of it).
    """

    name: str
    problem: Text | None = None
    row: str = "server_mx"
    addresses: tuple[str, ...] = ()
    fault: Fault | None = None
    lookups: int = 0
    results: tuple[tuple[str, str], ...] = ()

    @property
    def code(self) -> str:
        """Of the row's finding while this name is broken."""
        return BROKEN[self.row]

    @property
    def cause(self) -> Cause:
        """For the findings that rest on this name while it is broken."""
        return Cause(self.row, self.code)

    @property
    def fix(self) -> Fix:
        """What the host is to do; without records, for the name or its records may be wrong."""
        return Fix(
            _(
                "{problem} Correct the name in the tenant's settings ({setting}), or its records.",
                problem=self.problem or "",
                setting=ROWS[self.row],
            )
        )


@dataclass(frozen=True)
class OwnNames:
    """A tenant's own names as they are judged; None where a setting is empty.

    `broken_senders`: the sending addresses that can't be any.
    """

    mail_hosts: dict[str, OwnName] = field(default_factory=dict)  # by the name as it is set
    spf_include: OwnName | None = None
    dmarc_rua: OwnName | None = None
    webmail_target: OwnName | None = None
    webmail_addresses: dict[str, OwnName] = field(default_factory=dict)
    broken_senders: tuple[OwnName, ...] = ()

    @property
    def all(self) -> list[OwnName]:
        single = (self.spf_include, self.dmarc_rua, self.webmail_target)
        several = (*self.mail_hosts.values(), *self.webmail_addresses.values())
        return [*several, *(name for name in single if name), *self.broken_senders]


async def own_names(target: Target, session: CheckSession) -> OwnNames:
    """The judgement of the own names of the target's tenant. Never raises a Fault.

    It is had once for all audits with these settings, and again after KEPT_SECONDS or for an audit
    that looks anew. What cannot be looked at in the time that is left to `session` has a fault.
    """
    settings = (
        target.mail_hosts,
        target.sending_ips,
        target.spf_include,
        target.dmarc_rua,
        target.webmail_target,
        target.webmail_addresses,
    )

    async def look(audit: AuditSession) -> OwnNames:
        return await judge_own_names(target, audit)

    try:
        async with asyncio.timeout(session.seconds_left):
            return await session.for_all_audits(
                ("own_names", *settings), look, seconds=kept_seconds
            )
    except TimeoutError:
        return _not_in_time(target)


def _not_in_time(target: Target) -> OwnNames:
    """All that is set, and nothing known of it."""
    fault = Fault("dns_timeout", _("Our own names could not be looked up in time."))

    def unseen(name: str, row: str) -> OwnName | None:
        return OwnName(name, row=row, fault=fault) if name else None

    return OwnNames(
        mail_hosts={host: OwnName(host, fault=fault) for host in target.mail_hosts},
        spf_include=unseen(target.spf_include, "server_spf"),
        dmarc_rua=unseen(target.dmarc_rua, "server_reports"),
        webmail_target=unseen(target.webmail_target, "server_webmail"),
        webmail_addresses={
            a: OwnName(a, row="server_webmail", addresses=(a,)) for a in target.webmail_addresses
        },
    )


async def judge_own_names(target: Target, audit: AuditSession) -> OwnNames:
    """All rows at the same time, each with its own limit of lookups."""
    hosts = list(dict.fromkeys(target.mail_hosts))[:MAX_NAMES]
    mail, proxy = audit.check_session("server_mx"), audit.check_session("server_webmail")
    rows: list[Coroutine[Any, Any, OwnName]] = [judge_mail_host(host, mail) for host in hosts]
    ips = target.sending_ips
    if target.spf_include:
        rows.append(judge_spf_include(target.spf_include, ips, audit.check_session("server_spf")))
    if target.dmarc_rua:
        rows.append(judge_report_address(target.dmarc_rua, audit.check_session("server_reports")))
    if target.webmail_target:
        rows.append(judge_webmail_target(target.webmail_target, proxy))
    found = await asyncio.gather(*rows)
    senders = [judge_sending_address(ip, audit.check_session("server_ptr")) for ip in ips]

    def of(row: str) -> OwnName | None:
        return next((name for name in found if name.row == row), None)

    return OwnNames(
        mail_hosts=dict(zip(hosts, found, strict=False)),
        spf_include=of("server_spf"),
        dmarc_rua=of("server_reports"),
        webmail_target=of("server_webmail"),
        webmail_addresses={a: judge_webmail_address(a, proxy) for a in target.webmail_addresses},
        broken_senders=tuple(sender for sender in senders if sender.problem),
    )


async def judge_mail_host(host: str, session: CheckSession) -> OwnName:
    """Whether a name for MX records leads to addresses that senders reach, and is no alias.

    RFC 2181, section 10.3.
    """
    try:
        addresses = await session.addresses(host)
    except Fault as fault:
        return OwnName(host, fault=fault)
    if addresses.alias:
        problem = _(
            "Our mail server's name {host} is an alias of {to}, which an MX record must not name.",
            host=host,
            to=addresses.alias,
        )
        return OwnName(host, problem, addresses=addresses.all)
    return _reached(host, addresses, "server_mx")


async def judge_webmail_target(host: str, session: CheckSession) -> OwnName:
    """Whether the name that customers alias theirs to leads to addresses that people reach."""
    try:
        return _reached(host, await session.addresses(host), "server_webmail")
    except Fault as fault:
        return OwnName(host, row="server_webmail", fault=fault)


def judge_webmail_address(address: str, session: CheckSession) -> OwnName:
    """Whether an address that webmail names are to lead to is one that people reach."""
    problem = None
    if not is_address(address):
        problem = _no_address(address)
    elif not session.reachable(address):
        problem = _("Our webmail address {address} is not on the internet.", address=address)
    return OwnName(address, problem, "server_webmail", (address,))


def judge_sending_address(address: str, session: CheckSession) -> OwnName:
    """Whether an address that the server is to send from is one that receivers can meet."""
    problem, plain = None, address.strip()
    if not is_address(plain):
        problem = _no_address(address)
    elif is_internal(plain) and not session.reachable(plain):
        problem = _(
            "Our sending address {address} is not on the internet: receivers see another one.",
            address=plain,
        )
    return OwnName(address, problem, "server_ptr", (plain,))


def _reached(host: str, addresses: Addresses, row: str) -> OwnName:
    """The judgement of where a name of ours leads."""
    problem = None
    if addresses.fault and not addresses.reachable:
        return OwnName(host, None, row, addresses.all, addresses.fault)
    if addresses.result == "NXDOMAIN":
        problem = _("Our name {host} does not exist in DNS.", host=host)
    elif not addresses.all:
        problem = _("Our name {host} has no address.", host=host)
    elif not addresses.reachable:
        problem = _(
            "Our name {host} has no address on the internet ({addresses}).",
            host=host,
            addresses=", ".join(addresses.all[:4]),
        )
    return OwnName(host, problem, row, addresses.all, addresses.fault)


async def judge_spf_include(
    include: str, sending_ips: tuple[str, ...], session: CheckSession
) -> OwnName:
    """Whether the name that customers include has a valid SPF record that passes all we send from.

    RFC 7208. An answer that depends on the sender's domain (macros) can be judged there only.
    """
    fault, problem, lookups = None, None, 0
    results: list[tuple[str, str]] = []
    for ip in [ip.strip() for ip in sending_ips] or [STRANGER]:
        if not is_address(ip):
            return OwnName(include, _no_address(ip), "server_spf")
        result = await check_host(
            ip=ip, domain=include, sender=f"postmaster@{include}", helo=include, resolver=session
        )
        lookups = max(lookups, result.lookups)
        if sending_ips:
            results.append((ip, result.result))
        if result.result == "temperror":
            fault = fault or (result.fault if isinstance(result.fault, Fault) else None)
        elif problem := _spf_problem(include, result, judged=bool(sending_ips)):
            fault = None
            break
    return OwnName(
        include, problem, "server_spf", fault=fault, lookups=lookups, results=tuple(results)
    )


def _spf_problem(include: str, result: SpfResult, *, judged: bool) -> Text | None:
    if result.result == "none":
        return _("Our SPF include {include} has no SPF record.", include=include)
    if any(_OF_THE_SENDER.search(text) for text in result.records.values()):
        return None
    if result.result == "permerror":
        return _(
            "Our SPF include {include} is broken: {reason}.",
            include=include,
            reason=_REASONS.get(result.reason, _REASONS["syntax"]),
        )
    if result.lookups >= MAX_LOOKUPS:  # the include itself costs one more
        return _(
            "Our SPF include {include} needs {n} DNS lookups; with the include itself that is over "
            "the limit of {limit}.",
            include=include,
            n=result.lookups,
            limit=MAX_LOOKUPS,
        )
    if judged and result.result != "pass":
        return _(
            "Our SPF include {include} does not pass our sending address {ip}.",
            include=include,
            ip=result.ip,
        )
    return None


async def judge_report_address(address: str, session: CheckSession) -> OwnName:
    """Whether the host of our report address takes reports about every domain.

    RFC 9990, section 4. It is asked about a domain that nobody has: a host that lists its customers
    one by one does not take everybody's.
    """
    host = address.rpartition("@")[2].lower().removesuffix(".")
    name = f"{ANYBODY}._report._dmarc.{host}"
    try:
        texts = (await session.lookup(name, "TXT")).texts
    except Fault as fault:
        return OwnName(address, row="server_reports", fault=fault)
    records = [dmarc.parse_policy_record(text) for text in texts if dmarc.is_policy_record(text)]
    problem = None
    if not records:
        problem = _(
            "Our report address {address} takes no reports about other domains: there is no record "
            "at *._report._dmarc.{host}.",
            address=address,
            host=host,
        )
    elif any(uri.host != host for record in records for uri in record.destinations):
        problem = _(
            "Our report address {address} takes no reports about other domains: the record at "
            "*._report._dmarc.{host} names an address at another host.",
            address=address,
            host=host,
        )
    return OwnName(address, problem, "server_reports")


def is_address(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _no_address(text: str) -> Text:
    return _("“{address}” in our settings is not an IP address.", address=text)


def kept_seconds(names: OwnNames) -> float:
    """For how long a judgement holds: briefly where something could not be looked at."""
    return FAULT_SECONDS if any(name.fault for name in names.all) else KEPT_SECONDS
