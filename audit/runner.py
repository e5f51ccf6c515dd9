"""Auditing: claim, collect, record. Sync functions that drive one event loop; the ORM is touched between its steps, never inside.

Each process has one event loop and one `Network` (resolver with cache, TLS context, connections), made on first use, after
the fork, and kept across tasks.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import socket
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from collectors.base import CheckResult, Outcome, run, unknown
from collectors.catalogue import CHECKS
from collectors.net import NetConfig, Network
from collectors.text import _

from . import lanes, store
from .models import AuditDomain, AuditRun, Tenant, WorkerHeartbeat, target_of
from .querysets import MAX_ATTEMPTS

log = logging.getLogger(__name__)
stopping = multiprocessing.Event()  # set by the worker command when it is asked to stop; its forked children see it
_process: dict = {}  # pid -> (loop, network): a fork does not share them


def net_config():
    """The collectors' configuration from the settings."""
    return NetConfig(
        dns_servers=settings.AUDIT_DNS_SERVERS,
        dns_cache_seconds=settings.AUDIT_DNS_CACHE_SEC,
        allowed_networks=settings.AUDIT_ALLOWED_NETWORKS,
        ca_file=settings.AUDIT_CA_FILE,
        check_seconds=settings.AUDIT_CHECK_TIMEOUT_SEC,
        domain_seconds=settings.AUDIT_DOMAIN_TIMEOUT_SEC,
        portal_paths=settings.AUDIT_PORTAL_PATHS,
    )


def process_loop():
    """(loop, network) of this process."""
    if os.getpid() not in _process:
        _process.clear()
        loop = asyncio.new_event_loop()
        _process[os.getpid()] = loop, loop.run_until_complete(_open())
    return _process[os.getpid()]


def close_process_loop():
    """Close the network and the loop of this process (for commands and tests)."""
    if entry := _process.pop(os.getpid(), None):
        loop, network = entry
        loop.run_until_complete(network.close())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _open():
    return Network(net_config())


def owner_name():
    """A name for a claim: host, process, and something unique."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclass
class Job:
    """One domain to audit: `key` is what the caller knows it by (an AuditDomain, or a name that is not registered)."""

    key: object
    target: object
    fresh: bool = False
    begun_at: object = field(default_factory=timezone.now)


def collect(jobs, *, width, only=None, on_start=None):
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
                    if on_start:
                        on_start(job)
                    running[loop.create_task(_audit(network, job, only))] = job
            if not running:
                return
            done, _pending = loop.run_until_complete(asyncio.wait(running, timeout=0.5, return_when=asyncio.FIRST_COMPLETED))
            for task in done:
                job = running.pop(task)
                yield job, task.result()
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
        message = _("The audit ran into an internal error; the log has the details.")
        outcome = Outcome(message, [unknown("check_error", message)])
        wanted = [c for c in CHECKS if only is None or c in only]
        return {c: CheckResult.of(c, outcome, checked_at=timezone.now(), duration_ms=0) for c in wanted}


def run_audit(tenant_id, domain, *, only=None):
    """Audit one domain now and return `{check_id: CheckResult}`.

    Registered on that tenant: saved. Not registered, or `tenant_id` None: looked at and not saved. Raises DomainError for
    what is not a domain and Tenant.DoesNotExist for an unknown tenant.
    """
    from collectors.names import normalize_domain

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
    owner, until = owner_name(), time.monotonic() + (settings.DRAIN_SECONDS if seconds is None else seconds)
    width = width or settings.AUDIT_CONCURRENCY
    held: dict[int, AuditDomain] = {}
    scheduled = _ScheduledRun()
    over = False

    def jobs():
        nonlocal over
        waiting: list[AuditDomain] = []
        while True:
            if not over and (time.monotonic() >= until or stopping.is_set()):
                over = True
                lanes.give_back(lane)
                if on_over and not stopping.is_set():
                    on_over()
            if not waiting and not over:
                waiting = persistently(AuditDomain.objects.claim, owner, count=max(1, min(width - len(held), 16)))
                held.update((d.pk, d) for d in waiting)
                _begin(waiting)
            if not waiting:
                if not held or over:
                    return
                yield None
                continue
            domain = waiting.pop(0)
            if domain.attempts > MAX_ATTEMPTS:
                held.pop(domain.pk)
                store.give_up(domain, owner=owner, begun_at=timezone.now(), error="worker died")
                log.error("%s was claimed %s times without a result: given up until its next slot", domain.domain, MAX_ATTEMPTS)
                continue
            yield Job(domain, domain.target(), fresh=domain.requested_at is not None)

    count = 0
    try:
        for job, results in collect(jobs(), width=width):
            domain = job.key
            if not count:
                _note_resolver()
            saved = persistently(store.record, domain, results, begun_at=job.begun_at, owner=owner)
            held.pop(domain.pk, None)
            count += saved
            scheduled.add(domain, saved)
    finally:
        if held:  # stopped in the middle: what is not done is due again at once
            persistently(store.release, list(held), owner=owner)
        scheduled.end()
        if not over:
            lanes.give_back(lane)
    return count


def persistently(act, *args, **options):
    """Call `act` until the database takes it: a restart or a long lock costs a pause of some seconds and no result.

    The event loop goes on meanwhile. The error of the last try is raised.
    """
    loop, _network = process_loop()
    for pause in (0.2, 0.5, 1, 2, 4, 8, 8, None):
        try:
            return act(*args, **options)
        except (OperationalError, InterfaceError) as error:
            if pause is None:
                raise
            log.warning("the database does not take it (%s); again in %s s", str(error).splitlines()[0], pause)
            connection.close()
            loop.run_until_complete(asyncio.sleep(pause))
    return None


def release_dead():
    """Give back what processes of this host held that are gone (killed); the attempt stays counted. Returns how many rows."""
    host = socket.gethostname()[:30]
    held = AuditDomain.objects.filter(claimed_by__startswith=f"{host}:").values_list("claimed_by", flat=True).distinct()
    dead = [owner for owner in held if not _alive(owner.split(":")[1])]
    return AuditDomain.objects.filter(claimed_by__in=dead).update(claimed_by="", claimed_until=None) if dead else 0


def _alive(pid):
    """True if the process is there; one that has ended and was not collected yet (a zombie) is not."""
    try:
        os.kill(int(pid), 0)
        return Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, ValueError, IndexError):
        return True  # not ours to ask, or no /proc: the claim ends by its deadline


def _note_resolver():
    """Before every domain is blamed: does our own resolver answer? Said once in the log, and shown on the overview."""
    loop, network = process_loop()
    beats = WorkerHeartbeat.objects.filter(name__startswith=f"{socket.gethostname()[:80]}:")
    if loop.run_until_complete(network.dns.works()):
        beats.exclude(resolver_down_since=None).update(resolver_down_since=None)
    elif beats.filter(resolver_down_since=None).update(resolver_down_since=timezone.now()):
        log.error("the DNS resolver does not answer: DNS checks are unknown until it does")


def _begin(domains):
    if domains:
        AuditRun.objects.begin([d.pk for d in domains if d.requested_at], timezone.now())


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
