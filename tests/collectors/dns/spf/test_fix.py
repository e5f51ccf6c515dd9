"""The advice on SPF: one record, tried out, that keeps who may send and says what it changes."""

import pytest

from collectors.base import Action
from collectors.dns.spf import fix as fixes
from collectors.dns.spf.rewrite import Proposal, merged, rewritten
from collectors.dns.spf.slips import mend
from collectors.text import show_bytes
from tests.collectors.lab import codes
from tests.collectors.spf_check import GOOD, finding, found, spf, values

HOST = ("include:_spf.host.test",)


def test_several_records_are_one_replacement_and_removals():
    texts = ["v=spf1 mx a ~all", "v=spf1 +MX ip4:192.0.2.1 -all"]
    proposal = merged([mend(t) for t in texts], HOST)
    fix = fixes.replacement(domain="d.test", current=texts[0], proposal=proposal, others=texts[1:])
    assert [(r.action, r.current) for r in fix.records] == [
        (Action.REPLACE, texts[0]),
        (Action.REMOVE, texts[1]),
    ]
    assert fix.records[0].value == proposal.value
    assert "It keeps: mx a ip4:192.0.2.1" in fix.text


def test_there_is_no_fix_where_nothing_changes_or_nothing_can_be_said():
    for value in (GOOD, None):
        assert fixes.replacement(domain="d.test", current=GOOD, proposal=Proposal(value)) is None
    assert fixes.addition(domain="d.test", proposal=Proposal(None)).records == ()


def test_the_text_can_be_translated_sentence_by_sentence():
    fix = fixes.replacement(domain="d.test", current="x", proposal=rewritten("v=spf1 mx +all", ()))
    source = fix.text.source()
    assert source["id"] == "{first} {second}"
    assert source["params"]["second"]["id"] == "“{term}” became “{better}”."


def test_a_fix_is_given_once_at_the_worst_that_it_cures():
    result, _server = spf("v=spf1 mx:h1.test ?all")
    assert codes(result) == ["spf_sender_not_authorised"] * 2 + ["spf_all_neutral"]
    assert [bool(f.fix) for f in result.findings] == [True, False, False]


# -- the limit of ten lookups


def listed(count):
    return "v=spf1 " + " ".join(f"a:h{i}.test" for i in range(count)) + " {}-all"


@pytest.mark.parametrize("count", [8, 9, 10])
def test_where_lookups_leave_no_room_the_addresses_are_named(count):
    result, _server = spf(listed(count).format(""))
    ours = "ip4:203.0.113.25 ip6:2001:db8::25 "
    assert values(result, "spf_sender_not_authorised") == [("replace", listed(count).format(ours))]


def test_an_include_that_is_one_too_many_becomes_the_addresses_behind_it():
    record = listed(10).format("include:_spf.host.test ")
    result, _server = spf(record)
    ours = "ip4:203.0.113.25 ip6:2001:db8::25 "
    assert values(result, "spf_too_many_lookups") == [("replace", listed(10).format(ours))]
    assert "became the addresses behind it" in finding(result, "spf_too_many_lookups").fix.text


def test_an_include_of_more_than_addresses_is_not_taken_apart():
    names = {"_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 a:h1.test -all"]}}
    result, _server = spf(listed(9).format("include:_spf.host.test "), names=names)
    fix = finding(result, "spf_too_many_lookups").fix
    assert fix.records == ()
    assert "include:_spf.host.test 2" in fix.text


def test_a_term_that_stands_there_twice_is_taken_out_once_where_it_costs_too_much():
    record = listed(9).format("a:H1.test +a:h2.test include:_spf.host.test ")
    result, _server = spf(record)
    assert values(result, "spf_too_many_lookups") == [
        ("replace", listed(9).format("include:_spf.host.test "))
    ]


def test_where_only_the_customer_can_say_what_goes_it_names_the_costs():
    result, _server = spf(listed(11).format("include:_spf.host.test ?exists:%{i}.x.test "))
    fix = finding(result, "spf_too_many_lookups").fix
    assert fix.records == ()
    assert "a:h0.test 1" in fix.text


def test_a_record_that_would_turn_too_long_is_not_proposed():
    record = (
        "v=spf1 " + " ".join(f"ip4:198.51.100.{100 + i}" for i in range(22)) + " mx:h1.test -all"
    )
    assert 430 < len(record) <= 450
    result, _server = spf(record)
    assert set(codes(result)) == {"spf_sender_not_authorised"}
    assert all(not (f.fix and f.fix.records) for f in result.findings)
    assert "needs “include:_spf.host.test”" in result.findings[0].fix.text


# -- other senders are kept


EXISTS = " ".join(f"exists:%{{i}}._spf.{name}.test" for name in ("a", "b", "c"))


@pytest.mark.parametrize("ours", ["", " include:_spf.host.test"])
def test_a_term_whose_answer_depends_on_the_mail_is_never_useless(ours):
    result, _server = spf(f"v=spf1 {EXISTS}{ours} -all")
    assert set(codes(result)) == {"spf_too_many_void_lookups"}
    ((action, value),) = values(result, "spf_too_many_void_lookups")
    assert action == "replace"
    assert sorted(value.split()) == sorted(f"v=spf1 {EXISTS} include:_spf.host.test -all".split())
    assert found(value) == []


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


@pytest.mark.parametrize(
    "typed", ["v=spf1 include:\u2603.test -all", "v=spf1 \x00 -all", "v=spf1 \u00e0 -all"]
)
def test_what_nobody_can_guess_is_not_guessed(typed):
    result, _server = spf({"hex": typed.encode().hex()})
    assert finding(result, "spf_syntax").fix is None


# -- a domain that is an alias, and the obsolete type


def test_a_domain_that_is_an_alias_gets_its_record_in_place_of_the_alias():
    names = {
        "kunde.test": {"CNAME": ["www.other.test."]},
        "www.other.test": {"TXT": ["v=spf1 mx -all"]},
    }
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
    assert (record.type, record.name, record.action, record.value) == (
        "SPF",
        "kunde.test",
        "remove",
        MEANT,
    )


def test_a_reverse_lookup_that_finds_nothing_for_us_is_kept_for_others():
    text = "v=spf1 a:gone1.test ptr:kunde.test mx:gone2.test -all"
    (value,) = {v for _a, v in values(spf(text)[0], "spf_too_many_void_lookups")}
    assert "ptr:kunde.test" in value


def test_of_one_text_that_stands_there_twice_one_is_removed():
    # the same text, its strings cut in different places
    cut = ["v=spf1 include:_spf.", "host.test -all"]
    result, _server = spf(GOOD, cut)
    assert codes(result) == ["spf_multiple"]
    assert values(result, "spf_multiple") == [("replace", GOOD), ("remove", GOOD)]
