"""The tree of an SPF record: its lookups counted, its loops, and bounds against hostile zones."""

import pytest

from collectors.base import Status
from tests.collectors.lab import codes
from tests.collectors.spf_check import GOOD, asked, found, spf, values

# -- limits


def test_the_lookups_are_counted_for_the_whole_record():
    """Case 48."""

    def chain(count):
        return spf(
            "v=spf1 include:_spf.host.test "
            + " ".join(f"a:h{i}.test" for i in range(count - 1))
            + " -all"
        )[0]

    assert codes(chain(8)) == []
    assert [codes(chain(n)) for n in (9, 10)] == [["spf_lookups_near_limit"]] * 2
    assert chain(10).status == Status.WARN and "10 (limit 10)" in chain(10).message
    assert codes(chain(11)) == ["spf_too_many_lookups"] and chain(11).status == Status.FAIL
    assert "11 (limit 10)" in chain(11).message
    assert [a["result"] for a in chain(11).evidence["addresses"]] == [
        "pass",
        "pass",
    ]  # ours match early; others do not


def test_too_many_lookups_before_the_match_name_the_whole_count():
    result, _server = spf(
        "v=spf1 include:c1.test include:c2.test include:_spf.host.test -all",
        names={
            "c1.test": {"TXT": ["v=spf1 " + " ".join(f"a:h{i}.test" for i in range(4)) + " -all"]},
            "c2.test": {"TXT": ["v=spf1 " + " ".join(f"a:h{i}.test" for i in range(5)) + " -all"]},
        },
    )
    assert codes(result) == ["spf_too_many_lookups"]
    assert "12 (limit 10)" in result.message


def test_terms_that_evaluation_never_reaches_do_not_count():
    result, _server = spf(
        "v=spf1 include:_spf.host.test -all " + " ".join(f"a:h{i}.test" for i in range(11))
    )
    assert codes(result) == ["spf_terms_after_all"]
    assert result.evidence["dns_lookups"]["count"] == 1


def test_an_include_that_comes_twice_counts_twice_and_is_no_loop():
    """Case 45."""
    names = {
        "i.test": {"TXT": ["v=spf1 include:j.test -all"]},
        "j.test": {"TXT": ["v=spf1 a:h1.test -all"]},
    }
    result, _server = spf(
        "v=spf1 include:i.test include:j.test include:_spf.host.test -all", names=names
    )
    assert codes(result) == []
    assert result.evidence["dns_lookups"]["count"] == 6


def test_three_void_lookups_are_too_many_and_two_are_not():
    """Case 51."""
    assert found("v=spf1 a:gone1.test a:gone2.test include:_spf.host.test -all") == []
    result, _server = spf(
        "v=spf1 a:gone1.test mx a:gone2.test a:gone3.test include:_spf.host.test -all"
    )
    assert codes(result) == ["spf_too_many_void_lookups", "spf_too_many_void_lookups"]
    assert "gone1.test, kunde.test, gone2.test" in result.message
    assert values(result, "spf_too_many_void_lookups") == [
        ("replace", "v=spf1 a:gone3.test include:_spf.host.test -all")
    ]


def test_a_name_with_addresses_of_one_family_is_not_thrown_out():
    only4 = {f"v{i}.test": {"A": ["198.51.100.1"]} for i in range(3)}
    result, _server = spf(
        "v=spf1 a:v0.test a:v1.test a:v2.test include:_spf.host.test -all", names=only4
    )
    assert codes(result) == ["spf_too_many_void_lookups"]
    wanted = "v=spf1 a:v0.test a:v1.test include:_spf.host.test a:v2.test -all"
    assert values(result, "spf_too_many_void_lookups") == [
        ("replace", wanted)
    ]  # ours comes before the lookup that is too many
    assert "2001:db8::25" in result.message


@pytest.mark.parametrize(
    ("count", "wanted"), [(10, []), (11, ["spf_too_many_mx"]), (200, ["spf_too_many_mx"])]
)
def test_more_than_ten_exchanges_are_an_error(count, wanted):
    """Case 49."""
    names = {"many.test": {"MX": [[i, f"h{i % 10}.test"] for i in range(count)]}}
    assert found("v=spf1 mx:many.test include:_spf.host.test -all", names=names) == wanted


