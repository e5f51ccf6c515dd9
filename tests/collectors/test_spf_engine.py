"""check_host() by the sections of RFC 7208: records, terms, results. https://www.rfc-editor.org/rfc/rfc7208"""

import asyncio

import dns.exception
import dns.name
import dns.resolver
import pytest

from collectors.net_dns import DnsFault
from collectors.standards.spf import check_host

from .spf_resolver import Resolver, txt

LABEL63 = "a" * 63
HOSTS = {
    "a.test": {"A": ["192.0.2.1", "192.0.2.10"], "AAAA": ["2001:db8::10"]},
    "v4.test": {"A": ["192.0.2.10"]},
    "v6.test": {"AAAA": ["2001:db8::10"]},
    "far.test": {"A": ["198.51.100.1"], "AAAA": ["2001:db8:ffff::1"]},
    "slow.test": None,
    "servfail.test": {"A": dns.resolver.NoNameservers, "TXT": dns.resolver.NoNameservers, "MX": dns.resolver.NoNameservers},
}


def check(zone, *, ip="192.0.2.10", domain="d.test", sender="user@d.test", helo="mail.d.test", receiver="unknown"):
    """check_host() over a zone: a dict, or one record for d.test."""
    zone = zone if isinstance(zone, dict) else {"d.test": txt(zone)}
    resolver = Resolver({**HOSTS, **zone})
    result = asyncio.run(check_host(ip=ip, domain=domain, sender=sender, helo=helo, resolver=resolver, receiver=receiver))
    result.records["queries"] = resolver.queries  # for those who count
    assert len(resolver.queries) == result.queries <= 40
    return result


def result_of(zone, **given):
    return check(zone, **given).result


# -- 4.3 Initial processing


@pytest.mark.parametrize(
    "domain",
    ["a" * 64 + ".test", "a..test", "A...test", "localhost", "[192.0.2.1]", "", ".test", "x.\udcff.test", "a\0b.test"],
    ids=lambda v: ascii(v)[:24],
)
def test_it_answers_none_for_a_malformed_domain_and_asks_nothing(domain):
    answer = check({}, domain=domain, sender=f"user@{domain}")
    assert (answer.result, answer.queries) == ("none", 0)


def test_it_takes_a_label_of_63_characters():
    assert result_of({f"{LABEL63}.test": txt("v=spf1 -all")}, domain=f"{LABEL63}.test") == "fail"


def test_it_takes_a_trailing_dot_and_upper_case():
    assert result_of("v=spf1 -all", domain="D.Test.") == "fail"


def test_it_asks_for_the_a_label_form():
    assert result_of({"xn--bcher-kva.test": txt("v=spf1 -all")}, domain="bücher.test") == "fail"


def test_it_uses_postmaster_where_the_sender_has_no_local_part():
    zone = {"d.test": txt("v=spf1 -all exp=why.d.test"), "why.d.test": txt("%{l} of %{o} as %{s}")}
    assert check(zone, sender="@d.test").explanation == "postmaster of d.test as postmaster@d.test"
    assert check(zone, sender="d.test").explanation == "postmaster of d.test as postmaster@d.test"


def test_it_uses_postmaster_at_helo_for_an_empty_sender():
    zone = {"helo.test": txt("v=spf1 -all exp=why.d.test"), "why.d.test": txt("%{s} %{o} %{h}")}
    assert check(zone, domain="helo.test", sender="", helo="helo.test").explanation == "postmaster@helo.test helo.test helo.test"


