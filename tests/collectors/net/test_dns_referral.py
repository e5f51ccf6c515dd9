"""Reading a referral: whose servers it names, their glue, and what it may cost."""

import contextlib
import struct
import time

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.net.dns_records import NS
from collectors.net.dns_referral import Referral, read_referral
from collectors.net.dns_wire import NoDnsMessage, Question, TooMuch

QUESTION = Question("kunde.test", NS, recursive=False)


def message(*, answer=(), authority=(), additional=(), flags=0):
    query = dns.message.from_wire(QUESTION.to_wire())
    made = dns.message.make_response(query)
    made.flags |= flags
    made.answer, made.authority, made.additional = list(answer), list(authority), list(additional)
    return made.to_wire(max_size=65535)


def rrset(name, rdtype, *values):
    return dns.rrset.from_text(name, 60, "IN", rdtype, *values)


def test_a_referral_names_the_servers_and_brings_their_glue():
    wire = message(
        authority=[rrset("Kunde.test.", "NS", "NS1.kunde.test.", "ns.other.test.")],
        additional=[
            rrset("ns1.kunde.test.", "A", "192.0.2.1"),
            rrset("ns1.kunde.test.", "AAAA", "2001:db8::1"),
            rrset("bank.invalid.", "A", "192.0.2.66"),
        ],
    )
    found = read_referral(wire, QUESTION)
    assert (found.zone, set(found.servers)) == ("kunde.test", {"ns1.kunde.test", "ns.other.test"})
    assert set(found.glue) == {("ns1.kunde.test", "192.0.2.1"), ("ns1.kunde.test", "2001:db8::1")}


def test_whoever_has_both_zones_answers_with_the_records():
    wire = message(answer=[rrset("kunde.test.", "NS", "ns1.kunde.test.")], flags=dns.flags.AA)
    assert read_referral(wire, QUESTION).servers == ("ns1.kunde.test",)


@pytest.mark.parametrize("owner", ["bank.test.", "x.kunde.test.", "unde.test.", "."])
def test_servers_of_other_zones_and_of_the_root_are_passed_over(owner):
    wire = message(authority=[rrset(owner, "NS", "ns.evil.test.")])
    assert read_referral(wire, QUESTION) == Referral()


def test_what_is_cut_is_had_over_tcp():
    assert read_referral(message(flags=dns.flags.TC), QUESTION).truncated


def test_an_answer_to_another_question_is_none():
    wire = message(authority=[rrset("kunde.test.", "NS", "ns1.kunde.test.")])
    for other in (Question("kunde.test", NS, id=QUESTION.id ^ 1), Question("bank.test", NS)):
        with pytest.raises(NoDnsMessage):
            read_referral(wire, other)


def test_64_kb_of_compressed_names_cost_little():
    label = b"\x3f" + b"a" * 63
    head = bytearray(message())
    one = b"\xc0\x0c" + struct.pack("!HHIH", NS, 1, 60, 66) + label + b"\xc0\x0c"
    number = (65_000 - len(head)) // len(one)
    head[8:10] = struct.pack("!H", number)
    began = time.process_time()
    assert len(read_referral(bytes(head) + one * number, QUESTION).servers) == 1
    head[8:10] = struct.pack("!H", 5000)
    small = b"\xc0\x0c" + struct.pack("!HHIH", NS, 1, 60, 2) + b"\xc0\x0c"
    with pytest.raises(TooMuch):
        read_referral(bytes(head) + small * 4600, QUESTION)
    assert time.process_time() - began < 1


@given(st.binary(max_size=600), st.integers(0, 3))
def test_no_bytes_do_anything_else_than_being_no_message(data, counts):
    head = struct.pack("!6H", QUESTION.id, 0x8000, 1, counts, counts, counts)
    for wire in (data, head + QUESTION.asked + data):
        with contextlib.suppress(NoDnsMessage, TooMuch):
            read_referral(wire, QUESTION)
