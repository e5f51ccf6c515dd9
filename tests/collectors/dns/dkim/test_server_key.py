"""The key that the server signs with, in every mood of the portal, and the name it delegates to."""

import pytest

from collectors.base import PortalFacts
from collectors.net.circuit_breaker import PortalFault
from collectors.net.portal_client import PortalAnswer
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

# -- the portal, in every mood


@pytest.mark.parametrize("data", [{"dkim": None}, None], ids=["no key", "domain not found"])
def test_a_portal_without_a_key_leaves_it_to_the_next_source(data):
    result, _server = check_dkim(
        {NAME: RECORD}, Portal(PortalAnswer("carbonio", found=data is not None, data=data or {}))
    )
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "tenant")


def test_a_portal_that_fails_leaves_it_to_the_next_source():
    result, _server = check_dkim(
        {NAME: RECORD}, Portal(PortalFault("portal_auth", _("The portal refused the token.")))
    )
    assert (result.status, result.evidence["portal"]) == ("ok", "portal_auth")


SILENT = [
    Portal(PortalFault("portal_unreachable", _("The portal could not be reached."))),
    Portal(PortalFault("portal_auth", _("The portal refused the token."))),
]


@pytest.mark.parametrize("silent", SILENT, ids=["unreachable", "auth"])
@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ({NAME: RECORD}, ["ok"]),
        ({NAME: OTHER}, ["fail", "dkim_other_service", "dkim_key_mismatch"]),
        ({NAME: "v=DKIM1; p="}, ["fail", "dkim_revoked"]),
        ({}, ["fail", "dkim_missing"]),
        ({"new._domainkey.kunde.test": RECORD}, ["fail", "dkim_missing"]),
    ],
)
def test_a_portal_going_up_down_and_up_changes_no_verdict(zone, expected, silent):
    """Case 187."""
    facts = remembers(keys.spki(), days=6.9)
    for portal in (signs(), silent, signs()):
        result, _server = check_dkim(zone, portal, portal_facts=facts)
        assert [result.status, *codes(result)] == expected
        last = result.evidence["signing"].get("remembered_since")
        assert last == (facts.dkim_at.isoformat() if portal is silent else None)


def test_the_remembered_selector_counts_while_the_portal_is_silent():
    zone = {"new._domainkey.kunde.test": RECORD}
    result, _server = check_dkim(zone, SILENT[0], portal_facts=remembers(keys.spki(), "new"))
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "portal")
    assert "last answer" in result.message


def test_a_portal_that_said_that_it_has_no_key_said_so():
    result, _server = check_dkim({NAME: RECORD}, SILENT[0], portal_facts=remembers(None))
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "tenant")


@pytest.mark.parametrize("text", [RECORD, OTHER, "v=DKIM1; p="])
def test_what_a_portal_said_too_long_ago_makes_it_unknown(text):
    result, _server = check_dkim(
        {NAME: text}, SILENT[0], portal_facts=remembers(keys.spki(), days=7.1)
    )
    assert result.status == "unknown"
    only(result, "portal_unreachable")


def test_a_silent_portal_is_not_waited_for():
    portal = signs("elsewhere")
    portal.seconds = 8
    zone = {"names": {NAME: {"TXT": RECORD}}}
    result, _server = look(
        "dns_dkim",
        zone,
        target(portal_url="http://portal.test"),
        config_changes={"check_seconds": 3.0},
        portal=portal,
    )
    assert (result.status, codes(result), result.evidence["portal"]) == ("ok", [], "portal_timeout")
    assert result.duration_ms < 3000  # of the check alone, that would else have run over its time


def test_the_selectors_are_read_while_the_portal_thinks():
    portal = signs()
    portal.seconds = 1
    zone = {"names": {NAME: {"TXT": RECORD}}, "rules": [{"name": NAME, "delay": 1}]}
    result, _server = look("dns_dkim", zone, target(portal_url="http://portal.test"), portal=portal)
    assert result.status == "ok"
    assert result.duration_ms < 1900


