"""What publishing the records of fixes breaks in a zone: the rules for advice, held against it.

Independent of the code under test: pyspf says who may send, the zone of the tests (RFC 4592) what
answers, and texts are read here with plain patterns.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
import spf as pyspf

from collectors.base import CheckResult, DnsRecord
from mock_tenant.records import to_name
from mock_tenant.zone import Zone
from tests.collectors.publishing import published

Names = dict[str, dict[str, list[Any]]]
TYPES = ("A", "AAAA", "MX", "TXT", "CNAME")
NOBODY = "192.0.2.222"  # sends for nobody
POLICIES = ("none", "quarantine", "reject")
ABOUT_POLICY = {
    "dmarc_policy_none",
    "dmarc_testing",
    "dmarc_subdomains_weaker",
    "dmarc_removed_tag",
}


@dataclass(frozen=True)
class Customer:
    """A domain of a generated zone, and what its owner has there that must survive.

    `senders`: addresses of other services that mail may come from; `spf`: the record that names
    them as it was meant. `keys`: {name: key} of other services.
    """

    domain: str
    senders: frozenset[str] = frozenset()
    spf: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


def records_of(results: Iterable[CheckResult]) -> list[DnsRecord]:
    """The records of all fixes, each once, in their order."""
    fixes = [f.fix for r in results for f in r.findings if f.fix]
    return list(dict.fromkeys(record for fix in fixes for record in fix.records))


def answering(names: Names, domain: str, also: Iterable[str] = ()) -> set[tuple[str, str]]:
    """(name, type) of all that a zone answers at and below a domain.

    `also`: names to ask for that a wildcard may answer for.
    """
    zone = Zone({"names": names})
    base = to_name(domain)
    asked = {to_name(n) for n in (domain, *also)}
    asked |= {to_name(n) for n in names if to_name(n).is_subdomain(base)}
    return {
        (name.to_text(True), rdtype)
        for name in asked
        for rdtype in TYPES
        if _has(zone, name, rdtype)
    }


def _has(zone: Zone, name: dns.name.Name, rdtype: str) -> bool:
    kind = dns.rdatatype.from_text(rdtype)
    return any(rrset.rdtype == kind for rrset in zone.lookup(name, rdtype)[1])


def texts(names: Names, name: str) -> list[str]:
    """The TXT records that are answered for a name, as texts."""
    rrsets = Zone({"names": names}).lookup(to_name(name), "TXT")[1]
    return [
        _value(rdata, "TXT")[0].decode("latin-1")
        for rrset in rrsets
        if rrset.rdtype == dns.rdatatype.TXT
        for rdata in rrset
    ]


# -- senders, by pyspf


def passing(names: Names, domain: str, addresses: Iterable[str]) -> set[str]:
    """Those of the addresses that pyspf lets send for a domain."""
    with _asking(Zone({"names": names})):
        return {a for a in addresses if _result(a, domain) == "pass"}


def _result(address: str, domain: str) -> str:
    query = pyspf.query(i=address, s=f"postmaster@{domain}", h=f"mail.{domain}", strict=True)
    return query.check()[0]


@contextmanager
def _asking(zone: Zone) -> Iterator[None]:
    def lookup(name: str, qtype: str, *_args: object, **_options: object) -> list[Any]:
        try:
            qname = dns.name.from_text(name.rstrip(".") + ".")
        except dns.exception.DNSException as error:
            raise pyspf.TempError(str(error)) from None
        rcode, answer = zone.lookup(qname, qtype)
        if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise pyspf.TempError(dns.rcode.to_text(rcode))
        out = []
        for rrset in answer:
            rdtype = dns.rdatatype.to_text(rrset.rdtype)
            owner = name if rrset.name == qname else rrset.name.to_text(True)
            out += [((owner, rdtype), _value(rdata, rdtype)) for rdata in rrset]
        return out

    before, pyspf.DNSLookup = pyspf.DNSLookup, lookup
    try:
        yield
    finally:
        pyspf.DNSLookup = before


def _value(rdata: Any, rdtype: str) -> Any:
    """A record's data as pyspf takes it."""
    wire = rdata.to_wire()
    if rdtype in ("TXT", "SPF"):
        text, at = b"", 0
        while at < len(wire):
            text, at = text + wire[at + 1 : at + 1 + wire[at]], at + 1 + wire[at]
        return (text,)
    if rdtype in ("A", "AAAA"):
        address = ipaddress.ip_address(wire)
        return address.packed if rdtype == "AAAA" else str(address)
    if rdtype == "MX":
        return int.from_bytes(wire[:2], "big"), dns.name.from_wire(wire, 2)[0].to_text(True)
    return dns.name.from_wire(wire, 0)[0].to_text(True)


