"""Whose exchanges these are, and whose fault it is where something is wrong with them."""

import pytest

from tests.collectors.dns.mx.test_check import HOSTS, changes, check, found
from tests.collectors.lab import codes, look, target

VANITY = {"mail.kunde.test": {"A": ["127.0.0.2"]}}  # the address of mx1.host.test


# -- other names of ours


def test_a_name_that_leads_to_our_server_is_another_name_and_not_elsewhere():
    """mail.kunde.test has the address of mx1.host.test: the mail arrives."""
    result, _server = check("10 mail.kunde.test.", hosts=VANITY)
    finding = found(result, "mx_other_name")
    assert (result.status, codes(result), finding.owner) == ("warn", ["mx_other_name"], "customer")
    assert changes(finding) == [("replace", "10 mx1.host.test", "10 mail.kunde.test")]


def test_another_name_beside_ours_goes():
    result, _server = check("5 mail.kunde.test.", "10 mx1.host.test.", hosts=VANITY)
    assert codes(result) == ["mx_other_name"]
    assert changes(found(result, "mx_other_name")) == [
        ("remove", "5 mail.kunde.test", "5 mail.kunde.test")
    ]


def test_behind_another_name_of_ours_a_foreign_one_is_a_backup_and_before_it_it_is_first():
    result, _server = check("10 mail.kunde.test.", "20 mx.elsewhere.test.", hosts=VANITY)
    assert codes(result) == ["mx_foreign_backup", "mx_other_name"]
    result, _server = check("20 mail.kunde.test.", "10 mx.elsewhere.test.", hosts=VANITY)
    assert codes(result) == ["mx_not_primary", "mx_other_name"]


def test_a_strangers_name_behind_ours_is_a_backup_wherever_it_leads_today():
    hosts = {"mx.stranger.example": {"A": ["127.0.0.2"]}}
    result, _server = check("10 mx1.host.test.", "20 mx.stranger.example.", hosts=hosts)
    assert codes(result) == ["mx_foreign_backup"]
    assert "leads to the mail server today" in result.message


def test_a_name_that_leads_to_our_server_among_others_is_not_ours():
    hosts = {"mail.kunde.test": {"A": ["127.0.0.2", "127.0.0.9"]}}
    result, _server = check("10 mail.kunde.test.", hosts=hosts)
    assert (result.status, codes(result)) == ("fail", ["mx_not_ours"])
    assert "and to 127.0.0.9 too" in result.message and "part of the mail" in result.message


@pytest.mark.parametrize("host", ["mail.kunde.test", "mx1.host.test"])
def test_while_a_name_cannot_be_looked_at_nobody_says_that_mail_goes_elsewhere(host):
    rules = [{"name": host, "action": "servfail"}]
    result, _server = check("10 mail.kunde.test.", hosts=VANITY, rules=rules)
    assert (result.status, codes(result)) == ("unknown", ["dns_servfail"])


def test_a_strangers_name_that_cannot_be_looked_at_is_foreign():
    rules = [{"name": "mx.elsewhere.example", "action": "servfail"}]
    result, _server = check("10 mx.elsewhere.example.", rules=rules)
    assert codes(result) == ["mx_not_ours"]


def test_the_exchanges_of_an_alias_are_another_names_wherever_they_lead():
    names = {
        **HOSTS,
        "kunde.test": {"CNAME": ["shop.example."]},
        "shop.example": {"MX": ["10 mx.shop.example."], "A": ["127.0.0.8"]},
        "mx.shop.example": {"A": ["127.0.0.2"]},
    }
    result, _server = look("dns_mx", {"names": names}, target())
    assert codes(result) == ["mx_not_ours"]
    assert "kunde.test is an alias" in result.message
    assert [(r.action, r.type, r.value) for r in found(result, "mx_not_ours").fix.records] == [
        ("remove", "CNAME", "shop.example"),
        ("add", "MX", "10 mx1.host.test"),
        ("add", "A", "127.0.0.8"),
    ]


