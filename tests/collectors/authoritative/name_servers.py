"""A small internet on loopback: our resolver, and name servers each at an address of its own, all
on one port; every question that arrives anywhere is counted."""

import asyncio
import contextlib
import struct
from ipaddress import ip_network

import dns.flags
import dns.message
import dns.rdatatype

from collectors.net.session import NetConfig
from mock_tenant.dnsserver import DnsServer
from scripts.ports import Reserved

RESOLVER = "127.0.0.1"


class RawServer(DnsServer):
    """A name server that says what `answer(query, proto)` makes: a message, bytes or None."""

    def __init__(self, answer, host, port):
        super().__init__({}, host=host, port=port)
        self.answer = answer

    def _made(self, query, proto):
        made = self.answer(query, proto)
        return made.to_wire(max_size=65535) if isinstance(made, dns.message.Message) else made

    async def _udp(self, transport, wire, addr):
        parsed = self._parse(wire, "udp")
        if parsed and (made := self._made(parsed[0], "udp")):
            transport.sendto(made, addr)

    async def _tcp_answer(self, writer, query, qname, qtype):
        if made := self._made(query, "tcp"):
            writer.write(struct.pack("!H", len(made)) + made)
            await writer.drain()
        return True


class Internet:
    """`resolver`: the zone of our resolver; `servers`: {address: zone, or what RawServer takes}."""

    def __init__(self, resolver, servers):
        self.asked, self.resolver_zone = servers, resolver

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        port = self._stack.enter_context(Reserved(RESOLVER, *self.asked)).port
        self.resolver = self._stack.enter_context(
            DnsServer(self.resolver_zone, host=RESOLVER, port=port)
        )
        self.servers = {
            host: self._stack.enter_context(
                RawServer(zone, host, port)
                if callable(zone)
                else DnsServer(zone, host=host, port=port)
            )
            for host, zone in self.asked.items()
        }
        self.port = port
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def config(self, *allowed):
        """What reaches this internet; `allowed`: the networks that may be asked, loopback unless
        given."""
        return NetConfig(
            dns_servers=((RESOLVER, self.port),),
            allowed_networks=tuple(ip_network(a) for a in allowed or ("127.0.0.0/8",)),
            authoritative_port=self.port,
        )

    @property
    def count(self):
        """All questions that arrived anywhere."""
        return sum(len(s.queries) for s in (self.resolver, *self.servers.values()))

    def look(self, domain, questions, *allowed, **bounds):
        """The answers of one look."""
        from collectors.authoritative import ask

        return asyncio.run(ask(domain, questions, config=self.config(*allowed), **bounds))


def delegated(domain, **servers):
    """The names of a resolver's zone for a domain with these name servers: {label: address}."""
    names = {domain: {"NS": [f"{label}.{domain}" for label in servers]}}
    for label, address in servers.items():
        if address:
            names[f"{label}.{domain}"] = {"AAAA" if ":" in address else "A": [address]}
    return {"names": names}


def reply(query, *rrsets, aa=True, rcode=0, authority=(), additional=()):
    """A message that answers a query with these rrsets."""
    made = dns.message.make_response(query)
    made.flags |= dns.flags.AA if aa else 0
    made.set_rcode(rcode)
    made.answer, made.authority = list(rrsets), list(authority)
    made.additional = list(additional)
    return made
