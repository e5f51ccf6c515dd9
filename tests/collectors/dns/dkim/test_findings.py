"""What is wrong with a record, and whose it is."""

from dataclasses import replace

import pytest

from collectors.standards.dkim import parse_key
from tests.collectors import dkim_keys as keys
from tests.collectors.dkim_check import (
    NAME,
    OTHER,
    OTHER_KEY,
    RECORD,
    check_dkim,
    only,
    records,
    remembers,
    signs,
)
from tests.collectors.lab import codes

# -- the record


@pytest.mark.parametrize(
    ("text", "code", "severity"),
    [
        ("v=DKIM1; k=rsa; p=AAAA", "dkim_syntax", "fail"),
        (RECORD + "; p=", "dkim_syntax", "fail"),
        ("v=spf1 -all", "dkim_syntax", "fail"),
        (RECORD.replace("DKIM1", "DKIM2"), "dkim_wrong_version", "fail"),
        ("v=DKIM1; k=rsa; p=", "dkim_revoked", "fail"),
        (f"v=DKIM1; p={keys.RSA_512}", "dkim_key_too_short", "fail"),
        (f"v=DKIM1; p={keys.spki(1024)}", "dkim_key_weak", "warn"),
        ("v=DKIM1; k=dsa; p=AAAA", "dkim_key_type_unknown", "fail"),
        (RECORD + "; h=sha1", "dkim_hash_sha1_only", "fail"),
        (RECORD + "; s=tlsrpt", "dkim_service_excluded", "fail"),
        (RECORD + "; t=y", "dkim_testing", "warn"),
    ],
)
def test_a_record_with_a_fault_is_told(text, code, severity):
    """Case 65."""
    result, _server = check_dkim({NAME: text})
    finding = only(result, code)
    assert (finding.severity, result.status, finding.owner) == (severity, severity, "customer")
    assert finding.fix
    assert result.evidence["selectors"][0]["txt"] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "v=DKIM1; k=rsa; p=AAAA",
        "v=spf1 -all",
        RECORD.replace("DKIM1", "DKIM2"),
        "v=DKIM1; p=",
        "v=DKIM1; k=dsa; p=AAAA",
    ],
)
def test_a_useless_record_is_replaced_by_the_servers_key(text):
    finding = check_dkim({NAME: text}, signs())[0].findings[0]
    assert records(finding) == [("replace", "TXT", NAME, RECORD, text)]


@pytest.mark.parametrize(
    ("tail", "wanted"),
    [("; h=sha1", ""), ("; s=tlsrpt", ""), ("; t=y", ""), ("; t=y:s; n=kept", "; t=s; n=kept")],
)
@pytest.mark.parametrize("portal", [None, signs()], ids=["alone", "portal"])
def test_a_tag_that_is_in_the_way_is_taken_out_and_the_rest_kept(tail, wanted, portal):
    finding = check_dkim({NAME: RECORD + tail}, portal)[0].findings[0]
    assert records(finding) == [("replace", "TXT", NAME, RECORD + wanted, RECORD + tail)]


def test_several_tags_in_the_way_are_cured_by_one_record():
    tail = "; h=sha1; s=x; t=y; n=kept"
    findings = check_dkim({NAME: RECORD + tail})[0].findings
    assert [f.code for f in findings] == [
        "dkim_hash_sha1_only",
        "dkim_service_excluded",
        "dkim_testing",
    ]
    assert {f.fix.records[0].value for f in findings} == {RECORD + "; n=kept"}


@pytest.mark.parametrize(
    "text",
    [
        RECORD.replace(";", "\\;"),
        f'"{RECORD[:60]}" "{RECORD[60:]}"',
        RECORD.replace("DKIM1", "DKIM2"),
        f"k=rsa; v=DKIM1; p={keys.spki()}",
        f"v=DKIM1; k=rsa;; p={keys.spki()}",
    ],
)
def test_without_the_servers_key_a_usual_slip_is_mended(text):
    finding = check_dkim({NAME: text})[0].findings[0]
    assert records(finding) == [("replace", "TXT", NAME, RECORD, text)]


@pytest.mark.parametrize(
    "text", ["v=spf1 -all", "v=DKIM1; p=AAAA", f"{RECORD}; p={keys.spki(name='other')}"]
)
def test_what_cannot_be_mended_is_to_be_had_from_the_operator(text):
    finding = check_dkim({NAME: text})[0].findings[0]
    assert finding.fix.records == () and "Ask the operator" in finding.fix.text


