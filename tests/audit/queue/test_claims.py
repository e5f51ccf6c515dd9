"""Claims: the domain rows are the queue."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Tenant
from audit.queue.fair_turns import FairTurns
from tests.audit.draining import claim_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return Tenant.objects.create(name="VM112")


def make(tenant, count, **fields):
    rows = [AuditDomain(tenant=tenant, domain=f"d{n}.pt", **fields) for n in range(count)]
    return AuditDomain.objects.bulk_create(rows)


def test_two_workers_never_take_the_same_domain(tenant):
    make(tenant, 10)
    one = claim_due("one", count=6)
    two = claim_due("two", count=6)
    assert len(one) == 6 and len(two) == 4
    assert not {d.pk for d in one} & {d.pk for d in two}


def test_of_two_workers_that_saw_the_same_row_one_gets_it(tenant):
    """The second looked before the first has written: it finds the row taken."""
    (row,) = make(tenant, 1)
    assert AuditDomain.objects.claim("first", [row.pk])
    assert AuditDomain.objects.claim("second", [row.pk]) == []
    assert AuditDomain.objects.get().claimed_by == "first"


@pytest.mark.parametrize("switched_off", ["the domain", "its tenant"])
def test_what_is_disabled_between_being_read_and_claimed_is_left_alone(tenant, switched_off):
    (row,) = make(tenant, 1)
    ids = list(AuditDomain.objects.due().values_list("pk", flat=True))
    rows = AuditDomain if switched_off == "the domain" else Tenant
    rows.objects.update(enabled=False)
    assert AuditDomain.objects.claim("me", ids) == []
    row.refresh_from_db()
    assert (row.claimed_by, row.attempts) == ("", 0)


def test_what_people_wait_for_goes_first(tenant):
    rows = make(tenant, 5, next_audit_at=timezone.now() - timedelta(days=1))
    AuditDomain.objects.filter(pk=rows[3].pk).request_audit()
    assert FairTurns().take(2)[0] == rows[3].pk


def test_the_attempt_is_counted_before_work_starts(tenant):
    make(tenant, 1)
    assert claim_due("me")[0].attempts == 1


def test_a_claim_ends_by_itself(tenant):
    make(tenant, 1)
    claim_due("me")
    assert not AuditDomain.objects.due().exists()
    AuditDomain.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert claim_due("other")[0].attempts == 2


def test_disabled_domains_and_those_of_disabled_tenants_are_not_due(tenant):
    make(tenant, 1, enabled=False)
    other = Tenant.objects.create(name="off", enabled=False)
    AuditDomain.objects.create(tenant=other, domain="x.pt")
    assert claim_due("me", count=5) == []


def test_what_is_not_due_yet_is_left_alone(tenant):
    make(tenant, 1, next_audit_at=timezone.now() + timedelta(minutes=1))
    assert claim_due("me", count=5) == []
