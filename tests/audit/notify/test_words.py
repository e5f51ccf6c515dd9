"""What messages say, in three languages."""

import pytest
from django.utils import timezone, translation

from audit.models import Notification, NotificationChannel
from audit.notify import layout, words
from audit.notify.shapes import IncidentFacts
from audit.notify.webhook import TYPES

LANGUAGES = ["en", "pt", "pt-br"]
LONG = "Mail for cliente.pt goes to another provider. " + "And so on, at some length. " * 9


def incident(**fields) -> IncidentFacts:
    facts: IncidentFacts = {
        "id": 1,
        "kind": "check",
        "check_id": "dns_mx",
        "check": "MX",
        "code": "mx_elsewhere",
        "subject": "",
        "message": LONG,
        "owner": "customer",
        "severity": "fail",
        "tenant": {"id": 1, "name": "VM112"},
        "domains": ["xn--bcher-kva.example", "cliente.pt"],
        "domains_count": 12345,
        "since": "2026-11-24T02:31:05+00:00",
        "closed_at": None,
        "what_to_do": LONG,
        "url": "https://audit.example.com/domains/1/cliente.pt/",
    }
    return {**facts, **fields}  # type: ignore[typeddict-item]


def counted(*found, count=0):
    return {"count": count or len(found), "first": list(found)}


def facts_of(event):
    closed = incident(closed_at="2026-11-24T05:31:05+00:00")
    times = {"since": "2026-11-24T02:31:05+00:00", "until": "2026-11-25T02:31:05+00:00"}
    url = "https://audit.example.com/"
    return {
        "opened": {"incident": incident()},
        "closed": {"incident": closed},
        "unwaived": {"incident": incident()},
        "storm": {
            "opened": counted(incident(), count=1000),
            "closed": counted(closed),
            "unwaived": counted(incident()),
            "url": url,
            **times,
        },
        "digest": {
            "new": counted(incident()),
            "open": counted(incident(), count=60),
            "closed": counted(closed),
            "certificates": [
                {"domain": "cliente.pt", "tenant": "VM112", "ends_at": "", "days": days}
                for days in (-2, -1, 0, 1, 20)
            ],
            "certificates_count": 60,
            "onboarding": [
                {"domain": "novo.pt", "tenant": "VM112", "since": times["since"], "score": 5}
            ],
            "onboarding_count": 60,
            "domains_count": 12345,
            "all_well": False,
            "url": url,
            **times,
        },
        "channel": {"channel": "old hook", "why": LONG, "url": url},
        "test": {"channel": "night shift", "url": url},
    }[event]


def message(event, language="en", *, facts=None, name="night shift"):
    channel = NotificationChannel(pk=1, name=name, kind="email", language=language)
    row = Notification(channel=channel, event=event, facts=facts or facts_of(event))
    with translation.override(language):
        return words.message_of(row)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", TYPES)
def test_every_message_fits_a_text_mail_program_and_says_it_in_one_language(event, language):
    said = message(event, language)
    text = layout.text(said)
    wide = [line for line in text.splitlines() if len(line) > layout.WIDTH]
    assert wide == []
    assert 0 < len(said.subject) <= words.SUBJECT and "\n" not in said.subject
    assert "%(" not in text and "{" not in text
    assert f'<html lang="{language}">' in layout.html(said, language)


@pytest.mark.parametrize(
    ("severity", "event", "word"),
    [
        ("fail", "opened", "Failing: "),
        ("warn", "opened", "Warning: "),
        ("unknown", "opened", "Not measured: "),
        ("fail", "closed", "Over: "),
        ("warn", "unwaived", "No longer known: "),
    ],
)
def test_a_subject_begins_with_what_happened(severity, event, word):
    facts = {"incident": incident(severity=severity, closed_at=None)}
    assert message(event, facts=facts).subject.startswith(word)


def test_a_subject_names_what_it_is_about_once():
    short = "Mail for cliente.pt goes elsewhere."
    one = incident(domains=["cliente.pt"], domains_count=1, message=short)
    assert words.title_of(one) == "Mail for cliente.pt goes elsewhere"
    other = incident(domains=["xn--bcher-kva.example"], domains_count=1, message=short)
    assert words.title_of(other) == "bücher.example: Mail for cliente.pt goes elsewhere"
    many = incident(message=short)
    assert words.title_of(many) == "VM112, 12,345 domains: Mail for cliente.pt goes elsewhere"
    none = incident(message="The portal of VM112 is silent.", domains=[], domains_count=0)
    assert words.title_of(none) == "The portal of VM112 is silent"


def test_an_end_says_how_long_it_lasted_and_asks_for_nothing():
    said = message("closed")
    assert ("Lasted", "3 hours") in said.table and said.todo == ""
    assert "Who acts" not in dict(said.table)


def test_times_are_those_of_the_installation_and_name_their_zone(settings):
    settings.TIME_ZONE = "America/Sao_Paulo"
    timezone.get_default_timezone.cache_clear()
    try:
        assert dict(message("opened").table)["Since"] == "23 November 2026, 23:31 -03"
    finally:
        timezone.get_default_timezone.cache_clear()


def test_what_does_not_show_is_shown_and_blanks_of_numbers_stay():
    """Case 242."""
    assert words.visible("a\r\nBcc: b\x00\u202e") == "a Bcc: b\\x00\\u202e"
    assert words.visible("1\xa0000 novos") == "1\xa0000 novos"


def test_the_channels_name_cannot_leave_its_line():
    """Case 242."""
    said = message("test", name="x\r\nBcc: all@example.com")
    assert "\n" not in said.subject and "\r" not in said.subject
