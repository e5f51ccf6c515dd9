"""The sending addresses on block lists (RFC 5782), and lists that are not to be believed."""

import pytest

from collectors.server.dnsbl import MAX_LISTS, list_name
from tests.collectors.server.card_lab import codes, judge, one

LIST = {"2.0.0.127.bl.test": {"A": ["127.0.0.2"], "TXT": ["Test entry"]}}
LIST_6 = {list_name("::ffff:7f00:2", "bl.test"): {"A": ["127.0.0.2"]}}
FOUR, SIX = "203.0.113.25", "2001:db8::25"


def row(names=None, ips=(FOUR,), lists=("bl.test",), **options):
    return one(
        "server_dnsbl", names={**LIST, **(names or {})}, sending_ips=ips, dnsbls=lists, **options
    )


def entry(ip, *answers, text=None):
    return {list_name(ip, "bl.test"): {"A": list(answers), **({"TXT": [text]} if text else {})}}


def test_names_are_reversed_octets_or_nibbles():
    """RFC 5782, 2.1 and 2.4."""
    assert list_name("192.0.2.99", "bad.example") == "99.2.0.192.bad.example"
    assert list_name("2001:db8:1:2:3:4:567:89ab", "ugly.example") == (
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example"
    )


def test_an_address_on_no_list_is_ok():
    result = row()
    assert (str(result.status), result.message) == ("ok", "On none of: bl.test.")


def test_an_address_on_a_list_fails_with_code_and_reason():
    result = row(entry(FOUR, "127.0.0.4", text="See https://bl.test/203.0.113.25"))
    assert codes(result) == ["server_dnsbl_listed"]
    assert f"{FOUR} is on a block list: bl.test (127.0.0.4)" in result.message
    seen = result.evidence["lists"]["bl.test"]
    assert seen == {
        "listed": {FOUR: ["127.0.0.4"]},
        "reasons": {FOUR: "See https://bl.test/203.0.113.25"},
    }


def test_an_ipv6_address_is_asked_about_where_the_list_has_such():
    assert codes(row({**LIST_6, **entry(SIX, "127.0.0.2")}, ips=(SIX,))) == ["server_dnsbl_listed"]
    result = row(entry(SIX, "127.0.0.2"), ips=(SIX,))
    assert str(result.status) == "ok"
    assert result.evidence["lists"]["bl.test"] == {"not_asked": [SIX]}


@pytest.mark.parametrize(
    "answer", ["127.255.255.252", "127.255.255.254", "127.255.255.255", "127.0.0.1", "127.0.0.255"]
)
def test_an_answer_that_means_you_may_not_ask_lists_nobody(answer):
    """Case 222."""
    for names in (entry(FOUR, answer), {"2.0.0.127.bl.test": {"A": [answer]}}):
        result = row(names)
        assert (str(result.status), codes(result)) == ("unknown", ["server_dnsbl_refuses"])


@pytest.mark.parametrize(
    "names",
    [
        {"*.bl.test": {"A": ["127.0.0.2"]}, "1.0.0.127.bl.test": {"A": ["127.0.0.2"]}},
        {"2.0.0.127.bl.test": {"A": ["198.51.100.7"]}},  # sold and parked
        {"2.0.0.127.bl.test": {}},  # knows nothing
        entry(FOUR, "198.51.100.7"),
        entry(FOUR, "127.0.0.2", "198.51.100.7"),
    ],
)
def test_a_list_that_was_given_up_lists_nobody(names):
    """Case 222: only 127.0.0.0/8 counts, and the test entries have to be right."""
    result = row(names)
    assert (str(result.status), codes(result)) == ("unknown", ["server_dnsbl_dead"])


def test_a_list_that_fails_its_test_is_asked_about_nobody():
    _found, dns = judge(
        "server_dnsbl", names={"2.0.0.127.bl.test": {}}, dnsbls=("bl.test",), sending_ips=(FOUR,)
    )
    assert dns.count("2.0.0.127.bl.test") and not dns.count(list_name(FOUR, "bl.test"))


@pytest.mark.parametrize("action", ["servfail", "refused", "drop", "garbage"])
def test_a_list_that_cannot_be_asked_lists_nobody(action):
    result = row(
        rules=[{"name": "*.bl.test", "action": action}], config_changes={"check_seconds": 3.0}
    )
    assert (str(result.status), codes(result)) == ("unknown", ["server_dnsbl_silent"])


def test_one_list_that_refuses_hides_no_other():
    names = {**entry(FOUR, "127.0.0.3"), "2.0.0.127.no.test": {"A": ["127.255.255.254"]}}
    result = row(names, lists=("no.test", "bl.test"))
    assert codes(result) == ["server_dnsbl_listed", "server_dnsbl_refuses"]


def test_a_key_in_a_lists_name_is_shown_nowhere():
    """Case 223."""
    key = "abcdefghijklmnopqrstuvwxyz"
    zone = f"{key}.zen.bl.test"
    names = {
        f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]},
        list_name(FOUR, zone): {"A": ["127.0.0.2"], "TXT": ["listed"]},
    }
    for more in ({}, {"rules": [{"name": f"*.{zone}", "action": "servfail"}]}):
        result = row(names, lists=(zone,), **more)
        assert "….zen.bl.test" in result.message and key not in repr(result)


def test_what_a_list_says_is_text_and_short():
    result = row(entry(FOUR, "127.0.0.2", text={"repeat": ["\x1b[31m", 2000]}))
    reason = result.evidence["lists"]["bl.test"]["reasons"][FOUR]
    assert "\x1b" not in reason and len(reason) < 300


def test_queries_are_bounded_whatever_is_set():
    """Case 221."""
    ips = tuple(f"203.0.113.{n}" for n in range(200))
    lists = tuple(f"l{n}.test" for n in range(50))
    names = {f"2.0.0.127.{name}": {"A": ["127.0.0.2"]} for name in lists}
    found, dns = judge("server_dnsbl", names=names, dnsbls=lists, sending_ips=ips)
    assert len(found["server_dnsbl"].evidence["lists"]) == MAX_LISTS
    assert len(dns.queries) <= 200


def test_nothing_is_asked_where_no_list_is_set():
    assert judge("server_dnsbl", dnsbls=())[0] == {}
