"""Changing one's own password: the old one is no easier to guess there than at the login."""

import pytest
from django.test import Client

from tests.audit.factories import make_admin, make_operator

pytestmark = pytest.mark.django_db
PATH = "/admin/password_change/"


def change(client, old):
    new = {f"new_password{n}": "another long secret" for n in (1, 2)}
    return client.post(PATH, {"old_password": old, **new})


def test_somebodys_open_session_cannot_guess_the_password_for_ever():
    """Case 167."""
    client, elsewhere = Client(), Client(REMOTE_ADDR="192.0.2.9")
    user = make_operator("ana")
    for one in (client, elsewhere):
        one.force_login(user)
    for _try in range(20):
        assert change(client, "wrong").status_code == 200
    for one in (client, elsewhere):
        answer = change(one, "correct horse battery")
        assert answer.status_code == 429 and 3500 < int(answer["Retry-After"]) <= 3600
    assert client.get(PATH).status_code == 200
    other = Client()
    other.force_login(make_admin())
    assert change(other, "correct horse battery").status_code == 302


def test_a_change_forgets_the_tries_before():
    """Case 167."""
    client = Client()
    client.force_login(make_operator("ana"))
    for old in ("correct horse battery", "another long secret"):
        for _try in range(19):
            assert change(client, "wrong").status_code == 200
        assert change(client, old).status_code == 302
    assert client.get("/").status_code == 200


def test_a_stranger_is_led_to_the_login():
    """Case 165."""
    for answer in (Client().get(PATH), change(Client(), "wrong")):
        assert answer.status_code == 302 and answer.url.startswith("/admin/login/")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_operator("ana"))
    assert change(strict, "correct horse battery").status_code == 403
