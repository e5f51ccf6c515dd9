"""Settings: a wrong value stops the start with one line that names it."""

import os
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ligbox.environment import mail_address, mail_server, read, site_url

ROOT = Path(__file__).resolve().parents[1]
KEY = "k" * 60


def manage(*args, **env):
    """`manage.py …` in an environment of its own."""
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=ROOT,
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def setting(name, **env):
    code = f"from django.conf import settings; print(settings.{name})"
    done = manage("shell", "-v0", "-c", code, SECRET_KEY=KEY, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUDIT_INTERVAL_SEC", "often"),
        ("AUDIT_INTERVAL_SEC", "-5"),
        ("AUDIT_DNS_SERVERS", "dns.example.org"),
        ("AUDIT_DNS_SERVERS", "127.0.0.1:99999"),
        ("AUDIT_RESOLVER_PROBE", "example.com, -"),
        ("AUDIT_ALLOWED_NETWORKS", "10.10.10.7/24"),
        ("AUDIT_CONTACT", "us) or them"),
        ("SITE_URL", "audit.example.com"),
        ("SITE_URL", "https://audit.example.com/?x"),
        ("SITE_URL", "https://audit.example.com:x"),
        ("EMAIL_URL", "mail.example.com:587"),
        ("EMAIL_URL", "smtp://user@mail.example.com"),
        ("EMAIL_URL", "smtp://mail.example.com:port"),
        ("EMAIL_URL", "smtp://mail.example.com?tls=1"),
        ("EMAIL_URL", "smtps://mail.example.com?starttls=no"),
        ("EMAIL_URL", "smtp://u:p@10.0.0.5?starttls=no"),
        ("EMAIL_FROM", "Ligbox Audit"),
        ("EMAIL_FROM", "audit@example.com, b@example.com"),
        ("NOTIFY_ALLOWED_NETWORKS", "10.10.10.7/24"),
        ("NOTIFY_APPRISE_SCHEMES", "ntfys://"),
        ("AUDIT_DNSBLS", "zen spamhaus"),
        ("AUDIT_DNSBLS", "."),
        ("AUDIT_DNSBLS", ",".join(f"l{n}.example.org" for n in range(9))),
        ("AUDIT_SMTP", "25"),
        ("AUDIT_SMTP_PORT", "0"),
        ("AUDIT_AUTHORITATIVE_PORT", "0"),
        ("DATABASE_URL", "nonsense://x"),
        ("TIME_ZONE", "Europe/Nowhere"),
        ("LANGUAGE_CODE", "xx"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("SECRET_KEY", ""),
        ("DEBUG", "perhaps"),
        ("AUDIT_PORTAL_NGINX_PATH", "nginx"),
        ("AUDIT_CHECK_TIMEOUT_SEC", "nan"),
        ("AUDIT_DOMAIN_TIMEOUT_SEC", "inf"),
        ("AUDIT_INTERVAL_SEC", "99999999999999"),
        ("AUDIT_RETENTION_DAYS", "9999999"),
        ("AUDIT_CONFIRM", "0"),
        ("AUDIT_GRACE_DAYS", "-1"),
        ("DATABASE_URL", "mysql://root@localhost/x"),
        ("DATABASE_URL", "sqlite:////dev/null/db/x.sqlite3"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("ENCRYPTION_KEYS", "secret"),
        ("CSRF_TRUSTED_ORIGINS", "audit.example.com"),
        ("CSRF_TRUSTED_ORIGINS", "https://audit.example.com/"),
        ("CSRF_TRUSTED_ORIGINS", "https://"),
        ("ALLOWED_HOSTS", "https://audit.example.com"),
        ("ALLOWED_HOSTS", "audit.example.com:8443"),
        ("ALLOWED_HOSTS", '"audit.example.com"'),
        ("ALLOWED_HOSTS", "audit.example.com, audit.example.com/"),
        ("ALLOWED_HOSTS", "audit.example.com b.example.com"),
        ("ALLOWED_HOSTS", "bücher.example"),
        ("DATABASE_URL", "postgres://user:password@host/"),
        ("DATABASE_URL", "sqlite:////tmp"),
        ("SSL_CERT_FILE", __file__),
        ("SITE_URL", 'https://h"><x'),
        ("SITE_URL", "https://audit.example.com:0"),
        ("EMAIL_URL", "smtp://u:pässword@mail.example.com"),
        ("EMAIL_URL", "smtp://u:p%C3%A4ssword@mail.example.com"),
        ("SECOND_FACTOR", "yes"),
        ("SESSION_IDLE_MINUTES", "0"),
        ("SESSION_HOURS", "ever"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line_that_names_it(name, value):
    """Case 178."""
    done = manage("check", **{"SECRET_KEY": KEY, name: value})
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0 and name in done.stderr, done.stderr


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_production_has_a_database_that_its_processes_share(url):
    done = manage("check", SECRET_KEY=KEY, DEBUG="0", DATABASE_URL=url)
    assert done.returncode == 1 and "DATABASE_URL" in done.stderr


def test_hosts_and_origins_are_taken_as_requests_have_them():
    hosts = "audit.example.com, .example.org,localhost,web_1,127.0.0.1,[::1],*,xn--bcher-kva.test"
    assert len(literal_eval(setting("ALLOWED_HOSTS", ALLOWED_HOSTS=hosts))) == 8
    of = "https://audit.example.com, http://*.example.org:8080, https://[::1]:8443"
    assert len(literal_eval(setting("CSRF_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS=of))) == 3


@pytest.mark.parametrize("env", [{"DEBUG": "0"}, {"ALLOWED_HOSTS": "audit.example.com"}])
def test_production_requires_a_secret_key(env):
    done = manage("check", **env)
    assert done.returncode == 1 and "SECRET_KEY" in done.stderr


def test_dns_servers_take_ports_and_both_families():
    servers = setting(
        "AUDIT_DNS_SERVERS",
        AUDIT_DNS_SERVERS="9.9.9.9, 127.0.0.1:5300,[2001:db8::1]:53,2001:db8::2",
    )
    assert (
        servers
        == "(('9.9.9.9', 53), ('127.0.0.1', 5300), ('2001:db8::1', 53), ('2001:db8::2', 53))"
    )


def test_redis_becomes_the_broker_and_the_cache_by_one_setting():
    assert "orm" in setting("Q_CLUSTER")
    q = setting("Q_CLUSTER", REDIS_URL="redis://127.0.0.1:6379/0")
    assert "'redis'" in q and "'orm'" not in q


def deploy_check(**changes):
    """`check --deploy` with production settings, but for these."""
    production = {
        "SECRET_KEY": os.urandom(40).hex(),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DEBUG": "0",
        "ALLOWED_HOSTS": "audit.example.com",
    }
    return manage("check", "--deploy", "--fail-level", "WARNING", **(production | changes))


def test_the_deploy_check_is_silent_with_production_settings():
    done = deploy_check()
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ENCRYPTION_KEYS": ""}, "ENCRYPTION_KEYS is not set"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS=* takes any name"),
        ({"ALLOWED_HOSTS": "audit.example.com,*"}, "ALLOWED_HOSTS=* takes any name"),
    ],
)
def test_the_deploy_check_asks_for_keys_and_for_hosts(changes, said):
    done = deploy_check(**changes)
    assert done.returncode == 1 and said in done.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_an_env_file_that_cannot_be_read_is_named(tmp_path, content):
    """Case 178."""
    path = tmp_path / ".env"
    if content:
        path.write_bytes(content)
    else:
        path.symlink_to("/proc/self/mem")  # there, and unreadable even for root
    code = (
        "from pathlib import Path; from ligbox.environment import read_file; "
        f"read_file(Path({str(path)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0 and str(path) in done.stderr, done.stderr


def test_processes_that_start_at_once_agree_on_the_key(tmp_path):
    """The first start of web and worker at the same time: none may find a file that is there and
    still empty."""
    code = (
        "from ligbox.environment import secret_key; "
        f"print(secret_key('SECRET_KEY', production=False, data_dir={str(tmp_path)!r}))"
    )
    env = {k: v for k, v in os.environ.items() if k != "SECRET_KEY"}
    command = [sys.executable, "-c", code]
    starting = [
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        for _n in range(8)
    ]
    keys = {process.communicate(timeout=60)[0] for process in starting}
    assert len(keys) == 1 and len(keys.pop()) > 50
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_seen_half_written(tmp_path, monkeypatch):
    from ligbox import environment

    seen = []
    link = os.link
    monkeypatch.setattr(
        environment.os,
        "link",
        lambda a, b: (
            seen.append(((tmp_path / "secret_key").exists(), Path(a).read_text())),
            link(a, b),
        ),
    )
    monkeypatch.delenv("SECRET_KEY", raising=False)
    key = environment.secret_key("SECRET_KEY", production=False, data_dir=tmp_path)
    assert seen == [(False, key)]


def test_a_redis_out_of_reach_is_given_up_after_seconds():
    url = setting("REDIS_URL", REDIS_URL="redis://:p@h:6379/0?socket_timeout=5")
    assert url == "redis://:p@h:6379/0?socket_timeout=5&socket_connect_timeout=3"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "1", True), ("bool", " Yes", True), ("bool", "TRUE", True), ("bool", "on", True),
        ("bool", "0", False), ("bool", "off", False), ("bool", "No ", False), ("int", " 7 ", 7),
        ("float", "1.5", 1.5), ("list", "", []), ("list", "a, b", ["a", " b"]), ("str", " x", " x"),
    ],
)  # fmt: skip
def test_values_are_read_as_their_kind(monkeypatch, kind, text, value):
    monkeypatch.setenv("LIGBOX_TEST", text)
    assert read(kind, "LIGBOX_TEST") == value
    monkeypatch.delenv("LIGBOX_TEST")
    assert read(kind, "LIGBOX_TEST", "default") == "default"


@pytest.mark.parametrize(
    ("kind", "text"), [("bool", ""), ("int", ""), ("int", "1.5"), ("float", "x")]
)
def test_what_is_not_of_its_kind_stops_the_start(monkeypatch, kind, text):
    monkeypatch.setenv("LIGBOX_TEST", text)
    with pytest.raises(SystemExit, match=r"^Setting LIGBOX_TEST: '.*' is not"):
        read(kind, "LIGBOX_TEST")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", {}),
        ("smtp://localhost", ("localhost", 25, "", "", False, False)),
        ("smtp://mail.example.com", ("mail.example.com", 25, "", "", False, True)),
        ("smtp://u:p%2Fw@mail.example.com", ("mail.example.com", 587, "u", "p/w", False, True)),
        ("smtps://u%40x:p@mail.example.com", ("mail.example.com", 465, "u@x", "p", True, False)),
        ("smtp://10.0.0.5:2525?starttls=no", ("10.0.0.5", 2525, "", "", False, False)),
        ("smtp://[::1]:2525", ("::1", 2525, "", "", False, False)),
    ],
)
def test_an_address_says_how_mail_is_sent(monkeypatch, url, expected):
    monkeypatch.setenv("EMAIL_URL", url)
    found = mail_server("EMAIL_URL")
    assert (tuple(found.values()) or {}) == expected


