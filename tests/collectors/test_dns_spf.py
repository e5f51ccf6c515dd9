"""The check dns_spf over a real DNS server: every finding, and its absence."""

import pytest

from collectors.base import Status

from .lab import codes, look, target

HOST = {"_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]}}
FAR = {f"h{i}.test": {"A": ["198.51.100.1"], "AAAA": ["2001:db8:ffff::1"]} for i in range(12)}
GOOD = "v=spf1 include:_spf.host.test -all"


def spf(*records, names=None, rules=None, config_changes=None, **changes):
    """(result, server) of dns_spf for kunde.test with these TXT records."""
    zone = {"names": {**HOST, **FAR, "kunde.test": {"TXT": list(records)}, **(names or {})}, "rules": rules or []}
    if not records:
        zone["names"]["kunde.test"] = (names or {}).get("kunde.test", {"MX": [[10, "mx1.host.test"]]})
    return look("dns_spf", zone, target(**changes), config_changes=config_changes)


def found(*records, **changes):
    return codes(spf(*records, **changes)[0])


def finding(result, code):
    return next(f for f in result.findings if f.code == code)


def values(result, code):
    """The (action, value) pairs of a finding's fix."""
    fix = finding(result, code).fix
    return [(str(r.action), r.value) for r in fix.records] if fix else None


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
    assert [(row["depth"], row.get("term", row["domain"]), row["lookups"]) for row in evidence["tree"]] == [
        (0, "kunde.test", 2),
        (1, "a:h0.test", 1),
        (1, "include:_spf.host.test", 1),
        (2, "_spf.host.test", 0),
    ]
    assert [(a["ip"], a["result"], a["path"]) for a in evidence["addresses"]] == [
        ("203.0.113.25", "pass", ["kunde.test: include:_spf.host.test", "_spf.host.test: ip4:203.0.113.25"]),
        ("2001:db8::25", "pass", ["kunde.test: include:_spf.host.test", "_spf.host.test: ip6:2001:db8::25"]),
    ]
    assert len(server.queries) == 5  # TXT and type 99 of the domain, the include, A and AAAA


def test_lookups_are_shared_by_the_addresses():
    _result, server = spf(GOOD, sending_ips=("203.0.113.25", "::ffff:203.0.113.25", "203.0.113.26", "203.0.113.27", "2001:db8::25"))
    assert len(server.queries) == 3


def test_without_sending_addresses_the_record_is_still_judged():
    result, _server = spf(GOOD, sending_ips=())
    assert (result.status, codes(result)) == (Status.OK, [])
    assert "192.0.2.1" in result.evidence["note"]
    assert found("v=spf1 mx moo -all", sending_ips=()) == ["spf_syntax"]
    assert found("v=spf1 -all", sending_ips=()) == []


# -- spf_missing, spf_misplaced, spf_type99


@pytest.mark.parametrize(
    ("names", "seen"), [({"kunde.test": {"TXT": ["other"]}}, "NOERROR"), ({"kunde.test": {"MX": [[10, "m.test"]]}}, "NODATA")]
)
def test_case_14_a_domain_without_record_is_missing_one(names, seen):
    result, _server = spf(names=names)
    assert codes(result) == ["spf_missing"]
    assert result.evidence["result"] == seen
    fix = finding(result, "spf_missing").fix
    assert [r.to_dict() for r in fix.records] == [
        {"type": "TXT", "name": "kunde.test", "value": "v=spf1 include:_spf.host.test ~all", "action": "add", "current": None}
    ]


def test_case_13_a_domain_that_does_not_exist_is_told_apart():
    result, _server = look("dns_spf", {"names": HOST}, target())
    assert codes(result) == ["spf_missing"]
    assert result.evidence["result"] == "NXDOMAIN"
    assert "NXDOMAIN" in result.message


def test_without_an_include_the_fix_names_the_addresses():
    result, _server = spf(names={"kunde.test": {"TXT": ["other"]}}, spf_include="")
    assert values(result, "spf_missing") == [("add", "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 ~all")]
    result, _server = spf(names={"kunde.test": {"TXT": ["other"]}}, spf_include="", sending_ips=())
    assert values(result, "spf_missing") == []


@pytest.mark.parametrize("place", ["kunde.test.kunde.test", "_spf.kunde.test", "spf.kunde.test"])
def test_a_record_in_a_usual_wrong_place_is_found(place):
    result, _server = spf(names={"kunde.test": {"TXT": ["other"]}, place: {"TXT": ["v=spf1 mx -all"]}})
    assert codes(result) == ["spf_missing", "spf_misplaced"]
    assert place in finding(result, "spf_misplaced").message
    wanted = [("add", "v=spf1 mx include:_spf.host.test -all")]
    assert values(result, "spf_misplaced") == wanted + ([("remove", "v=spf1 mx -all")] if place.startswith("kunde") else [])


def test_wrong_places_are_not_looked_at_while_there_is_a_record():
    _result, server = spf(GOOD, names={"kunde.test.kunde.test": {"TXT": ["v=spf1 -all"]}})
    assert not [q for q in server.queries if "kunde.test.kunde.test" in str(q)]


def test_a_wrong_place_that_cannot_be_looked_up_is_no_finding():
    assert found(names={"kunde.test": {"TXT": ["other"]}}, rules=[{"name": "_spf.kunde.test", "action": "servfail"}]) == ["spf_missing"]


@pytest.mark.parametrize("text", ['"v=spf1 mx -all"', " v=spf1 mx -all", "spf1 mx -all", "\xef\xbb\xbfv=spf1 mx -all"])
def test_a_text_that_is_almost_a_record_is_replaced(text):
    result, _server = spf(text)
    assert codes(result) == ["spf_missing"]
    (record,) = finding(result, "spf_missing").fix.records
    assert (str(record.action), record.value) == ("replace", "v=spf1 mx include:_spf.host.test -all")
    assert "mx -all" in record.current and "mx -all" in result.message


def test_case_54_another_version_is_no_record():
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


def test_case_53_two_records_become_one_and_a_removal():
    result, _server = spf(GOOD, "v=spf1 mx -all")
    assert codes(result) == ["spf_multiple"]
    assert values(result, "spf_multiple") == [("replace", "v=spf1 include:_spf.host.test mx -all"), ("remove", "v=spf1 mx -all")]


def test_two_records_at_an_included_name_are_named():
    result, _server = spf(
        "v=spf1 include:two.test include:_spf.host.test -all", names={"two.test": {"TXT": ["v=spf1 -all", "v=spf1 ~all"]}}
    )
    assert codes(result) == ["spf_multiple"]
    assert "two.test" in result.message
    assert finding(result, "spf_multiple").fix is None


# -- spf_syntax


@pytest.mark.parametrize("term", ["a:192.0.2.10", "ip4:192.0.2.0/33", "ip4:192.0.2.256", "mx;", "ipv4:192.0.2.10", "exists:%{i.test"])
def test_case_57_a_syntax_error_names_the_term_and_its_place(term):
    result, _server = spf(f"v=spf1 include:_spf.host.test {term} -all")
    assert codes(result) == ["spf_syntax"]
    assert f"term 2, “{term}” (character 31)" in result.message
    assert values(result, "spf_syntax")[0][0] == "replace"


def test_a_fix_of_a_broken_record_authorises_the_tenant_too():
    result, _server = spf("v=spf1 ipv4:192.0.2.10 -all")
    assert values(result, "spf_syntax") == [("replace", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all")]


def test_a_syntax_error_of_an_include_is_found_behind_the_match_and_is_not_ours_to_fix():
    result, _server = spf("v=spf1 include:_spf.host.test include:i.test -all", names={"i.test": {"TXT": ["v=spf1 moo -all"]}})
    assert codes(result) == ["spf_syntax"]
    assert "i.test" in result.message and finding(result, "spf_syntax").fix is None


@pytest.mark.parametrize(
    "raw",
    ["763d73706631206d7800202d616c6c", "763d73706631206d7809202d616c6c", "763d73706631206d780a2d616c6c", "763d73706631206d78c3282d616c6c"],
)
def test_case_55_bytes_that_do_not_belong_are_a_syntax_error_and_shown(raw):
    result, _server = spf({"hex": raw})
    assert codes(result) == ["spf_syntax"]
    assert "\\x" in result.evidence["record"][0]
    assert finding(result, "spf_syntax").fix is None


def test_case_52_strings_are_joined_without_a_space():
    assert found(["v=spf1 ip4:203.0.11", "3.25 ip6:2001:db8::25 -all"]) == []
    assert found(["v=spf1 ip4:203.0.113.25", "ip6:2001:db8::25 -all"]) == ["spf_syntax"]


def test_case_31_bytes_beside_the_record_do_no_harm():
    result, _server = spf({"hex": "ff00fe"}, GOOD)
    assert result.status == Status.OK


# -- limits


def test_case_48_the_lookups_are_counted_for_the_whole_record():
    def chain(count):
        return spf("v=spf1 include:_spf.host.test " + " ".join(f"a:h{i}.test" for i in range(count - 1)) + " -all")[0]

    assert codes(chain(8)) == []
    assert [codes(chain(n)) for n in (9, 10)] == [["spf_lookups_near_limit"]] * 2
    assert chain(10).status == Status.WARN and "10 (limit 10)" in chain(10).message
    assert codes(chain(11)) == ["spf_too_many_lookups"] and chain(11).status == Status.FAIL
    assert "11 (limit 10)" in chain(11).message
    assert [a["result"] for a in chain(11).evidence["addresses"]] == ["pass", "pass"]  # ours match early; others do not


def test_too_many_lookups_before_the_match_name_the_whole_count():
    result, _server = spf(
        "v=spf1 include:c1.test include:c2.test include:_spf.host.test -all",
        names={
            "c1.test": {"TXT": ["v=spf1 " + " ".join(f"a:h{i}.test" for i in range(4)) + " -all"]},
            "c2.test": {"TXT": ["v=spf1 " + " ".join(f"a:h{i}.test" for i in range(5)) + " -all"]},
        },
    )
    assert codes(result) == ["spf_too_many_lookups"]
    assert "12 (limit 10)" in result.message


def test_terms_that_evaluation_never_reaches_do_not_count():
    result, _server = spf("v=spf1 include:_spf.host.test -all " + " ".join(f"a:h{i}.test" for i in range(11)))
    assert codes(result) == ["spf_terms_after_all"]
    assert result.evidence["dns_lookups"]["count"] == 1


def test_case_45_an_include_that_comes_twice_counts_twice_and_is_no_loop():
    names = {"i.test": {"TXT": ["v=spf1 include:j.test -all"]}, "j.test": {"TXT": ["v=spf1 a:h1.test -all"]}}
    result, _server = spf("v=spf1 include:i.test include:j.test include:_spf.host.test -all", names=names)
    assert codes(result) == []
    assert result.evidence["dns_lookups"]["count"] == 6


def test_case_51_three_void_lookups_are_too_many_and_two_are_not():
    assert found("v=spf1 a:gone1.test a:gone2.test include:_spf.host.test -all") == []
    result, _server = spf("v=spf1 a:gone1.test mx a:gone2.test a:gone3.test include:_spf.host.test -all")
    assert codes(result) == ["spf_too_many_void_lookups", "spf_too_many_void_lookups"]
    assert "gone1.test, kunde.test, gone2.test" in result.message
    assert values(result, "spf_too_many_void_lookups") == [("replace", "v=spf1 a:gone3.test include:_spf.host.test -all")]


def test_a_name_with_addresses_of_one_family_is_not_thrown_out():
    only4 = {f"v{i}.test": {"A": ["198.51.100.1"]} for i in range(3)}
    result, _server = spf("v=spf1 a:v0.test a:v1.test a:v2.test include:_spf.host.test -all", names=only4)
    assert codes(result) == ["spf_too_many_void_lookups"]
    assert finding(result, "spf_too_many_void_lookups").fix is None
    assert "2001:db8::25" in result.message


@pytest.mark.parametrize(("count", "wanted"), [(10, []), (11, ["spf_too_many_mx"]), (200, ["spf_too_many_mx"])])
def test_case_49_more_than_ten_exchanges_are_an_error(count, wanted):
    names = {"many.test": {"MX": [[i, f"h{i % 10}.test"] for i in range(count)]}}
    assert found("v=spf1 mx:many.test include:_spf.host.test -all", names=names) == wanted


def test_case_50_a_thousand_pointers_cost_few_queries():
    names = {"25.113.0.203.in-addr.arpa": {"PTR": [f"n{i}.kunde.test" for i in range(1000)]}}
    result, server = spf("v=spf1 ptr include:_spf.host.test -all", names=names, sending_ips=("203.0.113.25",))
    assert codes(result) == ["spf_ptr"]
    assert len(server.queries) <= 16


# -- bounds against hostile zones


LOOPS = {
    "itself": ("v=spf1 include:kunde.test -all", {}),
    "macro": ("v=spf1 include:%{d} -all", {}),
    "redirect": ("v=spf1 redirect=kunde.test", {}),
    "ring": ("v=spf1 include:i.test -all", {"i.test": {"TXT": ["v=spf1 include:kunde.test -all"]}}),
    "redirect ring": ("v=spf1 redirect=i.test", {"i.test": {"TXT": ["v=spf1 redirect=kunde.test"]}}),
    "inner": ("v=spf1 include:i.test -all", {"i.test": {"TXT": ["v=spf1 include:i.test -all"]}}),
}


@pytest.mark.parametrize("name", LOOPS)
def test_case_44_loops_are_found(name):
    record, names = LOOPS[name]
    result, server = spf(record, names=names)
    assert codes(result) == ["spf_loop"]
    assert len(server.queries) <= 5


def test_a_loop_behind_the_match_is_found_and_taken_out():
    result, _server = spf("v=spf1 include:_spf.host.test include:kunde.test -all")
    assert codes(result) == ["spf_loop"]
    assert values(result, "spf_loop") == [("replace", GOOD)]


def test_case_46_an_endless_chain_ends():
    names = {"x." * n + "kunde.test": {"TXT": ["v=spf1 include:x.%{d} -all"]} for n in range(1, 60)}
    result, server = spf("v=spf1 include:x.%{d} -all", names=names)
    assert codes(result) == ["spf_too_many_lookups"]
    assert "at least 17" in result.message
    assert len(server.queries) <= 40


def test_case_47_fan_out_is_bounded():
    names = {f"m{i}.test": {"MX": [[j, f"x{i}-{j}.test"] for j in range(10)]} for i in range(10)}
    names |= {f"x{i}-{j}.test": {"A": ["198.51.100.1"]} for i in range(10) for j in range(10)}
    result, server = spf("v=spf1 " + " ".join(f"mx:m{i}.test" for i in range(10)) + " -all", names=names)
    assert result.status == Status.FAIL and "spf_too_many_queries" in codes(result)
    assert len(server.queries) <= 40
    names = {f"i{i}.test": {"TXT": ["v=spf1 " + " ".join(f"include:j{i}-{j}.test" for j in range(10)) + " -all"]} for i in range(10)}
    names |= {f"j{i}-{j}.test": {"TXT": ["v=spf1 -all"]} for i in range(10) for j in range(10)}
    result, server = spf("v=spf1 " + " ".join(f"include:i{i}.test" for i in range(10)) + " -all", names=names)
    assert codes(result) == ["spf_too_many_lookups"]
    assert len(server.queries) <= 40


def test_a_tree_that_doubles_at_every_level_is_bounded():
    names = {f"t{i}.test": {"TXT": ["v=spf1 " + f"include:t{i + 1}.test " * 20 + "-all"]} for i in range(14)}
    result, server = spf("v=spf1 include:t0.test -all", names=names)
    assert result.status == Status.FAIL
    assert result.duration_ms < 3000 and len(server.queries) <= 40


@pytest.mark.parametrize(
    "term", ["exists:%{d" + "9" * 300 + "}.test", "exists:" + "%{s}" * 24 + ".test", "include:" + "%{s}" * 24 + ".test"]
)
def test_case_58_hostile_macros_do_no_harm(term):
    result, _server = spf(f"v=spf1 {term} include:_spf.host.test -all")
    assert result.status in (Status.OK, Status.FAIL) and result.duration_ms < 3000


# -- includes and redirects that lead nowhere


@pytest.mark.parametrize(
    "record", ["v=spf1 include:gone.test include:_spf.host.test -all", "v=spf1 include:_spf.host.test include:gone.test -all"]
)
def test_an_include_without_record_is_found_before_and_behind_the_match(record):
    result, _server = spf(record)
    assert codes(result) == ["spf_include_missing"]
    assert "gone.test" in result.message
    assert values(result, "spf_include_missing") == [("replace", GOOD)]


def test_a_redirect_without_record_is_found():
    result, _server = spf("v=spf1 redirect=h0.test")
    assert codes(result) == ["spf_include_missing"]
    assert values(result, "spf_include_missing") == [("replace", "v=spf1 include:_spf.host.test ~all")]


def test_the_hosts_own_include_is_the_hosts_to_publish():
    result, _server = spf(GOOD, names={"_spf.host.test": {"TXT": ["other"]}})
    assert codes(result) == ["spf_include_missing"]
    assert (finding(result, "spf_include_missing").owner, finding(result, "spf_include_missing").fix) == ("host", None)


def test_an_include_that_depends_on_the_address_is_judged_for_ours_only():
    record = "v=spf1 include:_spf.host.test include:%{i}.x.test -all"
    assert found(record) == []


# -- the end of the record


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v=spf1 include:_spf.host.test +all", GOOD.replace("-", "~")),
        ("v=spf1 include:_spf.host.test all", GOOD.replace("-", "~")),
        ("v=spf1 ip4:0.0.0.0/0 include:_spf.host.test -all", GOOD),
        ("v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 include:_spf.host.test -all", GOOD),
        ("v=spf1 ip6:::/0 include:_spf.host.test -all", GOOD),
        ("v=spf1 a:h0.test/0 include:_spf.host.test -all", GOOD),
    ],
)
def test_case_56_a_record_that_lets_everyone_send_is_a_failure(record, wanted):
    result, _server = spf(record)
    assert "spf_all_pass" in codes(result) and set(codes(result)) <= {"spf_all_pass", "spf_sender_not_authorised"}
    assert values(result, "spf_all_pass") == [("replace", wanted)]


def test_everyone_may_send_through_an_include_too():
    names = {"i.test": {"TXT": ["v=spf1 +all"]}, "half1.test": {"TXT": ["v=spf1 ip4:0.0.0.0/1 -all"]}}
    result, _server = spf("v=spf1 include:_spf.host.test include:i.test -all", names=names)
    assert codes(result) == ["spf_all_pass"] and "i.test" in result.message
    assert found("v=spf1 include:_spf.host.test include:half1.test ip4:128.0.0.0/1 -all", names=names) == ["spf_all_pass"]
    assert found("v=spf1 redirect=i.test", names=names) == ["spf_all_pass"]


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 include:_spf.host.test ?include:i.test -all",
        "v=spf1 include:_spf.host.test ?ip4:0.0.0.0/0 -all",
        "v=spf1 include:_spf.host.test ip4:0.0.0.0/1 ip4:128.0.0.0/2 -all",
        "v=spf1 include:_spf.host.test ~all +all",
    ],
)
def test_what_does_not_let_everyone_send_is_not_called_that(record):
    assert "spf_all_pass" not in found(record, names={"i.test": {"TXT": ["v=spf1 +all"]}})


