"""Webhooks as a receiver knows them, and where they never go."""

import contextlib
import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from audit.fields import UnreadableSecret
from audit.models import Notification, NotificationChannel
from audit.notify import delivery, webhook
from scripts.ports import Reserved
from tests.audit.factories import make_domain
from tests.audit.notify.making import make_channel, open_incident, send
from tests.audit.notify.receivers import Receiver
from tests.collectors.certificate_maker import authority, server_context
from tests.meta.source import ROOT

pytestmark = pytest.mark.django_db


def test_a_receiver_verifies_it_with_the_library_and_as_the_docs_say(clock, hooks):
    channel = make_channel(url=hooks.url)
    open_incident(make_domain("cliente.pt"), message="Correio perdido: ação.")
    clock.go(seconds=61)
    send()
    ((path, headers, body),) = hooks.posts
    assert path == "/hooks/T0PSECRET"
    assert headers["content-type"] == "application/json"
    message = Webhook(channel.secret).verify(body, headers)
    assert message["type"] == "incident.opened" and message["version"] == webhook.VERSION
    assert message["data"]["incident"]["message"] == "Correio perdido: ação."
    assert datetime.fromisoformat(message["timestamp"]).tzinfo is not None
    text = (ROOT / "docs/integrations.md").read_text()
    documented = json.loads(text.partition("```json\n")[2].partition("```")[0])
    assert documented.keys() == message.keys()
    assert documented["data"]["incident"].keys() == message["data"]["incident"].keys()
    example = text.partition("```python\n")[2].partition("```")[0]
    names: dict = {}
    exec(example, names)
    assert names["verified"](channel.secret, headers, body) == message
    with pytest.raises(WebhookVerificationError):
        names["verified"](channel.secret, headers, body + b" ")


def test_every_type_is_documented():
    text = (ROOT / "docs/integrations.md").read_text()
    assert {*webhook.TYPES} == {*Notification.Event.values}
    for name in webhook.TYPES.values():
        assert f"| `{name}` |" in text


def test_while_the_secret_is_changed_both_sign_and_a_day_later_the_new_one_alone(clock, hooks):
    channel = make_channel(url=hooks.url)
    old = channel.secret
    new = channel.new_secret()
    channel.save()
    assert delivery.send_test(channel).sent
    _path, headers, body = hooks.posts[0]
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    clock.go(hours=25)
    channel = NotificationChannel.objects.get()
    assert delivery.send_test(channel).sent
    _path, headers, body = hooks.posts[1]
    Webhook(new).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, headers)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/x",
        "https://127.0.0.1:{port}/x",
        "http://localhost:{port}/x",
        "http://[::1]:{port}/x",
        "http://2130706433:{port}/x",
        "http://0x7f.1:{port}/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_public(url, hooks, settings):
    """Case 240."""
    settings.NOTIFY_ALLOWED_NETWORKS = ()
    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)  # for probes, not for messages
    channel = make_channel(url=url.format(port=hooks.port))
    outcome = delivery.send_test(channel)
    assert not outcome.sent and hooks.posts == []
    assert "NOTIFY_ALLOWED_NETWORKS" in outcome.text or "is not found" in outcome.text


def test_over_http_nothing_goes_to_the_internet(settings, monkeypatch):
    """Case 240."""

    async def public(_host):
        return ["203.0.112.7"]

    monkeypatch.setattr(webhook, "resolve", public)
    outcome = delivery.send_test(make_channel(url="http://hooks.example.com/x"))
    assert "over https:// alone" in outcome.text


def test_a_name_with_one_address_that_is_not_public_is_not_gone_to(hooks, settings, monkeypatch):
    """Case 240."""
    settings.NOTIFY_ALLOWED_NETWORKS = ()

    async def both(_host):
        return ["203.0.112.7", "127.0.0.1"]

    monkeypatch.setattr(webhook, "resolve", both)
    outcome = delivery.send_test(make_channel(url=f"https://hooks.example.com:{hooks.port}/x"))
    assert "which is not public" in outcome.text and hooks.posts == []


def test_a_redirect_is_not_followed(hooks):
    """Case 240."""
    with Receiver() as elsewhere:
        hooks.answer = lambda _number: (307, b"", {"Location": elsewhere.url})
        outcome = delivery.send_test(make_channel(url=hooks.url))
        assert "redirect (HTTP 307), which is not followed" in outcome.text
        assert elsewhere.posts == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken_for_yes(hooks, status):
    hooks.answer = lambda _number: (status, b"")
    assert delivery.send_test(make_channel(url=hooks.url)).sent


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_anything_else_is_no(hooks, status):
    hooks.answer = lambda _number: (status, b"no such \x1b[31m hook")
    outcome = delivery.send_test(make_channel(url=hooks.url))
    assert not outcome.sent and not outcome.gone
    assert outcome.text == f"127.0.0.1 did not take it (HTTP {status}): no such \\x1b[31m hook"


