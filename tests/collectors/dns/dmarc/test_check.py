"""dns_dmarc over real DNS: what is read, in which order, within which limits."""

import json

import pytest

from collectors.base import Severity, Status
from tests.collectors.dns.dmarc.lab import (
    GOOD,
    NAME,
    OTHERS,
    TAKES_REPORTS,
    asked,
    check,
    finding,
    records,
)
from tests.collectors.lab import codes, look, target

# -- all is well


@pytest.mark.parametrize("policy", ["quarantine", "reject"])
def test_a_policy_with_reports_is_ok_and_costs_two_queries(policy):
    result, server = check(f"v=DMARC1; p={policy}; rua=mailto:dmarc@host.test")
    assert (result.status, codes(result), result.message) == (
        Status.OK,
        [],
        f"p={policy}, reports to dmarc@host.test",
    )
    assert asked(server) == [NAME, "kunde.test._report._dmarc.host.test"]
    assert len(server.queries) == 2


def test_the_evidence_says_what_applies_and_why():
    result, _ = check(
        "v=DMARC1; p=reject; aspf=s; t=n; rua=mailto:dmarc@host.test, mailto:me@kunde.test; foo=1"
    )
    evidence = result.evidence
    assert evidence["walk"][0]["name"] == NAME
    assert evidence["walk"][0]["applies"] is True
    assert evidence["policy"] == {
        "from": NAME,
        "inherited": False,
        "tag": "p",
        "policy": "reject",
        "applied": "reject",
    }
    assert evidence["alignment"] == {"dkim": "relaxed", "spf": "strict"}
    assert evidence["ignored"] == ["foo=1"]
    assert [(r["uri"], r["authorised"], r["by"]) for r in evidence["reports"]] == [
        ("mailto:dmarc@host.test", True, "the record at kunde.test._report._dmarc.host.test"),
        ("mailto:me@kunde.test", True, "the domain itself"),
    ]


def test_an_alias_at_the_record_is_followed():
    result, _ = check(names={NAME: {"CNAME": ["d.host.test"]}, "d.host.test": {"TXT": [GOOD]}})
    assert result.status == Status.OK
    assert result.evidence["lookups"][0]["cname"] == ["d.host.test"]


def test_a_record_in_several_strings_is_joined_without_a_blank():
    result, _ = check(["v=DMARC1; p=quar", "antine; rua=mailto:dmarc@host.test"])
    assert result.status == Status.OK


# -- faults of the measurement


@pytest.mark.parametrize(
    ("action", "code"),
    [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("garbage", "dns_bad_response")],
)
def test_a_failed_first_lookup_is_unknown_and_not_the_parents_policy(action, code):
    """Case 64."""
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}}
    rules = [{"name": "_dmarc.mail.parent.test", "action": action}]
    result, server = look(
        "dns_dmarc",
        {"names": {**TAKES_REPORTS, **names}, "rules": rules},
        target("mail.parent.test"),
        config_changes={"check_seconds": 3},
    )
    assert (result.status, codes(result)) == (Status.UNKNOWN, [code])
    assert "_dmarc.parent.test" not in asked(server)


def test_a_failed_lookup_further_up_the_walk_is_unknown():
    result, _ = check(
        domain="mail.parent.test", rules=[{"name": "_dmarc.parent.test", "action": "servfail"}]
    )
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_servfail"])


# -- limits


