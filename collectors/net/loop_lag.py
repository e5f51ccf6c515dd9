"""A clock that stands still while this process does, and time limits that run by it.

Timers go on while a process is starved of CPU, stopped, or moved to another host, and all of them
are over when it wakes up, whatever has arrived meanwhile. A time that is held against somebody else
(silence, slowness, a time-out) is therefore taken from here.
"""

import asyncio
import time
from types import TracebackType

EVERY_SECONDS = 0.05  # between two beats
LATE_SECONDS = 0.02  # by which a beat is late on an idle machine too
STALL_SECONDS = 1.0  # from here on, what came to nothing meanwhile may be our own doing
READING_SECONDS = 0.25  # for what arrived during a stall to be read, before anybody's time is over


class LoopLag:
    """How long the loop stood still; measured while a limit runs, or from begin() to end()."""

    def __init__(self) -> None:
        self._blocks, self._beat, self._woke = 0, 0.0, 0.0
        self._latest = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.stalled_seconds = 0.0  # in stalls of STALL_SECONDS and more, in all
        self.lagged_seconds = 0.0  # in shorter ones, in all

    def now(self) -> float:
        """Seconds by a clock that does not run while the loop stands still, and never runs back:
        a lag is seen as one when some of it was told as time that passed."""
        moment = time.monotonic()
        late = moment - self._beat - EVERY_SECONDS
        if self._blocks and late > LATE_SECONDS:
            self._beat += late
            if late >= STALL_SECONDS:
                self.stalled_seconds += late
                self._woke = moment
            else:
                self.lagged_seconds += late
        self._latest = max(self._latest, moment - self.stalled_seconds - self.lagged_seconds)
        return self._latest

    def timeout(self, seconds: float) -> "LagTimeout":
        """As `asyncio.timeout(seconds)`, by this clock."""
        return LagTimeout(self, seconds)

    def begin_span(self) -> "LagSpan":
        """As begin(), with a time that begins now."""
        self.begin()
        self.now()
        return LagSpan(self)

    def reading_seconds(self) -> float:
        """What is left of the time to read what arrived during the last stall."""
        return self._woke + READING_SECONDS - time.monotonic()

    def begin(self) -> None:
        """Somebody waits: measure from now on."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # what waited in an earlier one went with it
            self._loop, self._blocks = loop, 0
        if not self._blocks:
            self._beat, self._woke = time.monotonic(), 0.0
            self._handle = loop.call_later(EVERY_SECONDS, self._on_beat)
        self._blocks += 1

    def end(self) -> None:
        """One who waited has gone."""
        self.now()
        self._blocks -= 1
        if not self._blocks and self._handle:
            self._handle.cancel()

    def _on_beat(self) -> None:
        self.now()
        self._beat = time.monotonic()
        self._handle = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._on_beat)


class LagSpan:
    """A time that began when this was made.

    Short stalls at most double it: a peer must not win time by keeping this process busy.
    """

    __slots__ = ("_lag", "_lagged", "_started")

    def __init__(self, lag: LoopLag) -> None:
        self._lag = lag
        self._started = time.monotonic() - lag.stalled_seconds
        self._lagged = lag.lagged_seconds

    def seconds_left(self, seconds: float) -> float:
        """What is left of so many seconds."""
        self._lag.now()
        gone = time.monotonic() - self._lag.stalled_seconds - self._started
        gone -= min(self._lag.lagged_seconds - self._lagged, seconds)
        return max(seconds - gone, self._lag.reading_seconds())


class LagTimeout:
    """The block of `LoopLag.timeout`: raises TimeoutError where it takes longer."""

    def __init__(self, lag: LoopLag, seconds: float) -> None:
        self._lag, self._seconds = lag, seconds

    async def __aenter__(self) -> "LagTimeout":
        self._span = self._lag.begin_span()
        self._scope = await asyncio.timeout(None).__aenter__()
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        self._lag.end()
        await self._scope.__aexit__(kind, error, trace)

    def _look(self) -> None:
        loop, left = asyncio.get_running_loop(), self._span.seconds_left(self._seconds)
        if left > 0:
            self._handle = loop.call_later(left, self._look)
        else:
            self._scope.reschedule(loop.time())
