"""Fixes of several checks for one name go together: published at once, they leave one of each."""

from collectors.base import Severity
from tests.collectors.lab import look_at_all, target
from tests.collectors.publishing import published
from tests.collectors.spf_check import HOST

NAMES = {
    **HOST,
    "mx1.host.test": {"A": ["127.0.0.1"]},
    "shop.test": {
        "MX": ["10 mx.shop.test"],
        "TXT": ["v=spf1 ip4:198.51.100.9 -all", "shop"],
        "A": ["127.0.0.8"],
    },
    "mx.shop.test": {"A": ["127.0.0.2"]},
    "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
}
CHECKS = {"dns_mx", "dns_spf", "dns_dmarc"}


def cured(names, domain="kunde.test"):
    """(codes that count once all fixes are published at once, what stands at the domain)."""
    names = {**NAMES, **names}
    first = look_at_all({"names": names}, target(domain), only=CHECKS)
    fixes = [f.fix for r in first.values() for f in r.findings if f.fix]
    records = dict.fromkeys(r for fix in fixes for r in fix.records)
    zone = published(names, records)
    again = look_at_all({"names": zone}, target(domain), only=CHECKS)
    found = [f.code for r in again.values() for f in r.findings if f.severity != Severity.INFO]
    return found, zone[domain]


def test_an_alias_at_the_apex_is_replaced_by_one_set_of_each():
    found, apex = cured({"kunde.test": {"CNAME": ["shop.test."]}})
    assert set(found) <= {"dmarc_policy_none"}
    assert apex["MX"] == ["10 mx1.host.test"]
    assert len([t for t in apex["TXT"] if t.startswith("v=spf1")]) == 1
    assert (apex["A"], "shop" in apex["TXT"]) == (["127.0.0.8"], True)


def test_a_domain_of_a_wildcard_alone_gets_one_set_of_each():
    found, apex = cured({"*.org.test": NAMES["shop.test"]}, "kunde.org.test")
    assert set(found) <= {"dmarc_policy_none"}
    assert apex["MX"] == ["10 mx1.host.test"]
    assert len([t for t in apex["TXT"] if t.startswith("v=spf1")]) == 1


def test_a_domain_of_an_alias_wildcard_becomes_an_alias_of_its_own_before_it_is_replaced():
    found, apex = cured({"*.org.test": {"CNAME": ["shop.test."]}}, "kunde.org.test")
    assert {"mx_not_ours"} <= set(found)
    assert apex == {"CNAME": ["shop.test"]}
