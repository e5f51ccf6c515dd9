"""Tokens: issued once, kept as a digest, refused when unknown, expired or revoked; sessions beside
them.
"""

import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audit.models import ApiToken
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
OVERVIEW = "/api/v1/audit/overview"


def get(client, secret):
    return client.get(OVERVIEW, headers=make.bearer(secret))


def test_it_accepts_a_token_and_keeps_only_its_digest(client):
    secret = make.make_token()
    assert get(client, secret).status_code == 200
    token = ApiToken.objects.get()
    assert secret not in str(
        list(ApiToken.objects.values())
    ) and token.digest == ApiToken.digest_of(secret)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer lbx_wrong",
        "Basic dXNlcjpwYXNz",
        "lbx_wrong",
        "",
        "Bearer " + "x" * 5000,
        "Bearer \xff",
    ],
)
def test_it_rejects_what_is_not_a_token_with_401_and_a_challenge(client, header):
    answer = client.get(OVERVIEW, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith('Bearer realm="')
    assert answer["Content-Type"] == "application/problem+json"


def test_revoked_and_expired_tokens_are_refused_at_once_in_the_same_words(client):
    """Case 133."""
    secret = make.make_token()
    assert get(client, secret).status_code == 200
    ApiToken.objects.update(revoked_at=timezone.now())
    revoked = get(client, secret)
    expired = get(client, make.make_token(expires_at=timezone.now() - timedelta(seconds=1)))
    unknown = get(client, "lbx_unknown")
    assert [a.status_code for a in (revoked, expired, unknown)] == [401] * 3
    assert revoked.content == expired.content == unknown.content


def test_a_disabled_user_and_a_changed_password_end_the_session(client):
    """Case 133."""
    user = make.make_viewer()
    client.force_login(user)
    assert client.get(OVERVIEW).status_code == 200
    user.set_password("another long password")
    user.save()
    assert client.get(OVERVIEW).status_code == 401
    client.force_login(user)
    user.is_active = False
    user.save()
    assert client.get(OVERVIEW).status_code == 401


def test_a_header_decides_even_where_a_session_would_do(client):
    client.force_login(make.make_admin())
    assert client.get(OVERVIEW, headers={"Authorization": "Bearer lbx_wrong"}).status_code == 401


def test_the_last_use_is_noted_once_a_minute(client, django_assert_num_queries):
    secret = make.make_token()
    with time_machine.travel("2026-11-24T10:00:00Z", tick=False) as clock:
        get(client, secret)
        first = ApiToken.objects.get().last_used_at
        clock.shift(59)
        get(client, secret)
        assert ApiToken.objects.get().last_used_at == first
        clock.shift(2)
        get(client, secret)
        assert ApiToken.objects.get().last_used_at > first


def test_a_session_needs_the_csrf_token_for_what_changes_something():
    tenant = make.make_tenant()
    make.make_domain(tenant=tenant)
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.make_operator())
    refused = client.post(f"/api/v1/audit/run/{tenant.pk}")
    assert refused.status_code == 403 and "CSRF" in refused.json()["detail"]
    client.cookies["csrftoken"] = "a" * 32
    assert (
        client.post(f"/api/v1/audit/run/{tenant.pk}", headers={"X-CSRFToken": "a" * 32}).status_code
        == 202
    )
    assert (
        Client(enforce_csrf_checks=True).post(f"/api/v1/audit/run/{tenant.pk}").status_code == 401
    )  # no talk of CSRF


def test_a_token_needs_no_csrf_token():
    tenant = make.make_tenant()
    make.make_domain(tenant=tenant)
    client = Client(enforce_csrf_checks=True)
    assert (
        client.post(
            f"/api/v1/audit/run/{tenant.pk}", headers=make.bearer(make.make_token("run"))
        ).status_code
        == 202
    )


def test_a_missing_scope_is_403_and_named(client):
    tenant = make.make_tenant()
    answer = client.post(
        f"/api/v1/audit/run/{tenant.pk}", headers=make.bearer(make.make_token("read"))
    )
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="run"' in answer["WWW-Authenticate"]


def test_a_user_who_is_neither_staff_nor_in_a_group_sees_nothing(client):
    client.force_login(make.make_user(staff=False))
    assert client.get(OVERVIEW).status_code == 403


def test_guessing_tokens_is_slowed_down_by_address_whatever_x_forwarded_for_says(client):
    """Case 134."""
    good = make.make_token()
    for n in range(100):
        assert (
            client.get(
                OVERVIEW, headers={**make.bearer(f"lbx_{n}"), "X-Forwarded-For": f"198.51.100.{n}"}
            ).status_code
            == 401
        )
    answer = client.get(
        OVERVIEW, headers={**make.bearer("lbx_more"), "X-Forwarded-For": "203.0.113.9"}
    )
    assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 60
    assert (
        client.get(OVERVIEW, headers=make.bearer("lbx_more"), REMOTE_ADDR="192.0.2.7").status_code
        == 401
    )  # another address
    assert get(client, good).status_code == 200  # who has a token is not locked out by a neighbour


def test_behind_a_proxy_of_ours_its_word_counts(client, settings):
    """Case 134."""
    settings.PROXIES = 1
    for n in range(101):
        answer = client.get(
            OVERVIEW,
            headers={**make.bearer(f"lbx_{n}"), "X-Forwarded-For": f"198.51.100.{n}, 203.0.113.9"},
        )
    assert answer.status_code == 429


def test_the_secret_is_nowhere_in_the_log(client, caplog):
    secret = make.make_token("read")
    client.post("/api/v1/audit/run/1", headers=make.bearer(secret))
    client.get(OVERVIEW, headers=make.bearer("lbx_guess"))
    assert secret not in caplog.text and "lbx_guess" not in caplog.text


# -- manage.py create_token


def create(*args):
    out, err = StringIO(), StringIO()
    call_command("create_token", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_create_token_prints_the_secret_alone_on_stdout(client):
    tenant = make.make_tenant("VM112")
    out, err = create("cron job", "--scope", "run", "--tenant", "VM112", "--expires", "30")
    token = ApiToken.objects.get()
    assert out == out.strip() + "\n" and token.digest == ApiToken.digest_of(out.strip())
    assert (token.name, token.tenant, token.scopes) == ("cron job", tenant, ["read", "run"])
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    assert "VM112" in err and out.strip() not in err
    assert get(client, out.strip()).status_code == 200


def test_create_token_finds_a_tenant_by_its_id():
    tenant = make.make_tenant("VM112")
    create("x", "--tenant", str(tenant.pk))
    assert ApiToken.objects.get().tenant == tenant


@pytest.mark.parametrize(
    "args",
    [
        ["x", "--tenant", "VM999"],
        ["x", "--tenant", "9" * 40],
        ["x", "--expires", "0"],
        ["x", "--expires", "-1"],
        ["x", "--expires", "soon"],
        ["x", "--expires", "99999"],
        ["x", "--expires", "9" * 30],
        ["x", "--scope", "write"],
        [""],
        ["a\nb"],
        ["x" * 101],
    ],
)
def test_create_token_refuses_wrong_usage_with_2_and_one_line(args):
    with pytest.raises(CommandError) as refused:
        create(*args)
    assert refused.value.returncode == 2 and "\n" not in str(refused.value)
    assert not ApiToken.objects.exists()


def test_create_token_without_tables_says_so_in_one_line(tmp_path):
    import os

    done = subprocess.run(
        [sys.executable, "manage.py", "create_token", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"},
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "migrate" in done.stderr and "Traceback" not in done.stderr
