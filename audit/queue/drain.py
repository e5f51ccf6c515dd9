"""Draining: claim what is due, look at it, record it."""

import logging
import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from audit.models import AuditDomain, AuditRun, ServerCard
from audit.models.domains import MAX_ATTEMPTS
from audit.queue.claim_owner import owner_name, release_dead_claims
from audit.queue.collect import Job, Results, collect
from audit.queue.db_retry import retry_on_db_error
from audit.queue.fair_turns import FairTurns
from audit.queue.process import AuditProcess
from audit.queue.resolver_health import ResolverWatch
from audit.queue.server_cards import claim_jobs
from audit.results import incidents, store
from audit.results.server_card import record_card

log = logging.getLogger(__name__)
LOT = 8  # domains that are claimed in one transaction
SAVED = 32  # domains that are saved in one transaction, at most: they share what it costs
LOT_SECONDS = 0.25  # that a free place waits for others, and a result to be saved
RACES = 10  # claims that others win, before a drain ends
MANY = 50  # audits, after which there is memory to be given back
BACKLOG_SECONDS = 1.0  # between two calls of `on_backlog`
CARDS_SECONDS = 2.0  # between two looks whether a server card is due


def drain(
    process: AuditProcess,
    *,
    seconds: float | None = None,
    width: int | None = None,
    on_over: Callable[[], object] | None = None,
    on_backlog: Callable[[], object] | None = None,
) -> int:
    """Audit what is due until nothing is, or `seconds` are over; how many domains were audited.

    Claims and saves them in lots, of what is soon there. Returns 0 at once where as many processes
    drain as may; they take what is due. When the time is over, `on_over` is called, and the next
    drain may begin while this one ends with the domains that it has; while more waits than it can
    take, `on_backlog` is.
    """
    slot = process.slots.acquire(settings.AUDIT_WORKERS)
    if slot is None:
        return 0
    work = _Drain(
        process,
        slot,
        seconds=settings.DRAIN_SECONDS if seconds is None else seconds,
        width=width or settings.AUDIT_CONCURRENCY,
        on_over=on_over,
        on_backlog=on_backlog,
    )
    interrupted = False
    try:
        for job, results in collect(
            work.jobs(), loop=process.loop, width=work.most, each_step=work.each_step
        ):
            work.save(job, results)
    except SystemExit:
        # so django-q2 ends a task that is over its time: one of these domains may be the cause
        interrupted = True
        raise
    finally:
        work.end(interrupted=interrupted)
    if work.saved >= MANY:
        process.give_back_memory()
    return work.saved