def test_an_empty_text_is_replaced_and_not_added_to():
    finding = only(check_dkim({NAME: [""]}, signs())[0], "dkim_syntax")
    assert records(finding) == [("replace", "TXT", NAME, RECORD, "")]


def test_a_weak_key_needs_a_new_one_first():
    finding = only(
        check_dkim({NAME: f"v=DKIM1; p={keys.spki(1024)}"}, signs(key=keys.spki(1024)))[0],
        "dkim_key_weak",
    )
    assert finding.fix.records == ()


def test_two_records_are_never_ok():
    """Case 65."""
    zone = {NAME: [RECORD, OTHER]}
    result, _server = check_dkim(zone, signs(), portal_facts=remembers(OTHER_KEY))
    finding = only(result, "dkim_multiple_records")
    assert finding.severity == "fail"
    assert records(finding) == [("remove", "TXT", NAME, OTHER, OTHER)]
    assert "key" not in result.evidence["selectors"][0]


def test_of_two_records_without_the_servers_key_one_is_replaced_and_the_other_removed():
    result, _server = check_dkim({NAME: [OTHER, "x"]}, signs(), portal_facts=remembers(OTHER_KEY))
    finding = only(result, "dkim_multiple_records")
    assert {(r[0], r[3]) for r in records(finding)} in (
        {("replace", RECORD), ("remove", OTHER)},
        {("replace", RECORD), ("remove", "x")},
    )
    assert {r[4] for r in records(finding)} == {OTHER, "x"}


def test_of_two_records_the_only_one_with_a_key_is_kept():
    finding = only(check_dkim({NAME: [RECORD, "x"]})[0], "dkim_multiple_records")
    assert records(finding) == [("remove", "TXT", NAME, "x", "x")]


def test_of_two_keys_nobody_can_say_which_without_the_server():
    assert only(check_dkim({NAME: [RECORD, OTHER]})[0], "dkim_multiple_records").fix.records == ()


def test_kb_of_nonsense_is_judged_in_time():
    """Cases 65, 60."""
    result, _server = check_dkim({NAME: {"TXT": [{"repeat": ["A", 60_000]}]}})
    only(result, "dkim_syntax")
    assert result.duration_ms < 2000
    assert "60000 characters" in result.evidence["selectors"][0]["txt"][0]


# -- not the server's key


def test_an_earlier_key_of_the_server_fails_and_is_replaced():
    result, _server = check_dkim({NAME: OTHER}, signs(), portal_facts=remembers(OTHER_KEY))
    finding = only(result, "dkim_key_mismatch")
    assert (finding.severity, finding.owner) == ("fail", "customer")
    assert "reject" in finding.message and "new key" in finding.message
    assert records(finding) == [("replace", "TXT", NAME, RECORD, OTHER)]


def test_a_key_of_long_ago_is_still_the_servers_to_replace():
    facts = replace(remembers(keys.spki()), keys_seen=(parse_key(OTHER_KEY).fingerprint,))
    result, _server = check_dkim({NAME: OTHER}, signs(), portal_facts=facts)
    assert records(only(result, "dkim_key_mismatch")) == [("replace", "TXT", NAME, RECORD, OTHER)]


def test_a_weak_key_that_is_to_be_replaced_is_told_once():
    result, _server = check_dkim(
        {NAME: f"v=DKIM1; p={keys.spki(1024)}"}, signs(), portal_facts=remembers(keys.spki(1024))
    )
    only(result, "dkim_key_mismatch")


# -- a selector that another service holds

ELSEWHERE = "s1.domainkey.u123.bulk.test"


