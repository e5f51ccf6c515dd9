"""How many checks there are by id and status: counted now and then, as to keep them exact would
cost every audit, and to count them for whoever asks every asker."""

import time
from datetime import timedelta

from django.db import IntegrityError
from django.db.models import Count, Q
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, CheckCounts, Tenant
from collectors.base import Status

EVERY_SECONDS = 60.0
SHARE = 100  # it takes no more than a hundredth of the time

Numbers = dict[int, dict[str, dict[str, int]]]


def keep() -> bool:
    """Count anew if it is time; whether it was."""
    last = CheckCounts.objects.order_by("-counted_at").first()
    if last and Tenant.objects.filter(check_counts=None).exists():
        last = None  # a tenant is new
    now = timezone.now()
    if last:
        pause = timedelta(seconds=max(EVERY_SECONDS, SHARE * last.seconds))
        if now - pause < last.counted_at <= now:
            return False
    begun = time.monotonic()
    numbers = count()
    seconds = time.monotonic() - begun
    rows = [
        CheckCounts(
            tenant_id=pk, numbers=numbers.get(pk, {}), counted_at=now, seconds=round(seconds, 3)
        )
        for pk in Tenant.objects.order_by("pk").values_list("pk", flat=True)
    ]
    try:
        CheckCounts.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["tenant"],
            update_fields=["numbers", "counted_at", "seconds"],
        )
    except IntegrityError:  # a tenant was removed in this moment: next time
        return False
    return True


def count() -> Numbers:
    """`{tenant id: {check_id: {status: how many}}}` of enabled domains, in two queries.

    Read from indexes alone: how many there are of each check, and of the few that are not ok their
    statuses. What is left is ok; a check that changes between the two queries is counted as one
    of them.
    """
    numbers: Numbers = {}
    enabled = AuditDomain.objects.filter(enabled=True).order_by()
    found = enabled.exclude(checks=None).values_list("tenant_id", "checks__check_id")
    for tenant, check_id, n in found.annotate(n=Count("pk")):
        of_tenant = numbers.setdefault(tenant, {})
        of_tenant[check_id] = {status.value: 0 for status in Status} | {"ok": n}
    wrong = AuditCheck.objects.filter(~Q(status=Status.OK.value), domain__enabled=True).order_by()
    kinds = wrong.values_list("domain__tenant_id", "check_id", "status")
    for tenant, check_id, status, n in kinds.annotate(n=Count("pk")):
        if statuses := numbers.get(tenant, {}).get(check_id):
            statuses[status] = less = min(n, statuses["ok"])
            statuses["ok"] -= less
    return numbers
