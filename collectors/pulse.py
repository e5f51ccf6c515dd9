"""Whether this process could listen: how long the event loop, or the whole machine, stood still while something was waited for."""

import asyncio
import time

EVERY_SECONDS = 0.2
STANDSTILL_SECONDS = 1.0  # from here on, that somebody did not answer in time may be our own doing


class Pulse:
    """Beats while its `async with` block runs. Timers go on while a process is starved of CPU, stopped or moved to another
    host, and all of them are over when it wakes up, whatever has arrived meanwhile."""

    def __init__(self):
        self._beat, self._longest, self._task = time.monotonic(), 0.0, None

    async def __aenter__(self):
        self._beat = time.monotonic()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()

    async def _run(self):
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self._measure()

    def _measure(self):
        now = time.monotonic()
        self._longest, self._beat = max(self._longest, now - self._beat - EVERY_SECONDS), now

    @property
    def stood_still(self):
        """True where a beat came late by more than a second, or has not come yet."""
        self._measure()
        return self._longest > STANDSTILL_SECONDS
