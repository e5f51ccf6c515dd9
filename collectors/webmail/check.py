"""webmail_http: can a person open the webmail over HTTPS, at every address of its name."""

import asyncio
from dataclasses import replace
from typing import Any

from collectors.base import Finding, Fix, Outcome, Owner, Target, check, unknown
from collectors.names import organisational_domain
from collectors.net.connection import MAX_DIALLED, in_order
from collectors.net.http_client import Fetched
from collectors.net.probe_url import UrlRefused, start_url
from collectors.net.session import CheckSession
from collectors.net.steady import steady_url
from collectors.server.webmail_place import WebmailPlace, webmail_place
from collectors.text import _
from collectors.webmail.fix import elsewhere, name_missing, without_private
from collectors.webmail.nodes import best_visit, visits_findings
from collectors.webmail.visit import Visit, visit


@check("webmail_http", _("Webmail"))
async def check_webmail(target: Target, session: CheckSession) -> Outcome:
    """GET the tenant's webmail URL at every address; redirects are followed to checked ones."""
    try:
        start = start_url(target.webmail)
    except UrlRefused as error:
        says = _(
            "The tenant's webmail URL {url} cannot be used: {reason}. Correct it in the tenant.",
            url=target.webmail,
            reason=error.reason,
        )
        return Outcome(says, [unknown("webmail_url_invalid", says)], {"url": target.webmail})
    place = await webmail_place(target, session, start.host)
    evidence: dict[str, Any] = {"url": start.url, "addresses": list(place.found.all)}
    if place.found.fault:
        evidence["unseen"] = place.found.fault.code
    findings = await _place_findings(place, target, session)
    if place.found.unreachable or not place.visited:
        return Outcome(findings[0].message, findings, evidence)
    visits = await asyncio.gather(
        *(visit(start, address, session) for address in in_order(place.visited))
    )
    for made in visits:
        for request in made.requests:
            session.record_request(request)
    findings += visits_findings(start.host, visits)
    if place.found.fault:  # an error is not an absence: what else the name leads to was not seen
        findings.append(place.found.fault.finding())
    if len(place.visited) > MAX_DIALLED:
        evidence["not_visited"] = sorted(set(place.visited) - {made.address for made in visits})
    return _outcome(visits, findings, evidence)


async def _place_findings(
    place: WebmailPlace, target: Target, session: CheckSession
) -> list[Finding]:
    """What is wrong with where the name leads: theirs to mend, or the host's where it has one name
    for all of its customers."""
    if place.found.unreachable:
        found = [await without_private(place, target, session)]
    elif not place.found.all:
        found = await name_missing(place, target, session)
    else:
        found = [await elsewhere(place, target, session)] if place.foreign else []
    if organisational_domain(place.found.host) == organisational_domain(target.domain):
        return found
    return [replace(f, owner=Owner.HOST, fix=f.fix and Fix(f.fix.text)) for f in found]


def _outcome(visits: list[Visit], findings: list[Finding], evidence: dict[str, Any]) -> Outcome:
    best = best_visit(visits)
    page = best.page
    if len(visits) > 1:
        evidence["nodes"] = {
            made.address: {
                "status": made.page.status if made.page else None,
                "findings": [finding.code for finding in made.findings],
            }
            for made in visits
        }
    if page is None:
        return Outcome(findings[0].message, findings, evidence)
    evidence |= {
        "final_url": steady_url(page.url),
        "title": page.title,
        "size": _size(page),
        "truncated": page.truncated,
        "tls": page.tls_version,
    }
    return Outcome(_("Status {status}, HTTPS valid", status=page.status), findings, evidence)


def _size(page: Fetched) -> int:
    """In bytes; in whole KiB where it has any, as a page that is made anew differs a little."""
    length = len(page.body)
    return length if length < 1024 else round(length / 1024) * 1024
