"""How much one look may send and take, and how one of its questions travels.

Every packet that carries a question is counted where it is sent: those to our resolver, to the
servers of the parent zone and to those of the zone, retries and TCP among them.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import dns.rcode

from collectors.net import dns_transport
from collectors.net.dns_records import Record, type_number
from collectors.net.dns_transport import BadTry, MayBeCut, ask_tcp, ask_udp
from collectors.net.dns_wire import Answer, Question
from collectors.net.loop_lag import LoopLag

QUERIES = 40
SECONDS = 8.0  # in all, until the answers are there
TRY_SECONDS = 1.2  # for one datagram, or one connection over TCP
_WITHOUT_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
ReadT = TypeVar("ReadT", bound=MayBeCut)
Host = tuple[str, int]


class Spent(BadTry):
    """No question may be sent any more."""


class Budget:
    """The questions of one look. `owed`: how many first questions are still to come, for which
    retries and TCP leave enough."""

    def __init__(self, queries: int = QUERIES) -> None:
        self.queries, self.sent, self.owed = queries, 0, 0
        self._lag = LoopLag()

    @property
    def left(self) -> int:
        return self.queries - self.sent

    async def ask(
        self,
        host: Host,
        name: str,
        rdtype: str,
        *,
        recursive: bool = False,
        tries: int = 2,
        owed: bool = False,
        reader: Callable[[bytes, Question], ReadT] = dns_transport.read,  # type: ignore[assignment]
    ) -> ReadT:
        """What a server answers, over TCP where UDP is too small for it; raises BadTry.

        `owed`: the first try was counted as owed.
        """
        edns, kind = True, type_number(rdtype)
        silence: BadTry | None = None
        for number in range(tries):
            first = owed and not number

            def question() -> Question:
                return Question(name, kind, edns, recursive=recursive)  # noqa: B023 - used at once

            try:
                found = await self._send(ask_udp, question(), host, reader, owed=first)
                if found.truncated:
                    found = await self._send(ask_tcp, question(), host, reader)
            except BadTry as bad:
                if isinstance(bad, Spent) and silence:
                    raise silence from None
                if number == tries - 1 or str(bad) != "dns_timeout":
                    raise
                silence = bad
                continue
            if not (isinstance(found, Answer) and found.rcode in _WITHOUT_EDNS and edns):
                return found
            edns = False
        return found

    async def _send(
        self, ask: Any, question: Question, host: Host, reader: Any, *, owed: bool = False
    ) -> Any:
        if owed:
            self.owed -= 1
        elif self.left <= self.owed:
            raise Spent("dns_limit")
        if self.left <= 0:
            raise Spent("dns_limit")
        self.sent += 1
        return await ask(question, *host, self._lag.timeout(TRY_SECONDS), reader)


class Recursor:
    """Our resolver, within a budget; each name and type is asked once."""

    def __init__(self, budget: Budget, hosts: list[Host]) -> None:
        self._budget, self._hosts = budget, hosts
        self._asked: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self.answered = False  # anything at all

    async def ask(self, name: str, rdtype: str) -> Answer:
        """Its answer, NOERROR or NXDOMAIN; raises BadTry."""
        key = name, rdtype
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(*key))
            self._asked[key].add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._asked[key])

    async def records(self, name: str, rdtype: str) -> tuple[Record, ...]:
        """The records of a name, () where there are none; raises BadTry."""
        return (await self.ask(name, rdtype)).records

    async def _ask(self, name: str, rdtype: str) -> Answer:
        bad = BadTry("dns_unreachable")
        for host in self._hosts[:2]:
            try:
                answer: Answer = await self._budget.ask(host, name, rdtype, recursive=True, tries=1)
            except BadTry as error:
                bad = error
                continue
            self.answered = True
            if answer.rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return answer
            bad = BadTry("dns_servfail")
        raise bad

    async def close(self) -> None:
        """Cancel what is still on its way."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
