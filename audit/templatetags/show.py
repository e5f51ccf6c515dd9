"""How values are shown: times, evidence, differences, parts of long records."""

import difflib
import json
import re
import tomllib
from functools import cache

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from audit.scoring import DomainStatus

register = template.Library()

MAX_EVIDENCE = 20_000  # characters of evidence that are shown inline; the whole has its own address
MAX_DIFF_TOKENS = 400
TXT_STRING = 255  # bytes that one string of a TXT record holds (RFC 1035 section 3.3.14)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TOKEN = re.compile(r"\s+|[^\s;]+;?|;")


def _words(seconds):
    """A span as (number, phrase in the past, phrase in the future)."""
    n = max(1, round(seconds / _MINUTE))
    if n < 60:
        return n, ngettext("%(n)s min ago", "%(n)s min ago", n), ngettext("in %(n)s min", "in %(n)s min", n)
    if seconds < 2 * _DAY:
        n = round(seconds / _HOUR)
        return n, ngettext("%(n)s h ago", "%(n)s h ago", n), ngettext("in %(n)s h", "in %(n)s h", n)
    n = round(seconds / _DAY)
    return n, ngettext("%(n)s day ago", "%(n)s days ago", n), ngettext("in %(n)s day", "in %(n)s days", n)


def relative(moment, now=None):
    """A moment in words, seen from now: `just now`, `5 min ago`, `in 2 h`."""
    seconds = ((now or timezone.now()) - moment).total_seconds()
    if abs(seconds) < 45:
        return _("just now") if seconds >= 0 else _("in a moment")
    n, past, future = _words(abs(seconds))
    return (past if seconds > 0 else future) % {"n": n}


@register.filter
def ago(moment):
    """`<time>` with the moment in words, the exact time as its title; nothing for None."""
    if moment is None:
        return ""
    iso = moment.isoformat(timespec="seconds")
    return format_html('<time datetime="{}" title="{}">{}</time>', iso, exact(moment), relative(moment))


@register.filter("moment")
def exact(at):
    """The exact time, in the installation's time zone."""
    local = timezone.localtime(at)
    return f"{date_format(local, 'DATE_FORMAT')} {local:%H:%M:%S %Z}"


@register.filter
def pretty(evidence):
    """Evidence as indented JSON text, cut where it is long."""
    text = json.dumps(evidence, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_EVIDENCE else text[:MAX_EVIDENCE] + "\n…"


@register.filter
def is_cut(evidence):
    """Whether `pretty` shows only the beginning."""
    return len(json.dumps(evidence, indent=2, ensure_ascii=False, default=str)) > MAX_EVIDENCE


@register.simple_tag
def compare(current, value):
    """`{"now": [...], "publish": [...]}`: both texts as (text, changed) parts, by words and by tags that end in `;`."""
    if not current:
        return {"now": [], "publish": [(value, False)]}
    old, new = _TOKEN.findall(current), _TOKEN.findall(value)
    if len(old) + len(new) > MAX_DIFF_TOKENS:
        return {"now": [(current, False)], "publish": [(value, False)]}
    now, publish = [], []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        changed = kind != "equal"
        now += [("".join(old[a:b]), changed)] if a < b else []
        publish += [("".join(new[c:d]), changed)] if c < d else []
    return {"now": now, "publish": publish}


@register.filter
def txt_strings(record):
    """The quoted strings that a TXT record of over 255 bytes is entered as, in one line; '' for all others."""
    raw = record["value"].encode()
    if record["type"] != "TXT" or len(raw) <= TXT_STRING:
        return ""
    parts, part = [], ""
    for char in record["value"]:
        if len((part + char).encode()) > TXT_STRING:
            parts.append(part)
            part = ""
        part += char
    quoted = (p.replace("\\", "\\\\").replace('"', '\\"') for p in [*parts, part])
    return " ".join(f'"{p}"' for p in quoted)


@register.filter
def in_zone(name, domain):
    """The owner name as most DNS panels take it, within the zone of the domain: `@`, `_dmarc`; '' where it lies outside."""
    if name == domain:
        return "@"
    return name.removesuffix("." + domain) if name.endswith("." + domain) else ""


@register.filter
def changes(transition, limit=40):
    """What differs between the evidence before and after, as (sign, line); bounded."""
    if not transition.evidence_before:
        return []
    before, after = (json.dumps(e, indent=1, ensure_ascii=False, default=str)[:MAX_EVIDENCE].splitlines()[:500] for e in _both(transition))
    compared = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]  # the first two lines name the files
    lines = [(line[0], line[1:].strip().rstrip(",")) for line in compared if line[0] in "+-"]
    lines = [(sign, text) for sign, text in lines if text.strip("[]{} ")]
    return lines[:limit] + ([(" ", "…")] if len(lines) > limit else [])


def _both(transition):
    return transition.evidence_before, transition.evidence_after


@cache
def _version():
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


@register.simple_tag
def version():
    """The version of this installation."""
    return _version()


_STATUS_WORDS = {
    "ok": gettext_noop("ok"),
    "warn": gettext_noop("warning"),
    "fail": gettext_noop("failing"),
    "unknown": gettext_noop("unknown"),
}
_OWNER_WORDS = {
    "customer": gettext_noop("The customer's turn: their DNS"),
    "host": gettext_noop("Our turn: the mail server"),
    "measurement": gettext_noop("Could not be measured"),
}


@register.filter
def word(status):
    """A check's status in words."""
    return _(_STATUS_WORDS.get(str(status), str(status))) if status else ""


@register.filter
def state(status):
    """A domain's status in words."""
    return dict(DomainStatus.choices).get(str(status), status)


@register.filter
def turn(owner):
    """Who must act, in words."""
    return _(_OWNER_WORDS.get(str(owner), str(owner)))


@register.filter
def chosen(filters, name):
    """Whether this filter narrows the list."""
    value = getattr(filters, name)
    return bool(value) and (name, value) != ("sort", "worst")


@register.filter
def breakable(name):
    """A domain name that may break after its dots."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in re.split(r"(?<=\.)", name)))
