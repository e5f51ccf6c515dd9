"""webmail_http: can a person open the webmail over HTTPS. GETs as a browser would make them, redirects included."""

from .base import Action, Fault, Fix, Outcome, Owner, Record, check, fail, unknown
from .net_dns import DnsFault
from .net_http import WebFault
from .text import _
from .web_place import NotAPlace, redirect_place, shown, start_place
from .web_words import LEAST_SECONDS, not_asked, unheard
from .webmail_faults import fault_finding
from .webmail_page import judge

MAX_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}


class _Stop(Exception):
    """The visit ends here, with these findings."""

    def __init__(self, *findings):
        super().__init__()
        self.findings = list(findings)


@check("webmail_http", _("Webmail"))
async def webmail(target, net):
    """GET the tenant's webmail URL for the domain and follow at most five redirects, each to checked addresses."""
    try:
        start = start_place(target.webmail)
    except NotAPlace as error:
        says = _(
            "The tenant's webmail URL {url} cannot be used: {reason}. Correct it in the tenant.", url=target.webmail, reason=error.reason
        )
        return Outcome(says, [unknown("webmail_url_invalid", says)], {"url": target.webmail})
    hops = []  # Fetched, in the order of the visit
    evidence = {"url": start.url}
    try:
        await _visit(start, target, net, hops, evidence)
        findings = judge(start, hops)
    except _Stop as stop:
        findings = stop.findings
    except Fault as fault:
        if not hops:
            raise
        findings = [fault.finding()]
    if not hops:
        return Outcome(findings[0].message, findings, evidence)
    page = hops[-1]
    evidence |= {"final_url": page.url, "title": page.title, "size": len(page.body), "truncated": page.truncated, "tls": page.tls_version}
    seconds = round(sum(hop.ms_total for hop in hops) / 1000, 2)
    return Outcome(_("{status} in {seconds} s, HTTPS valid", status=page.status, seconds=seconds), findings, evidence)


async def _visit(start, target, net, hops, evidence):
    """Get `start` and what it redirects to; fills `hops`. Raises _Stop where the way ends, Fault where we cannot look."""
    place, seen = start, set()
    while len(hops) <= MAX_REDIRECTS:
        if hops:
            addresses = await _redirect_addresses(place.host, net)
        else:
            addresses = await _start_addresses(place.host, target, net, evidence)
        hops.append(await _get(place, addresses, net, hops))
        if hops[-1].status not in REDIRECTS:
            return
        seen.add(place.url)
        place = _next(start, place, hops[-1])
        if place.url in seen:
            raise _Stop(_circle(place, hops))
    says = _(
        "{host} redirects more than {limit} times, so browsers may give up. Redirect straight to the webmail.",
        host=start.host,
        limit=MAX_REDIRECTS,
    )
    raise _Stop(fail("webmail_redirect_loop", says, owner=Owner.HOST))


async def _start_addresses(host, target, net, evidence):
    """The addresses of the webmail's name if every one of them may be dialled; raises _Stop otherwise."""
    found = await net.addresses(host)
    evidence["addresses"] = list(found.all)
    if found.unreachable:
        says = _(
            "{host} has the non-public address {addresses}: people outside cannot open the webmail. Publish public addresses only.",
            host=host,
            addresses=", ".join(found.unreachable[:5]),
        )
        raise _Stop(fail("webmail_address_private", says, fix=await _without_private(found, net)))
    if not found.all:
        raise _Stop(*await _name_missing(host, found, target, net))
    return found.all


async def _redirect_addresses(host, net):
    """The same for a name that was redirected to; the one to act is who wrote the redirect."""
    found = await net.addresses(host)
    if found.unreachable:
        says = _(
            "The webmail redirects to {host}, at the non-public address {addresses}: people outside cannot open it. Correct the redirect.",
            host=host,
            addresses=", ".join(found.unreachable[:5]),
        )
        raise _Stop(fail("webmail_redirect_blocked", says, owner=Owner.HOST))
    if not found.all:
        says = _(
            "The webmail redirects to {host}, which has no address in DNS ({result}): people cannot open it. Correct the redirect.",
            host=host,
            result=found.result,
        )
        raise _Stop(fail("webmail_redirect_unresolvable", says, owner=Owner.HOST))
    return found.all


