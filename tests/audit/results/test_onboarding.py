"""How an onboarding ends by itself, through the real write path, and its links with it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import ReportLink, TenantCounts
from audit.results import store
from collectors.base import Finding, Owner, Severity, Status
from collectors.text import _
from tests.audit.factories import audit, make_domain, make_result, make_tenant

pytestmark = pytest.mark.django_db


def record(domain, *codes, **statuses):
    """An audit that finds these of DMARC, and all else in order but for `statuses`."""
    found = tuple(
        Finding(code, Severity(severity), _("Said."), Owner.CUSTOMER) for code, severity in codes
    )
    worst = "fail" if "fail" in dict(codes).values() else "warn"
    dmarc = replace(make_result("dns_dmarc", worst), findings=found)
    results = {c: make_result(c, s) for c, s in statuses.items()} | {"dns_dmarc": dmarc}
    assert store.record(domain, results, begun_at=timezone.now())
    domain.refresh_from_db()
    return domain


@pytest.fixture
def domain():
    return make_domain("novo.pt", make_tenant(), checks={"dns_dmarc": "fail"})


@pytest.mark.parametrize(
    ("codes", "statuses", "ends"),
    [
        ([("dmarc_policy_none", "warn")], {}, True),
        ([("dmarc_policy_none", "warn"), ("dmarc_rua_many", "info")], {}, True),
        ([("dmarc_policy_none", "warn"), ("dmarc_no_rua", "warn")], {}, False),
        ([("dmarc_policy_none", "warn"), ("dmarc_rua_unauthorised", "warn")], {}, False),
        ([("dmarc_policy_none", "warn"), ("dmarc_rua_invalid", "warn")], {}, False),
        ([("dmarc_policy_none", "warn"), ("dns_timeout", "unknown")], {}, False),
        ([("dmarc_missing", "fail")], {}, False),
        ([("dmarc_testing", "warn")], {}, False),
        ([("dmarc_policy_none", "warn")], {"dns_mx": "fail"}, False),
        ([("dmarc_policy_none", "warn")], {"cert_le": "unknown"}, False),
    ],
)
def test_it_ends_where_only_the_policy_is_left_and_reports_flow(domain, codes, statuses, ends):
    assert domain.onboarding
    record(domain, *codes, **statuses)
    assert domain.onboarding is not ends and (domain.onboarded_at is not None) is ends
    assert domain.first_healthy_at is None, "it is not 8/8"
    assert domain.status != "healthy"
    assert TenantCounts.objects.get().onboarding == (not ends)


def test_the_first_8_of_8_is_remembered_apart_from_the_end_of_the_onboarding(domain):
    ended = record(domain, ("dmarc_policy_none", "warn")).onboarded_at
    audit(domain)
    assert domain.onboarded_at == ended < domain.first_healthy_at


def test_links_end_by_themselves_a_while_after_8_of_8(domain):
    [link, revoked] = ReportLink.objects.make([domain, domain])
    assert revoked.revoke() and not revoked.revoke()
    audit(domain, dns_dmarc="warn")
    link.refresh_from_db()
    assert link.done_at is None and link.ended is None
    audit(domain)
    link.refresh_from_db()
    assert link.done_at is not None and link.ended is None, "whoever comes back is thanked"
    assert link.expires_at - link.done_at == timedelta(days=ReportLink.THANKS_DAYS)
    revoked.refresh_from_db()
    assert revoked.done_at is None
    done = link.done_at
    audit(domain, dns_mx=Status.FAIL)
    audit(domain)
    link.refresh_from_db()
    assert link.done_at == done, "it ends once"


def test_a_link_that_ends_sooner_is_not_prolonged(domain):
    soon = timezone.now() + timedelta(days=1)
    [link] = ReportLink.objects.make([domain])
    ReportLink.objects.update(expires_at=soon)
    record(domain, ("dmarc_policy_none", "warn"))
    link.refresh_from_db()
    assert link.done_at and link.expires_at == soon
