"""Results that many audits need: made once, kept for a while, bounded."""

import asyncio
import time

import pytest

from collectors.net.task_cache import ENTRIES, TaskCache


class Maker:
    """Counts how often it was asked; raises its first `faults` times."""

    def __init__(self, faults=0):
        self.made, self.faults = 0, faults

    async def __call__(self):
        self.made += 1
        await asyncio.sleep(0)
        if self.made <= self.faults:
            raise OSError("away")
        return self.made


def in_a_cache(act):
    async def main():
        cache = TaskCache()
        try:
            return await act(cache)
        finally:
            await cache.close()

    return asyncio.run(main())


def test_who_asks_at_the_same_time_and_later_gets_the_same():
    make = Maker()

    async def act(cache):
        together = await asyncio.gather(
            *(cache.get("k", make, seconds=lambda _: 60) for _ in "123")
        )
        return [*together, await cache.get("k", make, seconds=lambda _: 60)]

    assert in_a_cache(act) == [1, 1, 1, 1]


def test_what_is_over_or_was_begun_too_early_is_made_anew():
    make = Maker()

    async def act(cache):
        first = await cache.get("k", make, seconds=lambda _: 60)
        over = await cache.get("k", make, seconds=lambda _: 0)
        too_early = await cache.get("k", make, seconds=lambda _: 60, since=time.monotonic())
        return first, over, too_early

    assert in_a_cache(act) == (1, 2, 3)


def test_a_failure_is_told_and_not_kept():
    make = Maker(faults=1)

    async def act(cache):
        with pytest.raises(OSError, match="away"):
            await cache.get("k", make, seconds=lambda _: 60)
        return await cache.get("k", make, seconds=lambda _: 60)

    assert in_a_cache(act) == 2


def test_it_holds_a_bounded_number():
    make = Maker()

    async def act(cache):
        for n in range(ENTRIES + 1):
            await cache.get(n, make, seconds=lambda _: 60)
        newest = await cache.get(ENTRIES, make, seconds=lambda _: 60)
        return newest, await cache.get(0, make, seconds=lambda _: 60)

    assert in_a_cache(act) == (ENTRIES + 1, ENTRIES + 2)