def test_a_server_key_that_is_none_leaves_the_comparison_open():
    result, _server = check_dkim({NAME: RECORD}, signs(key="not a key"))
    assert result.status == "unknown"
    only(result, "portal_bad_response")


def test_without_a_portal_url_nobody_is_asked():
    portal = Portal(AssertionError("the portal was asked"))
    result, _server = look("dns_dkim", {"names": {NAME: {"TXT": RECORD}}}, target(), portal=portal)
    assert result.status == "ok"


# -- an alias of the tenant's name

DELEGATED = "s1.kunde.test.dkim.host.test"
CNAME = "{selector}.{domain}.dkim.host.test."


@pytest.mark.parametrize("found", [{}, {NAME: "v=DKIM1; p="}, {NAME: ["x", "v=spf1 -all"]}])
def test_with_a_name_of_the_tenants_the_fix_is_an_alias_of_it(found):
    result, _server = check_dkim({**found, DELEGATED: RECORD}, signs(), dkim_cname=CNAME)
    *removed, new = records(result.findings[0])
    assert new == ("add", "CNAME", NAME, DELEGATED, None)
    assert [(r[0], r[2]) for r in removed] == [("remove", NAME)] * len(
        [found[NAME]] if isinstance(found.get(NAME), str) else found.get(NAME, [])
    )


def test_an_alias_of_another_name_becomes_one_of_the_tenants():
    zone = {NAME: {"CNAME": ["gone.elsewhere.test."]}, DELEGATED: RECORD}
    result, _server = check_dkim(zone, signs(), dkim_cname=CNAME)
    assert records(only(result, "dkim_missing")) == [
        ("replace", "CNAME", NAME, DELEGATED, "gone.elsewhere.test")
    ]


@pytest.mark.parametrize("there", [None, OTHER, "v=DKIM1; p=", RECORD + "; t=y", [RECORD, "x"]])
def test_without_the_servers_key_at_that_name_the_fix_is_the_key_itself(there):
    zone = {DELEGATED: there} if there else {}
    result, _server = check_dkim(zone, signs(), dkim_cname=CNAME)
    assert records(only(result, "dkim_missing")) == [("add", "TXT", NAME, RECORD, None)]


def test_a_selector_that_is_that_alias_already_is_the_hosts():
    zone = {NAME: {"CNAME": [f"{DELEGATED}."]}, DELEGATED: OTHER}
    facts = remembers(OTHER_KEY)
    result, _server = check_dkim(zone, signs(), dkim_cname=CNAME, portal_facts=facts)
    finding = only(result, "dkim_key_mismatch")
    assert finding.owner == "host"
    assert records(finding) == [("replace", "TXT", DELEGATED, RECORD, OTHER)]


def test_a_healthy_domain_is_not_asked_for_that_alias():
    _result, server = check_dkim({NAME: RECORD, DELEGATED: RECORD}, signs(), dkim_cname=CNAME)
    assert server.count(DELEGATED) == 0


def test_without_a_portal_on_purpose_the_tenants_selectors_decide_whatever_one_once_said():
    portal = Portal(AssertionError("the portal was asked"))
    for facts in (PortalFacts(), remembers(OTHER_KEY, "old"), remembers(keys.spki(), days=30)):
        result, _server = look(
            "dns_dkim",
            {"names": {NAME: {"TXT": RECORD}}},
            target(without_portal=True, portal_facts=facts),
            portal=portal,
        )
        assert (result.status, codes(result), result.evidence["portal"]) == ("ok", [], "none")


def test_without_a_portal_and_without_a_selector_only_the_selector_is_missing():
    zone = {"names": {"x._domainkey.kunde.test": {"TXT": RECORD}}}
    result, _server = look("dns_dkim", zone, target(without_portal=True, tenant_dkim_selectors=()))
    assert codes(result) == ["dkim_selector_unknown"]
