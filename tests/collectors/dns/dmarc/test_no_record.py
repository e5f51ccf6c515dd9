"""Where no record of the domain's own counts: none, several, broken, misplaced."""

import json

import pytest

from collectors.base import Owner, Status
from tests.collectors.dns.dmarc.lab import FIRST, GOOD, NAME, asked, check, finding, records
from tests.collectors.lab import codes


def test_a_missing_record_fails_with_the_record_to_add():
    result, server = check()
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_missing"])
    assert finding(result, "dmarc_missing").owner == Owner.CUSTOMER
    assert records(result, "dmarc_missing") == [("add", NAME, FIRST, None)]
    assert asked(server) == [
        NAME,
        "_dmarc.test",
        f"{NAME}.kunde.test",
        "kunde.test",
        "kunde.test._report._dmarc.host.test",
    ]
    assert [(w["name"], w["result"]) for w in result.evidence["walk"]] == [
        (NAME, "NXDOMAIN"),
        ("_dmarc.test", "NXDOMAIN"),
    ]


@pytest.mark.parametrize("rua", ["", "nonsense", "javascript:alert(1)"])
def test_without_a_tenants_address_the_record_to_add_has_none_and_says_so(rua):
    result, _ = check(dmarc_rua=rua)
    assert records(result, "dmarc_missing") == [("add", NAME, "v=DMARC1; p=none", None)]
    assert "rua=mailto" in finding(result, "dmarc_missing").fix.text


def test_other_texts_in_its_place_are_named():
    result, _ = check("v=spf1 -all")
    assert codes(result) == ["dmarc_missing"]
    assert "v=spf1 -all" in result.message
    assert result.evidence["walk"][0]["other_texts"] == ["v=spf1 -all"]


def test_a_wildcard_with_other_text_is_no_record_and_one_with_dmarc_is():
    """Case 66."""
    result, _ = check(names={"*.kunde.test": {"TXT": ["v=spf1 -all"]}})
    assert codes(result) == ["dmarc_missing"]
    result, _ = check(names={"*.kunde.test": {"TXT": [GOOD]}})
    assert result.status == Status.OK


def test_two_records_fail_and_the_fix_joins_them_as_the_weakest():
    """Case 64."""
    result, _server = check(
        "v=DMARC1; p=none; rua=mailto:a@kunde.test",
        "v=DMARC1; p=reject; adkim=s; rua=mailto:dmarc@host.test",
    )
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_multiple"])
    assert "policy" not in result.evidence
    assert "not protected" in result.message
    first, second = records(result, "dmarc_multiple")
    assert first[:2] == ("replace", NAME)
    assert first[2] == "v=DMARC1; p=none; rua=mailto:a@kunde.test,mailto:dmarc@host.test"
    assert (second[0], second[2]) == ("remove", second[3])
    assert {first[3], second[3]} == set(result.evidence["walk"][0]["records"])


def test_two_records_are_discarded_and_what_stands_above_applies():
    """Case 64. RFC 9989, 4.10, steps 2 and 6."""
    parent = {
        "_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; sp=none; rua=mailto:a@parent.test"]}
    }
    result, _server = check(
        "v=DMARC1; p=reject; rua=mailto:a@parent.test",
        "v=DMARC1; p=quarantine; sp=none; rua=mailto:b@parent.test",
        domain="mail.parent.test",
        names=parent,
    )
    assert codes(result) == ["dmarc_multiple", "dmarc_policy_none", "dmarc_inherited"]
    assert "_dmarc.parent.test, with sp=none" in result.message
    assert result.evidence["policy"]["from"] == "_dmarc.parent.test"
    first = records(result, "dmarc_multiple")[0]
    assert first[2] == (
        "v=DMARC1; p=quarantine; sp=none; rua=mailto:b@parent.test,mailto:a@parent.test"
    )
    assert finding(result, "dmarc_policy_none").fix is None  # cured with it, and given once


