"""check_host(): the grammar, and what each mechanism matches (RFC 7208, sections 4.6, 5 and 12).

https://www.rfc-editor.org/rfc/rfc7208
"""

import pytest

from tests.collectors.spf_resolver import HOSTS, LABEL63, check, result_of, txt

# -- 4.6 Record evaluation

SYNTAX = """
v=spf1 ip4:192.0.2.10 -all moo|unknown_mechanism|moo
v=spf1 ip4:192.0.2.10 -all ip4:300.1.1.1|bad_address|ip4:300.1.1.1
v=spf1 moo.cow/far_out=man:dog/cat -all|unknown_mechanism|moo.cow/far_out=man:dog/cat
v=spf1 moo.cow:far_out=man:dog/cat -all|unknown_mechanism|moo.cow:far_out=man:dog/cat
v=spf1 ?redirect=a.test|bad_term|?redirect=a.test
v=spf1 +exp=a.test|bad_term|+exp=a.test
v=spf1 =all|bad_term|=all
v=spf1 ip4:192.0.2.10 =x|bad_term|=x
v=spf1 1a=x|bad_term|1a=x
v=spf1 --all|bad_term|--all
v=spf1 - all|bad_term|-
v=spf1 -all.|unknown_mechanism|-all.
v=spf1 -all:foobar|argument_unexpected|-all:foobar
v=spf1 -all/8|argument_unexpected|-all/8
v=spf1 -all; |bad_term|-all;
v=spf1 -all,|bad_term|-all,
v=spf1 include -all|argument_missing|include
v=spf1 include: -all|argument_missing|include:
v=spf1 include:a.test/24 -all|bad_domain|include:a.test/24
v=spf1 include/24 -all|argument_unexpected|include/24
v=spf1 exists -all|argument_missing|exists
v=spf1 exists: -all|argument_missing|exists:
v=spf1 exists:a.test/24 -all|bad_domain|exists:a.test/24
v=spf1 ptr: -all|argument_missing|ptr:
v=spf1 ptr/0 -all|argument_unexpected|ptr/0
v=spf1 ptr:a.test/24 -all|bad_domain|ptr:a.test/24
v=spf1 a: -all|argument_missing|a:
v=spf1 a:/24 -all|argument_missing|a:/24
v=spf1 a/33 -all|bad_prefix_length|a/33
v=spf1 a/024 -all|bad_prefix_length|a/024
v=spf1 a/ -all|bad_prefix_length|a/
v=spf1 a/240 -all|bad_prefix_length|a/240
v=spf1 a//129 -all|bad_prefix_length|a//129
v=spf1 a/24/64 -all|bad_prefix_length|a/24/64
v=spf1 a:a.test//8/24 -all|bad_prefix_length|a:a.test//8/24
v=spf1 a:a.test/-1 -all|bad_domain|a:a.test/-1
v=spf1 mx/33 -all|bad_prefix_length|mx/33
v=spf1 mx//129 -all|bad_prefix_length|mx//129
v=spf1 mx: -all|argument_missing|mx:
v=spf1 a:foo-bar -all|bad_domain|a:foo-bar
v=spf1 a:museum -all|bad_domain|a:museum
v=spf1 a:museum. -all|bad_domain|a:museum.
v=spf1 a:a.test.. -all|bad_domain|a:a.test..
v=spf1 a:abc.123 -all|bad_domain|a:abc.123
v=spf1 a:192.0.2.10 -all|bad_domain|a:192.0.2.10
v=spf1 a:example.-com -all|bad_domain|a:example.-com
v=spf1 a:example.com- -all|bad_domain|a:example.com-
v=spf1 a:a.test:8080 -all|bad_domain|a:a.test:8080
v=spf1 mx:abc.123 -all|bad_domain|mx:abc.123
v=spf1 ip4 -all|argument_missing|ip4
v=spf1 ip4: -all|argument_missing|ip4:
v=spf1 ip4/24 -all|argument_missing|ip4/24
v=spf1 ip4:192.0.2.10/33 -all|bad_prefix_length|ip4:192.0.2.10/33
v=spf1 ip4:192.0.2.10/032 -all|bad_prefix_length|ip4:192.0.2.10/032
v=spf1 ip4:192.0.2.10/ -all|bad_prefix_length|ip4:192.0.2.10/
v=spf1 ip4:192.0.2.10//32 -all|bad_prefix_length|ip4:192.0.2.10//32
v=spf1 ip4:192.0.2.10:8080 -all|bad_address|ip4:192.0.2.10:8080
v=spf1 ip4:192.0.2 -all|bad_address|ip4:192.0.2
v=spf1 ip4:192.0.2.010 -all|bad_address|ip4:192.0.2.010
v=spf1 ip4:192.0.2.256 -all|bad_address|ip4:192.0.2.256
v=spf1 ip4:0x7f.0.0.1 -all|bad_address|ip4:0x7f.0.0.1
v=spf1 ip4:2001:db8::10 -all|bad_address|ip4:2001:db8::10
v=spf1 ip6 -all|argument_missing|ip6
v=spf1 ip6: -all|argument_missing|ip6:
v=spf1 ip6:192.0.2.10 -all|bad_address|ip6:192.0.2.10
v=spf1 ip6:::1.1.1.1/129 -all|bad_prefix_length|ip6:::1.1.1.1/129
v=spf1 ip6:::1.1.1.1//33 -all|bad_prefix_length|ip6:::1.1.1.1//33
v=spf1 ip6:CAFE::BABE::1 -all|bad_address|ip6:CAFE::BABE::1
v=spf1 ip6:fe80::1%25eth0 -all|bad_address|ip6:fe80::1%25eth0
v=spf1 ip6:[2001:db8::1] -all|bad_address|ip6:[2001:db8::1]
v=spf1 ipv4:192.0.2.10 -all|unknown_mechanism|ipv4:192.0.2.10
v=spf1 redirect -all|unknown_mechanism|redirect
v=spf1 redirect:a.test -all|unknown_mechanism|redirect:a.test
v=spf1 redirect= |argument_missing|redirect=
v=spf1 redirect=a.test redirect=a.test|duplicate_modifier|redirect=a.test
v=spf1 redirect=-all|bad_domain|redirect=-all
v=spf1 -all exp=|argument_missing|exp=
v=spf1 -all exp=-all|bad_domain|exp=-all
v=spf1 exp=a.test -all exp=b.test|duplicate_modifier|exp=b.test
v=spf1 -all exp=%{r}.a.test|bad_macro|exp=%{r}.a.test
v=spf1 ip4:192.0.2.10 foo=%abc|bad_macro|foo=%abc
v=spf1 ip4:192.0.2.10 foo=%|bad_macro|foo=%
v=spf1 exists:%(ir).sbl.test ?all|bad_macro|exists:%(ir).sbl.test
v=spf1 exists:foo%(ir).sbl.test ?all|bad_macro|exists:foo%(ir).sbl.test
v=spf1 exists:foo%.sbl.test ?all|bad_macro|exists:foo%.sbl.test
v=spf1 exists:%{i.test ?all|bad_macro|exists:%{i.test
v=spf1 exists:%{}.test ?all|bad_macro|exists:%{}.test
v=spf1 exists:%{x}.test ?all|bad_macro|exists:%{x}.test
v=spf1 exists:%{c}.test ?all|bad_macro|exists:%{c}.test
v=spf1 exists:%{t}.test ?all|bad_macro|exists:%{t}.test
v=spf1 exists:%{d0}.test ?all|bad_macro|exists:%{d0}.test
v=spf1 exists:%{dr2}.test ?all|bad_macro|exists:%{dr2}.test
v=spf1 exists:%{d*}.test ?all|bad_macro|exists:%{d*}.test
v=spf1 exists:%{d}test ?all|bad_domain|exists:%{d}test
v=spf1 exists:%{d}. ?all|bad_domain|exists:%{d}.
"""


