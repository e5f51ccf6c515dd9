"""The usual answer, read the short way, is read as the long way reads it; and what each leaves.

dnspython's parser is the third, who knows neither.
"""

import contextlib
import random
import struct

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from collectors.net.dns_reader import read_any
from collectors.net.dns_records import Address, Exchange, Named, Texts
from collectors.net.dns_wire import NoDnsMessage, Question, TooMuch, read_usual

TYPES = ("A", "AAAA", "MX", "TXT", "SPF", "NS", "CNAME", "CAA")
GENERATED, HOSTILE = 10_000, 200
LABELS = ("a", "mail", "_dmarc", "xn--bcher-kva", "x" * 63, "1", "MiXed", "s1", "-", "__")


class Generator:
    """Answers of every kind, made by dnspython from one seed."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def name(self):
        dice = self.dice
        labels = [dice.choice(LABELS).encode() for _n in range(dice.randint(1, 3))]
        if dice.random() < 0.05:
            labels[0] = bytes(dice.randrange(256) for _n in range(dice.randint(1, 9)))
        return dns.name.Name([*labels, b"kunde", b"test", b""])

    def data(self, rdtype):
        dice = self.dice
        if rdtype == "A":
            return dice.randbytes(4)
        if rdtype == "AAAA":
            packed = bytearray(dice.choice([bytes(16), dice.randbytes(16)]))
            for _n in range(dice.randint(0, 4)):
                packed[dice.randrange(16)] = dice.choice([0, 255, dice.randrange(256)])
            return bytes(packed)
        if rdtype in ("TXT", "SPF"):
            texts = [
                dice.randbytes(dice.choice([0, 1, 40, 255])) for _n in range(dice.randint(1, 3))
            ]
            return b"".join(bytes((len(t),)) + t for t in texts)
        if rdtype == "CAA":
            return b"\0\5issue" + dice.choice([b"a.test", b";"])
        name = dns.name.root if dice.random() < 0.05 else self.name()
        preference = struct.pack("!H", dice.choice([0, 10, 65535])) if rdtype == "MX" else b""
        return preference + name.to_wire()

    def rrset(self, owner, rdtype, count):
        kind = dns.rdatatype.from_text(rdtype)
        datas = [self.data(rdtype) for _n in range(count)]
        if count and self.dice.random() < 0.1:
            datas.append(datas[0])
        ttl = self.dice.choice([0, 60, 300, 86400, 2**31 - 1])
        found = dns.rrset.RRset(owner, dns.rdataclass.IN, kind)
        for data in datas:
            found.add(dns.rdata.from_wire(dns.rdataclass.IN, kind, data, 0, len(data)), ttl)
        return found

    def exchange(self):
        """(question, the answer's wire form)."""
        dice, owner, rdtype = self.dice, self.name(), self.dice.choice(TYPES)
        asked = owner.to_text(omit_final_dot=True).lower()
        question = Question(asked, dns.rdatatype.from_text(rdtype))
        reply = dns.message.make_response(dns.message.from_wire(question.to_wire()))
        reply.use_edns(dice.choice([False, 0, 0, 0]), payload=1232)
        end = dns.name.from_text(asked)
        for _n in range(dice.choice([0] * 8 + [1, 2])):
            alias = self.name()
            reply.answer.append(dns.rrset.from_rdata(
                end, dice.choice([5, 600]), dns.rdata.from_text("IN", "CNAME", alias.to_text())
            ))  # fmt: skip
            end = alias
        if dice.random() < 0.7:
            reply.answer.append(self.rrset(end, rdtype, dice.choice([1, 1, 1, 2, 3, 12, 60])))
        else:
            reply.set_rcode(dice.choice([0, 0, 3, 2, 5]))
        if dice.random() < 0.6 and not (reply.answer and dice.random() < 0.9):
            soa = f"ns.kunde.test. root.kunde.test. 1 2 3 4 {dice.choice([0, 60, 2**31])}"
            reply.authority.append(dns.rrset.from_text("kunde.test.", 300, "IN", "SOA", soa))
        if dice.random() < 0.1:
            reply.authority.append(self.rrset(dns.name.from_text("kunde.test"), "NS", 2))
        if dice.random() < 0.1:
            reply.additional.append(self.rrset(self.name(), "A", 1))
        if dice.random() < 0.03:
            reply.flags |= dice.choice([dns.flags.TC, dns.flags.AD, dns.flags.CD, dns.flags.AA])
        return question, reply.to_wire(max_size=65535)

    def damaged(self, wire):
        """A wire form that somebody has changed, cut or made longer."""
        dice, changed = self.dice, bytearray(wire)
        for _n in range(dice.randint(1, 3)):
            changed[dice.randrange(2, len(changed))] = dice.choice(
                [0, 0xC0, 0xFF, dice.randrange(256)]
            )
        end = dice.choice([len(wire), len(wire), dice.randrange(12, len(wire))])
        return bytes(changed[:end]) + dice.choice([b"", b"", b"\0", b"\xc0\x0c"])


def long_way(wire, question):
    try:
        return read_any(wire, question)
    except (NoDnsMessage, TooMuch):
        return None


def test_both_ways_say_the_same_of_generated_answers():
    generator, usual = Generator(1035), 0
    for _number in range(GENERATED):
        question, wire = generator.exchange()
        short, whole = read_usual(wire, question), long_way(wire, question)
        assert whole is not None, wire.hex()
        if short is not None:
            usual += 1
            assert short == whole, wire.hex()
    assert usual > GENERATED / 4  # or the short way would have said nothing


def test_both_ways_say_the_same_of_hostile_answers():
    """Case 37."""
    generator, usual = Generator(2308), 0
    for _number in range(HOSTILE):
        question, wire = generator.exchange()
        for _turn in range(10):
            changed = generator.damaged(wire)
            short = read_usual(changed, question)
            if short is not None:
                usual += 1
                assert short == long_way(changed, question), changed.hex()
    assert usual > 20  # some changes are in the data


def test_one_ttl_of_several_that_is_none_is_left_to_the_long_way():
    """RFC 2181, section 8: it counts as 0, and so does the least of them."""
    question = Question("kunde.test", dns.rdatatype.A)
    answer = dns.message.make_response(dns.message.from_wire(question.to_wire()))
    answer.answer.append(
        dns.rrset.from_text("kunde.test.", 60, "IN", "A", "192.0.2.1", "192.0.2.2")
    )
    wire = answer.to_wire()
    assert read_usual(wire, question).ttl == long_way(wire, question).ttl == 60
    at = wire.rindex(struct.pack("!I", 60))
    odd = wire[:at] + struct.pack("!I", 2**31 + 60) + wire[at + 4 :]
    assert read_usual(odd, question) is None and long_way(odd, question).ttl == 0


def test_what_is_read_is_what_the_general_parser_reads():
    generator = Generator(6891)
    for _number in range(1000):
        question, wire = generator.exchange()
        found = read_usual(wire, question)
        if found is None:
            continue
        message = dns.message.from_wire(wire)
        expected = {data.to_digestable() for rrset in message.answer for data in rrset}
        assert {_digest(record, question.rdtype) for record in found.records} == expected
        assert found.rcode == message.rcode()


def _digest(record, rdtype):
    """The data of one of our records in the canonical form of dnspython."""
    if isinstance(record, Texts):
        return b"".join(bytes((len(t),)) + t for t in record.strings)
    if isinstance(record, Exchange):
        name = dns.name.from_text(record.exchange + ".")
        return struct.pack("!H", record.preference) + name.to_digestable()
    if isinstance(record, Named):
        return dns.name.from_text(record.target + ".").to_digestable()
    assert isinstance(record, Address)
    return dns.rdata.from_text("IN", dns.rdatatype.to_text(rdtype), record.address).to_digestable()


def test_records_come_in_one_order_whatever_the_server_does():
    """A server that turns the order around changes nothing that is stored."""
    question = Question("kunde.test", dns.rdatatype.A)
    orders = []
    for last in ([1, 2, 3], [3, 1, 2], [2, 3, 1]):
        reply = dns.message.make_response(dns.message.from_wire(question.to_wire()))
        lines = [f"192.0.2.{n}" for n in last]
        reply.answer.append(dns.rrset.from_text("kunde.test.", 60, "IN", "A", *lines))
        orders += [read_usual(reply.to_wire(), question), read_any(reply.to_wire(), question)]
    assert [o.records for o in orders] == [orders[0].records] * 6


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("", b"\0"),
        ("kunde.test", b"\5kunde\4test\0"),
        (r"a\.b.test", b"\3a.b\4test\0"),
        (r"a\000.test", b"\2a\0\4test\0"),
    ],
)
def test_a_name_is_asked_for_as_it_is(name, wire):
    assert Question(name, 1).asked == wire + b"\0\1\0\1"


