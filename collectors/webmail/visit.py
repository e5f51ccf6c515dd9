"""A visit to the webmail at one address: GETs as a browser makes them, redirects included."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from collectors.base import Fault, Finding, Owner, fail, unknown
from collectors.net.cookies import VisitCookies
from collectors.net.http_client import Fetched, WebFault
from collectors.net.probe_faults import LEAST_SECONDS, no_answer_not_blamed, not_asked
from collectors.net.probe_url import ProbeUrl, UrlRefused, redirect_url, shown
from collectors.net.session import CheckSession
from collectors.net.steady import steady_url
from collectors.stored import Evidence
from collectors.text import _, rounded
from collectors.webmail.findings import connection_finding, page_findings

MAX_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
_DOMAIN = re.compile(r";\s*domain\s*=", re.IGNORECASE)  # of a Set-Cookie line


class VisitEnded(Exception):
    """The visit ends here, with this finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.finding = finding


@dataclass
class Visit:
    """What came of a visit: the responses in their order, and what they say."""

    address: str
    hops: list[Fetched] = field(default_factory=list)
    requests: list[Evidence] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    on_page: bool = False  # it ended on a page, whatever that says
    silent: bool = False  # the address itself was out of reach

    @property
    def page(self) -> Fetched | None:
        return self.hops[-1] if self.hops else None


async def visit(start: ProbeUrl, address: str, session: CheckSession) -> Visit:
    """Get `start` at this address and what it redirects to. Raises nothing of what goes wrong."""
    made = Visit(address)
    try:
        await _follow(start, made, session)
        made.on_page = True
        made.findings = page_findings(start, made.hops)
    except VisitEnded as ended:
        made.findings = [ended.finding]
    except Fault as fault:
        made.findings = [fault.finding()]
    return made


async def _follow(start: ProbeUrl, made: Visit, session: CheckSession) -> None:
    """Fills the visit's hops. Raises VisitEnded where the way ends, Fault where we cannot look."""
    place, seen, cookies = start, set[tuple[str, str]](), VisitCookies()
    while len(made.hops) <= MAX_REDIRECTS:
        if (place.host, place.port) == (start.host, start.port):
            addresses: tuple[str, ...] = (made.address,)
        else:
            addresses = await _redirect_addresses(place.host, session)
        sent = cookies.header(place.host, place.path)
        seen.add((place.url, sent))
        page = await _get(place, addresses, sent, session, made)
        made.hops.append(page)
        if page.status not in REDIRECTS:
            return
        cookies.keep(place.host, place.path, page.cookies)
        place = _next(start, place, page)
        if (place.url, cookies.header(place.host, place.path)) in seen:
            raise VisitEnded(_circle(place, made.hops))
    if made.hops[-1].cookies or _shares_cookies(made.hops):
        raise VisitEnded(_cookies_and_no_end(place))
    says = _(
        "{host} redirects more than {limit} times, so browsers may give up. Redirect straight to "
        "the webmail.",
        host=start.host,
        limit=MAX_REDIRECTS,
    )
    raise VisitEnded(fail("webmail_redirect_loop", says, owner=Owner.HOST))


async def _redirect_addresses(host: str, session: CheckSession) -> tuple[str, ...]:
    """The addresses of a name that was redirected to, if every one of them may be dialled.

    The one to act is who wrote the redirect.
    """
    found = await session.addresses(host)
    if found.unreachable:
        says = _(
            "The webmail redirects to {host}, at the non-public address {addresses}: people "
            "outside cannot open it. Correct the redirect.",
            host=host,
            addresses=", ".join(found.unreachable[:5]),
        )
        raise VisitEnded(fail("webmail_redirect_blocked", says, owner=Owner.HOST))
    if not found.all:
        says = _(
            "The webmail redirects to {host}, which has no address in DNS ({result}): people "
            "cannot open it. Correct the redirect.",
            host=host,
            result=found.result,
        )
        raise VisitEnded(fail("webmail_redirect_unresolvable", says, owner=Owner.HOST))
    return found.all


