"""The turns of a command: it claims what it audits, like a worker, so that no two audit a domain at the same time."""

import contextlib
import time

from django.db import DatabaseError
from django.utils import timezone

from . import runner, store
from .loop import persistently
from .models import AuditDomain
from .owners import COMMAND, owner_name

PAUSE = 0.3  # seconds between two looks at what others hold


class Turns:
    """Jobs for registered domains, each once it is ours: what another process audits right now comes last.

    A domain that another command held is not audited again if that gave a result: `results()` is None for it then, and the row
    has it. A worker may have answered from its cache, so what it held is audited anew as soon as it is free.
    """

    def __init__(self, on_wait):
        self.owner, self._held, self._aside, self._on_wait = owner_name(COMMAND), set(), [], on_wait

    def results(self, jobs, **options):
        """Audit `jobs` (also of domains that are not registered: no claim for these); yields `(job, results or None)`."""
        yield from runner.collect(self._ours(jobs), **options)
        if self._aside:
            self._on_wait([job.target.domain for job, _holder, _seen in self._aside])
        while self._aside:
            time.sleep(PAUSE)
            runner.release_dead()  # a command that was killed
            aside, self._aside = self._aside, []
            free = []
            for job, holder, seen in aside:
                row = AuditDomain.objects.filter(pk=job.key.pk).first()
                if row and row.claimed_by == holder and row.claimed_until and row.claimed_until > timezone.now():
                    self._aside.append((job, holder, seen))
                elif row and holder.endswith(COMMAND) and row.last_audit_at != seen:
                    yield job, None
                else:
                    free.append(job)
            yield from runner.collect(self._ours(free), **options)

    def save(self, job, results):
        """Record the results; False if the domain was removed meanwhile, or the claim lost."""
        saved = persistently(store.record, job.key, results, begun_at=job.begun_at, owner=self.owner)
        self._held.discard(job.key.pk)
        return saved

    def end(self):
        """Give back what is left. A database that refuses that is no reason to wait: the claims end with this process."""
        with contextlib.suppress(DatabaseError):
            if self._held:
                store.release(self._held, owner=self.owner)

    def _ours(self, jobs):
        """The jobs that may go on now; those that another process holds are set aside."""
        for job in jobs:
            if not isinstance(job.key, AuditDomain):
                yield job
                continue
            rows = AuditDomain.objects.filter(pk=job.key.pk)
            if persistently(rows.take, self.owner):
                self._held.add(job.key.pk)
                yield job
            elif row := rows.first():
                self._aside.append((job, row.claimed_by, row.last_audit_at))
            else:
                yield job  # removed meanwhile: looked at all the same
