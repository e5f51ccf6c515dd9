"""Slips of the hand in an SPF record: each is mended in place, and no sender meant is lost."""

import time

import pytest

from collectors.dns.spf.slips import mend, nearly_a_record
from collectors.standards.spf.record import parse
from tests.collectors.lab import codes
from tests.collectors.spf_check import GOOD, finding, found, spf, values

# -- strings that are glued at a seam: they are separated by | here

SEAMS = [
    ("v=spf1 ip4:198.51.100.7|ip4:198.51.100.8 ~all", "ip4:198.51.100.7 ip4:198.51.100.8 ~all"),
    ("v=spf1 include:a.test|include:b.test ~all", "include:a.test include:b.test ~all"),
    ("v=spf1 include:a.test|-all", "include:a.test -all"),
    ("v=spf1 ip4:192.0.2.1|-all", "ip4:192.0.2.1 -all"),
    ("v=spf1 a|mx -all", "a mx -all"),
    ("v=spf1 mx|a:b.test -all", "mx a:b.test -all"),
    ("v=spf1 mx ~all|v=spf1 include:b.test ~all", "mx ~all include:b.test ~all"),
    ("v=spf1 include:a.te|st -all", "include:a.test -all"),
    ("v=spf1 ip4:192.0.2.|1 -al|l", "ip4:192.0.2.1 -all"),
    ("v=spf1 include:mail.exa|mx.test -all", "include:mail.examx.test -all"),
]


@pytest.mark.parametrize(("text", "wanted"), SEAMS)
def test_strings_are_parted_where_a_blank_was_forgotten_and_nowhere_else(text, wanted):
    strings = text.split("|")
    seams = [len("".join(strings[:n])) for n in range(1, len(strings))]
    assert mend("".join(strings), seams).text == f"v=spf1 {wanted}"


MENDED = """
include: mailgun.test -all|include:mailgun.test -all
include :mailgun.test -all|include:mailgun.test -all
include : mailgun.test -all|include:mailgun.test -all
include mailgun.test -all|include:mailgun.test -all
ip4: 192.0.2.1 - all|ip4:192.0.2.1 -all
ip4 192.0.2.1 a mx -all|ip4:192.0.2.1 a mx -all
ip4:192.0.2.0 /24 ~ all|ip4:192.0.2.0/24 ~all
include:_spf. host.test -all|include:_spf.host.test -all
redirect= x.test|redirect=x.test
redirect:x.test|redirect=x.test
include=mailgun.test ip4=192.0.2.1 a=b.test -all|include:mailgun.test ip4:192.0.2.1 a:b.test -all
+include=mailgun.test -all|+include:mailgun.test -all
ra=postmaster foo=bar,baz op=a:b -all|ra=postmaster foo=bar,baz op=a:b -all
inlcude:mailgun.test includes:b.test -all|include:mailgun.test include:b.test -all
include:a.test,include:b.test,c.test -all|include:a.test include:b.test include:c.test -all
ip4:192.0.2.1,192.0.2.2;ip4:192.0.2.3 -all|ip4:192.0.2.1 ip4:192.0.2.2 ip4:192.0.2.3 -all
ip4:192.0.2.1/255.255.255.0 -all|ip4:192.0.2.1/24 -all
ip4:192.0.2.8-192.0.2.11 ip4:192.0.2.* ip4:198.51.100 -all|\
ip4:192.0.2.8/30 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all
ip4:198.051.100.7 ip4:192.0.2.7:25 -all|ip4:198.51.100.7 ip4:192.0.2.7 -all
192.0.2.5 mail.other.test _spf.x.test 2001:db8::1 -all|\
ip4:192.0.2.5 a:mail.other.test include:_spf.x.test ip6:2001:db8::1 -all
ip4:mail.other.test include:192.0.2.1 a:2001:db8::1 -all|\
a:mail.other.test ip4:192.0.2.1 ip6:2001:db8::1 -all
include:https://_spf.x.test/ include:_spf.y.test:25 -all.|\
include:_spf.x.test include:_spf.y.test -all
mx ~all;|mx ~all
mx -all v=spf1 include:b.test ~all|mx -all include:b.test ~all
mx ~allv=spf1 include:b.test -all|mx ~all include:b.test -all
include:mailgun.org-all|include:mailgun.org -all
include:a.testinclude:b.testmx:c.test ip4:192.0.2.1a:d.test~all|\
include:a.test include:b.test mx:c.test ip4:192.0.2.1 a:d.test ~all
ip6:2001:db8::25a:mail.test ip6:2001:db8::a:1 -all|\
ip6:2001:db8::25 a:mail.test ip6:2001:db8::a:1 -all
+a+mx+ip4:192.0.2.1 -all|+a +mx +ip4:192.0.2.1 -all
exists:%{i}._spf.x.test exists:%{l1r-,}.y.test include:%{ir}.%{d}.z.test -all|\
exists:%{i}._spf.x.test exists:%{l1r-,}.y.test include:%{ir}.%{d}.z.test -all
a: mx: ip4:300.1.1.1 moo -all|a mx -all
mx exp=a.test -al exp=b.test|mx exp=a.test -all
mx all-|mx -all
ip4:192.0.2.0\\24 a:b.test\\28 -all|ip4:192.0.2.0/24 a:b.test/28 -all
ip4:192.0.2.1/33 ip6:2001:db8::1/129 a:b.test/99 mx/40 -all|\
ip4:192.0.2.1 ip6:2001:db8::1 a:b.test mx -all
ip4:192.0.2.8-11 -all|ip4:192.0.2.8/30 -all
exists:%i.x.test exists:%(ir).y.test exists:{l}.z.test exists:${d}.w.test -all|\
exists:%{i}.x.test exists:%{ir}.y.test exists:%{l}.z.test exists:%{d}.w.test -all
include:a.test% include:%sendgrid.test include:{c.test} -all|\
include:a.test include:sendgrid.test include:c.test -all
redirect=%d.x.test|redirect=%{d}.x.test
"""


