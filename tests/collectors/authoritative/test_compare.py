"""Whether a record stands on a name server: compared by what it means."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.authoritative import Answers, Said, Server, State, Verdict, published
from collectors.authoritative.compare import means_the_same
from tests.collectors.dkim_keys import pkcs1, spki

NAME = "kunde.test"
RSA_2048, RSA_OTHER = spki(), spki(name="other")


@dataclass(frozen=True)
class Record:
    action: str
    type: str
    value: str
    name: str = NAME
    values_now: tuple[str, ...] = field(default=())


def verdict(record, *records, **said):
    """(verdict, the values that are not right) of one server that has these records."""
    answers = Answers(
        zone=NAME,
        servers=(Server("ns1.kunde.test", "192.0.2.1"),),
        of_all=1,
        said=(
            Said(
                "ns1.kunde.test",
                record.name,
                record.type,
                **{"state": State.ANSWERED, "records": records, **said},
            ),
        ),
    )
    [seen] = published(record, answers)
    return seen.verdict, seen.values


SPF = "v=spf1 include:_spf.host.test ~all"
DMARC = "v=DMARC1; p=none; rua=mailto:dmarc@host.test"
KEY = f"v=DKIM1; k=rsa; p={RSA_2048}"


@pytest.mark.parametrize(
    ("record", "there", "says"),
    [
        (Record("add", "MX", "mx1.host.test"), ["10 mx1.host.test."], (Verdict.HAS, ())),
        (Record("add", "MX", "10 MX1.host.test."), ["20 mx1.host.test."], (Verdict.HAS, ())),
        (Record("add", "MX", "mx1.host.test"), [], (Verdict.NONE, ())),
        (
            Record("replace", "MX", "mx1.host.test", values_now=("10 mx.old.test",)),
            ["10 mx1.host.test.", "10 mx.old.test."],
            (Verdict.BOTH, ("10 mx.old.test.",)),
        ),
        (
            Record("replace", "MX", "mx1.host.test", values_now=("10 mx.old.test",)),
            ["10 mx.old.test."],
            (Verdict.OLD, ("10 mx.old.test.",)),
        ),
        (Record("add", "TXT", SPF), [SPF.upper().replace("V=SPF1", "v=spf1")], (Verdict.HAS, ())),
        (Record("add", "TXT", SPF), ["google-site-verification=x"], (Verdict.NONE, ())),
        (Record("add", "TXT", SPF), ["x", "v=spf1 -all"], (Verdict.OLD, ("v=spf1 -all",))),
        (Record("add", "TXT", SPF), [SPF, "x", "v=spf1 -all"], (Verdict.BOTH, ("v=spf1 -all",))),
        (
            Record("add", "TXT", DMARC),
            ["v=DMARC1;rua=mailto:dmarc@host.test ; p = None"],
            (Verdict.HAS, ()),
        ),
        (Record("add", "TXT", DMARC), [DMARC, "some text"], (Verdict.HAS, ())),
        (
            Record("add", "TXT", DMARC),
            [DMARC, "v=DMARC1; p=reject"],
            (Verdict.BOTH, ("v=DMARC1; p=reject",)),
        ),
        (Record("add", "TXT", KEY), [f"p={RSA_2048}; k=rsa"], (Verdict.HAS, ())),
        (
            Record("add", "TXT", KEY),
            [f"v=DKIM1; p={RSA_2048[:60]} {RSA_2048[60:]}"],
            (Verdict.HAS, ()),
        ),
        (Record("add", "TXT", KEY), [f"v=DKIM1; p={pkcs1()}"], (Verdict.HAS, ())),
        (Record("add", "TXT", KEY), ["v=DKIM1; p="], (Verdict.OLD, ("v=DKIM1; p=",))),
        (
            Record("add", "TXT", KEY),
            [f"v=DKIM1; p={RSA_OTHER}"],
            (Verdict.OLD, (f"v=DKIM1; p={RSA_OTHER}",)),
        ),
        (
            Record("add", "TXT", KEY),
            [KEY, f"v=DKIM1; p={RSA_OTHER}"],
            (Verdict.BOTH, (f"v=DKIM1; p={RSA_OTHER}",)),
        ),
        (Record("add", "CNAME", "webmail.host.test"), ["Webmail.Host.test."], (Verdict.HAS, ())),
        (Record("add", "AAAA", "2001:DB8::25"), ["2001:db8:0::25"], (Verdict.HAS, ())),
        (Record("add", "A", "192.0.2.1"), ["192.0.2.2"], (Verdict.OLD, ("192.0.2.2",))),
        (Record("remove", "TXT", "v=spf1 -all"), [SPF], (Verdict.HAS, ())),
        (Record("remove", "TXT", "v=spf1 -all"), [], (Verdict.HAS, ())),
        (
            Record("remove", "TXT", "v=spf1 -all", values_now=("v=spf1 -all",)),
            [SPF, "v=spf1 -all"],
            (Verdict.OLD, ("v=spf1 -all",)),
        ),
        (
            Record("remove", "MX", "mx.old.test"),
            ["10 mx.old.test."],
            (Verdict.OLD, ("10 mx.old.test.",)),
        ),
        (Record("keep", "MX", "mx1.host.test"), ["10 mx1.host.test."], (Verdict.HAS, ())),
    ],
)
def test_a_record_is_there_if_what_it_means_is(record, there, says):
    """Case 285."""
    assert verdict(record, *there) == says


def test_an_alias_that_leads_nowhere_yet_is_not_right():
    record = Record("add", "CNAME", "s1.dkim.host.test")
    assert verdict(record, "s1.dkim.host.test.", leads=False)[0] == Verdict.NOWHERE
    assert verdict(record, "s1.dkim.host.test.", leads=True)[0] == Verdict.HAS
    assert verdict(record, "s1.dkim.host.test.", leads=None)[0] == Verdict.HAS


def test_what_says_the_same_as_the_alias_that_is_looked_for_is_right():
    record = Record("add", "CNAME", "s1.dkim.host.test")
    assert verdict(record, stands_in=True) == (Verdict.SAME, ()) and Verdict.SAME.is_right
    assert verdict(record, "other.host.test.", stands_in=True) == (Verdict.SAME, ())
    assert verdict(record)[0] == Verdict.NONE and not Verdict.NONE.is_right


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"v=DKIM1; t=y; p={RSA_2048}", f"v=DKIM1; p={RSA_2048}"),
        (f"k=rsa;  p={RSA_2048};", KEY),
        (f"v=DKIM1; k=rsa; p={RSA_2048[:40]} {RSA_2048[40:]}", KEY),
        ("V=SPF1 include:_spf.host.test ~all", SPF),
        ("v=spf1  include:_SPF.host.test ~all", SPF),
        ("v=DMARC1; p=NONE; rua=mailto:dmarc@host.test;", DMARC),
    ],
)
def test_the_text_that_is_to_be_replaced_is_never_the_right_one(old, new):
    """Whatever it has in common with it: nothing was changed yet."""
    record = Record("replace", "TXT", new, values_now=(old,))
    assert verdict(record, old) in ((Verdict.OLD, (old,)), (Verdict.NONE, ()))
    assert verdict(record, new) == (Verdict.HAS, ())
    assert verdict(record, new, old)[0] == Verdict.BOTH


def test_a_key_that_is_only_tested_is_not_right_in_any_words():
    assert not means_the_same("TXT", KEY, f"v=DKIM1; k=rsa; t=s:y; p={RSA_2048}")
    assert means_the_same("TXT", KEY, f"v=DKIM1; k=rsa; t=s; p={RSA_2048}")


def test_a_text_to_be_removed_that_is_seen_through_an_alias_stands_elsewhere():
    record = Record("remove", "TXT", KEY)
    assert verdict(record, KEY, chain=("s1.dkim.host.test",)) == (Verdict.HAS, ())
    assert verdict(record, KEY)[0] == Verdict.OLD


@pytest.mark.parametrize("state", [s for s in State if s != State.ANSWERED])
def test_what_was_not_answered_is_never_right(state):
    for action in ("add", "replace", "remove", "keep"):
        assert verdict(Record(action, "TXT", SPF), SPF, state=state)[0] == Verdict.UNKNOWN


@given(st.permutations(["p=quarantine", "rua=mailto:a@b.test", "adkim=s", "pct=50"]))
def test_the_order_of_tags_does_not_matter(tags):
    wanted = "v=DMARC1; p=quarantine; rua=mailto:a@b.test; adkim=s; pct=50"
    assert means_the_same("TXT", wanted, "v=DMARC1;" + ";".join(tags))
    assert not means_the_same("TXT", wanted, "v=DMARC1;" + ";".join(tags[1:]))


@given(st.permutations(["v=DKIM1", "k=rsa", f"p={RSA_2048}", "n=note"]))
def test_a_key_is_the_same_key_in_any_order_where_it_is_one(tags):
    """`v` comes first, or the record is none (RFC 6376, 3.6.1)."""
    assert means_the_same("TXT", KEY, "; ".join(tags)) == (tags[0] == "v=DKIM1")


@given(st.text(), st.sampled_from([SPF, DMARC, KEY, "some text"]))
def test_a_foreign_text_is_never_taken_for_the_right_one(text, wanted):
    assert not means_the_same("TXT", wanted, f"{text}!")


@given(st.sampled_from(["A", "AAAA", "MX", "CNAME", "TXT", "CAA"]), st.text(), st.text())
def test_anything_can_be_compared_with_anything(rdtype, one, other):
    means_the_same(rdtype, one, other)
    verdict(Record("replace", rdtype, one, values_now=(other,)), other, one)
