"""The numbers of domains that are kept: right after whatever changes them."""

from collections import Counter

import pytest
from django.db import transaction
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, Tenant, TenantCounts
from audit.models.domains import DomainStatus
from audit.results import store
from tests.audit import factories as make
from tests.audit.check_results import results

pytestmark = pytest.mark.django_db


def kept():
    """{tenant: {status: number}} as kept; tenants of which there is nothing are left out."""
    rows = {row.tenant_id: row for row in TenantCounts.objects.all()}
    numbers = {pk: {s: getattr(row, s) for s in DomainStatus.values} for pk, row in rows.items()}
    return {
        pk: {s: n for s, n in of.items() if n} for pk, of in numbers.items() if any(of.values())
    }


def counted():
    found: dict[int, Counter[str]] = {}
    for pk, status in AuditDomain.objects.filter(enabled=True).values_list("tenant", "status"):
        found.setdefault(pk, Counter())[status] += 1
    return found


@pytest.fixture
def fleet():
    """Two tenants with domains in every status, and one disabled."""
    for tenant in (make.make_tenant("VM1"), make.make_tenant("VM2")):
        for n, status in enumerate(["ok", "ok", "warn", "fail", "unknown"]):
            make.make_domain(f"d{n}.pt", tenant, checks={"dns_mx": status})
        make.make_domain("never.pt", tenant)
        make.make_domain("off.pt", tenant, enabled=False)
    assert kept() == counted()
    return AuditDomain.objects.filter(tenant__name="VM1")


def _save(rows, **fields):
    row = rows.get(domain="d0.pt")
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def _record(*names, **statuses):
    lot = AuditDomain.objects.filter(domain__in=names)
    audited = [store.Audited(row, results(**statuses), timezone.now()) for row in lot]
    assert set(store.record_lot(audited)) == {store.Saved.WRITTEN}


ACTS = {
    "registered": lambda rows: AuditDomain.objects.register(
        tenant=Tenant.objects.get(name="VM2"), domain="new.pt", source="manual"
    ),
    "created at once": lambda rows: make.make_domains(5, Tenant.objects.create(name="VM3")),
    "not created twice": lambda rows: AuditDomain.objects.bulk_create(
        [AuditDomain(tenant=rows[0].tenant, domain=name) for name in ("d0.pt", "x.pt")],
        ignore_conflicts=True,
    ),
    "disabled by a form": lambda rows: _save(rows, enabled=False).save(),
    "saved in part": lambda rows: _save(rows, enabled=False).save(update_fields=["enabled"]),
    "saved with an old status": lambda rows: (
        (row := _save(rows)),
        _record("d0.pt", dns_mx="fail"),
        row.save(update_fields=["dkim_selectors"]),
    ),
    "disabled together": lambda rows: rows.update(enabled=False),
    "enabled together": lambda rows: AuditDomain.objects.update(enabled=True),
    "changed in bulk": lambda rows: AuditDomain.objects.bulk_update(
        [_save(rows, enabled=False)], ["enabled"]
    ),
    "moved": lambda rows: rows.exclude(domain__startswith="d").update(
        tenant=Tenant.objects.create(name="VM3")
    ),
    "removed": lambda rows: rows.get(domain="d3.pt").delete(),
    "removed when it had changed": lambda rows: (
        (row := _save(rows)),
        _record("d0.pt", dns_mx="fail"),
        row.delete(),
    ),
    "removed together": lambda rows: rows.filter(score__lt=8).delete(),
    "removed with the tenant": lambda rows: rows[0].tenant.delete(),
    "removed of a tenant": lambda rows: rows[0].tenant.domains.all().delete(),
    "audited": lambda rows: _record("d0.pt", dns_mx="fail"),
    "audited in part": lambda rows: store.record(
        rows.get(domain="d0.pt"),
        {"dns_mx": results(dns_mx="warn")["dns_mx"]},
        begun_at=timezone.now(),
    ),
    "audited together": lambda rows: _record("d0.pt", "d1.pt", "d3.pt", "never.pt", "off.pt"),
    "the same again": lambda rows: _record("d3.pt", dns_mx="fail"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_the_numbers_are_those_of_the_rows(fleet, act):
    act(fleet)
    assert kept() == counted()


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_what_is_not_committed_is_not_counted(fleet, act):
    before = kept()
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        act(fleet)
        raise KeyboardInterrupt
    assert kept() == before == counted()


def test_once_a_day_a_difference_is_said_and_mended(fleet, caplog):
    tasks.prune()
    assert "wrong" not in caplog.text
    TenantCounts.objects.filter(tenant__name="VM1").update(critical=99)
    Tenant.objects.get(name="VM2").counts.delete()
    tasks.prune()
    assert "the kept numbers of 2 tenants were wrong" in caplog.text and kept() == counted()
