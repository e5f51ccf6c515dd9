"""Apprise: one address of an allowed scheme, in a process of its own that ends in time."""

import json
import sys

import pytest

from audit.models import Notification
from audit.notify import apprise, delivery
from tests.audit.factories import make_domain
from tests.audit.notify.making import close_incident, make_channel, open_incident, send
from tests.audit.notify.receivers import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def target(settings):
    """A service on loopback, and the address by which Apprise reaches it."""
    settings.NOTIFY_APPRISE_SCHEMES = ("json",)
    settings.SITE_URL = "https://audit.example.com"
    with Receiver() as receiver:
        receiver.answer = lambda _number: (200, b"ok")
        yield receiver


def address(receiver):
    return f"json://127.0.0.1:{receiver.port}/T0PSECRET"


def test_it_is_told_once_each_way(clock, target):
    make_channel("apprise", url=address(target))
    incident = open_incident(make_domain("cliente.pt"))
    clock.go(hours=1)
    assert send(3) == 1
    close_incident(incident)
    clock.go(hours=1)
    assert send(3) == 1
    began, over = (json.loads(body) for _path, _headers, body in target.posts)
    assert began["title"] == "Failing: Mail for cliente.pt goes elsewhere"
    assert "https://audit.example.com/domains/" in began["message"]
    assert over["title"].startswith("Over: ")


def test_a_storm_is_one_message(clock, target):
    make_channel("apprise", url=address(target))
    for _number in range(12):
        open_incident(make_domain())
    clock.go(seconds=61)
    send(3)
    ((_path, _headers, body),) = target.posts
    assert json.loads(body)["title"] == "Many at once: 12 new"


def test_what_the_service_answers_is_told_without_the_address(target, caplog):
    """Case 244."""
    target.answer = lambda _number: (500, b"broken")
    outcome = delivery.send_test(make_channel("apprise", url=address(target)))
    assert not outcome.sent and "did not take it" in outcome.text
    assert "T0PSECRET" not in outcome.text + caplog.text + Notification.objects.get().last_error


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "is not one of"),
        ("mailto://a:b@example.com", "is not one of"),
        ("JSONS://127.0.0.1/", "jsons:// is not one of"),
        ("no address", "Give one address"),
        ("json://a, file:///x", "Give one address"),
        ("json://a\nfile:///x", "Give one address"),
        ("", "Give one address"),
    ],
)
def test_only_one_address_of_an_allowed_scheme_is_used(target, url, said):
    """Case 245."""
    outcome = delivery.send_test(make_channel("apprise", url=url))
    assert said in outcome.text and not outcome.sent


def test_a_second_address_behind_a_comma_is_not_used(target, settings):
    """Case 245: Apprise itself takes lists."""
    with Receiver() as other:
        url = f"{address(target)},json://127.0.0.1:{other.port}/"
        delivery.send_test(make_channel("apprise", url=url))
        assert other.posts == []


def test_without_schemes_it_is_off(target, settings):
    settings.NOTIFY_APPRISE_SCHEMES = ()
    outcome = delivery.send_test(make_channel("apprise", url=address(target)))
    assert "Apprise is off" in outcome.text and target.posts == []


def test_it_is_not_needed_to_be_installed(target, monkeypatch, settings):
    monkeypatch.setattr(apprise, "find_spec", lambda _name: None)
    outcome = delivery.send_test(make_channel("apprise", url=address(target)))
    assert "requirements-apprise.txt" in outcome.text


def child(tmp_path, monkeypatch, text):
    path = tmp_path / "child.py"
    path.write_text(text)
    monkeypatch.setattr(apprise, "CHILD", path)


def test_a_service_that_hangs_is_ended_in_time(target, tmp_path, monkeypatch):
    """Case 245."""
    monkeypatch.setattr(apprise, "SECONDS", 0.5)
    child(tmp_path, monkeypatch, "import time; time.sleep(60)")
    outcome = delivery.send_test(make_channel("apprise", url=address(target)))
    assert "did not answer within" in outcome.text


def test_its_process_has_none_of_our_settings(target, tmp_path, monkeypatch):
    """Case 245."""
    monkeypatch.setenv("SECRET_KEY", "x" * 50)
    child(
        tmp_path,
        monkeypatch,
        "import os, sys, json\n"
        "json.dump({'sent': False, 'said': ' '.join([*os.environ, *sys.argv[1:]])}, sys.stdout)",
    )
    outcome = delivery.send_test(make_channel("apprise", url=address(target)))
    known = {*apprise._KEPT, "LC_CTYPE"}
    assert set(outcome.text.partition(": ")[2].split()) <= known


def test_a_child_that_says_nothing_is_a_failure(target, tmp_path, monkeypatch):
    child(tmp_path, monkeypatch, "raise SystemExit(3)")
    outcome = delivery.send_test(make_channel("apprise", url=address(target)))
    assert outcome.text == "Apprise ended without an answer."
    assert "apprise" not in sys.modules
