"""How values are shown: times, evidence, differences, parts of long records."""

import difflib
import json
import re
from datetime import datetime

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext, pgettext

from audit.models import CheckTransition, Incident
from audit.models.domains import DomainStatus
from collectors.standards.zone_snippet import quoted, strings_of
from collectors.standards.zone_snippet import relative as relative_name
from collectors.stored import Evidence, StoredRecord

register = template.Library()
Part = tuple[str, bool]  # (text, whether it differs)

MAX_EVIDENCE = 20_000  # characters of evidence that are shown inline; the whole has its own address
MAX_DIFF_TOKENS = 400
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TOKEN = re.compile(r"\s+|[^\s;]+;?|;")


def _phrases(n: int) -> dict[str, tuple[str, str]]:
    """A number of minutes, hours and days in words: in the past, and in the future."""
    return {
        "min": (
            ngettext("%(n)s min ago", "%(n)s min ago", n),
            ngettext("in %(n)s min", "in %(n)s min", n),
        ),
        "h": (ngettext("%(n)s h ago", "%(n)s h ago", n), ngettext("in %(n)s h", "in %(n)s h", n)),
        "day": (
            ngettext("%(n)s day ago", "%(n)s days ago", n),
            ngettext("in %(n)s day", "in %(n)s days", n),
        ),
    }


def _number(seconds: float) -> tuple[int, str]:
    """A span as a whole number of a unit."""
    n = max(1, round(seconds / _MINUTE))
    if n < 60:
        return n, "min"
    return (round(seconds / _HOUR), "h") if seconds < 2 * _DAY else (round(seconds / _DAY), "day")


def _words(seconds: float) -> tuple[int, str, str]:
    """A span as (number, phrase in the past, phrase in the future)."""
    n, unit = _number(seconds)
    return n, *_phrases(n)[unit]


def _spans() -> dict[str, str]:
    """A number of minutes, hours and days where there is little room."""
    return {"min": _("%(n)s min"), "h": _("%(n)s h"), "day": _("%(n)s d")}


@register.simple_tag
def age_words() -> str:
    """The phrases of `relative` and `span` for the browser, which counts the ages on
    (static/js/live.js), as JSON: {now, soon, past: {unit: [of one, of more]}, future: …, span: …}.
    """
    one, more = _phrases(1), _phrases(2)
    past, future = ({u: [one[u][k], more[u][k]] for u in one} for k in (0, 1))
    span = {unit: [phrase, phrase] for unit, phrase in _spans().items()}
    words = {"now": _("just now"), "soon": _("in a moment"), "past": past, "future": future}
    return json.dumps({**words, "span": span})


@register.simple_tag
def now_iso() -> str:
    """Our time, by which the browser counts ages whatever its own clock says."""
    return timezone.now().isoformat(timespec="milliseconds")


def relative(moment: datetime, now: datetime | None = None) -> str:
    """A moment in words, seen from now: `just now`, `5 min ago`, `in 2 h`."""
    seconds = ((now or timezone.now()) - moment).total_seconds()
    if abs(seconds) < 45:
        return _("just now") if seconds >= 0 else _("in a moment")
    n, past, future = _words(abs(seconds))
    return (past if seconds > 0 else future) % {"n": n}


@register.filter
def ago(moment: datetime | None) -> str:
    """`<time>` with the moment in words, the exact time as its title; nothing for None."""
    if moment is None:
        return ""
    iso = moment.isoformat(timespec="seconds")
    return format_html(
        '<time datetime="{}" title="{}" data-age>{}</time>', iso, exact(moment), relative(moment)
    )


@register.filter
def duration(seconds: float) -> str:
    """A span of seconds in words: `5 min`, `2 h`, `3 days`."""
    n, unit = _number(seconds)
    return {
        "min": ngettext("%(n)s min", "%(n)s min", n),
        "h": ngettext("%(n)s h", "%(n)s h", n),
        "day": ngettext("%(n)s day", "%(n)s days", n),
    }[unit] % {"n": n}


@register.filter
def lasted(incident: Incident) -> str:
    """How long an incident lasted that is closed."""
    closed = incident.closed_at or timezone.now()
    return duration(max(0.0, (closed - incident.opened_at).total_seconds()))


