"""Reading zone text back, as DNS panels and name servers do, and publishing what it says."""

from ipaddress import ip_address

import dns.name
import dns.rdatatype
import dns.zone

from collectors.base import Action, DnsRecord

ADDRESSES = (dns.rdatatype.A, dns.rdatatype.AAAA)
TAKE_OUT = "; remove: "


def loaded(text, zone):
    """The records that a loader takes, as [(type, name, value)]; OctoDNS and others read zone files
    by this very function.
    """
    read = dns.zone.from_text(text, origin=zone, relativize=False, check_origin=False)
    return [
        (dns.rdatatype.to_text(rdata.rdtype), name.to_text(True).lower(), _value(rdata))
        for name, _ttl, rdata in read.iterate_rdatas()
    ]


def taken_out(text, zone):
    """The records that the comments name, in the same form."""
    lines = [line.removeprefix(TAKE_OUT) for line in text.splitlines() if line.startswith(TAKE_OUT)]
    return [found for line in lines for found in loaded(line, zone)]


def changes(text, zone):
    """The text as the records of a fix: what it takes out, and then what it adds."""
    gone = [DnsRecord(t, n, v, Action.REMOVE, v) for t, n, v in taken_out(text, zone)]
    return gone + [DnsRecord(t, n, v) for t, n, v in loaded(text, zone)]


def _value(rdata):
    if rdata.rdtype == dns.rdatatype.TXT:
        return b"".join(rdata.strings).decode()
    if rdata.rdtype == dns.rdatatype.MX:
        return f"{rdata.preference} {rdata.exchange.to_text(True).lower() or '.'}"
    if rdata.rdtype == dns.rdatatype.CNAME:
        return rdata.target.to_text(True).lower()
    return str(ip_address(rdata.to_text())) if rdata.rdtype in ADDRESSES else rdata.to_text()
