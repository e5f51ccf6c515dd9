"""The text of a record, rewritten: the customer's own, with as little changed as makes it right."""

import pytest

from collectors.dns.spf.rewrite import authorising_terms, merged, new_record, rewritten
from collectors.dns.spf.slips import mend
from collectors.standards.spf.record import parse
from collectors.text import _

HOST = ("include:_spf.host.test",)


def repaired(text, terms=(), **where):
    return rewritten(mend(text).text, terms, **where)


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
v=spf1 a:192.0.2.1/24 ip4:2001:db8::1 -all|\
v=spf1 ip4:192.0.2.1/24 ip6:2001:db8::1 include:_spf.host.test -all
v=spf1 ip6:192.0.2.2 ip:192.0.2.3 -all|\
v=spf1 ip4:192.0.2.2 ip4:192.0.2.3 include:_spf.host.test -all
v=spf1 "mx" ~ipv4:192.0.2.1 -all.|v=spf1 mx ~ip4:192.0.2.1 include:_spf.host.test -all
v=spf1 mx ip4:300.1.1.1 moo -all|v=spf1 mx include:_spf.host.test -all
v=spf1 mx exp=a.test -all exp=b.test|v=spf1 mx exp=a.test include:_spf.host.test -all
"""


@pytest.mark.parametrize("line", REPAIRS.strip().splitlines())
def test_it_puts_the_tenant_in_and_keeps_the_rest(line):
    text, wanted = line.split("|")
    value = repaired(text, HOST).value
    assert value == wanted
    parse(value)


def test_a_record_that_is_right_stays_as_it_is():
    for terms in (HOST, ()):
        proposal = repaired("v=spf1 include:_spf.host.test -all", terms)
        assert proposal.value == "v=spf1 include:_spf.host.test -all"
        assert proposal.notes == []


@pytest.mark.parametrize(
    ("text", "before", "wanted"),
    [
        (
            "v=spf1 mx -ip4:192.0.2.0/24 a -all",
            2,
            "v=spf1 mx include:_spf.host.test -ip4:192.0.2.0/24 a -all",
        ),
        (
            "v=spf1 -ip4:192.0.2.0/24 include:_spf.host.test -all",
            1,
            "v=spf1 include:_spf.host.test -ip4:192.0.2.0/24 -all",
        ),
        ("v=spf1 a include:_SPF.host.test. -all", 1, "v=spf1 include:_spf.host.test a -all"),
        ("v=spf1 ?include:_spf.host.test -all", 1, "v=spf1 include:_spf.host.test -all"),
    ],
)
def test_it_goes_before_the_term_that_would_decide_first(text, before, wanted):
    assert repaired(text, HOST, before=before).value == wanted


def test_it_leaves_out_what_it_is_told_to_and_says_so():
    said = _("“{term}” was left out: it lets nobody send.", term="a:gone.test")
    proposal = repaired("v=spf1 a:gone.test mx -all", drop={1: said})
    assert proposal.value == "v=spf1 mx -all"
    assert proposal.notes == [said]


def test_every_change_is_named():
    notes = " ".join(repaired("v=spf1 mx +all redirect=r.test a", HOST).notes)
    for part in (
        "“include:_spf.host.test” was added",
        "“+all” became “~all”",
        "“redirect=r.test” was left out",
        "count: a.",
    ):
        assert part in notes


MERGES = [
    (
        ["v=spf1 include:_spf.host.test -all", "v=spf1 mx -all"],
        "v=spf1 include:_spf.host.test mx -all",
    ),
    (
        ["v=spf1 mx a ~all", "v=spf1 +MX ip4:192.0.2.1 -all"],
        "v=spf1 mx a ip4:192.0.2.1 include:_spf.host.test -all",
    ),
    (["v=spf1 mx ?all", "v=spf1 a +all"], "v=spf1 mx a include:_spf.host.test ~all"),
    (
        ["v=spf1 mx", "v=spf1 redirect=r.test"],
        "v=spf1 mx include:r.test include:_spf.host.test ~all",
    ),
    (
        ["v=spf1 mx exp=a.test -all", "v=spf1 a exp=b.test ~all"],
        "v=spf1 mx exp=a.test a include:_spf.host.test -all",
    ),
    (
        ["v=spf1 ipv4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 mx ~all"],
        "v=spf1 ip4:192.0.2.1 mx include:_spf.host.test -all",
    ),
    (
        ["v=spf1 -ip4:192.0.2.0/24 mx -all", "v=spf1 ip4:192.0.2.7 -all"],
        "v=spf1 ip4:192.0.2.7 -ip4:192.0.2.0/24 mx include:_spf.host.test -all",
    ),
    (
        ["v=spf1 exists:%{l}.x.test -all", "v=spf1 v=spf1 exists:%{L}.x.test -all"],
        "v=spf1 exists:%{l}.x.test exists:%{L}.x.test include:_spf.host.test -all",
    ),
]


@pytest.mark.parametrize(("texts", "wanted"), MERGES)
def test_several_records_become_one(texts, wanted):
    proposal = merged([mend(text) for text in texts], HOST)
    assert proposal.value == wanted
    assert "the strictest end" in " ".join(proposal.notes)
    parse(proposal.value)


def test_without_an_include_the_addresses_are_named():
    assert authorising_terms(include="_spf.host.test.", addresses=["192.0.2.1"]) == HOST
    assert authorising_terms(include="", addresses=["192.0.2.1", "2001:db8::1"]) == (
        "ip4:192.0.2.1",
        "ip6:2001:db8::1",
    )
    assert new_record(("ip4:192.0.2.1",)).value == "v=spf1 ip4:192.0.2.1 ~all"
    assert new_record(()).value is None


def test_a_long_record_is_one_value():
    text = "v=spf1 " + " ".join(f"ip4:192.0.2.{i}" for i in range(40)) + " -all"
    assert repaired(text, HOST).value == text.replace("-all", "include:_spf.host.test -all")