def test_mail_needs_an_address_that_it_comes_from(monkeypatch, capsys):
    monkeypatch.delenv("EMAIL_FROM", raising=False)
    assert mail_address("EMAIL_FROM", required=False) == ""
    with pytest.raises(SystemExit) as caught:
        mail_address("EMAIL_FROM", required=True)
    assert "EMAIL_FROM" in str(caught.value) and "EMAIL_URL" in str(caught.value)
    monkeypatch.setenv("EMAIL_FROM", "Ligbox Audit <audit@example.com>")
    assert mail_address("EMAIL_FROM", required=True) == "Ligbox Audit <audit@example.com>"


def test_a_wrong_mail_address_does_not_show_its_password(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", "smtp://u:hunter2/x@mail.example.com")
    with pytest.raises(SystemExit) as caught:
        mail_server("EMAIL_URL")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("hosts", "https", "url"),
    [
        (["audit.example.com", "x"], True, "https://audit.example.com"),
        ([".example.com", "audit.example.com"], False, "http://audit.example.com"),
        (["*"], True, "http://localhost:8000"),
        (["localhost", "127.0.0.1"], False, "http://localhost:8000"),
    ],
)
def test_where_people_find_the_site_follows_from_its_hosts(monkeypatch, hosts, https, url):
    monkeypatch.delenv("SITE_URL", raising=False)
    assert site_url("SITE_URL", hosts=hosts, https=https) == url
    monkeypatch.setenv("SITE_URL", "https://other.example.com/audit/")
    assert site_url("SITE_URL", hosts=hosts, https=https) == "https://other.example.com/audit"
