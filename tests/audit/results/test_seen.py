"""What domains are looked up by is what was last seen of them, and written where it changes."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from audit.models import AuditDomain, Seen
from audit.results import seen, store
from tests.audit import factories as make
from tests.patient import patient

ENDS = datetime(2027, 1, 26, 11, 55, 12, tzinfo=UTC)
MX = {
    "mx": ["10 MX1.host.test", "20 .", "30 198.51.100.9"],
    "exchanges": [
        {"host": "mx1.host.test", "addresses": ["203.0.113.25", "::ffff:203.0.113.26"]},
        {"host": "x.test", "result": "dns_timeout"},
        {"host": "y.test", "addresses": [], "alias_of": "Real.Host.test."},
    ],
}


def certificate(ends, print_="aa"):
    return {"certificate": {"sha256": print_, "not_after": ends}}


def values(**filters):
    return set(Seen.objects.filter(**filters).values_list("kind", "value"))


def record(domain, check_id, status="ok", **fields):
    found = {check_id: make.make_result(check_id, status, **fields)}
    assert store.record(domain, found, begun_at=timezone.now())
    domain.refresh_from_db()


def test_hosts_and_addresses_are_those_of_the_evidence_in_one_spelling():
    assert seen.seen_in("dns_mx", [{"code": "mx_x"}], MX) == {
        ("finding", "mx_x"),
        ("host", "mx1.host.test"),
        ("host", "198.51.100.9"),
        ("host", "real.host.test"),
        ("address", "203.0.113.25"),
        ("address", "203.0.113.26"),
    }
    tree = [
        {"depth": 0, "domain": "cliente.pt", "record": "v=spf1"},
        {"depth": 1, "domain": "cliente.pt", "term": "include:_spf.x.test"},
        {"depth": 2, "domain": "_spf.x.test"},
        "… 3 more",
    ]
    assert seen.seen_in("dns_spf", [], {"tree": tree}) == {("host", "_spf.x.test")}
    lookups = [{"type": "A", "cname": ["proxy.host.test"]}, {"type": "CAA", "cname": ["no.test"]}]
    webmail = {"addresses": ["203.0.113.80", "nonsense"], "lookups": lookups}
    assert seen.seen_in("webmail_http", [], webmail) == {
        ("address", "203.0.113.80"),
        ("host", "proxy.host.test"),
    }
    nodes = {"203.0.113.80": {"sha256": "bb", "not_after": "x"}, "203.0.113.81": {"error": "no"}}
    evidence = {"served": certificate("2027-01-26T11:55:12+00:00"), "nodes": nodes}
    assert seen.seen_in("cert_le", [], evidence) == {("certificate", "aa"), ("certificate", "bb")}


@pytest.mark.parametrize(
    "evidence, ends",
    [
        ({}, None),
        ({"portal": certificate(ENDS.isoformat())}, ENDS),
        (
            {
                "portal": certificate(ENDS.isoformat()),
                "served": certificate((ENDS - timedelta(days=3)).isoformat()),
            },
            ENDS - timedelta(days=3),
        ),
        (
            {
                "served": certificate(ENDS.isoformat()),
                "nodes": {"::1": {"not_after": "2026-01-01T00:00:00+00:00"}, "x": {"error": "e"}},
            },
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
        ({"served": certificate("9999-12-31T23:59:59+00:00")}, seen.LATEST),
        ({"served": certificate("0001-01-01T00:00:00+14:00")}, seen.EARLIEST),
        ({"served": certificate("2026-01-01T00:00:00")}, None),
        ({"served": "{… [9000 bytes]", "portal": ["x"], "nodes": "…"}, None),
    ],
)
def test_the_first_certificate_that_ends_counts(evidence, ends):
    assert seen.certificate_ends(evidence) == ends


KEYS = [
    "mx",
    "exchanges",
    "addresses",
    "alias_of",
    "tree",
    "depth",
    "domain",
    "term",
    "lookups",
    "type",
    "cname",
    "portal",
    "served",
    "nodes",
    "certificate",
    "sha256",
    "not_after",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "mx",
                    "exchanges",
                    "addresses",
                    "alias_of",
                    "tree",
                    "depth",
                    "domain",
                    "term",
                    "lookups",
                    "type",
                    "cname",
                    "portal",
                    "served",
                    "nodes",
                    "certificate",
                    "sha256",
                    "not_after",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@patient
@given(
    st.sampled_from(["dns_mx", "dns_spf", "webmail_http", "cert_le", "carbonio", "gone"]),
    st.dictionaries(st.text(max_size=12), JSON) | JSON.filter(lambda v: isinstance(v, dict)),
)
def test_evidence_of_any_shape_is_read(check_id, evidence):
    """Case 235: of earlier versions, cut, or written by a hostile zone."""
    for kind, value in seen.seen_in(check_id, [], evidence):
        assert kind in Seen.Kind.values and 0 < len(value) <= Seen.LONGEST
    ends = seen.certificate_ends(evidence)
    assert ends is None or timezone.localtime(ends)


@pytest.mark.django_db
def test_a_hostile_answer_takes_bounded_room():
    """Case 235."""
    domain = make.make_domain("cliente.pt")
    names = [f"{n} {'x' * 60}{n}.test" for n in range(200)] + ["1 " + "y" * 300]
    record(domain, "dns_mx", evidence={"mx": names})
    assert Seen.objects.count() == seen.MOST


@pytest.mark.django_db
def test_what_changes_is_written_and_what_stays_costs_no_query():
    domain, other = make.make_domain("cliente.pt"), make.make_domain("outro.pt")
    record(domain, "dns_mx", evidence=MX)
    record(other, "dns_mx", evidence=MX)
    at_first = values(domain=domain)
    with CaptureQueriesContext(connection) as captured:
        record(domain, "dns_mx", evidence={**MX, "note": "new"})
    assert not any("audit_seen" in q["sql"] for q in captured)
    record(domain, "dns_mx", "fail", evidence={"mx": ["10 mx.elsewhere.test"]})
    assert values(domain=domain) == {("finding", "dns_mx_problem"), ("host", "mx.elsewhere.test")}
    assert values(domain=other) == at_first
    domain.delete()
    assert values() == at_first


@pytest.mark.django_db
def test_what_cannot_be_measured_is_where_it_was_seen_last():
    domain = make.make_domain("cliente.pt")
    end = {"served": certificate(ENDS.isoformat())}
    record(domain, "cert_le", "warn", evidence=end)
    assert domain.certificate_ends_at == ENDS
    record(domain, "cert_le", "unknown", evidence={})
    record(domain, "cert_le", "unknown", evidence={"error": "still"})
    assert domain.certificate_ends_at == ENDS
    assert values() == {("certificate", "aa"), ("finding", "cert_le_problem")}
    record(domain, "cert_le", "fail", evidence={"served": {"error": "nothing there"}})
    assert domain.certificate_ends_at is None
    assert values() == {("finding", "cert_le_problem")}


@pytest.mark.django_db
def test_a_date_that_stays_is_not_written_again():
    domain = make.make_domain("cliente.pt")
    record(domain, "cert_le", evidence={"served": certificate(ENDS.isoformat())})
    with CaptureQueriesContext(connection) as captured:
        record(domain, "cert_le", evidence={"served": certificate(ENDS.isoformat()), "x": 1})
    assert not any('SET "certificate_ends_at"' in q["sql"] for q in captured)
    assert AuditDomain.objects.get().certificate_ends_at == ENDS