# -- 4.4 and 4.5 Record lookup and selection


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["v=spf1 -all"], "fail"),
        (["v=spf1"], "neutral"),
        (["v=spf10 -all"], "none"),
        (["v=spf1-all"], "none"),
        (["v=spf1\tmx -all"], "none"),
        ([" v=spf1 -all"], "none"),
        (["V=sPf1 ~all"], "softfail"),
        (["v=spf1 mx", "v=spf10 -all"], "neutral"),
        (["other", "v=spf1 -all"], "fail"),
        (["other"], "none"),
        (["v=spf1 -all", "v=spf1 -all "], "permerror"),
        (["v=spf1 -all", "v=SPF1 +all"], "permerror"),
        ([["v=spf1 ip4:192.0.", "2.10 -all"]], "pass"),
        ([["v=spf1 ip4:192.0.2.10", "-all"]], "permerror"),
        ([["v=spf1", "-all"]], "none"),
        ([["v=spf1", "", " -all"]], "fail"),
        ([b"\xff\x00\xfe", "v=spf1 -all"], "fail"),
        ([b"v=spf1\x80 -all"], "none"),
        ([], "none"),
    ],
)
def test_it_selects_the_record(records, expected):
    assert result_of({"d.test": {"TXT": records, "MX": [(10, "far.test.")]}}) == expected


def test_case_54_it_does_not_take_other_versions_or_a_leading_space():
    assert [result_of(r) for r in ("v=spf10 -all", " v=spf1 -all", "v=spf2.0/pra -all", "v=spf1;-all")] == ["none"] * 4


def test_it_ignores_the_obsolete_record_type():
    answer = check({"d.test": {"SPF": ["v=spf1 +all"]}})
    assert answer.result == "none"
    assert answer.records["queries"] == [("d.test", "TXT")]


def test_it_answers_none_for_a_name_that_does_not_exist():
    assert result_of({}) == "none"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (dns.exception.Timeout, "dns_timeout"),
        (dns.resolver.NoNameservers, "dns_servfail"),
        (dns.resolver.YXDOMAIN, "dns_bad_response"),
        (dns.name.BadPointer, "dns_bad_response"),
        (OSError, "dns_unreachable"),
    ],
)
def test_it_is_a_temperror_when_the_record_cannot_be_looked_up(fault, reason):
    answer = check({"d.test": {"TXT": fault}})
    assert (answer.result, answer.reason, answer.where, answer.subject) == ("temperror", reason, "d.test", "TXT d.test")
    assert isinstance(answer.fault, fault)


def test_it_keeps_the_code_of_our_own_faults():
    class Refusing:
        async def resolve(self, qname, rdtype):
            raise DnsFault("dns_refused", "refused", qname, rdtype)

    answer = asyncio.run(check_host(ip="192.0.2.1", domain="d.test", sender="u@d.test", resolver=Refusing()))
    assert (answer.result, answer.reason, answer.fault.code) == ("temperror", "dns_refused", "dns_refused")


def test_a_bug_of_the_resolver_is_not_hidden():
    class Broken:
        async def resolve(self, qname, rdtype):
            raise KeyError(qname)

    with pytest.raises(KeyError):
        asyncio.run(check_host(ip="192.0.2.1", domain="d.test", sender="u@d.test", resolver=Broken()))


def test_a_wrong_address_is_the_callers_error():
    with pytest.raises(ValueError):
        check("v=spf1 -all", ip="192.0.2.256")


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
    assert (answer.result, answer.reason, answer.syntax.why, answer.term) == ("permerror", "syntax", why, term)
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
def test_case_55_bytes_that_a_record_cannot_have_are_a_permerror(raw):
    answer = check({"d.test": {"TXT": [raw]}})
    assert (answer.result, answer.reason) == ("permerror", "syntax")
    assert answer.syntax.why in ("not_ascii", "control_character")


@pytest.mark.parametrize("term", ["a:192.0.2.10", "ip4:192.0.2.0/33", "ip4:192.0.2.256", "mx;", "ipv4:192.0.2.10"])
def test_case_57_the_usual_slips_are_permerrors_that_quote_the_term(term):
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


