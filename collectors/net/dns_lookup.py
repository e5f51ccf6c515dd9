"""What becomes of a DNS lookup: an answer or an absence (`Lookup`), or a fault (`DnsFault`)."""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import dns.exception

from collectors.base import Fault
from collectors.net.dns_records import Record
from collectors.stored import LookupEvidence
from collectors.text import CleanJson, Text, _


class DnsFault(Fault, dns.exception.DNSException):
    """A lookup that gave no answer.

    `code`: dns_timeout, dns_servfail, dns_refused, dns_bad_response, dns_unreachable, dns_bad_name,
    dns_limit, or resolver_down where it is not the name's fault. Also a DNSException, so that code
    written for dnspython's resolver meets what it expects.
    """

    def __init__(self, code: str, message: Text, name: str = "", rdtype: str = "") -> None:
        Fault.__init__(self, code, message)
        self.name, self.rdtype = name, rdtype


def dns_fault(code: str, name: str, rdtype: str) -> DnsFault:
    """The fault of this code at the lookup of `name`."""
    return DnsFault(code, fault_message(code, name, rdtype), name, rdtype)


def fault_message(code: str, name: str, rdtype: str) -> Text:
    says: dict[str, Text] = {
        "dns_timeout": _(
            "The name servers did not answer in time when asked for {type} of {name}.",
            type=rdtype,
            name=name,
        ),
        "dns_servfail": _(
            "The name servers failed (SERVFAIL) when asked for {type} of {name}.",
            type=rdtype,
            name=name,
        ),
        "dns_refused": _(
            "The name servers refused to answer for {type} of {name}.", type=rdtype, name=name
        ),
        "dns_bad_response": _(
            "The answer for {type} of {name} was not usable.", type=rdtype, name=name
        ),
        "dns_unreachable": _(
            "The DNS resolver could not be reached when asked for {type} of {name}.",
            type=rdtype,
            name=name,
        ),
        "dns_bad_name": _("{name} is not a name that DNS can be asked for.", name=name),
        "dns_limit": _(
            "The limit of DNS queries for one audit was reached at {type} of {name}.",
            type=rdtype,
            name=name,
        ),
    }
    return says[code]


@dataclass
class Lookup:
    """One answered lookup. `result`: NOERROR (there are records), NODATA or NXDOMAIN.

    `records`: sorted, without duplicates. `chain`: the aliases followed. `ttl`: seconds. Many
    audits share one, so nobody changes it.
    """

    name: str
    rdtype: str
    result: str
    records: tuple[Record, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: int = 0

    @property
    def texts(self) -> list[bytes]:
        """The TXT records, each one's strings joined as bytes without a space."""
        return [r.joined for r in self.records]  # type: ignore[union-attr]  # Texts

    @property
    def addresses(self) -> list[str]:
        """The addresses of A or AAAA records."""
        return [r.address for r in self.records]  # type: ignore[union-attr]  # Address

    @cached_property
    def evidence(self) -> LookupEvidence:
        """What was asked and seen; nothing that differs while the zone stays as it is."""
        seen: LookupEvidence = {
            "name": self.name,
            "type": self.rdtype,
            "result": self.result,
            "records": [record.to_text() for record in self.records],
        }
        if self.chain:
            seen["cname"] = list(self.chain)
        return cast(LookupEvidence, CleanJson(seen))


@dataclass
class QueryLimit:
    """How many queries may still be sent; a parent's limit counts too."""

    left: int
    parent: "QueryLimit | None" = None

    def spend(self) -> bool:
        """Take one; False when there is none left."""
        if self.left <= 0 or (self.parent and not self.parent.spend()):
            return False
        self.left -= 1
        return True
