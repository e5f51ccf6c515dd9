"""The advice for MX records is safe to paste, alone, on generated zones (checks.md, advice).

https://www.rfc-editor.org/rfc/rfc4592 https://www.rfc-editor.org/rfc/rfc1034#section-3.6.2
"""

import random

import dns.rdatatype
import pytest

from collectors.base import Severity
from mock_tenant.records import to_name
from mock_tenant.zone import Zone
from tests.collectors.lab import codes, look, target
from tests.collectors.publishing import published

WORLD = {
    "mx1.host.test": {"A": ["127.0.0.2"]},
    "mx2.host.test": {"A": ["127.0.0.3"], "AAAA": ["2a00:1450::3"]},
    "old.host.test": {"CNAME": ["mx1.host.test."]},
    "inside.host.test": {"A": ["10.0.0.5"]},
    "mx.elsewhere.test": {"A": ["127.0.0.9"]},
    "mx_2.elsewhere.test": {"A": ["127.0.0.9"], "AAAA": ["2a00:1450::9"]},
    "private.elsewhere.test": {"A": ["192.168.1.1"]},
    "alias.elsewhere.test": {"CNAME": ["mx.elsewhere.test."]},
    "part.elsewhere.test": {"A": ["127.0.0.2", "127.0.0.9"]},
    "shop.test": {"A": ["127.0.0.8"], "TXT": ["v=spf1 -all"], "MX": ["10 mx.elsewhere.test."]},
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
    "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
}
EXCHANGES = [
    "mx1.host.test.",
    "MX1.Host.TEST.",
    "mx2.host.test.",
    "mx.elsewhere.test.",
    "mx_2.elsewhere.test.",
    "private.elsewhere.test.",
    "alias.elsewhere.test.",
    "part.elsewhere.test.",
    "gone.elsewhere.test.",
    "ms123.msv1.invalid.",
    "mail.{domain}.",
    "alias.{domain}.",
    "mx1.host.test.{domain}.",
    "192.0.2.1.",
    ".",
]
TYPES = ("A", "AAAA", "MX", "TXT", "CNAME")
GOOD_HOSTS = [("mx1.host.test",), ("mx1.host.test", "mx2.host.test"), ("MX2.host.test.",)]
BROKEN_HOSTS = [
    ("mx1.hots.example",),
    ("mx1.host.test", "mx2.hots.example"),
    ("old.host.test",),
    ("mx1.host.test", "inside.host.test"),
]


def exchanges(rnd, domain):
    """Up to five MX records at random, no two alike."""
    found = {
        f"{rnd.choice([0, 5, 10, 10, 20, 32767])} {x}"
        for x in rnd.sample(EXCHANGES, rnd.randint(0, 5))
    }
    return [mx.replace("{domain}", domain) for mx in sorted(found)]


def zone_of(rnd):
    """(domain, names): a customer's zone of one of the shapes that are in use."""
    domain = rnd.choice(["kunde.test", "dept.org.test", "a.dept.org.test"])
    mx = exchanges(rnd, domain)
    records = {"A": ["127.0.0.1"], "TXT": ["v=spf1 include:_spf.host.test -all", "token=1"]}
    records |= {"MX": mx} if mx else {}
    own = {f"mail.{domain}": {"A": ["127.0.0.2"]}, f"alias.{domain}": {"CNAME": ["mx1.host.test."]}}
    parent = domain.partition(".")[2]
    shape = rnd.choice(
        [
            "own",
            "own",
            "wild above",
            "wild alias",
            "wild far",
            "alias",
            "alias below",
            "none",
            "wild beside",
        ]
    )
    if shape == "own":
        return domain, {domain: records, **own}
    if shape == "wild beside":
        return domain, {domain: records, f"*.{domain}": {"CNAME": [f"{domain}."]}, **own}
    if shape == "wild above":
        return domain, {f"*.{parent}": records, parent: {"TXT": ["x"]}}
    if shape == "wild far":
        return domain, {"*.test": records}
    if shape == "wild alias":
        return domain, {
            f"*.{parent}": {"CNAME": [f"real.{parent}.x.test."]},
            f"real.{parent}.x.test": records,
        }
    if shape == "alias":
        return domain, {domain: {"CNAME": ["shop.test."]}, f"www.{domain}": {"A": ["127.0.0.8"]}}
    if shape == "alias below":
        return domain, {domain: {"CNAME": [f"www.{domain}."]}, f"www.{domain}": records, **own}
    return domain, {}


