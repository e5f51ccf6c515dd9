"""What a check sees: shared lookups, limits of a check and of an audit, what was recorded."""

import asyncio
import contextlib
import threading
from datetime import UTC, datetime

import pytest

from collectors.base import CheckResult, Fault, Status
from collectors.net.dns_lookup import DnsFault
from collectors.net.session import (
    DNS_QUERIES,
    DNS_QUERIES_A_CHECK,
    HTTP_REQUESTS,
    NetConfig,
    NetworkClients,
    trusted_context,
)
from collectors.net.tls import derived_contexts
from collectors.text import _
from mock_tenant.dnsserver import DnsServer
from tests.collectors.lab import config, target

ZONE = {
    "names": {
        "*.many.test": {"A": ["192.0.2.1"]},
        "one.test": {"A": ["192.0.2.1"], "TXT": ["text"]},
    }
}


def within(act, zone=ZONE, **changes):
    """Run `await act(audit)` on a net of its own; (result, DnsServer)."""

    async def main(server):
        network = NetworkClients(config(server, **changes))
        audit = network.audit_session(target())
        try:
            return await act(audit)
        finally:
            await audit.close()
            await network.close()

    with DnsServer(zone) as server:
        return asyncio.run(main(server)), server


def test_no_server_may_choose_a_group_that_makes_a_handshake_slow():
    web = trusted_context()
    for context in (web, *derived_contexts(web)):
        offered = {cipher["kea"] for cipher in context.get_ciphers()}
        assert "kx-ecdhe" in offered
        assert "kx-dhe" not in offered


def test_checks_of_one_audit_share_a_lookup():
    async def act(audit):
        one, two = audit.check_session("one"), audit.check_session("two")
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
            await ask_many(audit.check_session("greedy"), "a")
        return error.value.code

    code, server = within(act)
    assert code == "dns_limit" and len(server.queries) == DNS_QUERIES_A_CHECK


def test_one_audit_sends_no_more_than_its_queries():
    async def act(audit):
        for number in range(5):
            with contextlib.suppress(DnsFault):
                await ask_many(audit.check_session(f"check{number}"), f"c{number}-")

    _none, server = within(act)
    assert len(server.queries) == DNS_QUERIES


def test_a_lookup_that_ended_at_one_checks_limit_is_asked_anew_by_another():
    async def act(audit):
        greedy, modest = audit.check_session("greedy"), audit.check_session("modest")
        with contextlib.suppress(DnsFault):
            await ask_many(greedy, "a")
        with pytest.raises(DnsFault):
            await greedy.lookup("one.test", "TXT")
        return (await modest.lookup("one.test", "TXT")).texts

    texts, _server = within(act)
    assert texts == [b"text"]


def test_one_audit_makes_no_more_than_its_requests_and_says_audit_limit():
    async def act(audit):
        net = audit.check_session("webmail_http")
        for _n in range(HTTP_REQUESTS):
            with contextlib.suppress(Exception):
                await net.fetch("https://webmail.kunde.test:9/", ["127.0.0.1", "127.0.0.9"])
        with pytest.raises(Fault) as error:
            await net.fetch("https://webmail.kunde.test:9/", ["127.0.0.1", "127.0.0.9"])
        return error.value.code

    assert within(act)[0] == "audit_limit"


def test_a_fault_of_one_family_does_not_hide_the_addresses_of_the_other():
    zone = {
        "names": {"half.test": {"A": ["127.0.0.1", "10.0.0.1"]}},
        "rules": [{"name": "half.test", "type": "AAAA", "action": "servfail"}],
    }

    async def act(audit):
        return await audit.check_session("x").addresses("half.test")

    addresses, _server = within(act, zone)
    assert sorted(addresses.all) == ["10.0.0.1", "127.0.0.1"]
    assert (addresses.reachable, addresses.unreachable) == (("127.0.0.1",), ("10.0.0.1",))


def test_without_any_address_a_fault_is_a_fault_and_an_absence_an_absence():
    zone = {
        "names": {"empty.test": {"TXT": ["x"]}},
        "rules": [{"name": "broken.test", "type": "AAAA", "action": "servfail"}],
    }

    async def act(audit):
        net = audit.check_session("x")
        with pytest.raises(DnsFault) as error:
            await net.addresses("broken.test")
        return (
            error.value.code,
            (await net.addresses("empty.test")).result,
            (await net.addresses("nothing.test")).result,
        )

    assert within(act, zone)[0] == ("dns_servfail", "NODATA", "NXDOMAIN")


def test_an_audit_that_looks_anew_takes_no_earlier_answer_and_asks_once_for_all_its_checks():
    async def main(server):
        network = NetworkClients(config(server))
        try:
            before = await network.dns.lookup("one.test", "TXT")
            audit = network.audit_session(target(), fresh=True)
            checks = [audit.check_session(name) for name in ("one", "two")]
            found = await asyncio.gather(*(c.lookup("one.test", "TXT") for c in checks))
            return [each is before for each in found]
        finally:
            await network.close()

    with DnsServer({"ttl": 60, **ZONE}) as server:
        assert asyncio.run(main(server)) == [False, False]
        assert server.count("one.test", "TXT") == 2


def test_a_session_is_a_resolver_that_knows_absences():
    async def act(audit):
        session = audit.check_session("x")
        assert await session.resolve("gone.test", "A") == ()
        assert await session.resolve("one.test", "MX") == ()
        return [r.address for r in await session.resolve("one.test", "A")]

    assert within(act)[0] == ["192.0.2.1"]


def test_a_check_may_ask_how_another_of_its_audit_ends_and_does_not_wait_for_ever():
    async def act(audit):
        ended = CheckResult("one", Status.OK, _("fine"), (), {}, datetime.now(UTC), 1)

        async def end():
            await asyncio.sleep(0)
            return ended

        never = asyncio.create_task(asyncio.Event().wait())
        stopped = asyncio.create_task(asyncio.Event().wait())
        stopped.cancel()
        audit.running = {"one": asyncio.create_task(end()), "never": never, "stopped": stopped}
        session = audit.check_session("two")
        found = [await session.status_of(name) for name in ("one", "never", "stopped", "other")]
        assert not never.done()
        never.cancel()
        return found

    assert within(act, check_seconds=0.5)[0] == [Status.OK, None, None, None]


def test_no_thread_of_ours_is_waited_for_at_the_end():
    """Case 172: whoever is interrupted while the authorities are read ends at once."""

    async def main():
        network = NetworkClients(NetConfig())
        network.begin_tls()
        threads = [t for t in threading.enumerate() if t is not threading.main_thread()]
        await network.tls_is_ready()
        await network.close()
        return network, threads

    network, threads = asyncio.run(main())
    assert network.ssl_context and all(t.daemon for t in threads), threads