@pytest.mark.parametrize(
    "text",
    [
        "v=dmarc1; p=reject",
        " v=DMARC1; p=reject",
        '"v=DMARC1; p=reject"',
        "p=reject; v=DMARC1",
        "v=DMARC1 p=reject",
    ],
)
def test_a_version_that_is_not_exact_is_no_record(text):
    """Case 64."""
    result, _ = check(text)
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_syntax"])
    assert "policy" not in result.evidence
    assert records(result, "dmarc_syntax") == [
        ("replace", NAME, "v=DMARC1; p=reject; rua=mailto:dmarc@host.test", text)
    ]


def test_beside_a_broken_record_the_inherited_policy_is_shown_and_the_fault_stays():
    """Case 64."""
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}}
    result, _ = check("v=dmarc1; p=none", domain="mail.parent.test", names=names)
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_syntax", "dmarc_inherited"])
    assert "what applies is the record at _dmarc.parent.test, with p=reject" in result.message


@pytest.mark.parametrize(
    "tags",
    [
        "",
        "; p=",
        "; p=block",
        "; p=reject; sp=block",
        "; p=reject rua=mailto:a@kunde.test",
        "; rua=a@kunde.test",
    ],
)
def test_neither_policy_nor_address_is_a_syntax_fault(tags):
    result, _ = check("v=DMARC1" + tags)
    assert (result.status, codes(result)[0]) == (Status.FAIL, "dmarc_syntax")
    (fix,) = records(result, "dmarc_syntax")
    assert fix[0] == "replace"
    kept = "reject" if "p=reject" in tags else "none"
    assert fix[2].startswith(f"v=DMARC1; p={kept}")
    assert set(codes(check(fix[2])[0])) <= {"dmarc_policy_none", "dmarc_subdomains_weaker"}


@pytest.mark.parametrize("wrong", [f"{NAME}.kunde.test", "kunde.test"])
def test_a_record_at_a_wrong_place_is_found_when_there_is_none(wrong):
    result, _ = check(
        names={wrong: {"TXT": ["v=spf1 -all", "v=DMARC1; p=reject; rua=mailto:me@kunde.test"]}}
    )
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_misplaced"])
    text = "v=DMARC1; p=reject; rua=mailto:me@kunde.test"
    assert records(result, "dmarc_misplaced") == [
        ("add", NAME, text, None),
        ("remove", wrong, text, text),
    ]
    assert wrong in json.dumps(result.evidence)


def test_a_record_at_a_wrong_place_is_not_looked_for_beside_the_right_one():
    result, server = check(GOOD, names={"kunde.test": {"TXT": [GOOD]}})
    assert result.status == Status.OK
    assert "kunde.test" not in asked(server)


def test_a_failed_probe_of_a_wrong_place_leaves_the_verdict():
    result, _ = check(
        rules=[
            {"name": f"{NAME}.kunde.test", "action": "servfail"},
            {"name": "kunde.test", "type": "TXT", "action": "servfail"},
        ]
    )
    assert codes(result) == ["dmarc_missing"]


def test_a_misplaced_record_is_found_beside_an_unusable_one_above():
    names = {
        "_dmarc.parent.test": {"TXT": ["v=DMARC1; p=block"]},
        "mail.parent.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:me@mail.parent.test"]},
    }
    result, _server = check(domain="mail.parent.test", names=names)
    assert codes(result) == ["dmarc_misplaced", "dmarc_syntax"]
    assert records(result, "dmarc_misplaced")[0][2] == (
        "v=DMARC1; p=reject; rua=mailto:me@mail.parent.test"
    )


def test_what_stands_at_the_end_of_a_misplaced_alias_stays_there():
    wrong = f"{NAME}.kunde.test"
    text = "v=DMARC1; p=reject; rua=mailto:me@kunde.test"
    names = {wrong: {"CNAME": ["p.kunde.test"]}, "p.kunde.test": {"TXT": [text]}}
    result, _server = check(names=names)
    assert records(result, "dmarc_misplaced") == [("add", NAME, text, None)]