async def _without_private(found, net):
    """What to publish instead: the private records removed, where they stand at the name itself and not behind an alias."""
    records = []
    for rdtype in ("A", "AAAA"):
        private = [a for a in found.unreachable if _type_of(a) == rdtype]
        if private and not (await net.lookup(found.host, rdtype)).chain:
            records += [Record(rdtype, found.host, a, Action.REMOVE, current=a) for a in private]
    return Fix(_("Publish only public addresses for {host}: those of the webmail server.", host=found.host), tuple(records))


async def _name_missing(host, found, target, net):
    """The findings where a host has no address: that, and where its records stand if the panel doubled the name."""
    says = _(
        "{host} has no address in DNS ({result}), so the webmail cannot be opened. Publish its A record.", host=host, result=found.result
    )
    advice = _("Publish an A record for {host} with the address of the webmail server (and AAAA where it has IPv6).", host=host)
    findings = [fail("webmail_name_missing", says, fix=Fix(advice))]
    if host.endswith("." + target.domain):
        doubled = f"{host}.{target.domain}"
        try:
            there = (await net.addresses(doubled)).all
        except DnsFault:
            there = ()
        if there:
            says = _("The address of {host} stands at {doubled}: the panel added the domain again. Move it.", host=host, doubled=doubled)
            records = [Record(_type_of(a), host, a) for a in there]
            records += [Record(_type_of(a), doubled, a, Action.REMOVE, current=a) for a in there]
            findings.append(fail("webmail_misplaced", says, fix=Fix(_("Move the record to {host}.", host=host), tuple(records))))
    return findings


def _type_of(address):
    return "AAAA" if ":" in address else "A"


async def _get(place, addresses, net, hops):
    """One GET, recorded; raises _Stop for what a failed connection says of the server."""
    waited = sum(hop.ms_total for hop in hops) / 1000
    if net.seconds_left < LEAST_SECONDS:
        raise _Stop(_no_time_left(place, waited, net))
    brief = waited + net.seconds_left < net.fair_seconds
    try:
        page = await net.fetch(place.url, addresses)
    except WebFault as fault:
        net.record_request({"url": place.url, **fault.evidence()})
        if fault.silent and (brief or fault.deaf):
            raise _Stop(unknown("check_timeout", unheard(fault, place.host))) from None
        raise _Stop(fault_finding(fault, place)) from None
    net.record_request(page.evidence())
    return page


def _no_time_left(place, waited, net):
    """The finding where the time is over before `place` was asked: whoever took it up decides."""
    if waited < net.fair_seconds:
        return unknown("check_timeout", not_asked(place.host))
    says = _("The webmail's redirects took {seconds} s and led to no page, so people give up. Check the load of the server.",
             seconds=round(waited, 1))  # fmt: skip
    return fail("webmail_timeout", says, owner=Owner.HOST)


def _next(start, place, page):
    """The place that a response redirects to, or _Stop with the reason why it is not gone to."""
    if not page.location:
        says = _(
            "{host} answers with a redirect ({status}) that names no address, so browsers show an error. Correct the proxy.",
            host=place.host,
            status=page.status,
        )
        raise _Stop(fail("webmail_bad_response", says, owner=Owner.HOST))
    try:
        there = redirect_place(page.location, place, ports={start.port})
    except NotAPlace as error:
        says = _(
            "The webmail redirects to {location}, which the audit does not follow ({reason}). Correct the redirect.",
            location=shown(page.location),
            reason=error.reason,
        )
        raise _Stop(fail("webmail_redirect_blocked", says, owner=Owner.HOST)) from None
    if there.scheme == "http":
        says = _("The webmail redirects to {url}: unencrypted, so passwords can be read on the way. Redirect to https only.", url=there.url)
        raise _Stop(fail("webmail_redirect_insecure", says, owner=Owner.HOST))
    return there


def _circle(place, hops):
    if any(hop.header("set-cookie") for hop in hops):
        says = _("{url} sets a cookie and redirects back to itself. The audit keeps no cookies and cannot go on.", url=place.url)
        return unknown("webmail_redirect_cookie", says)
    says = _("The webmail redirects in a circle at {url}, so browsers show an error. Correct the redirects.", url=place.url)
    return fail("webmail_redirect_loop", says, owner=Owner.HOST)
