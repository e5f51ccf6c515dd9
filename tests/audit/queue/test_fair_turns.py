"""Whose turn it is: tenants take turns, single requests go first, and none waits for ever."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Tenant
from audit.queue.fair_turns import FairTurns

pytestmark = pytest.mark.django_db


def make(tenant, count, **fields):
    prefix = f"{tenant.name}-{AuditDomain.objects.count()}"
    rows = [AuditDomain(tenant=tenant, domain=f"{prefix}-{n}.pt", **fields) for n in range(count)]
    return [row.pk for row in AuditDomain.objects.bulk_create(rows)]


@pytest.fixture
def large():
    return Tenant.objects.create(name="large")


@pytest.fixture
def small():
    return Tenant.objects.create(name="small")


def ask(ids, **options):
    AuditDomain.objects.filter(pk__in=ids).request_audit(**options)


def test_a_tenant_that_registers_many_holds_no_other(large, small):
    """Case 182."""
    first = timezone.now() - timedelta(minutes=5)
    ask(make(large, 40), now=first)
    (one,) = make(small, 1)
    ask([one])
    assert one in FairTurns().take(2)


def test_a_single_request_comes_before_many_that_were_asked_for_together(large, small):
    """Case 182."""
    ask(make(large, 40), bulk=True)
    (one,) = make(large, 1)
    ask([one])
    assert FairTurns().take(1) == [one]


def test_one_that_waits_alone_is_not_put_back_among_many(large):
    ids = make(large, 5)
    ask(ids[4:])
    ask(ids, bulk=True)
    assert FairTurns().take(1) == [ids[4]]
    ask(ids[:1])
    assert set(FairTurns().take(2)) == {ids[4], ids[0]}


def test_what_was_asked_for_since_goes_first(large, monkeypatch):
    turns = FairTurns()
    ask(make(large, 40), bulk=True)
    turns.take(4)
    (one,) = make(large, 1)
    ask([one])
    monkeypatch.setattr("audit.queue.fair_turns.READ_AGAIN_SECONDS", 0)
    assert turns.take(1) == [one]


def test_each_kind_has_its_turn_where_the_others_never_end(large):
    single, bulk, regular = make(large, 20), make(large, 20), make(large, 20)
    ask(single)
    ask(bulk, bulk=True)
    first = FairTurns().take(16)
    for kind, least in ((single, 6), (bulk, 3), (regular, 3)):
        assert len(set(first) & set(kind)) >= least


def test_regular_audits_go_round_the_tenants_too(large, small):
    make(large, 30, next_audit_at=timezone.now() - timedelta(hours=1))
    (one,) = make(small, 1)
    assert one in FairTurns().take(2)


def test_beyond_the_window_only_single_requests_are_taken(large):
    ask(make(large, 3), bulk=True)
    assert FairTurns().take(1, singles_only=True) == []
    (one,) = make(large, 1)
    ask([one])
    assert FairTurns().take(2, singles_only=True) == [one]


def test_those_that_may_have_killed_a_worker_are_no_turn_of_the_others(large):
    make(large, 2, attempts=1)
    make(large, 2, crash_group=8)
    (one,) = make(large, 1)
    assert FairTurns().take(9) == [one]