def test_a_neutral_end_is_a_warning():
    result, _server = spf("v=spf1 include:_spf.host.test ?all")
    assert (result.status, codes(result)) == (Status.WARN, ["spf_all_neutral"])
    assert values(result, "spf_all_neutral") == [("replace", "v=spf1 include:_spf.host.test ~all")]


def test_a_missing_end_is_a_warning():
    result, _server = spf("v=spf1 include:_spf.host.test")
    assert (result.status, codes(result)) == (Status.WARN, ["spf_all_missing"])
    assert values(result, "spf_all_missing") == [("replace", "v=spf1 include:_spf.host.test ~all")]


def test_the_end_of_a_redirect_is_the_end():
    names = {"r.test": {"TXT": ["v=spf1 include:_spf.host.test ?all"]}, "q.test": {"TXT": ["v=spf1 include:_spf.host.test"]}}
    result, _server = spf("v=spf1 redirect=r.test", names=names)
    assert codes(result) == ["spf_all_neutral"] and "r.test" in result.message
    assert found("v=spf1 redirect=q.test", names=names) == ["spf_all_missing"]


# -- style


def test_reverse_lookups_are_a_warning():
    assert found("v=spf1 include:_spf.host.test ptr -all") == ["spf_ptr"]
    assert found("v=spf1 include:_spf.host.test exists:%{p}.x.test -all") == ["spf_ptr"]
    assert found("v=spf1 include:_spf.host.test ?include:i.test -all", names={"i.test": {"TXT": ["v=spf1 ptr -all"]}}) == []


