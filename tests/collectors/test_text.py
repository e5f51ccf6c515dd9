"""Sentences that know their source, and untrusted text made safe to keep and to show."""

import copy
import json
import pickle
from enum import StrEnum

import pytest

from collectors import text as module
from collectors.text import (
    MAX_ITEMS,
    MAX_TEXT,
    MAX_TOTAL,
    Text,
    _,
    clean,
    clean_json,
    fill,
    rounded,
    show_bytes,
)

# -- sentences


def test_it_fills_a_sentence_and_remembers_template_and_values():
    said = _("{host} has {count} records", host="mx.test", count=2)
    assert said == "mx.test has 2 records"
    assert isinstance(said, str)
    assert (said.template, said.params) == (
        "{host} has {count} records",
        {"host": "mx.test", "count": 2},
    )
    assert said.source() == {
        "id": "{host} has {count} records",
        "params": {"host": "mx.test", "count": 2},
    }


def test_a_sentence_in_a_sentence_keeps_its_own_source():
    inner = _("no record at {name}", name="a.test")
    said = _("{host} takes none ({reason})", host="b.test", reason=inner)
    assert said == "b.test takes none (no record at a.test)"
    assert isinstance(said.params["reason"], Text)
    assert said.source()["params"]["reason"] == {
        "id": "no record at {name}",
        "params": {"name": "a.test"},
    }
    assert json.loads(json.dumps(said.source())) == said.source()


def test_a_sentence_without_values_is_its_own_template():
    said = _("The check ran.")
    assert (said, said.template, said.params) == ("The check ran.", "The check ran.", {})


@pytest.mark.parametrize(
    "value",
    [
        "{host}",
        "{0.__class__}",
        "{",
        "}",
        "{{host}}",
        "%s",
        "%(host)s",
        "{host.__init__.__globals__}",
        "{{7*7}}",
        "${7*7}",
    ],
)
def test_a_value_with_braces_is_never_interpreted(value):
    said = _("{a} and {host}", a=value, host="h.test")
    assert said == f"{value} and h.test"
    assert _("{x}", x=said) == said


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{a.__class__}", "{a.__class__}"),
        ("{a[0]}", "{a[0]}"),
        ("{a!r:>10}", "x"),
        ("{missing}", "{missing}"),
        ("{{a}}", "{a}"),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_a_template_reaches_no_attribute_and_leaves_unknown_places(template, filled):
    assert fill(template, {"a": "x"}) == filled


def test_values_are_cleaned_and_cut():
    said = _("{v}", v="a\x00b\x1b[31m" + "c" * 10_000)
    assert said.startswith("a\\x00b\\x1b[31mccc")
    assert len(said) < MAX_TEXT + 100
    assert "[cut, 10008 characters in all]" in said.params["v"]


def test_values_that_are_no_text_become_one_and_numbers_stay():
    said = _("{a} {b} {c} {d}", a=None, b=["x"], c=1.5, d=True)
    assert said == "None ['x'] 1.5 True"
    assert (said.params["a"], said.params["b"], said.params["c"]) == ("None", "['x']", 1.5)


def test_a_sentence_survives_copying_and_pickling():
    said = _("{a}: {b}", a="{ }} {x}", b=_("in {c}", c=3))
    for again in (copy.copy(said), copy.deepcopy(said), pickle.loads(pickle.dumps(said))):
        assert (again, again.template, again.params, again.source()) == (
            said,
            said.template,
            said.params,
            said.source(),
        )


