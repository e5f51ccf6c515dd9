"""Which authorities a domain lets issue certificates: CAA (RFC 8659)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

CRITICAL = 128
_KNOWN = (
    b"issue",
    b"issuewild",
    b"iodef",
    b"issuemail",
    b"issuevmc",
    b"contactemail",
    b"contactphone",
)


def climbed(name: str) -> list[str]:
    """The names at which a CAA set may stand that is about `name`, the nearest first."""
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]


async def relevant_set(
    name: str, lookup: Callable[[str, str], Awaitable[Any]]
) -> tuple[str, tuple[Any, ...]]:
    """(where it stands, the records) of the nearest CAA set at or above `name`, () for none.

    Section 3: the tree is climbed; all names are asked at once. `lookup` raises for faults.
    """
    names = climbed(name)
    found = await asyncio.gather(*(lookup(each, "CAA") for each in names))
    return next(
        ((each, tuple(got.records)) for each, got in zip(names, found, strict=True) if got.records),
        (name, ()),
    )


def allows(records: Iterable[Any], issuer: str, *, wildcard: bool = False) -> bool:
    """Whether these records let `issuer` (its domain) issue; dnspython's CAA rdata."""
    records = list(records)
    if is_closed(records):
        return False
    named = [r for r in records if r.tag.lower() == b"issuewild"] if wildcard else []
    named = named or [r for r in records if r.tag.lower() == b"issue"]
    return not named or any(_issuer_of(r.value) == issuer for r in named)


def is_closed(records: Iterable[Any]) -> bool:
    """Whether nobody may issue, as a critical property is one that nobody knows (section 4.1)."""
    return any(r.flags & CRITICAL and r.tag.lower() not in _KNOWN for r in records)


def has(records: Iterable[Any], tag: bytes) -> bool:
    """Whether a record has this tag (lower case)."""
    return any(r.tag.lower() == tag for r in records)


def _issuer_of(value: bytes) -> str:
    """The domain of an issue property's value, before its parameters (section 4.2)."""
    return value.split(b";")[0].strip().decode("latin-1").lower()