def test_terms_behind_all_are_a_warning_and_are_moved():
    result, _server = spf("v=spf1 include:_spf.host.test -all a:h0.test")
    assert (result.status, codes(result)) == (Status.WARN, ["spf_terms_after_all"])
    assert values(result, "spf_terms_after_all") == [("replace", "v=spf1 include:_spf.host.test a:h0.test -all")]
    assert found("v=spf1 redirect=h0.test include:_spf.host.test -all") == ["spf_terms_after_all"]
    assert found("v=spf1 include:_spf.host.test -all exp=e.test foo=bar") == []


def test_a_record_over_450_bytes_is_a_warning():
    def record(size):
        start = "v=spf1 include:_spf.host.test ip4:192.0.2.1"
        return start + " " * (size - len(start) - 5) + " -all"

    assert len(record(450)) == 450
    assert found(record(450)) == []
    assert found(record(451)) == ["spf_record_long"]


# -- the tenant's addresses


def test_case_60_an_address_that_is_not_covered_is_named_with_the_term_that_decided():
    result, _server = spf("v=spf1 ip4:203.0.113.25 -all")
    assert codes(result) == ["spf_sender_not_authorised"]
    assert "2001:db8::25" in result.message and "fail" in result.message and "“-all” of kunde.test" in result.message
    assert values(result, "spf_sender_not_authorised") == [("replace", "v=spf1 ip4:203.0.113.25 include:_spf.host.test -all")]


