"""Whether the mail hosts take mail: they greet on port 25, and offer TLS with a valid certificate.

Only asked where the operator wants it (`AUDIT_SMTP`): port 25 is often closed outwards, and that
says nothing of the mail hosts. An answer that speaks of the asker is not held against them either.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from collectors.base import Fault, Finding, Fix, Outcome, Owner, fail, unknown, warn
from collectors.net.probe_faults import tls_words, too_busy
from collectors.net.session import CheckSession
from collectors.net.smtp_client import SmtpVisit
from collectors.net.web_fault import WebFault
from collectors.server.subject import Row, Server
from collectors.standards.certificates import CertificateError, describe, read_certificate
from collectors.text import Text, _, rounded

MAX_HOSTS, MAX_VISITED = 6, 4  # mail hosts, and addresses of each
CERTIFICATE = {  # causes of a fault in the handshake that are the certificate's
    "expired", "not_yet_valid", "self_signed", "untrusted", "not_a_ca", "wrong_purpose", "revoked",
    "name_mismatch", "weak_key", "weak_signature", "certificate",
}  # fmt: skip


@dataclass(frozen=True)
class Met:
    """A mail host at one address: a visit, or why there was none."""

    host: str
    address: str
    visit: SmtpVisit | None = None
    fault: WebFault | Fault | None = None

    def evidence(self) -> dict[str, Any]:
        seen: dict[str, Any] = {"host": self.host}
        if visit := self.visit:
            seen["greeting"] = visit.greeting.words if visit.greeting else ""
            seen["extensions"] = list(visit.extensions)
            seen["tls"] = visit.tls_version
            if visit.turned_away:
                seen["turned_away"] = visit.turned_away.words
            if visit.chain:
                seen["certificate"] = _certificate(visit.chain[0])
        fault = self.fault or (self.visit and self.visit.fault)
        if isinstance(fault, WebFault):
            seen |= fault.evidence()
        elif fault:
            seen["error"] = str(fault)
        return {key: value for key, value in seen.items() if value}


def _certificate(der: bytes) -> dict[str, Any]:
    try:
        return describe(read_certificate(der))
    except CertificateError:
        return {"unreadable": f"{len(der)} bytes"}


async def judge_smtp(server: Server, session: CheckSession) -> Outcome:
    """Every mail host, at every address."""
    hosts = list(dict.fromkeys(server.target.mail_hosts))[:MAX_HOSTS]
    port = server.smtp_port or 25
    places, findings = [], []
    for host in hosts:
        try:
            found = await session.addresses(host)
        except Fault as fault:
            findings.append(fault.finding())
            continue
        places += [(host, address) for address in found.reachable[:MAX_VISITED]]
    every = await asyncio.gather(*(_visit(host, port, a, session) for host, a in places))
    findings += [f for met in every if (f := _finding(met, port))]
    if not (every or findings):
        message = _("None of the mail hosts has an address that can be reached, so none was asked.")
        findings.append(unknown("server_smtp_silent", message))
    return Outcome(
        _("{hosts}: each greets, and offers TLS with a valid certificate.", hosts=", ".join(hosts)),
        findings,
        {"port": port, "answers": {met.address: met.evidence() for met in every}},
    )


async def _visit(host: str, port: int, address: str, session: CheckSession) -> Met:
    try:
        return Met(host, address, await session.smtp(host, port, address))
    except (WebFault, Fault) as fault:
        return Met(host, address, fault=fault)


def _finding(met: Met, port: int) -> Finding | None:
    where = f"{met.host} ({met.address})"
    if met.visit is None:
        return _no_visit(where, met.fault)
    visit = met.visit
    if visit.fault and visit.fault.kind == "tls":
        return _no_tls(where, visit.fault)
    if visit.fault:
        return _no_visit(where, visit.fault)
    if visit.turned_away and not visit.starttls:
        message = _(
            "The mail host {where} turns us away: “{words}”. That may be meant for this machine "
            "alone.",
            where=where,
            words=visit.turned_away.words,
        )
        return unknown("server_smtp_turned_away", message)
    if visit.turned_away:
        message = _(
            "The mail host {where} offers STARTTLS and then refuses it: “{words}”.",
            where=where,
            words=visit.turned_away.words,
        )
        return fail("server_smtp_tls", message, owner=Owner.HOST, fix=_tls_fix())
    if not visit.starttls:
        message = _(
            "The mail host {where} offers no STARTTLS: mail to it travels in clear, and senders "
            "that insist on TLS do not deliver.",
            where=where,
        )
        return fail("server_smtp_no_starttls", message, owner=Owner.HOST, fix=_tls_fix())
    return None


def _tls_fix() -> Fix:
    return Fix(_("Give the MTA a certificate for this name and switch TLS on, and see its log."))


def _no_tls(where: str, fault: WebFault) -> Finding:
    if fault.cause in CERTIFICATE:
        message = _(
            "The certificate of the mail host {where} is not valid: {reason}. Senders that verify "
            "it (MTA-STS) do not deliver.",
            where=where,
            reason=tls_words(fault),
        )
        fix = Fix(_("Give the MTA a valid certificate for this name, and reload it."))
        return warn("server_smtp_certificate", message, owner=Owner.HOST, fix=fix)
    reason = tls_words(fault)
    if fault.cause == "injected":
        reason = _("something is sent in clear behind the answer to STARTTLS")
    message = _(
        "The mail host {where} offers STARTTLS, and TLS does not come about: {reason}.",
        where=where,
        reason=reason,
    )
    return fail("server_smtp_tls", message, owner=Owner.HOST, fix=_tls_fix())


def _no_visit(where: str, fault: WebFault | Fault | None) -> Finding | None:
    if fault is None:
        return None
    if isinstance(fault, Fault):
        return fault.finding()
    if fault.ours:
        return unknown("server_smtp_silent", too_busy(where))
    if fault.kind == "timeout":
        message = _(
            "The mail host {where} did not answer within {seconds} s; port 25 may be closed "
            "outwards from here.",
            where=where,
            seconds=rounded(fault.seconds),
        )
        return unknown("server_smtp_silent", message)
    if fault.kind == "unreachable":
        message = _("This machine has no way to the mail host {where}.", where=where)
        return unknown("server_smtp_silent", message)
    fix = Fix(_("Start the MTA there and open port 25, or correct the name's addresses."))
    if fault.kind == "protocol":
        message = _("What answers at the mail host {where} does not speak SMTP.", where=where)
        return fail("server_smtp_protocol", message, owner=Owner.HOST, fix=fix)
    message = _(
        "The mail host {where} does not take connections: mail to every domain waits at its "
        "senders.",
        where=where,
    )
    return fail("server_smtp_refused", message, owner=Owner.HOST, fix=fix)


def _off(server: Server) -> Text | None:
    if server.smtp_port is None:
        return _("Mail hosts are not asked on port 25 unless AUDIT_SMTP is 1.")
    return None if server.target.mail_hosts else _("No mail hosts are set.")


SMTP_ROW = Row("server_smtp", _("SMTP"), judge_smtp, _off)