@pytest.mark.parametrize("line", SYNTAX.strip().splitlines())
def test_a_syntax_error_anywhere_is_a_permerror_before_anything_is_looked_up(line):
    record, why, term = line.rsplit("|", 2)
    answer = check(record)
    assert (answer.result, answer.reason, answer.syntax.why, answer.term) == (
        "permerror",
        "syntax",
        why,
        term,
    )
    assert record[answer.offset :].startswith(term)
    assert record.split()[answer.index] == term
    assert answer.queries == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"v=spf1 a:\xef\xbb\xbfgarbage.test -all",
        b"v=spf1 \x80a:a.test -all",
        b"v=spf1 a:a.test \x96all",
        b"v=spf1 a:a.test\rptr -all",
        b"v=spf1 a:a.test\0 -all",
        b"v=spf1 a:a.test\t-all",
        b"v=spf1 -all\n",
        b"v=spf1 -all \xc3\x28",
        b"v=spf1 mx:a.test\0 -all",
    ],
)
def test_bytes_that_a_record_cannot_have_are_a_permerror(raw):
    """Case 55."""
    answer = check({"d.test": {"TXT": [raw]}})
    assert (answer.result, answer.reason) == ("permerror", "syntax")
    assert answer.syntax.why in ("not_ascii", "control_character")


