"""What the history keeps of the evidence: what differs, and not more than a disk can bear."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, CheckTransition, Tenant
from audit.results import history, store
from audit.results.history import SIDE_BYTES, differing_evidence
from tests.audit.check_results import result


def test_only_what_differs_is_kept():
    before = {"records": ["a"], "lookups": [1, 2], "gone": 1}
    after = {"records": ["b"], "lookups": [1, 2], "new": None}
    assert differing_evidence(before, after) == (
        {"records": ["a"], "gone": 1},
        {"records": ["b"], "new": None},
    )


def test_of_lists_of_objects_those_are_kept_that_only_one_has():
    before = {"lookups": [{"name": "a"}, {"name": "b", "records": ["1"]}], "one": [{"n": 1}, 2]}
    after = {"lookups": [{"name": "b", "records": ["2"]}, {"name": "a"}], "one": [{"n": 1}, 3]}
    assert differing_evidence(before, after) == (
        {"lookups": [{"name": "b", "records": ["1"]}], "one": [{"n": 1}, 2]},
        {"lookups": [{"name": "b", "records": ["2"]}], "one": [{"n": 1}, 3]},
    )
    turned = {"lookups": [{"name": "a"}, {"name": "b"}]}
    assert differing_evidence(turned, {"lookups": turned["lookups"][::-1]}) == (
        {"lookups": []},
        {"lookups": []},
    )


def test_what_is_small_keeps_its_room_beside_what_is_large():
    kept, _other = differing_evidence({"tree": ["x" * 9999], "expected": {"spf_include": "a"}}, {})
    assert kept["expected"] == {"spf_include": "a"} and list(kept) == ["tree", "expected"]


@pytest.mark.parametrize("value", [["x" * 99] * 9999, "é" * 99999, {"a": {"b": "y" * 99999}}])
def test_what_is_large_is_kept_by_its_beginning_and_its_size(value):
    kept, other = differing_evidence({"small": 1, "large": value}, {"small": 2})
    assert kept["small"] == 1 and kept["large"].endswith(" bytes]") and other == {"small": 2}
    assert len(json.dumps(kept, ensure_ascii=False).encode()) < SIDE_BYTES + 100


@pytest.mark.django_db
def test_a_zone_that_flaps_for_a_day_fills_no_disk(monkeypatch):
    """Case 191: Each audit sees another record of a megabyte."""
    monkeypatch.setattr(history, "WITH_EVIDENCE", 5)
    monkeypatch.setattr(history, "TRANSITIONS", 20)
    domain = AuditDomain.objects.create(tenant=Tenant.objects.create(name="VM112"), domain="a.pt")
    at = timezone.now() - timedelta(days=1)
    for n in range(60):
        status = "fail" if n % 2 else "ok"
        found = result("dns_mx", status, at=at + timedelta(minutes=n), seen=f"{n}" * 50_000)
        assert store.record(domain, {"dns_mx": found}, begun_at=at)
    rows = list(CheckTransition.objects.order_by("-pk"))
    assert len(rows) <= 20 and rows[0].at == at + timedelta(minutes=59)
    assert [bool(row.evidence_after) for row in rows] == [True] * 5 + [False] * (len(rows) - 5)
    size = sum(len(json.dumps([r.evidence_before, r.evidence_after])) for r in rows)
    assert size < 5 * 2 * (SIDE_BYTES + 100)
