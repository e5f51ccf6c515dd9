"""What the worker is compared with: one task a domain, each with new clients.

Without a queue's own work, which a real one would have besides.
"""

import time

from audit.models import AuditDomain
from audit.queue.event_loop import ProcessLoop
from audit.queue.run_audit import run_audit


def audit_all():
    """Audit and save each domain with an event loop, resolver, portal client and TLS of its own.

    Returns the processor seconds that it took.
    """
    domains = list(AuditDomain.objects.values_list("tenant_id", "domain"))
    began = time.process_time()
    for tenant_id, domain in domains:
        loop = ProcessLoop()
        try:
            run_audit(tenant_id, domain, loop=loop)
        finally:
            loop.close()
    return time.process_time() - began
