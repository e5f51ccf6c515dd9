"""Every cookie that the site ever sets, and what it says about https."""

import os
import shutil
import subprocess
import sys

import pytest
from django.test import Client, RequestFactory

from audit.access import cookies
from tests.audit import factories as make
from tests.installation import ROOT, migrated

FLAGS = {"secure", "httponly", "samesite=lax", "path=/"}
WALK = """
from django.conf import settings
from django.test import Client
from tests.audit.factories import make_admin
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
make_admin("root")
client = Client(headers={"host": "localhost", "x-forwarded-proto": PROTO})
fields = {"username": "root", "password": "correct horse battery", "next": "/"}
answers = [
    client.get("/login/"),
    client.post("/login/", fields),
    client.get("/"),
    client.post("/i18n/setlang/", {"language": "pt", "next": "/"}),
    client.get("/second-factor/"),
    client.get("/second-factor/new/"),
    client.post("/admin/audit/tenant/add/", {"name": "x"}),
    client.get("/admin/"),
    client.post("/logout/"),
    client.get("/api/v1/docs"),
    client.get("/report/x/"),
    client.get("/healthz"),
]
for answer in answers:
    print("answer", answer.status_code, answer.get("Strict-Transport-Security", "-"))
    for morsel in answer.cookies.values():
        print("cookie", morsel.OutputString())
"""


def walk(tmp_path, proto="https", **env):
    """(status and HSTS, cookies) of a walk through the site behind a proxy."""
    env = {
        **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")},
        "SECRET_KEY": "k" * 60,
        "HTTPS": "1",
        "PROXIES": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        **env,
    }
    code = WALK.replace("PROTO", repr(proto))
    shutil.copy(migrated(), tmp_path / "db.sqlite3")
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", code],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    answers = [rest for kind, rest in lines if kind == "answer"]
    return answers, [rest for kind, rest in lines if kind == "cookie"]


def test_under_https_every_cookie_is_for_this_host_alone(tmp_path):
    """Case 213."""
    answers, found = walk(tmp_path, SECOND_FACTOR="superusers")
    assert all(answer.endswith(" max-age=31536000") for answer in answers), answers
    names = set()
    for cookie in found:
        name, *flags = [part.strip().lower() for part in cookie.split(";")]
        gone = "max-age=0" in flags  # Django takes one away with fewer words
        assert set(flags) >= FLAGS - ({"httponly"} if gone else set()), cookie
        assert not any(flag.startswith("domain") for flag in flags), cookie
        names.add(name.partition("=")[0])
    assert names == {f"__host-{n}" for n in ("sessionid", "csrftoken", "django_language", "seen")}


def test_a_browser_is_known_by_such_a_cookie_too(tmp_path):
    """Case 213."""
    _answers, found = walk(tmp_path)
    device = [cookie for cookie in found if cookie.startswith("__Host-device=")]
    assert device and set(device[0].lower().replace(" ", "").split(";")) >= FLAGS
    assert "root" not in device[0]


def test_without_https_the_names_are_plain_and_nothing_is_promised(tmp_path):
    """Case 213."""
    answers, found = walk(tmp_path, "http", HTTPS="0")
    assert all(answer.endswith(" -") for answer in answers)
    assert found and not any("__Host-" in c or "secure" in c.lower() for c in found)


def test_a_request_that_came_unencrypted_gets_no_cookie_and_no_promise(tmp_path):
    """Case 213: it is redirected, but for what probes ask."""
    answers, found = walk(tmp_path, "http")
    assert [a.split()[0] for a in answers] == ["301"] * 11 + ["200"]
    assert all(answer.endswith(" -") for answer in answers) and not found


@pytest.mark.parametrize("value", ["", "x", "a:b:c", "ÿ", "a" * 5000])
def test_what_is_not_ours_is_not_read(value):
    """Case 213."""
    request = RequestFactory().get("/")
    request.COOKIES["seen"] = value
    assert cookies.read(request, "seen") is None


@pytest.mark.django_db
def test_one_cookie_is_not_taken_for_another():
    """Case 213."""
    make.make_operator("ana")
    client = Client()
    client.post("/login/", {"username": "ana", "password": "correct horse battery"})
    request = RequestFactory().get("/")
    request.COOKIES["device"] = client.cookies["seen"].value
    request.COOKIES["seen"] = client.cookies["seen"].value
    assert cookies.read(request, "device") is None
    assert cookies.read(request, "seen") is not None
