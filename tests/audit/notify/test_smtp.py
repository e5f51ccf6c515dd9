"""What a mail server says, or does not, in words."""

import socket

import pytest

from audit.models import Notification
from audit.notify import delivery
from scripts.ports import Reserved
from tests.audit.notify.making import make_channel
from tests.audit.notify.receivers import MailServer, to_server
from tests.collectors.certificate_maker import authority, server_context

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel():
    return make_channel("email", recipients=["a@example.com", "b@example.com"])


def test_a_server_that_takes_it(mails, channel):
    outcome = delivery.send_test(channel)
    assert outcome.sent and not outcome.partly and "2 recipients" in outcome.text
    assert Notification.objects.get().state == "sent"


def test_one_recipient_that_is_refused_is_named_and_the_other_gets_it(mails, channel):
    """Django passes over whom a server refuses while it takes others."""
    mails.refused["b@example.com"] = "550 5.1.1 no such user"
    outcome = delivery.send_test(channel)
    assert outcome.sent and outcome.partly
    assert outcome.text == "The mail server refused b@example.com: 550 5.1.1 no such user"
    row = Notification.objects.get()
    assert (row.state, row.last_error) == ("sent", outcome.text)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"RCPT": "550 nobody"}, "refused a@example.com: 550 nobody (and 1 more)"),
        ({"MAIL": "553 not you"}, "takes no mail from audit@example.com (EMAIL_FROM): 553 not you"),
        ({"DATA": "451 later"}, "refused the message: 451 later"),
        ({"END": "554 spam"}, "refused the message: 554 spam"),
        ({"EHLO": None, "HELO": None}, "closed the connection"),
        ({"DATA": None}, "closed the connection"),
        ({"MAIL": "550 \x1b[31mred"}, "550 \\x1b[31mred"),
    ],
)
def test_each_refusal_is_told_in_words(mails, channel, answers, said):
    mails.answers.update(answers)
    outcome = delivery.send_test(channel)
    assert not outcome.sent and said in outcome.text
    assert Notification.objects.get().state == "failed"


def test_a_wrong_password_is_told_and_not_shown(mails, channel, settings, caplog):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "audit", "hunter2-secret"
    mails.users["audit"] = "another"
    outcome = delivery.send_test(channel)
    assert "refused the user name or password: 535" in outcome.text
    assert "hunter2" not in outcome.text + caplog.text


def test_nobody_there_a_name_that_is_none_and_silence(channel, settings):
    """Case 243."""
    with Reserved() as port:
        to_server(settings, port)
        assert "Nothing answers at the mail server 127.0.0.1:" in delivery.send_test(channel).text
    settings.EMAIL_HOST = "mail.invalid"
    assert "is not found" in delivery.send_test(channel).text
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 0.2
        settings.EMAIL_PORT = silent.getsockname()[1]
        assert "did not answer within" in delivery.send_test(channel).text


def test_starttls_is_asked_for_and_a_server_without_it_gets_no_mail(mails, channel, settings):
    settings.EMAIL_USE_TLS = True
    outcome = delivery.send_test(channel)
    assert "does not offer what EMAIL_URL asks for" in outcome.text and mails.mails == []


@pytest.mark.parametrize("implicit", [True, False])
def test_a_certificate_that_is_not_good_is_told(channel, settings, tmp_path, implicit):
    context = server_context(tmp_path, authority().leaf(["mail.example.com"]))
    with MailServer(context=context, implicit=implicit) as server:
        to_server(settings, server, USE_SSL=implicit, USE_TLS=not implicit)
        outcome = delivery.send_test(channel)
        assert "The certificate of the mail server" in outcome.text and server.mails == []


def test_tls_where_there_is_none_is_told(mails, channel, settings):
    settings.EMAIL_USE_SSL = True
    assert "does not speak TLS there" in delivery.send_test(channel).text
