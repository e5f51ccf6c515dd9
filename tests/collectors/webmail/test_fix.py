"""Where the webmail name leads, held against the tenant's settings, with the records to publish."""

from ipaddress import ip_network

import pytest

from tests.collectors.hostile_http import Hostile, certificates
from tests.collectors.lab import look_at_all, target
from tests.collectors.visits import dialled, hostile, verdict, visit

__all__ = ["dialled", "hostile"]

HOST, OURS, FOREIGN = "webmail.kunde.test", "127.0.0.1", "127.0.0.66"
PROXY = {"proxy.host.test": {"A": [OURS]}}


def led(server, at_host, *, settings=None, host=HOST, more=None, **changes):
    """The result where `at_host` stands at the webmail name."""
    names = {"kunde.test": {"NS": ["ns1.host.test."]}, **PROXY, **(more or {})}
    if at_host:
        names[host] = at_host
    settings = {"webmail_addresses": (OURS,)} if settings is None else settings
    return visit(server, host=host, names=names, settings=settings, **changes)


def records(result, at=0):
    fix = result.findings[at].to_dict()["fix"]
    return [(r["action"], r["type"], r["name"], r["value"]) for r in fix["records"]]


def test_a_name_that_leads_to_us_is_visited(hostile):
    assert verdict(led(hostile, {"A": [OURS]})) == ("ok", [])
    by_name = {"webmail_target": "proxy.host.test"}
    assert verdict(led(hostile, {"CNAME": ["proxy.host.test."]}, settings=by_name)) == ("ok", [])
    assert verdict(led(hostile, {"A": [OURS]}, settings=by_name)) == ("ok", [])


def test_a_name_that_leads_elsewhere_is_the_customers_to_mend_and_not_visited(hostile, dialled):
    result = led(hostile, {"A": [FOREIGN]})
    assert verdict(result) == ("fail", ["webmail_elsewhere"])
    assert str(result.findings[0].owner) == "customer"
    assert FOREIGN in str(result.message)
    assert records(result) == [("remove", "A", HOST, FOREIGN), ("add", "A", HOST, OURS)]
    assert dialled == []


def test_with_a_name_of_ours_the_fix_is_an_alias(hostile):
    settings = {"webmail_target": "proxy.host.test"}
    result = led(hostile, {"A": [FOREIGN]}, settings=settings)
    assert records(result) == [
        ("remove", "A", HOST, FOREIGN),
        ("add", "CNAME", HOST, "proxy.host.test"),
    ]
    more = {"old.provider.test": {"A": [FOREIGN]}}
    result = led(hostile, {"CNAME": ["old.provider.test."]}, settings=settings, more=more)
    assert records(result) == [("replace", "CNAME", HOST, "proxy.host.test")]
    assert result.findings[0].fix.records[0].current == "old.provider.test"


def test_an_alias_elsewhere_gives_way_to_addresses_where_no_name_of_ours_is_set(hostile):
    more = {"old.provider.test": {"A": [FOREIGN]}}
    result = led(hostile, {"CNAME": ["old.provider.test."]}, more=more)
    assert records(result) == [
        ("remove", "CNAME", HOST, "old.provider.test"),
        ("add", "A", HOST, OURS),
    ]


@pytest.mark.parametrize("ours", [None, {"webmail_target": "proxy.host.test"}])
def test_what_an_alias_supplied_for_mail_is_published_along(hostile, ours):
    more = {
        "old.provider.test": {"A": [FOREIGN], "MX": ["10 mx.old.test."], "TXT": ["v=spf1 -all"]}
    }
    result = led(hostile, {"CNAME": ["old.provider.test."]}, more=more, settings=ours)
    assert verdict(result) == ("fail", ["webmail_elsewhere"])
    assert set(records(result)) == {
        ("remove", "CNAME", HOST, "old.provider.test"),
        ("add", "A", HOST, OURS),
        ("add", "MX", HOST, "10 mx.old.test"),
        ("add", "TXT", HOST, "v=spf1 -all"),
    }
    assert "publish what it supplied" in str(result.findings[0].fix.text)


@pytest.mark.parametrize("other", [{"TXT": ["v=spf1 -all"]}, {"MX": ["10 mx.test."]}])
def test_no_alias_is_proposed_beside_other_records(hostile, other):
    settings = {"webmail_target": "proxy.host.test"}
    result = led(hostile, {"A": [FOREIGN], **other}, settings=settings)
    assert records(result) == [("remove", "A", HOST, FOREIGN), ("add", "A", HOST, OURS)]


