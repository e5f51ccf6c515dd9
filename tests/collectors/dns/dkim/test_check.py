"""dns_dkim: can receivers verify the tenant's signature? (RFC 6376, RFC 8301, RFC 8463)"""

import pytest

from tests.collectors import dkim_keys as keys
from tests.collectors.dkim_check import NAME, OTHER, RECORD, check_dkim, only, records, signs
from tests.collectors.lab import codes, look, target

# -- what is well


def test_a_key_that_the_server_signs_with_is_ok():
    result, server = check_dkim({NAME: RECORD}, signs())
    assert (result.status, codes(result)) == ("ok", [])
    assert result.message == "Selector s1: RSA, 2048 bits, the key that the server signs with"
    assert len(server.queries) == 2  # the selector and one that nobody uses
    assert result.evidence["selectors"][0]["txt"] == [RECORD]
    assert result.evidence["selectors"][0]["key"]["sha256"] == result.evidence["signing"]["sha256"]


def test_keys_are_compared_by_material_and_not_as_text():
    assert (
        check_dkim({NAME: f"k=rsa; p={keys.pkcs1()[:30]} {keys.pkcs1()[30:]}"}, signs())[0].status
        == "ok"
    )


def test_without_a_portal_the_tenants_selector_decides():
    result, _server = check_dkim({NAME: RECORD})
    assert result.status == "ok"
    assert result.message == "Selector s1: RSA, 2048 bits"
    assert (result.evidence["selectors_from"], result.evidence["portal"]) == (
        "tenant",
        "not_configured",
    )


def test_the_domains_own_selectors_replace_the_tenants():
    result, server = check_dkim({"own._domainkey.kunde.test": RECORD}, dkim_selectors=("own",))
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "domain")
    assert server.count(NAME) == 0


def test_the_portals_selector_counts_and_the_others_do_not():
    result, _server = check_dkim({"new._domainkey.kunde.test": RECORD}, signs("new"))
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "portal")


def test_all_selectors_of_a_source_are_read():
    result, _server = check_dkim(
        {NAME: RECORD, "s2._domainkey.kunde.test": OTHER}, dkim_selectors=("s1", "S2", "s2", "s3")
    )
    finding = only(result, "dkim_missing")
    assert "s3._domainkey.kunde.test" in finding.message
    assert [s["selector"] for s in result.evidence["selectors"]] == ["s1", "S2", "s3"]


def test_many_selectors_are_cut_and_it_says_so():
    zone = {f"k{i}._domainkey.kunde.test": RECORD for i in range(30)}
    result, server = check_dkim(zone, dkim_selectors=tuple(f"k{i}" for i in range(30)))
    assert (result.status, result.evidence["selectors_read_at_most"]) == ("ok", 10)
    assert len(server.queries) == 11


def test_an_ed25519_key_alone_is_ok_and_says_something():
    result, _server = check_dkim(
        {NAME: f"v=DKIM1; k=ed25519; p={keys.ed25519_raw()}"}, signs(key=keys.ed25519_raw())
    )
    assert result.status == "ok"
    only(result, "dkim_ed25519_only")


def test_an_alias_is_followed():
    result, _server = check_dkim(
        {NAME: {"CNAME": ["key.host.test."]}, "key.host.test": RECORD}, signs()
    )
    assert result.status == "ok"
    assert result.evidence["selectors"][0]["cname"] == ["key.host.test"]


# -- wildcards


def test_a_wildcard_is_told():
    result, _server = check_dkim({"*._domainkey.kunde.test": RECORD})
    assert (result.status, codes(result)) == ("warn", ["dkim_wildcard"])


def test_spf_text_from_a_wildcard_zone_is_not_a_key():
    """Case 43."""
    result, _server = check_dkim({"*.kunde.test": "v=spf1 -all"}, signs())
    assert (result.status, codes(result)) == ("fail", ["dkim_syntax"])
    assert "is not a DKIM key" in result.message
    assert records(result.findings[0]) == [("add", "TXT", NAME, RECORD, None)]


@pytest.mark.parametrize("text", ["v=DKIM1; p=", "v=spf1 -all", "v=DKIM1; k=rsa; p=AAAA", ""])
def test_a_wildcard_without_a_usable_key_is_hardening_and_no_finding(text):
    result, _server = check_dkim({NAME: RECORD, "*._domainkey.kunde.test": [text]}, signs())
    assert (result.status, codes(result)) == ("ok", [])


def test_a_wildcard_probe_that_fails_changes_nothing():
    zone = {
        "names": {NAME: {"TXT": RECORD}},
        "rules": [
            {"name": NAME, "action": "answer"},
            {"name": "*._domainkey.kunde.test", "action": "servfail"},
        ],
    }
    assert look("dns_dkim", zone, target())[0].status == "ok"


# -- faults of DNS


@pytest.mark.parametrize(
    ("action", "code"),
    [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("garbage", "dns_bad_response")],
)
def test_a_fault_is_unknown_and_not_missing(action, code):
    """Case 15."""
    zone = {"names": {}, "rules": [{"name": NAME, "action": action}]}
    result, _server = look("dns_dkim", zone, target(), config_changes={"check_seconds": 2.0})
    assert result.status == "unknown"
    only(result, code)


def test_a_fault_of_one_selector_does_not_hide_what_another_says():
    zone = {
        "names": {NAME: {"TXT": "v=DKIM1; p="}},
        "rules": [{"name": "s2._domainkey.kunde.test", "action": "servfail"}],
    }
    result, _server = look("dns_dkim", zone, target(tenant_dkim_selectors=("s1", "s2")))
    assert (result.status, codes(result)) == ("fail", ["dkim_revoked", "dns_servfail"])


def test_a_fault_of_a_selector_that_does_not_count_changes_nothing():
    zone = {
        "names": {"new._domainkey.kunde.test": {"TXT": RECORD}},
        "rules": [{"name": NAME, "action": "servfail"}],
    }
    result, _server = look(
        "dns_dkim", zone, target(portal_url="http://portal.test"), portal=signs("new")
    )
    assert (result.status, codes(result)) == ("ok", [])


def test_bytes_of_a_record_are_shown_escaped():
    result, _server = check_dkim({NAME: {"TXT": [{"hex": "763d444b494d313b20703dff00fe"}]}})
    only(result, "dkim_syntax")
    assert r"p=\xff\x00\xfe" in result.evidence["selectors"][0]["txt"][0]
