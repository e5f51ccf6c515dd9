"""One DNS question on the wire: asked over UDP and TCP, and what the answer to it says. (RFC 1035, RFC 7766, RFC 2308)"""

import asyncio
import struct
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

MAX_CNAMES = 16  # hops of one alias chain that are followed


@dataclass
class _Datagrams(asyncio.DatagramProtocol):
    queue: asyncio.Queue = field(default_factory=asyncio.Queue)

    def datagram_received(self, data, addr):
        if self.queue.qsize() < 64:
            self.queue.put_nowait(data)

    def error_received(self, exc):
        self.queue.put_nowait(exc)


class BadTry(Exception):
    """One try that failed; the argument is the code."""


async def ask_udp(query, host, port, noted):
    """The response message to `query`, or None if it is truncated. A datagram that does not belong to it is passed over
    and put into `noted`: the right one may still come."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Datagrams, remote_addr=(host, port))
    try:
        transport.sendto(query.to_wire())
        while True:
            data = await protocol.queue.get()
            if isinstance(data, Exception):
                raise data if isinstance(data, OSError) else BadTry("dns_unreachable")
            if len(data) < 12 or struct.unpack("!H", data[:2])[0] != query.id or not data[2] & 0x80:
                noted.append(len(data))
            elif data[2] & 0x02:
                return None
            else:
                message = parse(data, query)
                if message:
                    return message
                noted.append(len(data))
    finally:
        transport.close()


async def ask_tcp(query, host, port):
    """The response message over TCP (RFC 7766); a connection that ends early or is still truncated is a bad response."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        wire = query.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        message = parse(await reader.readexactly(length), query)
    except (asyncio.IncompleteReadError, ConnectionError):
        raise BadTry("dns_bad_response") from None
    finally:
        writer.close()
    if message is None or message.flags & dns.flags.TC:
        raise BadTry("dns_bad_response")
    return message


def parse(data, query):
    """The message in `data` if it answers `query`, else None."""
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    return message if query.is_response(message) else None


def read_answer(message, name, rdtype):
    """(aliases, rrset or None, TTLs of the aliases): what the answer section says of `name`, and of nothing else."""
    kind, at = dns.rdatatype.from_text(rdtype), dns.name.from_text(name)
    by_owner = {(r.name, r.rdtype): r for r in message.answer if r.rdclass == dns.rdataclass.IN}  # dnspython compares names without case
    links, ttls = [], []
    while (at, kind) not in by_owner and (at, dns.rdatatype.CNAME) in by_owner and len(links) <= MAX_CNAMES:
        alias = by_owner[at, dns.rdatatype.CNAME]
        at = alias[0].target
        links.append(at.to_text(omit_final_dot=True).lower())
        ttls.append(alias.ttl)
    return links, by_owner.get((at, kind)), ttls


def has_soa(message):
    """True if the answer proves an absence with its SOA record."""
    return any(r.rdtype == dns.rdatatype.SOA for r in message.authority)


def is_nodata(message, aliased):
    """A proper NODATA (RFC 2308, 2.2): nothing in the answer section but the aliases, and not a referral."""
    if message.answer and not aliased:
        return False
    referral = any(r.rdtype == dns.rdatatype.NS for r in message.authority) and not has_soa(message)
    return not referral


def negative_ttl(message):
    """How long an absence may be kept (RFC 2308, section 5): the smaller of the SOA's TTL and its minimum; 0 without SOA."""
    return min((min(r.ttl, r[0].minimum) for r in message.authority if r.rdtype == dns.rdatatype.SOA), default=0)