@pytest.mark.parametrize("name", ["a...test", "a..d.test", LABEL63 + "a.test", "%{h}", "%{h}.test", "%{l}.d.test"])
def test_a_target_that_is_no_name_matches_nothing_and_is_not_asked_for(name):
    for term in (f"a:{name}", f"mx:{name}", f"exists:{name}", f"ptr:{name}"):
        answer = check(f"v=spf1 {term} {term} {term} -all", helo="", sender=f"{'b' * 64}@d.test")
        assert (answer.result, answer.lookups, answer.void_lookups, answer.queries) == ("fail", 3, 0, 1), term


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


def test_case_59_a_mapped_address_is_the_ipv4_address():
    answer = check("v=spf1 -ip6:::ffff:192.0.2.10 ip4:192.0.2.10 -all", ip="::FFFF:192.0.2.10")
    assert (answer.result, answer.ip) == ("pass", "192.0.2.10")


def test_an_early_match_does_not_look_at_later_terms():
    answer = check("v=spf1 ip4:192.0.2.10 include:slow.test -all")
    assert (answer.result, answer.queries) == ("pass", 1)


def test_case_61_a_dead_include_before_the_match_is_a_temperror_and_behind_it_nothing():
    assert check("v=spf1 include:slow.test ip4:192.0.2.10 -all").reason == "dns_timeout"
    assert result_of("v=spf1 ip4:192.0.2.10 include:slow.test -all") == "pass"


def test_mx_looks_at_the_exchanges_in_their_order():
    zone = {"d.test": {**txt("v=spf1 mx -all"), "MX": [(20, "slow.test."), (10, "v4.test.")]}}
    assert result_of(zone) == "pass"


@pytest.mark.parametrize(
    ("inner", "expected"),
    [("+all", "pass"), ("-all", "softfail"), ("~all", "softfail"), ("?all", "softfail"), ("", "softfail"), ("moo", "permerror")],
)
def test_include_maps_the_results_of_table_5_2(inner, expected):
    assert result_of({"d.test": txt("v=spf1 include:i.test ~all"), "i.test": txt(f"v=spf1 {inner}")}) == expected


def test_include_of_a_domain_without_record_is_a_permerror():
    answer = check({"d.test": txt("v=spf1 include:i.test -all"), "i.test": txt("other")})
    assert (answer.result, answer.reason, answer.subject, answer.where) == ("permerror", "include_missing", "i.test", "d.test")


def test_include_of_a_dead_name_is_a_temperror():
    answer = check("v=spf1 include:servfail.test -all")
    assert (answer.result, answer.reason, answer.where) == ("temperror", "dns_servfail", "servfail.test")


def test_the_qualifier_of_an_include_decides():
    zone = {"d.test": txt("v=spf1 ?include:i.test -all"), "i.test": txt("v=spf1 ip4:192.0.2.10 -all")}
    assert (result_of(zone), result_of(zone, ip="192.0.2.11")) == ("neutral", "fail")


def test_two_records_in_an_included_domain_are_a_permerror():
    answer = check({"d.test": txt("v=spf1 include:i.test -all"), "i.test": txt("v=spf1 -all", "v=spf1 +all")})
    assert (answer.result, answer.reason, answer.where) == ("permerror", "multiple", "i.test")


def test_case_45_the_same_include_twice_is_no_loop():
    zone = {
        "d.test": txt("v=spf1 include:i.test include:j.test -all"),
        "i.test": txt("v=spf1 include:j.test -all"),
        "j.test": txt("v=spf1 -all"),
    }
    answer = check(zone)
    assert (answer.result, answer.lookups, answer.queries) == ("fail", 3, 3)


