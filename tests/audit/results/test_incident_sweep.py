"""What no audit sees to: removal, switching off, what a merge left behind, numbers."""

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Incident, IncidentDomain
from audit.results.incident_sweep import hold_numbers_against_rows, sweep
from tests.audit import factories as make
from tests.audit.troubles import (
    SHARED,
    assert_true_to_rows,
    audit,
    fault,
    incidents,
    judged,
    mx_incident,
    settled,
    unmeasured,
)

pytestmark = pytest.mark.django_db
MX = fault("mx_missing")


def test_removing_domains_takes_them_out_of_their_incidents():
    check, trouble, key = SHARED["address"]
    other = make.make_tenant("B")
    domains = [settled(f"c{n}.pt", make.make_tenant("A") if not n else None) for n in range(3)]
    domains.append(settled("x.pt", other))
    for domain in domains:
        for _confirmed in range(2):
            audit(domain, **{check: trouble(0)})
    assert incidents() == [("address", key, 4)]
    domains[0].delete()
    assert incidents() == [("address", key, 3)]
    AuditDomain.objects.filter(pk=domains[1].pk).delete()
    assert incidents() == [("address", key, 2)]
    other.delete()
    assert incidents() == [("address", key, 1)]
    domains[2].delete()
    assert incidents() == [] and Incident.objects.get(kind="address").closed_at


def test_a_domain_that_is_switched_off_leaves_and_comes_back_confirmed(domain):
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    AuditDomain.objects.filter(pk=domain.pk).update(enabled=False)
    sweep(timezone.now())
    assert incidents() == []
    AuditDomain.objects.filter(pk=domain.pk).update(enabled=True)
    audit(domain, dns_mx=MX)
    assert incidents() == [mx_incident(domain)]
    assert_true_to_rows()


def test_a_tenant_that_is_switched_off_has_no_open_incidents():
    tenant = make.make_tenant()
    for n in range(3):
        domain = settled(f"c{n}.pt", tenant)
        for _confirmed in range(2):
            audit(domain, unmeasured("portal_unreachable"))
    for _confirmed in range(2):
        judged(tenant, "server_portal", "fail", "portal_unreachable")
    tenant.enabled = False
    tenant.save()
    sweep(timezone.now())
    assert incidents() == []
    assert_true_to_rows()


def test_single_ones_that_a_merge_had_to_leave_are_taken_by_the_sweep():
    check, trouble, key = SHARED["address"]
    domains = [settled(f"c{n}.pt") for n in range(4)]
    for domain in domains[:3]:
        for _confirmed in range(2):
            audit(domain, **{check: trouble(0)})
    left = Incident.objects.create(
        kind="check",
        key=f"{domains[3].pk}:{check}",
        tenant=domains[3].tenant,
        shared=f"address:{key}",
        owner="host",
        severity="fail",
        opened_at=timezone.now(),
        confirmed_at=timezone.now(),
        domains_now=1,
        domains_most=1,
    )
    IncidentDomain.objects.create(
        incident=left, domain=domains[3], check_id=check, since=timezone.now()
    )
    sweep(timezone.now())
    assert incidents() == [("address", key, 4)]
    domains[3].refresh_from_db()
    assert_true_to_rows()


def test_numbers_that_are_wrong_are_said_and_mended(domain):
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    Incident.objects.update(domains_now=7, domains_most=7)
    assert hold_numbers_against_rows() == 1
    assert incidents() == [mx_incident(domain)] and hold_numbers_against_rows() == 0
