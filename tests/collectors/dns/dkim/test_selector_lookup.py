"""Which selectors are read, and where a key is looked for that is not where it belongs."""

import pytest

from collectors.dns.dkim.selector_lookup import USUAL
from collectors.net.circuit_breaker import PortalFault
from collectors.net.publishing import unused
from collectors.text import _
from tests.collectors import dkim_keys as keys
from tests.collectors.dkim_check import (
    NAME,
    OTHER,
    OTHER_KEY,
    RECORD,
    Portal,
    check_dkim,
    only,
    records,
    remembers,
    signs,
)
from tests.collectors.lab import codes, look, target

# -- selectors


@pytest.mark.parametrize(
    "selector",
    [
        "../../x",
        "a b",
        "",
        ".",
        "a..b",
        "-a",
        "a_",
        "s1._domainkey.kunde.test",
        "x" * 64,
        "a." * 120 + "a",
        "ü",
        "a\n",
    ],
)
def test_a_selector_that_is_no_name_is_refused_before_any_query(selector):
    """Case 65."""
    result, server = check_dkim({NAME: RECORD}, dkim_selectors=(selector,))
    assert result.status == "unknown"
    only(result, "dkim_selector_invalid")
    assert server.queries == []


def test_a_portals_selector_that_is_no_name_fails():
    """Case 65."""
    result, server = check_dkim({NAME: RECORD}, signs("../../x"))
    finding = only(result, "dkim_selector_invalid")
    assert (finding.severity, finding.owner) == ("fail", "host")
    wildcard = f"{unused('_domainkey.kunde.test')}."  # asked for at once, and not waited for
    assert {q["name"] for q in server.queries} - {wildcard} == {f"{NAME}."}


def test_a_selector_may_have_several_parts_and_underscores_inside():
    assert (
        check_dkim({"2026.mail_1._domainkey.kunde.test": RECORD}, signs("2026.Mail_1"))[0].status
        == "ok"
    )


def test_with_no_selector_and_nothing_below_domainkey_it_is_missing():
    result, server = check_dkim({}, tenant_dkim_selectors=())
    finding = only(result, "dkim_missing")
    assert (finding.severity, finding.owner) == ("fail", "customer")
    assert len(server.queries) == 2


def test_with_no_selector_a_key_at_the_apex_is_told():
    result, _server = check_dkim({"kunde.test": RECORD}, tenant_dkim_selectors=())
    assert "stands at kunde.test" in only(result, "dkim_misplaced").message


def test_with_no_selector_and_names_below_domainkey_usual_ones_are_tried():
    zone = {
        "google._domainkey.kunde.test": RECORD,
        "selector1._domainkey.kunde.test": "v=spf1 -all",
    }
    result, server = check_dkim(zone, tenant_dkim_selectors=())
    assert (result.status, codes(result)) == ("unknown", ["dkim_selector_unknown", "dkim_guessed"])
    assert "google" in result.findings[1].message
    assert len(server.queries) == len(USUAL) + 2


def test_with_a_wildcard_no_selector_is_guessed():
    result, _server = check_dkim({"*._domainkey.kunde.test": RECORD}, tenant_dkim_selectors=())
    only(result, "dkim_selector_unknown")


def test_with_no_selector_because_the_portal_failed_both_are_said():
    portal = Portal(PortalFault("portal_timeout", _("The portal did not answer in time.")))
    result, _server = check_dkim(
        {"other._domainkey.kunde.test": RECORD}, portal, tenant_dkim_selectors=()
    )
    assert (result.status, codes(result)) == (
        "unknown",
        ["dkim_selector_unknown", "portal_timeout"],
    )


# -- missing, and in the wrong place


def test_nxdomain_is_missing_and_the_fix_is_the_servers_key():
    """Case 13."""
    result, _server = check_dkim({}, signs())
    finding = only(result, "dkim_missing")
    assert (finding.severity, finding.owner) == ("fail", "customer")
    assert records(finding) == [("add", "TXT", NAME, RECORD, None)]
    assert result.evidence["selectors"][0]["result"] == "NXDOMAIN"


