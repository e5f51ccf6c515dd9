"""One query's answer in wire form: the right one, or spoiled the way a rule's action says."""

import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from mock_tenant.records import IN, to_name
from mock_tenant.zone import RCODES

GARBAGE = bytes((i * 37 + 11) % 256 for i in range(300))
FORGED = "203.0.113.66"
LARGEST = 65535


def build(zone, query, action, extra):
    """The answer to `query` with the action's changes applied.

    `extra` is what a rule answers instead of the zone.
    """
    question = query.question[0]
    qname, qtype = question.name, dns.rdatatype.to_text(question.rdtype)
    if action in RCODES:
        return _response(zone, query, extra, rcode=RCODES[action]).to_wire(max_size=LARGEST)
    reply = _response(zone, query, {"NONE": []} if action == "nodata" else extra)
    if action == "badvers":
        reply.use_edns(0)
        reply.answer = []
        reply.set_rcode(dns.rcode.BADVERS)
    elif action == "wrong_question":
        reply.question = dns.message.make_query("wrong-question.invalid.", qtype).question
    elif action == "wrong_owner":
        for rrset in reply.answer:
            rrset.name = to_name("wrong-owner.invalid")
    elif action == "wrong_type":
        reply.answer = [dns.rrset.from_text(qname, 0, "IN", "HINFO", '"wrong" "type"')]
    elif action == "extra_records":
        reply.answer.append(dns.rrset.from_text("bank.invalid.", 0, "IN", "A", FORGED))
        reply.additional.append(dns.rrset.from_text("bank2.invalid.", 0, "IN", "A", FORGED))
    elif action == "case_flip":
        return _case_flipped(reply, question)
    try:
        wire = bytearray(reply.to_wire(max_size=LARGEST))
    except dns.exception.TooBig:
        reply.answer = []
        reply.flags |= dns.flags.TC
        wire = bytearray(reply.to_wire(max_size=LARGEST))
    if action == "qr0":
        wire[2] &= 0x7F
    elif action in ("ptr_loop", "rdlen_over"):
        wire = _broken_record(wire, question, action)
    return bytes(wire)


def truncated(zone, query, extra, partial=False):
    """The answer with TC set: empty, or with its first record alone."""
    reply = _response(zone, query, extra)
    keep = []
    if partial and reply.answer:
        first = reply.answer[0]
        keep = [dns.rrset.from_rdata(first.name, zone.ttl, first[0])]
    reply.answer, reply.authority = keep, []
    reply.flags |= dns.flags.TC
    return reply.to_wire(max_size=LARGEST)


def forged(query):
    """An answer under another id, as an attacker who guesses would send it."""
    question = query.question[0]
    reply = dns.message.make_response(query, recursion_available=True)
    reply.id = query.id ^ 0x5555
    if question.rdtype == dns.rdatatype.A:
        reply.answer = [dns.rrset.from_text(question.name, 0, "IN", "A", FORGED)]
    elif question.rdtype == dns.rdatatype.TXT:
        reply.answer = [dns.rrset.from_text(question.name, 0, "IN", "TXT", '"forged"')]
    return reply.to_wire()


def not_dns(query, action):
    """What comes instead of a DNS message, for `garbage`, `short` and `empty`."""
    head = query.id.to_bytes(2, "big")
    return {"garbage": head + GARBAGE[2:], "short": head + b"\x81\x80\x00", "empty": b""}[action]


def _response(zone, query, extra, rcode=None):
    question = query.question[0]
    qname = question.name
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags |= dns.flags.AA
    if rcode is None:
        rcode, reply.answer = zone.lookup(qname, dns.rdatatype.to_text(question.rdtype), extra)
    reply.set_rcode(rcode)
    if not reply.answer and rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        apex = dns.name.Name(qname.labels[-3:]) if len(qname) > 2 else dns.name.root
        soa = dns.rdata.from_text(
            IN, dns.rdatatype.SOA, "ns.invalid. host.invalid. 1 3600 600 86400 60"
        )
        reply.authority = [dns.rrset.from_rdata(apex, 0, soa)]
    for section in (reply.answer, reply.authority):
        for rrset in section:
            rrset.ttl = zone.ttl
    return reply


def _case_flipped(reply, question):
    """Written by hand: name compression would hide the other case."""
    pairs = [(rrset.name, rdata) for rrset in reply.answer for rdata in rrset]
    out = bytes(reply.to_wire(max_size=LARGEST) or b"")[:4] + struct.pack(
        "!HHHH", 1, len(pairs), 0, 0
    )
    out += question.name.to_wire() + struct.pack("!HH", question.rdtype, IN)
    for owner, rdata in pairs:
        body = rdata.to_wire()
        flipped = dns.name.Name(tuple(label.swapcase() for label in owner.labels))
        out += flipped.to_wire() or b""
        out += struct.pack("!HHIH", rdata.rdtype, IN, 0, len(body)) + body
    return out


def _broken_record(wire, question, action):
    head = bytes(wire[:4]) + struct.pack("!HHHH", 1, 1, 0, 0)
    asked = question.name.to_wire() + struct.pack("!HH", question.rdtype, IN)
    if action == "ptr_loop":
        at = len(head) + len(asked)
        return head + asked + struct.pack("!HHHIH", 0xC000 | at, question.rdtype, IN, 0, 0)
    return head + asked + struct.pack("!HHHIH", 0xC00C, question.rdtype, IN, 0, 60000) + b"\x01x"
