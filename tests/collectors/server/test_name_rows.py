"""The rows of names in the settings; what is wrong with a name itself is in test_own_names.py."""

import pytest

from tests.collectors.server.card_lab import codes, judge, one

ROWS = ("server_mx", "server_spf", "server_reports")


def test_names_that_work_are_ok_and_the_evidence_has_what_was_seen():
    found, _dns = judge(*ROWS)
    assert {row: str(r.status) for row, r in found.items()} == dict.fromkeys(ROWS, "ok")
    assert found["server_mx"].evidence["mail_hosts"] == {"mx1.host.test": ["127.0.0.1"]}
    spf = found["server_spf"].evidence
    assert spf["cost"] == 1
    assert spf["results"] == {"203.0.113.25": "pass", "2001:db8::25": "pass"}


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("server_mx", {"mx1.host.test": {}}),
        ("server_spf", {"_spf.host.test": {"TXT": ["v=spf1 include:dead.test -all"]}}),
        ("server_reports", {"*._report._dmarc.host.test": {}}),
    ],
)
def test_a_name_that_does_not_work_fails_its_row(row, names):
    """server_mx_broken, server_spf_broken, server_reports_broken"""
    result = one(row, names=names)
    assert (str(result.status), codes(result)) == ("fail", [f"{row}_broken"])
    assert result.findings[0].owner == "host" and not result.findings[0].fix.records


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("action", ["servfail", "drop"])
def test_a_fault_is_no_fault_of_the_name(row, action):
    result = one(
        row, rules=[{"name": "*", "action": action}], config_changes={"check_seconds": 3.0}
    )
    assert str(result.status) == "unknown"


def test_one_of_two_mail_hosts_that_is_gone_fails_and_is_named():
    result = one("server_mx", mail_hosts=("mx1.host.test", "mx2.host.test"))
    assert codes(result) == ["server_mx_broken"] and "mx2.host.test" in result.message


def test_a_private_address_beside_a_family_that_cannot_be_looked_up_is_not_judged():
    result = one(
        "server_mx",
        names={"mx1.host.test": {"A": ["10.0.0.1"]}},
        rules=[{"name": "mx1.host.test", "type": "AAAA", "action": "servfail"}],
    )
    assert str(result.status) == "unknown"


@pytest.mark.parametrize(("names", "costly"), [(4, False), (5, True)])
def test_an_include_that_takes_more_than_half_of_the_lookups_is_too_dear(names, costly):
    text = "v=spf1 " + "a:web.test " * names + "ip4:203.0.113.25 ip6:2001:db8::25 -all"
    web = {"A": ["198.51.100.1"], "AAAA": ["2001:db8::99"]}
    result = one("server_spf", names={"_spf.host.test": {"TXT": [text]}, "web.test": web})
    assert codes(result) == (["server_spf_costly"] if costly else [])
    assert result.evidence["cost"] == names + 1


def test_without_sending_addresses_the_include_passes_nobody_and_says_so():
    result = one("server_spf", sending_ips=())
    assert str(result.status) == "ok" and "no sending address" in result.message


def test_what_is_not_set_is_not_judged():
    found, dns = judge(*ROWS, mail_hosts=(), spf_include="", dmarc_rua="")
    assert found == {} and not dns.queries


def test_an_include_is_judged_to_its_end_as_other_senders_have_it_evaluated():
    """What we send from passes before the dead name; a customer's other senders meet it."""
    text = "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 include:gone.test -all"
    result = one("server_spf", names={"_spf.host.test": {"TXT": [text]}})
    assert codes(result) == ["server_spf_broken"] and "without SPF record" in result.message
    assert set(result.evidence["results"].values()) == {"pass"}
