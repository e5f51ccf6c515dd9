"""How many domains a tenant has in each status and in each group, kept as numbers."""

from collections.abc import Mapping
from functools import lru_cache

from django.db import connection, models

from audit.models.tenants import Tenant

STATUSES = ("critical", "warning", "unknown", "healthy")  # by rank: DomainStatus
# of the triage: which enabled domains each number of TenantCounts counts, and each group lists.
# What is known, or follows from a cause that many share, is said once and not in these again.
_ITS_OWN = {"known": False, "covered": False}
GROUPS: dict[str, dict[str, bool]] = {
    "needs_host": {"needs_host": True, **_ITS_OWN},
    "needs_customer": {"needs_customer": True, **_ITS_OWN},
    "not_measured": {"not_measured": True, **_ITS_OWN},
    "onboarding": {"onboarding": True, "known": False},
    "known": {"known": True},
    "covered": {"covered": True, "known": False},
}
NUMBERS = (*STATUSES, *GROUPS)
COUNTED_COLUMNS = ("severity", *GROUPS)  # of a domain's row, beside tenant and enabled


@lru_cache(maxsize=256)  # there are four times two to the sixth
def numbers_of(*columns: int) -> tuple[str, ...]:
    """The numbers in which an enabled domain with these COUNTED_COLUMNS is counted."""
    row = dict(zip(COUNTED_COLUMNS, columns, strict=True))
    groups = [
        name
        for name, condition in GROUPS.items()
        if all(row[column] == value for column, value in condition.items())
    ]
    return (STATUSES[row["severity"]], *groups)


class TenantCounts(models.Model):
    """The enabled domains of a tenant by status and by group, so that nobody counts rows to show
    them.

    Whatever changes what a domain is counted by, its tenant or `enabled`, or adds or removes one,
    changes these in the same transaction, as the last thing that it locks: `AuditDomain` and its
    queryset see to it, and `store.record_lot`. Once a day they are held against the rows.
    """

    tenant = models.OneToOneField(
        Tenant, models.CASCADE, primary_key=True, related_name="counts", editable=False
    )
    critical = models.IntegerField(default=0)
    warning = models.IntegerField(default=0)
    unknown = models.IntegerField(default=0)
    healthy = models.IntegerField(default=0)
    needs_host = models.IntegerField(default=0)
    needs_customer = models.IntegerField(default=0)
    not_measured = models.IntegerField(default=0)
    onboarding = models.IntegerField(default=0)
    known = models.IntegerField(default=0)
    covered = models.IntegerField(default=0)

    class Meta:
        db_table = "audit_counts"

    def __str__(self) -> str:
        return str(self.tenant_id)

    @classmethod
    def add(cls, changes: Mapping[int, Mapping[str, int]]) -> list[int]:
        """Add `{tenant id: {number: how many more}}`; the ids of tenants that have no row yet."""
        without = []
        with connection.cursor() as cursor:
            for tenant_id in sorted(changes):  # two that change the same wait, and never crosswise
                more = [changes[tenant_id].get(name, 0) for name in NUMBERS]
                if any(more):
                    cursor.execute(_ADD, [*more, tenant_id])
                    if not cursor.rowcount:
                        without.append(tenant_id)
        return without


_SETS = ", ".join(f'"{name}" = "{name}" + %s' for name in NUMBERS)
_ADD = f"UPDATE audit_counts SET {_SETS} WHERE tenant_id = %s"  # noqa: S608 - no input


class CheckCounts(models.Model):
    """The checks of a tenant's enabled domains by id and status, as they were when they were last
    counted: `{check_id: {status: how many}}`. Whoever wants to know exactly asks the rows.
    """

    tenant = models.OneToOneField(
        Tenant, models.CASCADE, primary_key=True, related_name="check_counts", editable=False
    )
    numbers = models.JSONField(default=dict)
    counted_at = models.DateTimeField()
    seconds = models.FloatField(default=0)  # that it took to count those of all tenants

    class Meta:
        db_table = "audit_check_counts"

    def __str__(self) -> str:
        return str(self.tenant_id)
