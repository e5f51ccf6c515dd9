"""The check dns_spf: records in order, missing, doubled or misspelt; and faults of lookups."""

import pytest

from collectors.base import Status
from tests.collectors.lab import codes, look, target
from tests.collectors.spf_check import GOOD, HOST, finding, found, spf, values

# -- what is in order


@pytest.mark.parametrize(
    "record",
    [
        GOOD,
        "v=spf1 include:_spf.host.test ~all",
        "v=spf1 redirect=_spf.host.test",
        "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all",
        ["v=spf1 include:_spf.ho", "st.test -all"],
        "v=spf1 mx:h0.test include:_SPF.Host.Test. -all foo=bar",
    ],
)
def test_a_record_that_covers_every_address_is_ok(record):
    result, _server = spf(record, names={"h0.test": {"MX": [[10, "h1.test"]]}})
    assert (result.status, result.findings) == (Status.OK, ())


def test_the_evidence_shows_record_tree_counts_and_paths():
    result, server = spf("v=spf1 a:h0.test include:_spf.host.test -all", "something else")
    evidence = result.evidence
    assert evidence["record"] == ["v=spf1 a:h0.test include:_spf.host.test -all"]
    assert evidence["dns_lookups"] == {"count": 2, "limit": 10, "complete": True}
    assert evidence["void_lookups"] == {"count": 0, "limit": 2}
    assert [
        (row["depth"], row.get("term", row["domain"]), row["lookups"]) for row in evidence["tree"]
    ] == [
        (0, "kunde.test", 2),
        (1, "a:h0.test", 1),
        (1, "include:_spf.host.test", 1),
        (2, "_spf.host.test", 0),
    ]
    assert [(a["ip"], a["result"], a["path"]) for a in evidence["addresses"]] == [
        (
            "203.0.113.25",
            "pass",
            ["kunde.test: include:_spf.host.test", "_spf.host.test: ip4:203.0.113.25"],
        ),
        (
            "2001:db8::25",
            "pass",
            ["kunde.test: include:_spf.host.test", "_spf.host.test: ip6:2001:db8::25"],
        ),
    ]
    asked = {(q["name"], q["type"]) for q in server.queries}  # once more where one was lost
    assert len(asked) == 5  # TXT and type 99 of the domain, the include, A and AAAA


def test_lookups_are_shared_by_the_addresses():
    _result, server = spf(
        GOOD,
        sending_ips=(
            "203.0.113.25",
            "::ffff:203.0.113.25",
            "203.0.113.26",
            "203.0.113.27",
            "2001:db8::25",
        ),
    )
    # TXT and type 99 of the domain, the include; the same once more where our own is judged.
    assert len(server.queries) == 4


def test_without_sending_addresses_the_record_is_still_judged():
    result, _server = spf(GOOD, sending_ips=())
    assert (result.status, codes(result)) == (Status.OK, [])
    assert "192.0.2.1" in result.evidence["note"]
    assert found("v=spf1 mx moo -all", sending_ips=()) == ["spf_syntax"]
    assert found("v=spf1 -all", sending_ips=()) == []


# -- spf_missing, spf_misplaced, spf_type99


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        ({"kunde.test": {"TXT": ["other"]}}, "NOERROR"),
        ({"kunde.test": {"MX": [[10, "m.test"]]}}, "NODATA"),
    ],
)
def test_a_domain_without_record_is_missing_one(names, seen):
    """Case 14."""
    result, _server = spf(names=names)
    assert codes(result) == ["spf_missing"]
    assert result.evidence["result"] == seen
    fix = finding(result, "spf_missing").fix
    assert [r.to_dict() for r in fix.records] == [
        {
            "type": "TXT",
            "name": "kunde.test",
            "value": "v=spf1 include:_spf.host.test ~all",
            "action": "add",
            "current": None,
        }
    ]


def test_a_domain_that_does_not_exist_is_told_apart():
    """Case 13."""
    result, _server = look("dns_spf", {"names": HOST}, target())
    assert codes(result) == ["spf_missing"]
    assert result.evidence["result"] == "NXDOMAIN"
    assert "NXDOMAIN" in result.message


def test_without_an_include_the_fix_names_the_addresses():
    result, _server = spf(names={"kunde.test": {"TXT": ["other"]}}, spf_include="")
    assert values(result, "spf_missing") == [
        ("add", "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 ~all")
    ]
    result, _server = spf(names={"kunde.test": {"TXT": ["other"]}}, spf_include="", sending_ips=())
    assert values(result, "spf_missing") == []