# -- untrusted text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a\\x00b"),
        ("a\nb\r\tc", "a\\nb\\x0d\\x09c"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("moc.elpmaxe\u202e", "moc.elpmaxe\\u202e"),
        ("\u2066a\u2069\u200f", "\\u2066a\\u2069\\u200f"),
        ("zero\u200bwidth\u200d\ufeff\u2060", "zero\\u200bwidth\\u200d\\ufeff\\u2060"),
        ("soft\xadhyphen", "soft\\xadhyphen"),
        ("fill\u3164er\u115f\uffa0\u034f", "fill\\u3164er\\u115f\\uffa0\\u034f"),
        ("line\u2028par\u2029", "line\\u2028par\\u2029"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("private\ue000", "private\\ue000"),
        ("half\ud800", "half\\ud800"),
        ("none\u0378", "none\\u0378"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_an_escape(text, shown):
    """Case 164."""
    assert clean(text) == shown
    clean(text).encode()  # a lone surrogate could not be


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "ção é ã",
        "食狮.中国",
        "emoji 🙂",
        "<script>alert(1)</script>",
        'quo"te',
        "back\\slash",
        "a b",
    ],
)
def test_what_can_be_seen_stays_as_it_is(text):
    assert clean(text) == text


@pytest.mark.parametrize("length", [MAX_TEXT - 1, MAX_TEXT])
def test_a_value_up_to_the_limit_is_whole(length):
    assert clean("x" * length) == "x" * length


def test_a_longer_value_is_cut_and_says_how_long_it_was():
    assert clean("x" * 60_000) == "x" * MAX_TEXT + "… [cut, 60000 characters in all]"
    assert clean("abcdef", 3) == "abc… [cut, 6 characters in all]"


@pytest.mark.parametrize("char", ["\x00", "\u202e", "\U000e0041"])
def test_escapes_do_not_carry_a_value_over_the_limit(char):
    shown = clean(char * MAX_TEXT)
    assert len(shown) < MAX_TEXT + 50
    assert shown.endswith(f"… [cut, {MAX_TEXT} characters in all]")


def test_cleaning_twice_is_cleaning_once():
    once = clean("a\x00\u202e\n")
    assert clean(once) == once


def test_bytes_outside_printable_ascii_are_shown_escaped():
    """Case 31."""
    assert show_bytes(b"\xff\x00\xfe ok~\x7f\n") == "\\xff\\x00\\xfe ok~\\x7f\\x0a"


# -- evidence


class Colour(StrEnum):
    RED = "red"


def test_evidence_becomes_plain_json():
    value = {
        "s": {"b", "a"},
        "t": (1, 2.5, None, True),
        "b": b"\xff",
        "e": Colour.RED,
        "x": _("{n}", n=1),
        5: "key",
        "o": object,
    }
    got = clean_json(value)
    assert got == {
        "s": ["a", "b"],
        "t": [1, 2.5, None, True],
        "b": "\\xff",
        "e": "red",
        "x": "1",
        "5": "key",
        "o": "<class 'object'>",
    }
    assert {type(got["x"]), type(got["e"])} == {str}
    assert json.loads(json.dumps(got, allow_nan=False)) == got


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_shown_as_text(number):
    json.dumps(clean_json([number]), allow_nan=False)
    assert clean_json(number) == str(number)


def test_evidence_is_cleaned_in_keys_and_values():
    assert clean_json({"a\x00": ["\u202e", {"\n": "\x1b"}]}) == {
        "a\\x00": ["\\u202e", {"\\n": "\\x1b"}]
    }


def test_a_long_value_in_evidence_is_cut_with_its_full_length():
    """Case 33."""
    assert clean_json({"txt": b"a" * 60_000})["txt"].endswith("a… [cut, 60000 characters in all]")
    assert len(clean_json({"k" * 1000: 1}).popitem()[0]) < 300


def test_long_lists_and_mappings_are_cut_and_say_so():
    """Case 34."""
    got = clean_json(
        {
            "list": list(range(2000)),
            "map": {str(i): i for i in range(300)},
            "whole": list(range(MAX_ITEMS)),
        }
    )
    assert (len(got["list"]), got["list"][-1]) == (MAX_ITEMS + 1, "… 1800 more")
    assert (len(got["map"]), got["map"]["…"]) == (MAX_ITEMS + 1, "100 more")
    assert got["whole"] == list(range(MAX_ITEMS))


def test_deep_nesting_ends():
    deep = "bottom"
    for _level in range(100_000):
        deep = [deep]
    assert "nested too deep" in json.dumps(clean_json(deep), ensure_ascii=False)
    assert clean_json([[["x"]]], depth=3) == [[["x"]]]
    assert clean_json([[["x"]]], depth=2) == [["… [nested too deep]"]]
    loop = []
    loop.append(loop)
    assert "nested too deep" in json.dumps(clean_json(loop), ensure_ascii=False)


def test_the_whole_of_the_evidence_is_bounded(monkeypatch):
    hostile = [["x" * 60_000] * MAX_ITEMS] * MAX_ITEMS
    shown = json.dumps(clean_json(hostile), ensure_ascii=False)
    assert len(shown) < 2.5 * MAX_TOTAL
    assert "… [left out]" in shown
    monkeypatch.setattr(module, "MAX_TOTAL", 5)
    assert clean_json(["abc", "def", "ghi", 1, None]) == ["abc", "def", "… [left out]", 1, None]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(8.98, "9"), (8.01, "9"), (8.0, "8"), (1.2, "2"), (1.0, "1"), (0.87, "0.9"), (0.7, "0.7")],
)
def test_seconds_are_rounded_up_so_that_a_sentence_stays_the_same(seconds, said):
    assert rounded(seconds) == said
