"""The findings about the page on which a visit to the webmail ended."""

from urllib.parse import urlsplit

from .base import Fix, Owner, fail, info, warn
from .default_pages import stock_page
from .names import organisational_domain
from .text import _

SLOW_MS = 3000  # to the first byte, redirects included


def judge(start, hops):
    """Findings for a visit that began at the Place `start` and ended with the last of `hops` (Fetched)."""
    page, findings = hops[-1], []
    parts = urlsplit(page.url)
    host = parts.hostname
    if not 200 <= page.status < 300:
        says = _("{host} answers with status {status}: people see an error instead of the webmail.", host=host, status=page.status)
        findings.append(fail("webmail_status", says, owner=Owner.HOST, fix=Fix(_status_advice(page.status))))
    if parts.scheme == "http":
        says = _("{url} is not encrypted, so passwords can be read on the way. Serve the webmail over https only.", url=page.url)
        findings.append(fail("webmail_not_https", says, owner=Owner.HOST))
    product = stock_page(page.url, page.title, page.text)
    if product:
        says = _(
            "{host} shows a placeholder page ({product}), not the webmail. Check the virtual host and where the name points.",
            host=host,
            product=product,
        )
        findings.append(fail("webmail_default_page", says, owner=Owner.HOST))
    if organisational_domain(host) != organisational_domain(start.host):
        says = _(
            "The webmail of {start} ends at {host}, on another organisation's domain. Check that this is meant.",
            start=start.host,
            host=host,
        )
        findings.append(warn("webmail_redirect_offsite", says, owner=Owner.HOST))
    waited = sum(hop.ms_total for hop in hops[:-1]) + page.ms_first_byte
    if waited > SLOW_MS:
        says = _(
            "The webmail took {seconds} s to begin its answer (limit {limit} s), so people wait. Check the load of the server.",
            seconds=round(waited / 1000, 1),
            limit=SLOW_MS // 1000,
        )
        findings.append(warn("webmail_slow", says, owner=Owner.HOST))
    if parts.scheme == "https" and not _has_hsts(page):
        says = _("{host} sends no Strict-Transport-Security header, so a visit may begin unencrypted. Add it in the proxy.", host=host)
        findings.append(info("webmail_no_hsts", says, owner=Owner.HOST))
    return findings + _failed_addresses(hops)


def _status_advice(status):
    if status in (502, 503, 504):
        return _("The proxy answers, but the mail server behind it does not. Check that the mailbox service is running.")
    if status >= 500:
        return _("Look into the log of the web server for the error.")
    return _("Check the virtual host and the path of the webmail URL.")


def _has_hsts(page):
    """True if the header asks for encryption for any time at all (RFC 6797, 6.1.1: max-age=0 takes it back)."""
    for directive in page.header("strict-transport-security").lower().split(";"):
        name, _equals, value = directive.partition("=")
        age = value.strip().strip('"')
        if name.strip() == "max-age":
            return age.isascii() and age.isdigit() and age.strip("0") != ""
    return False


def _failed_addresses(hops):
    failed = sorted({address for hop in hops for address, _kind in hop.attempts})
    if not failed:
        return []
    says = _(
        "The webmail address {addresses} does not answer; another one does. Repair it or remove its record.", addresses=", ".join(failed)
    )
    return [info("webmail_address_down", says, owner=Owner.HOST)]
