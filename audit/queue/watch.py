"""Whether the cluster goes on: looked at from outside, by the rows that it should record and by a
clock that nobody sets."""

import time
from datetime import timedelta
from multiprocessing.sharedctypes import RawValue

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from audit.models import AuditDomain
from audit.queue import schedules

DUE_SECONDS = 30.0  # that a domain is due before it counts as waiting
GUARD_SECONDS = 60.0  # without a beat of the sentinel
SET_BACK_SECONDS = 5.0  # that the clock may go back and nobody need care
ASLEEP_SECONDS = 15.0  # between two looks: this process itself stood still


class ClusterWatch:
    """Says why a cluster is to be started again. `stall`: the seconds in which, while domains are
    due, one at least must be recorded, by whichever host."""

    def __init__(self, stall: float) -> None:
        self.stall = stall
        self._task_began = RawValue("d", 0.0)  # shared with the processes that are forked
        self._guard_beat = RawValue("d", 0.0)
        self._offset = time.time() - time.monotonic()
        self.begin()

    def begin(self) -> None:
        """A cluster starts, or everything stood still: what was before says nothing."""
        now = time.monotonic()
        self._task_began.value = self._guard_beat.value = now
        self._recorded_at = self._looked_at = now
        self._recorded: object = None

    def note_task(self, **_signal: object) -> None:
        """A task begins (in a worker process)."""
        self._task_began.value = time.monotonic()

    def note_guard(self) -> None:
        """The sentinel looks after its processes."""
        self._guard_beat.value = time.monotonic()

    def trouble(self, *, tasks_wait: bool) -> str:
        """Why the cluster is to be started again, or ''. Raises DatabaseError."""
        now = time.monotonic()
        if now - self._looked_at > ASLEEP_SECONDS:
            self.begin()
        self._looked_at = now
        offset = time.time() - now
        set_back, self._offset = self._offset - offset, offset
        if set_back > SET_BACK_SECONDS:
            AuditDomain.objects.repair_future_times(timezone.now())
            schedules.keep_time()
            return f"the clock was set back by {set_back:.0f} s, and the cluster waits by it"
        if now - self._guard_beat.value > min(self.stall, GUARD_SECONDS):
            return "its sentinel stands still"
        if not tasks_wait:
            self._task_began.value = max(self._task_began.value, now - self.stall / 2)
        elif now - self._task_began.value > self.stall:
            return f"no task started for {self.stall:.0f} s while tasks wait"
        return self._none_recorded(now)

    def _none_recorded(self, now: float) -> str:
        recorded = AuditDomain.objects.aggregate(last=Max("last_audit_at"))["last"]
        due_since = timezone.now() - timedelta(seconds=min(self.stall, DUE_SECONDS))
        due = AuditDomain.objects.active().filter(next_audit_at__lt=due_since)
        if waits := due.exists():  # what somebody has locked is not ours to audit
            with transaction.atomic():
                waits = due.unlocked().exists()
        if recorded != self._recorded or not waits:
            self._recorded, self._recorded_at = recorded, now
        if now - self._recorded_at > self.stall:
            return f"nothing was recorded for {self.stall:.0f} s while domains are due"
        return ""
