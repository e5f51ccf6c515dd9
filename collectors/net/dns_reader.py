"""The answer to a DNS question, whatever it is like, read by code whose work is bounded.

A general parser may take seconds for one answer of 64 KB with thousands of compressed names. What
is not needed is passed over here (other types, the additional section but for EDNS), and what is
needed is counted before it is made. RFC 1035, RFC 2308, RFC 6891.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from collectors.net.dns_records import (
    AAAA,
    CNAME,
    IN,
    MX,
    NS,
    OPT,
    PTR,
    SOA,
    SPF,
    TXT,
    A,
    Exchange,
    Named,
    Record,
    Texts,
    address,
    name_text,
)
from collectors.net.dns_wire import (
    AA,
    QR,
    QR_AND_OPCODE,
    TC,
    Answer,
    NoDnsMessage,
    Question,
    TooMuch,
    past_name,
    read_usual,
    strings_in,
)

MAX_CNAMES = 16  # hops of one alias chain that are followed
MAX_RECORDS = 2000  # of the wanted name and type
MAX_SECTIONS = 5000  # records of all kinds that are passed over
MAX_LABELS = 20_000  # of all names that are read
MAX_STRINGS = 5000  # of all texts
_POINTER = 0xC0
_WITHOUT_QUESTION = (dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED)
_ADDRESSES = {A: 4, AAAA: 16}  # the size of each


def read(wire: bytes, question: Question) -> Answer:
    """The answer that `wire` holds to `question`; raises NoDnsMessage or TooMuch."""
    return read_usual(wire, question) or read_any(wire, question)


def read_any(wire: bytes, question: Question) -> Answer:
    """As read(), the long way."""
    try:
        return Reader(wire, question).answer()
    except (struct.error, IndexError, dns.exception.DNSException, ValueError) as error:
        if isinstance(error, TooMuch):
            raise
        raise NoDnsMessage(str(error)) from None


@dataclass
class _Rrset:
    """Records of one owner and type, by what they are sorted by; `ttl` is the smallest."""

    ttl: int
    records: dict[object, Record] = field(default_factory=dict)


@dataclass(frozen=True)
class _Name:
    text: str
    canonical: bytes


class _Raw(NamedTuple):
    """A record before it is read: where its owner's name and its data are."""

    owner: int
    rdtype: int
    rdclass: int
    ttl: int
    start: int
    end: int


