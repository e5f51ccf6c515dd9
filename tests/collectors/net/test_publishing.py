"""What a record would switch off, and what a fix carries along so that it does not (RFC 4592).

https://www.rfc-editor.org/rfc/rfc4592 https://www.rfc-editor.org/rfc/rfc1034#section-3.6.2
"""

import asyncio
from dataclasses import replace

import pytest

from collectors.base import Action, DnsRecord, Fix
from collectors.net.publishing import origin_of, safe_fix
from collectors.net.session import NetworkClients
from collectors.text import _
from mock_tenant.dnsserver import DnsServer
from tests.collectors.lab import config, target

MX = DnsRecord("MX", "cust.org.test", "10 mx1.host.test")
KEY = DnsRecord("TXT", "s1._domainkey.cust.org.test", "v=DKIM1; p=AAAA")
POLICY = DnsRecord("TXT", "_dmarc.cust.org.test", "v=DMARC1; p=none")
WILD = {"MX": ["10 mx.old.test."], "A": ["192.0.2.7"], "TXT": ["v=spf1 -all", "token"]}
SUPPLIED = [("A", "192.0.2.7"), ("MX", "10 mx.old.test"), ("TXT", "token"), ("TXT", "v=spf1 -all")]


def ask(zone, question, domain="cust.org.test"):
    """(what `question(session)` comes to, the server) for an audit of `domain` in this zone."""

    async def inside(server):
        network = NetworkClients(config(server))
        audit = network.audit_session(target(domain))
        try:
            return await question(audit.check_session("dns_dkim"))
        finally:
            await audit.close()
            await network.close()

    with DnsServer(zone if "names" in zone else {"names": zone}) as server:
        return asyncio.run(inside(server)), server


def made(zone, *records, domain="cust.org.test"):
    """The records of a fix with `records` as they can be pasted: (action, type, name, value)."""
    fix = Fix(_("Publish this."), records)
    safe, _server = ask(zone, lambda session: safe_fix(fix, domain=domain, session=session))
    return [(str(r.action), r.type, r.name, r.value) for r in safe.records]


def added(name, supplied=SUPPLIED):
    return [("add", rdtype, name, value) for rdtype, value in supplied]


def plain(*records):
    return [(str(r.action), r.type, r.name, r.value) for r in records]


# -- where an answer comes from


@pytest.mark.parametrize(
    ("names", "name", "wildcard", "created"),
    [
        ({"cust.org.test": {"TXT": ["x"]}}, "cust.org.test", "", ()),
        ({"*.org.test": WILD}, "cust.org.test", "*.org.test", ("cust.org.test",)),
        ({"*.org.test": WILD, "cust.org.test": WILD}, "cust.org.test", "", ()),
        ({"*.org.test": WILD, "a.cust.org.test": WILD}, "cust.org.test", "", ()),
        ({"*.org.test": WILD, "*.cust.org.test": WILD}, "cust.org.test", "", ()),
        (
            {"*.test": WILD},
            "_dmarc.cust.org.test",
            "*.test",
            ("_dmarc.cust.org.test", "cust.org.test", "org.test"),
        ),
        (
            {"*.cust.org.test": WILD, "cust.org.test": WILD},
            "_dmarc.cust.org.test",
            "*.cust.org.test",
            ("_dmarc.cust.org.test",),
        ),
        (
            {"*._domainkey.cust.org.test": {"TXT": ["x"]}},
            "s1._domainkey.cust.org.test",
            "*._domainkey.cust.org.test",
            ("s1._domainkey.cust.org.test",),
        ),
        (
            {"*.org.test": {"CNAME": ["gone.test."]}},
            "cust.org.test",
            "*.org.test",
            ("cust.org.test",),
        ),
        ({}, "cust.org.test", "", ()),
    ],
)
def test_the_closest_encloser_is_found_through_an_ordinary_resolver(names, name, wildcard, created):
    origin, server = ask(names, lambda session: origin_of(session, name))
    assert (origin.wildcard, origin.created) == (wildcard, created)
    assert len(server.queries) <= 20


def test_a_name_of_its_own_costs_one_query_more_and_one_that_does_not_exist_none():
    for names, queries in (({"cust.org.test": {"TXT": ["x"]}}, 2), ({}, 1)):
        _origin, server = ask(names, lambda session: origin_of(session, "cust.org.test"))
        assert len(server.queries) == queries


