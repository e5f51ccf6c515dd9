"""Which findings of a domain follow from one of another check."""

import asyncio
from datetime import UTC, datetime

import pytest

from collectors.base import Cause, CheckResult, Outcome, fail
from collectors.causes import link
from collectors.net.session import NetworkClients
from collectors.run import run
from collectors.text import _
from mock_tenant.dnsserver import DnsServer
from tests.collectors.lab import config, target

NO_DOMAIN = Cause("dns_mx", "mx_domain_not_found")


def results(*, evidence=None, **findings):
    """Results of these checks with findings of these codes."""
    made = {}
    for check_id, codes in findings.items():
        outcome = Outcome(_("Well."), [fail(code, _("Bad.")) for code in codes], evidence or {})
        made[check_id] = CheckResult.of(
            check_id, outcome, checked_at=datetime.now(UTC), duration_ms=1
        )
    return made


def linked(the_target=None, *, evidence=None, **findings):
    """{code: because} after linking; statuses, messages and order stay as they are."""
    before = results(evidence=evidence, **findings)
    after = link(before, the_target or target())
    assert list(before) == list(after)
    for check_id, result in after.items():
        assert result.status == before[check_id].status
        assert result.message == before[check_id].message
        assert [f.code for f in result.findings] == [f.code for f in before[check_id].findings]
    return {f.code: f.because for result in after.values() for f in result.findings}


ABSENT = {
    "dns_mx": ["mx_domain_not_found"],
    "dns_spf": ["spf_missing"],
    "dns_dkim": ["dkim_missing"],
    "dns_dmarc": ["dmarc_missing"],
    "cert_le": ["cert_missing"],
    "webmail_http": ["webmail_name_missing"],
}


def test_all_that_is_absent_at_a_domain_that_does_not_exist_follows_from_that():
    found = linked(**ABSENT)
    assert found.pop("mx_domain_not_found") is None
    assert set(found.values()) == {NO_DOMAIN} and len(found) == 5


def test_what_stands_above_the_domain_or_could_not_be_looked_at_does_not_follow():
    found = linked(
        dns_mx=["mx_domain_not_found"],
        dns_dmarc=["dmarc_policy_none"],
        carbonio=["carbonio_domain_missing"],
        nginx_vhost=["vhost_missing"],
        dns_spf=["dns_servfail"],
    )
    assert set(found.values()) == {None}


def test_a_webmail_name_elsewhere_does_not_follow_from_the_domain():
    found = linked(target(webmail_url="https://webmail.host.test/"), **ABSENT)
    assert found["webmail_name_missing"] is None
    assert found["cert_missing"] == Cause("webmail_http", "webmail_name_missing")


def test_below_an_alias_of_nothing_other_names_may_exist():
    found = linked(evidence={"alias_of": ["gone.test"]}, **ABSENT)
    assert found["spf_missing"] == NO_DOMAIN
    assert found["dkim_missing"] is found["dmarc_missing"] is found["webmail_name_missing"] is None


@pytest.mark.parametrize("code", ["vhost_missing", "vhost_name_mismatch"])
def test_where_another_site_answers_its_certificate_and_page_follow(code):
    found = linked(
        nginx_vhost=[code],
        cert_le=["cert_name_mismatch", "cert_expired"],
        webmail_http=["webmail_tls"],
    )
    assert found.pop(code) is None
    assert set(found.values()) == {Cause("nginx_vhost", code)}


def test_a_certificate_for_this_host_has_faults_of_its_own():
    found = linked(
        nginx_vhost=["vhost_missing"],
        cert_le=["cert_about_to_expire"],
        webmail_http=["webmail_default_page"],
    )
    assert found["cert_about_to_expire"] is None
    assert found["webmail_default_page"] == Cause("nginx_vhost", "vhost_missing")


def test_a_slow_server_and_a_wrong_name_do_not_follow_from_a_virtual_host():
    found = linked(
        nginx_vhost=["vhost_missing"],
        webmail_http=["webmail_slow", "webmail_address_private", "webmail_timeout"],
    )
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("nginx_down", Cause("server_proxy", "server_proxy_down")),
        ("vhost_no_tls", Cause("nginx_vhost", "vhost_no_tls")),
    ],
)
def test_a_stopped_proxy_and_missing_tls_refuse_visitors(code, cause):
    found = linked(
        nginx_vhost=[code], cert_le=["cert_unreachable"], webmail_http=["webmail_refused"]
    )
    assert found["cert_unreachable"] == found["webmail_refused"] == cause


def test_what_is_so_for_the_whole_server_follows_from_its_card():
    found = linked(
        carbonio=["carbonio_service_down", "carbonio_no_dkim_key"],
        nginx_vhost=["nginx_config_broken", "vhost_no_tls"],
    )
    assert found == {
        "carbonio_service_down": Cause("server_services", "server_service_down"),
        "carbonio_no_dkim_key": None,
        "nginx_config_broken": Cause("server_proxy", "server_proxy_config"),
        "vhost_no_tls": None,
    }


def test_a_visit_that_a_bad_certificate_stops_follows_from_the_certificate():
    found = linked(cert_le=["cert_expired"], webmail_http=["webmail_tls"])
    assert found["webmail_tls"] == Cause("cert_le", "cert_expired")
    assert linked(cert_le=["cert_weak_key"], webmail_http=["webmail_tls"])["webmail_tls"] is None


def test_where_the_name_leads_elsewhere_no_certificate_of_ours_is_seen():
    found = linked(webmail_http=["webmail_elsewhere"], cert_le=["cert_missing", "cert_weak_key"])
    assert found["cert_missing"] == Cause("webmail_http", "webmail_elsewhere")
    assert found["cert_weak_key"] is None


@pytest.mark.parametrize(("codes", "follows"), [("webmail_tls", True), ("webmail_status", False)])
def test_an_address_with_a_worse_certificate_is_one_that_visits_end_at(codes, follows):
    found = linked(
        evidence={"nodes": {"192.0.2.1": {"findings": []}, "192.0.2.2": {"findings": [codes]}}},
        cert_le=["cert_node_differs"],
        webmail_http=["webmail_node_differs"],
    )
    cause = Cause("cert_le", "cert_node_differs") if follows else None
    assert found["webmail_node_differs"] == cause


def test_a_cause_that_its_check_has_named_stays():
    own = Cause("server_spf", "server_spf_broken")
    made = results(dns_mx=["mx_domain_not_found"], dns_spf=["spf_missing"])
    finding = made["dns_spf"].findings[0]
    object.__setattr__(finding, "because", own)
    assert link(made, target())["dns_spf"].findings[0].because == own


def test_one_check_alone_has_no_cause():
    assert linked(dns_spf=["spf_missing"]) == {"spf_missing": None}


def test_all_checks_of_a_domain_that_does_not_exist_come_linked():
    async def audit(server):
        network = NetworkClients(config(server, check_seconds=3.0))
        try:
            return await run(target(), network.audit_session(target()))
        finally:
            await network.close()

    names = {
        "mx1.host.test": {"A": ["127.0.0.2"]},
        "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
        "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
    }
    with DnsServer({"names": names}) as server:
        found = asyncio.run(audit(server))
    causes = {f.code: f.because for result in found.values() for f in result.findings}
    for code in ("spf_missing", "dkim_missing", "dmarc_missing", "webmail_name_missing"):
        assert causes[code] == NO_DOMAIN, code