@pytest.mark.parametrize(
    ("zone", "effect"),
    [
        ({NAME: OTHER}, "dkim_key_mismatch"),
        ({NAME: f'"{OTHER}"'}, "dkim_syntax"),
        ({NAME: OTHER.replace("DKIM1", "DKIM2")}, "dkim_wrong_version"),
        ({NAME: OTHER_KEY}, "dkim_syntax"),
        ({NAME: OTHER.upper().split("P=")[0] + f"P={OTHER_KEY}"}, "dkim_syntax"),
        ({NAME: OTHER.replace("p=", "p=p=")}, "dkim_syntax"),
        ({NAME: f"v=DKIM1; p=-----BEGIN PUBLIC KEY-----{OTHER_KEY}-----END"}, "dkim_syntax"),
        ({NAME: f"v=DKIM1; p={OTHER_KEY[:200]}\\n{OTHER_KEY[200:]}"}, "dkim_syntax"),
        ({NAME: f"v=DKIM1; k=rsa; n=a; b; p={OTHER_KEY}"}, "dkim_syntax"),
        ({NAME: [RECORD, OTHER]}, "dkim_multiple_records"),
        ({NAME: {"CNAME": [f"{ELSEWHERE}."]}, ELSEWHERE: OTHER}, "dkim_key_mismatch"),
        ({NAME: {"CNAME": [f"{ELSEWHERE}."]}, ELSEWHERE: "v=DKIM1; p="}, "dkim_revoked"),
        ({NAME: {"CNAME": ["key.host.test."]}, "key.host.test": OTHER}, "dkim_key_mismatch"),
    ],
)
def test_another_services_key_is_left_alone_and_the_host_is_to_act(zone, effect):
    result, _server = check_dkim(zone, signs())
    assert codes(result) == ["dkim_other_service", effect]
    cause, finding = result.findings
    assert {(f.severity, f.owner) for f in (cause, finding)} == {("fail", "host")}
    assert cause.fix == finding.fix and cause.fix.records == ()
    assert finding.because.to_dict() == {"check_id": "dns_dkim", "code": "dkim_other_service"}


@pytest.mark.parametrize("text", [keys.spki(), f"V=DKIM1; P={keys.spki()}", f"p=p={keys.spki()}"])
def test_the_servers_own_key_in_a_wrong_form_is_replaced(text):
    result, _server = check_dkim({NAME: text}, signs())
    (finding,) = result.findings
    assert [r.value for r in finding.fix.records] == [RECORD]


def test_a_remembered_key_does_not_make_every_other_one_the_servers():
    result, _server = check_dkim({NAME: OTHER}, signs(), portal_facts=remembers(keys.spki()))
    assert codes(result) == ["dkim_other_service", "dkim_key_mismatch"]


def test_a_text_that_is_no_key_belongs_to_nobody():
    result, _server = check_dkim({NAME: ["v=spf1 -all", "site-verification=x"]}, signs())
    assert only(result, "dkim_multiple_records").fix.records


def test_it_says_who_moved_where_the_servers_key_stands_under_another_selector():
    zone = {"new._domainkey.kunde.test": OTHER, NAME: RECORD}
    result, _server = check_dkim(zone, signs("new"))
    assert codes(result) == ["dkim_other_service", "dkim_key_mismatch"]
    finding = result.findings[1]
    assert finding.owner == "host" and "sign with selector “s1”" in finding.fix.text
    assert "moved to selector “new”; its key is published for “s1”" in finding.message


def test_it_says_who_moved_where_the_servers_selector_has_no_record():
    finding = only(check_dkim({NAME: RECORD}, signs("new"))[0], "dkim_missing")
    assert "moved to selector “new”; its key is published for “s1”" in finding.message
    assert records(finding) == [("add", "TXT", "new._domainkey.kunde.test", RECORD, None)]


def test_the_key_behind_an_alias_into_the_tenants_zone_is_the_hosts():
    zone = {NAME: {"CNAME": ["key.host.test."]}, "key.host.test": OTHER}
    result, _server = check_dkim(zone, signs(), portal_facts=remembers(OTHER_KEY))
    finding = only(result, "dkim_key_mismatch")
    assert finding.owner == "host"
    assert records(finding) == [("replace", "TXT", "key.host.test", RECORD, OTHER)]


# -- fixes that would leave something behind


@pytest.mark.parametrize("found", [None, "v=spf1 -all", OTHER, "v=DKIM1; p=", [OTHER, "x"]])
def test_a_server_key_that_is_too_short_is_not_published(found):
    weak = keys.spki(1024)
    facts = remembers(OTHER_KEY)
    result, _server = check_dkim(
        {NAME: found} if found else {}, signs(key=weak), portal_facts=facts
    )
    finding = result.findings[0]
    assert (finding.severity, finding.owner, finding.fix.records) == ("fail", "host", ())
    assert "2048 bits" in finding.fix.text


def test_without_the_servers_key_a_weak_one_is_not_mended():
    text = f'"v=DKIM1; k=rsa; p={keys.spki(1024)}"'
    assert only(check_dkim({NAME: text})[0], "dkim_syntax").fix.records == ()


def test_of_two_records_the_servers_with_a_flaw_is_corrected():
    result, _server = check_dkim({NAME: [RECORD + "; t=y; n=kept", "x"]}, signs())
    assert set(records(only(result, "dkim_multiple_records"))) == {
        ("replace", "TXT", NAME, RECORD + "; n=kept", RECORD + "; t=y; n=kept"),
        ("remove", "TXT", NAME, "x", "x"),
    }
