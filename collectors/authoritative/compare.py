"""Whether a record to publish stands on each name server; compared by what it means.

The order of tags does not matter, nor how a key is encoded, nor how a text is cut into strings,
nor the case of names. The terms of SPF stand in their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol

from collectors.authoritative.answers import Answers, Said, Server, State
from collectors.names import same_name
from collectors.standards.dkim import KeyRecordError, parse_key_record
from collectors.standards.dmarc import is_policy_record, parse_policy_record
from collectors.standards.spf.record import is_spf

_NAMES = ("CNAME", "NS", "PTR")


class Wanted(Protocol):
    """A record of a report. `action`: add, replace, remove or keep; `value` is unquoted, an MX
    record's with or without its priority; `values_now`: what stood there and goes."""

    @property
    def action(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def values_now(self) -> Sequence[str]: ...


class Verdict(StrEnum):
    """How a name server stands to a record. Where it gave no answer, see `Seen.state`."""

    HAS = "has"  # it is there; of one to be removed: it is gone
    BOTH = "both"  # it is there, and what it replaces as well
    OLD = "old"
    NONE = "none"
    NOWHERE = "nowhere"  # the alias is there, and what it points at is not
    SAME = "same"  # no such alias, but what its end says: it counts as well
    UNKNOWN = "unknown"

    @property
    def is_right(self) -> bool:
        """Whether nothing is left to do there."""
        return self in (Verdict.HAS, Verdict.SAME)


@dataclass(frozen=True)
class Seen:
    """`values`: what stands there and is not right; `ttl`: for how many seconds that may be
    remembered elsewhere."""

    server: Server
    verdict: Verdict
    state: State = State.ANSWERED
    values: tuple[str, ...] = ()
    ttl: int = 0


def question(record: Wanted) -> tuple[str, str]:
    """What to ask name servers about a record: (name, type)."""
    return record.name.lower().removesuffix("."), record.type


def published(record: Wanted, answers: Answers) -> list[Seen]:
    """How each name server stands to a record; [] where none was asked about it."""
    servers = {s.name: s for s in answers.servers}
    return [_judge(record, said, servers[said.server]) for said in answers.about(*question(record))]


def _judge(record: Wanted, said: Said, server: Server) -> Seen:
    if said.state != State.ANSWERED:
        return Seen(server, Verdict.UNKNOWN, said.state)
    rdtype, there = record.type, said.records

    def seen(verdict: Verdict, values: Sequence[str] = ()) -> Seen:
        return Seen(server, verdict, said.state, tuple(values), said.ttl)

    going = [t for t in there if any(_is_same_text(rdtype, t, old) for old in record.values_now)]
    if record.action == "remove":
        aliased = said.chain and rdtype != "CNAME"  # what is seen stands elsewhere
        left = going or [t for t in there if _is_same_text(rdtype, t, record.value)]
        return seen(Verdict.OLD, left) if left and not aliased else seen(Verdict.HAS)
    if said.stands_in:
        return seen(Verdict.SAME)
    right = [
        t
        for t in there
        if means_the_same(rdtype, record.value, t)
        # the text to be replaced is not right because it holds the same key or the same terms
        and (t not in going or _is_same_text(rdtype, record.value, t))
    ]
    others = [t for t in there if t not in right]
    if rdtype == "TXT" and is_spf(record.value.encode()):
        others = [t for t in others if is_spf(t.encode())]  # a domain has texts of many kinds
    if not right:
        return seen(Verdict.OLD, others) if others else seen(Verdict.NONE)
    if rdtype == "TXT" and _is_policy(record.value):  # one alone may stand there
        going = [*right[1:], *(t for t in others if _is_policy(t) or t in going)]
    if wrong := [t for t in going if t != right[0]]:
        return seen(Verdict.BOTH, wrong)
    return seen(Verdict.NOWHERE, right) if said.leads is False else seen(Verdict.HAS)


def means_the_same(rdtype: str, wanted: str, text: str) -> bool:
    """Whether a published record, as text, does what the wanted one would do."""
    if rdtype == "TXT":
        return _same_policy(wanted, text)
    if rdtype == "MX":  # of several, the customer may choose the order
        return same_name(_host(wanted), _host(text))
    if rdtype in _NAMES:
        return same_name(wanted, text)
    if rdtype in ("A", "AAAA"):
        try:
            return ip_address(wanted) == ip_address(text)
        except ValueError:
            return False
    return _is_same_text(rdtype, wanted, text)


def _same_policy(wanted: str, text: str) -> bool:
    raw, found = wanted.encode(), text.encode()
    if is_spf(raw):
        return is_spf(found) and _terms(wanted) == _terms(text)
    if is_policy_record(raw):
        return is_policy_record(found) and _tags(raw) == _tags(found)
    try:
        key = parse_key_record(raw).key
    except KeyRecordError:
        return wanted.strip() == text.strip()
    try:
        there = parse_key_record(found)
    except KeyRecordError:
        return False
    usable = there.allows_sha256 and there.for_email and not there.testing
    return key is not None and there.key == key and usable


def _terms(text: str) -> list[str]:
    """The terms of an SPF record; only the letters of macros count as they are written."""
    return [term if "%" in term else term.lower() for term in text.split()]


def _tags(raw: bytes) -> dict[str, str]:
    record = parse_policy_record(raw)
    return {name: "".join(value.lower().split()) for name, value in record.tags}


def _is_policy(text: str) -> bool:
    """Whether one alone of this may stand at its name: SPF, DMARC, a DKIM key."""
    raw = text.encode()
    if is_spf(raw) or is_policy_record(raw):
        return True
    try:
        return parse_key_record(raw).key is not None
    except KeyRecordError:
        return False


def _host(text: str) -> str:
    return text.rpartition(" ")[2]


def _is_same_text(rdtype: str, one: str, other: str) -> bool:
    if rdtype == "TXT":
        return one.strip() == other.strip()
    if rdtype == "MX":
        return same_name(_host(one), _host(other))
    return " ".join(one.lower().split()).rstrip(".") == " ".join(other.lower().split()).rstrip(".")
