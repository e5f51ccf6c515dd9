"""Pages with a good status that are no webmail: a notice, a file, a step to another place."""

import re
from urllib.parse import urlsplit

from collectors.base import Finding, Owner, fail, warn
from collectors.names import organisational_domain
from collectors.net.http_client import Fetched
from collectors.net.probe_url import ProbeUrl, UrlRefused, redirect_url, start_url
from collectors.net.steady import steady_url
from collectors.text import _
from collectors.webmail.stock_pages import signs_in

# how an error page or a notice is titled, in the languages that our customers' servers speak
_ERROR = (
    r"(?:https?\s)?(?:error|erro|status|fehler|erreur)?[\s:–—#-]*"
    r"(?:400|401|403|404|410|500|502|503|504|52\d)"
    r"(?:$|[\s:|–—-]+(?:error|erro|bad|not|forbidden|unauthori[sz]ed|gone|internal|service|"
    r"gateway|server|web server|p[áa]gina|page|proibido|acesso|servi[çc]o|servicio|interno)\b)"
)
_SAYS = (
    r"(?:bad gateway|gateway time-?out|internal server error|service (?:temporarily )?unavailable|"
    r"(?:page )?not found|p[áa]gina n[ãa]o encontrada|p[áa]gina no encontrada|page introuvable|"
    r"seite nicht gefunden|pagina non trovata)\W*$"
)
_NOTICE = re.compile(
    rf"^(?:{_ERROR}|{_SAYS})|\b(?:(?:under|site|system|server|scheduled) maintenance|"
    r"maintenance mode|(?:em|sob) manuten[çc][ãa]o|en mantenimiento|en (?:cours de )?maintenance|"
    r"in manutenzione|wartungs(?:arbeiten|modus)|temporarily unavailable|temporariamente "
    r"indispon[íi]vel|servi[çc]o indispon[íi]vel|servicio no disponible|"
    r"service indisponible)\b"
    r"|^(?:maintenance|manuten[çc][ãa]o|mantenimiento|manutenzione|wartung)\W*$",
    re.IGNORECASE,
)
# what browsers show as a page; other "application/…" they store, or show as data
_PAGES = ("application/xhtml+xml", "application/xml", "application/pdf")
_SOURCE = re.compile(r"\s*<\?php\b", re.IGNORECASE)
_META = re.compile(r"<meta\s[^>]{0,300}>", re.IGNORECASE)
_REFRESH = re.compile(r"http-equiv\s*=\s*[\"']?\s*refresh", re.IGNORECASE)
_CONTENT = re.compile(r"content\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]*))", re.IGNORECASE)
_STEP = re.compile(r"\s*(\d{0,4})[\d.]*\s*[;,]?\s*(?:url\s*=\s*)?[\"']?([^\"']*)", re.IGNORECASE)
_FRAME = re.compile(r"<frame\s[^>]{0,300}?src\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_FRAMES = re.compile(r"<frameset[\s>]", re.IGNORECASE)
HEAD = 16 * 1024  # characters of a page in which it says where it goes on
SOON = 30  # seconds after which a page that goes on has been seen first


def notice(host: str, page: Fetched) -> Finding | None:
    """An error page, or a notice of maintenance, that comes with a status that says all is well."""
    if not 200 <= page.status < 300 or signs_in(page.text) or not _NOTICE.search(page.title):
        return None
    says = _(
        "{host} answers with status {status}, and its page says “{title}”: people see that instead "
        "of the webmail. End the maintenance, or mend what is behind the proxy.",
        host=host,
        status=page.status,
        title=page.title[:100],
    )
    return warn("webmail_unavailable", says, owner=Owner.HOST)


def no_page(host: str, page: Fetched) -> Finding | None:
    """A file or data: browsers store it, or show it as text."""
    kind = page.header("content-type").split(";")[0].strip().lower()
    stored = page.header("content-disposition").strip().lower().startswith("attachment")
    data = kind.startswith("application/") and kind not in _PAGES
    if not 200 <= page.status < 300 or not (stored or data or _SOURCE.match(page.text)):
        return None
    says = _(
        "{host} answers with a file or data ({kind}) and not with a page: browsers store it or "
        "show its source. Check the virtual host and what runs behind it.",
        host=host,
        kind=kind or "?",
    )
    return warn("webmail_not_a_page", says, owner=Owner.HOST)


def led_on(start: ProbeUrl, page: Fetched) -> Finding | None:
    """Where the page itself sends people at once: unencrypted, or to another organisation."""
    step = _next_step(page)
    try:
        there = redirect_url(step, start_url(page.url), ports={start.port}) if step else None
    except UrlRefused:
        return None
    if there is None or not 200 <= page.status < 300:
        return None
    if there.scheme == "http" and page.url.startswith("https:"):
        says = _(
            "The webmail redirects to {url}: unencrypted, so passwords can be read on the way. "
            "Redirect to https only.",
            url=steady_url(there.url),
        )
        return fail("webmail_redirect_insecure", says, owner=Owner.HOST)
    here = urlsplit(page.url).hostname or ""
    if organisational_domain(there.host) in map(organisational_domain, (start.host, here)):
        return None
    return offsite(start.host, there.host)


def offsite(start: str, there: str) -> Finding:
    """The webmail of `start` ends at a host of another organisation."""
    says = _(
        "The webmail of {start} ends at {host}, on another organisation's domain. Check that "
        "this is meant.",
        start=start,
        host=there,
    )
    return warn("webmail_redirect_offsite", says, owner=Owner.HOST)


def _next_step(page: Fetched) -> str:
    """The URL of a Refresh (header or meta) or of the first frame, '' for none."""
    text = page.text[:HEAD]
    wanted = [page.header("refresh")]
    for tag in _META.findall(text):
        content = _CONTENT.search(tag)
        if _REFRESH.search(tag) and content:
            wanted.append(next((part for part in content.groups() if part), ""))
    for one in wanted:
        step = _STEP.match(one)
        if step and step[2].strip() and int(step[1] or 0) <= SOON:
            return step[2].strip()
    frames = _FRAMES.search(text)
    frame = _FRAME.search(text, frames.end()) if frames else None
    return frame[1] if frame else ""
