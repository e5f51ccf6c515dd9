"""The event loop of a process and the network that belongs to it."""

import asyncio
import os
from collections.abc import Awaitable
from typing import TypeVar

from django.conf import settings

from collectors.net.session import NetConfig, NetworkClients

DNS_CACHE_BYTES = 32 * 1024 * 1024  # of all processes of one worker command together
T = TypeVar("T")


def net_config() -> NetConfig:
    """The collectors' configuration from the settings."""
    return NetConfig(
        dns_servers=settings.AUDIT_DNS_SERVERS,
        resolver_probe=settings.AUDIT_RESOLVER_PROBE,
        dns_cache_seconds=settings.AUDIT_DNS_CACHE_SEC,
        dns_cache_bytes=DNS_CACHE_BYTES // settings.Q_CLUSTER["workers"],
        allowed_networks=settings.AUDIT_ALLOWED_NETWORKS,
        ca_file=settings.AUDIT_CA_FILE,
        authoritative_port=settings.AUDIT_AUTHORITATIVE_PORT,
        contact=settings.AUDIT_CONTACT,
        check_seconds=settings.AUDIT_CHECK_TIMEOUT_SEC,
        domain_seconds=settings.AUDIT_DOMAIN_TIMEOUT_SEC,
        portal_paths=settings.AUDIT_PORTAL_PATHS,
    )


class ProcessLoop:
    """Opened on first use, after a fork anew, and kept across tasks."""

    def __init__(self) -> None:
        self._opened: tuple[int, asyncio.AbstractEventLoop, NetworkClients] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._open()[1]

    @property
    def clients(self) -> NetworkClients:
        return self._open()[2]

    def run(self, awaitable: Awaitable[T]) -> T:
        """Drive the loop until this is done."""
        return self.loop.run_until_complete(awaitable)

    def close(self) -> None:
        """Close the network and the loop (for commands and tests)."""
        if self._opened and self._opened[0] == os.getpid():
            _pid, loop, clients = self._opened
            loop.run_until_complete(clients.close())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
        self._opened = None

    def _open(self) -> tuple[int, asyncio.AbstractEventLoop, NetworkClients]:
        if self._opened is None or self._opened[0] != os.getpid():
            loop = asyncio.new_event_loop()
            self._opened = os.getpid(), loop, loop.run_until_complete(_clients())
        return self._opened


async def _clients() -> NetworkClients:
    return NetworkClients(net_config())
