"""What django-q2 runs, by these dotted names. Sync functions; arguments are ids only, so that a
task outlives a deploy."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from audit.models import (
    AuditDomain,
    AuditRun,
    CheckTransition,
    Incident,
    Notification,
    PortalSync,
    ReportLink,
    ServerCard,
    ServersAsked,
    ServerTransition,
    Tally,
    Tenant,
    Waiver,
    WebhookEvent,
    WorkerHeartbeat,
)
from audit.models.domains import AuditDomainQuerySet
from audit.notify import delivery
from audit.queue import drain as queue_drain
from audit.queue import onboarding_events, portal_sync
from audit.queue.claim_owner import COMMAND, release_dead_claims
from audit.queue.process import own_process
from audit.results import check_counts, incident_sweep, trail, transitions
from audit.results.enqueue import enqueue
from audit.results.trail import Actor

log = logging.getLogger(__name__)
DUE_COUNTED = 2_000  # domains: as much as any number of processes needs to know
EVENTS_AT_ONCE = 50  # then those that they registered are audited
EVENTS_A_TASK = 500
TRANSITIONS_A_TASK = 50  # portions


def request_run(
    *,
    tenant: Tenant,
    domains: AuditDomainQuerySet,
    trigger: str,
    by: str,
    scope: str = "",
    who: Actor | None = None,
) -> tuple[AuditRun, bool]:
    """Ask for an audit of these domains of one tenant and ring: `(AuditRun, already_queued)`.

    `who`: in whose name that stands in the trail, with the domain if it is one, else the tenant.
    """
    with transaction.atomic():
        run, already = AuditRun.objects.get_or_create_run(
            tenant=tenant, domains=domains, trigger=trigger, by=by, scope=scope
        )
        if who and not already:
            if run.domains == 1:
                trail.note(who, domains[:1], trail.ASKED)
            else:
                trail.note(who, [tenant], trail.ASKED_MANY, run.domains)
    enqueue_drains(run.domains)
    return run, already


def request_server_test(tenant: Tenant, *, who: Actor) -> bool:
    """Ask for the server card of a tenant at once, looked at anew, and for its portal's list of
    domains, and ring; False where that was asked for before and has not begun."""
    waiting = ServerCard.objects.filter(pk=tenant.pk, claimed_by="").exclude(requested_at=None)
    with transaction.atomic():
        if waiting.exists():
            return False
        ServerCard.objects.make_due(tenant.pk)
        trail.note(who, [tenant], trail.TEST)
    enqueue()
    PortalSync.objects.make_due(tenant.pk)
    if PortalSync.objects.due().filter(pk=tenant.pk).exists():
        enqueue("compare_portals")
    return True


def enqueue_drains(due: int) -> None:
    """Ring for so many due domains: once for each process of any living worker that is idle and
    has enough to do."""
    held = AuditDomain.objects.exclude(claimed_by="").exclude(claimed_by__endswith=COMMAND)
    busy = held.values("claimed_by").distinct().count()
    idle = max(1, WorkerHeartbeat.alive().count()) * settings.AUDIT_WORKERS - busy
    for _drain in range(max(1, min(idle, -(-due // settings.AUDIT_CONCURRENCY)))):
        enqueue()


def tick() -> int:
    """Every 30 s or so: what was left behind is taken up again, and drains are rung for what is
    due; how many domains that is, as far as they are counted."""
    now = timezone.now()
    release_dead_claims()
    AuditDomain.objects.repair_future_times(now)
    ServerCard.objects.repair_future_times(now)
    ServerCard.objects.add_missing()
    PortalSync.objects.repair_future_times(now)
    PortalSync.objects.add_missing()
    # the clock was set back
    AuditRun.objects.filter(finished_at=None, created_at__gt=now).update(created_at=now)
    process_events()
    if CheckTransition.objects.filter(processed_at=None).exists():
        process_transitions()
    incident_sweep.sweep(now)
    AuditRun.objects.complete_inactive()
    AuditRun.objects.end_complete()
    AuditRun.objects.end_lost(now - timedelta(seconds=2 * settings.Q_CLUSTER["timeout"]))
    if delivery.look():
        enqueue("send_notifications")
    if PortalSync.objects.due(now).exists():
        enqueue("compare_portals")
    due = AuditDomain.objects.due().count_up_to(DUE_COUNTED)
    if due or ServerCard.objects.due(now).exists():
        enqueue_drains(due)
    check_counts.keep()
    return due


def drain() -> int:
    """Audit what is due; when the time is over, ring the next drain."""
    audited = queue_drain.drain(own_process(), on_over=enqueue, on_backlog=_enqueue_more_drains)
    if audited and AuditDomain.objects.due().exists():
        enqueue()  # it came while this one ended, and its task found no slot free
    return audited


def _enqueue_more_drains() -> None:
    enqueue_drains(AuditDomain.objects.due().count_up_to(DUE_COUNTED))


def process_events() -> int:
    """Process the events that wait, oldest first, the tenants taking turns; each in its own
    transaction, an error is kept on the event. Returns how many domains are to be audited.

    Of the tenants whose events these are, what is more than is kept is deleted.
    """
    turn = Window(RowNumber(), partition_by=[F("tenant_id")], order_by=["received_at", "pk"])
    waiting = WebhookEvent.objects.filter(processed_at=None).annotate(turn=turn)
    first = waiting.order_by("turn", "received_at", "pk").values_list("pk", "tenant_id")
    ids = list(first[:EVENTS_A_TASK])
    registered = 0
    for start in range(0, len(ids), EVENTS_AT_ONCE):
        found = sum(
            onboarding_events.process(pk) for pk, _tenant in ids[start : start + EVENTS_AT_ONCE]
        )
        if found:
            enqueue_drains(found)
        registered += found
    onboarding_events.forget_surplus({tenant_id for _pk, tenant_id in ids})
    return registered


def process_transitions() -> None:
    """Have what listens to changes called for those that wait."""
    after: int | None = 0
    for _portion in range(TRANSITIONS_A_TASK):
        if after is not None:
            after = transitions.process_transitions(after=after)


def send_notifications() -> int:
    """Send the messages that wait; how many were sent. What it has no time for, the next does."""
    return delivery.send_waiting(own_process())


def compare_portals() -> int:
    """Compare the lists of the portals that are due with ours; how many portals were asked."""
    return portal_sync.compare_due(own_process())


def prune() -> dict[str, int]:
    """Once a day: delete what is older than the retention; the latest state of a domain is never
    touched. And hold the numbers that are kept against the rows."""
    before = timezone.now() - timedelta(days=settings.AUDIT_RETENTION_DAYS)
    if wrong := AuditDomain.objects.count_anew(Tenant.objects.values_list("pk", flat=True)):
        log.error("the kept numbers of %s tenants were wrong; they were counted anew", wrong)
    if wrong := incident_sweep.hold_numbers_against_rows():
        log.error("the kept numbers of %s incidents were wrong; they were counted anew", wrong)
    onboarding_events.forget_surplus(Tenant.objects.values_list("pk", flat=True))
    counts = {
        "transitions": _delete(_superseded(CheckTransition, "domain", before)),
        "incidents": _delete(Incident.objects.filter(closed_at__lt=before)),
        "waivers": _delete(Waiver.objects.filter(ended_at__lt=before)),
        "server_transitions": _delete(_superseded(ServerTransition, "tenant", before)),
        # what ended before that was asked for before that: there is an index of it
        "runs": _delete(AuditRun.objects.filter(created_at__lt=before, finished_at__lt=before)),
        "report_links": _delete(ReportLink.objects.filter(expires_at__lt=before)),
        "events": _delete(
            WebhookEvent.objects.filter(received_at__lt=before, processed_at__lt=before)
        ),
        # what is open yet is to be told when it is over
        "notifications": _delete(
            Notification.objects.filter(created_at__lt=before)
            .exclude(state=Notification.State.QUEUED)
            .exclude(incident__isnull=False, incident__closed_at=None)
        ),
        "servers_asked": _delete(
            ServersAsked.objects.filter(asked_at__lt=timezone.now() - timedelta(days=1))
        ),
        "tasks": _prune_tasks(),
        "sessions": _prune_sessions(),
        "trail": _prune_trail(),
        "portals": Tally.forget_portals(),
    }
    log.info("pruned %s", counts)
    return counts


def _superseded(
    model: type[CheckTransition] | type[ServerTransition], of: str, before: datetime
) -> QuerySet:
    """Those older than that which another followed. The last of a check says since when it is what
    it is, also after what could not be measured in between."""
    same = {of: OuterRef(of), "check_id": OuterRef("check_id")}
    later = model._default_manager.filter(pk__gt=OuterRef("pk"), **same)
    return model._default_manager.filter(Exists(later), at__lt=before)


def _delete(rows: QuerySet) -> int:
    """Delete in portions, so that no transaction is long."""
    total = 0
    while ids := list(rows.values_list("pk", flat=True)[:1000]):
        total += rows.model._default_manager.filter(pk__in=ids).delete()[0]
    return total


def _prune_tasks() -> int:
    """django-q2's own rows of the last two days are enough: the truth about audits stands in our
    tables."""
    from django_q.models import Task  # here: this module is read by faces that need no queue

    return _delete(Task.objects.filter(stopped__lt=timezone.now() - timedelta(days=2)))


def _prune_trail() -> int:
    """Who did what, longer ago than that is kept; the oldest have the lowest keys."""
    from django.contrib.admin.models import LogEntry  # here, as above

    before = timezone.now() - timedelta(days=settings.AUDIT_TRAIL_DAYS)
    return _delete(LogEntry.objects.filter(action_time__lt=before).order_by("pk"))


def _prune_sessions() -> int:
    """Sessions that are over and that nobody came back to."""
    from django.contrib.sessions.models import Session  # here, as above

    return _delete(Session.objects.filter(expire_date__lt=timezone.now()))
