"""Checks by id and status, counted now and then."""

from datetime import timedelta
from unittest import mock

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from audit import tasks
from audit.models import AuditCheck, AuditDomain, CheckCounts, Tenant
from audit.results import check_counts
from tests.audit import factories as make
from tests.audit.test_query_plans import plans_of

pytestmark = pytest.mark.django_db


def test_they_are_those_of_the_rows():
    one, other = make.make_tenant("VM1"), make.make_tenant("VM2")
    for status in ("ok", "ok", "warn", "fail", "unknown"):
        make.make_domain(tenant=one, checks={"dns_mx": status, "dns_spf": "fail"})
    make.make_domain(tenant=one)  # never audited
    make.make_domain(tenant=one, checks={"dns_mx": "fail"}, enabled=False)
    make.make_domain(tenant=other, checks={"dns_dkim": "warn"})
    numbers = check_counts.count()
    assert numbers[one.pk]["dns_mx"] == {"ok": 2, "warn": 1, "fail": 1, "unknown": 1}
    assert numbers[one.pk]["dns_spf"] == {"ok": 0, "warn": 0, "fail": 5, "unknown": 0}
    assert numbers[other.pk]["dns_dkim"] == {"ok": 0, "warn": 1, "fail": 0, "unknown": 0}
    checks = AuditCheck.objects.filter(domain__enabled=True)
    assert checks.count() == sum(
        n for of_tenant in numbers.values() for kinds in of_tenant.values() for n in kinds.values()
    )


def test_a_tick_counts_once_a_minute_and_when_a_tenant_is_new(bells):
    make.make_domain(checks={"dns_mx": "fail"})
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tasks.tick()
        first = CheckCounts.objects.get()
        assert first.numbers["dns_mx"]["fail"] == 1
        make.audit(AuditDomain.objects.get())
        clock.shift(timedelta(seconds=59))
        tasks.tick()
        assert CheckCounts.objects.get().counted_at == first.counted_at
        clock.shift(timedelta(seconds=2))
        tasks.tick()
        assert CheckCounts.objects.get().numbers["dns_mx"]["fail"] == 0
        make.make_tenant("new")
        tasks.tick()
        assert CheckCounts.objects.count() == 2


def test_it_takes_no_more_than_a_hundredth_of_the_time():
    make.make_domain(checks={})
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert check_counts.keep()
        CheckCounts.objects.update(seconds=3)
        clock.shift(timedelta(seconds=299))
        assert not check_counts.keep()
        clock.shift(timedelta(seconds=2))
        assert check_counts.keep()
        clock.shift(timedelta(days=-3))  # the clock was set back
        assert check_counts.keep()


def test_a_tenant_that_goes_meanwhile_spoils_nothing():
    make.make_tenant("VM1")
    there = Tenant.objects.create(name="VM2")

    def count():
        there.delete()
        return {}

    with mock.patch.object(check_counts, "count", count):
        assert check_counts.keep()
    assert CheckCounts.objects.count() == 1


def test_rows_of_checks_are_not_read_only_their_indexes():
    """Case 257: A row holds evidence; there are 800,000 of 100,000 domains."""
    for status in ("ok", "fail"):
        make.make_domain(checks={"dns_mx": status})
    plans = plans_of(check_counts.count)
    assert len(plans) == 2
    for sql, plan in plans:
        of_checks = [line for line in plan if "audit_checks" in line or "audit_check_" in line]
        if connection.vendor == "sqlite":
            assert all("COVERING INDEX" in line for line in of_checks), (sql, plan)
        else:
            # whether of the index only depends on what was vacuumed
            assert of_checks and not any("Seq Scan" in line for line in of_checks), (sql, plan)
