"""One DNS question on the wire, and the usual answer to it (RFC 1035, RFC 2308, RFC 6891).

`read_usual` reads what nearly every answer is: the question as it was asked, records of that name
and type or a SOA record, EDNS, and nothing else. Whatever is unusual in any way it leaves to
`collectors/net/dns_reader.py`, which must say the same of all that is read here.
"""

import re
import secrets
import struct
from dataclasses import dataclass, field

import dns.rcode

from collectors.net.dns_records import (
    AAAA,
    IN,
    MX,
    NS,
    OPT,
    SOA,
    SPF,
    TXT,
    A,
    Exchange,
    Named,
    Record,
    Texts,
    address,
    name_wire,
)

PAYLOAD = 1232  # EDNS buffer size: what fits into one unfragmented packet (DNS flag day 2020)
MAX_USUAL = 50  # records of a usual answer
QR, AA, TC, RD = 0x8000, 0x0400, 0x0200, 0x0100
QR_AND_OPCODE = 0xF800  # of the flags; the opcode of a query is 0
_RCODE = 0xF
_AT_QUESTION = 0xC00C  # a pointer to the name in the question
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHHIH")  # with a pointer as its owner
_FIXED = struct.Struct("!HHIH")
_NUMBER = struct.Struct("!I")
_EDNS = struct.pack("!BHHIH", 0, OPT, PAYLOAD, 0, 0)
_PLAIN_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_SIZES = {A: 4, AAAA: 16}


class NoDnsMessage(ValueError):
    """Bytes that are no well-formed answer to the question."""


class TooMuch(ValueError):
    """An answer that would take longer to read than any single one may."""


@dataclass(frozen=True)
class Question:
    """What is asked, with the id of the message that asks it.

    `name`: in lower case, without the final dot; `rdtype`: its number. `asked`: name, type and
    class on the wire. `recursive`: asked of a resolver, not of a zone's own server.
    """

    name: str
    rdtype: int
    edns: bool = True
    id: int = field(default_factory=lambda: secrets.randbits(16))
    asked: bytes = b""
    recursive: bool = True

    def __post_init__(self) -> None:
        wire = name_wire(self.name) + struct.pack("!2H", self.rdtype, IN)
        object.__setattr__(self, "asked", wire)

    def to_wire(self) -> bytes:
        """A query; with EDNS it says how much one packet may carry (RFC 6891, 6.1.2)."""
        header = _HEADER.pack(self.id, RD if self.recursive else 0, 1, 0, 0, int(self.edns))
        return header + self.asked + (_EDNS if self.edns else b"")