class _Drain:
    """The claims of one drain: `held` are those that it has to end, with a result or without."""

    def __init__(
        self,
        process: AuditProcess,
        slot: int,
        *,
        seconds: float,
        width: int,
        on_over: Callable[[], object] | None,
        on_backlog: Callable[[], object] | None,
    ) -> None:
        self.owner = owner_name()
        self.held: dict[int, AuditDomain] = {}
        self.saved = 0
        self.width = width
        self.most = width + width // 8  # with room for single requests
        self._process, self._loop, self._slot = process, process.loop, slot
        self._until, self._over = time.monotonic() + seconds, False
        self._on_over, self._on_backlog, self._told_at = on_over, on_backlog, time.monotonic()
        self._turns = FairTurns()
        self._resolver = ResolverWatch(process.loop)
        self._cards: set[int] = set()  # of server cards: held, and looked at now
        self._cards_at = -CARDS_SECONDS
        self._late: list[tuple[Job, Results]] = []  # their rows were locked
        self._lot: list[tuple[Job, Results]] = []  # to be saved together
        self._lot_since = self._claimed_at = time.monotonic()
        self._started = timezone.now()
        self._run_id: int | None = None

    # -- what comes next

    def jobs(self) -> Iterator[Job | None]:
        """What is due, as long as there is time; first the suspects, by themselves."""
        retry_on_db_error(self._loop, release_dead_claims)
        yield from self._suspects()
        while not self._is_over():
            self._save_late()
            yield from self._server_cards()
            free = self.width - self.in_flight
            claimed = self._claim(max(1, min(free, LOT)), singles_only=not self._is_worth(free))
            if claimed:
                yield from claimed
            elif self.in_flight:
                yield None
            elif self._lot:  # what was asked for meanwhile is due again when it is saved
                self._save_lot()
            else:
                return
            self._tell_of_backlog()

    def _server_cards(self) -> Iterator[Job]:
        """The server cards that are due, beside the domains."""
        now = time.monotonic()
        if self._cards or now - self._cards_at < CARDS_SECONDS:
            return
        self._cards_at = now
        jobs = retry_on_db_error(self._loop, claim_jobs, self.owner)
        self._cards = {job.key.pk for job in jobs}
        yield from jobs

    def _is_worth(self, free: int) -> bool:
        """So many places are free, or for so long, that a claim pays."""
        waited = time.monotonic() - self._claimed_at
        return free >= min(LOT, self.width) or (free > 0 and waited >= LOT_SECONDS)

    def _suspects(self) -> Iterator[Job | None]:
        """Those with which a worker died, in groups of half as many, until the one is found."""
        tried: list[int] = []
        while not self._is_over():
            ids = retry_on_db_error(self._loop, AuditDomain.objects.suspects, timezone.now())
            if not ids or ids == tried:  # others were quicker, or hold them locked
                return
            tried = ids
            yield from self._claimed(ids)
            while self.in_flight:
                yield None
            self._save_lot()

    @property
    def in_flight(self) -> int:
        """How many are being looked at."""
        return len(self.held) - len(self._late) - len(self._lot)

    def _claim(self, count: int, *, singles_only: bool) -> list[Job]:
        """Jobs for up to `count` more domains; none where nothing is due that can be had."""
        read_anew = False
        for _race in range(RACES):
            ids = retry_on_db_error(self._loop, self._turns.take, count, singles_only=singles_only)
            if claimed := self._claimed(ids):
                return claimed
            if not ids and (self.in_flight or self._lot or read_anew):
                break
            read_anew = not ids
            self._turns.forget()  # others were quicker, or this ends: is anything left?
        return []

    def _claimed(self, ids: list[int]) -> list[Job]:
        if not ids:
            return []
        self._claimed_at = time.monotonic()
        domains = retry_on_db_error(self._loop, AuditDomain.objects.claim, self.owner, ids)
        self.held.update((d.pk, d) for d in domains)
        if asked := [d.pk for d in domains if d.requested_at]:
            retry_on_db_error(self._loop, AuditRun.objects.begin, asked, timezone.now())
        jobs = [job for job in map(self._job, domains) if job]
        for job in jobs[:1]:
            self._resolver.look(job.target.mail_hosts)
        return jobs

    def _job(self, domain: AuditDomain) -> Job | None:
        if domain.attempts > MAX_ATTEMPTS:
            log.error(
                "%s ended its worker %s times: given up until its next slot",
                domain.domain,
                MAX_ATTEMPTS,
            )
            self._give_up(domain, "worker died")
            return None
        try:
            fresh = domain.requested_at is not None or incidents.looks_again(domain, timezone.now())
            return Job(domain, domain.target(), fresh=fresh)
        except Exception:
            log.exception("%s can't be audited", domain.domain)
            self._give_up(domain, "its configuration can't be used; the log says why")
            return None

    def _tell_of_backlog(self) -> None:
        """More than this drain can take: others join."""
        now = time.monotonic()
        if self._on_backlog and self._turns.waiting and now - self._told_at >= BACKLOG_SECONDS:
            self._told_at = now
            self._on_backlog()

    def _is_over(self) -> bool:
        """True once the time is over or the worker stops; then the slot is free for the next."""
        if not self._over and (time.monotonic() >= self._until or self._process.stopping):
            self._over = True
            self._process.slots.release(self._slot)
            if self._on_over and not self._process.stopping:
                self._on_over()
        return self._over

    # -- what becomes of it

    def save(self, job: Job, results: Results) -> None:
        """Record the results, if they do not come too late: at once where somebody waits for them,
        else with those that come soon."""
        if job.server:
            self._save_card(job, results)
            return
        if not self._lot:
            self._lot_since = time.monotonic()
        self._lot.append((job, results))
        if job.key.requested_at or len(self._lot) >= SAVED:
            self._save_lot()
        else:
            self.save_lot_in_time()

    def _save_card(self, job: Job, results: Results) -> None:
        """Record a server card. What can't be kept of one waits for its next turn."""
        tenant_id = job.key.pk
        try:
            retry_on_db_error(
                self._loop, record_card, tenant_id, results, owner=self.owner, begun_at=job.begun_at
            )
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("the server card of %s can't be saved", job.target.tenant)
            retry_on_db_error(self._loop, ServerCard.objects.give_up, tenant_id, self.owner)
        self._cards.discard(tenant_id)

    def each_step(self) -> None:
        """What is done while domains are looked at."""
        self.save_lot_in_time()
        self._process.tallies.add_in_time()

    def save_lot_in_time(self) -> None:
        """Save what has waited long enough."""
        if self._lot and time.monotonic() - self._lot_since >= LOT_SECONDS:
            self._save_lot()

    def _save_lot(self) -> None:
        """Record what there is in one transaction; what can't be kept of one costs that domain its
        turn, and no other."""
        lot, self._lot = self._lot, []
        if lot and not self._save(lot):
            for one in lot:
                self._save([one])

    def _save(self, lot: list[tuple[Job, Results]]) -> bool:
        """Record these, together; False if that can't be done. A row that somebody has locked is
        tried again later."""
        audited = [
            store.Audited(
                job.key,
                results,
                begun_at=job.begun_at,
                owner=self.owner,
                run_id=self._scheduled(job.key),
            )
            for job, results in lot
        ]
        try:
            saved = retry_on_db_error(self._loop, store.record_lot, audited)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            if len(lot) > 1:
                return False
            ((job, _results),) = lot
            log.exception("the results of %s can't be saved", job.key.domain)
            self._give_up(job.key, "its results can't be saved; the log says why")
            return True
        for (job, results), state in zip(lot, saved, strict=True):
            if state == store.Saved.LOCKED:
                self._late.append((job, results))
            else:
                written = state == store.Saved.WRITTEN
                self.saved += written
                self._process.tallies.audited(results, job.seconds, kept=written)
                self.held.pop(job.key.pk, None)
        return True

    def _save_late(self) -> None:
        late, self._late = self._late, []
        for one in late:
            self._save([one])

    def _give_up(self, domain: AuditDomain, error: str) -> None:
        now = timezone.now()
        run_id = self._scheduled(domain)
        retry_on_db_error(
            self._loop,
            store.give_up,
            domain,
            owner=self.owner,
            begun_at=now,
            error=error,
            run_id=run_id,
        )
        self._process.tallies.given_up()
        self.held.pop(domain.pk, None)

    def _scheduled(self, domain: AuditDomain) -> int | None:
        """The run in which this domain counts, if nobody asked for it: this drain's own, made with
        the first of them and counted as it goes."""
        if domain.requested_at:
            return None
        if self._run_id is None:
            run = retry_on_db_error(
                self._loop,
                AuditRun.objects.create,
                trigger=AuditRun.Trigger.SCHEDULE,
                created_at=self._started,
                started_at=self._started,
            )
            self._run_id = run.pk
        return self._run_id

    def end(self, *, interrupted: bool) -> None:
        """Give back what is left: ended in the middle, it is due again at once."""
        try:
            if not interrupted:
                self._save_lot()
                self._save_late()
                self._resolver.look()
                self._process.tallies.add()
            if self.held:
                rows = AuditDomain.objects.filter(pk__in=list(self.held))
                give_back = rows.release_lost if interrupted else rows.give_back
                retry_on_db_error(self._loop, give_back, self.owner)
            if self._cards:
                cards = ServerCard.objects.all()
                give_back = cards.release_lost if interrupted else cards.give_back
                retry_on_db_error(self._loop, give_back, self.owner)
            if self._run_id is not None:
                ended = AuditRun.objects.filter(pk=self._run_id)
                retry_on_db_error(self._loop, ended.update, finished_at=timezone.now())
        finally:
            if not self._over:
                self._process.slots.release(self._slot)
