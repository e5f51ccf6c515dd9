"""carbonio, asked of a real portal: every code, its absence, and portals in trouble."""

import pytest
from django.utils.translation import override

from audit.results.translate import translate
from collectors.base import Owner
from collectors.registry import CHECKS
from tests.collectors.lab import codes
from tests.collectors.vm112.portal_checks import CARBONIO, ask


def carbonio(**changes):
    return ask("carbonio", {"json": {**CARBONIO, **changes}})


def test_the_three_checks_come_first_and_in_order():
    assert list(CHECKS)[:3] == ["carbonio", "nginx_vhost", "cert_le"]
    assert all(c.core for c in list(CHECKS.values())[:3])


# -- carbonio


def test_an_active_domain_is_ok():
    result = carbonio()
    assert (result.status, codes(result)) == ("ok", [])
    assert result.message == "Domain active, 3 services running, 12 accounts"
    assert result.evidence["portal"]["answer"] == CARBONIO


def test_the_numbers_stand_in_the_sentence():
    one = carbonio(accounts=1).message
    assert one == "Domain active, 3 services running, 1 account"
    with override("pt"):
        assert translate(one) == "Domínio ativo, 3 serviços a correr, 1 conta"


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
    result = carbonio(
        services={"mta": "stopped", "mailbox": "running", "proxy": "failed", "amavis": "Running"}
    )
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
    assert sorted(codes(result)) == [
        "carbonio_domain_maintenance",
        "carbonio_no_dkim_key",
        "carbonio_service_down",
    ]


def test_a_domain_that_carbonio_does_not_know_fails():
    result = ask("carbonio", {"status": 404, "json": {"detail": "no such domain"}})
    assert (result.status, codes(result)) == ("fail", ["carbonio_domain_missing"])
    assert result.findings[0].owner == Owner.HOST
    assert result.evidence["portal"]["detail"] == "no such domain"


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
    result = ask(check_id, answer, seconds=1.0 if "silent" in answer else 6.0)
    assert (result.status, codes(result)) == ("unknown", [code])
    assert result.findings[0].owner == Owner.MEASUREMENT


@pytest.mark.parametrize("check_id", ["carbonio", "nginx_vhost"])
def test_without_a_portal_it_says_so(check_id):
    result = ask(check_id, None, portal_url="")
    assert (result.status, codes(result)) == ("unknown", ["portal_not_configured"])
    assert "without a portal" in str(result.findings[0].fix.text), "what to set: one of both"


def test_what_the_portal_says_is_shown_as_text():
    result = carbonio(services={"<img src=x>\x1b[31m\u202e": "st\x00opped"})
    shown = "<img src=x>\\x1b[31m\\u202e"
    assert result.evidence["portal"]["answer"]["services"] == {shown: "st\\x00opped"}
    assert shown in result.message
    assert not {"\x1b", "\u202e", "\x00"} & set(result.message + str(result.findings[0].message))


@pytest.mark.parametrize("key", [CARBONIO["dkim"], None])
def test_the_signing_key_is_handed_on_to_be_remembered(key):
    assert carbonio(dkim=key).facts == {"dkim": key}


def test_a_portal_that_says_nothing_leaves_nothing_to_remember():
    """Case 187."""
    assert ask("carbonio", {"status": 500}).facts == {}
    assert ask("carbonio", {"status": 404, "json": {"detail": "none"}}).facts == {"dkim": None}
