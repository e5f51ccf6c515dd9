"""Whether our own resolver works: it is asked for names that must work, before anybody is blamed.

SERVFAIL, REFUSED and silence for these are the resolver's, and so are those for any other name
while that lasts. An answer for one of them, also that there is no such name, clears it; but for one
that the resolver cannot have asked for before: what it remembers it answers without the internet.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from collectors.names import is_host_name
from collectors.text import Text, _

DOWN_SECONDS = 2.0  # for how long it counts as down without being asked again
WORKS_SECONDS = 0.5  # for how long after an answer a failure is held against others
LONGEST = 253  # characters of a name (RFC 1035, section 3.1)
MAX_EXPECTED = 4  # names of tenants that are asked at once
RESOLVER_FAULTS = ("dns_timeout", "dns_unreachable", "dns_servfail", "dns_refused")
_SILENCE = ("dns_timeout", "dns_unreachable")
ROOT = "."
NO_ROOT = "no root"  # what no resolver of the internet says, so that it proves nothing


class ResolverHealth:
    """Asks the resolver for names that must work when something failed, no more often than needed.

    `ask` returns the code of the fault that a name met, '' for any answer. `probe`: names of the
    operator's choice.
    """

    def __init__(self, ask: Callable[[str], Awaitable[str]], probe: Iterable[str] = ()) -> None:
        self._ask, self._probe = ask, tuple(probe)
        self._expected: OrderedDict[str, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._told_at = float("-inf")  # when it was last seen to work or not, monotonic
        self.silent = False  # it was, when it was last asked
        self.down: Text | None = None  # the sentence about it, while it is down

    def expect(self, names: Iterable[str]) -> None:
        """Names of a tenant's own, which must work too; the newest ones are asked."""
        for name in filter(is_host_name, names):
            self._expected[name] = None
            self._expected.move_to_end(name)
        while len(self._expected) > MAX_EXPECTED:
            self._expected.popitem(last=False)

    @property
    def names(self) -> list[str]:
        """What is asked."""
        return [*self._expected, *self._probe]

    async def is_to_blame(self, code: str, *, begun: float) -> bool:
        """Whether a lookup that was begun at this moment met this fault by the resolver's doing."""
        if code not in RESOLVER_FAULTS or not self.names:
            return False
        if self.down and self._told_at > time.monotonic() - DOWN_SECONDS:
            return True
        if self._told_at < max(begun, time.monotonic() - WORKS_SECONDS):
            await self.works()
        return self.down is not None

    async def is_silent(self) -> bool:
        """Whether asking for anything would be waiting in vain; asks once in DOWN_SECONDS."""
        if self.silent and self._told_at <= time.monotonic() - DOWN_SECONDS:
            await self.works()
        return self.silent

    async def works(self) -> bool:
        """Ask now, or wait for who is asking; True where a name that must work is answered."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        await asyncio.shield(self._task)
        return self.down is None

    async def close(self) -> None:
        """End what is on its way."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        known, new = self.names or [ROOT], [*list(self._expected)[-1:], *self._probe]
        codes = await asyncio.gather(*map(self._ask, (*known, *map(_nobodys, new))))
        self._told_at = time.monotonic()
        told = list(zip(known, codes, strict=False))
        unreached = list(zip(new, codes[len(known) :], strict=True))
        self.silent = all(code in _SILENCE for _name, code in told)
        telling = [(name, code) for name, code in told if code != NO_ROOT]
        if telling and all(code for _name, code in telling):
            self.down = _sentence(telling)
        elif unreached and all(code for _name, code in unreached):
            self.down = _(
                "Our DNS resolver answers only what it remembers, so nothing can be said of what "
                "is in DNS. It was asked for new names below these: {answers}.",
                answers=_answers(unreached),
            )
        else:
            self.down = None


def _nobodys(name: str) -> str:
    """A name below this one, or the domain of one too long for that, that nobody has: that there is
    none is known only where it was asked for, and to no cache."""
    label = f"x{secrets.token_hex(8)}"
    if name == ROOT:
        return f"{label}.{label}"
    while len(name) + len(label) >= LONGEST:
        name = name.partition(".")[2]
    return f"{label}.{name}"


def _answers(failed: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({code.removeprefix('dns_').upper()})" for name, code in failed)


def _sentence(failed: list[tuple[str, str]]) -> Text:
    return _(
        "Our DNS resolver does not work, so nothing can be said of what is in DNS. "
        "It was asked for names that must work: {answers}.",
        answers=_answers(failed),
    )


def denial(names: Iterable[str]) -> Text:
    """What is said of a resolver that denies all names that must work."""
    return _sentence([(name, "NXDOMAIN") for name in names])