POINTERS = {
    "10.2.0.192.in-addr.arpa": {"PTR": ["mail.d.test.", "d.test.", "forged.d.test.", "elsewhere.test."]},
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
    zone = {name: {"PTR": ["Mail.D.test."]}, "mail.d.test": {"AAAA": ["2001:db8::10"]}, "d.test": txt("v=spf1 ptr -all")}
    assert result_of(zone, ip="2001:db8::10") == "pass"


def test_ptr_does_not_match_where_lookups_fail():
    zone = {"10.2.0.192.in-addr.arpa": None, "d.test": txt("v=spf1 ptr -all")}
    assert result_of(zone) == "fail"
    zone = {"10.2.0.192.in-addr.arpa": {"PTR": ["x.d.test.", "mail.d.test."]}, "x.d.test": None, "mail.d.test": {"A": ["192.0.2.10"]}}
    assert result_of({**zone, "d.test": txt("v=spf1 ptr -all")}) == "pass"


def test_ptr_looks_at_ten_names_and_ignores_the_rest():
    names = [f"n{i}.d.test." for i in range(1000)]
    zone = {"10.2.0.192.in-addr.arpa": {"PTR": names}, "d.test": txt("v=spf1 ptr ?all"), "n10.d.test": {"A": ["192.0.2.10"]}}
    answer = check(zone)
    assert (answer.result, answer.queries) == ("neutral", 12)
    assert result_of({**zone, "n9.d.test": {"A": ["192.0.2.10"]}}) == "pass"


# -- 6 Modifiers


def test_redirect_takes_the_other_policy_as_it_is():
    zone = {"d.test": txt("v=spf1 redirect=r.test"), "r.test": {**txt("v=spf1 a ~all"), "A": ["192.0.2.10"]}}
    assert (result_of(zone), result_of(zone, ip="192.0.2.11")) == ("pass", "softfail")


@pytest.mark.parametrize("target", ["gone.test", "a.test"])
def test_redirect_to_a_domain_without_record_is_a_permerror(target):
    answer = check(f"v=spf1 redirect={target}")
    assert (answer.result, answer.reason, answer.subject) == ("permerror", "redirect_missing", target)


EXPLAINED = {
    "why.test": txt("See http://%{d}/why?i=%{i}"),
    "two.test": txt("one", "two"),
    "bad.test": txt("%{x}"),
    "bad2.test": txt("50% off"),
    "high.test": {"TXT": [b"na\xefve"]},
    "parts.test": {"TXT": [["in two ", "parts"]]},
    "empty.test": txt(""),
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("why.test", "See http://d.test/why?i=192.0.2.10"),
        ("parts.test", "in two parts"),
        ("two.test", ""),
        ("bad.test", ""),
        ("bad2.test", ""),
        ("high.test", ""),
        ("empty.test", ""),
        ("gone.test", ""),
        ("a.test", ""),
        ("slow.test", ""),
        ("a..test", ""),
    ],
)
def test_exp_explains_a_fail_and_is_silent_when_it_cannot(name, text):
    answer = check({**EXPLAINED, "d.test": txt(f"v=spf1 exp={name} -all")})
    assert (answer.result, answer.explanation, answer.lookups, answer.void_lookups) == ("fail", text, 0, 0)


def test_exp_is_not_looked_up_unless_the_result_is_fail():
    answer = check({**EXPLAINED, "d.test": txt("v=spf1 exp=why.test ~all")})
    assert (answer.result, answer.explanation, answer.queries) == ("softfail", "", 1)


def test_exp_of_an_included_record_is_not_used():
    zone = {**EXPLAINED, "d.test": txt("v=spf1 -include:i.test -all"), "i.test": txt("v=spf1 all exp=why.test")}
    assert check(zone).explanation == ""
    zone["d.test"] = txt("v=spf1 -include:i.test -all exp=parts.test")
    assert check(zone).explanation == "in two parts"


def test_exp_of_the_redirect_target_replaces_ours():
    zone = {**EXPLAINED, "d.test": txt("v=spf1 redirect=r.test exp=parts.test"), "r.test": txt("v=spf1 -all exp=why.test")}
    assert check(zone).explanation == "See http://r.test/why?i=192.0.2.10"
    assert check({**zone, "r.test": txt("v=spf1 -all")}).explanation == ""