async def _get(
    place: ProbeUrl, addresses: tuple[str, ...], cookies: str, session: CheckSession, made: Visit
) -> Fetched:
    """One GET, recorded; raises VisitEnded for what a failed connection says of the server."""
    waited = sum(hop.ms_total - hop.ms_stalled for hop in made.hops) / 1000
    if session.seconds_left < LEAST_SECONDS:
        raise VisitEnded(_no_time_left(place, waited, session))
    brief = waited + session.seconds_left < session.fair_seconds
    try:
        page = await session.fetch(place.url, addresses, cookies=cookies)
    except WebFault as fault:
        made.requests.append({"url": steady_url(place.url), **fault.evidence()})
        made.silent = not made.hops and fault.kind in ("refused", "timeout", "unreachable")
        if fault.ours or (fault.silent and brief):
            raise VisitEnded(
                unknown("check_timeout", no_answer_not_blamed(fault, place.host))
            ) from None
        raise VisitEnded(connection_finding(fault, place)) from None
    made.requests.append(page.evidence())
    return page


def _no_time_left(place: ProbeUrl, waited: float, session: CheckSession) -> Finding:
    """The finding where the time is over before `place` was asked: whoever took it up decides."""
    if waited < session.fair_seconds:
        return unknown("check_timeout", not_asked(place.host))
    says = _(
        "The webmail's redirects took {seconds} s and led to no page, so people give up. Check "
        "the load of the server.",
        seconds=rounded(waited),
    )
    return fail("webmail_timeout", says, owner=Owner.HOST)


def _next(start: ProbeUrl, place: ProbeUrl, page: Fetched) -> ProbeUrl:
    """The place that a response redirects to; raises VisitEnded with why it is not gone to."""
    if not page.location:
        says = _(
            "{host} answers with a redirect ({status}) that names no address, so browsers show an "
            "error. Correct the proxy.",
            host=place.host,
            status=page.status,
        )
        raise VisitEnded(fail("webmail_bad_response", says, owner=Owner.HOST))
    try:
        there = redirect_url(page.location, place, ports={start.port})
    except UrlRefused as error:
        says = _(
            "The webmail redirects to {location}, which the audit does not follow ({reason}). "
            "Correct the redirect.",
            location=shown(steady_url(page.location)),
            reason=error.reason,
        )
        raise VisitEnded(fail("webmail_redirect_blocked", says, owner=Owner.HOST)) from None
    if there.scheme == "http":
        says = _(
            "The webmail redirects to {url}: unencrypted, so passwords can be read on the way. "
            "Redirect to https only.",
            url=steady_url(there.url),
        )
        raise VisitEnded(fail("webmail_redirect_insecure", says, owner=Owner.HOST))
    return there


def _circle(place: ProbeUrl, hops: list[Fetched]) -> Finding:
    """The same request would be made once more, with the same cookies."""
    if hops[-1].cookies or _shares_cookies(hops):
        return _cookies_and_no_end(place)
    says = _(
        "The webmail redirects in a circle at {url}, so browsers show an error. Correct the "
        "redirects.",
        url=steady_url(place.url),
    )
    return fail("webmail_redirect_loop", says, owner=Owner.HOST)


def _shares_cookies(hops: list[Fetched]) -> bool:
    """Whether one host set a cookie for others too (RFC 6265, 5.2.3), which got none from us."""
    hosts = {urlsplit(hop.url).hostname for hop in hops}
    return len(hosts) > 1 and any(_DOMAIN.search(line) for hop in hops for line in hop.cookies)


def _cookies_and_no_end(place: ProbeUrl) -> Finding:
    says = _(
        "The redirects at {url} set cookies and have no end, although the audit returned each "
        "cookie to its host: browsers may be treated otherwise, so nothing is said of it.",
        url=steady_url(place.url),
    )
    return unknown("webmail_redirect_cookie", says)
