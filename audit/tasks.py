"""What django-q2 runs, by these dotted names. Sync functions; arguments are ids only, so that a task outlives a deploy."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from . import events, runner
from .models import AuditDomain, AuditRun, CheckTransition, RunDomain, WebhookEvent, WorkerHeartbeat

log = logging.getLogger(__name__)


def ring(name="drain"):
    """Ring a bell: have a worker run the task `name` of this module once the present transaction is committed.

    A queue that can't be reached is logged and no more: the next tick finds what is due in the rows.
    """

    def enqueue():
        from django_q.tasks import async_task

        try:
            async_task(f"audit.tasks.{name}")
        except Exception as error:  # noqa: BLE001 - whatever the broker raises
            log.error("the queue could not be reached (%s); the next tick picks up what is due", error)

    transaction.on_commit(enqueue)


def request_run(*, tenant, domains, trigger, by, scope=""):
    """Ask for an audit of these domains of one tenant and ring: `(AuditRun, already_queued)`."""
    run, already = AuditRun.objects.ask(tenant=tenant, domains=domains, trigger=trigger, by=by, scope=scope)
    ring()
    return run, already


def tick():
    """Every 30 s or so: process events that still wait, end runs that wait for nothing, ring a drain per worker if domains are due."""
    now = timezone.now()
    runner.release_dead()
    AuditDomain.objects.mend_times(now)
    AuditRun.objects.filter(finished_at=None, created_at__gt=now).update(created_at=now)  # the clock was set back
    process_events()
    for left in RunDomain.objects.exclude(domain__enabled=True, domain__tenant__enabled=True).select_related("domain"):
        AuditRun.objects.settle(left.domain, begun_at=timezone.now(), ok=False)
    AuditRun.objects.end_complete()
    due = AuditDomain.objects.due().count()
    for _worker in range(min(settings.AUDIT_WORKERS, -(-due // settings.AUDIT_CONCURRENCY))):
        ring()
    return due


def drain():
    """Audit what is due; when the time is over, ring the next drain."""
    return runner.drain(on_over=ring)


def process_events():
    """Process the events that wait, oldest first; each in its own transaction, an error is kept on the event."""
    waiting = WebhookEvent.objects.filter(processed_at=None).order_by("received_at", "pk").values_list("pk", flat=True)
    registered = sum(map(events.process, waiting[:500]))
    if registered:
        ring()
    return registered


def prune():
    """Once a day: delete what is older than the retention; the latest state of a domain is never touched."""
    before = timezone.now() - timedelta(days=settings.AUDIT_RETENTION_DAYS)
    counts = {
        "transitions": _delete(CheckTransition.objects.filter(at__lt=before)),
        "runs": _delete(AuditRun.objects.filter(finished_at__lt=before)),
        "events": _delete(WebhookEvent.objects.filter(processed_at__lt=before)),
        "workers": _delete(WorkerHeartbeat.objects.filter(last_seen__lt=timezone.now() - timedelta(days=1))),
        "tasks": _prune_tasks(),
    }
    log.info("pruned %s", counts)
    return counts


def _delete(rows):
    """Delete in portions, so that no transaction is long."""
    total = 0
    while ids := list(rows.values_list("pk", flat=True)[:1000]):
        total += rows.model.objects.filter(pk__in=ids).delete()[0]
    return total


def _prune_tasks():
    """django-q2's own rows of the last two days are enough: the truth about audits stands in our tables."""
    from django_q.models import Task

    return _delete(Task.objects.filter(stopped__lt=timezone.now() - timedelta(days=2)))