def test_nodata_is_missing():
    """Case 14."""
    result, _server = check_dkim({NAME: {"A": ["192.0.2.1"]}})
    finding = only(result, "dkim_missing")
    assert result.evidence["selectors"][0]["result"] == "NODATA"
    assert finding.fix.records == () and finding.fix.text


def test_a_servers_key_of_type_ed25519_is_proposed_as_one():
    finding = only(check_dkim({}, signs(key=keys.ed25519_raw()))[0], "dkim_missing")
    assert finding.fix.records[0].value == f"v=DKIM1; k=ed25519; p={keys.ed25519_raw()}"


@pytest.mark.parametrize(
    "place",
    [
        f"{NAME}.kunde.test",
        f"{NAME}._domainkey.kunde.test",
        "s1.kunde.test",
        "_domainkey.kunde.test",
        "kunde.test",
    ],
)
def test_a_key_in_a_wrong_place_is_found(place):
    result, server = check_dkim({place: [RECORD, "some other text"]})
    finding = only(result, "dkim_misplaced")
    assert f"stands at {place}," in finding.message
    assert records(finding) == [
        ("add", "TXT", NAME, RECORD, None),
        ("remove", "TXT", place, RECORD, RECORD),
    ]
    assert place in str(result.evidence["misplaced"])
    assert len(server.queries) == 7  # one asks whether a wildcard supplies it


def test_an_earlier_key_in_a_wrong_place_is_replaced_by_the_servers():
    result, _server = check_dkim(
        {"s1.kunde.test": OTHER}, signs(), portal_facts=remembers(OTHER_KEY)
    )
    assert records(only(result, "dkim_misplaced")) == [
        ("add", "TXT", NAME, RECORD, None),
        ("remove", "TXT", "s1.kunde.test", OTHER, OTHER),
    ]


def test_a_key_that_was_never_the_servers_is_in_no_wrong_place():
    finding = only(check_dkim({"s1.kunde.test": OTHER}, signs())[0], "dkim_missing")
    assert records(finding) == [("add", "TXT", NAME, RECORD, None)]


def test_a_wildcards_key_is_in_no_wrong_place():
    zone = {"*.kunde.test": RECORD, "s2._domainkey.kunde.test": OTHER}
    finding = only(check_dkim(zone)[0], "dkim_missing")
    assert finding.fix.records == ()


def test_other_texts_in_those_places_are_not_keys():
    only(
        check_dkim(
            {
                "kunde.test": ["v=spf1 -all"],
                "s1.kunde.test": ["x"],
                "_domainkey.kunde.test": ["o=~; t=y"],
            }
        )[0],
        "dkim_missing",
    )


def test_wrong_places_are_not_looked_at_while_the_record_is_there():
    _result, server = check_dkim({NAME: RECORD, "kunde.test": OTHER})
    assert server.count("kunde.test") == 0


def test_wrong_places_of_many_missing_selectors_stay_within_the_limit():
    result, server = check_dkim({}, dkim_selectors=tuple(f"k{i}" for i in range(10)))
    assert set(codes(result)) == {"dkim_missing"}
    assert len(server.queries) <= 20


def test_a_fault_in_a_wrong_place_does_not_change_the_verdict():
    zone = {"names": {"kunde.test": {}}, "rules": [{"name": "kunde.test", "action": "servfail"}]}
    only(look("dns_dkim", zone, target())[0], "dkim_missing")


def test_an_alias_that_leads_nowhere_is_taken_out_for_the_record():
    finding = only(
        check_dkim({NAME: {"CNAME": ["gone.elsewhere.test."]}}, signs())[0], "dkim_missing"
    )
    assert "alias of gone.elsewhere.test" in finding.message
    assert records(finding) == [
        ("remove", "CNAME", NAME, "gone.elsewhere.test", "gone.elsewhere.test"),
        ("add", "TXT", NAME, RECORD, None),
    ]


def test_an_alias_into_the_tenants_zone_is_the_hosts_to_serve():
    finding = only(
        check_dkim({NAME: {"CNAME": ["s1.dkim.host.test."]}}, signs())[0], "dkim_missing"
    )
    assert finding.owner == "host"
    assert records(finding) == [("add", "TXT", "s1.dkim.host.test", RECORD, None)]
