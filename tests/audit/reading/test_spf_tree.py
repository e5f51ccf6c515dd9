"""The SPF tree: what each include costs, and the record without it."""

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from audit.reading.spf_tree import MAX_NODES, tree_of
from audit.results import store
from tests.audit import factories as make
from tests.patient import patient

EVIDENCE = {
    "dns_lookups": {"count": 11, "limit": 10},
    "tree": [
        {"depth": 0, "domain": "a.pt", "lookups": 11, "record": "v=spf1 include:b.test mx -all"},
        {"depth": 1, "domain": "a.pt", "term": "include:b.test", "lookups": 3},
        {"depth": 2, "domain": "b.test", "lookups": 2, "record": "v=spf1 include:c.test a:x.test"},
        {"depth": 3, "domain": "b.test", "term": "include:c.test", "lookups": 1},
        {"depth": 4, "domain": "c.test", "lookups": 0, "problem": "missing"},
        {"depth": 3, "domain": "b.test", "term": "a:x.test", "lookups": 1},
        {"depth": 1, "domain": "a.pt", "term": "mx", "lookups": 1},
    ],
    "addresses": [
        {"ip": "192.0.2.1", "steps": [{"domain": "b.test", "term": "a:x.test", "void_lookups": 1}]},
        {"ip": "192.0.2.2", "steps": "cut"},
        "cut",
    ],
}


def test_each_term_tells_its_cost_in_the_order_of_the_record():
    tree = tree_of(EVIDENCE)
    assert (tree.lookups, tree.limit, tree.is_cut) == (11, 10, False)
    one, two = tree.terms
    assert (one.term, one.lookups, one.without) == ("include:b.test", 3, 8)
    assert one.record == "v=spf1 include:c.test a:x.test"
    assert (two.term, two.lookups, two.without) == ("mx", 1, 10)
    inner, address = one.terms
    assert (inner.term, inner.without, inner.problem) == ("include:c.test", None, "missing")
    assert (address.term, address.voids) == ("a:x.test", 1)


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"tree": EVIDENCE["tree"]},
        {**EVIDENCE, "tree": "[… [9000 bytes]"},
        {**EVIDENCE, "tree": [EVIDENCE["tree"][0], EVIDENCE["tree"][-1]]},
    ],
)
def test_without_an_include_there_is_no_tree(evidence):
    assert tree_of(evidence) is None


def test_it_is_bounded_and_says_so():
    rows = [{"depth": 1, "domain": "a.pt", "term": "include:\u202e" + "x" * 999, "lookups": 1}]
    tree = tree_of({**EVIDENCE, "tree": rows * (MAX_NODES + 50) + ["… 9 more"]})
    assert len(tree.terms) == MAX_NODES and tree.is_cut
    assert "\u202e" not in tree.terms[0].term and len(tree.terms[0].term) < 400


VALUES = st.none() | st.integers() | st.booleans() | st.text(max_size=20)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "depth": st.integers(-3, 40) | VALUES,
        "domain": VALUES,
        "term": st.sampled_from(["include:a.test", "mx", None]) | VALUES,
        "lookups": VALUES,
        "record": VALUES,
        "problem": VALUES,
    },
)


@patient
@given(st.lists(ROWS | VALUES, max_size=30))
def test_rows_of_any_shape_are_read(rows):
    """Case 235."""
    tree = tree_of({**EVIDENCE, "tree": rows})
    assert tree is None or tree.terms


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["ok", "fail"])
def test_the_scorecard_shows_it_without_scripts(client, status):
    domain = make.make_domain("a.pt", checks={})
    found = make.make_result("dns_spf", status, evidence=EVIDENCE)
    store.record(domain, {"dns_spf": found}, begun_at=timezone.now())
    client.force_login(make.make_viewer())
    text = client.get(f"/domains/{domain.tenant_id}/a.pt/").content.decode()
    for words in (
        "SPF lookups: 11 of 10",
        "without it: 8 of 10",
        "1 lookup finds nothing",
        "no SPF record there",
    ):
        assert words in text, words
    assert text.index("<code>include:c.test<") < text.index("<code>a:x.test<")
