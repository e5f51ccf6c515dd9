"""check_host(): macros, and what hostile macros cannot do. https://www.rfc-editor.org/rfc/rfc7208#section-7"""

import time

import pytest

from tests.collectors.spf_resolver import check, txt

# The example of RFC 7208, section 7.4.
RFC_SENDER = {
    "ip": "192.0.2.3",
    "domain": "email.example.com",
    "sender": "strong-bad@email.example.com",
    "helo": "mx.example.org",
}
RFC_EXPANSIONS = """
%{s}|strong-bad@email.example.com
%{o}|email.example.com
%{d}|email.example.com
%{d4}|email.example.com
%{d3}|email.example.com
%{d2}|example.com
%{d1}|com
%{dr}|com.example.email
%{d2r}|example.email
%{l}|strong-bad
%{l-}|strong.bad
%{lr}|strong-bad
%{lr-}|bad.strong
%{l1r-}|strong
%{ir}.%{v}._spf.%{d2}|3.2.0.192.in-addr._spf.example.com
%{lr-}.lp._spf.%{d2}|bad.strong.lp._spf.example.com
%{lr-}.lp.%{ir}.%{v}._spf.%{d2}|bad.strong.lp.3.2.0.192.in-addr._spf.example.com
%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}|3.2.0.192.in-addr.strong.lp._spf.example.com
%{d2}.trusted-domains.example.net|example.com.trusted-domains.example.net
%{h}|mx.example.org
%{D2R}|example.email
%{d000002}|example.com
%%%_%-|% %20
"""


def explain(text, **given):
    """What an explain-string comes to."""
    domain = given.get("domain", "d.test")
    return check(
        {domain: txt("v=spf1 -all exp=x.test"), "x.test": txt(text), **given.pop("more", {})},
        **given,
    ).explanation


@pytest.mark.parametrize("line", RFC_EXPANSIONS.strip().splitlines())
def test_it_expands_as_the_rfc_shows(line):
    text, expanded = line.split("|")
    assert explain(text, **RFC_SENDER) == expanded


def test_it_expands_an_ipv6_address_in_nibbles_and_the_readable_form_for_people():
    assert (
        explain("%{c} is %{ir}.%{v}.arpa", ip="CAFE:BABE::1")
        == "cafe:babe::1 is 1." + "0." * 23 + "E.B.A.B.E.F.A.C.ip6.arpa"
    )
    assert explain("%{i}", ip="2001:db8::cb01").startswith("2.0.0.1.0.D.B.8.0.")
    assert explain("%{ir}.%{v} %{c}", ip="::ffff:192.0.2.3") == "3.2.0.192.in-addr 192.0.2.3"


def test_c_r_and_t_work_in_explanations_only():
    assert explain("%{c} %{r}", receiver="mx.host.test") == "192.0.2.10 mx.host.test"
    assert explain("%{r}") == "unknown"
    assert abs(int(explain("%{t}")) - time.time()) < 60
    assert check("v=spf1 exists:%{r}.test -all").reason == "syntax"


def test_an_upper_case_letter_escapes_for_urls():
    text = "http://example.com/why?l=%{L}&s=%{S}"
    assert (
        explain(text, sender="~jack&jill=up-a_b3.c@d.test")
        == "http://example.com/why?l=~jack%26jill%3Dup-a_b3.c&s=~jack%26jill%3Dup-a_b3.c%40d.test"
    )
    assert explain("%{L}", sender="jürgen@d.test") == "j%C3%BCrgen"


def test_delimiters_split_and_dots_join():
    assert explain("%{l2r-}", sender="philip-gladstone-test@d.test") == "gladstone.philip"
    assert explain("%{lr+-}", sender="a+b-c.d@d.test") == "c.d.b.a"
    assert explain("%{l,=/_}", sender="a,b=c/d_e@d.test") == "a.b.c.d.e"


def test_macros_name_what_is_looked_up():
    zone = {
        "d.test": txt("v=spf1 exists:%{i}.%{l2r-}.user.%{d2} -all"),
        "192.0.2.10.gladstone.philip.user.d.test": {"A": ["127.0.0.2"]},
    }
    assert check(zone, sender="philip-gladstone-test@d.test").result == "pass"
    assert check(zone, sender="philip-other@d.test").result == "fail"
    zone = {
        "d.test": txt("v=spf1 a:macro%%percent%_%_space%-.d.test -all"),
        "macro%percent  space%20.d.test": {"A": ["192.0.2.10"]},
    }
    assert check(zone).result == "pass"
    zone = {
        "d.test": txt("v=spf1 redirect=%{d}.p.d.test."),
        "d.test.p.d.test": txt("v=spf1 include:o.d.test. ~all"),
        "o.d.test": txt("v=spf1 +all"),
    }
    assert check(zone).result == "pass"


def test_a_domain_spec_may_end_in_a_macro():
    zone = {
        "d.test": txt("v=spf1 exists:x.%{d} a:%{h}/24 -all"),
        "mail.d.test": {"A": ["192.0.2.77"]},
    }
    assert check(zone).result == "pass"


def test_d_is_the_domain_whose_record_is_evaluated_and_o_stays_the_senders():
    zone = {
        "d.test": txt("v=spf1 include:i.test -all"),
        "i.test": txt("v=spf1 exists:%{d}.%{o}.x.test ?all"),
        "i.test.d.test.x.test": {"A": ["127.0.0.1"]},
    }
    assert check(zone).result == "pass"