def test_one_finding_for_each_address():
    result, _server = spf("v=spf1 include:o.test ~all", names={"o.test": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]}})
    assert codes(result) == ["spf_sender_not_authorised"] * 2
    assert values(result, "spf_sender_not_authorised") == [("replace", "v=spf1 include:o.test include:_spf.host.test ~all")]


def test_without_an_include_only_the_missing_addresses_are_added():
    result, _server = spf("v=spf1 ip4:203.0.113.25 -all", spf_include="")
    assert values(result, "spf_sender_not_authorised") == [("replace", "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all")]


def test_a_term_that_decides_against_us_comes_behind_ours():
    result, _server = spf("v=spf1 mx:h1.test -ip4:203.0.113.0/24 include:_spf.host.test -all")
    assert set(codes(result)) == {"spf_sender_not_authorised"}
    assert values(result, "spf_sender_not_authorised") == [("replace", "v=spf1 mx:h1.test include:_spf.host.test -ip4:203.0.113.0/24 -all")]


def test_an_include_of_the_host_that_does_not_list_the_address_is_the_hosts_to_correct():
    result, _server = spf(GOOD, sending_ips=("203.0.113.99",))
    bad = finding(result, "spf_sender_not_authorised")
    assert (bad.owner, bad.fix) == ("host", None)
    assert "_spf.host.test" in bad.message


