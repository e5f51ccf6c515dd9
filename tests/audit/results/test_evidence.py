"""Parts of stored evidence: whatever stands there, it is read as what it should be, or nothing."""

from hypothesis import given
from hypothesis import strategies as st

from audit.results.evidence import dict_of, dicts_of, texts_of
from collectors.text import MAX_ITEMS, clean_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_has_another_shape_is_nothing(value):
    assert dict_of(value) == (value if isinstance(value, dict) else {})
    assert all(isinstance(v, dict) for v in dicts_of(value))
    assert all(isinstance(v, str) for v in texts_of(value))


def test_a_list_that_was_cut_is_read_without_what_says_so():
    rows = clean_json([{"n": n} for n in range(MAX_ITEMS + 7)])
    assert rows[-1] == "… 7 more"
    assert dicts_of(rows) == rows[:-1]
