"""The zone of the tests' DNS server answers for wildcards as RFC 4592 says.

https://www.rfc-editor.org/rfc/rfc4592
"""

import dns.rcode
import pytest

from mock_tenant.records import to_name
from mock_tenant.zone import Zone

# RFC 4592, 2.2.1, with one more wildcard, at whose level a name stands
NAMES = {
    "example": {"NS": ["ns.example.com."]},
    "*.example": {"TXT": ["this is a wildcard"], "MX": ["10 host1.example."]},
    "sub.*.example": {"TXT": ["this is not a wildcard"]},
    "host1.example": {"A": ["192.0.2.1"]},
    "_ssh._tcp.host1.example": {"SRV": ["0 0 22 host1.example."]},
    "_ssh._tcp.host2.example": {"SRV": ["0 0 22 host2.example."]},
    "*.alias.example": {"CNAME": ["host1.example."]},
}


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "records"),
    [
        # these are synthesised
        ("host3.example", "MX", "NOERROR", 1),
        ("host3.example", "A", "NOERROR", 0),
        ("foo.bar.example", "TXT", "NOERROR", 1),
        ("a.alias.example", "A", "NOERROR", 2),
        # these are not
        ("host1.example", "MX", "NOERROR", 0),  # it exists
        ("sub.*.example", "MX", "NOERROR", 0),  # so does this one
        ("_telnet._tcp.host1.example", "SRV", "NXDOMAIN", 0),  # _tcp.host1.example exists
        ("host2.example", "MX", "NOERROR", 0),  # an empty non-terminal
        ("_tcp.host2.example", "TXT", "NOERROR", 0),
        ("x.host2.example", "TXT", "NXDOMAIN", 0),
        ("ghost.*.example", "MX", "NXDOMAIN", 0),  # *.example exists
        ("alias.example", "TXT", "NOERROR", 0),  # an empty non-terminal above a wildcard
    ],
)
def test_what_a_wildcard_answers_for(name, rdtype, rcode, records):
    found = Zone({"names": NAMES}).lookup(to_name(name), rdtype)
    assert (dns.rcode.to_text(found[0]), len(found[1])) == (rcode, records)
