"""Claims: the domain rows are the queue."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return Tenant.objects.create(name="VM112")


def make(tenant, count, **fields):
    rows = [AuditDomain(tenant=tenant, domain=f"d{n}.pt", **fields) for n in range(count)]
    return AuditDomain.objects.bulk_create(rows)


def test_two_workers_never_take_the_same_domain(tenant):
    make(tenant, 10)
    one = AuditDomain.objects.claim("one", count=6)
    two = AuditDomain.objects.claim("two", count=6)
    assert len(one) == 6 and len(two) == 4
    assert not {d.pk for d in one} & {d.pk for d in two}


def test_of_two_workers_that_saw_the_same_row_one_gets_it(tenant, monkeypatch):
    """The second looks before the first has written: its update finds the row taken."""
    make(tenant, 1)
    from audit.querysets import AuditDomainQuerySet

    due = AuditDomainQuerySet.due
    taken = []

    def due_then_somebody_claims(self, now=None):
        rows = due(self, now)
        ids = list(rows.values_list("pk", flat=True))
        if not taken:
            taken.append(
                AuditDomain.objects.filter(pk__in=ids).update(claimed_by="first", claimed_until=timezone.now() + timedelta(hours=1))
            )
        return AuditDomain.objects.filter(pk__in=ids)

    monkeypatch.setattr(AuditDomainQuerySet, "due", due_then_somebody_claims)
    assert AuditDomain.objects.claim("second", count=1) == []
    assert AuditDomain.objects.get().claimed_by == "first"


def test_what_people_wait_for_goes_first(tenant):
    rows = make(tenant, 5, next_audit_at=timezone.now() - timedelta(days=1))
    AuditDomain.objects.filter(pk=rows[3].pk).request_audit()
    assert AuditDomain.objects.claim("me", count=2)[0].pk == rows[3].pk


def test_the_attempt_is_counted_before_work_starts(tenant):
    make(tenant, 1)
    assert AuditDomain.objects.claim("me", count=1)[0].attempts == 1


def test_a_claim_ends_by_itself(tenant):
    make(tenant, 1)
    AuditDomain.objects.claim("me", count=1)
    assert not AuditDomain.objects.due().exists()
    AuditDomain.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert AuditDomain.objects.claim("other", count=1)[0].attempts == 2


def test_disabled_domains_and_those_of_disabled_tenants_are_not_due(tenant):
    make(tenant, 1, enabled=False)
    other = Tenant.objects.create(name="off", enabled=False)
    AuditDomain.objects.create(tenant=other, domain="x.pt")
    assert AuditDomain.objects.claim("me", count=5) == []


def test_what_is_not_due_yet_is_left_alone(tenant):
    make(tenant, 1, next_audit_at=timezone.now() + timedelta(minutes=1))
    assert AuditDomain.objects.claim("me", count=5) == []
