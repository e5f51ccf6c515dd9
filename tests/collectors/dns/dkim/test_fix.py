"""Each fix of dns_dkim is safe to paste, alone: generated zones, held against the rules for advice.

The rules are those of docs/checks.md. A zone may have wildcards (RFC 4592), aliases, several
records, other services' keys, records with a slip, and split strings.
"""

import random

import pytest

from collectors.base import Severity
from collectors.standards.dkim import key_in
from mock_tenant.records import to_name
from mock_tenant.zone import Zone
from tests.collectors import dkim_keys as keys
from tests.collectors.dkim_check import OTHER, RECORD, remembers, signs
from tests.collectors.lab import look, target
from tests.collectors.publishing import published

EARLIER = f"v=DKIM1; k=rsa; p={keys.spki(name='earlier')}"
SELECTOR = "s1._domainkey.{}"
DOMAINS = ("kunde.test", "dept.org.test", "a.b.org.test")
BULK = "s1.domainkey.u123.bulk.test"
AWAY = {
    BULK: {"TXT": [OTHER]},
    "web.bulk.test": {"A": ["192.0.2.8"], "AAAA": ["2001:db8::8"], "TXT": ["v=spf1 -all"]},
    "org.test": {"NS": ["ns.test."]},
}
TEXTS = (
    [RECORD],
    [[RECORD[:100], RECORD[100:]]],
    [OTHER],
    [OTHER],
    [EARLIER],
    ["v=DKIM1; p="],
    [RECORD, OTHER],
    [EARLIER, "site-verification=x"],
    [RECORD, "leftover"],
    [f'"{RECORD}"'],
    [f'( "{RECORD[:60]}" "{RECORD[60:]}" )'],
    [RECORD.replace(";", "\\;")],
    [RECORD + "; t=y:s; h=sha1"],
    [OTHER.replace("DKIM1", "DKIM2")],
    [EARLIER + "; t=y"],
    ["v=spf1 -all"],
)
WILD_TEXTS = ("v=spf1 -all", "token", RECORD, OTHER, EARLIER, "v=DKIM1; p=", "v=DMARC1; p=none")


def generated(dice):
    """(domain, names of a zone): how the domain answers, and what stands at its selector."""
    domain = dice.choice(DOMAINS)
    names = dict(AWAY)
    for above, chance in ((domain.partition(".")[2], 0.6), (domain, 0.3)):
        if dice.random() < chance:
            names[f"*.{above}"] = wildcard(dice)
    if dice.random() < 0.2:
        names[f"*._domainkey.{domain}"] = {"TXT": [dice.choice(WILD_TEXTS)]}
    if dice.random() < 0.5:
        names[domain] = {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"], "A": ["192.0.2.1"]}
    selector = SELECTOR.format(domain)
    kind = dice.choice(("nothing", "text", "text", "alias", "alias", "misplaced"))
    if kind == "alias":
        ends = (
            BULK,
            BULK,
            "gone.test",
            "web.bulk.test",
            f"k.{domain}",
            domain,
            "s1.dkim.host.test",
        )
        names[selector] = {"CNAME": [f"{dice.choice(ends)}."]}
        names[f"k.{domain}"] = names["s1.dkim.host.test"] = {"TXT": dice.choice(TEXTS)}
    elif kind == "text":
        names[selector] = {"TXT": dice.choice(TEXTS)}
    elif kind == "misplaced":
        names[f"{selector}.{domain}"] = {"TXT": [dice.choice((RECORD, OTHER, EARLIER))]}
    if dice.random() < 0.3:
        names[f"s2._domainkey.{domain}"] = {"TXT": [OTHER]}
    if dice.random() < 0.3:
        names[f"s1.{domain}.dkim.host.test"] = {"TXT": [dice.choice((RECORD, OTHER))]}
    return domain, names


def wildcard(dice):
    if dice.random() < 0.25:
        return {"CNAME": [dice.choice(("web.bulk.test.", "gone.test."))]}
    types = {"A": ["192.0.2.7"], "MX": ["10 mx.old.test."]}
    texts = dice.sample(WILD_TEXTS, dice.randint(0, 2))
    return {**types, "TXT": texts} if texts else types


def answered(names, domain):
    """{(name, type)} that people, mail and other services find at and about the domain."""
    zone, parent = Zone({"names": names}), domain.partition(".")[2]
    asked = [f"{label}{domain}" for label in ("", "www.", "webmail.", "_dmarc.", "a.b.")]
    asked += [name for name in (SELECTOR.format(domain),) if name in names]
    found = set()
    for name in (*asked, parent, f"sibling.{parent}"):
        for rdtype in ("A", "AAAA", "MX", "TXT"):
            if any(r.rdtype.name == rdtype for r in zone.lookup(to_name(name), rdtype)[1]):
                found.add((name, rdtype))
    return found


def keys_of_others(names, domain):
    """{selector's name} at which another service's key is found."""
    zone = Zone({"names": names})
    wanted, found = key_in(OTHER.encode()), set()
    for selector in ("s1", "s2", "bulk"):
        name = f"{selector}._domainkey.{domain}"
        for rrset in zone.lookup(to_name(name), "TXT")[1]:
            if rrset.rdtype.name == "TXT" and any(key_in(text(r)) == wanted for r in rrset):
                found.add(name)
    return found


def text(rdata):
    data, strings = rdata.data, []
    while data:
        strings.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    return b"".join(strings)


@pytest.mark.parametrize("seed", range(60))
def test_a_fix_takes_nothing_away_and_leaves_nothing_to_do(seed):
    dice = random.Random(seed)
    domain, names = generated(dice)
    the_target = target(
        domain,
        portal_url="http://portal.test",
        portal_facts=remembers(keys.spki(name="earlier")),
        dkim_cname=dice.choice(("", "{selector}.{domain}.dkim.host.test")),
    )
    before, server = look("dns_dkim", {"names": names}, the_target, portal=signs())
    assert len(server.queries) <= 40
    records = dict.fromkeys(r for f in before.findings if f.fix for r in f.fix.records)
    zone = published(names, records)  # rule 2: it replaces what stands there
    assert answered(names, domain) <= answered(zone, domain)  # rule 1
    of_others = keys_of_others(names, domain)
    if SELECTOR.format(domain) not in names:  # a wildcard's key at every selector is nobody's there
        of_others.discard(SELECTOR.format(domain))
    assert of_others <= keys_of_others(zone, domain)  # rule 4
    after, _server = look("dns_dkim", {"names": zone}, the_target, portal=signs())  # rule 7
    cured = {f.code for f in before.findings if f.fix and f.fix.records}
    left = {f.code for f in after.findings if f.severity != Severity.INFO}
    assert not left & cured
    assert left <= {f.code for f in before.findings}
    fixes = {f.fix.records: f.fix for f in before.findings if f.fix and f.fix.records}
    assert len(fixes) <= 1  # rule 8: it is given once
