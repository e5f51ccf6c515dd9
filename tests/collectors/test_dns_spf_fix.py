"""The SPF fix builder: the customer's own record, with as little changed as makes it right."""

import pytest

from collectors.base import Action
from collectors.records import spf_fix as fixes
from collectors.standards.spf_record import parse
from collectors.text import show_bytes

from .spf_check import finding, found, spf

HOST = ("include:_spf.host.test",)

REPAIRS = """
v=spf1 include:_spf.other.test ~all|v=spf1 include:_spf.other.test include:_spf.host.test ~all
v=spf1 mx a:x.test ip4:192.0.2.1 -all|v=spf1 mx a:x.test ip4:192.0.2.1 include:_spf.host.test -all
v=spf1 redirect=r.test|v=spf1 include:_spf.host.test redirect=r.test
v=spf1 mx redirect=r.test|v=spf1 mx include:_spf.host.test redirect=r.test
v=spf1 exp=e.test mx -all|v=spf1 exp=e.test mx include:_spf.host.test -all
v=spf1 mx -all exp=e.test|v=spf1 mx include:_spf.host.test -all exp=e.test
v=spf1 mx|v=spf1 mx include:_spf.host.test ~all
v=spf1|v=spf1 include:_spf.host.test ~all
v=spf1 mx +all|v=spf1 mx include:_spf.host.test ~all
v=spf1 mx all|v=spf1 mx include:_spf.host.test ~all
v=spf1 mx ?all|v=spf1 mx include:_spf.host.test ~all
V=SPF1  mx   -ALL|v=spf1 mx include:_spf.host.test -ALL
v=spf1 -all mx|v=spf1 mx include:_spf.host.test -all
v=spf1 mx -all include:_spf.host.test|v=spf1 mx include:_spf.host.test -all
v=spf1 mx ?include:_spf.host.test -all|v=spf1 mx include:_spf.host.test -all
v=spf1 include:_SPF.host.test mx -all|v=spf1 include:_SPF.host.test mx -all
v=spf1 redirect=r.test mx -all|v=spf1 mx include:_spf.host.test -all
v=spf1 mx ipv4:192.0.2.1; -all;|v=spf1 mx ip4:192.0.2.1 include:_spf.host.test -all
v=spf1 a:192.0.2.1/24 ip4:2001:db8::1 -all|v=spf1 ip4:192.0.2.1/24 ip6:2001:db8::1 include:_spf.host.test -all
v=spf1 ip6:192.0.2.2 ip:192.0.2.3 -all|v=spf1 ip4:192.0.2.2 ip4:192.0.2.3 include:_spf.host.test -all
v=spf1 "mx" ~ipv4:192.0.2.1 -all.|v=spf1 mx ~ip4:192.0.2.1 include:_spf.host.test -all
v=spf1 mx ip4:300.1.1.1 moo -all|v=spf1 mx include:_spf.host.test -all
v=spf1 mx exp=a.test -all exp=b.test|v=spf1 mx exp=a.test include:_spf.host.test -all
"""


@pytest.mark.parametrize("line", REPAIRS.strip().splitlines())
def test_it_puts_the_tenant_in_and_keeps_the_rest(line):
    text, wanted = line.split("|")
    proposal = fixes.repaired(text, HOST)
    assert proposal.value == wanted
    parse(proposal.value)


def test_a_record_that_is_right_stays_as_it_is():
    assert fixes.repaired("v=spf1 include:_spf.host.test -all", HOST).value == "v=spf1 include:_spf.host.test -all"
    proposal = fixes.repaired("v=spf1 include:_spf.host.test -all")
    assert fixes.replacement(domain="d.test", current=proposal.value, proposal=proposal, costs={}) is None


def test_it_goes_before_the_term_that_would_decide_first():
    assert (
        fixes.repaired("v=spf1 mx -ip4:192.0.2.0/24 a -all", HOST, before=2).value
        == "v=spf1 mx include:_spf.host.test -ip4:192.0.2.0/24 a -all"
    )
    late = "v=spf1 -ip4:192.0.2.0/24 include:_spf.host.test -all"
    assert fixes.repaired(late, HOST, before=1).value == "v=spf1 include:_spf.host.test -ip4:192.0.2.0/24 -all"
    assert fixes.repaired("v=spf1 ?include:_spf.host.test -all", HOST, before=1).value == "v=spf1 include:_spf.host.test -all"


def test_it_leaves_out_what_leads_nowhere_and_says_so():
    proposal = fixes.repaired("v=spf1 a:gone.test mx -all", drop={1})
    assert proposal.value == "v=spf1 mx -all"
    assert "a:gone.test" in str(proposal.notes)


@pytest.mark.parametrize(
    "text", ["v=spf1 mx\x00-all", "v=spf1 m\xe9 -all", "v=spf1 redirect=", "v=spf1 mx redirect=a.test redirect=b.test"]
)
def test_it_makes_no_record_where_nobody_can_say_what_was_meant(text):
    assert fixes.repaired(text, HOST).value is None
    assert fixes.replacement(domain="d.test", current=text, proposal=fixes.repaired(text, HOST), costs={}) is None
    assert fixes.merged(["v=spf1 -all", text], HOST).value is None


def test_every_change_is_named():
    notes = " ".join(fixes.repaired("v=spf1 mx ipv4:192.0.2.1 moo +all redirect=r.test a", HOST).notes)
    for part in (
        "ipv4:192.0.2.1",
        "ip4:192.0.2.1",
        "“moo” was left out",
        "“+all” became “~all”",
        "“redirect=r.test” was left out",
        "count: a.",
    ):
        assert part in notes


