"""Looking: jobs in a sliding window on the event loop of the process. The ORM is touched between
its steps, never inside."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from audit.queue.event_loop import ProcessLoop
from collectors.base import CheckResult, Outcome, Status, Target, unknown
from collectors.net.session import NetworkClients
from collectors.registry import measured
from collectors.run import judge_server, run
from collectors.server.card import CARD
from collectors.server.subject import Server
from collectors.text import _

log = logging.getLogger(__name__)
Results = Mapping[str, CheckResult]
STALL_SECONDS = 1.0  # from here on others may have hung up on us


@dataclass
class Job:
    """One domain to audit: `key` is what the caller knows it by (an AuditDomain, or a name that is
    not registered). Or, with `server`, the server card of a tenant; then `only` are its rows."""

    key: Any
    target: Target
    fresh: bool = False
    begun_at: datetime = field(default_factory=timezone.now)
    server: Server | None = None
    only: Collection[str] | None = None
    seconds: float = 0.0  # that it took, but for those in which this process stood still

    @property
    def name(self) -> str:
        """For the log."""
        return f"the server {self.target.tenant}" if self.server else self.target.domain


def collect(
    jobs: Iterable[Job | None],
    *,
    loop: ProcessLoop,
    width: int,
    only: Collection[str] | None = None,
    each_step: Callable[[], object] | None = None,
) -> Iterator[tuple[Job, Results]]:
    """Audit jobs in a sliding window of `width`; yields `(job, {check_id: CheckResult})` as each is
    done.

    `jobs` is asked for the next job whenever a slot is free; it may yield None for "nothing now".
    `each_step` is called twice a second at least. The loop stands still while the caller works with
    a result. Closing the generator cancels what is on its way.
    """
    running: dict[asyncio.Task[Results], Job] = {}
    waiting = iter(jobs)
    more = True
    try:
        while more or running:
            while more and len(running) < width:
                try:
                    job = next(waiting)
                except StopIteration:
                    more = False
                    break
                if job is None:
                    break
                job.begun_at = timezone.now()
                running[loop.loop.create_task(_audit_job(loop.clients, job, only))] = job
            if not running:
                return
            done, _pending = loop.run(
                asyncio.wait(running, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            )
            if each_step:
                each_step()
            for task in done:
                job = running.pop(task)
                yield job, _broken(job, only) if task.cancelled() else task.result()
    finally:
        for task in running:
            task.cancel()
        if running:
            with contextlib.suppress(asyncio.CancelledError):
                loop.run(asyncio.gather(*running, return_exceptions=True))


async def _audit_job(clients: NetworkClients, job: Job, only: Collection[str] | None) -> Results:
    """All checks of one job; whatever happens, every check has a result.

    While this process stood still (stopped, starved, moved to another host) others may have hung
    up: what is not ok then may be our own doing, and is looked at once more.
    """
    lag = clients.lag
    started = lag.now()
    try:
        async with lag.timeout(2 * clients.config.domain_seconds + 5):  # they end before that
            stalled = lag.stalled_seconds
            results = await _run_checks(clients, job, only)
            lag.now()
            if lag.stalled_seconds - stalled > STALL_SECONDS and any(
                r.status != Status.OK for r in results.values()
            ):
                log.warning("this process stood still; %s is looked at again", job.name)
                results = await _run_checks(clients, job, only)
            job.seconds = lag.now() - started
            return results
    except Exception:
        log.exception("the audit of %s failed", job.name)
        return _broken(job, only)


async def _run_checks(clients: NetworkClients, job: Job, only: Collection[str] | None) -> Results:
    if job.server:
        audit = clients.server_session(job.target, fresh=job.fresh)
        return await judge_server(job.server, audit, job.only)
    session = clients.audit_session(job.target, fresh=job.fresh)
    return await run(job.target, session, only)


def _broken(job: Job, only: Collection[str] | None) -> Results:
    """The results of an audit that broke, by a fault of ours."""
    log.error("the audit of %s came to no result", job.name)
    message = _("The audit ran into an internal error; the log has the details.")
    outcome = Outcome(message, [unknown("check_error", message)])
    if job.server:
        wanted = [c for c, row in CARD.items() if not row.off(job.server)]
        only = job.only
    else:
        wanted = measured(without_portal=job.target.without_portal)
    wanted = [c for c in wanted if only is None or c in only]
    return {c: CheckResult.of(c, outcome, checked_at=timezone.now(), duration_ms=0) for c in wanted}