class Reader:
    """Reads one message, at most so much of it as the bounds above allow."""

    def __init__(self, wire: bytes, question: Question) -> None:
        self.wire, self.question = wire, question
        self.records = self.labels = self.strings = 0
        self.names: dict[int, _Name] = {}  # by where they begin
        self.rrsets: dict[tuple[bytes, int], _Rrset] = {}  # by owner, canonical
        self.soa_ttl: int | None = None
        self.has_ns = False

    def answer(self) -> Answer:
        message_id, flags, questions, *counts = struct.unpack_from("!6H", self.wire)
        rcode = flags & 0xF
        if message_id != self.question.id or flags & QR_AND_OPCODE != QR:
            raise NoDnsMessage("another message")
        at = self._question(questions, flags)
        if sum(counts) * 11 > len(self.wire):  # the least that a record takes
            raise NoDnsMessage("fewer records than it says")
        if sum(counts) > MAX_SECTIONS:
            raise TooMuch(f"{sum(counts)} records")
        for number, raw in enumerate(self._records(at, sum(counts))):
            if raw.rdtype == OPT:
                rcode = flags & 0xF | (raw.ttl >> 24) << 4  # RFC 6891, 6.1.3
            elif raw.rdclass == IN and number < counts[0]:
                self._answered(raw)
            elif raw.rdclass == IN and number < counts[0] + counts[1]:
                self.has_ns |= raw.rdtype == NS
                if raw.rdtype == SOA:
                    least = min(raw.ttl, struct.unpack_from("!I", self.wire, raw.end - 4)[0])
                    self.soa_ttl = least
        return self._followed(rcode, flags, answered=bool(counts[0]))

    def _followed(self, rcode: int, flags: int, *, answered: bool) -> Answer:
        """What all that was read says of the question's name, and of where its aliases lead."""
        chain: list[str] = []
        ttls: list[int] = []
        owner, rdtype = self.question.asked[:-4], self.question.rdtype
        while (owner, rdtype) not in self.rrsets and len(chain) <= MAX_CNAMES:
            alias = self.rrsets.get((owner, CNAME))
            if not alias:
                break
            owner, link = next(iter(alias.records.items()))  # type: ignore[assignment]  # of aliases
            chain.append(link.target)  # type: ignore[union-attr]
            ttls.append(alias.ttl)
        rrset = self.rrsets.get((owner, rdtype))
        proves_absence = self.soa_ttl is not None
        if rrset:
            ttls.append(rrset.ttl)
        elif proves_absence or rcode == dns.rcode.NXDOMAIN or not chain:
            ttls.append(self.soa_ttl or 0)
        return Answer(
            rcode,
            len(self.wire),
            bool(flags & TC),
            tuple(rrset.records[key] for key in sorted(rrset.records)) if rrset else (),  # type: ignore[type-var]
            tuple(chain),
            min(ttls),
            proves_absence,
            nodata=(bool(chain) or not answered) and (proves_absence or not self.has_ns),
            authoritative=bool(flags & AA),
        )

    def _question(self, count: int, flags: int) -> int:
        """Where the answers begin; the question must be the one that was asked."""
        if not count and flags & 0xF in _WITHOUT_QUESTION:
            return 12
        name, at = self._name(12)
        if count != 1 or name.canonical + self.wire[at : at + 4] != self.question.asked:
            raise NoDnsMessage("another question")
        return at + 4

    def _records(self, at: int, count: int) -> Iterator[_Raw]:
        for _number in range(count):
            owner, at = at, past_name(self.wire, at)
            rdtype, rdclass, ttl, length = struct.unpack_from("!HHIH", self.wire, at)
            start, at = at + 10, at + 10 + length
            if at > len(self.wire):
                raise NoDnsMessage("a record goes on beyond the message")
            yield _Raw(owner, rdtype, rdclass, ttl, start, at)

    def _answered(self, raw: _Raw) -> None:
        if raw.rdtype not in (self.question.rdtype, CNAME):
            return
        self.records += 1
        if self.records > MAX_RECORDS:
            raise TooMuch(f"more than {MAX_RECORDS} records")
        name, _end = self._name(raw.owner)
        ttl = raw.ttl if raw.ttl < 2**31 else 0  # RFC 2181, section 8
        rrset = self.rrsets.setdefault((name.canonical, raw.rdtype), _Rrset(ttl))
        rrset.ttl = min(rrset.ttl, ttl)
        key, record = self._record(raw.rdtype, raw.start, raw.end)
        rrset.records.setdefault(key, record)

    def _record(self, rdtype: int, start: int, end: int) -> tuple[object, Record]:
        """What a record says, in a form that is equal for equal ones, and the record."""
        data = self.wire[start:end]
        if rdtype in _ADDRESSES:
            if len(data) != _ADDRESSES[rdtype]:
                raise NoDnsMessage("an address of another size")
            return data, address(data)
        if rdtype in (TXT, SPF):
            return data, Texts(self._strings(data))
        if rdtype in (CNAME, NS, PTR):
            name = self._last_name(start, end)
            return name.canonical, Named(name.text)
        if rdtype == MX:
            name, (preference,) = self._last_name(start + 2, end), struct.unpack_from("!H", data)
            exchange = Exchange(preference, name.text)
            return exchange, exchange
        self.labels += 127  # it may hold a name
        self._bounded()
        kind = dns.rdatatype.RdataType.make(rdtype)
        made = dns.rdata.from_wire(dns.rdataclass.IN, kind, self.wire, start, end - start)
        return data, made

    def _last_name(self, at: int, end: int) -> _Name:
        """The name that a record's data ends with."""
        name, after = self._name(at)
        if after != end:
            raise NoDnsMessage("a record that ends elsewhere")
        return name

    def _strings(self, data: bytes) -> tuple[bytes, ...]:
        strings = strings_in(data)
        self.strings += len(strings)
        self._bounded()
        if not strings:
            raise NoDnsMessage("a text without strings, or one that goes on beyond its record")
        return strings

    def _name(self, at: int) -> tuple[_Name, int]:
        """The name at `at`, and where it ends (RFC 1035, 4.1.4). Pointers only lead backwards."""
        end = past_name(self.wire, at)
        while (size := self.wire[at]) >= _POINTER:
            target = (size & 0x3F) << 8 | self.wire[at + 1]
            self._step()
            if target >= at:
                raise NoDnsMessage("a pointer forwards")
            at = target
        if at not in self.names:
            labels = self._labels(at)
            canonical = b"".join(bytes((len(label),)) + label for label in labels).lower()
            self.names[at] = _Name(name_text(dns.name.Name(labels)), canonical)
        return self.names[at], end

    def _labels(self, at: int) -> list[bytes]:
        labels, least, length = [], at, 0
        while size := self.wire[at]:
            self._step()
            if size >= _POINTER:
                at = (size & 0x3F) << 8 | self.wire[at + 1]
                if at >= least:
                    raise NoDnsMessage("a pointer forwards")
                least = at
                continue
            if size > 63:
                raise NoDnsMessage("a label of an unknown kind")
            labels.append(self.wire[at + 1 : at + 1 + size])
            at, length = at + 1 + size, length + 1 + size
            if length > 254:
                raise NoDnsMessage("a name of more than 255 bytes")
        return [*labels, b""]

    def _step(self) -> None:
        self.labels += 1
        if self.labels > MAX_LABELS:
            raise TooMuch(f"more than {MAX_LABELS} labels")

    def _bounded(self) -> None:
        if self.labels > MAX_LABELS or self.strings > MAX_STRINGS:
            raise TooMuch("too many names or strings")