MERGES = [
    (["v=spf1 include:_spf.host.test -all", "v=spf1 mx -all"], "v=spf1 include:_spf.host.test mx -all"),
    (["v=spf1 mx a ~all", "v=spf1 +MX ip4:192.0.2.1 -all"], "v=spf1 mx a ip4:192.0.2.1 include:_spf.host.test -all"),
    (["v=spf1 mx ?all", "v=spf1 a +all"], "v=spf1 mx a include:_spf.host.test ~all"),
    (["v=spf1 mx", "v=spf1 redirect=r.test"], "v=spf1 mx include:r.test include:_spf.host.test ~all"),
    (["v=spf1 mx exp=a.test -all", "v=spf1 a exp=b.test ~all"], "v=spf1 mx exp=a.test a include:_spf.host.test -all"),
    (["v=spf1 ipv4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 mx ~all"], "v=spf1 ip4:192.0.2.1 mx include:_spf.host.test -all"),
]


@pytest.mark.parametrize(("texts", "wanted"), MERGES)
def test_several_records_become_one(texts, wanted):
    proposal = fixes.merged(texts, HOST)
    assert proposal.value == wanted
    fix = fixes.replacement(domain="d.test", current=texts[0], proposal=proposal, costs={}, others=texts[1:])
    assert [(r.action, r.current) for r in fix.records] == [(Action.REPLACE, texts[0]), (Action.REMOVE, texts[1])]
    assert fix.records[0].value == wanted
    assert "the strictest end" in fix.text


def test_without_an_include_the_addresses_are_named():
    assert fixes.authorising_terms(include="_spf.host.test.", addresses=["192.0.2.1"]) == HOST
    assert fixes.authorising_terms(include="", addresses=["192.0.2.1", "2001:db8::1"]) == ("ip4:192.0.2.1", "ip6:2001:db8::1")
    assert fixes.new_record(("ip4:192.0.2.1",)).value == "v=spf1 ip4:192.0.2.1 ~all"
    assert fixes.new_record(()).value is None
    assert fixes.addition(domain="d.test", proposal=fixes.new_record(()), costs={}).records == ()


def test_a_long_record_is_one_value():
    text = "v=spf1 " + " ".join(f"ip4:192.0.2.{i}" for i in range(40)) + " -all"
    assert fixes.repaired(text, HOST).value == text.replace("-all", "include:_spf.host.test -all")


def test_it_warns_where_the_new_record_needs_too_many_lookups():
    proposal = fixes.repaired("v=spf1 include:big.test mx -all", HOST)
    costs = {"include:big.test": 8, "include:_spf.host.test": 2}
    assert fixes.lookups_of(proposal.value, costs) == 11
    fix = fixes.replacement(domain="d.test", current="x", proposal=proposal, costs=costs)
    assert "needs DNS lookups: 11 (limit 10)" in fix.text
    costs["include:big.test"] = 7
    assert "limit" not in fixes.replacement(domain="d.test", current="x", proposal=proposal, costs=costs).text


def test_the_text_can_be_translated_sentence_by_sentence():
    fix = fixes.replacement(domain="d.test", current="x", proposal=fixes.repaired("v=spf1 +all", HOST), costs={})
    source = fix.text.source()
    assert source["id"] == "{first} {second}"
    assert source["params"]["second"]["id"] == "“{term}” became “{better}”."


# -- what a word processor makes of a record

MEANT = "v=spf1 include:_spf.host.test -all"


@pytest.mark.parametrize(
    "typed",
    [
        b"v=spf1 include:_spf.host.test\t-all",
        b"v=spf1 include:_spf.host.test\r\n -all",
        "v=spf1 include:_spf.host.test \u2013all".encode(),
        "v=spf1 include:_spf.host.test \u2212all\u201d".encode(),
        "v=spf1 include:_spf.host.test\u00a0-all".encode(),
        b"v=spf1 include:_spf.host.test\xa0\x96all",
        "v=spf1 include:\u200b_spf.host.test -all".encode(),
    ],
)
def test_blanks_and_hyphens_of_a_word_processor_become_plain_ones(typed):
    result, _server = spf({"hex": typed.hex()})
    (record,) = finding(result, "spf_syntax").fix.records
    assert " ".join(record.value.split()) == MEANT
    assert record.current == show_bytes(typed)
    assert found(record.value) == []


@pytest.mark.parametrize("typed", ["v=spf1 include:\u00e9.test -all", "v=spf1 \x00 -all", "v=spf1 \u00e0 -all"])
def test_what_nobody_can_guess_is_not_guessed(typed):
    result, _server = spf({"hex": typed.encode().hex()})
    assert finding(result, "spf_syntax").fix is None


# -- a domain that is an alias, and the obsolete type


def test_a_domain_that_is_an_alias_gets_its_record_in_place_of_the_alias():
    names = {"kunde.test": {"CNAME": ["www.other.test."]}, "www.other.test": {"TXT": ["v=spf1 mx -all"]}}
    result, _server = spf(names=names)
    given = finding(result, "spf_sender_not_authorised").fix
    assert [(r.action, r.type, r.name, r.value) for r in given.records] == [
        ("remove", "CNAME", "kunde.test", "www.other.test"),
        ("add", "TXT", "kunde.test", "v=spf1 mx include:_spf.host.test -all"),
    ]


def test_an_alias_of_nothing_is_not_said_to_be_unregistered():
    result, _server = spf(names={"kunde.test": {"CNAME": ["gone.other.test."]}})
    assert "alias of gone.other.test" in finding(result, "spf_missing").message


def test_the_fix_for_the_obsolete_type_takes_it_away():
    result, _server = spf(names={"kunde.test": {"TXT": [MEANT], "SPF": [MEANT]}})
    (record,) = finding(result, "spf_type99").fix.records
    assert (record.type, record.name, record.action, record.value) == ("SPF", "kunde.test", "remove", MEANT)
