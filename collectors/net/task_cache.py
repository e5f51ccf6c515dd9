"""Results that many audits need: made once, kept for a while, shared while on their way."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

ENTRIES = 64
T = TypeVar("T")


@dataclass(frozen=True)
class _Entry:
    task: asyncio.Task
    begun: float  # monotonic


class TaskCache:
    """The newest result for each key, at most ENTRIES of them. One per process, one event loop."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    async def get(
        self,
        key: Hashable,
        make: Callable[[], Coroutine[Any, Any, T]],
        *,
        seconds: Callable[[T], float],
        since: float = 0.0,
    ) -> T:
        """What `make` returns for `key`: the one that is kept, or on its way, or made anew.

        `seconds`: for how long a result is kept. `since`: one that was begun before this moment
        (monotonic) will not do. What `make` raises is raised to all who wait, and not kept. A
        caller who goes away stops nothing.
        """
        entry = self._entries.get(key)
        if entry is None or entry.begun < since or _is_over(entry, seconds):
            entry = self._entries[key] = _Entry(asyncio.create_task(make()), time.monotonic())
            entry.task.add_done_callback(lambda t: t.cancelled() or t.exception())
            self._entries.move_to_end(key)
            while len(self._entries) > ENTRIES:
                self._entries.popitem(last=False)
        return entry.task.result() if entry.task.done() else await asyncio.shield(entry.task)

    async def close(self) -> None:
        """Cancel what is still on its way."""
        tasks = [entry.task for entry in self._entries.values()]
        self._entries.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_over(entry: _Entry, seconds: Callable[[Any], float]) -> bool:
    task = entry.task
    if not task.done():
        return False
    if task.cancelled() or task.exception():
        return True
    return time.monotonic() - entry.begun >= seconds(task.result())
