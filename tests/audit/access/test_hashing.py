"""Hashing passwords takes a few threads and no more, and as long for a stranger as for a user."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from audit.access import hashing
from audit.access.hashing import Busy, Places
from tests.audit.factories import make_admin, make_operator, make_user
from tests.installation import ROOT, migrated, start_process, wait

REAL = ["audit.access.hashing.BoundedHasher"]


class Held:
    """A thread that has taken a place, until `leave`."""

    def __init__(self, place):
        self.place, self.leave, self.inside, self.busy = place, threading.Event(), False, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            with self.place():
                self.inside = True
                self.leave.wait(60)
        except Busy:
            self.busy = True


def test_as_many_as_there_are_places_run_and_wait_and_the_next_is_told_at_once():
    """Case 212."""
    places = Places(2, 1, patience=60)
    held = [Held(places.take) for _n in range(3)]
    wait(lambda: places._inside == 3 and sum(h.inside for h in held) == 2, 60, "two run, one waits")
    with pytest.raises(Busy), places.take():
        pass
    next(h for h in held if h.inside).leave.set()
    wait(lambda: sum(h.inside for h in held) == 3, 60, "the one that waited runs")
    with places.take_for("x"):
        pass
    for one in held:
        one.leave.set()
        one.thread.join(60)
    assert places._inside == 0 and not any(h.busy for h in held)
    with places.take():
        pass


def test_who_waits_too_long_is_told_and_leaves_the_line():
    """Case 212."""
    places = Places(1, 1, patience=0.05)
    with places.take():
        with pytest.raises(Busy), places.take():
            pass
        assert places._inside == 1
    assert places._inside == 0


def test_one_address_leaves_room_for_others():
    """Case 212."""
    places = Places(2, 2, patience=60)
    with places.take_for("a"), places.take_for("a"):
        with pytest.raises(Busy), places.take_for("a"):
            pass
        with places.take_for("b"):
            pass
    with places.take_for("a"):
        pass
    assert not places._of_source, "nothing is kept of who has left"


@contextmanager
def full(monkeypatch):
    """No place is free."""
    places = Places(1, 0, patience=60)
    monkeypatch.setattr(hashing, "PLACES", places)
    with places.take():
        yield


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "pt"])
def test_a_sign_in_without_a_place_is_503_and_no_try(settings, monkeypatch, language):
    """Case 212."""
    make_operator("ana")
    settings.PASSWORD_HASHERS = REAL
    fields = {"username": "ana", "password": "correct horse battery"}
    with full(monkeypatch):
        for path in ["/login/", "/admin/login/"] * 15:
            answer = Client().post(path, fields, headers={"Accept-Language": language})
            assert answer.status_code == 503 and answer["Retry-After"] == "2"
            assert 'role="alert"' in answer.content.decode() and 'name="password"' in str(
                answer.content
            )
    settings.PASSWORD_HASHERS = [*REAL, "django.contrib.auth.hashers.MD5PasswordHasher"]
    assert Client().post("/login/", fields).status_code == 302


@pytest.mark.django_db
def test_whatever_hashes_a_password_answers_503_without_a_place(settings, monkeypatch):
    """Case 212: the administration too."""
    admin = make_admin("root")
    client = Client()
    client.force_login(admin)
    settings.PASSWORD_HASHERS = REAL
    new = {"username": "neu", "password1": "very long secret", "password2": "very long secret"}
    change = {f"new_password{n}": "very long secret" for n in (1, 2)}
    with full(monkeypatch):
        for path, fields in [
            ("/admin/auth/user/add/", {**new, "usable_password": "true"}),
            (f"/admin/auth/user/{admin.pk}/password/", new | {"usable_password": "true"}),
            ("/admin/password_change/", {**change, "old_password": "correct horse battery"}),
        ]:
            answer = client.post(path, fields)
            assert answer.status_code == 503 and answer["Retry-After"] == "2", path
            assert "One moment" in answer.content.decode()


@pytest.mark.django_db
def test_it_hashes_as_much_for_nobody_as_for_somebody(settings, monkeypatch):
    """Case 167: the time tells no more than the words."""
    settings.PASSWORD_HASHERS = REAL
    monkeypatch.setattr(hashing.BoundedHasher, "iterations", 7)
    make_operator("ana")
    make_user("gone", is_active=False)
    make_user("older").set_unusable_password()
    old = make_user("old")
    old.password = make_password("correct horse battery").replace("$7$", "$5$")
    old.save()
    rounds = []
    real = hashing.BoundedHasher.encode

    def counted(self, password, salt, iterations=None):
        rounds.append(iterations or self.iterations)
        return real(self, password, salt, iterations)

    monkeypatch.setattr(hashing.BoundedHasher, "encode", counted)
    said = set()
    for name in ("ana", "nobody", "gone", "older", "old", "ANA", "ａｎａ"):
        rounds.clear()
        answer = Client().post("/login/", {"username": name, "password": "wrong"})
        assert sum(rounds) == 7, name
        said.add(re.sub(r'(value|data-now)="[^"]*"', "", answer.content.decode()))
    assert len(said) == 1


@pytest.fixture
def gunicorn(tmp_path):
    """The address of a real web process with its real hash, and a user ana."""
    import socket

    env = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "SECRET_KEY": "k" * 60,
        "REDIS_URL": "",
        "PROXIES": "1",
    }
    code = "from tests.audit.factories import make_operator; make_operator('ana')"
    shutil.copy(migrated(), tmp_path / "db.sqlite3")
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", code]
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=300)
    listener = socket.create_server(("127.0.0.1", 0))
    process = start_process(
        [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-b",
         f"fd://{listener.fileno()}"],
        env=env, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield listener.getsockname()
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    listener.close()


def ask(address, method, path, body=None, *, sent=lambda: None, **headers):
    connection = http.client.HTTPConnection(*address, timeout=90)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    sent()
    answer = connection.getresponse()
    said = answer.read().decode()
    connection.close()
    return answer, said


@pytest.mark.parametrize("many", [False, True], ids=["one address", "sixteen addresses"])
def test_sixteen_sign_ins_at_once_leave_health_its_threads(gunicorn, many):
    """Case 212: health does not wait in line behind them. Counted and not timed: eight threads that
    hash would end eight sign-ins or more before it had its turn.
    """
    wait(lambda: ask(gunicorn, "GET", "/healthz")[0].status == 200, 60, "it is up")
    page, said = ask(gunicorn, "GET", "/login/")
    cookie = page.getheader("Set-Cookie").split(";")[0]
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', said)[1]
    body = f"csrfmiddlewaretoken={token}&username=ana&password=wrong"
    sent, answers = [], []

    def sign_in(n):
        headers = {"Cookie": cookie, "Content_Type": "application/x-www-form-urlencoded"}
        headers["X_Forwarded_For"] = f"192.0.2.{n if many else 1}"
        on_sent = partial(sent.append, n)
        answer, _said = ask(gunicorn, "POST", "/login/", body, sent=on_sent, **headers)
        answers.append((answer.status, answer.getheader("Retry-After")))

    threads = [threading.Thread(target=sign_in, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    wait(lambda: len(sent) == 16, 60, "all are on their way")
    overtaken = []
    while any(thread.is_alive() for thread in threads):
        before = answers.count((200, None))
        assert ask(gunicorn, "GET", "/healthz")[0].status == 200
        overtaken.append(answers.count((200, None)) - before)
    for thread in threads:
        thread.join()
    assert overtaken and max(overtaken) <= 4, overtaken
    assert set(answers) == {(200, None), (503, "2")}, answers
