"""Incidents of the server card, and of the domains that stand on it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditDomain, ServerCard
from tests.audit import factories as make
from tests.audit.troubles import (
    assert_true_to_rows,
    audit,
    fault,
    incidents,
    judged,
    settled,
    unmeasured,
)

pytestmark = pytest.mark.django_db
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


# -- what follows from what is an open incident already

OURS = fault("spf_include_missing", owner="host", because=("server_spf", "server_spf_broken"))


@pytest.fixture
def broken(told):
    """A tenant whose SPF record is confirmed to be broken."""
    tenant = make.make_tenant()
    for _confirmed in range(2):
        judged(tenant, "server_spf", "fail", "server_spf_broken")
    return tenant


def spf_incident(tenant, n):
    return ("server", f"{tenant.pk}:server_spf", n)


def test_what_follows_from_an_open_one_is_part_of_it_at_once(broken, told):
    domain = settled("c.pt", broken)
    audit(domain, dns_spf=OURS)
    assert incidents() == [spf_incident(broken, 1)] and domain.unconfirmed == {}
    assert domain.covered and domain.trouble_at is None and len(told) == 1
    for n in (1, 0):
        audit(domain)
        assert incidents() == [spf_incident(broken, n)], "its end is confirmed as ever"
    assert_true_to_rows()


def test_also_in_its_grace_and_what_is_its_own_waits_there(broken, told):
    new = make.make_domain("novo.pt", broken)
    audit(new, dns_spf=OURS, dns_mx=fault("mx_missing"))
    assert incidents() == [spf_incident(broken, 1)] and set(new.unconfirmed) == {"dns_mx"}
    for _long in range(3):
        audit(new, dns_spf=fault("spf_missing"), dns_mx=fault("mx_missing"))
    assert incidents() == [spf_incident(broken, 0)], "its own record is missing as well"
    assert set(new.unconfirmed) == {"dns_mx", "dns_spf"}
    AuditDomain.objects.update(created_at=timezone.now() - timedelta(days=8))
    audit(new, dns_spf=fault("spf_missing"), dns_mx=fault("mx_missing"))
    assert sorted(kind for kind, *_of in incidents()) == ["check", "check", "server"]
    assert_true_to_rows()


def test_what_was_seen_before_joins_when_it_opens(told):
    tenant = make.make_tenant()
    new = make.make_domain("novo.pt", tenant)
    for _unconfirmed in range(3):
        audit(new, dns_spf=OURS)
    assert incidents() == []
    began = new.unconfirmed["dns_spf"][2]
    for _confirmed in range(2):
        judged(tenant, "server_spf", "fail", "server_spf_broken")
    audit(new, dns_spf=OURS)
    assert incidents() == [spf_incident(tenant, 1)]
    since = new.incident_members.get().since
    assert since == EPOCH + timedelta(microseconds=began)


@pytest.mark.parametrize("code", ["portal_unreachable", "resolver_down"])
def test_so_is_what_is_measured_through_what_is_away(code, told):
    first, second = settled("a.pt"), settled("b.pt")
    for _confirmed in range(2):
        audit(first, unmeasured(code))
    audit(second, unmeasured(code))
    ((_kind, _key, domains),) = incidents()
    assert domains == 2 and second.covered
    for _confirmed in range(2):
        audit(second)
    assert [n for _kind, _key, n in incidents()] == [1]


def test_another_tenants_is_not_its_own(broken):
    domain = settled("c.pt", make.make_tenant("other"))
    audit(domain, dns_spf=OURS)
    assert incidents() == [spf_incident(broken, 0)] and "dns_spf" in domain.unconfirmed


def test_nothing_is_asked_where_nothing_waits_for_what_is_shared(broken):
    domain = settled("c.pt", broken)
    audit(domain, dns_mx=fault("mx_missing"))
    asked = queries_of(lambda: audit(domain, dns_spf=fault("spf_missing")))
    assert not [sql for sql in asked if "(kind, key) IN" in sql]
    other = settled("d.pt", broken)
    asked = queries_of(lambda: audit(other, dns_spf=OURS))
    assert len([sql for sql in asked if "(kind, key) IN" in sql]) == 1


def queries_of(act):
    with CaptureQueriesContext(connection) as seen:
        act()
    return [q["sql"] for q in seen.captured_queries]