@pytest.mark.parametrize("count", [10, 11, 15])
def test_more_than_ten_addresses_of_one_exchange_are_an_error(count):
    names = {
        "many.test": {"MX": [[10, "mx.many.test"]]},
        "mx.many.test": {
            "A": [f"198.51.100.{i + 1}" for i in range(count)],
            "AAAA": ["2001:db8:1::1"],
        },
    }
    result, _server = spf("v=spf1 mx:many.test include:_spf.host.test -all", names=names)
    assert codes(result) == (["spf_too_many_mx"] if count > 10 else [])
    if count > 10:  # of one family only, so that our IPv6 address passes
        assert f"mx.many.test, which has addresses: {count} (limit 10" in result.message
        assert [a["result"] for a in result.evidence["addresses"]] == ["permerror", "pass"]
    # An earlier match stays conclusive.
    assert found("v=spf1 include:_spf.host.test mx:many.test -all", names=names) == []


def test_a_thousand_pointers_cost_few_queries():
    """Case 50."""
    names = {"25.113.0.203.in-addr.arpa": {"PTR": [f"n{i}.kunde.test" for i in range(1000)]}}
    result, server = spf(
        "v=spf1 ptr include:_spf.host.test -all", names=names, sending_ips=("203.0.113.25",)
    )
    assert codes(result) == ["spf_ptr"]
    assert len(server.queries) <= 16


# -- bounds against hostile zones


LOOPS = {
    "itself": ("v=spf1 include:kunde.test -all", {}),
    "macro": ("v=spf1 include:%{d} -all", {}),
    "redirect": ("v=spf1 redirect=kunde.test", {}),
    "ring": ("v=spf1 include:i.test -all", {"i.test": {"TXT": ["v=spf1 include:kunde.test -all"]}}),
    "redirect ring": (
        "v=spf1 redirect=i.test",
        {"i.test": {"TXT": ["v=spf1 redirect=kunde.test"]}},
    ),
    "inner": ("v=spf1 include:i.test -all", {"i.test": {"TXT": ["v=spf1 include:i.test -all"]}}),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_are_found(name):
    """Case 44."""
    record, names = LOOPS[name]
    result, server = spf(record, names=names)
    assert codes(result) == ["spf_loop"]
    assert len(server.queries) <= 5


def test_a_loop_behind_the_match_is_found_and_taken_out():
    result, _server = spf("v=spf1 include:_spf.host.test include:kunde.test -all")
    assert codes(result) == ["spf_loop"]
    assert values(result, "spf_loop") == [("replace", GOOD)]


def test_an_endless_chain_ends():
    """Case 46."""
    names = {"x." * n + "kunde.test": {"TXT": ["v=spf1 include:x.%{d} -all"]} for n in range(1, 60)}
    result, server = spf("v=spf1 include:x.%{d} -all", names=names)
    assert codes(result) == ["spf_too_many_lookups"]
    assert "at least 17" in result.message
    assert len(server.queries) <= 40


def test_fan_out_is_bounded():
    """Case 47."""
    names = {f"m{i}.test": {"MX": [[j, f"x{i}-{j}.test"] for j in range(10)]} for i in range(10)}
    names |= {f"x{i}-{j}.test": {"A": ["198.51.100.1"]} for i in range(10) for j in range(10)}
    result, server = spf(
        "v=spf1 " + " ".join(f"mx:m{i}.test" for i in range(10)) + " -all", names=names
    )
    assert codes(result) == ["spf_too_many_queries", "spf_lookups_near_limit"]
    assert len(asked(server)) <= 40
    names = {
        f"i{i}.test": {
            "TXT": ["v=spf1 " + " ".join(f"include:j{i}-{j}.test" for j in range(10)) + " -all"]
        }
        for i in range(10)
    }
    names |= {f"j{i}-{j}.test": {"TXT": ["v=spf1 -all"]} for i in range(10) for j in range(10)}
    result, server = spf(
        "v=spf1 " + " ".join(f"include:i{i}.test" for i in range(10)) + " -all", names=names
    )
    assert codes(result) == ["spf_too_many_lookups"]
    assert len(asked(server)) <= 40


def test_a_tree_that_doubles_at_every_level_is_bounded():
    names = {
        f"t{i}.test": {"TXT": ["v=spf1 " + f"include:t{i + 1}.test " * 20 + "-all"]}
        for i in range(14)
    }
    result, server = spf("v=spf1 include:t0.test -all", names=names)
    assert result.status == Status.FAIL
    assert result.duration_ms < 3000 and len(asked(server)) <= 40


@pytest.mark.parametrize(
    "term",
    [
        "exists:%{d" + "9" * 300 + "}.test",
        "exists:" + "%{s}" * 24 + ".test",
        "include:" + "%{s}" * 24 + ".test",
    ],
)
def test_hostile_macros_do_no_harm(term):
    """Case 58."""
    result, _server = spf(f"v=spf1 {term} include:_spf.host.test -all")
    assert result.status in (Status.OK, Status.FAIL) and result.duration_ms < 3000
