"""The lookups of one check_host(): asked once, counted, bounded (RFC 7208, section 4.6.4)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Protocol

import dns.exception
import dns.name

from collectors.standards.spf import macros
from collectors.standards.spf.record import SpfSyntaxError
from collectors.standards.spf.trace import TermTrace

MAX_LOOKUPS = 10  # terms that cause lookups
MAX_VOID_LOOKUPS = 2
MAX_PTR = 10
MAX_QUERIES = 40  # calls of the resolver in one check_host

Rdatas = list[Any]  # dnspython's rdata objects: each type has attributes of its own


# dnspython's by name: loading its resolver takes longer than many an evaluation
ABSENCES = {"NXDOMAIN", "NoAnswer"}


class Resolver(Protocol):
    """Anything with dnspython's `resolve` and its exceptions; also [] where there is nothing."""

    async def resolve(self, qname: str, rdtype: str) -> Iterable[Any]: ...


@dataclass(eq=False)
class EvaluationError(Exception):
    """The evaluation ends in permerror or temperror: why (SpfResult.reason), and where."""

    result: str
    reason: str
    subject: str = ""  # the name or the number it is about
    fault: Exception | None = None
    syntax: SpfSyntaxError | None = None
    term: TermTrace | None = None
    domain: str = ""


@dataclass
class Lookups:
    """What one check_host() asks for mail from `ip`, and how much it has asked."""

    resolver: Resolver
    ip: IPv4Address | IPv6Address
    max_queries: int = MAX_QUERIES
    terms: int = 0  # that cause lookups
    voids: int = 0
    queries: int = 0
    answers: dict[tuple[str, str], Rdatas | Exception] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)  # also what was answered before
    private: int = 0  # times that more than DNS and the address decided

    @property
    def host_type(self) -> str:
        """A or AAAA, by the address (section 5)."""
        return "A" if self.ip.version == 4 else "AAAA"

    def count_term(self, term: TermTrace) -> None:
        """Count a term that causes lookups."""
        self.terms += 1
        term.lookups += 1
        if self.terms > MAX_LOOKUPS:
            raise EvaluationError("permerror", "too_many_lookups", str(self.terms))

    def count_void(self, answer: list[Any], term: TermTrace) -> None:
        """Count an answer that is empty."""
        if not answer:
            self.voids += 1
            term.void_lookups += 1
            if self.voids > MAX_VOID_LOOKUPS:
                raise EvaluationError("permerror", "too_many_void_lookups", str(self.voids))

    async def query(self, name: str, rdtype: str) -> Rdatas:
        """The rdata of a lookup, [] for NXDOMAIN and NODATA.

        Raises EvaluationError for a fault, and beyond `max_queries`.
        """
        if not macros.is_name(name):
            return []
        key = (name, rdtype)
        self.used.append(key)
        if key not in self.answers:
            if self.queries >= self.max_queries:
                raise EvaluationError("permerror", "too_many_queries", str(self.max_queries))
            self.queries += 1
            try:
                # In a name's text form a backslash escapes; here it is a character of a label.
                found = await self.resolver.resolve(name.replace("\\", "\\\\"), rdtype)
                self.answers[key] = list(found)
            except (dns.exception.DNSException, OSError) as fault:
                self.answers[key] = [] if type(fault).__name__ in ABSENCES else fault
        answer = self.answers[key]
        if isinstance(answer, Exception):
            raise EvaluationError("temperror", fault_code(answer), f"{rdtype} {name}", fault=answer)
        return answer

    async def pointers(self) -> list[str] | None:
        """The first ten names of the address.

        None where the lookup failed, which is a mismatch (section 5.5).
        """
        try:
            answer = await self.query(self.ip.reverse_pointer, "PTR")
        except EvaluationError as error:
            if error.result == "permerror":
                raise
            return None
        return [host_name(r.target) for r in answer][:MAX_PTR]

    async def confirmed(self, name: str) -> bool:
        """True if this name of the address leads back to it."""
        try:
            found = await self.query(name, self.host_type)
        except EvaluationError as error:
            if error.result == "permerror":
                raise
            return False
        return any(ip_address(r.address) == self.ip for r in found)

    async def validated_name(self, domain: str) -> str:
        """The `p` macro (section 7.3): a confirmed name of the address, best one in `domain`."""
        names = await self.pointers() or []
        for name in sorted(names, key=lambda n: (n != domain, not n.endswith("." + domain))):
            if await self.confirmed(name):
                return name
        return "unknown"


def fault_code(fault: Exception) -> str:
    """The stable code of a failed lookup: its own, or the one for dnspython's class."""
    code = getattr(fault, "code", None)
    if isinstance(code, str):
        return code
    if isinstance(fault, (dns.exception.Timeout, TimeoutError)):
        return "dns_timeout"
    if type(fault).__name__ == "NoNameservers":
        return "dns_servfail"
    return "dns_unreachable" if isinstance(fault, OSError) else "dns_bad_response"


def joined(rdata: Any) -> bytes:
    """A TXT record's strings, joined without a space (section 3.3)."""
    return b"".join(getattr(rdata, "strings", ()))


def host_name(name: dns.name.Name | str) -> str:
    """A name from DNS as its labels in text; an odd byte inside a label makes it no name at all.

    `name`: dnspython's, or text in lower case without the final dot.
    """
    if isinstance(name, str):
        if "\\" not in name:
            return name
        name = dns.name.from_text(name)
    labels = [label.decode("latin-1") for label in name.labels if label]
    return "" if any("." in label for label in labels) else ".".join(labels).lower()
