"""The clock that stands still while our own loop does, and the time limits that run by it."""

import asyncio
import contextlib
import socket
import time

import pytest

from collectors.net.loop_lag import EVERY_SECONDS, LATE_SECONDS, LoopLag


async def stand_still(seconds=1.2):
    """Let the loop come to rest, then hold it as a stopped process does."""
    await asyncio.sleep(0)
    time.sleep(seconds)


def test_a_time_limit_ends_what_takes_longer():
    async def wait():
        async with LoopLag().timeout(0.05):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


def test_a_time_limit_of_a_block_that_ends_in_time_does_nothing():
    async def wait():
        lag = LoopLag()
        async with lag.timeout(0.05):
            pass
        await asyncio.sleep(0.1)
        return asyncio.all_tasks() - {asyncio.current_task()}, lag.stalled_seconds

    assert asyncio.run(wait()) == (set(), 0.0)


def test_what_arrived_while_the_loop_stood_still_is_read_before_the_time_is_over():
    """Case 184."""

    async def wait(limit):
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            async with limit:
                reading = asyncio.create_task(reader.readexactly(2))
                await asyncio.sleep(0)
                theirs.send(b"ok")
                await stand_still()
                return await reading
        finally:
            writer.close()
            theirs.close()

    assert asyncio.run(wait(LoopLag().timeout(0.3))) == b"ok"


def test_the_clock_never_runs_back():
    """What is too short a lag to count is told as time; then it grows into one that counts, whole:
    a check that began in between took less than no time, and its results could not be saved."""

    async def measure():
        lag = LoopLag()
        lag.begin()
        until, times = time.monotonic() + EVERY_SECONDS + 3 * LATE_SECONDS, []
        while time.monotonic() < until:
            times.append(lag.now())
        lag.end()
        return times

    times = asyncio.run(measure())
    assert times == sorted(times)


def test_the_clock_does_not_run_while_the_loop_stands_still():
    async def measure():
        lag = LoopLag()
        async with lag.timeout(10):
            before = lag.now()
            await asyncio.sleep(0.1)
            awake = lag.now() - before
            await stand_still()
            return awake, lag.now() - before - awake, lag.stalled_seconds

    awake, asleep, stalled = asyncio.run(measure())
    assert awake > 0.05  # seconds count while the loop runs
    assert asleep < 0.3 < stalled


def test_nobody_wins_time_without_end_by_keeping_the_process_busy():
    async def flood():
        lag, turns = LoopLag(), 0
        with pytest.raises(TimeoutError):
            async with lag.timeout(0.3):
                while True:
                    time.sleep(0.1)
                    await asyncio.sleep(0)
                    turns += 1
        return turns

    assert asyncio.run(flood()) < 20


def test_short_stalls_are_not_held_against_anybody_either():
    async def wait():
        lag = LoopLag()
        async with lag.timeout(0.5):
            for _n in range(3):
                time.sleep(0.2)
                await asyncio.sleep(0)

    asyncio.run(wait())


def test_several_limits_share_one_clock_and_leave_nothing_behind():
    async def nested():
        lag = LoopLag()
        async with lag.timeout(10), contextlib.AsyncExitStack() as stack:
            for _n in range(3):
                await stack.enter_async_context(lag.timeout(10))
            with pytest.raises(TimeoutError):
                async with lag.timeout(0.01):
                    await asyncio.Event().wait()
        return lag

    lag = asyncio.run(nested())
    assert (lag._blocks, lag._handle.cancelled()) == (0, True)


def test_cancelling_from_outside_is_no_time_out():
    async def cancelled():
        async def wait():
            async with LoopLag().timeout(10):
                await asyncio.Event().wait()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


def test_what_waited_in_a_loop_that_is_gone_holds_up_no_other():
    lag = LoopLag()

    async def abandoned():
        lag.begin()

    async def wait():
        async with lag.timeout(0.05):
            await asyncio.Event().wait()

    asyncio.run(abandoned())
    with pytest.raises(TimeoutError):
        asyncio.run(wait())