# -- 4.6.4 Limits


def test_case_44_loops_are_permerrors_and_are_called_loops():
    loops = {
        "itself": {"d.test": txt("v=spf1 include:d.test -all")},
        "by macro": {"d.test": txt("v=spf1 include:%{d} -all")},
        "by case": {"d.test": txt("v=spf1 include:D.TEST. -all")},
        "ring": {"d.test": txt("v=spf1 include:i.test -all"), "i.test": txt("v=spf1 a:far.test include:d.test -all")},
        "redirect to itself": {"d.test": txt("v=spf1 redirect=d.test")},
        "redirect ring": {"d.test": txt("v=spf1 redirect=i.test"), "i.test": txt("v=spf1 redirect=d.test")},
    }
    for name, zone in loops.items():
        answer = check(zone)
        assert (answer.result, answer.reason) == ("permerror", "loop"), name
        assert answer.queries <= 3
    assert check(loops["ring"]).subject == "d.test → i.test → d.test"


def test_a_match_before_the_loop_is_conclusive():
    assert result_of("v=spf1 ip4:192.0.2.10 include:d.test -all") == "pass"


def test_case_46_an_endless_chain_of_new_names_is_a_permerror():
    class Wildcard(Resolver):
        async def resolve(self, qname, rdtype):
            self.zone.setdefault(str(qname), txt("v=spf1 include:x.%{d} -all"))
            return await super().resolve(qname, rdtype)

    resolver = Wildcard({})
    answer = asyncio.run(check_host(ip="192.0.2.1", domain="d.test", sender="u@d.test", resolver=resolver))
    assert (answer.result, answer.reason, len(resolver.queries)) == ("permerror", "too_many_lookups", 11)


def test_case_47_fan_out_is_bounded():
    zone = {"d.test": txt("v=spf1 " + " ".join(f"mx:m{i}.test" for i in range(10)) + " -all")}
    zone |= {f"m{i}.test": {"MX": [(j, f"h{i}-{j}.test.") for j in range(10)]} for i in range(10)}
    zone |= {f"h{i}-{j}.test": {"A": ["198.51.100.1"]} for i in range(10) for j in range(10)}
    answer = check(zone)
    assert (answer.result, answer.reason, answer.queries) == ("permerror", "too_many_queries", 40)
    zone = {"d.test": txt("v=spf1 " + " ".join(f"include:i{i}.test" for i in range(10)) + " -all")}
    zone |= {f"i{i}.test": txt("v=spf1 " + " ".join(f"include:j{i}-{j}.test" for j in range(10)) + " -all") for i in range(10)}
    zone |= {f"j{i}-{j}.test": txt("v=spf1 -all") for i in range(10) for j in range(10)}
    assert check(zone).reason == "too_many_lookups"


def test_case_48_ten_terms_that_look_up_are_allowed_and_eleven_are_not():
    ten = " ".join(["a:far.test"] * 10)
    assert result_of(f"v=spf1 {ten} -all") == "fail"
    answer = check(f"v=spf1 {ten} a:v4.test -all")
    assert (answer.result, answer.reason, answer.lookups, answer.term) == ("permerror", "too_many_lookups", 11, "a:v4.test")
    included = {"i.test": txt(f"v=spf1 {' '.join(['a:far.test'] * 9)} -all")}
    assert result_of({**included, "d.test": txt("v=spf1 include:i.test ip4:192.0.2.10 -all")}) == "pass"
    assert result_of({**included, "d.test": txt("v=spf1 include:i.test a:v4.test -all")}) == "permerror"
    assert result_of({**included, "d.test": txt("v=spf1 include:i.test redirect=v.test"), "v.test": txt("v=spf1 +all")}) == "permerror"


def test_terms_without_lookups_and_exp_do_not_count():
    answer = check({"d.test": txt("v=spf1 " + "ip4:198.51.100.1 " * 30 + "-all exp=x.test"), "x.test": txt("no")})
    assert (answer.result, answer.explanation, answer.lookups) == ("fail", "no", 0)


