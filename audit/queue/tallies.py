"""What this process counts while it audits; added to what all have counted, now and then."""

import logging
import time
from collections import Counter
from collections.abc import Mapping

from django.db import DatabaseError

from audit.models import Tally
from audit.models.tallies import BUCKETS, DISCARDED, ENDLESS, GIVEN_UP, Key
from audit.queue.collect import Results
from audit.queue.event_loop import ProcessLoop
from audit.results.scoring import domain_status
from collectors.registry import core_checks

log = logging.getLogger(__name__)
ADD_SECONDS = 10.0  # between two times that what was counted is added; and when a drain ends
_BOUNDS = tuple((bound, (Tally.AUDITS_WITHIN, f"{bound}")) for bound in BUCKETS)
_SECONDS: Key = (Tally.AUDIT_SECONDS, "")
_HITS: Key = (Tally.CACHE_HITS, "")


class Tallies:
    """Counted in memory: an audit costs a few additions. What a killed process had not added is
    missing, as the audits are that it had in hand: ten seconds of them."""

    def __init__(self, loop: ProcessLoop) -> None:
        self._loop = loop
        self._numbers: Counter[Key] = Counter()
        self._added_at = time.monotonic()
        self._left_alone: set[str] = set()  # portals, when this was last noted

    def audited(self, results: Results, seconds: float, *, kept: bool) -> None:
        """An audit of all checks has ended, after so many seconds of looking; `kept`: it was
        recorded, as the domain was still ours."""
        numbers = self._numbers
        core = [check_id for check_id in core_checks() if check_id in results]
        status = domain_status({check_id: r.status for check_id, r in results.items()}, core)
        numbers[Tally.AUDITS, status.value if kept else DISCARDED] += 1
        numbers[_SECONDS] += seconds  # type: ignore[assignment] # Counter takes any number
        for bound, key in _BOUNDS:
            if seconds <= bound:
                numbers[key] += 1
                return
        numbers[Tally.AUDITS_WITHIN, ENDLESS] += 1

    def given_up(self) -> None:
        """A domain's turn has ended without an audit."""
        self._numbers[Tally.AUDITS, GIVEN_UP] += 1

    def add_in_time(self) -> None:
        """Add what was counted if that was last done some time ago."""
        if time.monotonic() - self._added_at >= ADD_SECONDS:
            self.add()

    def add(self) -> None:
        """Add what was counted. What the database does not take is kept for the next time: nobody
        waits for it."""
        self._added_at = time.monotonic()
        self._take_network()
        numbers, self._numbers = self._numbers, Counter()
        try:
            Tally.add(numbers)
        except DatabaseError as error:
            self._numbers += numbers
            log.warning("what was counted could not be added (%s); it is kept", error)
            return
        self._note_portals()

    def _take_network(self) -> None:
        for said, number in self._loop.clients.dns.take_counts().items():
            self._numbers[Tally.LOOKUPS, said] += number
        if hits := self._loop.clients.dns.take_hits():
            self._numbers[_HITS] += hits

    def _note_portals(self) -> None:
        """Those that are left alone, and once those that are so no more."""
        left_alone = self._loop.clients.portals_left_alone()
        seen: Mapping[str, bool] = {o: o in left_alone for o in left_alone | self._left_alone}
        try:
            Tally.note_portals(seen)
            self._left_alone = left_alone
        except DatabaseError as error:
            log.warning("which portals are left alone could not be noted (%s)", error)
