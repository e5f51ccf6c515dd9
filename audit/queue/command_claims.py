"""The claims of a command: it claims what it audits, like a worker, so that no two audit a domain
at the same time."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator

from django.db import DatabaseError
from django.utils import timezone

from audit.models import AuditDomain
from audit.models.domains import free_to_claim
from audit.queue.claim_owner import COMMAND, owner_name, release_dead_claims
from audit.queue.collect import Job, Results, collect
from audit.queue.db_retry import retry_on_db_error
from audit.queue.event_loop import ProcessLoop
from audit.results import store

PAUSE = 0.3  # seconds between two looks at what others hold


class CommandClaims:
    """Jobs for registered domains, each once it is ours: what another process audits comes last.

    A domain that another command held is not audited again if that gave a result: `results()` is
    None for it then, and the row has it. A worker may have answered from its cache, so what it held
    is audited anew as soon as it is free. `on_wait` is called with the names that are waited for.
    """

    def __init__(self, loop: ProcessLoop, on_wait: Callable[[list[str]], object]) -> None:
        self.owner = owner_name(COMMAND)
        self._loop, self._on_wait = loop, on_wait
        self._held: set[int] = set()
        self._aside: list[tuple[Job, AuditDomain]] = []  # with the row as it was then

    def results(
        self, jobs: Iterable[Job], *, width: int, only: Collection[str] | None = None
    ) -> Iterator[tuple[Job, Results | None]]:
        """Audit `jobs` (also of domains that are not registered: no claim for these); yields
        `(job, results or None)`."""
        yield from collect(self._ours(jobs), loop=self._loop, width=width, only=only)
        if self._aside:
            self._on_wait([job.target.domain for job, _row in self._aside])
        while self._aside:
            time.sleep(PAUSE)
            release_dead_claims()  # a command that was killed
            aside, self._aside = self._aside, []
            free = []
            for job, before in aside:
                held = AuditDomain.objects.filter(pk=before.pk, claimed_by=before.claimed_by)
                row = AuditDomain.objects.filter(pk=before.pk).first()
                if held.exclude(free_to_claim(timezone.now())).exists():
                    self._aside.append((job, before))
                elif (
                    row
                    and before.claimed_by.endswith(COMMAND)
                    and row.last_audit_at != before.last_audit_at
                ):
                    yield job, None
                else:
                    free.append(job)
            yield from collect(self._ours(free), loop=self._loop, width=width, only=only)

    def save(self, job: Job, results: Results) -> bool:
        """Record the results; False if the domain was removed meanwhile, or the claim lost."""
        saved = retry_on_db_error(
            self._loop, store.record, job.key, results, begun_at=job.begun_at, owner=self.owner
        )
        self._held.discard(job.key.pk)
        return saved

    def end(self) -> None:
        """Give back what is left. A database that refuses that is no reason to wait: the claims end
        with this process."""
        with contextlib.suppress(DatabaseError):
            if self._held:
                AuditDomain.objects.filter(pk__in=self._held).give_back(self.owner)

    def _ours(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs that may go on now; those that another process holds are set aside."""
        for job in jobs:
            if not isinstance(job.key, AuditDomain):
                yield job
                continue
            rows = AuditDomain.objects.filter(pk=job.key.pk)
            if retry_on_db_error(self._loop, rows.claim_given, self.owner):
                self._held.add(job.key.pk)
                yield job
            elif row := rows.first():
                self._aside.append((job, row))
            else:
                yield job  # removed meanwhile: looked at all the same