def test_a_server_that_never_says_nxdomain_has_no_wildcard():
    """RFC 9824: signed zones answer NODATA for names that do not exist."""
    zone = {
        "names": {"cust.org.test": {"A": ["192.0.2.1"]}},
        "rules": [
            {"name": "cust.org.test", "action": "answer"},
            {"name": "*.cust.org.test", "action": "nodata"},
        ],
    }
    assert made(zone, MX) == plain(MX)
    assert made(zone, POLICY) == plain(POLICY)


def test_a_server_that_synthesises_below_its_wildcard_is_not_believed():
    """RFC 4592, 2.2.1 says NXDOMAIN there; the domain's own records tell that it exists."""
    zone = {
        "names": {"cust.org.test": {"MX": ["10 a.test."]}, "*.cust.org.test": {"TXT": ["x"]}},
        "rules": [{"name": "*.*.cust.org.test", "type": "TXT", "TXT": ["x"]}],
    }
    assert made(zone, POLICY) == plain(POLICY)


# -- a domain that exists through a wildcard only


@pytest.mark.parametrize("record", [KEY, POLICY], ids=["dkim", "dmarc"])
def test_a_record_below_a_domain_of_a_wildcard_carries_along_what_the_wildcard_answered(record):
    assert made({"*.org.test": WILD}, record) == [
        *plain(record),
        *added("cust.org.test"),
        *added("*.cust.org.test"),
    ]


def test_every_name_up_to_the_closest_encloser_is_carried_along():
    names = {r[2] for r in made({"*.test": WILD, "test": {"NS": ["ns.test."]}}, POLICY)}
    assert names == {
        "_dmarc.cust.org.test",
        "cust.org.test",
        "*.cust.org.test",
        "org.test",
        "*.org.test",
    }


def test_an_mx_set_at_a_domain_of_a_wildcard_carries_the_other_types_along():
    others = [s for s in SUPPLIED if s[0] != "MX"]
    change = DnsRecord("MX", "cust.org.test", MX.value, "replace", "10 mx.old.test")
    assert made({"*.org.test": WILD}, change) == [
        *plain(MX),
        *added("cust.org.test", others),
        *added("*.cust.org.test"),
    ]


def test_of_several_texts_of_a_wildcard_those_that_are_not_changed_are_kept():
    new = "v=spf1 include:_spf.host.test -all"
    change = DnsRecord("TXT", "cust.org.test", new, "replace", "v=spf1 -all")
    texts = [
        r[3] for r in made({"*.org.test": WILD}, change) if r[:3] == ("add", "TXT", "cust.org.test")
    ]
    assert sorted(texts) == ["token", new]


def test_an_alias_of_a_wildcard_is_carried_along_as_an_alias():
    names = {"*.org.test": {"CNAME": ["web.test."]}, "web.test": WILD}
    assert made(names, POLICY) == [
        *plain(POLICY),
        ("add", "CNAME", "cust.org.test", "web.test"),
        ("add", "CNAME", "*.cust.org.test", "web.test"),
    ]


def test_beside_an_alias_that_only_a_wildcard_supplies_nothing_is_published_at_the_domain():
    """It would be an alias no more, and no record stands there that the fix could take out."""
    names = {"*.org.test": {"CNAME": ["web.test."]}, "web.test": WILD}
    change = DnsRecord("MX", "cust.org.test", MX.value, "replace", "10 mx.old.test")
    assert made(names, change) == []


def test_what_cannot_be_shown_is_not_carried_along_and_so_nothing_is_published():
    for wild in ({"TXT": [{"hex": "ff00"}]}, {"A": [f"192.0.2.{i}" for i in range(1, 60)]}):
        assert made({"*.org.test": wild}, POLICY) == []


# -- a wildcard at the level of the name


def test_a_record_beside_a_wildcard_of_the_domain_leaves_the_rest_of_it():
    names = {"cust.org.test": {"MX": ["10 a.test."]}, "*.cust.org.test": WILD}
    change = DnsRecord("TXT", POLICY.name, POLICY.value, "replace", "v=spf1 -all")
    assert made(names, change) == plain(POLICY)


def test_a_host_beside_a_wildcard_of_the_domain_keeps_its_other_types():
    names = {"cust.org.test": {"MX": ["10 a.test."]}, "*.cust.org.test": WILD}
    change = DnsRecord("A", "webmail.cust.org.test", "192.0.2.99", "replace", "192.0.2.7")
    assert made(names, change) == [
        ("add", "A", "webmail.cust.org.test", "192.0.2.99"),
        *added("webmail.cust.org.test", [s for s in SUPPLIED if s[0] != "A"]),
    ]


def test_what_only_a_wildcard_supplies_is_not_removed():
    names = {"cust.org.test": {"MX": ["10 a.test."]}, "*.cust.org.test": {"TXT": ["x"]}}
    assert made(names, DnsRecord("TXT", "s1.cust.org.test", "x", "remove", "x")) == []


