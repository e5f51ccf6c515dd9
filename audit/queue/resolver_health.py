"""Before every domain is blamed: does our own resolver answer? Said once in the log, and shown on
the overview."""

import logging
import time
from collections.abc import Iterable

from django.db import DatabaseError
from django.utils import timezone

from audit.models import WorkerHeartbeat
from audit.queue.event_loop import ProcessLoop
from collectors.text import Text

log = logging.getLogger(__name__)
ASK_SECONDS = 30.0  # between two questions while a drain runs


class ResolverWatch:
    """Asks when a drain begins and while it runs."""

    def __init__(self, loop: ProcessLoop) -> None:
        self._loop, self._asked_at = loop, -ASK_SECONDS
        self._noted: bool | None = None

    def look(self, names: Iterable[str] | None = None) -> None:
        """Ask for a tenant's own names, unless that was a short time ago, and note what is known.

        A lookup that failed meanwhile has asked too. The database need not be there for it.
        """
        dns = self._loop.clients.dns
        if names is not None and time.monotonic() - self._asked_at >= ASK_SECONDS:
            self._asked_at = time.monotonic()
            self._loop.run(dns.works(names))
        works = dns.health.down is None
        if works == self._noted:
            return
        try:
            self._note(dns.health.down)
            self._noted = works
        except DatabaseError as error:
            log.warning("whether the resolver answers could not be noted (%s)", error)

    @staticmethod
    def _note(down: Text | None) -> None:
        beats = WorkerHeartbeat.of_this_host()
        if down is None:
            if beats.exclude(resolver_down_since=None).update(resolver_down_since=None):
                log.info("the DNS resolver answers again")
        elif beats.filter(resolver_down_since=None).update(resolver_down_since=timezone.now()):
            log.error("%s", down)
