"""What a visit to the webmail says: of the page it ended on, or the connection that failed."""

import re
from typing import Any
from urllib.parse import urlsplit

from collectors.base import Finding, Fix, Owner, fail, info, unknown, warn
from collectors.names import organisational_domain
from collectors.net.http_client import Fetched, WebFault
from collectors.net.probe_faults import tls_words, too_busy
from collectors.net.probe_url import ProbeUrl
from collectors.net.steady import steady_url
from collectors.text import Text, _, rounded
from collectors.webmail.instead import led_on, no_page, notice, offsite
from collectors.webmail.refusals import TOO_MANY, guard_of, wants_cookies
from collectors.webmail.stock_pages import stock_page

SLOW_MS = 3000  # to the first byte, redirects included
TIMED_OUT = 408  # the server waited for us
MAX_EMPTY = 2000  # bytes; what is longer shows something
# what a page may consist of and still show nothing
_NOTHING_TO_SEE = re.compile(
    r"<!--.*?-->|<!doctype[^>]{0,200}>|</?(?:html|head|body|p|br|center)(?:[\s/][^>]{0,200})?>"
    r"|<meta\s(?![^>]{0,200}refresh)[^>]{0,200}>|<link\s[^>]{0,200}>"
    r"|<style(?:\s[^>]{0,200})?>[^<]*</style>|<title(?:\s[^>]{0,200})?>\s*</title>|&nbsp;|\ufeff",
    re.IGNORECASE | re.DOTALL,
)


def page_findings(start: ProbeUrl, hops: list[Fetched]) -> list[Finding]:
    """Findings for a visit that began at `start` and ended with the last of `hops`."""
    page = hops[-1]
    host = urlsplit(page.url).hostname or ""
    refusal = _refusal(host, hops)
    if refusal:
        return [refusal]
    found = [
        _status(host, page),
        _plain_http(page),
        _placeholder(host, page),
        notice(host, page),
        no_page(host, page),
        _empty(host, page),
        _offsite(start, host) or led_on(start, page),
        _slow(hops),
        _no_hsts(host, page),
    ]
    return [finding for finding in found if finding]


def _refusal(host: str, hops: list[Fetched]) -> Finding | None:
    """The finding where the answer speaks of the audit and not of the webmail."""
    page, guard = hops[-1], guard_of(hops[-1])
    if page.status == TOO_MANY:
        says = _("{host} answers the audit with 429 (too many requests), so nothing is said of it.",
                 host=host)  # fmt: skip
    elif guard:
        says = _(
            "{host} answers the audit with a check or a block of visitors ({guard}), so it is not "
            "known what people see.",
            host=host,
            guard=guard,
        )
    elif any(hop.cookies for hop in hops) and wants_cookies(page):
        says = _(
            "{host} asks for cookies although the audit returned those that it was given, so it "
            "is not known what people see.",
            host=host,
        )
    elif page.status == TIMED_OUT and page.ms_stalled:
        says = too_busy(host)
    else:
        return None
    return unknown("webmail_refuses_audit", says)


def _status(host: str, page: Fetched) -> Finding | None:
    if 200 <= page.status < 300:
        return None
    says = _(
        "{host} answers with status {status}: people see an error instead of the webmail.",
        host=host,
        status=page.status,
    )
    fix = Fix(_status_advice(page.status))
    return fail("webmail_status", says, owner=Owner.HOST, fix=fix)


def _plain_http(page: Fetched) -> Finding | None:
    if not page.url.startswith("http:"):
        return None
    says = _(
        "{url} is not encrypted, so passwords can be read on the way. Serve the webmail over "
        "https only.",
        url=steady_url(page.url),
    )
    return fail("webmail_not_https", says, owner=Owner.HOST)


def _placeholder(host: str, page: Fetched) -> Finding | None:
    product = stock_page(page.url, page.title, page.text)
    if not product:
        return None
    says = _(
        "{host} shows a placeholder page ({product}), not the webmail. Check the virtual "
        "host and where the name points.",
        host=host,
        product=product,
    )
    return fail("webmail_default_page", says, owner=Owner.HOST)


def _empty(host: str, page: Fetched) -> Finding | None:
    shown = 200 <= page.status < 300 and not page.header("refresh")
    if not shown or len(page.body) > MAX_EMPTY or _NOTHING_TO_SEE.sub("", page.text).strip():
        return None
    says = _(
        "{host} answers with an empty page (status {status}): people see nothing. Check the "
        "virtual host and the proxy's upstream.",
        host=host,
        status=page.status,
    )
    return warn("webmail_empty", says, owner=Owner.HOST)


