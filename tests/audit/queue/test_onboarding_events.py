"""What a stored event does: not more than the tenant's quota, and not before others' turn."""

import pytest
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, Tenant, WebhookEvent
from audit.queue import onboarding_events

pytestmark = pytest.mark.django_db


def event(tenant, domain):
    payload = {"type": "account.created", "data": {"domain": domain}}
    return WebhookEvent.objects.create(
        tenant=tenant, event_id=f"{tenant.pk}-{domain}", event="account.created", payload=payload
    )


def test_events_register_no_more_domains_than_the_quota(bells):
    """Case 182."""
    tenant = Tenant.objects.create(name="VM112", quota=2)
    for n in range(4):
        event(tenant, f"d{n}.pt")
    tasks.process_events()
    assert AuditDomain.objects.count() == 2
    refused = WebhookEvent.objects.exclude(error="")
    assert refused.count() == 2 and "quota" in refused[0].error
    assert not WebhookEvent.objects.filter(processed_at=None).exists()


def test_what_is_registered_is_audited_also_where_the_quota_is_used_up(bells):
    tenant = Tenant.objects.create(name="VM112", quota=1)
    AuditDomain.objects.create(tenant=tenant, domain="d0.pt", source="import")
    assert onboarding_events.process(event(tenant, "d0.pt").pk)
    assert AuditDomain.objects.get().requested_at


def test_operators_register_beyond_the_quota():
    tenant = Tenant.objects.create(name="VM112", quota=0)
    for source in (AuditDomain.Source.MANUAL, AuditDomain.Source.IMPORT):
        assert AuditDomain.objects.register(tenant=tenant, domain=f"{source}.pt", source=source)[1]


def test_of_two_tenants_events_the_smaller_ones_are_not_last(bells, monkeypatch):
    """Case 182."""
    large, small = Tenant.objects.create(name="large"), Tenant.objects.create(name="small")
    for n in range(30):
        event(large, f"d{n}.pt")
    event(small, "one.pt")
    monkeypatch.setattr(tasks, "EVENTS_A_TASK", 2)
    tasks.process_events()
    assert AuditDomain.objects.filter(tenant=small, requested_at__lte=timezone.now()).exists()


def test_no_more_events_of_a_tenant_are_kept_than_a_disk_can_bear(monkeypatch, bells):
    tenant, other = Tenant.objects.create(name="VM112"), Tenant.objects.create(name="other")
    for n in range(6):
        event(tenant, f"d{n}.pt")
    event(other, "one.pt")
    monkeypatch.setattr(onboarding_events, "STORED", 4)
    assert onboarding_events.forget_surplus([tenant.pk]) == 0  # all wait to be processed
    tasks.tick()
    kept = tenant.events.order_by("pk").values_list("payload__data__domain", flat=True)
    assert list(kept) == ["d2.pt", "d3.pt", "d4.pt", "d5.pt"] and other.events.count() == 1


def test_a_server_without_a_portal_registers_by_events_all_the_same(bells):
    tenant = Tenant.objects.create(name="VM113", without_portal=True)
    event(tenant, "novo.pt")
    assert tasks.process_events() == 1
    row = AuditDomain.objects.get()
    assert (row.domain, row.source, row.tenant.max_score) == ("novo.pt", "onboarding", 6)
    assert row.requested_at and row.target().without_portal
