"""The lookups of one check_host(): asked once, counted, bounded; and how an evaluation is stopped. (RFC 7208, section 4.6.4)"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.exception
import dns.resolver

from . import spf_macros as macros
from .spf_record import SpfSyntaxError
from .spf_trace import Step

MAX_LOOKUPS = 10  # terms that cause lookups
MAX_VOID_LOOKUPS = 2
MAX_PTR = 10
MAX_QUERIES = 40  # calls of the resolver in one check_host


@dataclass(eq=False)
class Stop(Exception):
    """The whole evaluation ends here: permerror or temperror, why (SpfResult.reason), and where."""

    result: str
    reason: str
    subject: str = ""  # the name or the number it is about
    fault: Exception | None = None
    syntax: SpfSyntaxError | None = None
    step: Step | None = None
    domain: str = ""


@dataclass
class Lookups:
    """What one check_host() asks for mail from `ip`, and how much it has asked."""

    resolver: object
    ip: IPv4Address | IPv6Address
    max_queries: int = MAX_QUERIES
    terms: int = 0  # that cause lookups
    voids: int = 0
    queries: int = 0
    answers: dict = field(default_factory=dict)  # (name, type) -> rdata list, or the exception

    @property
    def host_type(self):
        """A or AAAA, by the address (section 5)."""
        return "A" if self.ip.version == 4 else "AAAA"

    def count(self, step):
        """Count a term that causes lookups."""
        self.terms += 1
        step.lookups += 1
        if self.terms > MAX_LOOKUPS:
            raise Stop("permerror", "too_many_lookups", str(self.terms))

    async def counted(self, name, rdtype, step):
        return self.void(await self.query(name, rdtype), step)

    def void(self, answer, step):
        """`answer` itself; counted where it is empty."""
        if not answer:
            self.voids += 1
            step.void_lookups += 1
            if self.voids > MAX_VOID_LOOKUPS:
                raise Stop("permerror", "too_many_void_lookups", str(self.voids))
        return answer

    async def query(self, name, rdtype):
        """The rdata of a lookup, [] for NXDOMAIN and NODATA. Raises Stop for a fault, and beyond MAX_QUERIES."""
        if not macros.is_name(name):
            return []
        key = (name, rdtype)
        if key not in self.answers:
            if self.queries >= self.max_queries:
                raise Stop("permerror", "too_many_queries", str(self.max_queries))
            self.queries += 1
            self.answers[key] = await self._ask(name, rdtype)
        if isinstance(self.answers[key], Exception):
            fault = self.answers[key]
            raise Stop("temperror", fault_code(fault), f"{rdtype} {name}", fault=fault)
        return self.answers[key]

    async def pointers(self):
        """The first ten names of the address; None where the lookup failed, which is a mismatch (section 5.5)."""
        try:
            answer = await self.query(self.ip.reverse_pointer, "PTR")
        except Stop as stop:
            if stop.result == "permerror":
                raise
            return None
        return [host_name(r.target) for r in answer][:MAX_PTR]

    async def confirmed(self, name):
        try:
            return any(ip_address(r.address) == self.ip for r in await self.query(name, self.host_type))
        except Stop as stop:
            if stop.result == "permerror":
                raise
            return False

    async def validated_name(self, domain):
        """The `p` macro (section 7.3): a confirmed name of the address, best the domain itself or one below it."""
        names = await self.pointers() or []
        for name in sorted(names, key=lambda n: (n != domain, not n.endswith("." + domain))):
            if await self.confirmed(name):
                return name
        return "unknown"

    async def _ask(self, name, rdtype):
        try:
            # In a name's text form a backslash escapes; here it is a character of a label.
            return list(await self.resolver.resolve(name.replace("\\", "\\\\"), rdtype))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as fault:
            return fault


def fault_code(fault):
    """The stable code of a failed lookup: the exception's own, or the one for dnspython's class."""
    code = getattr(fault, "code", None)
    if isinstance(code, str):
        return code
    if isinstance(fault, (dns.exception.Timeout, TimeoutError)):
        return "dns_timeout"
    if isinstance(fault, dns.resolver.NoNameservers):
        return "dns_servfail"
    return "dns_unreachable" if isinstance(fault, OSError) else "dns_bad_response"


def joined(rdata):
    """A TXT record's strings, joined without a space (section 3.3)."""
    return b"".join(getattr(rdata, "strings", ()))


def host_name(name):
    """A name from DNS as its labels in text; a dot or another odd byte inside a label makes it no name at all."""
    labels = [label.decode("latin-1") for label in name.labels if label]
    return "" if any("." in label for label in labels) else ".".join(labels).lower()
