"""DNS records as plain values, with those attributes of dnspython's that are of use here.

Names are text in lower case without the final dot; the root is "". What makes none of the types
below (CAA, HTTPS, SOA, …) stays dnspython's rdata.
"""

from socket import AF_INET6, inet_ntoa, inet_ntop
from typing import NamedTuple, TypeAlias

import dns.name
import dns.rdata
import dns.rdatatype

from collectors.text import show_bytes

IN = 1
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, OPT, SPF = 1, 2, 5, 6, 12, 15, 16, 28, 41, 99
_NUMBERS = {"A": A, "NS": NS, "CNAME": CNAME, "MX": MX, "TXT": TXT, "AAAA": AAAA, "SPF": SPF}


class Address(NamedTuple):
    """An A or AAAA record."""

    address: str

    def to_text(self) -> str:
        return self.address


class Texts(NamedTuple):
    """A TXT or SPF record: strings that are one text when joined without a space."""

    strings: tuple[bytes, ...]

    @property
    def joined(self) -> bytes:
        return self.strings[0] if len(self.strings) == 1 else b"".join(self.strings)

    def to_text(self) -> str:
        """The text, every byte outside printable ASCII shown as `\\xff`."""
        return show_bytes(self.joined)


class Exchange(NamedTuple):
    """An MX record."""

    preference: int
    exchange: str

    def to_text(self) -> str:
        return f"{self.preference} {self.exchange}."


class Named(NamedTuple):
    """A record that is a name: CNAME, NS or PTR."""

    target: str

    def to_text(self) -> str:
        return f"{self.target}."


Record: TypeAlias = Address | Texts | Exchange | Named | dns.rdata.Rdata


def address(packed: bytes) -> Address:
    """The address in four or sixteen bytes."""
    return Address(inet_ntoa(packed) if len(packed) == 4 else inet_ntop(AF_INET6, packed))


def name_text(name: dns.name.Name) -> str:
    """A name of dnspython's as it is written here."""
    return name.to_text(omit_final_dot=True).lower() if len(name.labels) > 1 else ""


def name_wire(name: str) -> bytes:
    """A name as it is written here, on the wire (RFC 1035, 3.1)."""
    if "\\" in name:
        return dns.name.from_text(name).to_wire() or b""
    labels = [label.encode("ascii") for label in name.split(".")] if name else []
    return b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"


def type_number(rdtype: str) -> int:
    """The number of a type."""
    return _NUMBERS.get(rdtype) or int(dns.rdatatype.from_text(rdtype))