# -- an alias


def test_an_alias_at_the_apex_is_replaced_with_all_that_it_supplied():
    names = {"cust.org.test": {"CNAME": ["shop.test."]}, "shop.test": {**WILD, "AAAA": ["::1"]}}
    change = DnsRecord("MX", "cust.org.test", MX.value, "replace", "10 mx.old.test")
    assert made(names, change) == [
        ("remove", "CNAME", "cust.org.test", "shop.test"),
        *plain(MX),
        ("add", "A", "cust.org.test", "192.0.2.7"),
        ("add", "AAAA", "cust.org.test", "::1"),
        *added("cust.org.test", SUPPLIED[2:]),
    ]


def test_an_alias_into_a_zone_of_the_customers_is_changed_at_its_end():
    names = {POLICY.name: {"CNAME": ["p.cust.org.test."]}, "p.cust.org.test": {"TXT": ["old"]}}
    change = DnsRecord("TXT", POLICY.name, POLICY.value, "replace", "old")
    assert made(names, change) == [("replace", "TXT", "p.cust.org.test", POLICY.value)]


HOSTS = {
    "web": {"www.cust.org.test": {"A": ["192.0.2.8"], "TXT": ["site-verification=abc"]}},
    "mail": {"www.cust.org.test": {"MX": ["10 mx.old.test."], "TXT": ["v=spf1 -all"]}},
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("lost", [True, False], ids=["by a wildcard", "directly"])
@pytest.mark.parametrize("record", [KEY, POLICY], ids=["key", "policy"])
def test_an_alias_of_a_service_that_ends_at_a_host_leaves_that_host_alone(record, lost, host):
    alias = "gone.cust.org.test." if lost else "www.cust.org.test."
    zone = {
        **HOSTS[host],
        "cust.org.test": {"MX": ["10 mx1.host.test."]},
        record.name: {"CNAME": [alias]},
        "*.cust.org.test": {"CNAME": ["www.cust.org.test."]},
    }
    (text,) = HOSTS[host]["www.cust.org.test"]["TXT"]
    instead = replace(record, action=Action.REPLACE, current=text)
    changes = made(zone, instead)
    assert {name for _action, _type, name, _value in changes} == {record.name}
    assert changes[:2] == [
        ("remove", "CNAME", record.name, alias.removesuffix(".")),
        ("add", "TXT", record.name, record.value),
    ]


def test_an_alias_to_the_domain_itself_is_replaced_and_the_domain_left_alone():
    names = {POLICY.name: {"CNAME": ["cust.org.test."]}, "cust.org.test": {"TXT": ["v=spf1 -all"]}}
    assert made(names, POLICY) == [
        ("remove", "CNAME", POLICY.name, "cust.org.test"),
        *plain(POLICY),
    ]


def test_a_new_alias_needs_a_name_without_other_records():
    names = {KEY.name: {"TXT": ["x"]}}
    gone = DnsRecord("TXT", KEY.name, "x", "remove", "x")
    new = DnsRecord("CNAME", KEY.name, "s1.dkim.host.test")
    assert made(names, gone, new) == [
        ("remove", "TXT", KEY.name, "x"),
        ("add", "CNAME", KEY.name, "s1.dkim.host.test"),
    ]
    for other in ({"TXT": ["x", "y"]}, {"TXT": ["x"], "A": ["192.0.2.1"]}):
        assert made({KEY.name: other}, gone, new) == []


def test_an_alias_becomes_another_alias_by_one_replacement():
    names = {KEY.name: {"CNAME": ["old.test."]}, "old.test": {"TXT": ["x"]}}
    gone = DnsRecord("TXT", KEY.name, "x", "remove", "x")
    new = DnsRecord("CNAME", KEY.name, "s1.dkim.host.test")
    assert made(names, gone, new) == [("replace", "CNAME", KEY.name, "s1.dkim.host.test")]
    names["old.test"]["A"] = ["192.0.2.1"]
    assert made(names, gone, new) == []


# -- where it cannot be seen


def test_a_fault_gives_no_record_and_says_why():
    zone = {
        "names": {"cust.org.test": {"MX": ["10 a.test."]}},
        "rules": [
            {"name": "cust.org.test", "action": "answer"},
            {"name": "*.cust.org.test", "action": "servfail"},
        ],
    }
    fix = Fix(_("Publish this."), (MX,))
    safe, _server = ask(
        zone, lambda session: safe_fix(fix, domain="cust.org.test", session=session)
    )
    assert safe.records == ()
    assert "SERVFAIL" in safe.text
