"""The rows about names in the tenant's settings: mail hosts, SPF include, report address.

What is wrong with one is said by `own_names`, as it is for the domains that rest on it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from collectors.base import Finding, Fix, Outcome, Owner, fail, warn
from collectors.net.session import CheckSession
from collectors.server.own_names import (
    MAX_NAMES,
    OwnName,
    judge_mail_host,
    judge_report_address,
    judge_spf_include,
)
from collectors.server.subject import Row, Server
from collectors.standards.spf.evaluation import MAX_LOOKUPS
from collectors.text import Text, _

COSTLY = 5  # of the ten lookups that all includes of a customer may cost together


def name_findings(names: Sequence[OwnName], session: CheckSession) -> list[Finding]:
    """What is broken of these, and what could not be looked at."""
    findings = []
    for name in names:
        if name.problem:
            findings.append(fail(name.code, name.problem, owner=Owner.HOST, fix=name.fix))
        elif name.fault and not any(map(session.reachable, name.addresses)):
            findings.append(name.fault.finding())
    return findings


async def judge_mail_hosts(server: Server, session: CheckSession) -> Outcome:
    """Every name leads to addresses that senders reach, and is no alias."""
    hosts = list(dict.fromkeys(server.target.mail_hosts))[:MAX_NAMES]
    names = await asyncio.gather(*(judge_mail_host(host, session) for host in hosts))
    evidence = {"mail_hosts": {name.name: list(name.addresses) for name in names}}
    return Outcome(
        _("{names}: each leads to an address.", names=", ".join(hosts)),
        name_findings(names, session),
        evidence,
    )


async def judge_include(server: Server, session: CheckSession) -> Outcome:
    """The include exists, is valid, leaves room for others, and passes all that we send from."""
    target = server.target
    name = await judge_spf_include(target.spf_include, server.sending_ips, session)
    # to its end, as whoever sends for the customer from elsewhere has it evaluated
    whole = await judge_spf_include(target.spf_include, (), session)
    cost = max(name.lookups, whole.lookups) + 1  # the include itself
    if whole.problem and not name.problem:
        name = replace(whole, results=name.results)
    findings = name_findings([name], session)
    if not (name.problem or name.fault) and cost > COSTLY:
        message = _(
            "Our SPF include {include} costs {n} of the {limit} DNS lookups that a customer's "
            "record may need; with a few other senders it is too much.",
            include=target.spf_include,
            n=cost,
            limit=MAX_LOOKUPS,
        )
        fix = Fix(_("Put the addresses themselves into it (ip4:, ip6:), which cost none."))
        findings.append(warn("server_spf_costly", message, owner=Owner.HOST, fix=fix))
    evidence = {"include": target.spf_include, "cost": cost, "results": dict(name.results)}
    summary = _(
        "{include} costs {n} of {limit} lookups and passes what the server sends from.",
        include=target.spf_include,
        n=cost,
        limit=MAX_LOOKUPS,
    )
    if not server.sending_ips:
        summary = _(
            "{include} costs {n} of {limit} lookups; no sending address is set that it should "
            "pass.",
            include=target.spf_include,
            n=cost,
            limit=MAX_LOOKUPS,
        )
    return Outcome(summary, findings, evidence)


async def judge_reports(server: Server, session: CheckSession) -> Outcome:
    """The report address takes reports about every domain (RFC 9990, section 4)."""
    address = server.target.dmarc_rua
    name = await judge_report_address(address, session)
    summary = _("{address} takes reports about every domain.", address=address)
    return Outcome(summary, name_findings([name], session), {"address": address})


def _no_hosts(server: Server) -> Text | None:
    return None if server.target.mail_hosts else _("No mail hosts are set.")


def _no_include(server: Server) -> Text | None:
    return None if server.target.spf_include else _("No SPF include is set.")


def _no_report_address(server: Server) -> Text | None:
    return None if server.target.dmarc_rua else _("No DMARC report address is set.")


NAME_ROWS = (
    Row("server_mx", _("Mail hosts"), judge_mail_hosts, _no_hosts),
    Row("server_spf", _("SPF include"), judge_include, _no_include),
    Row("server_reports", _("DMARC reports"), judge_reports, _no_report_address),
)