def test_case_59_a_mapped_sending_address_is_the_ipv4_one():
    assert found(GOOD, sending_ips=("::ffff:203.0.113.25",)) == []


def test_the_fix_warns_where_it_would_need_too_many_lookups():
    record = "v=spf1 " + " ".join(f"a:h{i}.test" for i in range(10)) + " -all"
    result, _server = spf(record)
    assert "needs DNS lookups: 11 (limit 10)" in finding(result, "spf_sender_not_authorised").fix.text


# -- faults


@pytest.mark.parametrize(
    ("action", "code"),
    [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("garbage", "dns_bad_response"), ("tc_loop", "dns_bad_response")],
)
def test_cases_15_to_25_a_failed_lookup_of_the_record_is_unknown(action, code):
    result, _server = spf(GOOD, rules=[{"name": "kunde.test", "type": "TXT", "action": action}], config_changes={"check_seconds": 3})
    assert (result.status, codes(result)) == (Status.UNKNOWN, [code])


def test_case_18_a_silent_server_is_unknown_after_two_tries():
    result, server = spf(GOOD, rules=[{"name": "kunde.test", "action": "drop"}], config_changes={"check_seconds": 3})
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_timeout"])
    assert len([q for q in server.queries if "TXT" in str(q)]) == 2


def test_case_61_a_dead_include_before_the_match_is_unknown_with_its_code():
    rules = [{"name": "dead.test", "action": "servfail"}]
    result, _server = spf("v=spf1 include:dead.test include:_spf.host.test -all", rules=rules)
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_servfail"])
    assert "dead.test" in result.message


