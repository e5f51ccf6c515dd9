"""What is kept. One row's logic stands on the model, many rows' logic on its QuerySet (audit/querysets.py)."""

from .access import ApiToken, WebhookEvent, WorkerHeartbeat
from .domains import AuditDomain, stale_before
from .results import AuditCheck, CheckTransition
from .runs import AuditRun, RunDomain
from .tenants import Tenant, target_of

__all__ = [
    "ApiToken",
    "AuditCheck",
    "AuditDomain",
    "AuditRun",
    "CheckTransition",
    "RunDomain",
    "Tenant",
    "WebhookEvent",
    "WorkerHeartbeat",
    "stale_before",
    "target_of",
]
