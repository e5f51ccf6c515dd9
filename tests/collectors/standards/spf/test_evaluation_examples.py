"""check_host(): the worked examples of RFC 7208, appendix A. https://www.rfc-editor.org/rfc/rfc7208#appendix-A"""

import pytest

from tests.collectors.spf_resolver import check, txt

ADDRESSES = {
    "example.com": ["192.0.2.10", "192.0.2.11"],
    "amy.example.com": ["192.0.2.65"],
    "bob.example.com": ["192.0.2.66"],
    "mail-a.example.com": ["192.0.2.129"],
    "mail-b.example.com": ["192.0.2.130"],
    "mail-c.example.org": ["192.0.2.140"],
}
ZONE = {name: {"A": addresses} for name, addresses in ADDRESSES.items()}
ZONE |= {
    ".".join(reversed(address.split("."))) + ".in-addr.arpa": {"PTR": [name + "."]}
    for name, addresses in ADDRESSES.items()
    for address in addresses
}
ZONE["4.0.0.10.in-addr.arpa"] = {"PTR": ["bob.example.com."]}  # a liar
ZONE["example.com"]["MX"] = [(10, "mail-a.example.com."), (20, "mail-b.example.com.")]
ZONE["example.org"] = {"MX": [(10, "mail-c.example.org.")]}
EVERYONE = [
    *(a for addresses in ADDRESSES.values() for a in addresses),
    "192.0.2.131",
    "192.0.2.143",
    "10.0.0.4",
]

SIMPLE = """
v=spf1 +all|192.0.2.10 192.0.2.11 192.0.2.65 192.0.2.66 192.0.2.129 \
192.0.2.130 192.0.2.140 192.0.2.131 192.0.2.143 10.0.0.4
v=spf1 a -all|192.0.2.10 192.0.2.11
v=spf1 a:example.org -all|
v=spf1 mx -all|192.0.2.129 192.0.2.130
v=spf1 mx:example.org -all|192.0.2.140
v=spf1 mx mx:example.org -all|192.0.2.129 192.0.2.130 192.0.2.140
v=spf1 mx/30 mx:example.org/30 -all|192.0.2.129 192.0.2.130 192.0.2.131 192.0.2.140 192.0.2.143
v=spf1 ptr -all|192.0.2.10 192.0.2.11 192.0.2.65 192.0.2.66 192.0.2.129 192.0.2.130
v=spf1 ip4:192.0.2.128/28 -all|192.0.2.129 192.0.2.130 192.0.2.131 192.0.2.140 192.0.2.143
"""


def passes(record, ip, *, more=None, domain="example.com", sender=None):
    zone = {**ZONE, domain: {**ZONE.get(domain, {}), **txt(record)}, **(more or {})}
    return check(zone, ip=ip, domain=domain, sender=sender or f"user@{domain}").result == "pass"


@pytest.mark.parametrize("line", SIMPLE.strip().splitlines())
def test_a1_simple_examples(line):
    """Case 63."""
    record, allowed = line.split("|")
    assert [ip for ip in EVERYONE if passes(record, ip)] == sorted(
        allowed.split(), key=EVERYONE.index
    )


def test_a2_several_domains():
    """Case 63."""
    com = {
        "example.com": {**ZONE["example.com"], **txt("v=spf1 mx -all")},
        "example.net": txt("v=spf1 ip4:192.0.2.66 -all"),
    }
    record = "v=spf1 include:example.com include:example.net -all"
    assert [ip for ip in EVERYONE if passes(record, ip, more=com, domain="example.org")] == [
        "192.0.2.66",
        "192.0.2.129",
        "192.0.2.130",
    ]
    assert [
        ip
        for ip in EVERYONE
        if passes("v=spf1 redirect=example.com", ip, more=com, domain="la.example.org")
    ] == ["192.0.2.129", "192.0.2.130"]


def test_a3_a_list_in_dns():
    """Case 63."""
    more = {
        "mobile-users._spf.example.com": txt("v=spf1 exists:%{l1r+}.%{d}"),
        "remote-users._spf.example.com": txt("v=spf1 exists:%{ir}.%{l1r+}.%{d}"),
        "mary.mobile-users._spf.example.com": {"A": ["127.0.0.2"]},
        "15.15.168.192.joel.remote-users._spf.example.com": {"A": ["127.0.0.2"]},
    }
    record = "v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all"
    for sender, ip, expected in [
        ("mary", "198.51.100.1", True),
        ("mary+news", "198.51.100.1", True),
        ("joel", "192.168.15.15", True),
        ("joel", "192.168.15.16", False),
        ("fred", "198.51.100.1", False),
        ("fred", "192.0.2.129", True),
    ]:
        assert passes(record, ip, more=more, sender=f"{sender}@example.com") is expected, (
            sender,
            ip,
        )


def test_a4_several_requirements():
    """Case 63."""
    more = {
        "ip4._spf.example.com": txt("v=spf1 -ip4:192.0.2.0/24 +all"),
        "ptr._spf.example.com": txt("v=spf1 -ptr +all"),
    }
    record = "v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all"
    more |= {
        "65.2.0.192.in-addr.arpa": {"PTR": ["amy._spf.example.com."]},
        "amy._spf.example.com": {"A": ["192.0.2.65"]},
    }
    assert not passes(record, "198.51.100.1", more=more)
    assert not passes(record, "192.0.2.140", more=more)
    more["65.2.0.192.in-addr.arpa"] = {"PTR": ["amy.ptr._spf.example.com."]}
    more["amy.ptr._spf.example.com"] = {"A": ["192.0.2.65"]}
    assert passes(record, "192.0.2.65", more=more)
