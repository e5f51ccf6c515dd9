"""Mail that programs thread, know as automatic, and cannot be led astray with."""

import pytest

from audit.models import Notification
from tests.audit.factories import make_domain, make_tenant
from tests.audit.notify.making import close_incident, make_channel, open_incident, send

pytestmark = pytest.mark.django_db
NASTY = "Bank\r\nBcc: all@example.com\x01\u202e<b>&\"'\u200b\x1b[31m"


def test_the_end_stands_in_one_thread_with_the_beginning(clock, mails):
    channel = make_channel("email", recipients=["night@example.com", "day@example.com"])
    incident = open_incident(make_domain("cliente.pt"))
    clock.go(hours=1)
    send()
    close_incident(incident)
    clock.go(hours=1)
    send()
    (to, began), (_to, over) = mails.mails
    assert to == ["night@example.com", "day@example.com"]
    row = Notification.objects.get(event="opened")
    assert began["Message-ID"] == f"<{row.message_id}@audit.example.com>"
    assert began["In-Reply-To"] is None
    assert over["In-Reply-To"] == over["References"] == began["Message-ID"]
    assert over["Message-ID"] != began["Message-ID"]
    for mail in (began, over):
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["X-Auto-Response-Suppress"] == "All"
        assert mail["List-Id"] == f"<channel-{channel.pk}.ligbox-audit.audit.example.com>"
        assert mail["From"] == "audit@example.com"
        kinds = [part.get_content_type() for part in mail.iter_parts()]
        assert kinds == ["text/plain", "text/html"]


def test_an_end_is_threaded_with_the_storm_that_told_its_beginning(clock, mails):
    make_channel("email", recipients=["night@example.com"])
    incidents = [open_incident(make_domain()) for _number in range(12)]
    clock.go(seconds=61)
    send()
    clock.go(hours=1)
    close_incident(incidents[0])
    clock.go(seconds=61)
    send()
    storm, over = (mail for _to, mail in mails.mails)
    assert over["In-Reply-To"] == storm["Message-ID"]


def test_no_name_reaches_beyond_its_line_or_out_of_the_html(clock, mails):
    """Case 242."""
    make_channel("email", name=NASTY[:100], recipients=["night@example.com"])
    tenant = make_tenant(NASTY[:100])
    open_incident(make_domain(tenant=tenant), subject=NASTY, message=NASTY)
    open_incident(tenant=tenant, kind="portal", message=NASTY, subject=NASTY)
    clock.go(seconds=61)
    send()
    assert len(mails.mails) == 2
    for (to, mail), raw in zip(mails.mails, mails.raw, strict=True):
        assert to == ["night@example.com"] and mail["Bcc"] is None
        head = raw.partition(b"\r\n\r\n")[0]
        assert b"\r\nBcc" not in head
        text = mail.get_body(("plain",)).get_content()
        html = mail.get_body(("html",)).get_content()
        for said in (str(mail["Subject"]), text, html):
            assert not {"\x01", "\u202e", "\u200b", "\x1b"} & {*said}
        assert "<b>" not in html and "&lt;b&gt;" in html
        assert "<b>" in text


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(clock, mails):
    """Case 242."""
    make_channel("email", recipients=["night@example.com"])
    open_incident(make_domain())
    clock.go(seconds=61)
    send()
    html = mails.mails[0][1].get_body(("html",)).get_content()
    for forbidden in ("<img", "<script", "src=", "url(", "@import", "<link", "http-equiv"):
        assert forbidden not in html
    assert 'content="light dark"' in html and "prefers-color-scheme: dark" in html


def test_an_address_that_is_none_any_more_is_said(clock, mails):
    make_channel("email", recipients=["night@example.com\r\nBcc: x@example.com"])
    open_incident(make_domain())
    clock.go(seconds=61)
    assert send() == 0 and mails.mails == []
    assert "address" in Notification.objects.get().last_error


def test_without_a_mail_server_the_channel_says_so(clock, settings):
    settings.EMAIL_HOST = ""
    make_channel("email", recipients=["night@example.com"])
    open_incident(make_domain())
    clock.go(seconds=61)
    send()
    assert "EMAIL_URL" in Notification.objects.get().last_error


# -- some of the recipients may get it later


def test_whoever_is_told_to_wait_gets_it_later_and_the_others_once(clock, mails):
    make_channel("email", recipients=["a@example.com", "b@bücher.example", "c@example.com"])
    mails.refused["b@xn--bcher-kva.example"] = "451 4.7.1 greylisted, come again"
    mails.refused["c@example.com"] = "550 5.1.1 no such user"
    incident = open_incident(make_domain())
    clock.go(seconds=61)
    send(2)
    clock.go(minutes=2)
    send(2)
    assert [to for to, _mail in mails.mails] == [["a@example.com"]]
    row = Notification.objects.get()
    assert row.state == "queued" and "451" in row.last_error
    del mails.refused["b@xn--bcher-kva.example"]
    clock.go(minutes=10)
    send(2)
    assert [to for to, _mail in mails.mails] == [["a@example.com"], ["b@xn--bcher-kva.example"]]
    first, again = (mail for _to, mail in mails.mails)
    assert first["Message-ID"] == again["Message-ID"]
    row.refresh_from_db()
    assert row.state == "sent" and "left" not in row.facts
    assert "c@example.com: 550" in row.last_error
    close_incident(incident)
    clock.go(seconds=61)
    send(2)
    assert len(mails.mails) == 3


def test_an_end_does_not_wait_for_whoever_is_told_to_wait(clock, mails):
    make_channel("email", recipients=["a@example.com", "b@example.com"])
    mails.refused["b@example.com"] = "452 4.5.3 too many recipients"
    incident = open_incident(make_domain())
    clock.go(seconds=61)
    send()
    close_incident(incident)
    clock.go(seconds=61)
    send()
    assert [to for to, _mail in mails.mails] == [["a@example.com"]] * 2
    for _try in range(30):  # it never takes b
        clock.go(hours=1)
        send()
    assert len(mails.mails) == 2
    states = Notification.objects.values_list("state", "last_error")
    assert [(state, "452" in said) for state, said in states] == [("sent", True)] * 2


def test_whoever_was_left_and_is_no_recipient_any_more_gets_nothing(clock, mails):
    channel = make_channel("email", recipients=["a@example.com", "b@example.com"])
    mails.refused["b@example.com"] = "451 later"
    open_incident(make_domain())
    clock.go(seconds=61)
    send()
    channel.recipients = ["a@example.com"]
    channel.save()
    mails.refused.clear()
    clock.go(minutes=5)
    send()
    assert len(mails.mails) == 1 and Notification.objects.get().state == "sent"