# -- DMARC and DKIM, by plain patterns


def dmarc_policy(names: Names, domain: str) -> int:
    """How strict the texts at `_dmarc` are meant; of several, the weakest counts."""
    return min((_policy(t) for t in _dmarc_texts(names, domain)), default=0)


def report_addresses(names: Names, domain: str) -> set[str]:
    """Every address that a text at `_dmarc` means aggregate reports to go to."""
    lists = [
        re.findall(r"(?i)\brua\s*[=:](.*?)(?=\b\w+\s*=|ruf|$)", t)
        for t in _dmarc_texts(names, domain)
    ]
    found = [value for values in lists for value in values]
    return {m.lower() for v in found for m in re.findall(r"[\w.+-]+@[\w.-]+\w", v)}


def _dmarc_texts(names: Names, domain: str) -> list[str]:
    return [t for t in texts(names, f"_dmarc.{domain}") if "dmarc1" in t.lower()]


def _misplaced_policy(names: Names, domain: str) -> int:
    """How strict a text at a wrong place is meant."""
    return max((_policy(t) for t in texts(names, f"_dmarc.{domain}.{domain}")), default=0)


def _policy(text: str) -> int:
    found = re.search(r"(?i)\bp\s*[=:]\s*(none|quarantine|reject)", text)
    return POLICIES.index(found[1].lower()) if found else 0


# -- the rules


def harm(
    names: Names, customer: Customer, results: Mapping[str, CheckResult], also: Collection[str] = ()
) -> Iterator[str]:
    """What the records of each check alone, and those of all together, break; a line each."""
    domain = customer.domain
    open_to_all = passing(names, domain, [NOBODY])
    answered = answering(names, domain, also)
    passed = set() if open_to_all else passing(names, domain, customer.senders)
    for check_ids in [*((c,) for c in results), tuple(results)]:
        records = records_of(results[c] for c in check_ids)
        if not records:
            continue
        label = check_ids[0] if len(check_ids) == 1 else "all together"
        try:
            after = published(names, records)  # rule 2
        except AssertionError as error:
            yield f"{label}: {error}"
            continue
        named = {(r.name, r.type) for r in records if r.action != "add"}
        for name, rdtype in sorted(answered - answering(after, domain, also) - named):
            yield f"{label}: takes {rdtype} of {name} away"  # rule 1
        for address in sorted(passed - passing(after, domain, customer.senders)):
            yield f"{label}: {address} passed SPF and does not any more"  # rule 3
        if customer.spf and "dns_spf" in check_ids and records_of([results["dns_spf"]]):
            meant = {**names, domain: {**names[domain], "TXT": [customer.spf]}}
            lost = passing(meant, domain, customer.senders) - passing(
                after, domain, customer.senders
            )
            yield from (f"{label}: {a} was meant to pass SPF and does not" for a in sorted(lost))
        for name, key in customer.keys.items():
            if any(key in t for t in texts(names, name)) and not any(
                key in t for t in texts(after, name)
            ):
                yield f"{label}: another service's key at {name} is gone"  # rule 4
        yield from (f"{label}: {line}" for line in _dmarc_harm(names, after, customer, results))


def _dmarc_harm(
    names: Names, after: Names, customer: Customer, results: Mapping[str, CheckResult]
) -> Iterator[str]:
    """Rule 5."""
    domain = customer.domain
    before = report_addresses(names, domain)
    for address in sorted(before - report_addresses(after, domain)):
        yield f"DMARC reports no longer go to {address}"
    own_mail_passes = results["dns_spf"].status == results["dns_dkim"].status == "ok"
    codes = {f.code for f in results["dns_dmarc"].findings}
    grounds = own_mail_passes and codes & ABOUT_POLICY and before
    meant = max(dmarc_policy(names, domain), _misplaced_policy(names, domain))
    if dmarc_policy(after, domain) > meant and not grounds:
        yield "DMARC's policy becomes stricter without grounds"