def test_a_name_of_13_labels_costs_at_most_eight_dmarc_queries():
    """Case 64."""
    domain = "a.b.c.d.e.f.g.h.i.j.k.kunde.test"
    result, server = check(domain=domain)
    assert codes(result) == ["dmarc_missing"]
    walked = [
        name
        for name in asked(server)
        if name != f"_dmarc.{domain}.{domain}" and name.startswith("_dmarc.")
    ]
    assert walked == [
        f"_dmarc.{domain}",
        *(f"_dmarc.{'.'.join(domain.split('.')[i:])}" for i in range(6, 13)),
    ]
    result, server = check(
        domain=domain,
        names={"_dmarc.kunde.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}},
    )
    assert (result.status, codes(result)) == (Status.OK, ["dmarc_inherited"])
    assert sum(name.startswith("_dmarc.") for name in asked(server)) == 8


@pytest.mark.parametrize(
    ("domain", "zone"),
    [("kunde.test", "test"), ("a.b.c.d.e.f.g.h.i.j.k.github.io", "w.u.t.github.io")],
)
def test_addresses_cost_at_most_40_queries(domain, zone):
    """Case 64: with 2,000 addresses."""
    uris = ",".join(f"mailto:a@{i}.{zone}" for i in range(2000))
    result, server = check(f"v=DMARC1; p=none; rua={uris}", domain=domain)
    assert len(server.queries) <= 40
    assert codes(result).count("dmarc_rua_unauthorised") == 10
    assert {"dmarc_policy_none", "dmarc_rua_many"} <= set(codes(result))
    assert result.duration_ms < 5000
    assert len(json.dumps(result.evidence)) < 200_000
    policy = finding(result, "dmarc_policy_none")
    assert policy.fix.records == ()  # a record of this length is not shown, and never cut
    assert len(json.dumps([f.to_dict() for f in result.findings])) < 50_000


def test_hostile_text_stays_text():
    result, _ = check(
        "v=DMARC1; p=<script>alert(1)</script>\x1b[31m\u202e; {domain}={0.__class__}; "
        "rua=mailto:me@kunde.test"
    )
    shown = json.dumps([f.to_dict() for f in result.findings])
    assert "\x1b" not in shown
    assert "\\u001b" not in shown
    assert codes(result)[0] == "dmarc_policy_none"


# -- grounds for a stricter policy


NONE = "v=DMARC1; p=none; rua=mailto:dmarc@host.test"


@pytest.mark.parametrize(
    "names",
    [
        {"kunde.test": {"TXT": ["v=spf1 -all"]}},
        {"s1._domainkey.kunde.test": {"TXT": ["v=DKIM1; p="]}},
    ],
)
@pytest.mark.parametrize("text", [NONE, NONE.replace("none", "reject") + "; t=y"])
def test_the_policy_does_not_get_stricter_while_the_domains_own_mail_fails(names, text):
    result, _server = check(text, names=names, beside=OTHERS)
    (found,) = [f for f in result.findings if f.severity == Severity.WARN]
    assert found.fix.records == ()
    assert "SPF and DKIM" in found.fix.text


def test_nor_where_nobody_has_looked_at_spf_and_dkim():
    """`--check dns_dmarc` alone: no grounds, and nothing to wait for."""
    result, _server = check(NONE)
    assert finding(result, "dmarc_policy_none").fix.records == ()
    assert result.duration_ms < 3000


def test_nor_where_they_do_not_end_in_time():
    rules = [{"name": "kunde.test", "type": "TXT", "action": "drop"}]
    result, _server = check(NONE, rules=rules, beside=OTHERS)
    assert finding(result, "dmarc_policy_none").fix.records == ()


@pytest.mark.parametrize("rua", ["", "; rua=mailto:x@elsewhere.test", "; rua=nonsense"])
def test_nor_where_no_reports_are_collected_yet(rua):
    result, _server = check(f"v=DMARC1; p=none{rua}", beside=OTHERS)
    assert not any("p=quarantine" in r.value for f in result.findings for r in _records(f))
    assert "reports" in finding(result, "dmarc_policy_none").fix.text


def test_it_gets_stricter_by_one_step_with_grounds():
    result, _server = check(NONE, beside=OTHERS)
    assert records(result, "dmarc_policy_none") == [("replace", NAME, GOOD, NONE)]
    assert "It changes: p=quarantine." in finding(result, "dmarc_policy_none").fix.text
    assert "It keeps: rua=mailto:dmarc@host.test." in finding(result, "dmarc_policy_none").fix.text


def _records(finding_):
    return finding_.fix.records if finding_.fix else ()


def test_the_other_checks_are_waited_for_only_where_they_decide():
    """Two checks must not wait for each other: SPF and DKIM never ask how DMARC ends."""
    slow = [{"name": "kunde.test", "type": "TXT", "delay": 1.5}]
    result, _server = check(GOOD, rules=slow, beside=OTHERS)
    assert (result.status, result.duration_ms < 1000) == (Status.OK, True)
    result, _server = check(NONE, rules=slow, beside=OTHERS)
    assert records(result, "dmarc_policy_none") == [("replace", NAME, GOOD, NONE)]


def test_what_a_text_that_fails_to_be_a_record_says_survives_beside_one_that_does_nothing():
    broken = "v=DMARC1 p=quarantine rua=<mailto:d@kunde.test>"
    result, _server = check("v=DMARC1;", broken)
    assert records(result, "dmarc_syntax") == [
        ("replace", NAME, "v=DMARC1; p=none; rua=mailto:d@kunde.test", "v=DMARC1;"),
        ("remove", NAME, broken, broken),
    ]
