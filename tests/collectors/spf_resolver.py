"""A resolver out of a dict, with dnspython's interface, for tests of the SPF engine."""

import dns.exception
import dns.name
import dns.rdata
import dns.resolver


class TXT:
    def __init__(self, value):
        self.strings = tuple(part if isinstance(part, bytes) else part.encode() for part in (value if isinstance(value, list) else [value]))


def _rdata(rdtype, value):
    if rdtype in ("TXT", "SPF"):
        return TXT(value)
    if rdtype == "MX":
        value = "{} {}".format(*value)
    return dns.rdata.from_text("IN", rdtype, value)


class Resolver:
    """`zone`: {name: {type: [values] or an exception class}}; a name with None instead of types fails with a time-out."""

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
