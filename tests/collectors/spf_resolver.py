"""A resolver out of a dict, with dnspython's interface, for tests of the SPF engine."""

import asyncio

import dns.exception
import dns.name
import dns.rdata
import dns.resolver

from collectors.standards.spf.evaluation import check_host


class TXT:
    def __init__(self, value):
        self.strings = tuple(
            part if isinstance(part, bytes) else part.encode()
            for part in (value if isinstance(value, list) else [value])
        )


def _rdata(rdtype, value):
    if rdtype in ("TXT", "SPF"):
        return TXT(value)
    if rdtype == "MX":
        value = "{} {}".format(*value)
    return dns.rdata.from_text("IN", rdtype, value)


class Resolver:
    """`zone`: {name: {type: [values] or an exception class}}; a name with None times out."""

    def __init__(self, zone):
        self.zone = {name.lower(): types for name, types in zone.items()}
        self.queries = []

    async def resolve(self, qname, rdtype):
        name = str(qname).rstrip(".").lower()
        self.queries.append((name, rdtype))
        if name not in self.zone:
            raise dns.resolver.NXDOMAIN
        types = self.zone[name]
        if types is None:
            raise dns.resolver.LifetimeTimeout(timeout=1, errors=[])
        values = types.get(rdtype)
        if values is None:
            raise dns.resolver.NoAnswer
        if isinstance(values, type):
            raise values
        return [_rdata(rdtype, v) for v in values]


def txt(*records):
    return {"TXT": list(records)}


LABEL63 = "a" * 63
HOSTS = {
    "a.test": {"A": ["192.0.2.1", "192.0.2.10"], "AAAA": ["2001:db8::10"]},
    "v4.test": {"A": ["192.0.2.10"]},
    "v6.test": {"AAAA": ["2001:db8::10"]},
    "far.test": {"A": ["198.51.100.1"], "AAAA": ["2001:db8:ffff::1"]},
    "slow.test": None,
    "servfail.test": {
        "A": dns.resolver.NoNameservers,
        "TXT": dns.resolver.NoNameservers,
        "MX": dns.resolver.NoNameservers,
    },
}


def check(
    zone,
    *,
    ip="192.0.2.10",
    domain="d.test",
    sender="user@d.test",
    helo="mail.d.test",
    receiver="unknown",
):
    """check_host() over a zone: a dict, or one record for d.test."""
    zone = zone if isinstance(zone, dict) else {"d.test": txt(zone)}
    resolver = Resolver({**HOSTS, **zone})
    result = asyncio.run(
        check_host(
            ip=ip, domain=domain, sender=sender, helo=helo, resolver=resolver, receiver=receiver
        )
    )
    result.records["queries"] = resolver.queries  # for those who count
    assert len(resolver.queries) == result.queries <= 40
    return result


def result_of(zone, **given):
    return check(zone, **given).result
