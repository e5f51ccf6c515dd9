"""Forward-confirmed reverse DNS of the sending addresses (RFC 8601, section 3)."""

import pytest

from collectors.server.subject import MAX_ADDRESSES
from tests.collectors.server.card_lab import codes, judge, one

REVERSE = "25.113.0.203.in-addr.arpa"
FOUR = {"sending_ips": ("203.0.113.25",)}


def row(names=None, **options):
    return one("server_ptr", names=names, **{**FOUR, **options})


def test_both_families_are_confirmed():
    result = row(sending_ips=("203.0.113.25", "2001:DB8:0::25"))
    assert str(result.status) == "ok"
    assert result.evidence["addresses"]["2001:DB8:0::25"]["confirmed"] == "out.host.test"


@pytest.mark.parametrize("records", [{}, {"TXT": ["text"]}])
def test_an_address_without_a_name_fails(records):
    result = row({REVERSE: records})
    assert codes(result) == ["server_ptr_missing"] and "203.0.113.25" in result.message


@pytest.mark.parametrize("internal", ["10.10.10.112", "fd00::25"])
def test_an_address_that_is_not_on_the_internet_is_said_and_not_looked_up(internal):
    found, dns = judge("server_ptr", sending_ips=(internal, "203.0.113.25"))
    (result,) = found.values()
    assert codes(result) == ["server_ptr_broken"] and internal in result.message
    assert "sending addresses" in result.findings[0].fix.text
    assert list(result.evidence["addresses"]) == ["203.0.113.25"]
    assert {q["name"] for q in dns.queries if "arpa" in q["name"]} == {f"{REVERSE}."}


@pytest.mark.parametrize(
    "names",
    [
        {REVERSE: {"PTR": ["gone.host.test"]}},
        {REVERSE: {"PTR": ["mx1.host.test"]}},
        {"out.host.test": {"AAAA": ["2001:db8::25"]}},
    ],
)
def test_a_name_that_does_not_lead_back_fails(names):
    result = row(names)
    assert codes(result) == ["server_ptr_mismatch"]


def test_one_of_several_names_that_leads_back_is_enough():
    assert str(row({REVERSE: {"PTR": ["gone.host.test", "out.host.test"]}}).status) == "ok"


def test_a_delegation_by_alias_is_followed():
    """RFC 2317."""
    alias = "25.0-63.113.0.203.in-addr.arpa"
    assert str(row({REVERSE: {"CNAME": [alias]}, alias: {"PTR": ["out.host.test"]}}).status) == "ok"


@pytest.mark.parametrize("name", [REVERSE, "out.host.test"])
@pytest.mark.parametrize("action", ["servfail", "drop", "garbage"])
def test_a_fault_decides_nothing(name, action):
    result = row(rules=[{"name": name, "action": action}], config_changes={"check_seconds": 3.0})
    assert str(result.status) == "unknown"


def test_a_thousand_names_are_looked_up_five_times():
    """Case 221: bounded, whatever an address's zone says."""
    many = [f"h{n}.hostile.test" for n in range(1000)]
    found, dns = judge("server_ptr", names={REVERSE: {"PTR": many}}, **FOUR)
    assert codes(found["server_ptr"]) == ["server_ptr_mismatch"]
    assert len(dns.queries) <= 20 and len(found["server_ptr"].message) < 1000


def test_no_more_addresses_than_anybody_has_are_looked_at():
    ips = tuple(f"203.0.113.{n}" for n in range(1, 200))
    found, dns = judge("server_ptr", sending_ips=ips)
    assert len(found["server_ptr"].findings) == MAX_ADDRESSES
    assert len(dns.queries) <= 3 * MAX_ADDRESSES


@pytest.mark.parametrize("ips", [(), ("203.0.113.0/24", "mail")])
def test_without_an_address_nothing_is_judged(ips):
    assert judge("server_ptr", sending_ips=ips)[0] == {}
