"""Auditing: claim, collect, record. Sync functions that drive one event loop; the ORM is touched between its steps, never inside.

The loop and the `Network` (resolver with cache, TLS context, connections) are those of the process.
"""

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import time
from dataclasses import dataclass, field

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from collectors.base import CheckResult, Outcome, run, unknown
from collectors.catalogue import CHECKS
from collectors.names import normalize_domain
from collectors.text import _

from . import lanes, store
from .loop import persistently, process_loop
from .models import AuditDomain, AuditRun, Tenant, WorkerHeartbeat, target_of
from .owners import is_alive, owner_name, system
from .querysets import MAX_ATTEMPTS

log = logging.getLogger(__name__)
SUSPECTS_AT_ONCE = 3  # that one drain looks at alone, before all others
stopping = multiprocessing.Event()  # set by the worker command when it is asked to stop; its forked children see it


@dataclass
class Job:
    """One domain to audit: `key` is what the caller knows it by (an AuditDomain, or a name that is not registered)."""

    key: object
    target: object
    fresh: bool = False
    begun_at: object = field(default_factory=timezone.now)


def collect(jobs, *, width, only=None):
    """Audit jobs in a sliding window of `width`; yields `(job, {check_id: CheckResult})` as each is done.

    `jobs` is an iterator that is asked for the next job whenever a slot is free; it may yield None for "nothing now". The
    loop stands still while the caller works with a result. Closing the generator cancels what is on its way.
    """
    loop, network = process_loop()
    running: dict[asyncio.Task, Job] = {}
    jobs = iter(jobs)
    more = True
    try:
        while more or running:
            while more and len(running) < width:
                job = next(jobs, StopIteration)
                if job is StopIteration:
                    more = False
                elif job is None:
                    break
                else:
                    job.begun_at = timezone.now()
                    running[loop.create_task(_audit(network, job, only))] = job
            if not running:
                return
            done, _pending = loop.run_until_complete(asyncio.wait(running, timeout=0.5, return_when=asyncio.FIRST_COMPLETED))
            for task in done:
                job = running.pop(task)
                yield job, _broken(job, only) if task.cancelled() else task.result()
    finally:
        for task in running:
            task.cancel()
        if running:
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(asyncio.gather(*running, return_exceptions=True))


async def _audit(network, job, only):
    """All checks of one job; whatever happens, every check has a result."""
    try:
        async with asyncio.timeout(network.config.domain_seconds + 5):  # the checks end by themselves before that
            return await run(job.target, network.audit(job.target, fresh=job.fresh), only)
    except Exception:
        log.exception("the audit of %s failed", job.target.domain)
        return _broken(job, only)


def _broken(job, only):
    """The results of an audit that broke, by a fault of ours."""
    log.error("the audit of %s came to no result", job.target.domain)
    message = _("The audit ran into an internal error; the log has the details.")
    outcome = Outcome(message, [unknown("check_error", message)])
    wanted = [c for c in CHECKS if only is None or c in only]
    return {c: CheckResult.of(c, outcome, checked_at=timezone.now(), duration_ms=0) for c in wanted}


def run_audit(tenant_id, domain, *, only=None):
    """Audit one domain now and return `{check_id: CheckResult}`.

    Registered on that tenant: saved. Not registered, or `tenant_id` None: looked at and not saved. Raises DomainError for
    what is not a domain and Tenant.DoesNotExist for an unknown tenant.
    """
    name = normalize_domain(domain)
    tenant = Tenant.objects.get(pk=tenant_id) if tenant_id is not None else None
    row = AuditDomain.objects.filter(tenant=tenant, domain=name).select_related("tenant").first() if tenant else None
    target = row.target() if row else target_of(tenant, name)
    for job, results in collect([Job(row or name, target, fresh=True)], width=1, only=only):
        if row:
            store.record(row, results, begun_at=job.begun_at)
        return results
    raise RuntimeError("the audit ended without a result")  # collect() yields every job


def drain(*, seconds=None, width=None, on_over=None):
    """Audit what is due until nothing is, or `seconds` are over; returns how many domains were audited.

    Saves each domain as it comes. A domain that was claimed three times without a result (its worker died) is given up
    until its next regular slot. Returns 0 at once where as many processes drain as may; they take what is due. When the time
    is over, `on_over` is called, and the next drain may begin while this one ends with the domains that it has.
    """
    lane = lanes.take()
    if lane is None:
        return 0
    work = _Drain(lane, seconds=settings.DRAIN_SECONDS if seconds is None else seconds, on_over=on_over)
    width = width or settings.AUDIT_CONCURRENCY
    count, counted = 0, False
    scheduled = _ScheduledRun()
    try:
        for job, results in collect(work.jobs(width), width=width):
            domain = job.key
            if not count:
                _note_resolver()
            saved = work.save(job, results)
            count += saved
            scheduled.add(domain, saved)
    except SystemExit:  # so django-q2 ends a task that is over its time: one of these domains may be the cause
        counted = True
        raise
    finally:
        work.end(counted=counted)
        scheduled.end()
    return count


