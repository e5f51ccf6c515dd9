"""Keyset paging: each row once, in order, also while rows come and go; cursors are ours."""

import base64
import json
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from audit.models import AuditDomain
from audit.reading.filters import ORDERS
from audit.reading.paging import CursorError, page, turn
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


def walk(rows, order, limit):
    seen, cursor = [], ""
    while cursor is not None:
        items, cursor = page(rows, order=order, limit=limit, cursor=cursor)
        assert len(items) <= limit
        seen += items
    return seen


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
@pytest.mark.parametrize(
    "order", [*ORDERS.values(), ["-severity", "-id"], ["domain", "-id"]], ids=str
)
def test_the_pages_together_are_the_list(order, limit):
    tenant, now = make.make_tenant(), timezone.now()
    for n, row in enumerate(make.make_domains(9, tenant)):
        at = now - timedelta(seconds=n // 2) if n % 4 else None
        AuditDomain.objects.filter(pk=row.pk).update(
            severity=n % 3, share=n % 2, last_audit_at=at, trouble_at=at, certificate_ends_at=at
        )
    rows = AuditDomain.objects.all()
    nulls = {
        "last_audit_at": F("last_audit_at").asc(nulls_first=True),
        "-trouble_at": F("trouble_at").desc(nulls_last=True),
        "certificate_ends_at:last": F("certificate_ends_at").asc(nulls_last=True),
    }
    expected = rows.order_by(*(nulls.get(name, name) for name in order))
    assert [r.pk for r in walk(rows, order, limit)] == [r.pk for r in expected]


def test_rows_that_come_and_go_move_nothing():
    """Case 139."""
    tenant = make.make_tenant()
    make.make_domains(6, tenant)
    rows = AuditDomain.objects.all()
    first, cursor = page(rows, order=["domain", "id"], limit=3)
    first[-1].delete()  # the row that the cursor stands on
    make.make_domain("aaa.pt", tenant)
    second, end = page(rows, order=["domain", "id"], limit=3, cursor=cursor)
    assert [r.domain for r in second] == [
        "firma000003.pt",
        "firma000004.pt",
        "firma000005.pt",
    ] and end is None


def forged(order, values):
    return base64.urlsafe_b64encode(json.dumps([order, values]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "0",
        "null",
        "é",
        "\ud800",
        "." * 500,
        "x" * 100_000,
        forged(["domain", "id"], ["a", 1]),
        forged(["domain", "id"], ["\ud800", 2**70]),
        forged(["domain", "id"], [{"t": "0001-01-01T00:00:00+14:00"}, None]),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(cursor):
    """Case 139."""
    with pytest.raises(CursorError):
        page(AuditDomain.objects.all(), order=["domain", "id"], limit=3, cursor=cursor)


def test_a_cursor_of_another_order_and_a_changed_one_are_refused():
    make.make_domains(3, make.make_tenant())
    rows = AuditDomain.objects.all()
    _items, cursor = page(rows, order=["domain", "id"], limit=1)
    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for wrong, order in [
        (cursor, ["severity", "share", "id"]),
        (changed, ["domain", "id"]),
        (cursor[:-1], ["domain", "id"]),
    ]:
        with pytest.raises(CursorError):
            page(rows, order=order, limit=1, cursor=wrong)


@pytest.mark.parametrize("order", ORDERS.values())
def test_it_turns_back_through_the_same_pages(order):
    tenant = make.make_tenant()
    for n in range(23):
        at = None if n % 3 == 0 else timezone.now() - timedelta(hours=n % 5)
        times = dict.fromkeys(("last_audit_at", "trouble_at", "certificate_ends_at"), at)
        make.make_domain(f"d{n:02}.pt", tenant, severity=n % 4, share=n % 2, **times)
    rows = AuditDomain.objects.all()
    pages, cursor, back = [], "", None
    while cursor is not None:
        items, previous, cursor = turn(rows, order=order, limit=5, cursor=cursor)
        assert (previous is None) == (not pages)
        pages.append(items)
        back = previous
    assert [len(p) for p in pages] == [5, 5, 5, 5, 3]
    for expected in reversed(pages[:-1]):
        items, back, following = turn(rows, order=order, limit=5, cursor=back)
        assert items == expected
        assert (
            turn(rows, order=order, limit=5, cursor=following)[0]
            == pages[pages.index(expected) + 1]
        )
    assert back is None
