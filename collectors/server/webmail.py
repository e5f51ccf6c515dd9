"""Whether the addresses that webmail names are to lead to answer, with TLS.

Certificates are not judged here: each name has its own, and its domain's check looks at that.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collectors.base import Fault, Finding, Fix, Outcome, Owner, fail, unknown
from collectors.net.http_client import Handshake, WebFault
from collectors.net.probe_faults import tls_words, too_busy
from collectors.net.probe_url import ProbeUrl, UrlRefused, start_url
from collectors.net.session import CheckSession
from collectors.server.name_rows import name_findings
from collectors.server.own_names import OwnName, judge_webmail_address, judge_webmail_target
from collectors.server.subject import Row, Server
from collectors.text import Text, _, rounded

MAX_VISITED = 8  # addresses


@dataclass(frozen=True)
class Visit:
    """What an address answered: a handshake (None without TLS in the webmail's URL) or a fault."""

    address: str
    shake: Handshake | None = None
    fault: WebFault | Fault | None = None

    def evidence(self) -> dict[str, Any]:
        if isinstance(self.fault, WebFault):
            return self.fault.evidence()
        if self.fault:
            return {"error": str(self.fault)}
        return {"tls": self.shake.tls_version} if self.shake else {"connected": True}


async def judge_webmail_addresses(server: Server, session: CheckSession) -> Outcome:
    """What is set is usable, and every address that it leads to answers."""
    target = server.target
    names = [judge_webmail_address(a, session) for a in target.webmail_addresses]
    if target.webmail_target:
        names.append(await judge_webmail_target(target.webmail_target, session))
    findings = name_findings(names, session)
    addresses = _reachable(names, session)
    evidence: dict[str, Any] = {"leads_to": {name.name: list(name.addresses) for name in names}}
    url = _url(server)
    if url is None:
        message = _("The webmail address in the settings is not usable, so nothing was asked.")
        findings.append(unknown("server_webmail_address", message))
        return Outcome(message, findings, evidence)
    visits = await asyncio.gather(*(_visit(url, a, session) for a in addresses))
    evidence |= {"asked_for": url.host, "answers": {v.address: v.evidence() for v in visits}}
    findings += [finding for visit in visits if (finding := _finding(visit, url))]
    said = ", ".join(addresses)
    summary = (
        _("TLS answers at {addresses}.", addresses=said)
        if url.scheme == "https"
        else _("It answers at {addresses}.", addresses=said)
    )
    return Outcome(summary, findings, evidence)


def _reachable(names: Sequence[OwnName], session: CheckSession) -> list[str]:
    every = dict.fromkeys(a for name in names if not name.problem for a in name.addresses)
    return [a for a in every if session.reachable(a)][:MAX_VISITED]


def _url(server: Server) -> ProbeUrl | None:
    """Where the webmail of the first domain is; without a domain, that of the target's name."""
    template, target = server.target.webmail_url, server.target.webmail_target
    host = server.domains[0] if server.domains else target
    try:
        return start_url(template.replace("{domain}", host or "domain.test"))
    except UrlRefused:
        return None


async def _visit(url: ProbeUrl, address: str, session: CheckSession) -> Visit:
    try:
        if url.scheme == "http":
            await session.port_answers(url.port, [address])
            return Visit(address)
        return Visit(address, await session.handshake(url.host, url.port, address))
    except (WebFault, Fault) as fault:
        return Visit(address, fault=fault)


def _finding(visit: Visit, url: ProbeUrl) -> Finding | None:
    fault, where = visit.fault, f"{visit.address}:{url.port}"
    if ":" in visit.address:
        where = f"[{visit.address}]:{url.port}"
    if fault is None:
        return None
    if isinstance(fault, Fault):
        return fault.finding()
    if fault.ours:
        return unknown("server_webmail_silent", too_busy(where))
    if fault.kind == "timeout":
        message = _(
            "Our webmail address {where} did not answer within {seconds} s.",
            where=where,
            seconds=rounded(fault.seconds),
        )
        return unknown("server_webmail_silent", message)
    if fault.kind == "unreachable" and fault.cause == "network":
        message = _("This machine has no way to our webmail address {where}.", where=where)
        return unknown("server_webmail_silent", message)
    if fault.kind == "tls":
        message = _(
            "Our webmail address {where} has no working TLS: {reason}.",
            where=where,
            reason=tls_words(fault),
        )
        fix = Fix(_("Let the proxy listen there with ssl, and see its log."))
        return fail("server_webmail_no_tls", message, owner=Owner.HOST, fix=fix)
    message = _(
        "Our webmail address {where} does not take connections ({reason}).",
        where=where,
        reason=_("connection refused") if fault.kind == "refused" else fault.detail,
    )
    fix = Fix(_("Start the proxy there, open its port, or correct the address in the settings."))
    return fail("server_webmail_refused", message, owner=Owner.HOST, fix=fix)


def _off(server: Server) -> Text | None:
    if server.target.webmail_addresses or server.target.webmail_target:
        return None
    return _("No webmail address or target is set.")


WEBMAIL_ROW = Row("server_webmail", _("Webmail addresses"), judge_webmail_addresses, _off)