@pytest.mark.parametrize("place", ["kunde.test.kunde.test", "_spf.kunde.test", "spf.kunde.test"])
def test_a_record_in_a_usual_wrong_place_is_found(place):
    result, _server = spf(
        names={"kunde.test": {"TXT": ["other"]}, place: {"TXT": ["v=spf1 mx -all"]}}
    )
    assert codes(result) == ["spf_missing", "spf_misplaced"]
    assert place in finding(result, "spf_misplaced").message
    wanted = [("add", "v=spf1 mx include:_spf.host.test -all")]
    assert values(result, "spf_missing") == wanted + (
        [("remove", "v=spf1 mx -all")] if place.startswith("kunde") else []
    )
    assert finding(result, "spf_misplaced").fix is None  # it is given once


def test_wrong_places_are_not_looked_at_while_there_is_a_record():
    _result, server = spf(GOOD, names={"kunde.test.kunde.test": {"TXT": ["v=spf1 -all"]}})
    assert not [q for q in server.queries if "kunde.test.kunde.test" in str(q)]


def test_a_wrong_place_that_cannot_be_looked_up_is_no_finding():
    assert found(
        names={"kunde.test": {"TXT": ["other"]}},
        rules=[{"name": "_spf.kunde.test", "action": "servfail"}],
    ) == ["spf_missing"]


@pytest.mark.parametrize(
    "text", ['"v=spf1 mx -all"', " v=spf1 mx -all", "spf1 mx -all", "\xef\xbb\xbfv=spf1 mx -all"]
)
def test_a_text_that_is_almost_a_record_is_replaced(text):
    result, _server = spf(text)
    assert codes(result) == ["spf_missing"]
    (record,) = finding(result, "spf_missing").fix.records
    assert (str(record.action), record.value) == (
        "replace",
        "v=spf1 mx include:_spf.host.test -all",
    )
    assert "mx -all" in record.current and "mx -all" in result.message


def test_another_version_is_no_record():
    """Case 54."""
    assert found("v=spf10 -all", "v=spf2.0/pra -all") == ["spf_missing"]


def test_the_obsolete_type_is_pointed_out():
    result, _server = spf(names={"kunde.test": {"TXT": [GOOD], "SPF": ["v=spf1 -all"]}})
    assert (result.status, codes(result)) == (Status.WARN, ["spf_type99"])
    result, _server = spf(names={"kunde.test": {"SPF": ["v=spf1 mx -all"]}})
    assert codes(result) == ["spf_missing", "spf_type99"]
    assert values(result, "spf_missing") == [("add", "v=spf1 mx include:_spf.host.test -all")]


def test_a_failed_lookup_of_the_obsolete_type_is_nothing():
    assert found(GOOD, rules=[{"name": "kunde.test", "type": "SPF", "action": "servfail"}]) == []


# -- spf_multiple


def test_two_records_become_one_and_a_removal():
    """Case 53."""
    result, _server = spf(GOOD, "v=spf1 mx -all")
    assert codes(result) == ["spf_multiple"]
    assert values(result, "spf_multiple") == [
        ("replace", "v=spf1 include:_spf.host.test mx -all"),
        ("remove", "v=spf1 mx -all"),
    ]


def test_the_order_of_the_answer_does_not_change_the_fix():
    fixes = [
        values(spf(*records)[0], "spf_multiple")
        for records in ((GOOD, "v=spf1 mx -all"), ("v=spf1 mx -all", GOOD))
    ]
    assert fixes[0] == fixes[1]


def test_two_records_at_an_included_name_are_named():
    result, _server = spf(
        "v=spf1 include:two.test include:_spf.host.test -all",
        names={"two.test": {"TXT": ["v=spf1 -all", "v=spf1 ~all"]}},
    )
    assert codes(result) == ["spf_multiple"]
    assert "two.test" in result.message
    assert finding(result, "spf_multiple").fix is None


# -- spf_syntax


@pytest.mark.parametrize(
    "term",
    [
        "a:192.0.2.10",
        "ip4:192.0.2.0/33",
        "ip4:192.0.2.256",
        "mx;",
        "ipv4:192.0.2.10",
        "exists:%{i.test",
    ],
)
def test_a_syntax_error_names_the_term_and_its_place(term):
    """Case 57."""
    result, _server = spf(f"v=spf1 include:_spf.host.test {term} -all")
    assert codes(result) == ["spf_syntax"]
    assert f"term 2, “{term}” (character 31)" in result.message
    assert values(result, "spf_syntax")[0][0] == "replace"


