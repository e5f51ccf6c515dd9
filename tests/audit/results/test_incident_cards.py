"""Incidents of the server card, and of the domains that stand on it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, ServerCard
from tests.audit import factories as make
from tests.audit.troubles import audit, fault, incidents, judged, settled, unmeasured

pytestmark = pytest.mark.django_db


def test_a_row_of_the_server_card_opens_and_closes_confirmed(told):
    tenant = make.make_tenant()
    judged(tenant, "server_ptr", "fail", "server_ptr_missing")
    assert incidents() == []
    judged(tenant, "server_ptr", "fail", "server_ptr_missing")
    assert incidents() == [("server", f"{tenant.pk}:server_ptr", 0)]
    judged(tenant, "server_ptr", "ok")
    assert len(incidents()) == 1
    judged(tenant, "server_ptr", "unknown", "dns_timeout")
    judged(tenant, "server_ptr", "ok")
    assert incidents() == [] and [e for e, *_of in told] == ["opened", "closed"]
    assert ServerCard.objects.get().unconfirmed == {}


def test_the_row_and_its_domains_are_one_incident_until_both_are_cured(told):
    tenant = make.make_tenant()
    domain = settled("c.pt", tenant)
    spf = fault("spf_include_missing", owner="host", because=("server_spf", "server_spf_broken"))
    for _confirmed in range(2):
        audit(domain, dns_spf=spf)
        judged(tenant, "server_spf", "fail", "server_spf_broken")
    assert incidents() == [("server", f"{tenant.pk}:server_spf", 1)]
    for _confirmed in range(2):
        audit(domain)
    assert incidents() == [("server", f"{tenant.pk}:server_spf", 0)]
    for _confirmed in range(2):
        audit(domain, dns_spf=spf)
    AuditDomain.objects.update(next_audit_at=timezone.now() + timedelta(hours=1))
    for _confirmed in range(2):
        judged(tenant, "server_spf", "ok")
    assert incidents() == [("server", f"{tenant.pk}:server_spf", 1)]
    domain.refresh_from_db()
    assert domain.next_audit_at <= timezone.now(), "it is looked at again soon"
    for _confirmed in range(2):
        audit(domain)
    assert incidents() == [] and len(told) == 2


def test_a_portal_is_one_cause_for_the_card_and_for_the_domains():
    tenant = make.make_tenant()
    domain = settled("c.pt", tenant)
    for _confirmed in range(2):
        judged(tenant, "server_portal", "unknown", "portal_unreachable")
        audit(domain, unmeasured("portal_unreachable"))
    assert incidents() == [("portal", str(tenant.pk), 1)]