@pytest.mark.parametrize(
    "term", ["a:192.0.2.10", "ip4:192.0.2.0/33", "ip4:192.0.2.256", "mx;", "ipv4:192.0.2.10"]
)
def test_the_usual_slips_are_permerrors_that_quote_the_term(term):
    """Case 57."""
    answer = check(f"v=spf1 ip4:192.0.2.10 {term} -all")
    assert (answer.result, answer.term, answer.index) == ("permerror", term, 2)


EVALUATION = """
v=spf1 ip4:192.0.2.10 -all|pass
v=spf1 moo.cow-far_out=man:dog/cat ip4:192.0.2.10 -all|pass
v=spf1 all=foo ip4:192.0.2.10 -all|pass
v=spf1 foo= -all|fail
v=spf1 default=pass|neutral
v=spf1 ip4:198.51.100.1|neutral
v=spf1  ip4:192.0.2.10   -all  |pass
v=spf1 -ALL|fail
v=spf1 IP4:192.0.2.10 -all|pass
v=spf1 ?all -all|neutral
v=spf1 all -all|pass
v=spf1 ~ip4:192.0.2.10 +all|softfail
v=spf1 redirect=far.test ~all|softfail
v=spf1 foo=%{c}%{r}%{t} -all|fail
v=spf1 foo=bar foo=bar -all|fail
"""


@pytest.mark.parametrize("line", EVALUATION.strip().splitlines())
def test_terms_are_evaluated_in_order_and_unknown_modifiers_are_ignored(line):
    record, expected = line.rsplit("|", 1)
    assert result_of(record) == expected


@pytest.mark.parametrize(
    "name", ["a...test", "a..d.test", LABEL63 + "a.test", "%{h}", "%{h}.test", "%{l}.d.test"]
)
def test_a_target_that_is_no_name_matches_nothing_and_is_not_asked_for(name):
    for term in (f"a:{name}", f"mx:{name}", f"exists:{name}", f"ptr:{name}"):
        answer = check(f"v=spf1 {term} {term} {term} -all", helo="", sender=f"{'b' * 64}@d.test")
        assert (answer.result, answer.lookups, answer.void_lookups, answer.queries) == (
            "fail",
            3,
            0,
            1,
        ), term


def test_an_include_of_what_is_no_name_has_no_record():
    assert check("v=spf1 include:a...test -all").reason == "include_missing"
    assert check("v=spf1 redirect=%{h}", helo="single").reason == "redirect_missing"


# -- 5.1 to 5.7 Mechanisms

