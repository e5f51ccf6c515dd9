"""What a tenant's portal says of the whole server, and whether it can be asked at all.

The portal answers about one domain at a time; what it says of services and proxy is the same for
all of them where there is one node. So it is asked about the tenant's first domain, about those
whose audits said that something does not run, and about two more where nothing comes of that; the
worst that it says counts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from collectors.base import Cause, Fault, Finding, Fix, Outcome, Owner, Severity, fail, warn
from collectors.net.circuit_breaker import PortalFault
from collectors.net.session import CheckSession
from collectors.server.subject import Row, Server
from collectors.text import Text, _

if TYPE_CHECKING:
    from collectors.net.portal_client import PortalAnswer

MAX_DOMAINS = 3  # that are asked about
NOBODY = "domain.invalid"  # asked about where there is no domain: its 404 is an answer, too
SHARE = 0.4  # of the row's time for one question: two may follow on each other
CLOCK_WARN, CLOCK_FAIL = 60, 300  # seconds; events that are signed five minutes off are refused
_UNREACHED = _("Start the portal, or correct its address in the tenant's settings.")
_CODES = {  # a fault → code, severity, what to do
    "portal_auth": (
        "server_portal_token",
        Severity.FAIL,
        _("Make a token on the portal and save it in the tenant's settings."),
    ),
    "portal_bad_response": (
        "server_portal_answer",
        Severity.FAIL,
        _("See that the portal's address is the right one, and that its version fits."),
    ),
    "portal_unreachable": ("server_portal_unreachable", Severity.FAIL, _UNREACHED),
    "portal_timeout": ("server_portal_silent", Severity.FAIL, _UNREACHED),
    "portal_not_configured": (
        "server_portal_address",
        Severity.FAIL,
        _("Correct the portal's address in the tenant's settings."),
    ),
    "portal_error": (
        "server_portal_error",
        Severity.WARN,
        _("See the portal's log on the server for why."),
    ),
}
_ORDER = list(_CODES)  # of two that differ the one that says more
SERVICES_DOWN = Cause("server_services", "server_service_down")
PROXY_CONFIG = Cause("server_proxy", "server_proxy_config")
PROXY_DOWN = Cause("server_proxy", "server_proxy_down")


@dataclass(frozen=True)
class Said:
    """What the portal said when asked about a domain: an answer, or the fault."""

    domain: str
    answer: "PortalAnswer[Any] | None" = None
    fault: Fault | None = None

    def evidence(self) -> dict[str, Any]:
        seen: dict[str, Any] = {"about": self.domain}
        if self.answer:
            return seen | {"http_status": self.answer.status}
        return seen | {"error": str(self.fault)}


async def _ask(server: Server, session: CheckSession, what: str) -> list[Said]:
    """What it says about the first domain and the suspects, and about others where that is of no
    use."""

    async def about(domain: str) -> Said:
        try:
            answer = await session.portal_about(domain, what, share=SHARE)
        except PortalFault as fault:
            return Said(domain, fault=fault)
        return Said(domain, answer)

    names = server.domains[:MAX_DOMAINS] or (NOBODY,)
    begin = dict.fromkeys((names[0], *server.suspects[:MAX_DOMAINS]))
    said = await asyncio.gather(*map(about, begin))
    rest = [name for name in names if name not in begin]
    if any(one.answer and one.answer.found for one in said) or not rest:
        return said
    return [*said, *await asyncio.gather(*map(about, rest))]


def _no_portal(server: Server) -> Text | None:
    if server.target.portal_url:
        return None
    if server.target.without_portal:
        return _("This server has no portal, on purpose.")
    return _(
        "No portal address is set. Enter it in the tenant's settings, or tick “without a portal” "
        "there if the server has none."
    )


def _nobody_to_ask_about(server: Server) -> Text | None:
    if off := _no_portal(server):
        return off
    if not server.domains:
        return _("The portal is asked about a domain, and the tenant has none yet.")
    return None


# -- the portal itself


async def judge_portal(server: Server, session: CheckSession) -> Outcome:
    """Reached, token accepted, answers as agreed, and its clock held against ours."""
    said = {}
    for what, found in zip(
        ("carbonio", "nginx"),
        await asyncio.gather(*(_ask(server, session, w) for w in ("carbonio", "nginx"))),
        strict=True,
    ):
        said[what] = found
    every = [one for found in said.values() for one in found]
    evidence = {what: [one.evidence() for one in found] for what, found in said.items()}
    findings: list[Finding] = []
    if not any(one.answer for one in every):
        findings.append(_fault(_telling(every)))
    else:
        # one endpoint alone may have nothing to say just now (503); a wrong shape is never right
        wrong = [
            one.fault
            for found in said.values()
            if not any(one.answer for one in found)
            for one in found
            if one.fault and one.fault.code == "portal_bad_response"
        ]
        findings += [_fault(fault) for fault in wrong[:1]]
        findings += _clock(every)
    return Outcome(_("It answers, and takes the token."), findings, evidence)


def _telling(every: Sequence[Said]) -> Fault:
    faults = [one.fault for one in every if one.fault]
    return min(faults, key=lambda f: _ORDER.index(f.code) if f.code in _ORDER else len(_ORDER))


def _fault(fault: Fault) -> Finding:
    """A fault as what is wrong with the portal; one of ours stays `unknown`."""
    if fault.code not in _CODES:
        return fault.finding()
    code, severity, cure = _CODES[fault.code]
    return Finding(code, severity, fault.message, Owner.HOST, Fix(cure))


def _clock(every: Sequence[Said]) -> list[Finding]:
    known = [ahead for one in every if one.answer and (ahead := one.answer.clock_ahead) is not None]
    ahead = min(known, key=abs, default=0.0)
    if abs(ahead) < CLOCK_WARN:
        return []
    minutes = max(1, round(abs(ahead) / 60))
    span = _("1 minute") if minutes == 1 else _("{n} minutes", n=minutes)
    if minutes >= 120:
        span = _("{n} hours", n=round(minutes / 60))
    said = (
        _("The portal's clock is {span} ahead of ours", span=span)
        if ahead > 0
        else _("The portal's clock is {span} behind ours", span=span)
    )
    fix = Fix(_("Have both machines keep the time by NTP (timedatectl status)."))
    if abs(ahead) < CLOCK_FAIL:
        return [warn("server_clock_off", _("{said}.", said=said), owner=Owner.HOST, fix=fix)]
    message = _(
        "{said}: its onboarding events are refused, and times in its log mislead.", said=said
    )
    return [fail("server_clock_off", message, owner=Owner.HOST, fix=fix)]


# -- services, proxy


async def judge_services(server: Server, session: CheckSession) -> Outcome:
    """Whether all services that the server says it has are running."""
    answers, outcome = await _facts(server, session, "carbonio")
    if not answers:
        return outcome
    services: dict[str, str] = {}
    for answer in answers:
        for name, state in answer.data["services"].items():
            if name not in services or not _runs(state):
                services[name] = state
    down = {name: state for name, state in sorted(services.items()) if not _runs(state)}
    findings = []
    if down:
        names = ", ".join(f"{name} ({state})" for name, state in down.items())
        message = _("Services that do not run on the server: {services}.", services=names)
        fix = Fix(_("Start them on the server and see its log for why they stopped."))
        findings.append(fail(SERVICES_DOWN.code, message, owner=Owner.HOST, fix=fix))
    elif not services:
        message = _("The portal names no service, so whether they run is not known.")
        findings.append(fail("server_portal_answer", message, owner=Owner.HOST))
    n = len(services)
    summary = _("1 service running") if n == 1 else _("{n} services running", n=n)
    return Outcome(summary, findings, {"services": services})


def _runs(state: str) -> bool:
    return state.strip().lower() == "running"


async def judge_proxy(server: Server, session: CheckSession) -> Outcome:
    """Whether the proxy runs, and would start again with the configuration that it has."""
    answers, outcome = await _facts(server, session, "nginx")
    if not answers:
        return outcome
    told = {
        key: all(answer.data.get(key, True) is not False for answer in answers)
        for key in ("config_ok", "running")
        if any(key in answer.data for answer in answers)
    }
    findings = []
    if told.get("running") is False:
        message = _("The proxy does not run: no webmail on this server can be opened.")
        fix = Fix(_("Start nginx on the server and see its log for why it stopped."))
        findings.append(fail(PROXY_DOWN.code, message, owner=Owner.HOST, fix=fix))
    if told.get("config_ok") is False:
        message = _(
            "The proxy's configuration has an error: nginx goes on with the old one, and a "
            "restart would take every site down."
        )
        fix = Fix(_("Run nginx -t on the server, correct what it names and reload nginx."))
        findings.append(fail(PROXY_CONFIG.code, message, owner=Owner.HOST, fix=fix))
    if not told:
        message = _("The portal says nothing of the proxy for the domains that were asked about.")
        return Outcome(message, [Fault("server_no_facts", message).finding()])
    return Outcome(_("It runs, and its configuration is in order."), findings, told)


async def _facts(
    server: Server, session: CheckSession, what: str
) -> tuple[list["PortalAnswer[Any]"], Outcome]:
    """The answers that tell something; without any, the outcome that says why."""
    said = await _ask(server, session, what)
    if answers := [one.answer for one in said if one.answer and one.answer.found]:
        return answers, Outcome(_("The portal has answered."))
    evidence = {"asked": [one.evidence() for one in said]}
    if any(one.answer for one in said):
        message = _("The portal knows none of the domains that it was asked about.")
        return [], Outcome(message, [Fault("server_no_facts", message).finding()], evidence)
    fault = _telling(said)
    finding = fault.finding()
    if fault.code in _CODES:
        finding = replace(finding, because=Cause("server_portal", _CODES[fault.code][0]))
    return [], Outcome(fault.message, [finding], evidence)


PORTAL_ROWS = (
    Row("server_portal", _("Portal"), judge_portal, _no_portal),
    Row("server_services", _("Services"), judge_services, _nobody_to_ask_about),
    Row("server_proxy", _("Proxy"), judge_proxy, _nobody_to_ask_about),
)
