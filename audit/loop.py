"""The event loop and the network of a process, made on first use, after the fork, and kept across tasks; and patience with the
database that does not stop them."""

import asyncio
import contextlib
import logging
import os
import time

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from collectors.net import NetConfig, Network

log = logging.getLogger(__name__)
PERSISTENT_SECONDS = 80  # with a drain's own time and the longest audit still less than a task may take
_process: dict = {}  # pid -> (loop, network): a fork does not share them


def net_config():
    """The collectors' configuration from the settings."""
    return NetConfig(
        dns_servers=settings.AUDIT_DNS_SERVERS,
        dns_cache_seconds=settings.AUDIT_DNS_CACHE_SEC,
        allowed_networks=settings.AUDIT_ALLOWED_NETWORKS,
        ca_file=settings.AUDIT_CA_FILE,
        contact=settings.AUDIT_CONTACT,
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


def persistently(act, *args, **options):
    """Call `act` until the database takes it: a restart or a long lock costs a pause and no result.

    The event loop goes on meanwhile: what is on its way must not run over its time because we wait. The error of the last
    try is raised.
    """
    loop, _network = process_loop()
    until, pause = time.monotonic() + PERSISTENT_SECONDS, 0.2
    while True:
        try:
            with _short_waits():
                return act(*args, **options)
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() >= until:
                raise
            if pause == 1.6:  # not for the second that another writer may take
                log.warning("the database does not take it (%s); trying on for %s s", str(error).splitlines()[0], PERSISTENT_SECONDS)
            if connection.vendor != "sqlite":  # there a lock is no broken connection
                connection.close()
            loop.run_until_complete(asyncio.sleep(pause))
            pause = min(2 * pause, 3.2)


@contextlib.contextmanager
def _short_waits():
    """Have SQLite say at once that another process writes; else it would hold this one, and all audits in it, for 20 s."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    connection.connection.execute("PRAGMA busy_timeout = 250")
    try:
        yield
    finally:
        if connection.connection:
            connection.connection.execute(f"PRAGMA busy_timeout = {1000 * settings.DATABASES['default']['OPTIONS']['timeout']}")