@register.filter
def span(moment: datetime | None) -> str:
    """`<time>` with how long ago the moment was, short: `3 h`; the exact time as its title."""
    if moment is None:
        return ""
    seconds = max(0.0, (timezone.now() - moment).total_seconds())
    n, unit = _number(seconds)
    iso, text = moment.isoformat(timespec="seconds"), _spans()[unit] % {"n": n}
    return format_html(
        '<time datetime="{}" title="{}" data-age="span">{}</time>', iso, exact(moment), text
    )


@register.filter("moment")
def exact(at: datetime) -> str:
    """The exact time, in the installation's time zone."""
    local = timezone.localtime(at)
    return f"{date_format(local, 'DATE_FORMAT')} {local:%H:%M:%S %Z}"


@register.filter
def pretty(evidence: Evidence) -> str:
    """Evidence as indented JSON text, cut where it is long."""
    text = json.dumps(evidence, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_EVIDENCE else text[:MAX_EVIDENCE] + "\n…"


@register.filter
def is_cut(evidence: Evidence) -> bool:
    """Whether `pretty` shows only the beginning."""
    return len(json.dumps(evidence, indent=2, ensure_ascii=False, default=str)) > MAX_EVIDENCE


@register.simple_tag
def compare(current: str | None, value: str) -> dict[str, list[Part]]:
    """`{"now": [...], "publish": [...]}`: both texts as (text, changed) parts, by words and by tags
    that end in `;`.
    """
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
def txt_strings(record: StoredRecord) -> str:
    """The quoted strings that a TXT record of over 255 bytes is entered as, in one line; '' for all
    others.
    """
    long = record["type"] == "TXT" and len(strings_of(record["value"])) > 1
    return quoted(record["value"]) if long else ""


@register.filter
def in_zone(name: str, domain: str) -> str:
    """The owner name as most DNS panels take it, within the zone of the domain: `@`, `_dmarc`; ''
    where it lies outside.
    """
    return relative_name(name, domain)


@register.filter
def changes(transition: CheckTransition, limit: int = 40) -> list[tuple[str, str]]:
    """What differs between the evidence before and after, as (sign, line); bounded."""
    if not transition.evidence_before:
        return []
    before, after = (
        json.dumps(e, indent=1, ensure_ascii=False, default=str)[:MAX_EVIDENCE].splitlines()[:500]
        for e in _both(transition)
    )
    compared = list(difflib.unified_diff(before, after, n=0, lineterm=""))[
        2:
    ]  # the first two lines name the files
    lines = [(line[0], line[1:].strip().rstrip(",")) for line in compared if line[0] in "+-"]
    lines = [(sign, text) for sign, text in lines if text.strip("[]{} ")]
    return lines[:limit] + ([(" ", "…")] if len(lines) > limit else [])


def _both(transition: CheckTransition) -> tuple[Evidence, Evidence]:
    return transition.evidence_before, transition.evidence_after


@register.simple_tag
def version() -> str:
    """The version of this installation."""
    return settings.VERSION


_STATUS_WORDS = {
    "ok": gettext_noop("ok"),
    "warn": gettext_noop("warning"),
    "fail": gettext_noop("failing"),
    "unknown": gettext_noop("unknown"),
    "off": gettext_noop("not measured here"),
}
_OWNER_WORDS = {
    "customer": gettext_noop("The customer's turn: their DNS"),
    "host": gettext_noop("Our turn: the mail server"),
    "measurement": gettext_noop("Could not be measured"),
}


@register.filter
def word(status: str) -> str:
    """A check's status in words."""
    return _(_STATUS_WORDS.get(str(status), str(status))) if status else ""


@register.filter
def state(status: str) -> str:
    """A domain's status in words; `onboarding`: of one that is new."""
    if status == "onboarding":
        return _("onboarding")
    return str(dict(DomainStatus.choices).get(str(status), status))


@register.filter
def turn(owner: str) -> str:
    """Who must act, in words."""
    return _(_OWNER_WORDS.get(str(owner), str(owner)))


@register.filter
def whose(owner: str) -> str:
    """Who must act, in a word."""
    words = {
        "customer": pgettext("whose turn", "customer"),
        "host": pgettext("whose turn", "us"),
        "measurement": pgettext("whose turn", "measurement"),
    }
    return words.get(str(owner), str(owner))


@register.filter
def breakable(name: str) -> str:
    """A domain name that may break after its dots."""
    return format_html_join(
        mark_safe("<wbr>"), "{}", ((part,) for part in re.split(r"(?<=\.)", name))
    )
