"""What is kept. One row's logic stands on the model, many rows' logic on its QuerySet beside it."""

from audit.models.access import ApiToken, WebhookEvent, WorkerHeartbeat
from audit.models.counts import CheckCounts, TenantCounts
from audit.models.domains import AuditDomain, stale_before
from audit.models.incidents import Incident, IncidentDomain, SavedView, Waiver
from audit.models.notifications import Notification, NotificationChannel
from audit.models.onboarding import ReportLink
from audit.models.portal_sync import PortalDomain, PortalSync
from audit.models.results import AuditCheck, CheckTransition
from audit.models.runs import AuditRun, RunDomain
from audit.models.second_factors import SecondFactor
from audit.models.seen import Seen
from audit.models.server_card import ServerCard, ServerCheck, ServerTransition, server_of
from audit.models.servers_asked import ServersAsked
from audit.models.tallies import Tally
from audit.models.tenants import Tenant, target_of

__all__ = [
    "ApiToken",
    "AuditCheck",
    "AuditDomain",
    "AuditRun",
    "CheckCounts",
    "CheckTransition",
    "Incident",
    "IncidentDomain",
    "Notification",
    "NotificationChannel",
    "PortalDomain",
    "PortalSync",
    "ReportLink",
    "RunDomain",
    "SavedView",
    "SecondFactor",
    "Seen",
    "ServerCard",
    "ServerCheck",
    "ServerTransition",
    "ServersAsked",
    "Tally",
    "Tenant",
    "TenantCounts",
    "Waiver",
    "WebhookEvent",
    "WorkerHeartbeat",
    "server_of",
    "stale_before",
    "target_of",
]
