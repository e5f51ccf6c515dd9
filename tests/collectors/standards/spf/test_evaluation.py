"""check_host(): which domains and records it takes, modifiers, and the trace.

RFC 7208, sections 4 and 6.
https://www.rfc-editor.org/rfc/rfc7208
"""

import asyncio

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import pytest

from collectors.net.dns_lookup import DnsFault
from collectors.standards.spf.evaluation import check_host
from mock_tenant.dnsserver import DnsServer
from tests.collectors.spf_resolver import LABEL63, check, result_of, txt

# -- 4.3 Initial processing


@pytest.mark.parametrize(
    "domain",
    [
        "a" * 64 + ".test",
        "a..test",
        "A...test",
        "localhost",
        "[192.0.2.1]",
        "",
        ".test",
        "x.\udcff.test",
        "a\0b.test",
    ],
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
    assert (
        check(zone, domain="helo.test", sender="", helo="helo.test").explanation
        == "postmaster@helo.test helo.test helo.test"
    )


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


def test_it_does_not_take_other_versions_or_a_leading_space():
    """Case 54."""
    assert [
        result_of(r) for r in ("v=spf10 -all", " v=spf1 -all", "v=spf2.0/pra -all", "v=spf1;-all")
    ] == ["none"] * 4


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
    assert (answer.result, answer.reason, answer.where, answer.subject) == (
        "temperror",
        reason,
        "d.test",
        "TXT d.test",
    )
    assert isinstance(answer.fault, fault)


def test_it_keeps_the_code_of_our_own_faults():
    class Refusing:
        async def resolve(self, qname, rdtype):
            raise DnsFault("dns_refused", "refused", qname, rdtype)

    answer = asyncio.run(
        check_host(ip="192.0.2.1", domain="d.test", sender="u@d.test", resolver=Refusing())
    )
    assert (answer.result, answer.reason, answer.fault.code) == (
        "temperror",
        "dns_refused",
        "dns_refused",
    )


def test_a_bug_of_the_resolver_is_not_hidden():
    class Broken:
        async def resolve(self, qname, rdtype):
            raise KeyError(qname)

    with pytest.raises(KeyError):
        asyncio.run(
            check_host(ip="192.0.2.1", domain="d.test", sender="u@d.test", resolver=Broken())
        )


def test_a_wrong_address_is_the_callers_error():
    with pytest.raises(ValueError):
        check("v=spf1 -all", ip="192.0.2.256")


# -- 6 Modifiers


def test_redirect_takes_the_other_policy_as_it_is():
    zone = {
        "d.test": txt("v=spf1 redirect=r.test"),
        "r.test": {**txt("v=spf1 a ~all"), "A": ["192.0.2.10"]},
    }
    assert (result_of(zone), result_of(zone, ip="192.0.2.11")) == ("pass", "softfail")


@pytest.mark.parametrize("target", ["gone.test", "a.test"])
def test_redirect_to_a_domain_without_record_is_a_permerror(target):
    answer = check(f"v=spf1 redirect={target}")
    assert (answer.result, answer.reason, answer.subject) == (
        "permerror",
        "redirect_missing",
        target,
    )


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
    assert (answer.result, answer.explanation, answer.lookups, answer.void_lookups) == (
        "fail",
        text,
        0,
        0,
    )


def test_exp_is_not_looked_up_unless_the_result_is_fail():
    answer = check({**EXPLAINED, "d.test": txt("v=spf1 exp=why.test ~all")})
    assert (answer.result, answer.explanation, answer.queries) == ("softfail", "", 1)


def test_exp_of_an_included_record_is_not_used():
    zone = {
        **EXPLAINED,
        "d.test": txt("v=spf1 -include:i.test -all"),
        "i.test": txt("v=spf1 all exp=why.test"),
    }
    assert check(zone).explanation == ""
    zone["d.test"] = txt("v=spf1 -include:i.test -all exp=parts.test")
    assert check(zone).explanation == "in two parts"


def test_exp_of_the_redirect_target_replaces_ours():
    zone = {
        **EXPLAINED,
        "d.test": txt("v=spf1 redirect=r.test exp=parts.test"),
        "r.test": txt("v=spf1 -all exp=why.test"),
    }
    assert check(zone).explanation == "See http://r.test/why?i=192.0.2.10"
    assert check({**zone, "r.test": txt("v=spf1 -all")}).explanation == ""


# -- the trace


def test_the_trace_tells_every_term_what_it_cost_and_where_it_led():
    zone = {
        "d.test": txt("v=spf1 a:gone.test include:i.test -all"),
        "i.test": txt("v=spf1 ip4:198.51.100.1 mx ~all"),
        **{},
    }
    zone["i.test"]["MX"] = [(10, "v4.test.")]
    answer = check(zone)
    told = [
        (depth, domain, s.term, s.outcome, s.lookups, s.void_lookups)
        for depth, domain, s in answer.trace.walk()
    ]
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
    assert (answer.where, answer.term, answer.index, answer.offset) == (
        "i.test",
        "a:slow.test",
        1,
        7,
    )
    assert answer.path == [("d.test", "include:i.test"), ("i.test", "a:slow.test")]
    assert answer.trace.terms[0].child.result == "temperror"


# -- with a resolver that others wrote


def test_it_works_with_dnspythons_own_resolver():
    names = {
        "d.test": {
            "TXT": [
                "v=spf1 a:back\\slash%_x.d.test mx:gone.test exists:dead.test include:i.test -all"
            ]
        },
        "i.test": {"TXT": [["v=spf1 ip4:192.0.", "2.10 -all"]]},
    }

    async def ask(server, ip):
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime = [server.host], server.port, 3
        return await check_host(ip=ip, domain="d.test", sender="u@d.test", resolver=resolver)

    with DnsServer({"names": names}) as server:
        answer = asyncio.run(ask(server, "192.0.2.10"))
    assert (answer.reason, answer.term) == ("too_many_void_lookups", "exists:dead.test")
    with DnsServer({"names": {**names, "dead.test": {"A": ["127.0.0.2"]}}}) as server:
        assert asyncio.run(ask(server, "192.0.2.10")).result == "pass"
    with DnsServer(
        {"names": names, "rules": [{"name": "dead.test", "action": "servfail"}]}
    ) as server:
        answer = asyncio.run(ask(server, "192.0.2.10"))
    assert (answer.result, answer.reason) == ("temperror", "dns_servfail")
