"""Short ways to the queue for tests: `claim_due("me")`, `drain_due(seconds=10)`."""

from audit.models import AuditDomain
from audit.queue.drain import drain
from audit.queue.process import own_process


def claim_due(owner, *, count=1):
    """Claim the next `count` due domains for `owner`, as a drain does."""
    due = AuditDomain.objects.due().order_by("next_audit_at", "pk")
    return AuditDomain.objects.claim(owner, list(due.values_list("pk", flat=True)[:count]))


def drain_due(**options):
    """A drain on this process's own loop; how many domains it audited."""
    return drain(own_process(), **options)


def close_loop():
    """Close the network of this process, with the connections that were kept."""
    own_process().loop.close()
