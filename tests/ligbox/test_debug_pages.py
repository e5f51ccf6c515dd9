"""Case 199: a page of an error with DEBUG on, and every text that settings are named in, hold no
secret."""

import json
import os
import subprocess
import sys
from html import escape
from urllib.parse import quote

import pytest

from ligbox.debug_pages import STARS, without_secrets
from tests.installation import ROOT
from tests.test_settings import manage

# {variable: (value, what may stand on no page)}
SECRETS = {
    "SECRET_KEY": ("sk-" + "q" * 60, ["sk-" + "q" * 60]),
    "ENCRYPTION_KEYS": (
        "YSBrZXkgZm9yIHRlc3RzLCBhbmQgZm9yIHRoZW0gYWw=,YW5vdGhlciBrZXksIGZvciB0ZXN0cyBhbmQgZm9yIHU=",
        ["YSBrZXkgZm9yIHRlc3Rz", "YW5vdGhlciBrZXksIGZv"],
    ),
    "DATABASE_URL": (
        "postgres://ligbox:pg-p%40ss%3Cword@%2Fnowhere/ligbox",
        ["pg-p%40ss%3Cword", "pg-p@ss<word"],
    ),
    "REDIS_URL": ("redis://:redis-'pass\\word@127.0.0.1:1/0", ["redis-'pass\\word"]),
    "OTHER_URL": ("unix:///run/redis?db=1&password=in-a%40query", ["in-a%40query", "in-a@query"]),
    "EMAIL_HOST_PASSWORD": ("mail pass word", ["mail pass word"]),
    "EMAIL_URL": ("smtp://u:mail-passw0rd@127.0.0.1:1", ["mail-passw0rd"]),
    "SENTRY_DSN": ("https://dsn-public-key@127.0.0.1/1", ["dsn-public-key"]),
    "AWS_SECRET_ACCESS_KEY": ("aws-secret/with+signs=", ["aws-secret/with+signs="]),
    "PGPASSWORD": ("pgpassword-of-libpq", ["pgpassword-of-libpq"]),
    "SOME_API_TOKEN": ("some-api-token", ["some-api-token"]),
}
PAGE = """
import json, os, django
django.setup()
from django.conf import settings
from django.test import Client
from django.urls import path
import ligbox.urls

def fail(request):
    password, plain = "typed-by-a-person", os.environ["DATABASE_URL"]
    everything, of_settings = dict(os.environ), settings.DATABASES
    key_bytes = settings.SECRET_KEY.encode()
    nested = [{"a": (os.environ["REDIS_URL"], ["x" * 3990, os.environ["SOME_API_TOKEN"]])}]
    late = "y" * 4085 + os.environ["SOME_API_TOKEN"] + "y" * 100
    cluster, caches = settings.Q_CLUSTER, settings.CACHES
    raise ValueError(f"can't connect to {plain} with {settings.ENCRYPTION_KEYS}")

ligbox.urls.urlpatterns.insert(0, path("fail/", fail))
client = Client(raise_request_exception=False, headers={"Host": "localhost"})
environ = {k: v for k, v in os.environ.items()}
html = client.post("/fail/", {"password": "x"}, **environ)
text = client.get("/fail/", headers={"Accept": "text/plain"}, **environ)
away = client.get("/login/", headers={"Cookie": "sessionid=" + "z" * 32})
print(json.dumps([[a.status_code, a.content.decode()] for a in (html, text, away)]))
"""


@pytest.fixture(scope="module")
def pages():
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    env |= {name: value for name, (value, _parts) in SECRETS.items()}
    env |= {
        "EMAIL_FROM": "audit@example.com",
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "ligbox.settings",
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", PAGE], cwd=ROOT, env=env, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_of_the_environment_stands_on_it(pages, name):
    """In settings, the environment, local variables, the message; however it is written."""
    answers, _log = pages
    for part in SECRETS[name][1]:
        for form in (part, repr(part)[1:-1], escape(part), escape(repr(part)[1:-1]), quote(part)):
            for status, body in answers:
                assert status >= 500 and form not in body, (name, body.find(form))


def test_it_is_still_a_page_that_helps(pages):
    (_status, html), (_text_status, text), _away = pages[0]
    assert "can&#x27;t connect to postgres://ligbox:" in html and STARS in html
    assert "AUDIT_INTERVAL_SEC" in html and "nested" in html
    assert "typed-by-a-person" not in html.replace("password, plain", "").replace(
        "&quot;typed-by-a-person&quot;", ""
    )
    assert "Traceback" in text and "ValueError" in text


def test_part_of_a_secret_is_not_left_where_a_long_value_is_cut(pages):
    for _status, body in pages[0]:
        assert "yysome" not in body and "some-api" not in body


def test_short_passwords_of_addresses_go_too():
    assert without_secrets("redis://u:pw@host/0", []) == f"redis://u:{STARS}@host/0"
    assert without_secrets("redis://:a/b@host/0", []) == "redis://:a/b@host/0"  # no such address
    assert without_secrets("http://host/a:b@c", []) == "http://host/a:b@c"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://:hid/den@127.0.0.1:6379/0"),
        ("REDIS_URL", "redis://:hidden@127.0.0.1:port/0"),
        ("REDIS_URL", "hidden"),
        ("REDIS_URL", "redis://:hi[dden@127.0.0.1/0"),
        ("DATABASE_URL", "postgres://u:hid/den@127.0.0.1/x"),
        ("DATABASE_URL", "postgres://u:hidden@127.0.0.1:port/x"),
        ("DATABASE_URL", "mysql://u:hidden@127.0.0.1/x"),
        ("DATABASE_URL", "postgres://u:hi[dden@127.0.0.1/x"),
        ("ENCRYPTION_KEYS", "hidden"),
        ("SECRET_KEY", "hidden"),
    ],
)
def test_the_line_that_stops_the_start_does_not_quote_a_secret(name, value):
    done = manage("check", **{"SECRET_KEY": "k" * 60, name: value})
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1 and name in done.stderr
    for part in ("hidden", "hid", "hi[", "den"):
        assert part not in done.stderr


@pytest.mark.parametrize("command", ["check", "migrate", "worker"])
def test_nor_does_a_command_that_cannot_reach_them(command):
    done = manage(
        *([command, "--database", "default"] if command == "check" else [command]),
        SECRET_KEY="k" * 60,
        DATABASE_URL="postgres://u:pg-hidden@%2Fnowhere/x",
        REDIS_URL="unix://:redis-hidden@/nowhere.sock",
    )
    assert "hidden" not in done.stderr + done.stdout