@pytest.mark.parametrize(
    "helo",
    [
        "JUMPIN' JUPITER",
        "[192.0.2.10]",
        "single",
        "x..y",
        "",
        "a" * 300,
        "\0",
        "näme.test",
        "\\",
        "@",
    ],
    ids=lambda v: ascii(v)[:24],
)
def test_an_odd_helo_name_matches_nothing(helo):
    assert check("v=spf1 a:%{h} a:%{H} -all", helo=helo).result == "fail"


def test_a_backslash_is_a_character_of_the_label():
    answer = check("v=spf1 exists:a\\046b.d.test -all")
    assert answer.result == "fail"
    assert answer.records["queries"][1] == ("a\\\\046b.d.test", "A")


REVERSE = "10.2.0.192.in-addr.arpa"


@pytest.mark.parametrize(
    ("names", "confirmed", "expected"),
    [
        ([], [], "unknown"),
        (["mx.d.test."], [], "unknown"),
        (["mx.d.test."], ["mx.d.test"], "mx.d.test"),
        (["z.test.", "mx.d.test.", "d.test."], ["z.test", "mx.d.test", "d.test"], "d.test"),
        (["z.test.", "mx.d.test."], ["z.test", "mx.d.test"], "mx.d.test"),
        (["z.test.", "mx.d.test."], ["z.test"], "z.test"),
        (["notd.test.", "z.test."], ["notd.test", "z.test"], "notd.test"),
    ],
)
def test_p_is_the_confirmed_name_nearest_to_the_domain(names, confirmed, expected):
    more = {REVERSE: {"PTR": names} if names else {}} | {
        name: {"A": ["192.0.2.10"]} for name in confirmed
    }
    zone = {
        "d.test": {**txt("v=spf1 -all exp=x.test"), **more.pop("d.test", {})},
        "x.test": txt("connect from %{p}"),
        **more,
    }
    assert check(zone).explanation == f"connect from {expected}"


def test_p_is_unknown_where_lookups_fail():
    assert explain("%{p}", more={REVERSE: None}) == "unknown"
    assert explain("%{p}", more={REVERSE: {"PTR": ["slow.test."]}}) == "unknown"


def test_p_asks_for_ten_names_at_most():
    zone = {
        "d.test": txt("v=spf1 exists:%{p}.x.test -all"),
        REVERSE: {"PTR": [f"n{i}.test." for i in range(1000)]},
    }
    answer = check(zone)
    assert (answer.result, answer.queries) == ("fail", 13)


def test_a_thousand_names_cost_few_queries():
    """Case 50."""
    zone = {
        "d.test": txt("v=spf1 ptr exists:%{p}.x.test ptr:%{p} -all"),
        REVERSE: {"PTR": [f"n{i}.d.test." for i in range(1000)]},
    }
    assert check(zone).queries <= 15


def test_a_name_over_253_characters_is_cut_from_the_left():
    sender_domain = "somewhat.long.d.test"
    spec = "foobar." + ".".join(["%{o}"] * 14)
    full = ".".join([sender_domain] * 12)  # 251 characters; one label more would make 256
    zone = {sender_domain: txt(f"v=spf1 -all exp={spec}"), full: txt("Tricky.")}
    assert check(zone, domain=sender_domain, sender=f"u@{sender_domain}").explanation == "Tricky."


@pytest.mark.parametrize(
    "spec",
    [
        "%{i.test",
        "%{d" + "9" * 5000 + "}.x.test",
        "%{s}" * 24 + ".x.test",
        "%{S}" * 24 + ".x.test",
        "%{l}." * 400 + "x.test",
        "%{ir}" * 1000,
        "%" * 4000 + ".x.test",
        "%{d" + "." * 4000 + "}.x.test",
        "%{" * 2000,
        "a" * 60000 + ".test",
        "a." * 30000 + "test",
    ],
)
def test_hostile_macros_end_soon_and_without_an_exception(spec):
    """Case 58."""
    for term in (
        f"exists:{spec}",
        f"include:{spec}",
        f"redirect={spec}",
        f"exp={spec}",
        f"foo={spec}",
    ):
        started = time.process_time()
        answer = check(
            f"v=spf1 {term} -all", sender="x" * 64 + "-" * 200 + "@" + "long." * 40 + "d.test"
        )
        assert answer.result in ("fail", "permerror")
        assert time.process_time() - started < 3


def test_a_hostile_explanation_is_cut():
    assert len(explain("%{s}" * 10_000, sender="x" * 300 + "@d.test")) == 4096


@pytest.mark.parametrize(
    "sender",
    [
        "\udcff@d.test",
        "a b@d.test",
        "@",
        "a@b@d.test",
        "ü@d.test",
        "\0",
        '"a@b"@d.test',
        "x" * 5000 + "@d.test",
    ],
    ids=lambda v: ascii(v)[:24],
)
def test_no_sender_makes_it_raise(sender):
    assert check(
        "v=spf1 exists:%{l}.%{o}.x.test include:%{s}.test exp=%{S} -all", sender=sender
    ).result in ("fail", "permerror")


def test_a_policy_can_demand_a_helo_name_that_resolves():
    zone = {
        "e.d.test": txt("v=spf1 -include:_helo.%{d2} ip4:192.0.2.0/24 -all"),
        "_helo.d.test": txt("v=spf1 -a:%{h} +all"),
        "mail.d.test": {"A": ["192.0.2.10"]},
    }
    assert check(zone, domain="e.d.test", helo="OEMCOMPUTER").result == "fail"
    assert check(zone, domain="e.d.test", helo="mail.d.test").result == "pass"
    assert check(zone, domain="e.d.test", helo="mail.d.test", ip="198.51.100.9").result == "fail"