def test_a_query_asks_for_recursion_and_says_what_one_packet_may_carry():
    query = dns.message.from_wire(Question("kunde.test", dns.rdatatype.MX).to_wire())
    assert (query.flags, query.payload, query.edns) == (dns.flags.RD, 1232, 0)
    assert query.question[0].to_text() == "kunde.test. IN MX"
    plain = dns.message.from_wire(Question("kunde.test", dns.rdatatype.MX, edns=False).to_wire())
    assert plain.edns == -1


def test_ids_are_not_to_be_guessed():
    ids = [Question("kunde.test", 1).id for _n in range(300)]
    assert len(set(ids)) > 290 and max(ids) > 60_000 and min(ids) < 6_000


def test_what_ends_too_early_is_no_usual_answer():
    question = Question("kunde.test", dns.rdatatype.A)
    reply = dns.message.make_response(dns.message.from_wire(question.to_wire()))
    reply.answer.append(dns.rrset.from_text("kunde.test.", 60, "IN", "A", "192.0.2.1"))
    wire = reply.to_wire()
    assert read_usual(wire, question).records == (Address("192.0.2.1"),)
    for size in range(len(wire)):
        assert read_usual(wire[:size], question) is None
        with contextlib.suppress(NoDnsMessage):
            read_any(wire[:size], question)
