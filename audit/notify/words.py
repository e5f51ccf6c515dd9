"""What a message says, in words: a subject and blocks of text, in the active language.

Laid out by `layout.py`; every sentence for people stands here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format, localize
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, npgettext, pgettext

from audit.models import Notification
from audit.notify.outbox import Event
from audit.notify.shapes import CertificateFacts, Counted, Facts, IncidentFacts, OnboardingFacts
from collectors.base import Owner, Severity
from collectors.names import to_unicode
from collectors.registry import core_checks
from collectors.text import clean

SUBJECT = 150  # characters


@dataclass(frozen=True)
class Section:
    """A list with its heading; `more` says what it leaves out."""

    heading: str
    items: Sequence[str]
    more: str = ""


@dataclass(frozen=True)
class Message:
    """A message in one language. `tone`: bad, warn, unknown, good or plain."""

    subject: str
    title: str
    tone: str
    reason: str = ""
    table: Sequence[tuple[str, str]] = ()  # (label, value)
    sections: Sequence[Section] = ()
    todo: str = ""
    link: str = ""
    footer: Sequence[str] = field(default_factory=list)


def message_of(row: Notification) -> Message:
    """The words for what a row says (`facts`)."""
    facts: Facts = row.facts
    make = {
        Event.STORM: _storm,
        Event.DIGEST: _digest,
        Event.CHANNEL: _channel,
        Event.TEST: _test,
    }.get(Event(row.event))
    return make(row, facts) if make else _incident(row, facts["incident"])


def _incident(row: Notification, incident: IncidentFacts) -> Message:
    over = row.event == Event.CLOSED
    title = title_of(incident)
    if row.event == Event.UNWAIVED:
        word = pgettext("message", "No longer known")
    else:
        word = pgettext("message", "Over") if over else _severity(incident)
    return _made(
        row,
        f"{word}: {title}",
        tone="good" if over else _TONES[incident["severity"]],
        title=f"{word}: {_about(incident)}",
        reason=(
            _("This is over: %(message)s") % {"message": incident["message"]}
            if over
            else incident["message"]
        ),
        table=_table(incident),
        todo="" if over else incident["what_to_do"],
        link=incident["url"],
    )


_TONES = {
    Severity.FAIL.value: "bad",
    Severity.WARN.value: "warn",
    Severity.UNKNOWN.value: "unknown",
}


def _severity(incident: IncidentFacts) -> str:
    if incident["severity"] == Severity.FAIL:
        return pgettext("message", "Failing")
    if incident["severity"] == Severity.WARN:
        return pgettext("message", "Warning")
    return pgettext("message", "Not measured")


def _about(incident: IncidentFacts) -> str:
    """What an incident is about, in a few words: a domain, so many domains, a server."""
    count, names = incident["domains_count"], incident["domains"]
    if count == 1 and names:
        return to_unicode(names[0])
    tenant = incident["tenant"]
    where = tenant["name"] if tenant else ""
    if not count:
        return where or incident["subject"] or incident["check"]
    number = ngettext("%(count)s domain", "%(count)s domains", count) % {"count": localize(count)}
    return f"{where}, {number}" if where else number


def title_of(incident: IncidentFacts) -> str:
    """An incident in one line."""
    about, sentence = _about(incident), _first_sentence(incident["message"])
    return sentence if about in sentence else f"{about}: {sentence}"


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].removesuffix(".")


def who(owner: str) -> str:
    """Who must act, in words."""
    return {
        Owner.CUSTOMER.value: _("the customer, in their DNS"),
        Owner.HOST.value: _("we, on the mail server"),
        Owner.MEASUREMENT.value: _("we: it could not be measured"),
    }.get(owner, owner)


def _table(incident: IncidentFacts) -> list[tuple[str, str]]:
    since = _time(incident["since"])
    table = [(_("Check"), incident["check"])] if incident["check"] else []
    if incident["closed_at"]:
        until = _time(incident["closed_at"])
        table.append((_("Lasted"), _span(since, until)))
        table += [(_("From"), moment(since)), (_("Until"), moment(until))]
    else:
        table += [(_("Since"), moment(since)), (_("Who acts"), who(incident["owner"]))]
    if incident["tenant"]:
        table.append((_("Server"), incident["tenant"]["name"]))
    if incident["subject"] and incident["subject"] not in incident["domains"]:
        table.append((_("About"), incident["subject"]))
    if incident["domains"]:
        label = npgettext("message", "Domain", "Domains", incident["domains_count"])
        table.append((label, _names(incident)))
    return table


def _names(incident: IncidentFacts) -> str:
    names = ", ".join(to_unicode(name) for name in incident["domains"])
    left = incident["domains_count"] - len(incident["domains"])
    if left <= 0:
        return names
    return _("%(names)s and %(count)s more") % {"names": names, "count": localize(left)}


def _storm(row: Notification, facts: Facts) -> Message:
    opened, closed, back = facts["opened"], facts["closed"], facts["unwaived"]
    numbers = [
        text % {"count": localize(count)}
        for text, count in (
            (ngettext("%(count)s new", "%(count)s new", opened["count"]), opened["count"]),
            (ngettext("%(count)s over", "%(count)s over", closed["count"]), closed["count"]),
            (pgettext("message", "%(count)s no longer known"), back["count"]),
        )
        if count
    ]
    word = pgettext("message", "Many at once")
    said = _("%(numbers)s, between %(since)s and %(until)s.") % {
        "numbers": ", ".join(numbers),
        "since": moment(_time(facts["since"])),
        "until": moment(_time(facts["until"])),
    }
    return _made(
        row,
        f"{word}: {', '.join(numbers)}",
        tone="bad" if opened["count"] or back["count"] else "good",
        reason=said,
        sections=[
            *_section(pgettext("message", "New"), opened),
            *_section(pgettext("message", "No longer known"), back),
            *_section(pgettext("message", "Over"), closed),
        ],
        link=facts["url"],
    )


def _section(heading: str, incidents: Counted, *, with_age: bool = False) -> list[Section]:
    if not incidents["count"]:
        return []
    items = []
    for incident in incidents["first"]:
        line = title_of(incident)
        if with_age:
            line += f" ({_span(_time(incident['since']), timezone.now())})"
        items.append(line)
    heading = _headed(heading, incidents["count"])
    return [Section(heading, items, _more(incidents["count"] - len(items)))]


def _headed(heading: str, count: int) -> str:
    return f"{heading} ({localize(count)})"


def _more(left: int) -> str:
    return _("and %(count)s more") % {"count": localize(left)} if left > 0 else ""


def _digest(row: Notification, facts: Facts) -> Message:
    until = _time(facts["until"])
    day = date_format(timezone.localtime(until), "DATE_FORMAT")
    values = {"day": day, "count": localize(facts["domains_count"])}
    if facts["all_well"]:
        return _made(
            row,
            _("All well: %(day)s") % values,
            tone="good",
            reason=_("Nothing is open in %(count)s domains, and nobody waits.") % values,
            link=facts["url"],
        )
    new, still, closed = facts["new"], facts["open"], facts["closed"]
    numbers = [
        text % {"count": localize(count)}
        for text, count in (
            (ngettext("%(count)s new", "%(count)s new", new["count"]), new["count"]),
            (pgettext("message", "%(count)s still open"), still["count"]),
            (ngettext("%(count)s over", "%(count)s over", closed["count"]), closed["count"]),
        )
        if count
    ]
    certificates, onboarding = facts["certificates"], facts["onboarding"]
    sections = [
        *_section(pgettext("message", "New"), new, with_age=True),
        *_section(pgettext("message", "Still open, the oldest first"), still, with_age=True),
        *_section(pgettext("message", "Over"), closed),
    ]
    if certificates:
        count = facts["certificates_count"]
        heading = _headed(_("Certificates that end within 21 days"), count)
        items = [_certificate(one) for one in certificates]
        sections.append(Section(heading, items, _more(count - len(items))))
    if onboarding:
        count = facts["onboarding_count"]
        heading = _headed(_("Onboarding that waits"), count)
        items = [_waits(one) for one in onboarding]
        sections.append(Section(heading, items, _more(count - len(items))))
    title = _("Digest: %(day)s") % values
    return _made(
        row,
        f"{title}: {', '.join(numbers)}" if numbers else title,
        tone="warn" if new["count"] or still["count"] else "plain",
        title=title,
        reason=_("Of %(count)s domains, since %(since)s.")
        % {**values, "since": moment(_time(facts["since"]))},
        sections=sections,
        link=facts["url"],
    )


def _certificate(one: CertificateFacts) -> str:
    days = one["days"]
    values = {"domain": to_unicode(one["domain"]), "tenant": one["tenant"], "n": abs(days)}
    if days < 0:
        text = ngettext(
            "%(domain)s (%(tenant)s): ended %(n)d day ago",
            "%(domain)s (%(tenant)s): ended %(n)d days ago",
            -days,
        )
    else:
        text = ngettext(
            "%(domain)s (%(tenant)s): %(n)d day left",
            "%(domain)s (%(tenant)s): %(n)d days left",
            days,
        )
    return text % values


def _waits(one: OnboardingFacts) -> str:
    return _("%(domain)s (%(tenant)s): %(score)d of %(most)d, for %(span)s") % {
        "domain": to_unicode(one["domain"]),
        "tenant": one["tenant"],
        "score": one["score"],
        "most": one.get("max_score", len(core_checks())),  # written by an earlier version: without
        "span": _span(_time(one["since"]), timezone.now()),
    }


def _channel(row: Notification, facts: Facts) -> Message:
    subject = _("A channel was switched off: %(name)s") % {"name": facts["channel"]}
    return _made(
        row,
        subject,
        tone="warn",
        reason=facts["why"],
        todo=_("Give it an address that takes messages, and enable it again."),
        link=facts["url"],
    )


def _test(row: Notification, facts: Facts) -> Message:
    return _made(
        row,
        _("A test of the channel %(name)s") % {"name": facts["channel"]},
        tone="plain",
        reason=_("This is a test. If you read it, messages of this channel arrive."),
        link=facts["url"],
    )


def _made(
    row: Notification,
    subject: str,
    *,
    tone: str,
    title: str = "",
    reason: str = "",
    table: Sequence[tuple[str, str]] = (),
    sections: Sequence[Section] = (),
    todo: str = "",
    link: str = "",
) -> Message:
    """The message; its subject is one line of visible characters, whatever is in it."""
    line = visible(subject)
    line = line if len(line) <= SUBJECT else line[: SUBJECT - 1].rstrip() + "…"
    channel = clean(row.channel.name, 100)
    footer = [
        _("Sent by Ligbox Audit (%(site)s) through the channel “%(channel)s”.")
        % {"site": settings.SITE_URL, "channel": channel}
    ]
    if row.note and row.also_to:
        footer.append(
            _(
                "You get this although you are not in the channel: others in it may not get mail "
                "now."
            )
        )
    return Message(line, title or line, tone, reason, table, sections, todo, link, footer)


def visible(text: str) -> str:
    """Text as one line of visible characters; blanks that do not break (in numbers) stay."""
    lines = " ".join(re.split(r"[ \t\r\n\f\v]+", text)).strip()
    return "\xa0".join(clean(part) for part in lines.split("\xa0"))


def _time(iso: str) -> datetime:
    return datetime.fromisoformat(iso)


def moment(at: datetime) -> str:
    """A time as a reader writes it, in the installation's time zone, which is named."""
    local = timezone.localtime(at)
    return f"{date_format(local, 'DATE_FORMAT')}, {local:%H:%M %Z}"


def _span(since: datetime, until: datetime) -> str:
    minutes = max(1, round((until - since).total_seconds() / 60))
    if minutes < 120:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    if minutes < 48 * 60:
        hours = round(minutes / 60)
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    days = round(minutes / 1440)
    return ngettext("%(n)s day", "%(n)s days", days) % {"n": localize(days)}
