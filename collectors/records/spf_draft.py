"""A record to propose, tried out before it is shown: what this very check would say if exactly that were published.

Taking one obstacle away can lay another bare (`+all` was all that let the mail server send; an include behind `all` turns out
to be dead), so a proposal is judged and mended until nothing more is to be mended.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from collectors.names import same_name
from collectors.text import MAX_TEXT

from .spf_fix import Proposal
from .spf_judge import Judge

ROUNDS = 4


@dataclass(frozen=True)
class _Txt:
    strings: tuple


@dataclass(frozen=True)
class Published:
    """A resolver to which `domain` has the SPF record `text`; everything else is as it is."""

    resolver: object
    domain: str
    text: str

    async def resolve(self, qname, rdtype):
        if rdtype == "TXT" and same_name(str(qname), self.domain):
            return [_Txt((self.text.encode("latin-1"),))]
        return await self.resolver.resolve(qname, rdtype)


@dataclass(frozen=True)
class Draft:
    """A proposal and the Judge who has seen it; None where there was no time to look, or there is nothing to look at."""

    proposal: Proposal
    judge: Judge | None = None

    @property
    def costs(self):
        """What its terms cost in lookups, by their text."""
        return self.judge.costs if self.judge else {}

    @property
    def remaining(self):
        """The findings that publishing it would leave, as far as is known."""
        return self.judge.findings() if self.judge else []


async def settled(look, proposal, name, *, idle=frozenset(), trim=True):
    """The Draft that `proposal` comes to. `look`: the audit, whose `judge` tries a text out; `idle`: terms without effect
    in what is published now, so that they can be left out where they would do harm (`trim`: or cost too many lookups)."""
    judge = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(look.net.seconds_left):
            for _round in range(ROUNDS if proposal.value and len(proposal.value) <= MAX_TEXT else 0):
                judge = await look.judge(proposal.value, name, draft=True)
                better = judge.proposal(idle, trim=trim)
                if better.value in (None, proposal.value):
                    break
                judge, proposal = None, Proposal(better.value, list(dict.fromkeys([*proposal.notes, *better.notes])))
    return Draft(proposal, judge)
