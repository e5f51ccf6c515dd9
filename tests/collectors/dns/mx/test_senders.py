"""Whoever may send by `mx` now may send once the fix of the MX records is published.

https://www.rfc-editor.org/rfc/rfc7208#section-5.4
"""

import pytest

from tests.collectors.dns.advice_judge import passing, records_of
from tests.collectors.lab import codes, look_at_all, target
from tests.collectors.publishing import published

CHECKS = ("dns_mx", "dns_spf")
NAMES = {
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
    "mx1.host.test": {"A": ["127.0.0.1"]},
    "mx.other.test": {"A": ["127.0.0.9"], "AAAA": ["2001:db8:9::9"]},
    "mx2.other.test": {"A": ["127.0.0.10", "127.0.0.11"]},
    "many.other.test": {"A": [f"127.0.1.{i}" for i in range(1, 10)]},
    "_spf.kunde.test": {"TXT": ["v=spf1 mx:kunde.test -all"]},
    "shop.test": {
        "A": ["127.0.0.8"],
        "MX": ["10 mx.other.test"],
        "TXT": ["v=spf1 mx -all", "shop"],
    },
}
SENDERS = {"127.0.0.9", "2001:db8:9::9", "127.0.0.10", "127.0.0.11"}
LISTED = "include:_spf.host.test"


def audit(names, domain="kunde.test"):
    return look_at_all({"names": names}, target(domain, dmarc_rua=""), CHECKS)


def held(names, domain="kunde.test"):
    """The results; each fix alone and all of them together keep who passes SPF now."""
    before, allowed = audit(names, domain), passing(names, domain, SENDERS)
    assert allowed, "nobody to lose"
    for checks in (CHECKS, *((c,) for c in CHECKS)):
        zone = published(names, records_of(before[c] for c in checks))
        assert allowed <= passing(zone, domain, SENDERS), checks
        texts = [t for t in zone[domain].get("TXT", []) if str(t).startswith("v=spf1")]
        assert len(texts) == 1, checks
    zone = published(names, records_of(before.values()))
    assert all(result.status == "ok" for result in audit(zone, domain).values())
    return before


@pytest.mark.parametrize(
    "mx",
    [
        ["10 mx.other.test"],
        ["10 mx.other.test", "20 mx2.other.test"],
        ["5 mx.other.test", "10 mx1.host.test"],
        ["10 mx1.host.test", "20 mx2.other.test"],
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        f"v=spf1 mx {LISTED} -all",
        "v=spf1 mx -all",
        "v=spf1 +MX ~all",
        f"v=spf1 {LISTED} -ip4:127.0.0.0/29 mx -all",
        "v=spf1 a:mx1.host.test mx:kunde.test ~all",
        f"v=spf1 {LISTED} include:_spf.kunde.test -all",
        "v=spf1 redirect=_spf.kunde.test",
        "v=spf1 mx include=mailgun.test -all",
    ],
)
def test_who_sends_by_mx_goes_on_sending(text, mx):
    names = {**NAMES, "kunde.test": {"A": ["192.0.2.80"], "MX": mx, "TXT": [text]}}
    held(names)


def test_with_a_prefix_length_its_neighbours_go_on_sending():
    text = f"v=spf1 mx/24//64 {LISTED} -all"
    names = {**NAMES, "kunde.test": {"MX": ["10 mx.other.test"], "TXT": [text]}}
    (finding,) = audit(names)["dns_mx"].findings
    zone = published(names, finding.fix.records)
    neighbours = {"127.0.0.77", "2001:db8:9::77"}
    assert passing(names, "kunde.test", neighbours) == neighbours
    assert passing(zone, "kunde.test", neighbours) == neighbours


def test_so_it_is_where_the_domain_is_an_alias():
    names = {**NAMES, "kunde.test": {"CNAME": ["shop.test."]}}
    held(names)


def test_so_it_is_where_a_wildcard_answers():
    names = {**NAMES, "*.org.test": NAMES["shop.test"]}
    held(names, "kunde.org.test")


def test_nobody_is_named_who_may_send_anyhow():
    text = f"v=spf1 mx {LISTED} ip4:127.0.0.0/24 -all"
    own = {"MX": ["20 mx2.other.test", "10 mx1.host.test"], "TXT": [text]}
    (finding,) = audit({**NAMES, "kunde.test": own})["dns_mx"].findings
    assert [r.type for r in finding.fix.records] == ["MX"]


def test_what_makes_a_record_too_long_is_said_and_not_published():
    text = " ".join(["v=spf1 mx", LISTED, *(f"ip4:198.51.100.{i}" for i in range(20)), "-all"])
    own = {"MX": ["10 many.other.test"], "TXT": [text]}
    (finding,) = audit({**NAMES, "kunde.test": own})["dns_mx"].findings
    assert codes(audit({**NAMES, "kunde.test": own})["dns_spf"]) == []
    assert [r.type for r in finding.fix.records] == ["MX"]
    assert "first put ip4:127.0.1.1" in str(finding.fix.text)