@pytest.mark.parametrize(("count", "expected"), [(10, "pass"), (11, "permerror"), (200, "permerror")])
def test_case_49_ten_exchanges_are_allowed_and_eleven_are_not(count, expected):
    zone = {"d.test": {**txt("v=spf1 mx -all"), "MX": [(i, f"h{i}.test.") for i in range(count)]}}
    zone |= {f"h{i}.test": {"A": ["198.51.100.1" if i < count - 1 else "192.0.2.10"]} for i in range(count)}
    answer = check(zone)
    assert (answer.result, answer.reason) == (expected, "" if expected == "pass" else "too_many_mx")
    zone["d.test"]["MX"] = [(i, "far.test.") for i in range(count)]  # counted as records, not as names
    assert result_of(zone) == ("fail" if expected == "pass" else "permerror")


def test_there_is_no_limit_of_addresses_for_a():
    zone = {"d.test": txt("v=spf1 a:many.test -all"), "many.test": {"A": [f"198.51.100.{i}" for i in range(30)] + ["192.0.2.10"]}}
    assert result_of(zone) == "pass"


def test_case_51_two_void_lookups_are_allowed_and_three_are_not():
    assert result_of("v=spf1 a:gone1.test exists:gone2.test ip4:192.0.2.10 -all") == "pass"
    answer = check("v=spf1 a:gone1.test mx:gone2.test exists:gone3.test ip4:192.0.2.10 -all")
    assert (answer.result, answer.reason, answer.term) == ("permerror", "too_many_void_lookups", "exists:gone3.test")
    assert answer.voids == ["gone1.test", "gone2.test", "gone3.test"]


def test_nodata_is_void_too_and_so_is_an_exchange_without_address():
    zone = {"d.test": {**txt("v=spf1 mx ip4:192.0.2.10 -all"), "MX": [(i, f"x{i}.test.") for i in range(3)]}}
    assert check(zone).reason == "too_many_void_lookups"
    assert check("v=spf1 a:v4.test a:v4.test a:v4.test -all", ip="2001:db8::99").reason == "too_many_void_lookups"


# -- the trace


def test_the_trace_tells_every_term_what_it_cost_and_where_it_led():
    zone = {"d.test": txt("v=spf1 a:gone.test include:i.test -all"), "i.test": txt("v=spf1 ip4:198.51.100.1 mx ~all"), **{}}
    zone["i.test"]["MX"] = [(10, "v4.test.")]
    answer = check(zone)
    told = [(depth, domain, s.term, s.outcome, s.lookups, s.void_lookups) for depth, domain, s in answer.trace.walk()]
    assert told == [
        (0, "d.test", "a:gone.test", "no match", 1, 1),
        (0, "d.test", "include:i.test", "match", 1, 0),
        (1, "i.test", "ip4:198.51.100.1", "no match", 0, 0),
        (1, "i.test", "mx", "match", 1, 0),
    ]
    assert answer.path == [("d.test", "include:i.test"), ("i.test", "mx")]
    assert (answer.lookups, answer.void_lookups) == (3, 1)
    assert answer.records["i.test"] == "v=spf1 ip4:198.51.100.1 mx ~all"
    assert answer.to_dict()["steps"][3]["seen"] == ["192.0.2.10"]


def test_the_trace_of_an_error_ends_where_it_happened():
    zone = {"d.test": txt("v=spf1 include:i.test -all"), "i.test": txt("v=spf1 a:slow.test -all")}
    answer = check(zone)
    assert (answer.where, answer.term, answer.index, answer.offset) == ("i.test", "a:slow.test", 1, 7)
    assert answer.path == [("d.test", "include:i.test"), ("i.test", "a:slow.test")]
    assert answer.trace.steps[0].child.result == "temperror"