MECHANISMS = """
a:a.test|pass|pass
a:A.Test.|pass|pass
a:v4.test|pass|fail
a:v6.test|fail|pass
a:far.test|fail|fail
a:far.test/0|pass|fail
a:far.test//0|fail|pass
a:far.test/0//0|pass|pass
a:far.test//32|fail|pass
a:a.test/24//64|pass|pass
a:gone.test|fail|fail
a:gone.test/0|fail|fail
a:gone.test//0|fail|fail
a:foo:bar/baz.odd.test|pass|fail
a:slow.test|temperror|temperror
a|pass|pass
a/24|pass|pass
mx:mx.test|pass|pass
mx:mx.test/32//128|pass|pass
mx:farmx.test|fail|fail
mx:farmx.test/0|pass|fail
mx:farmx.test//0|fail|pass
mx:foo:bar/baz.odd.test|pass|fail
mx:nullmx.test|fail|fail
mx:gone.test|fail|fail
mx:gone.test/0|fail|fail
mx:a.test|fail|fail
mx:slowmx.test|temperror|temperror
mx:servfail.test|temperror|temperror
mx|fail|fail
exists:v4.test|pass|pass
exists:v6.test|fail|fail
exists:gone.test|fail|fail
exists:slow.test|temperror|temperror
ip4:192.0.2.10|pass|fail
ip4:192.0.2.10/32|pass|fail
ip4:192.0.2.0/24|pass|fail
ip4:192.0.2.9/31|fail|fail
ip4:198.51.100.1/0|pass|fail
ip6:2001:db8::10|fail|pass
ip6:2001:DB8::/32|fail|pass
ip6:2001:db8::8000:0/97|fail|fail
ip6:::1.1.1.1/0|fail|pass
ip6:::ffff:192.0.2.10|fail|fail
"""
MECHANISM_ZONE = {
    "mx.test": {"MX": [(10, "far.test."), (20, "a.test.")]},
    "farmx.test": {"MX": [(10, "far.test.")]},
    "nullmx.test": {"MX": [(0, ".")]},
    "slowmx.test": {"MX": [(5, "slow.test."), (10, "a.test.")]},
    "foo:bar/baz.odd.test": {"A": ["192.0.2.10"], "MX": [(0, "v4.test.")]},
}


@pytest.mark.parametrize("line", MECHANISMS.strip().splitlines())
def test_a_mechanism_matches_by_the_family_of_the_address(line):
    term, four, six = line.split("|")
    zone = {**MECHANISM_ZONE, "d.test": {**HOSTS["a.test"], **txt(f"v=spf1 {term} -all")}}
    assert result_of(zone) == four
    assert result_of(zone, ip="::ffff:192.0.2.10") == four
    assert result_of(zone, ip="2001:db8::10") == six


def test_a_mapped_address_is_the_ipv4_address():
    """Case 59."""
    answer = check("v=spf1 -ip6:::ffff:192.0.2.10 ip4:192.0.2.10 -all", ip="::FFFF:192.0.2.10")
    assert (answer.result, answer.ip) == ("pass", "192.0.2.10")


def test_an_early_match_does_not_look_at_later_terms():
    answer = check("v=spf1 ip4:192.0.2.10 include:slow.test -all")
    assert (answer.result, answer.queries) == ("pass", 1)


def test_a_dead_include_before_the_match_is_a_temperror_and_behind_it_nothing():
    """Case 61."""
    assert check("v=spf1 include:slow.test ip4:192.0.2.10 -all").reason == "dns_timeout"
    assert result_of("v=spf1 ip4:192.0.2.10 include:slow.test -all") == "pass"


def test_mx_looks_at_the_exchanges_in_their_order():
    zone = {"d.test": {**txt("v=spf1 mx -all"), "MX": [(20, "slow.test."), (10, "v4.test.")]}}
    assert result_of(zone) == "pass"


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("+all", "pass"),
        ("-all", "softfail"),
        ("~all", "softfail"),
        ("?all", "softfail"),
        ("", "softfail"),
        ("moo", "permerror"),
    ],
)
def test_include_maps_the_results_of_table_5_2(inner, expected):
    assert (
        result_of({"d.test": txt("v=spf1 include:i.test ~all"), "i.test": txt(f"v=spf1 {inner}")})
        == expected
    )