@pytest.mark.parametrize("line", MENDED.strip().splitlines())
def test_each_kind_of_slip_is_mended(line):
    text, wanted = line.split("|")
    mended = mend(f"v=spf1 {text}")
    assert mended.text == f"v=spf1 {wanted}"
    parse(mended.text)
    assert bool(mended.notes) == (text != wanted)
    again = mend(mended.text)
    assert (again.text, again.notes) == (mended.text, [])


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 mx\x00-all",
        "v=spf1 m\xe9 -all",
        "v=spf1 redirect=",
        "v=spf1 mx redirect=a.test redirect=b.test",
        "v=spf1 " + "ip4:192.0.2.1 " * 1000,
    ],
)
def test_where_nobody_can_say_what_was_meant_nothing_is_mended(text):
    assert mend(text) is None


HOSTILE = {
    "mx": "mx:" * 1300,
    "a": "a:a:a:a:" * 500,
    "short": "a:" * 200,
    "includes": "include:" * 40,
    "addresses": "ip4:1.1.1.1a:" * 20,
    "letters": "a" * 300,
    "ends": "-all" * 70,
    "commas": "a," * 2000,
    "words": "x " * 2000,
    "colons": ": " * 2000,
    "blanks behind": "include: " * 400,
    "modifiers": " ".join(f"incl{i}e=x.test" for i in range(250)),
    "macros": "%{" * 2000,
}


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_take_no_time(words):
    started = time.process_time()
    mend(f"v=spf1 {words}"[:4096])
    nearly_a_record(f"v=spf1;{words}"[:4096].encode())
    assert time.process_time() - started < 1


# -- a text that is nearly a record


