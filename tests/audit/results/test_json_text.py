"""JSON of whatever an answer may hold."""

import json

import pytest

from audit.results.json_text import json_text


@pytest.mark.parametrize(
    "value",
    [{}, {"a": [1, None, True, 1.5, "é"]}, {"n": 2**70}, {"s": "\ud800"}, [{"x": {}}], "\0"],
)
def test_it_is_the_same_data_again(value):
    assert json.loads(json_text(value)) == value
    assert json_text(value) == json_text(value)