@dataclass(slots=True)
class Answer:
    """What a message says of its question, and of nothing else.

    `records`: of the name, or of the end of `chain`, the aliases that lead from it; sorted, without
    duplicates. `ttl`: the least of all that was used; of an absence by RFC 2308, section 5.
    `proves_absence`: it holds the SOA record that goes with one. `nodata`: see RFC 2308, 2.2.
    `authoritative`: the server says that the zone of the name is its own (AA).
    """

    rcode: int
    size: int  # bytes
    truncated: bool = False
    records: tuple[Record, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: int = 0
    proves_absence: bool = False
    nodata: bool = False
    authoritative: bool = False

    @property
    def ends(self) -> bool:
        """Whether the server has followed all aliases that there are."""
        nxdomain = self.rcode == dns.rcode.NXDOMAIN
        return bool(self.records or nxdomain or not self.chain or self.proves_absence)


def read_usual(wire: bytes, question: Question) -> Answer | None:
    """The answer that `wire` holds to `question`; None where anything about it is unusual."""
    try:
        return _read(wire, question)
    except (struct.error, IndexError, OSError):
        return None


def _read(wire: bytes, question: Question) -> Answer | None:
    message_id, flags, questions, answers, authorities, others = _HEADER.unpack_from(wire)
    rcode, at, rdtype = flags & _RCODE, 12 + len(question.asked), question.rdtype
    own = bool(flags & AA)
    if (
        message_id != question.id
        or flags & (QR_AND_OPCODE | TC) != QR
        or rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
        or questions != 1
        or wire[12:at] != question.asked
        or answers > MAX_USUAL
        or others > 1
        or authorities != (not answers)
        or (answers and rcode)
    ):
        return None
    ttl, found = 2**31, []
    for _number in range(answers):
        owner, kind, rdclass, record_ttl, length = _RECORD.unpack_from(wire, at)
        start, at = at + 12, at + 12 + length
        if owner != _AT_QUESTION or kind != rdtype or rdclass != IN or at > len(wire):
            return None
        if record_ttl >= 2**31:  # of one record alone it counts as 0 (RFC 2181, section 8)
            return None
        ttl = min(ttl, record_ttl)
        found.append((start, at))
    if not answers:
        at = past_name(wire, at)
        kind, rdclass, record_ttl, length = _FIXED.unpack_from(wire, at)
        at += 10 + length
        if kind != SOA or rdclass != IN or length < 22 or at > len(wire):
            return None
        ttl = min(record_ttl, _NUMBER.unpack_from(wire, at - 4)[0])
    if others:
        if wire[at] or _FIXED.unpack_from(wire, at + 1)[0] != OPT or wire[at + 5]:
            return None  # the last: an extended code (RFC 6891, 6.1.3)
        at += 11 + _FIXED.unpack_from(wire, at + 1)[3]
    if at != len(wire) or ttl >= 2**31:
        return None
    if not answers:
        return Answer(rcode, at, ttl=ttl, proves_absence=True, nodata=True, authoritative=own)
    records = _records(wire, rdtype, found)
    if not records:
        return None
    return Answer(rcode, at, records=records, ttl=ttl, authoritative=own)


def _records(wire: bytes, rdtype: int, found: list[tuple[int, int]]) -> tuple[Record, ...] | None:
    """The records whose data stand at these places; None where one is not plain."""
    if rdtype == MX:
        exchanges = [x for place in found if (x := _exchange(wire, *place))]
        return tuple(sorted(set(exchanges))) if len(exchanges) == len(found) else None
    if rdtype == NS:
        names = [n for place in found if (n := _plain_name(wire, *place)) is not None]
        servers = tuple([Named(name) for name in sorted(set(names), key=name_wire)])
        return servers if len(names) == len(found) else None
    data = [wire[start:end] for start, end in found]
    if len(data) > 1:
        data = sorted(set(data))
    if rdtype in _SIZES:
        right = all(len(each) == _SIZES[rdtype] for each in data)
        return tuple([address(each) for each in data]) if right else None
    if rdtype in (TXT, SPF):
        texts = [strings_in(each) for each in data]
        return tuple([Texts(text) for text in texts]) if all(texts) else None
    return None


def _exchange(wire: bytes, start: int, end: int) -> Exchange | None:
    """An MX record; None where its name is not plain."""
    name = _plain_name(wire, start + 2, end)
    return None if name is None else Exchange(wire[start] << 8 | wire[start + 1], name)


def _plain_name(wire: bytes, start: int, end: int) -> str | None:
    """The name that stands from `start` to `end`, '' for the root; None where it is not plain."""
    labels: list[bytes] = []
    at = least = start
    after = 0
    while size := wire[at]:
        if size >= 0xC0:
            after = after or at + 2
            at = (size & 0x3F) << 8 | wire[at + 1]
            if at >= least:
                return None
            least = at
        elif size > 63 or len(labels) >= 127:
            return None
        else:
            labels.append(wire[at + 1 : at + 1 + size])
            at += 1 + size
    name = b".".join(labels).decode("latin-1").lower()
    plain = len(name) <= 253 and _PLAIN_NAME.fullmatch(name) and name.count(".") + 1 == len(labels)
    if (after or at + 1) != end or (labels and not plain):
        return None
    return name


def past_name(wire: bytes, at: int) -> int:
    """Where a name that stands at `at` ends; its pointer is not followed."""
    while size := wire[at]:
        if size >= 0xC0:
            return at + 2
        if size > 63:
            raise IndexError(at)
        at += 1 + size
    return at + 1


def strings_in(data: bytes) -> tuple[bytes, ...]:
    """The strings of a text (RFC 1035, 3.3.14); () where they are none."""
    size = len(data)
    if size and data[0] == size - 1:
        return (data[1:],)
    strings, at = [], 0
    while at < size:
        end = at + 1 + data[at]
        if end > size:
            return ()
        strings.append(data[at + 1 : end])
        at = end
    return tuple(strings)
