"""Patience with the database: a restart or a long lock costs a pause and no result."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from audit.queue.event_loop import ProcessLoop

log = logging.getLogger(__name__)
# with a drain's own time and the longest audit still less than a task may take
PERSISTENT_SECONDS = 80
P = ParamSpec("P")
T = TypeVar("T")


def retry_on_db_error(
    loop: ProcessLoop, act: Callable[P, T], *args: P.args, **options: P.kwargs
) -> T:
    """Call `act` until the database takes it.

    The event loop goes on meanwhile: what is on its way must not run over its time because we
    wait. The error of the last try is raised.
    """
    until, pause = time.monotonic() + PERSISTENT_SECONDS, 0.2
    while True:
        try:
            with _short_waits():
                return act(*args, **options)
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() >= until:
                raise
            if pause == 1.6:  # not for the second that another writer may take
                log.warning(
                    "the database does not take it (%s); trying on for %s s",
                    str(error).splitlines()[0],
                    PERSISTENT_SECONDS,
                )
            if connection.vendor != "sqlite":  # there a lock is no broken connection
                connection.close()
            loop.run(asyncio.sleep(pause))
            pause = min(2 * pause, 3.2)


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """Have SQLite say at once that another process writes; else it would hold this one, and all
    audits in it, for 20 s."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    connection.connection.execute("PRAGMA busy_timeout = 250")
    try:
        yield
    finally:
        if connection.connection:
            usual = 1000 * settings.DATABASES["default"]["OPTIONS"]["timeout"]
            connection.connection.execute(f"PRAGMA busy_timeout = {usual}")