def _offsite(start: ProbeUrl, host: str) -> Finding | None:
    here = organisational_domain(host) == organisational_domain(start.host)
    return None if here else offsite(start.host, host)


def _slow(hops: list[Fetched]) -> Finding | None:
    """Over the limit to the first byte; the time for which we stood still ourselves is not held."""
    waited = sum(hop.ms_total for hop in hops[:-1]) + hops[-1].ms_first_byte
    waited -= sum(hop.ms_stalled for hop in hops)
    if waited <= SLOW_MS:
        return None
    says = _(
        "The webmail took {seconds} s to begin its answer (limit {limit} s), so people wait. "
        "Check the load of the server.",
        seconds=round(waited / 1000, None if waited > 1000 else 1),
        limit=SLOW_MS // 1000,
    )
    return warn("webmail_slow", says, owner=Owner.HOST)


def _no_hsts(host: str, page: Fetched) -> Finding | None:
    if not page.url.startswith("https:") or _has_hsts(page):
        return None
    says = _(
        "{host} sends no Strict-Transport-Security header, so a visit may begin unencrypted. "
        "Add it in the proxy.",
        host=host,
    )
    return info("webmail_no_hsts", says, owner=Owner.HOST)


def _status_advice(status: int) -> Text:
    if status in (502, 503, 504):
        return _(
            "The proxy answers, but the mail server behind it does not. Check that the mailbox "
            "service is running."
        )
    if status >= 500:
        return _("Look into the log of the web server for the error.")
    return _("Check the virtual host and the path of the webmail URL.")


def _has_hsts(page: Fetched) -> bool:
    """True if the header asks for any time of encryption (RFC 6797, 6.1.1: 0 takes it back)."""
    for directive in page.header("strict-transport-security").lower().split(";"):
        name, _equals, value = directive.partition("=")
        age = value.strip().strip('"')
        if name.strip() == "max-age":
            return age.isascii() and age.isdigit() and age.strip("0") != ""
    return False


def connection_finding(fault: WebFault, place: ProbeUrl) -> Finding:
    """The finding for a WebFault that ended the visit at `place`."""
    seen: dict[str, Any] = {
        "host": place.host,
        "address": fault.address,
        "port": place.port,
        "detail": fault.detail,
    }
    match fault.kind:
        case "refused":
            says = _(
                "{host} ({address}) refuses connections on port {port}. Start the web server or "
                "open the firewall.",
                **seen,
            )
            return fail("webmail_refused", says, owner=Owner.HOST)
        case "timeout":
            waited = rounded(fault.seconds)
            says = _(
                "{host} ({address}) did not answer in {seconds} s ({detail}). Check the server "
                "and its firewall.",
                seconds=waited,
                **seen,
            )
            return fail("webmail_timeout", says, owner=Owner.HOST)
        case "reset":
            says = _(
                "{host} ({address}) broke the connection off ({detail}), so browsers show an "
                "error. Look into the web server's log.",
                **seen,
            )
            return fail("webmail_reset", says, owner=Owner.HOST)
        case "tls":
            says = _(
                "{host} cannot be opened over HTTPS: {cause}. Browsers warn and stop. Correct "
                "the proxy's certificate or TLS.",
                cause=tls_words(fault),
                **seen,
            )
            return fail("webmail_tls", says, owner=Owner.HOST)
        case "blocked":
            says = _(
                "{host} has the non-public address {address}: people outside cannot open the "
                "webmail. Publish public ones only.",
                **seen,
            )
            return fail("webmail_address_private", says)
        case "unreachable" if fault.cause == "network":
            return unknown(
                "webmail_no_route",
                _("This machine has no route to {host} ({address}): {detail}.", **seen),
            )
        case "unreachable":
            says = _(
                "{host} ({address}) is out of reach: the network says “{detail}”. Check the "
                "server and its firewall.",
                **seen,
            )
            return fail("webmail_host_unreachable", says, owner=Owner.HOST)
        case "unreadable":
            says = _(
                "The answer of {host} ({address}) could not be read to its end ({detail}), so "
                "nothing is said of the page. Browsers may read it.",
                **seen,
            )
            return unknown("webmail_unreadable", says)
        case _:
            says = _(
                "The answer of {host} ({address}) is not usable HTTP ({detail}). Check what runs "
                "on port {port}.",
                **seen,
            )
            return fail("webmail_bad_response", says, owner=Owner.HOST)
