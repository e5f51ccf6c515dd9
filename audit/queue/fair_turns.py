"""Whose turn it is among the domains that are due."""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils import timezone

from audit.models import AuditDomain
from audit.models.domains import AuditDomainQuerySet

READ_AGAIN_SECONDS = 1.0  # what was asked for since then goes first
MANY_READ_AGAIN_SECONDS = 10.0  # for what waits in great numbers, and is not soon used up
LISTED = 256  # domains of each kind that are read at once
FEW = 16
STEP = 16  # places between two that drains may begin at
PATIENCE = 3  # times that a kind is passed over before it is its turn


@dataclass
class _Kind:
    """Domains that wait for the same reason: those of `rows` in the order of `column`."""

    rows: Callable[[AuditDomainQuerySet], AuditDomainQuerySet]
    column: str
    ids: deque[int] = field(default_factory=deque)
    read_at: float = float("-inf")
    passed_over: int = 0

    @property
    def is_owed(self) -> bool:
        return bool(self.ids) and self.passed_over >= PATIENCE

    def read_again(self, seconds: float) -> None:
        """Read them if that was so long ago, or few are left."""
        now = time.monotonic()
        if now - self.read_at >= (seconds if len(self.ids) > FEW else READ_AGAIN_SECONDS):
            self.read_at = now
            due = AuditDomain.objects.due(timezone.now()).unsuspected()
            self.ids = deque(self.rows(due).in_turn(self.column, limit=LISTED))
            if len(self.ids) == LISTED:  # of many, each drain begins elsewhere, and they don't race
                self.ids.rotate(random.randrange(0, LISTED, STEP))  # noqa: S311


class FairTurns:
    """Single requests first, then what was asked for in bulk, then regular audits; in each, the
    tenants take turns. A kind that was passed over three times is next, so that none waits for
    ever."""

    def __init__(self) -> None:
        self._single = _Kind(
            lambda due: due.filter(requested_at__isnull=False, requested_bulk=False), "requested_at"
        )
        self._bulk = _Kind(
            lambda due: due.filter(requested_at__isnull=False, requested_bulk=True), "requested_at"
        )
        self._regular = _Kind(lambda due: due.filter(requested_at=None), "next_audit_at")
        self._kinds = self._single, self._bulk, self._regular

    @property
    def waiting(self) -> int:
        """How many more are known to be due (at most so many of each kind as are read)."""
        return sum(len(kind.ids) for kind in self._kinds)

    def take(self, count: int, *, singles_only: bool = False) -> list[int]:
        """The ids of up to `count` due domains that are next, each once; they are still to be
        claimed."""
        self._single.read_again(READ_AGAIN_SECONDS)
        if not singles_only:
            self._bulk.read_again(MANY_READ_AGAIN_SECONDS)
            self._regular.read_again(MANY_READ_AGAIN_SECONDS)
        taken: list[int] = []
        while len(taken) < count and self.waiting:
            kind = self._next_kind()
            if singles_only and kind is not self._single:
                break
            for other in self._kinds:
                other.passed_over = 0 if other is kind else other.passed_over + bool(other.ids)
            taken.append(kind.ids.popleft())
        return taken

    def forget(self) -> None:
        """Read anew at the next `take`: others were quicker, or this is the last look."""
        for kind in self._kinds:
            kind.ids.clear()
            kind.read_at = float("-inf")

    def _next_kind(self) -> _Kind:
        owed = [kind for kind in reversed(self._kinds) if kind.is_owed]
        return (owed or [kind for kind in self._kinds if kind.ids])[0]
