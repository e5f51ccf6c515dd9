"""The net that a check sees: shared lookups, limits for a check and for an audit, records of what was seen."""

import asyncio
import contextlib
import ssl

import pytest

from collectors.base import Fault
from collectors.net import DNS_QUERIES, DNS_QUERIES_A_CHECK, HTTP_REQUESTS, Network, trusted_context
from collectors.net_dns import DnsFault
from collectors.net_tls import derived_contexts
from mock_tenant.dnsserver import DnsServer

from .lab import config, target

ZONE = {"names": {"*.many.test": {"A": ["192.0.2.1"]}, "one.test": {"A": ["192.0.2.1"], "TXT": ["text"]}}}


def within(act, zone=ZONE, **changes):
    """Run `await act(audit)` on a net of its own; (result, DnsServer)."""

    async def main(server):
        network = Network(config(server, **changes))
        audit = network.audit(target())
        try:
            return await act(audit)
        finally:
            await audit.close()
            await network.close()

    with DnsServer(zone) as server:
        return asyncio.run(main(server)), server


def test_private_authorities_are_judged_alike_by_every_python():
    assert not trusted_context().verify_flags & ssl.VERIFY_X509_STRICT


def test_no_server_may_choose_a_group_that_makes_a_handshake_slow():
    web = trusted_context()
    for context in (web, *derived_contexts(web)):
        offered = {cipher["kea"] for cipher in context.get_ciphers()}
        assert "kx-ecdhe" in offered
        assert "kx-dhe" not in offered


def test_checks_of_one_audit_share_a_lookup():
    async def act(audit):
        one, two = audit.net("one"), audit.net("two")
        found = await asyncio.gather(one.lookup("One.test.", "A"), two.lookup("one.test", "A"))
        return found, one.seen(), two.seen()

    (found, *seen), server = within(act)
    assert found[0].records[0].address == "192.0.2.1"
    assert server.count("one.test", "A") == 1
    assert [s["lookups"][0]["records"] for s in seen] == [["192.0.2.1"], ["192.0.2.1"]]


async def ask_many(net, prefix, count=200):
    for n in range(count):
        await net.lookup(f"{prefix}{n}.many.test", "A")


def test_one_check_sends_no_more_than_its_queries_and_says_so():
    async def act(audit):
        with pytest.raises(DnsFault) as error:
            await ask_many(audit.net("greedy"), "a")
        return error.value.code

    code, server = within(act)
    assert code == "dns_limit" and len(server.queries) == DNS_QUERIES_A_CHECK


def test_one_audit_sends_no_more_than_its_queries():
    async def act(audit):
        for number in range(5):
            with contextlib.suppress(DnsFault):
                await ask_many(audit.net(f"check{number}"), f"c{number}-")

    _none, server = within(act)
    assert len(server.queries) == DNS_QUERIES


def test_a_lookup_that_ended_at_one_checks_limit_is_asked_anew_by_another():
    async def act(audit):
        greedy, modest = audit.net("greedy"), audit.net("modest")
        with contextlib.suppress(DnsFault):
            await ask_many(greedy, "a")
        with pytest.raises(DnsFault):
            await greedy.lookup("one.test", "TXT")
        return (await modest.lookup("one.test", "TXT")).texts

    texts, _server = within(act)
    assert texts == [b"text"]


def test_one_audit_makes_no_more_than_its_requests_and_says_audit_limit():
    async def act(audit):
        net = audit.net("webmail_http")
        for _n in range(HTTP_REQUESTS):
            with contextlib.suppress(Exception):
                await net.fetch("https://webmail.kunde.test:9/", ["127.0.0.1"])
        with pytest.raises(Fault) as error:
            await net.fetch("https://webmail.kunde.test:9/", ["127.0.0.1"])
        return error.value.code

    assert within(act)[0] == "audit_limit"


def test_a_fault_of_one_family_does_not_hide_the_addresses_of_the_other():
    zone = {
        "names": {"half.test": {"A": ["127.0.0.1", "10.0.0.1"]}},
        "rules": [{"name": "half.test", "type": "AAAA", "action": "servfail"}],
    }

    async def act(audit):
        return await audit.net("x").addresses("half.test")

    addresses, _server = within(act, zone)
    assert sorted(addresses.all) == ["10.0.0.1", "127.0.0.1"]
    assert (addresses.reachable, addresses.unreachable) == (("127.0.0.1",), ("10.0.0.1",))


def test_without_any_address_a_fault_is_a_fault_and_an_absence_an_absence():
    zone = {"names": {"empty.test": {"TXT": ["x"]}}, "rules": [{"name": "broken.test", "type": "AAAA", "action": "servfail"}]}

    async def act(audit):
        net = audit.net("x")
        with pytest.raises(DnsFault) as error:
            await net.addresses("broken.test")
        return error.value.code, (await net.addresses("empty.test")).result, (await net.addresses("nothing.test")).result

    assert within(act, zone)[0] == ("dns_servfail", "NODATA", "NXDOMAIN")