# -- broken names of ours


@pytest.mark.parametrize(
    ("mx", "code"),
    [
        (["10 mx2.host.test."], "mx_not_ours"),
        (["10 mail.kunde.test."], "mx_not_ours"),
        ([], "mx_missing"),
        (["0 ."], "mx_null"),
    ],
)
def test_a_mail_host_in_our_settings_that_does_not_exist_is_ours_to_correct(mx, code):
    """A healthy exchange turned red, with the advice to replace it by a dead name."""
    result, _server = check(*mx, hosts=VANITY, mail_hosts=("mx1.hots.test",))
    finding = found(result, code)
    assert (finding.owner, finding.fix.records) == ("host", ())
    assert (finding.because.check_id, finding.because.code) == ("server_mx", "server_mx_broken")
    assert "mx1.hots.test does not exist" in finding.message
    assert "mail goes elsewhere" not in finding.message
    assert "mx1.hots.test" in finding.fix.text and "settings" in finding.fix.text


def test_one_of_several_mail_hosts_that_is_wrong_puts_the_others_neighbours_in_doubt():
    hosts = ("mx1.host.test", "mx22.host.test")  # mx2 is meant
    for mx in (
        ["10 mx1.host.test.", "20 mx2.host.test."],
        ["10 mx2.host.test.", "20 mx1.host.test."],
    ):
        result, _server = check(*mx, mail_hosts=hosts)
        (finding,) = result.findings
        assert finding.code in ("mx_foreign_backup", "mx_not_primary")
        assert (finding.owner, finding.fix.records) == ("host", ())
        assert "mx2.host.test is none of the mail hosts in the settings" in finding.message


def test_a_domain_that_names_only_what_works_of_our_settings_is_well():
    result, _server = check("10 mx1.host.test.", mail_hosts=("mx1.host.test", "mx1.hots.test"))
    assert (result.status, codes(result)) == ("ok", [])


def test_a_mail_host_of_ours_that_is_named_and_broken_is_the_cause():
    result, _server = check("10 mx3.host.test.", mail_hosts=("mx3.host.test",))
    finding = found(result, "mx_target_unresolvable")
    assert (finding.owner, finding.because.check_id) == ("host", "server_mx")


@pytest.mark.parametrize(
    ("mx", "gone"),
    [
        (["0 .", "10 mx2.host.test."], "0 ."),
        (["5 192.0.2.1.", "10 mx2.host.test."], "5 192.0.2.1"),
        (["20 gone.elsewhere.test.", "10 mx2.host.test."], "20 gone.elsewhere.test"),
    ],
)
def test_what_is_useless_in_any_case_is_said_without_records(mx, gone):
    result, _server = check(*mx, mail_hosts=("mx1.hots.test",))
    (finding,) = [f for f in result.findings if f.owner == "customer"]
    assert f"MX records to remove: {gone}." in finding.fix.text
    assert not any(f.fix.records for f in result.findings)


def test_a_mail_host_of_ours_that_cannot_be_looked_at_is_not_called_broken():
    rules = [{"name": "mx1.host.test", "action": "servfail"}]
    result, _server = check(rules=rules)
    finding = found(result, "mx_missing")
    assert (finding.owner, finding.because) == ("customer", None)
    assert changes(finding) == [("add", "10 mx1.host.test", None)]


# -- one cure


def test_findings_with_the_same_cure_share_it():
    result, _server = check(
        "0 .", "5 mx.elsewhere.test.", "10 mx1.host.test.", "20 192.0.2.1.", "30 mx1.host.test."
    )
    assert len(result.findings) > 3
    assert len({f.fix for f in result.findings}) == 1
    assert changes(result.findings[0]) == [
        ("remove", text, text)
        for text in ("0 .", "5 mx.elsewhere.test", "20 192.0.2.1", "30 mx1.host.test")
    ]