def test_a_fix_of_a_broken_record_authorises_the_tenant_too():
    result, _server = spf("v=spf1 ipv4:192.0.2.10 -all")
    assert values(result, "spf_syntax") == [
        ("replace", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all")
    ]


def test_a_syntax_error_of_an_include_is_found_behind_the_match_and_is_not_ours_to_fix():
    result, _server = spf(
        "v=spf1 include:_spf.host.test include:i.test -all",
        names={"i.test": {"TXT": ["v=spf1 moo -all"]}},
    )
    assert codes(result) == ["spf_syntax"]
    assert "i.test" in result.message and finding(result, "spf_syntax").fix is None


@pytest.mark.parametrize(
    "raw",
    [
        "763d73706631206d7800202d616c6c",
        "763d73706631206d7809202d616c6c",
        "763d73706631206d780a2d616c6c",
        "763d73706631206d78c3282d616c6c",
    ],
)
def test_bytes_that_do_not_belong_are_a_syntax_error_and_shown(raw):
    """Case 55."""
    result, _server = spf({"hex": raw})
    assert codes(result) == ["spf_syntax"]
    assert "\\x" in result.evidence["record"][0]
    fix = finding(result, "spf_syntax").fix
    assert (fix is None) == (
        raw.startswith(("763d73706631206d7800", "763d73706631206d78c3"))
    )  # a tab can only have been a blank


def test_strings_are_joined_without_a_space():
    """Case 52."""
    assert found(["v=spf1 ip4:203.0.11", "3.25 ip6:2001:db8::25 -all"]) == []
    assert found(["v=spf1 ip4:203.0.113.25", "ip6:2001:db8::25 -all"]) == ["spf_syntax"]


def test_bytes_beside_the_record_do_no_harm():
    """Case 31."""
    result, _server = spf({"hex": "ff00fe"}, GOOD)
    assert result.status == Status.OK


# -- faults


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("servfail", "dns_servfail"),
        ("refused", "dns_refused"),
        ("garbage", "dns_bad_response"),
        ("tc_loop", "dns_bad_response"),
    ],
)
def test_a_failed_lookup_of_the_record_is_unknown(action, code):
    """Cases 15 to 25."""
    result, _server = spf(
        GOOD,
        rules=[{"name": "kunde.test", "type": "TXT", "action": action}],
        config_changes={"check_seconds": 3},
    )
    assert (result.status, codes(result)) == (Status.UNKNOWN, [code])


def test_a_silent_server_is_unknown_after_two_tries():
    """Case 18."""
    result, server = spf(
        GOOD, rules=[{"name": "kunde.test", "action": "drop"}], config_changes={"check_seconds": 3}
    )
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_timeout"])
    assert len([q for q in server.queries if "TXT" in str(q)]) == 2


def test_a_dead_include_before_the_match_is_unknown_with_its_code():
    """Case 61."""
    rules = [{"name": "dead.test", "action": "servfail"}]
    result, _server = spf("v=spf1 include:dead.test include:_spf.host.test -all", rules=rules)
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_servfail"])
    assert "SERVFAIL" in result.message and "dead.test" in result.message


def test_a_dead_include_behind_the_match_changes_nothing():
    """Case 61."""
    rules = [{"name": "dead.test", "action": "servfail"}]
    result, _server = spf("v=spf1 include:_spf.host.test include:dead.test -all", rules=rules)
    assert (result.status, codes(result)) == (Status.OK, [])
    assert result.evidence["dns_lookups"] == {"count": 2, "limit": 10, "complete": False}
    assert "dns_servfail" in str(result.evidence["tree"])


def test_a_slow_tree_behind_the_match_is_cut_in_time():
    names = {f"slow{i}.test": {"TXT": [f"v=spf1 include:slow{i + 1}.test -all"]} for i in range(8)}
    rules = [{"name": f"slow{i}.test", "delay": 0.6} for i in range(8)]
    result, _server = spf(
        "v=spf1 include:_spf.host.test include:slow0.test -all",
        names=names,
        rules=rules,
        config_changes={"check_seconds": 4},
    )
    assert (result.status, codes(result)) == (Status.OK, [])
    assert result.evidence["dns_lookups"]["complete"] is False


def test_what_is_certain_is_said_beside_what_is_unknown():
    rules = [{"name": "dead.test", "action": "servfail"}]
    result, _server = spf("v=spf1 include:dead.test include:_spf.host.test +all", rules=rules)
    assert (result.status, codes(result)) == (Status.FAIL, ["spf_all_pass", "dns_servfail"])


def test_a_long_record_is_read_whole():
    """Case 32."""
    record = (
        "v=spf1 "
        + " ".join(f"ip4:198.51.100.{i % 250}" for i in range(250))
        + " include:_spf.host.test -all"
    )
    result, _server = spf(record)
    assert codes(result) == ["spf_record_long"]


def test_a_record_of_60000_bytes_is_evaluated_in_time():
    """Case 33."""
    record = (
        "v=spf1 "
        + " ".join(f"ip4:198.51.{i // 250}.{i % 250}" for i in range(3300))
        + " include:_spf.host.test -all"
    )
    result, _server = spf(record)
    assert codes(result) == ["spf_record_long"]
    assert result.duration_ms < 5000
    assert "cut" in result.evidence["record"][0]


def test_a_server_that_never_answers_the_obsolete_type_does_not_hold_the_verdict_up():
    rules = [{"name": "kunde.test", "type": "SPF", "action": "drop"}]
    result, _server = spf(GOOD, rules=rules, config_changes={"check_seconds": 3})
    assert (result.status, codes(result)) == (Status.OK, [])
