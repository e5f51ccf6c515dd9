"""check_host(): limits, loops and hostile zones (RFC 7208, section 4.6.4). https://www.rfc-editor.org/rfc/rfc7208"""

import asyncio

import pytest

from collectors.standards.spf.evaluation import check_host
from tests.collectors.spf_resolver import Resolver, check, result_of, txt

# -- 4.6.4 Limits


def test_loops_are_permerrors_and_are_called_loops():
    """Case 44."""
    loops = {
        "itself": {"d.test": txt("v=spf1 include:d.test -all")},
        "by macro": {"d.test": txt("v=spf1 include:%{d} -all")},
        "by case": {"d.test": txt("v=spf1 include:D.TEST. -all")},
        "ring": {
            "d.test": txt("v=spf1 include:i.test -all"),
            "i.test": txt("v=spf1 a:far.test include:d.test -all"),
        },
        "redirect to itself": {"d.test": txt("v=spf1 redirect=d.test")},
        "redirect ring": {
            "d.test": txt("v=spf1 redirect=i.test"),
            "i.test": txt("v=spf1 redirect=d.test"),
        },
    }
    for name, zone in loops.items():
        answer = check(zone)
        assert (answer.result, answer.reason) == ("permerror", "loop"), name
        assert answer.queries <= 3
    assert check(loops["ring"]).subject == "d.test → i.test → d.test"


def test_a_match_before_the_loop_is_conclusive():
    assert result_of("v=spf1 ip4:192.0.2.10 include:d.test -all") == "pass"


def test_an_endless_chain_of_new_names_is_a_permerror():
    """Case 46."""

    class Wildcard(Resolver):
        async def resolve(self, qname, rdtype):
            self.zone.setdefault(str(qname), txt("v=spf1 include:x.%{d} -all"))
            return await super().resolve(qname, rdtype)

    resolver = Wildcard({})
    answer = asyncio.run(
        check_host(ip="192.0.2.1", domain="d.test", sender="u@d.test", resolver=resolver)
    )
    assert (answer.result, answer.reason, len(resolver.queries)) == (
        "permerror",
        "too_many_lookups",
        11,
    )


def test_fan_out_is_bounded():
    """Case 47."""
    zone = {"d.test": txt("v=spf1 " + " ".join(f"mx:m{i}.test" for i in range(10)) + " -all")}
    zone |= {f"m{i}.test": {"MX": [(j, f"h{i}-{j}.test.") for j in range(10)]} for i in range(10)}
    zone |= {f"h{i}-{j}.test": {"A": ["198.51.100.1"]} for i in range(10) for j in range(10)}
    answer = check(zone)
    assert (answer.result, answer.reason, answer.queries) == ("permerror", "too_many_queries", 40)
    zone = {"d.test": txt("v=spf1 " + " ".join(f"include:i{i}.test" for i in range(10)) + " -all")}
    zone |= {
        f"i{i}.test": txt(
            "v=spf1 " + " ".join(f"include:j{i}-{j}.test" for j in range(10)) + " -all"
        )
        for i in range(10)
    }
    zone |= {f"j{i}-{j}.test": txt("v=spf1 -all") for i in range(10) for j in range(10)}
    assert check(zone).reason == "too_many_lookups"


def test_ten_terms_that_look_up_are_allowed_and_eleven_are_not():
    """Case 48."""
    ten = " ".join(["a:far.test"] * 10)
    assert result_of(f"v=spf1 {ten} -all") == "fail"
    answer = check(f"v=spf1 {ten} a:v4.test -all")
    assert (answer.result, answer.reason, answer.lookups, answer.term) == (
        "permerror",
        "too_many_lookups",
        11,
        "a:v4.test",
    )
    included = {"i.test": txt(f"v=spf1 {' '.join(['a:far.test'] * 9)} -all")}
    assert (
        result_of({**included, "d.test": txt("v=spf1 include:i.test ip4:192.0.2.10 -all")})
        == "pass"
    )
    assert (
        result_of({**included, "d.test": txt("v=spf1 include:i.test a:v4.test -all")})
        == "permerror"
    )
    assert (
        result_of(
            {
                **included,
                "d.test": txt("v=spf1 include:i.test redirect=v.test"),
                "v.test": txt("v=spf1 +all"),
            }
        )
        == "permerror"
    )


def test_terms_without_lookups_and_exp_do_not_count():
    answer = check(
        {
            "d.test": txt("v=spf1 " + "ip4:198.51.100.1 " * 30 + "-all exp=x.test"),
            "x.test": txt("no"),
        }
    )
    assert (answer.result, answer.explanation, answer.lookups) == ("fail", "no", 0)


@pytest.mark.parametrize(
    ("count", "expected"), [(10, "pass"), (11, "permerror"), (200, "permerror")]
)
def test_ten_exchanges_are_allowed_and_eleven_are_not(count, expected):
    """Case 49."""
    zone = {"d.test": {**txt("v=spf1 mx -all"), "MX": [(i, f"h{i}.test.") for i in range(count)]}}
    zone |= {
        f"h{i}.test": {"A": ["198.51.100.1" if i < count - 1 else "192.0.2.10"]}
        for i in range(count)
    }
    answer = check(zone)
    assert (answer.result, answer.reason) == (expected, "" if expected == "pass" else "too_many_mx")
    zone["d.test"]["MX"] = [
        (i, "far.test.") for i in range(count)
    ]  # counted as records, not as names
    assert result_of(zone) == ("fail" if expected == "pass" else "permerror")


def test_there_is_no_limit_of_addresses_for_a():
    zone = {
        "d.test": txt("v=spf1 a:many.test -all"),
        "many.test": {"A": [f"198.51.100.{i}" for i in range(30)] + ["192.0.2.10"]},
    }
    assert result_of(zone) == "pass"


def test_two_void_lookups_are_allowed_and_three_are_not():
    """Case 51."""
    assert result_of("v=spf1 a:gone1.test exists:gone2.test ip4:192.0.2.10 -all") == "pass"
    answer = check("v=spf1 a:gone1.test mx:gone2.test exists:gone3.test ip4:192.0.2.10 -all")
    assert (answer.result, answer.reason, answer.term) == (
        "permerror",
        "too_many_void_lookups",
        "exists:gone3.test",
    )
    assert answer.void_names == ["gone1.test", "gone2.test", "gone3.test"]


def test_nodata_is_void_too_and_so_is_an_exchange_without_address():
    zone = {
        "d.test": {
            **txt("v=spf1 mx ip4:192.0.2.10 -all"),
            "MX": [(i, f"x{i}.test.") for i in range(3)],
        }
    }
    assert check(zone).reason == "too_many_void_lookups"
    assert (
        check("v=spf1 a:v4.test a:v4.test a:v4.test -all", ip="2001:db8::99").reason
        == "too_many_void_lookups"
    )
