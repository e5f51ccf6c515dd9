"""What includes came to, shared by evaluations: of use while DNS answers as it did then.

A provider's include stands in the records of thousands of customers, and what it comes to follows
from its name, the address and DNS alone, as long as no macro is in it. Nothing here is believed:
what is kept says which answers it rests on, and these are compared with those of today first.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.standards.spf.trace import RecordTrace

KEPT = 400  # results; of more the one that was used longest ago goes
MAX_SIZE = 8192  # characters of the answers that one rests on
RECORD_SIZE = 40  # what a record counts that is no text

Query = tuple[str, str]  # name and type
Answers = Mapping[Query, Sequence[Any]]  # in the order of asking
Had = Callable[[str, str], Sequence[Any] | None]  # an answer that needs no waiting


class Known:
    """Results by what they are results of, bounded."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable) -> Any:  # what was kept for it
        """The result that was kept, or None."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: Hashable, result: object, answers: Iterable[Sequence[Any]]) -> None:
        """Keep a result, unless the answers that it rests on are large."""
        if sum(_size(record) for records in answers for record in records) > MAX_SIZE:
            return
        self._kept[key] = result
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _size(record: Any) -> int:
    return RECORD_SIZE + sum(map(len, getattr(record, "strings", ())))


@dataclass(frozen=True)
class KnownPolicy:
    """What the policy of a domain came to for one address, with what it cost.

    `names`: the domains whose records were evaluated.
    """

    policy: Any
    trace: RecordTrace
    names: frozenset[str]
    answers: Answers
    terms: int
    voids: int


@dataclass(frozen=True)
class KnownPolicies:
    """The policies that are known, and today's answers to hold them against."""

    known: Known
    had: Had

    def find(self, name: str, ip: str) -> KnownPolicy | None:
        """The policy of a domain for an address as it was last, whether it still is or not."""
        found: KnownPolicy | None = self.known.get(("policy", name, ip))
        return found

    def still_holds(self, policy: KnownPolicy) -> bool:
        """Whether DNS answers as it did then; asked in that order, and no further than it does."""
        return all(self.had(*query) == answer for query, answer in policy.answers.items())

    def keep(self, name: str, ip: str, policy: KnownPolicy) -> None:
        """Keep a policy for others; nobody changes its trace any more."""
        for trace in policy.trace.records():
            trace.share()
        self.known.keep(("policy", name, ip), policy, policy.answers.values())
