"""A silent source decides nothing: what the portal said last counts while it says nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from collectors.base import Fault, PortalFacts
from collectors.net.session import NetworkClients
from mock_tenant.dnsserver import DnsServer
from tests.collectors.certificate_maker import authority
from tests.collectors.lab import config, target
from tests.collectors.portal_server import TOKEN, PortalServer

KEY = {"selector": "s1", "public_key": "MIIB"}
LEAF = authority().leaf(["webmail.kunde.test"])
PEM = LEAF.full_pem
UP = {
    "carbonio": {
        "json": {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": KEY}
    },
    "certificate": {"json": {"pem": PEM}},
}
MISSING = {"status": 404, "json": {"detail": "not here"}}
SILENT = [
    {"silent": True},
    {"drop": True},
    {"status": 500},
    {"status": 401},
    {"status": 429},
    {"body": b"<html>"},
    {"json": {"pem": 1}},
    {"json": {"pem": ""}},
    {"json": {"pem": LEAF.key_pem}},
    {"json": {"pem": PEM.replace("M", "!")}},
    {"json": {"pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}},
]


def known(answers, *, facts=None, **changes):
    """(signing key, certificate), each a KnownFact or the code of the fault."""
    with PortalServer(answers) as portal, DnsServer() as dns:
        fields = {"portal_url": portal.url, "portal_token": TOKEN, **changes}
        return asyncio.run(_known(dns, target(portal_facts=facts or PortalFacts(), **fields)))


async def _known(dns, the_target):
    network = NetworkClients(config(dns, check_seconds=1.5))
    audit = network.audit_session(the_target)
    session = audit.check_session("dns_dkim")
    try:
        return (
            await _or_code(session.signing_key(seconds=1)),
            await _or_code(session.configured_certificate()),
        )
    finally:
        await audit.close()
        await network.close()


async def _or_code(asking):
    try:
        return await asking
    except Fault as fault:
        return fault.code


def said(days_ago=0.0):
    at = datetime.now(UTC) - timedelta(days=days_ago)
    return PortalFacts(dkim=KEY, dkim_at=at, certificate=PEM, certificate_at=at)


def test_what_the_portal_says_is_to_be_remembered():
    key, certificate = known(UP)
    assert (key.value, key.facts, key.fault) == (KEY, {"dkim": KEY}, None)
    assert (certificate.value, certificate.facts) == (PEM, {"certificate": PEM})


@pytest.mark.parametrize(
    "around",
    [
        (LEAF.key_pem, ""),
        ("", LEAF.key_pem),
        ("Bag Attributes\r\n    localKeyID: 01\r\n", "x" * 100_000),
        ("-----BEGIN CERTIFICATE-----\n", ""),
    ],
    ids=["key before", "key after", "other words", "cut before"],
)
def test_of_a_file_the_certificates_alone_go_further(around):
    before, after = around
    said_so = {"certificate": {"json": {"pem": before + PEM + after}}}
    certificate = known(said_so)[1]
    assert (certificate.value, certificate.facts) == (PEM, {"certificate": PEM})
    assert "PRIVATE" not in str(certificate)


def test_what_was_remembered_before_is_cut_to_its_certificates_too():
    at = datetime.now(UTC)
    silent = {"certificate": {"drop": True}}
    kept = PortalFacts(certificate=LEAF.key_pem + PEM, certificate_at=at)
    assert known(silent, facts=kept)[1].value == PEM
    kept = PortalFacts(certificate="no certificate", certificate_at=at)
    assert known(silent, facts=kept)[1] == "portal_unreachable"


def test_that_there_is_none_is_said_too():
    key, certificate = known({"carbonio": MISSING, "certificate": MISSING}, facts=said())
    assert (key.value, key.facts) == (None, {"dkim": None})
    assert (certificate.value, certificate.facts) == ("", {"certificate": ""})


@pytest.mark.parametrize("silence", SILENT, ids=range(len(SILENT)))
def test_a_silent_portal_leaves_what_it_said_and_the_evidence_says_so(silence):
    """Case 187."""
    facts = said(days_ago=6)
    for fact in known({"carbonio": silence, "certificate": silence}, facts=facts):
        assert fact.value in (KEY, PEM)
        assert fact.facts == {}  # nothing new to remember
        assert (fact.at, fact.fault.code) == (facts.dkim_at, fact.evidence["error"])
        assert fact.evidence["remembered_since"] == facts.dkim_at.isoformat()


def test_that_a_server_signs_with_no_key_is_remembered():
    facts = PortalFacts(dkim=None, dkim_at=datetime.now(UTC))
    key, certificate = known({"carbonio": {"drop": True}}, facts=facts)
    assert key.value is None
    assert certificate.value == ""


@pytest.mark.parametrize("facts", [PortalFacts(), said(days_ago=8)], ids=["nothing", "old"])
def test_without_anything_remembered_the_portals_fault_stays(facts):
    silent = {"carbonio": {"drop": True}, "certificate": {"status": 500}}
    assert known(silent, facts=facts) == ("portal_unreachable", "portal_error")


def test_a_portal_that_is_not_configured_is_not_silent_but_gone():
    assert known(UP, facts=said(), portal_url="") == ("portal_not_configured",) * 2
