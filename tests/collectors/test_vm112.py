"""carbonio and nginx_vhost, asked of a real portal on loopback: every code, and its absence."""

import pytest

from collectors.base import CHECKS, Owner

from .lab import codes, look, target
from .portal_server import TOKEN, PortalServer

SERVICES = dict.fromkeys(("mta", "mailbox", "proxy"), "running")
CARBONIO = {"status": "active", "services": SERVICES, "accounts": 12, "dkim": {"selector": "s1", "public_key": "AAAA"}}
NGINX = {"vhost": True, "server_names": ["webmail.kunde.test"], "tls": True, "config_ok": True, "running": True}


def check(check_id, answer, *, seconds=6.0, **changes):
    """The result of one check, with a portal that answers like this."""
    what = {"carbonio": "carbonio", "nginx_vhost": "nginx"}[check_id]
    with PortalServer({what: answer} if answer else {}) as portal:
        the_target = target(**{"portal_url": portal.url, "portal_token": TOKEN, **changes})
        return look(check_id, {"names": {}}, the_target, config_changes={"check_seconds": seconds})[0]


def carbonio(**changes):
    return check("carbonio", {"json": {**CARBONIO, **changes}})


def nginx(**changes):
    return check("nginx_vhost", {"json": {**NGINX, **changes}})


def test_the_three_checks_come_first_and_in_order():
    assert list(CHECKS)[:3] == ["carbonio", "nginx_vhost", "cert_le"]
    assert all(c.core for c in list(CHECKS.values())[:3])


# -- carbonio


def test_an_active_domain_is_ok():
    result = carbonio()
    assert (result.status, codes(result)) == ("ok", [])
    assert result.message == "Domain active, services running: 3, accounts: 12"
    assert result.evidence["portal"]["answer"] == CARBONIO


@pytest.mark.parametrize(
    ("status", "severity", "code"),
    [
        ("maintenance", "warn", "carbonio_domain_maintenance"),
        ("locked", "fail", "carbonio_domain_locked"),
        ("suspended", "fail", "carbonio_domain_suspended"),
        ("closed", "fail", "carbonio_domain_closed"),
    ],
)
def test_every_other_status_has_its_code(status, severity, code):
    result = carbonio(status=status)
    assert (result.status, codes(result)) == (severity, [code])
    assert (result.findings[0].owner, bool(result.findings[0].fix)) == (Owner.HOST, True)


@pytest.mark.parametrize("status", ["deleted", "", "ACTIVE!", "<script>"])
def test_a_status_that_nobody_knows_is_unknown_and_names_the_field(status):
    result = carbonio(status=status)
    assert (result.status, codes(result)) == ("unknown", ["portal_bad_response"])
    assert "“status”" in result.message


def test_all_services_that_are_down_are_named_in_one_finding():
    result = carbonio(services={"mta": "stopped", "mailbox": "running", "proxy": "failed", "amavis": "Running"})
    assert (result.status, codes(result)) == ("fail", ["carbonio_service_down"])
    assert "mta (stopped)" in result.message
    assert "proxy (failed)" in result.message
    assert "mailbox" not in result.message
    assert "amavis" not in result.message


def test_no_service_at_all_is_not_green():
    result = carbonio(services={})
    assert (result.status, codes(result)) == ("unknown", ["portal_bad_response"])


def test_a_server_without_a_dkim_key_is_told():
    result = carbonio(dkim=None)
    assert (result.status, codes(result)) == ("warn", ["carbonio_no_dkim_key"])


def test_several_faults_are_all_said_and_the_worst_decides():
    result = carbonio(status="maintenance", services={"mta": "stopped"}, dkim=None)
    assert result.status == "fail"
    assert sorted(codes(result)) == ["carbonio_domain_maintenance", "carbonio_no_dkim_key", "carbonio_service_down"]


def test_a_domain_that_carbonio_does_not_know_fails():
    result = check("carbonio", {"status": 404, "json": {"detail": "no such domain"}})
    assert (result.status, codes(result)) == ("fail", ["carbonio_domain_missing"])
    assert result.findings[0].owner == Owner.HOST
    assert result.evidence["portal"]["detail"] == "no such domain"


# -- nginx_vhost


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
        ["*.test"],
        [".test"],
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
    [({"config_ok": False}, "nginx_config_broken"), ({"running": False}, "nginx_down"), ({"tls": False}, "vhost_no_tls")],
)
def test_each_fault_of_the_proxy_has_its_code(change, code):
    result = nginx(**change)
    assert (result.status, codes(result)) == ("fail", [code])
    assert (result.findings[0].owner, bool(result.findings[0].fix)) == (Owner.HOST, True)


def test_everything_that_is_wrong_with_the_proxy_is_said():
    result = nginx(server_names=["x.test"], tls=False, config_ok=False, running=False)
    assert sorted(codes(result)) == ["nginx_config_broken", "nginx_down", "vhost_name_mismatch", "vhost_no_tls"]


@pytest.mark.parametrize(
    "answer", [{"status": 404, "json": {"detail": "none"}}, {"json": {"vhost": False}}, {"json": {**NGINX, "vhost": False, "tls": False}}]
)
def test_no_virtual_host_is_missing(answer):
    result = check("nginx_vhost", answer)
    assert (result.status, codes(result)) == ("fail", ["vhost_missing"])


def test_no_virtual_host_and_no_proxy_are_both_said():
    result = check("nginx_vhost", {"json": {**NGINX, "vhost": False, "running": False}})
    assert sorted(codes(result)) == ["nginx_down", "vhost_missing"]


def test_the_webmail_host_is_the_tenants():
    result = check("nginx_vhost", {"json": {**NGINX, "server_names": ["mail.kunde.test"]}}, webmail_url="https://mail.{domain}:8443/x")
    assert codes(result) == []
    result = check("nginx_vhost", {"json": NGINX}, webmail_url="https://[")
    assert (result.status, codes(result)) == ("unknown", ["webmail_url_invalid"])


# -- a portal in trouble is never the domain's fault


@pytest.mark.parametrize("check_id", ["carbonio", "nginx_vhost"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"silent": True}, "portal_timeout"),
        ({"drop": True}, "portal_unreachable"),
        ({"status": 401}, "portal_auth"),
        ({"status": 500}, "portal_error"),
        ({"status": 302, "headers": {"Location": "/"}}, "portal_error"),
        ({"body": b"<html>"}, "portal_bad_response"),
        ({"json": {}}, "portal_bad_response"),
        ({"status": 404, "body": b"<html>"}, "portal_bad_response"),
    ],
)
def test_a_portal_in_trouble_is_unknown(check_id, answer, code):
    result = check(check_id, answer, seconds=1.0 if "silent" in answer else 6.0)
    assert (result.status, codes(result)) == ("unknown", [code])
    assert result.findings[0].owner == Owner.MEASUREMENT


@pytest.mark.parametrize("check_id", ["carbonio", "nginx_vhost"])
def test_without_a_portal_it_says_so(check_id):
    result = check(check_id, None, portal_url="")
    assert (result.status, codes(result)) == ("unknown", ["portal_not_configured"])


def test_what_the_portal_says_is_shown_as_text():
    result = carbonio(services={"<img src=x>\x1b[31m\u202e": "st\x00opped"})
    shown = "<img src=x>\\x1b[31m\\u202e"
    assert result.evidence["portal"]["answer"]["services"] == {shown: "st\\x00opped"}
    assert shown in result.message
    assert not {"\x1b", "\u202e", "\x00"} & set(result.message + str(result.findings[0].message))