@pytest.mark.parametrize(
    "head",
    [
        "v=spf1; ",
        "v=spf1;",
        "v=spf1, ",
        "v=spf ",
        "v=spf1",
        "v=spf1:",
        "v = spf1 ",
        "v=spf1\t",
        "v=sfp1 ",
        "v=spf1.0 ",
        "V=SPF-1 ",
        "vspf1 ",
        "spf1 ",
        "SPF: v=spf1 ",
        ' "v=spf1 ',
        "\xef\xbb\xbfv=spf1 ",
        'kunde.test. 3600 IN TXT "v=spf1 ',
    ],
)
def test_a_text_that_is_almost_a_record_is_replaced_and_its_senders_stay(head):
    text = f"{head}include:h9.test -all" + '"' * head.count('"')
    names = {"h9.test": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]}}
    result, _server = spf(text, names=names)
    assert codes(result) == ["spf_missing"]
    wanted = "v=spf1 include:h9.test include:_spf.host.test -all"
    assert values(result, "spf_missing") == [("replace", wanted)]
    assert found(wanted, names=names) == []


@pytest.mark.parametrize(
    "text",
    [
        "v=spf10 -all",
        "v=spf11 mx -all",
        "v=spf1-verification=1",
        "spf2.0/pra include:x.test -all",
        "v=spf2 mx -all",
        "google-site-verification=abc",
        "v=DMARC1; p=none",
        "spf=pass mx",
        "v=spf1abc -all",
    ],
)
def test_another_text_that_begins_alike_is_left_alone(text):
    assert nearly_a_record(text.encode()) is None


def test_a_modifier_may_come_first_in_what_is_almost_a_record():
    assert nearly_a_record(b" v=spf1 ra=x mx -all")[0] == "v=spf1 ra=x mx -all"
    assert nearly_a_record(b" v=spf1 include: x.test")[0] == "v=spf1 include: x.test"
    assert nearly_a_record(b" v=spf1 ra=x hello") is None


def test_seams_of_what_is_almost_a_record_are_known_too():
    result, _server = spf(["v=spf1;ip4:198.51.100.1 mx:h1.test", "-all"])
    assert values(result, "spf_missing") == [
        ("replace", "v=spf1 ip4:198.51.100.1 mx:h1.test include:_spf.host.test -all")
    ]


def test_several_that_are_almost_records_become_one():
    result, _server = spf("v=spf1; ip4:198.51.100.1 -all", "v=spf1;mx:h1.test -all")
    assert codes(result) == ["spf_missing"]
    assert values(result, "spf_missing") == [
        ("replace", "v=spf1 ip4:198.51.100.1 mx:h1.test include:_spf.host.test -all"),
        ("remove", "v=spf1;mx:h1.test -all"),
    ]


# -- what is no error to receivers, and yet not what was meant


@pytest.mark.parametrize(
    ("term", "better"),
    [
        ("include=h9.test", "include:h9.test"),
        ("ip4=198.51.100.7", "ip4:198.51.100.7"),
        ("ip6=2001:db8:9::1", "ip6:2001:db8:9::1"),
        ("mx=h9.test", "mx:h9.test"),
        ("ip=198.51.100.7", "ip4:198.51.100.7"),
        ("includes=h9.test", "include:h9.test"),
    ],
)
def test_a_mechanism_written_as_a_modifier_is_a_warning_with_the_mended_record(term, better):
    names = {"h9.test": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"], "MX": [[10, "h1.test"]]}}
    result, _server = spf(f"v=spf1 {term} include:_spf.host.test -all", names=names)
    assert (result.status, codes(result)) == ("warn", ["spf_slip"])
    wanted = f"v=spf1 {better} include:_spf.host.test -all"
    assert values(result, "spf_slip") == [("replace", wanted)]
    assert found(wanted, names=names) == []


def test_a_modifier_that_nobody_knows_is_no_slip():
    assert found(GOOD + " ra=postmaster foo=bar rp=100") == []


def test_two_includes_glued_at_a_seam_are_two_senders():
    names = {"h9.test": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]}}
    strings = ["v=spf1 ip4:198.51.100.7 include:_spf.host.test", "include:h9.test ~all"]
    result, _server = spf(strings, names=names)
    assert "spf_slip" in codes(result) and "spf_include_missing" in codes(result)
    wanted = "v=spf1 ip4:198.51.100.7 include:_spf.host.test include:h9.test ~all"
    assert values(result, "spf_include_missing") == [("replace", wanted)]
    assert finding(result, "spf_slip").severity == "warn"
