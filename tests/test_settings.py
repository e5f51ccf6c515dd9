"""Settings: a wrong value stops the start with one line that names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KEY = "k" * 60


def manage(*args, **env):
    """`manage.py …` in an environment of its own."""
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    return subprocess.run([sys.executable, "manage.py", *args], cwd=ROOT, env={**clean, **env}, capture_output=True, text=True, timeout=60)


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
        ("AUDIT_ALLOWED_NETWORKS", "10.10.10.7/24"),
        ("AUDIT_CONTACT", "us) or them"),
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
        ("DATABASE_URL", "mysql://root@localhost/x"),
        ("DATABASE_URL", "sqlite:////dev/null/db/x.sqlite3"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("ENCRYPTION_KEYS", "secret"),
        ("CSRF_TRUSTED_ORIGINS", "audit.example.com"),
    ],
)
def test_case_178_a_wrong_value_stops_the_start_with_one_line_that_names_it(name, value):
    done = manage("check", **{"SECRET_KEY": KEY, name: value})
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0 and name in done.stderr, done.stderr


@pytest.mark.parametrize("env", [{"DEBUG": "0"}, {"ALLOWED_HOSTS": "audit.example.com"}])
def test_production_requires_a_secret_key(env):
    done = manage("check", **env)
    assert done.returncode == 1 and "SECRET_KEY" in done.stderr


def test_dns_servers_take_ports_and_both_families():
    servers = setting("AUDIT_DNS_SERVERS", AUDIT_DNS_SERVERS="9.9.9.9, 127.0.0.1:5300,[2001:db8::1]:53,2001:db8::2")
    assert servers == "(('9.9.9.9', 53), ('127.0.0.1', 5300), ('2001:db8::1', 53), ('2001:db8::2', 53))"


def test_redis_becomes_the_broker_and_the_cache_by_one_setting():
    assert "orm" in setting("Q_CLUSTER")
    q = setting("Q_CLUSTER", REDIS_URL="redis://127.0.0.1:6379/0")
    assert "'redis'" in q and "'orm'" not in q


def test_the_deploy_check_is_silent_with_production_settings():
    production = {"SECRET_KEY": os.urandom(40).hex(), "DEBUG": "0", "ALLOWED_HOSTS": "audit.example.com"}
    done = manage("check", "--deploy", "--fail-level", "WARNING", **production)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_case_178_an_env_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / ".env"
    if content:
        path.write_bytes(content)
    else:
        path.symlink_to("/proc/self/mem")  # there, and unreadable even for root
    code = f"from pathlib import Path; from ligbox.environment import read_file; read_file(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0 and str(path) in done.stderr, done.stderr


def test_processes_that_start_at_once_agree_on_the_key(tmp_path):
    """The first start of web and worker at the same time: none may find a file that is there and still empty."""
    code = f"from ligbox.environment import secret_key; print(secret_key('SECRET_KEY', production=False, data_dir={str(tmp_path)!r}))"
    env = {k: v for k, v in os.environ.items() if k != "SECRET_KEY"}
    command = [sys.executable, "-c", code]
    starting = [subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) for _n in range(8)]
    keys = {process.communicate(timeout=60)[0] for process in starting}
    assert len(keys) == 1 and len(keys.pop()) > 50
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_seen_half_written(tmp_path, monkeypatch):
    from ligbox import environment

    seen = []
    link = os.link
    monkeypatch.setattr(
        environment.os, "link", lambda a, b: (seen.append(((tmp_path / "secret_key").exists(), Path(a).read_text())), link(a, b))
    )
    monkeypatch.delenv("SECRET_KEY", raising=False)
    key = environment.secret_key("SECRET_KEY", production=False, data_dir=tmp_path)
    assert seen == [(False, key)]


def test_a_redis_out_of_reach_is_given_up_after_seconds():
    url = setting("REDIS_URL", REDIS_URL="redis://:p@h:6379/0?socket_timeout=5")
    assert url == "redis://:p@h:6379/0?socket_timeout=5&socket_connect_timeout=3"