def test_what_a_receiver_echoes_of_its_address_is_not_kept(hooks, caplog):
    """Case 244."""
    hooks.answer = lambda _number: (404, b"no hook at /hooks/T0PSECRET, key=abc%2Fdefgh")
    channel = make_channel(url=hooks.url + "?key=abc%2Fdefgh")
    outcome = delivery.send_test(channel)
    row = Notification.objects.get()
    for said in (outcome.text, row.last_error, caplog.text, str(channel), channel.where):
        assert "T0PSECRET" not in said and "defgh" not in said


def test_an_endless_answer_is_not_read_to_its_end(hooks):
    """Case 243."""
    hooks.answer = lambda _number: (500, b"x" * 10_000_000)
    outcome = delivery.send_test(make_channel(url=hooks.url))
    assert "HTTP 500" in outcome.text and len(outcome.text) < 400


@pytest.fixture
def raw(settings, monkeypatch):
    """A server that answers what it is told, byte by byte if need be."""
    settings.NOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    monkeypatch.setattr(webhook, "SECONDS", 0.5)
    stop = threading.Event()

    def serve(answer, pause=0.0):
        def talk():
            connection, _peer = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for number in range(0, len(answer), 1 if pause else 65536):
                    connection.sendall(answer[number : number + (1 if pause else 65536)])
                    stop.wait(pause)
                stop.wait(2 if pause or not answer else 0)

        server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=talk, daemon=True).start()
        return make_channel(url=f"http://127.0.0.1:{server.getsockname()[1]}/x")

    yield serve
    stop.set()


def test_silence_and_a_trickle_end_in_time(raw):
    """Case 243."""
    assert "did not answer within" in delivery.send_test(raw(b"")).text
    NotificationChannel.objects.all().delete()
    slow = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000
    assert "did not answer within" in delivery.send_test(raw(slow, pause=0.01)).text


def test_what_is_no_http_is_said(raw):
    assert "is not HTTP that can be read" in delivery.send_test(raw(b"SSH-2.0-OpenSSH\r\n")).text
    NotificationChannel.objects.all().delete()
    assert "closed the connection" in delivery.send_test(raw(b"HTTP/1.1 2")).text


def test_nobody_there_and_a_name_that_is_none_are_said(settings):
    settings.NOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with Reserved() as port:
        channel = make_channel(url=f"http://127.0.0.1:{port.port}/x")
        assert "Nothing answers at 127.0.0.1" in delivery.send_test(channel).text
    channel = make_channel(url="https://hooks.invalid/x", name="other")
    assert "The name hooks.invalid is not found" in delivery.send_test(channel).text


def test_https_takes_a_good_certificate_and_no_other(settings, tmp_path):
    settings.NOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority().root_pem)
    settings.AUDIT_CA_FILE = str(ca)
    with Receiver(context=server_context(tmp_path, authority().leaf(["127.0.0.1"]))) as good:
        assert delivery.send_test(make_channel(url=good.url)).sent and len(good.posts) == 1
    with Receiver(context=server_context(tmp_path, authority().leaf(["other.test"]))) as bad:
        outcome = delivery.send_test(make_channel(url=bad.url, name="bad"))
        assert "The certificate of 127.0.0.1 is not good" in outcome.text and bad.posts == []
    with Receiver() as plain:
        url = plain.url.replace("http:", "https:")
        outcome = delivery.send_test(make_channel(url=url, name="plain"))
        assert "does not speak TLS as it should" in outcome.text


def test_a_secret_that_no_key_opens_sends_nothing(hooks):
    channel = make_channel(url=hooks.url)
    channel.secret = UnreadableSecret("gAAAA")
    assert "ENCRYPTION_KEYS" in delivery.send_test(channel).text and hooks.posts == []


def test_times_are_of_the_try_and_of_the_event(clock, hooks):
    channel = make_channel(url=hooks.url)
    row = Notification.objects.create(channel=channel, event="test", key="x", facts={})
    later = timezone.now() + timedelta(hours=2)
    headers = webhook.signed(row, webhook.body_of(row), later)
    assert headers["webhook-timestamp"] == str(int(later.timestamp()))
    assert json.loads(webhook.body_of(row))["timestamp"] == "2026-11-24T02:31:05+00:00"
    assert row.created_at.tzinfo is UTC
