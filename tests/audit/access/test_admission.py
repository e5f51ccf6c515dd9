"""Sessions end: by themselves when nobody is there or the day is over, and when the account says
so."""

from contextlib import contextmanager

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.test import Client

from audit import tasks
from tests.audit.factories import bearer, make_admin, make_operator, make_token

pytestmark = pytest.mark.django_db
START = "2026-11-24T08:00:00Z"
MINUTE = 60
ALONE = {"HX-Request": "true", "X-Unattended": "1"}


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def ana(clock):
    """A browser in which ana has signed in, by hand."""
    make_operator("ana")
    client = Client()
    sign_in(client)
    return client


def sign_in(client):
    fields = {"username": "ana", "password": "correct horse battery"}
    assert client.post("/login/", fields).status_code == 302


def is_in(client, path="/", **headers):
    answer = client.get(path, headers=headers)
    assert answer.status_code in (200, 302, 401), answer.status_code
    return answer.status_code == 200 and "HX-Redirect" not in answer


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/v1/audit/overview", "/board/"])
def test_an_hour_without_use_ends_a_session(ana, clock, path):
    """Case 214."""
    clock.shift(59 * MINUTE)
    assert is_in(ana, path)
    clock.shift(59 * MINUTE)
    assert is_in(ana, path)
    clock.shift(61 * MINUTE)
    assert not is_in(ana, path)
    assert not is_in(ana, path) and not Session.objects.exists()
    page = ana.get("/login/").content.decode()
    assert "Your session has ended" in page
    sign_in(ana)
    assert is_in(ana, path)


def test_a_page_that_refreshes_itself_is_nobody(ana, clock):
    """Case 214."""
    for _refresh in range(59):
        clock.shift(MINUTE)
        assert is_in(ana, "/board/", **ALONE)
    clock.shift(2 * MINUTE)
    assert not is_in(ana, "/board/", **ALONE)


def test_a_page_that_somebody_touches_now_and_then_goes_on(ana, clock):
    """Case 214."""
    for refresh in range(4 * 60):
        clock.shift(MINUTE)
        assert is_in(ana, "/board/", **({} if refresh % 50 == 0 else ALONE))


def test_twelve_hours_after_the_sign_in_it_is_over_whatever_is_done(ana, clock):
    """Case 214."""
    for _time in range(23):
        clock.shift(30 * MINUTE)
        assert is_in(ana)
    clock.shift(31 * MINUTE)
    assert not is_in(ana)


def test_both_bounds_are_settings(ana, clock, settings):
    """Case 214."""
    settings.SESSION_IDLE_MINUTES = 5
    clock.shift(6 * MINUTE)
    assert not is_in(ana)
    sign_in(ana)
    settings.SESSION_IDLE_MINUTES, settings.SESSION_HOURS = 600, 1
    clock.shift(61 * MINUTE)
    assert not is_in(ana)


def test_a_stolen_session_is_no_younger_without_its_other_cookie(ana, clock):
    """Case 214: nor with that of another session, or of another user."""
    clock.shift(40 * MINUTE)
    assert is_in(ana)
    other = Client()
    other.force_login(make_admin())
    other.get("/")
    thief = Client()
    thief.cookies["sessionid"] = ana.cookies["sessionid"].value
    thief.cookies["seen"] = other.cookies["seen"].value if "seen" in other.cookies else "x"
    clock.shift(30 * MINUTE)
    assert not is_in(thief)


@contextmanager
def no_writes():
    """The database answers questions and takes nothing."""

    def refuse(execute, sql, params, many, context):
        if not sql.lstrip().upper().startswith(("SELECT", "SAVEPOINT", "RELEASE")):
            raise DatabaseError(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


def test_looking_writes_nothing_to_the_database(ana, clock):
    """Case 214."""
    clock.shift(30 * MINUTE)
    with no_writes():
        assert is_in(ana)
    assert ana.cookies["seen"].value


def test_a_session_that_cannot_be_removed_is_over_all_the_same(ana, clock):
    """Case 214."""
    clock.shift(61 * MINUTE)
    with no_writes():
        assert not is_in(ana, "/board/")


def test_a_session_of_before_has_no_age_and_is_over(client):
    """Case 214."""
    client.force_login(make_operator())
    session = client.session
    del session["signed_in"]
    session.save()
    assert not is_in(client)


def test_signing_out_says_nothing_of_a_session_that_ended(ana):
    """Case 214."""
    ana.post("/logout/")
    assert ana.cookies["seen"].value == ""
    assert "session has ended" not in ana.get("/login/").content.decode()
    assert "session has ended" not in Client().get("/login/").content.decode()


def test_a_changed_password_ends_the_other_sessions_and_not_the_own(clock):
    """Case 133."""
    user = make_admin("root")
    here, there = Client(), Client()
    for client in (here, there):
        client.force_login(user)
        assert is_in(client)
    fields = {"old_password": "correct horse battery"} | {
        f"new_password{n}": "another long secret" for n in (1, 2)
    }
    clock.shift(30 * MINUTE)
    assert here.post("/admin/password_change/", fields).status_code == 302
    for path in ("/", "/admin/", "/api/v1/audit/overview"):
        assert not is_in(there, path)
    clock.shift(45 * MINUTE)
    assert is_in(here), "it was used half an hour after the sign-in"


def test_a_disabled_user_is_nobody_at_once(ana):
    """Case 133."""
    User.objects.update(is_active=False)
    for path in ("/", "/admin/", "/api/v1/audit/overview"):
        assert not is_in(ana, path)
    User.objects.update(is_active=True)


def test_a_token_has_no_session_that_could_end(clock):
    """Case 214."""
    headers = bearer(make_token())
    clock.shift(3600 * 24 * 30)
    assert Client().get("/api/v1/audit/overview", headers=headers).status_code == 200


def test_sessions_that_are_over_are_pruned(ana, clock):
    """Case 214."""
    assert tasks.prune()["sessions"] == 0
    clock.shift(13 * 3600)
    assert tasks.prune()["sessions"] == 1 and not Session.objects.exists()