def test_case_61_a_dead_include_behind_the_match_changes_nothing():
    rules = [{"name": "dead.test", "action": "servfail"}]
    result, _server = spf("v=spf1 include:_spf.host.test include:dead.test -all", rules=rules)
    assert (result.status, codes(result)) == (Status.OK, [])
    assert result.evidence["dns_lookups"] == {"count": 2, "limit": 10, "complete": False}
    assert "dns_servfail" in str(result.evidence["tree"])


def test_a_silent_include_behind_the_match_changes_nothing_in_time():
    rules = [{"name": "dead.test", "action": "drop"}]
    result, _server = spf("v=spf1 include:_spf.host.test include:dead.test -all", rules=rules, config_changes={"check_seconds": 1.2})
    assert (result.status, codes(result)) == (Status.OK, [])
    assert result.evidence["dns_lookups"]["complete"] is False


def test_what_is_certain_is_said_beside_what_is_unknown():
    rules = [{"name": "dead.test", "action": "servfail"}]
    result, _server = spf("v=spf1 include:dead.test include:_spf.host.test +all", rules=rules)
    assert (result.status, codes(result)) == (Status.FAIL, ["spf_all_pass", "dns_servfail"])


def test_case_32_a_long_record_is_read_whole():
    record = "v=spf1 " + " ".join(f"ip4:198.51.100.{i % 250}" for i in range(250)) + " include:_spf.host.test -all"
    result, _server = spf(record)
    assert codes(result) == ["spf_record_long"]


def test_case_33_a_record_of_60000_bytes_is_evaluated_in_time():
    record = "v=spf1 " + " ".join(f"ip4:198.51.{i // 250}.{i % 250}" for i in range(3300)) + " include:_spf.host.test -all"
    result, _server = spf(record)
    assert codes(result) == ["spf_record_long"]
    assert result.duration_ms < 5000
    assert "cut" in result.evidence["record"][0]