def values(zone, name, rdtype):
    """What the zone answers for a name and type, following aliases."""
    kind = dns.rdatatype.from_text(rdtype)
    return [
        rdata
        for rrset in zone.lookup(to_name(name), rdtype)[1]
        if rrset.rdtype == kind
        for rdata in rrset
    ]


def answering(names, domain):
    """Every (name, type) that answers, at all names that stand below the domain and at others."""
    zone = Zone({"names": names})
    stand = {n for n in zone.names if n.is_subdomain(to_name(domain))} | {to_name(domain)}
    others = {to_name(f"{label}.{domain}") for label in ("www", "mail", "x.y")}
    asked = [(n, t) for n in stand for t in TYPES]
    # what a wildcard's alias supplied there may come from records as well
    asked += [(n, t) for n in others - stand for t in TYPES if t != "CNAME"]
    return {(n, t) for n, t in asked if values(zone, n, t)}


def fixes_of(result):
    """The different records of the fixes of all findings."""
    return {f.fix.records for f in result.findings if f.fix and f.fix.records}


def beside_an_alias(names):
    return [n for n, types in names.items() if "CNAME" in types and len(types) > 1]


@pytest.mark.parametrize("seed", range(160))
def test_the_advice_for_a_generated_zone_harms_nothing_and_is_enough(seed):
    """Rules 1, 2, 6, 7 and 8."""
    rnd = random.Random(seed)
    domain, zone = zone_of(rnd)
    names, tenant = {**WORLD, **zone}, target(domain, mail_hosts=rnd.choice(GOOD_HOSTS))
    result, _server = look("dns_mx", {"names": names}, tenant)
    fixes = fixes_of(result)
    if not fixes:
        assert result.status == "ok" or any("wildcard" in f.fix.text for f in result.findings)
        return
    assert len(fixes) == 1, "a fix is given once"
    (records,) = fixes
    after = published(names, records)  # fails where `current` does not stand at that name
    assert not beside_an_alias(after)
    removed = {(to_name(r.name), r.type) for r in records if r.action != "add"}
    gone = answering(names, domain) - answering(after, domain) - removed
    assert not {(n.to_text(), t) for n, t in gone}
    text = next(f.fix.text for f in result.findings if f.fix and f.fix.records)
    for record in records:
        assert record.type != "MX" or record.action == "add" or record.current in text
    again, _server = look("dns_mx", {"names": after}, tenant)
    assert (again.status, codes(again)) == ("ok", [])


@pytest.mark.parametrize("seed", range(80))
def test_while_a_name_of_ours_is_broken_the_customer_gets_no_records(seed):
    """ "Whose fault, and how sure"."""
    rnd = random.Random(seed)
    domain, zone = zone_of(rnd)
    names, tenant = {**WORLD, **zone}, target(domain, mail_hosts=rnd.choice(BROKEN_HOSTS))
    result, _server = look("dns_mx", {"names": names}, tenant)
    assert not fixes_of(result)
    for finding in result.findings:
        if finding.because:
            assert (finding.owner, finding.because.check_id) == ("host", "server_mx")
            assert any(host.lower().rstrip(".") in finding.message for host in tenant.mail_hosts)


def test_no_finding_of_severity_info_alone_has_a_fix_that_does_more():
    result, _server = look(
        "dns_mx",
        {"names": {**WORLD, "kunde.test": {"MX": ["10 mx1.host.test.", "20 mx1.host.test."]}}},
        target(),
    )
    (finding,) = result.findings
    assert finding.severity == Severity.INFO
    assert [(r.action, r.value) for r in finding.fix.records] == [("remove", "20 mx1.host.test")]
    assert finding.fix.text == "MX records to remove: 20 mx1.host.test. To keep: 10 mx1.host.test."
