"""nginx_vhost, asked of a real portal: every code, and its absence."""

import pytest

from collectors.base import Owner
from tests.collectors.lab import codes
from tests.collectors.vm112.portal_checks import NGINX, ask


def nginx(**changes):
    return ask("nginx_vhost", {"json": {**NGINX, **changes}})


def test_a_working_virtual_host_is_ok():
    result = nginx()
    assert (result.status, codes(result)) == ("ok", [])
    assert "webmail.kunde.test" in result.message


@pytest.mark.parametrize(
    "names",
    [
        ["webmail.kunde.test"],
        ["WEBMAIL.Kunde.Test."],
        ["mail.kunde.test", "webmail.kunde.test"],
        ["*.kunde.test"],
        ["*.test"],
        [".test"],
        [".kunde.test"],
        [".webmail.kunde.test"],
        ["webmail.*"],
        ["~^web", "webmail.kunde.test"],
    ],
)
def test_a_server_name_covers_the_webmail_host(names):
    assert codes(nginx(server_names=names)) == []


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["_"],
        [""],
        ["."],
        ["*"],
        ["*."],
        ["kunde.test"],
        ["mail.kunde.test"],
        ["*.webmail.kunde.test"],
        ["mail.*"],
        ["web.*"],
        [".*"],
        ["webmail.kunde.test.evil.test"],
        ["w*.kunde.test"],
    ],
)
def test_a_server_name_of_another_host_does_not(names):
    result = nginx(server_names=names)
    assert (result.status, codes(result)) == ("fail", ["vhost_name_mismatch"])
    assert (result.findings[0].owner, bool(result.findings[0].fix)) == (Owner.HOST, True)


def test_a_regular_expression_is_not_run_and_said():
    result = nginx(server_names=["mail.kunde.test", "~^(a+)+$"])
    assert (result.status, codes(result)) == ("ok", ["vhost_name_pattern"])
    assert "~^(a+)+$" in result.findings[0].message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"config_ok": False}, "nginx_config_broken"),
        ({"running": False}, "nginx_down"),
        ({"tls": False}, "vhost_no_tls"),
    ],
)
def test_each_fault_of_the_proxy_has_its_code(change, code):
    result = nginx(**change)
    assert (result.status, codes(result)) == ("fail", [code])
    assert (result.findings[0].owner, bool(result.findings[0].fix)) == (Owner.HOST, True)


def test_everything_that_is_wrong_with_the_proxy_is_said():
    result = nginx(server_names=["x.test"], tls=False, config_ok=False, running=False)
    assert sorted(codes(result)) == [
        "nginx_config_broken",
        "nginx_down",
        "vhost_name_mismatch",
        "vhost_no_tls",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "json": {"detail": "none"}},
        {"json": {"vhost": False}},
        {"json": {**NGINX, "vhost": False, "tls": False}},
    ],
)
def test_no_virtual_host_is_missing(answer):
    result = ask("nginx_vhost", answer)
    assert (result.status, codes(result)) == ("fail", ["vhost_missing"])


def test_no_virtual_host_and_no_proxy_are_both_said():
    result = ask("nginx_vhost", {"json": {**NGINX, "vhost": False, "running": False}})
    assert sorted(codes(result)) == ["nginx_down", "vhost_missing"]


def test_the_webmail_host_is_the_tenants():
    result = ask(
        "nginx_vhost",
        {"json": {**NGINX, "server_names": ["mail.kunde.test"]}},
        webmail_url="https://mail.{domain}:8443/x",
    )
    assert codes(result) == []
    result = ask("nginx_vhost", {"json": NGINX}, webmail_url="https://[")
    assert (result.status, codes(result)) == ("unknown", ["webmail_url_invalid"])
