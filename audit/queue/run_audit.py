"""One domain, now: the entry for a program that asks for it by name."""

from collections.abc import Collection

from audit.models import AuditDomain, Tenant, target_of
from audit.queue.collect import Job, Results, collect
from audit.queue.event_loop import ProcessLoop
from audit.queue.process import own_process
from audit.results import store
from collectors.names import normalize_domain


def run_audit(
    tenant_id: int | None,
    domain: str,
    *,
    only: Collection[str] | None = None,
    loop: ProcessLoop | None = None,
) -> Results:
    """Audit one domain and return `{check_id: CheckResult}`; on this process's loop or on `loop`.

    Registered on that tenant: saved. Not registered, or `tenant_id` None: looked at and not saved.
    Raises DomainError for what is not a domain and Tenant.DoesNotExist for an unknown tenant.
    """
    name = normalize_domain(domain)
    tenant = Tenant.objects.get(pk=tenant_id) if tenant_id is not None else None
    rows = AuditDomain.objects.filter(tenant=tenant, domain=name).select_related("tenant")
    row = rows.first() if tenant else None
    job = Job(row or name, row.target() if row else target_of(tenant, name), fresh=True)
    for _job, results in collect([job], loop=loop or own_process().loop, width=1, only=only):
        if row:
            store.record(row, results, begun_at=job.begun_at)
        return results
    raise RuntimeError("the audit ended without a result")  # collect() yields every job