def test_no_alias_is_proposed_at_the_domain_itself(hostile):
    settings = {"webmail_target": "proxy.host.test"}
    result = led(hostile, {"A": [FOREIGN]}, settings=settings, host="kunde.test")
    assert ("add", "A", "kunde.test", OURS) in records(result)


def test_one_foreign_address_beside_ours_is_taken_out_and_ours_visited(hostile, dialled):
    result = led(hostile, {"A": [OURS, FOREIGN]})
    assert verdict(result) == ("fail", ["webmail_elsewhere"])
    assert records(result) == [("remove", "A", HOST, FOREIGN)]
    assert {address for address, _port in dialled} == {OURS}
    assert result.evidence["title"] == "Carbonio Login"


def test_an_ipv6_address_elsewhere_counts_too(hostile, dialled):
    networks = (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))
    result = led(hostile, {"A": [OURS], "AAAA": ["fd00::66"]}, allowed_networks=networks)
    assert verdict(result) == ("fail", ["webmail_elsewhere"])
    assert records(result) == [("remove", "AAAA", HOST, "fd00::66")]
    assert {address for address, _port in dialled} == {OURS}


def test_a_name_without_address_gets_the_records_of_the_settings(hostile):
    assert records(led(hostile, None)) == [("add", "A", HOST, OURS)]
    settings = {"webmail_target": "proxy.host.test"}
    assert records(led(hostile, None, settings=settings)) == [
        ("add", "CNAME", HOST, "proxy.host.test")
    ]
    assert records(led(hostile, None, settings={})) == []


def test_a_record_beside_a_wildcard_carries_along_what_that_answered(hostile):
    more = {"*.kunde.test": {"A": [FOREIGN], "MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]}}
    result = led(hostile, None, more=more)
    assert verdict(result) == ("fail", ["webmail_elsewhere"])
    assert set(records(result)) == {
        ("add", "A", HOST, OURS),
        ("add", "MX", HOST, "10 mx1.host.test"),
        ("add", "TXT", HOST, "v=spf1 -all"),
    }


def test_a_broken_name_of_ours_is_ours_to_mend_and_nobody_gets_records(hostile):
    result = led(hostile, None, settings={"webmail_target": "gone.host.test"})
    assert verdict(result) == ("fail", ["webmail_name_missing"])
    finding = result.findings[0]
    assert (str(finding.owner), finding.fix.records) == ("host", ())
    assert "gone.host.test" in str(finding.fix.text)
    assert finding.because.check_id == "server_webmail"


def test_a_name_of_ours_that_cannot_be_looked_up_accuses_nobody():
    rules = [{"name": "proxy.host.test", "action": "servfail"}]
    with Hostile(certificates()) as server:
        settings = {"webmail_target": "proxy.host.test"}
        result = led(server, {"A": [OURS]}, settings=settings, rules=rules)
    assert verdict(result) == ("ok", [])


def test_the_certificate_of_another_server_is_no_finding_of_ours(hostile):
    the_target = target(webmail_url=f"https://{HOST}:{hostile.port}/", webmail_addresses=(OURS,))
    zone = {"names": {HOST: {"A": [FOREIGN]}, "kunde.test": {"NS": ["ns1.host.test."]}}}
    results = look_at_all(zone, the_target, {"cert_le", "webmail_http"})
    assert [f.code for f in results["cert_le"].findings] == [
        "cert_unreachable",
        "portal_not_configured",
    ]
    assert results["cert_le"].findings[0].because.code == "webmail_elsewhere"
    assert str(results["cert_le"].status) == "unknown"


@pytest.mark.parametrize(
    ("at_host", "code"),
    [
        ({"A": [FOREIGN]}, "webmail_elsewhere"),
        (None, "webmail_name_missing"),
        ({"A": ["10.0.0.5"]}, "webmail_address_private"),
    ],
)
def test_one_name_for_all_customers_is_the_hosts_to_mend(hostile, at_host, code):
    result = led(hostile, at_host, host="mail.host.test")
    assert [(f.code, str(f.owner)) for f in result.findings] == [(code, "host")]
    assert result.findings[0].fix.text and result.findings[0].fix.records == ()
    own = led(hostile, at_host, host="mail.kunde.test")
    assert [(f.code, str(f.owner)) for f in own.findings] == [(code, "customer")]
    assert own.findings[0].fix.records