def test_include_of_a_domain_without_record_is_a_permerror():
    answer = check({"d.test": txt("v=spf1 include:i.test -all"), "i.test": txt("other")})
    assert (answer.result, answer.reason, answer.subject, answer.where) == (
        "permerror",
        "include_missing",
        "i.test",
        "d.test",
    )


def test_include_of_a_dead_name_is_a_temperror():
    answer = check("v=spf1 include:servfail.test -all")
    assert (answer.result, answer.reason, answer.where) == (
        "temperror",
        "dns_servfail",
        "servfail.test",
    )


def test_the_qualifier_of_an_include_decides():
    zone = {
        "d.test": txt("v=spf1 ?include:i.test -all"),
        "i.test": txt("v=spf1 ip4:192.0.2.10 -all"),
    }
    assert (result_of(zone), result_of(zone, ip="192.0.2.11")) == ("neutral", "fail")


def test_two_records_in_an_included_domain_are_a_permerror():
    answer = check(
        {"d.test": txt("v=spf1 include:i.test -all"), "i.test": txt("v=spf1 -all", "v=spf1 +all")}
    )
    assert (answer.result, answer.reason, answer.where) == ("permerror", "multiple", "i.test")


def test_the_same_include_twice_is_no_loop():
    """Case 45."""
    zone = {
        "d.test": txt("v=spf1 include:i.test include:j.test -all"),
        "i.test": txt("v=spf1 include:j.test -all"),
        "j.test": txt("v=spf1 -all"),
    }
    answer = check(zone)
    assert (answer.result, answer.lookups, answer.queries) == ("fail", 3, 3)


POINTERS = {
    "10.2.0.192.in-addr.arpa": {
        "PTR": ["mail.d.test.", "d.test.", "forged.d.test.", "elsewhere.test."]
    },
    "mail.d.test": {"A": ["192.0.2.10"]},
    "forged.d.test": {"A": ["192.0.2.99"]},
}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("ptr", "pass"),
        ("ptr:D.Test", "pass"),
        ("ptr:mail.d.test", "pass"),
        ("ptr:forged.d.test", "fail"),
        ("ptr:il.d.test", "fail"),
        ("ptr:elsewhere.test", "fail"),
    ],
)
def test_ptr_takes_only_names_that_lead_back(term, expected):
    assert result_of({**POINTERS, "d.test": txt(f"v=spf1 {term} -all")}) == expected


def test_ptr_works_for_ipv6():
    name = ".".join(reversed("20010db8000000000000000000000010")) + ".ip6.arpa"
    zone = {
        name: {"PTR": ["Mail.D.test."]},
        "mail.d.test": {"AAAA": ["2001:db8::10"]},
        "d.test": txt("v=spf1 ptr -all"),
    }
    assert result_of(zone, ip="2001:db8::10") == "pass"


def test_ptr_does_not_match_where_lookups_fail():
    zone = {"10.2.0.192.in-addr.arpa": None, "d.test": txt("v=spf1 ptr -all")}
    assert result_of(zone) == "fail"
    zone = {
        "10.2.0.192.in-addr.arpa": {"PTR": ["x.d.test.", "mail.d.test."]},
        "x.d.test": None,
        "mail.d.test": {"A": ["192.0.2.10"]},
    }
    assert result_of({**zone, "d.test": txt("v=spf1 ptr -all")}) == "pass"


def test_ptr_looks_at_ten_names_and_ignores_the_rest():
    names = [f"n{i}.d.test." for i in range(1000)]
    zone = {
        "10.2.0.192.in-addr.arpa": {"PTR": names},
        "d.test": txt("v=spf1 ptr ?all"),
        "n10.d.test": {"A": ["192.0.2.10"]},
    }
    answer = check(zone)
    assert (answer.result, answer.queries) == ("neutral", 12)
    assert result_of({**zone, "n9.d.test": {"A": ["192.0.2.10"]}}) == "pass"