class _Drain:
    """The claims of one drain: `held` are those that it has to end, with a result or without."""

    def __init__(self, lane, *, seconds, on_over):
        self.owner, self.held = owner_name(), {}
        self._lane, self._until, self._on_over = lane, time.monotonic() + seconds, on_over
        self._claims, self._over = itertools.count(1), False

    def jobs(self, width):
        """What is due, as long as there is time: first some suspects, each alone, then all others side by side."""
        for _n in range(SUSPECTS_AT_ONCE):
            for job in self._claim(1, suspects=True) or []:
                yield job
                while self.held:
                    yield None
        while True:
            claimed = self._claim(max(1, min(width - len(self.held), 16)))
            if claimed is not None:
                yield from claimed
            elif self.held and not self._over:
                yield None
            else:
                return

    def _claim(self, count, *, suspects=False):
        """Jobs for up to `count` more domains; None when the time is over or nothing is due."""
        if self._is_over():
            return None
        regular_first = next(self._claims) % 4 == 0  # so that regular audits go on where people never stop asking
        domains = persistently(AuditDomain.objects.claim, self.owner, count=count, regular_first=regular_first, suspects=suspects)
        if not domains:
            return None
        self.held.update((d.pk, d) for d in domains)
        if asked := [d.pk for d in domains if d.requested_at]:
            persistently(AuditRun.objects.begin, asked, timezone.now())
        return [job for job in map(self._job, domains) if job]

    def _job(self, domain):
        if domain.attempts > MAX_ATTEMPTS:
            log.error("%s was claimed %s times without a result: given up until its next slot", domain.domain, MAX_ATTEMPTS)
            return self._give_up(domain, "worker died")
        try:
            return Job(domain, domain.target(), fresh=domain.requested_at is not None)
        except Exception:
            log.exception("%s can't be audited", domain.domain)
            return self._give_up(domain, "its configuration can't be used; the log says why")

    def save(self, job, results):
        """Record the results; False if they came too late, or can't be kept: that costs this domain its turn, and no other."""
        domain = job.key
        try:
            saved = persistently(store.record, domain, results, begun_at=job.begun_at, owner=self.owner)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("the results of %s can't be saved", domain.domain)
            saved = bool(self._give_up(domain, "its results can't be saved; the log says why"))
        self.held.pop(domain.pk, None)
        return saved

    def _give_up(self, domain, error):
        persistently(store.give_up, domain, owner=self.owner, begun_at=timezone.now(), error=error)
        self.held.pop(domain.pk, None)

    def _is_over(self):
        """True once the time is over or the worker stops; then the lane is free for the next drain."""
        if not self._over and (time.monotonic() >= self._until or stopping.is_set()):
            self._over = True
            lanes.give_back(self._lane)
            if self._on_over and not stopping.is_set():
                self._on_over()
        return self._over

    def end(self, *, counted):
        """Give back what is left: ended in the middle, it is due again at once."""
        try:
            if self.held:
                persistently(store.release, list(self.held), owner=self.owner, counted=counted)
        finally:
            if not self._over:
                lanes.give_back(self._lane)


def release_dead():
    """Give back what processes of this system held that are gone (killed); the attempt stays counted. Returns how many rows."""
    held = AuditDomain.objects.filter(claimed_by__startswith=f"{system()}:").values_list("claimed_by", flat=True).distinct()
    dead = [owner for owner in held if not is_alive(owner)]
    return AuditDomain.objects.filter(claimed_by__in=dead).update(claimed_by="", claimed_until=None) if dead else 0


def _note_resolver():
    """Before every domain is blamed: does our own resolver answer? Said once in the log, and shown on the overview."""
    loop, network = process_loop()
    beats = WorkerHeartbeat.of_this_host()
    if loop.run_until_complete(network.dns.works()):
        beats.exclude(resolver_down_since=None).update(resolver_down_since=None)
    elif beats.filter(resolver_down_since=None).update(resolver_down_since=timezone.now()):
        log.error("the DNS resolver does not answer: DNS checks are unknown until it does")


class _ScheduledRun:
    """The run row of one drain's regular audits, written when there was at least one."""

    def __init__(self):
        self.started, self.done, self.failed = timezone.now(), 0, 0

    def add(self, domain, saved):
        if domain.requested_at is None:
            self.done += bool(saved)
            self.failed += not saved

    def end(self):
        if total := self.done + self.failed:
            AuditRun.objects.create(
                trigger=AuditRun.Trigger.SCHEDULE, domains=total, done=self.done, failed=self.failed,
                created_at=self.started, started_at=self.started, finished_at=timezone.now(),
            )  # fmt: skip
