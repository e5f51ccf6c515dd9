"""Answers of any kind are read; and none holds up those who wait beside it."""

import contextlib
import struct
import time

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from collectors.net.dns_reader import read
from collectors.net.dns_wire import NoDnsMessage, Question, TooMuch

NAME = "kunde.test"
AT_NAME = b"\xc0\x0c"  # a pointer to the name in the question
CPU_SECONDS = 0.2  # of a busy machine; the general parser takes from 1 to 10 for each of these


def question(rdtype="MX"):
    return Question(NAME, dns.rdatatype.from_text(rdtype))


def answer(asked, records, count=None):
    """The wire form of an answer with these records."""
    header = struct.pack("!6H", asked.id, 0x8180, 1, count or len(records), 0, 0)
    return header + asked.to_wire()[12:28] + b"".join(records)


def record(rdtype, data, owner=AT_NAME):
    kind = dns.rdatatype.from_text(rdtype)
    return owner + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def upto_64k(records):
    """As many of the records as fit into one message."""
    fitting, size = [], 50
    for one in records:
        size += len(one)
        if size > 65_000:
            return fitting
        fitting.append(one)
    return fitting


LONG = b"".join(b"\x01" + bytes([97 + n % 26]) for n in range(120)) + b"\0"  # 120 labels
AFTER = struct.pack("!H", 0xC000 | (28 + 12 + 2))  # a pointer to LONG in the first MX record


def compressed_names(n):
    """An MX record with LONG, and very many that each put a label before it."""
    yield record("MX", b"\0\1" + LONG)
    for number in range(n):
        label = b"\3" + b"%03x" % (number % 4096)
        yield record("MX", struct.pack("!H", number) + label + AFTER)


HOSTILE = {
    "compressed names": ("MX", list(compressed_names(4000))),
    "owners": ("MX", [record("MX", b"\0\1" + LONG)] + [
        record("CNAME", b"\1a" + AFTER, b"\3%03x" % n + AFTER) for n in range(4000)]),
    "addresses": ("A", [record("A", struct.pack("!I", n)) for n in range(5000)]),
    "addresses of IPv6": ("AAAA", [record("AAAA", struct.pack("!2Q", n, n)) for n in range(3000)]),
    "strings": ("TXT", [record("TXT", b"\0" * 64_000)]),
    "texts": ("TXT", [record("TXT", b"\1a") for _n in range(5000)]),
    "one name": ("MX", [record("MX", b"\0\1" + LONG)] + [
        record("MX", struct.pack("!H", n) + AFTER) for n in range(5000)]),
    "parts of a name": ("MX", [record("MX", b"\0\1" + LONG)] + [
        record("MX", struct.pack("!2H", n, 0xC000 | (42 + 2 * (n % 120)))) for n in range(5000)]),
    "names of names": ("PTR", [record("PTR", LONG)] + [record("PTR", AFTER) for _n in range(5000)]),
    "other types": ("TXT", [record("MX", b"\0\1" + LONG) for _n in range(200)]),
    "a type of its own": ("SRV", [record("SRV", b"\0" * 6 + LONG) for _n in range(250)]),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_answer_of_64_kb_takes_long_to_read(name):
    """Case 185."""
    rdtype, records = HOSTILE[name]
    asked = question(rdtype)
    wire = answer(asked, upto_64k(records))
    assert len(wire) > 40_000 or name == "a type of its own"
    started = time.thread_time()
    with contextlib.suppress(NoDnsMessage, TooMuch):
        read(wire, asked)
    assert time.thread_time() - started < CPU_SECONDS


def test_thousands_of_compressed_names_are_too_much():
    """Case 185."""
    asked = question()
    with pytest.raises(TooMuch):
        read(answer(asked, upto_64k(HOSTILE["compressed names"][1])), asked)


@pytest.mark.parametrize(
    ("rdtype", "value"),
    [
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::1"),
        ("MX", "10 mx.kunde.test."),
        ("TXT", '"a b" "c"'),
        ("SPF", '"v=spf1 -all"'),
        ("NS", "ns.kunde.test."),
        ("PTR", "host.kunde.test."),
        ("CNAME", "b.test."),
        ("CAA", '0 issue "letsencrypt.org"'),
        ("SRV", "1 2 443 host.kunde.test."),
        ("SOA", "ns.kunde.test. root.kunde.test. 1 2 3 4 60"),
    ],
)
def test_each_type_is_read_as_the_general_parser_reads_it(rdtype, value):
    asked = question(rdtype)
    reply = dns.message.make_response(dns.message.from_wire(asked.to_wire()))
    reply.answer.append(dns.rrset.from_text("kunde.test.", 60, "IN", rdtype, value))
    found = read(reply.to_wire(), asked)
    assert [record.to_text() for record in found.records] == [
        value.replace('" "', "").strip('"') if rdtype in ("TXT", "SPF") else value
    ]
    assert found.ttl == 60


def test_a_record_that_comes_twice_counts_once():
    asked = question()
    lower, upper = (record("MX", b"\0\1" + name) for name in (b"\2mx\0", b"\2MX\0"))
    assert len(read(answer(asked, [lower, upper, lower]), asked).records) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\1" + AFTER,  # a pointer to itself
        b"\0\1\xff\xff",  # a pointer behind the message
        b"\0\1\2mx",  # no end
        b"\0\1\2mx\0more",
        b"\0\1\x80mx\0",  # a label of a reserved kind
        b"\0\1" + b"\x3f" + b"a" * 63 + (b"\x3f" + b"b" * 63) * 3 + b"\0",  # 257 bytes
    ],
)
def test_a_name_that_is_none_makes_the_message_unreadable(data):
    """Case 37."""
    asked = question()
    with pytest.raises(NoDnsMessage):
        read(answer(asked, [record("MX", data)]), asked)


def test_a_message_of_another_kind_is_no_answer():
    asked = question()
    wire = bytearray(answer(asked, [record("MX", b"\0\1\0")]))
    wire[2] = 0xA8  # an UPDATE
    with pytest.raises(NoDnsMessage):
        read(bytes(wire), asked)


def test_a_count_that_the_message_cannot_hold_is_not_believed():
    asked = question()
    with pytest.raises(NoDnsMessage):
        read(answer(asked, [record("MX", b"\0\1\0")], count=60_000), asked)
