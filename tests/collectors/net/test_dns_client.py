"""The resolver: what is an answer, what an absence, what a fault; over real UDP and TCP."""

import asyncio
import contextlib
import gc
import pickle
import random
import socket
import threading
import time
import tracemalloc
from itertools import pairwise

import dns.flags
import dns.message
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from collectors.net import dns_client, dns_reader, dns_wire
from collectors.net.dns_client import DnsClient
from collectors.net.dns_lookup import DnsFault, Lookup, QueryLimit
from collectors.net.dns_records import Address, Exchange, Texts
from collectors.net.session import NetworkClients
from collectors.text import clean_json
from mock_tenant.dnsserver import DnsServer
from scripts.ports import Reserved
from tests.collectors.lab import config, target

RIGHT = {"MX": ["10 mx.kunde.test."], "TXT": ["right"], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}
ZONE = {
    "MX": [[10, "mx.kunde.test."]],
    "TXT": ["right"],
    "A": ["192.0.2.1"],
    "AAAA": ["2001:db8::1"],
}
EACH_TYPE = pytest.mark.parametrize("rdtype", RIGHT)
KIND = "MX"  # where one type stands for all


def ask(zone, rdtype, name="kunde.test", *, seconds=2.0, **options):
    """(Lookup or DnsFault, DnsServer with its `queries`)."""

    async def once(server):
        client = DnsClient([(server.host, server.port)], seconds=seconds)
        try:
            return await client.lookup(name, rdtype, **options)
        except DnsFault as fault:
            return fault
        finally:
            await client.close()

    with DnsServer(zone) as server:
        return asyncio.run(once(server)), server


async def asked(server):
    """Wait until a query has come in."""
    while not server.queries:
        await asyncio.sleep(0)


def misbehaving(action, rdtype, *, tcp=None, seconds=0.5):
    """What becomes of a lookup at a server with the right records that does this with a query.

    `tcp`: what it does with one over TCP.
    """
    rules = [{"name": "kunde.test", "action": action, "proto": "udp"}]
    rules += [{"name": "kunde.test", "action": tcp or action, "proto": "tcp"}]
    return ask({"names": {"kunde.test": ZONE}, "rules": rules}, rdtype, seconds=seconds)


def texts(found):
    assert not isinstance(found, DnsFault), found
    return [record.to_text() for record in found.records]


def fault(found):
    assert isinstance(found, DnsFault), found
    return found.code


# -- answers and absences


@EACH_TYPE
def test_an_answer_has_its_records(rdtype):
    found, server = ask({"names": {"kunde.test": ZONE}}, rdtype, "Kunde.TEST.")
    assert (found.name, found.result, texts(found), found.chain) == (
        "kunde.test",
        "NOERROR",
        RIGHT[rdtype],
        (),
    )
    assert len(server.queries) == 1
    assert server.queries[0]["rd"] and server.queries[0]["edns"] == 1232


def test_nxdomain_is_an_absence():
    """Case 13."""
    found, server = ask({}, KIND)
    assert (found.result, found.records, found.evidence["result"]) == ("NXDOMAIN", (), "NXDOMAIN")
    assert len(server.queries) == 1


@pytest.mark.parametrize(
    "zone",
    [{"names": {"kunde.test": {}}}, {"names": {"a.kunde.test": ZONE}}],
    ids=["no such type", "only names below"],
)
def test_nodata_is_another_absence(zone):
    """Case 14."""
    found, _server = ask(zone, KIND)
    assert (found.result, found.records, found.evidence["result"]) == ("NODATA", (), "NODATA")


def test_a_referral_is_neither():
    """A server that knows only who knows more is not a resolver: no verdict on the name."""
    referral = ["kunde.test. 60 IN NS ns.kunde.test."]
    found = Scripted(_wire("kunde.test", KIND, authority=referral)).ask(KIND)
    assert fault(found) == "dns_bad_response"


# -- faults


@pytest.mark.parametrize(
    ("action", "code"),
    [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("notauth", "dns_bad_response")],
)
def test_servfail_and_refused_are_faults_after_one_retry(action, code):
    """Cases 15, 16."""
    found, server = misbehaving(action, KIND, seconds=2.0)
    assert fault(found) == code
    assert len(server.queries) == 2
    assert "kunde.test" in found.message


@pytest.mark.parametrize("action", ["formerr", "notimp", "badvers"])
def test_a_server_without_edns_is_asked_without_it_before_giving_up(action):
    """Case 17."""
    found, server = misbehaving(action, KIND, seconds=2.0)
    assert fault(found) == "dns_bad_response"
    assert [q["edns"] for q in server.queries] == [1232, None, 1232, None]


@pytest.mark.parametrize("action", ["formerr", "notimp"])
def test_an_answer_without_edns_is_good(action):
    """Case 17."""
    found, _server = ask(
        {
            "names": {"kunde.test": ZONE},
            "rules": [{"sequence": [action, "answer"], "repeat": "last"}],
        },
        KIND,
    )
    assert texts(found) == RIGHT[KIND]


def test_silence_is_a_time_out_after_two_tries():
    """Case 18."""
    found, server = misbehaving("drop", KIND)
    assert fault(found) == "dns_timeout"
    assert len(server.queries) == 2


def test_a_slow_answer_is_good():
    """Case 19."""
    found, server = ask(
        {"names": {"kunde.test": ZONE}, "rules": [{"delay": 0.8}]}, KIND, seconds=2.0
    )
    assert texts(found) == RIGHT[KIND]
    assert len(server.queries) == 1


def test_a_server_that_is_silent_is_followed_by_the_next():
    async def lookup(dead, good):
        client = DnsClient([(dead.host, dead.port), (good.host, good.port)], seconds=0.6)
        return [await client.lookup(f"{n}.test", KIND) for n in "ab"]

    zone = {"names": {"a.test": ZONE, "b.test": ZONE}}
    with DnsServer({"rules": [{"action": "drop"}]}) as dead, DnsServer(zone) as good:
        assert [texts(found) for found in asyncio.run(lookup(dead, good))] == [RIGHT[KIND]] * 2


# -- truncation and TCP


@EACH_TYPE
@pytest.mark.parametrize("action", ["tc", "tc_partial"])
def test_a_truncated_answer_is_had_whole_over_tcp(rdtype, action):
    """Cases 20, 21."""
    several = {
        "MX": [[1, "a."], [2, "b."]],
        "TXT": ["a", "b"],
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:db8::1", "2001:db8::2"],
    }
    rules = [{"name": "kunde.test", "proto": "udp", "action": action}]
    found, server = ask({"names": {"kunde.test": several}, "rules": rules}, rdtype)
    assert len(texts(found)) == 2
    assert [q["proto"] for q in server.queries] == ["udp", "tcp"]


@pytest.mark.parametrize(
    ("tcp", "code"),
    [
        ("tcp_close", "dns_bad_response"),
        ("tcp_hang", "dns_timeout"),
        ("tcp_partial", "dns_bad_response"),
        ("tcp_slow", "dns_timeout"),
        ("tc_loop", "dns_bad_response"),
        ("wrong_id", "dns_bad_response"),
        ("garbage", "dns_bad_response"),
        ("short", "dns_bad_response"),
        ("empty", "dns_bad_response"),
        ("wrong_owner", "dns_bad_response"),
        ("servfail", "dns_servfail"),
    ],
)
def test_what_goes_wrong_over_tcp_is_a_fault(tcp, code):
    """Cases 22 to 25."""
    found, _server = misbehaving("tc", KIND, tcp=tcp)
    assert fault(found) == code


# -- answers that are none


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("wrong_id", "dns_bad_response"),
        ("wrong_question", "dns_bad_response"),
        ("wrong_owner", "dns_bad_response"),
        ("wrong_type", "dns_bad_response"),
        ("wrong_port", "dns_timeout"),
        ("qr0", "dns_bad_response"),
        ("garbage", "dns_bad_response"),
        ("short", "dns_bad_response"),
        ("ptr_loop", "dns_bad_response"),
        ("rdlen_over", "dns_bad_response"),
    ],
)
def test_what_does_not_answer_the_question_is_never_used(action, code):
    """Cases 26 to 30."""
    found, _server = misbehaving(action, KIND)
    assert fault(found) == code
    assert "forged" not in str(found) and "203.0.113.66" not in str(found)


def test_an_empty_datagram_is_not_an_answer():
    """Case 37."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer():
            for _turn in range(2):
                _query, address = server.recvfrom(512)
                server.sendto(b"", address)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DnsFault) as caught:
            asyncio.run(DnsClient([server.getsockname()], seconds=0.25).lookup("kunde.test", "A"))
        thread.join()
    assert caught.value.code == "dns_bad_response"


@pytest.mark.parametrize("action", ["spoof_then_right", "extra_records", "case_flip", "dup"])
def test_the_right_answer_is_used_and_nothing_beside_it(action):
    """Cases 27, 38."""
    found, server = misbehaving(action, KIND, seconds=2.0)
    assert texts(found) == RIGHT[KIND]
    assert len(server.queries) == 1


def test_a_record_for_another_name_is_not_kept():
    """Case 38."""

    async def both(server):
        client = DnsClient([(server.host, server.port)], seconds=0.25)
        await client.lookup("kunde.test", "A")
        return await client.lookup("bank.invalid", "A")

    with DnsServer(
        {
            "names": {"kunde.test": ZONE},
            "rules": [{"name": "kunde.test", "action": "extra_records"}],
        }
    ) as server:
        assert asyncio.run(both(server)).result == "NXDOMAIN"
        assert server.count("bank.invalid") == 1


def test_one_retry_gets_over_a_passing_fault():
    """Case 39."""
    found, server = ask(
        {"names": {"kunde.test": ZONE}, "rules": [{"sequence": ["servfail", "answer"]}]}, KIND
    )
    assert texts(found) == RIGHT[KIND]
    assert len(server.queries) == 2


# -- sizes and bytes


def test_bytes_beside_a_good_record_are_shown_and_harm_nothing():
    """Case 31."""
    found, _server = ask(
        {"names": {"kunde.test": {"TXT": [{"hex": "ff00fe"}, "v=spf1 -all"]}}}, "TXT"
    )
    assert sorted(found.texts) == [b"v=spf1 -all", b"\xff\x00\xfe"]
    assert sorted(found.evidence["records"]) == [r"\xff\x00\xfe", "v=spf1 -all"]


@pytest.mark.parametrize("size", [5_000, 60_000])
def test_a_large_text_is_whole(size):
    """Cases 32, 33."""
    found, _server = ask(
        {"names": {"kunde.test": {"TXT": [{"repeat": ["a", size]}]}}}, "TXT", seconds=2.0
    )
    assert found.texts == [b"a" * size]


@pytest.mark.parametrize(
    ("rdtype", "value", "n"),
    [
        ("TXT", {"generate": 300, "format": "text {i}"}, 300),
        ("A", {"generate": 2000, "format": "10.0.{hi}.{lo}"}, 2000),
    ],
)
def test_many_records_are_all_there_in_time(rdtype, value, n):
    """Case 34."""
    found, _server = ask({"names": {"kunde.test": {rdtype: [value]}}}, rdtype, seconds=2.0)
    assert len(found.records) == n


def test_evidence_of_many_records_is_cut():
    """Case 34."""

    async def seen(server):
        network = NetworkClients(config(server))
        net = network.audit_session(target()).check_session("test")
        await net.lookup("kunde.test", "TXT")
        await network.close()
        return net.seen()

    with DnsServer(
        {"names": {"kunde.test": {"TXT": [{"generate": 300, "format": "text {i}"}]}}}
    ) as server:
        records = clean_json(asyncio.run(seen(server)))["lookups"][0]["records"]
    assert len(records) == 201
    assert records[-1] == "… 100 more"


def test_strings_of_one_text_are_joined_without_a_space():
    zone = {"names": {"kunde.test": {"TXT": [["v=spf1 ip4:", "192.0.2.5"]]}}}
    assert ask(zone, "TXT")[0].texts == [b"v=spf1 ip4:192.0.2.5"]


# -- aliases


def test_an_alias_loop_is_a_fault():
    """Case 35."""
    assert (
        fault(
            ask(
                {
                    "names": {
                        "kunde.test": {"CNAME": ["b.test."]},
                        "b.test": {"CNAME": ["kunde.test."]},
                    }
                },
                KIND,
            )[0]
        )
        == "dns_servfail"
    )


@pytest.mark.parametrize(
    "links", [["kunde.test."], ["b.test.", "kunde.test."], ["b.test.", "c.test.", "b.test."]]
)
@pytest.mark.parametrize("at_once", [True, False], ids=["in one answer", "one by one"])
def test_an_alias_loop_in_the_answers_is_a_fault(links, at_once):
    """Case 35."""
    names = ["kunde.test.", *links]
    records = [f"{owner} 60 IN CNAME {to}" for owner, to in pairwise(names)]
    answers = [records] if at_once else [[r] for r in records]
    scripted = Scripted(*[_wire(a[0].split()[0], KIND, answer=a) for a in answers])
    assert fault(scripted.ask(KIND)) == "dns_bad_response"
    assert scripted.asked <= len(links)


def test_a_chain_of_five_is_followed():
    """Case 36."""
    zone = {
        "names": {"kunde.test": ZONE},
        "chains": [{"prefix": "c", "zone": "chain.test", "length": 5, "target": "kunde.test"}],
    }
    found, _server = ask(zone, KIND, "c0.chain.test")
    assert texts(found) == RIGHT[KIND]
    assert found.chain == (
        "c1.chain.test",
        "c2.chain.test",
        "c3.chain.test",
        "c4.chain.test",
        "kunde.test",
    )


def test_a_chain_of_twenty_is_a_fault():
    """Case 36."""
    zone = {
        "names": {"kunde.test": ZONE},
        "chains": [{"prefix": "c", "zone": "chain.test", "length": 20, "target": "kunde.test"}],
    }
    assert fault(ask(zone, KIND, "c0.chain.test")[0]) == "dns_bad_response"


def test_an_alias_that_the_server_does_not_follow_is_followed():
    first = _wire("kunde.test.", KIND, answer=["kunde.test. 60 IN CNAME b.test."])
    then = _wire("b.test.", KIND, answer=[f"b.test. 60 IN {KIND} {RIGHT[KIND][0]}"])
    found = Scripted(first, then).ask(KIND)
    assert (texts(found), found.chain) == (RIGHT[KIND], ("b.test",))


def test_an_alias_that_leads_to_nothing_is_an_absence_with_its_chain():
    found, _server = ask({"names": {"kunde.test": {"CNAME": ["gone.test."]}}}, KIND)
    assert (found.result, found.chain) == ("NXDOMAIN", ("gone.test",))
    found, _server = ask(
        {"names": {"kunde.test": {"CNAME": ["here.test."]}, "here.test": {"HINFO": ["a b"]}}}, KIND
    )
    assert (found.result, found.chain) == ("NODATA", ("here.test",))


def test_a_record_of_another_class_is_not_an_answer():
    chaos = _wire("kunde.test.", "TXT", answer=["kunde.test. 60 CH TXT wrong"])
    found = Scripted(chaos).ask("TXT")
    assert fault(found) == "dns_bad_response"


# -- where and what it asks


def test_a_name_is_resolved_once_in_an_audit():
    """Case 40."""

    async def twice(server):
        network = NetworkClients(config(server, dns_cache_seconds=0))
        audit = network.audit_session(target())
        found = [
            await audit.check_session(check).addresses("kunde.test") for check in ("one", "other")
        ]
        await network.close()
        return [f.all for f in found]

    rebind = {
        "name": "kunde.test",
        "type": "A",
        "sequence": [{"A": ["192.0.2.1"]}, {"A": ["127.0.0.1"]}],
        "repeat": "last",
    }
    with DnsServer({"names": {"kunde.test": {"A": ["192.0.2.1"]}}, "rules": [rebind]}) as server:
        assert asyncio.run(twice(server)) == [("192.0.2.1",), ("192.0.2.1",)]
        assert server.count("kunde.test", "A") == 1


def test_a_search_list_is_never_used(monkeypatch, tmp_path):
    """Case 41."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("search evil.test\noptions ndots:5\nnameserver 192.0.2.53\n")
    monkeypatch.setattr(dns_client, "RESOLV_CONF", conf)
    assert DnsClient().servers == [("192.0.2.53", 53)]
    for name in ("printer", "www.kunde"):
        _found, server = ask({}, "A", name)
        assert [q["name"] for q in server.queries] == [f"{name}."]


def test_the_systems_servers_are_those_that_dnspython_finds(monkeypatch, tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text(
        "# nameserver 192.0.2.1\n; nameserver 192.0.2.2\n\nnameserver\t192.0.2.53  # ours\n"
        "nameserver 2001:db8::53\nnameserver fe80::1%lo\nsortlist 192.0.2.0\n"
        "options edns0 trust-ad\nnameserver 192.0.2.54"
    )
    monkeypatch.setattr(dns_client, "RESOLV_CONF", conf)
    theirs = dns.resolver.Resolver(str(conf)).nameservers
    assert [host for host, _port in DnsClient().servers] == theirs and len(theirs) == 4
    conf.write_bytes(b"nameserver\nnameserver nobody\nnameserver \xff\nnameserver 192.0.2.55\n")
    assert DnsClient().servers == [("192.0.2.55", 53)]


@pytest.mark.parametrize("text", [None, "", "search kunde.test\n"])
def test_without_a_resolver_every_lookup_is_a_fault(monkeypatch, tmp_path, text):
    """Case 41."""
    conf = tmp_path / "resolv.conf"
    if text is not None:
        conf.write_text(text)
    monkeypatch.setattr(dns_client, "RESOLV_CONF", conf)
    with pytest.raises(DnsFault) as caught:
        asyncio.run(DnsClient().lookup("kunde.test", "A"))
    assert caught.value.code == "dns_unreachable"


def test_a_resolver_that_is_down_and_comes_back():
    """Case 42."""

    async def before_and_after(port):
        client = DnsClient([("127.0.0.1", port)], seconds=2.0)
        with pytest.raises(DnsFault) as caught:
            await client.lookup("kunde.test", KIND)
        assert not await client.works()
        with DnsServer({"names": {"kunde.test": ZONE}}, port=port):
            assert await client.works()
            return caught.value.code, texts(await client.lookup("kunde.test", KIND))

    with Reserved() as one:
        assert asyncio.run(before_and_after(one.port)) == ("dns_unreachable", RIGHT[KIND])


@pytest.mark.parametrize(
    "name",
    [
        "a..b",
        "." * 3,
        "a" * 64 + ".test",
        "a." * 127 + "test",
        "bücher.test",
        "a\0\ud800.test",
        "\\",
        "\\999.test",
    ],
)
def test_a_name_that_dns_cannot_be_asked_for_is_a_fault_without_a_query(name):
    found, server = ask({}, "A", name)
    assert fault(found) == "dns_bad_name"
    assert server.queries == []


# -- limits, cache, sharing


def test_the_limit_of_queries_holds_for_retries_too():
    found, server = ask({"rules": [{"action": "servfail"}]}, "A", limit=QueryLimit(1))
    assert fault(found) == "dns_limit"
    assert len(server.queries) == 1


@pytest.mark.parametrize(("left", "protocols"), [(1, ["udp"]), (2, ["udp", "tcp"])])
def test_a_retry_over_tcp_counts_too(left, protocols):
    limit = QueryLimit(left)
    rules = [{"proto": "udp", "action": "tc"}]
    found, server = ask({"names": {"kunde.test": ZONE}, "rules": rules}, KIND, limit=limit)
    assert [q["proto"] for q in server.queries] == protocols
    assert limit.left == 0
    assert fault(found) == "dns_limit" if left == 1 else texts(found) == RIGHT[KIND]


def test_a_parents_limit_counts_too():
    parent = QueryLimit(2)
    one, other = QueryLimit(5, parent), QueryLimit(5, parent)
    assert [one.spend(), other.spend(), one.spend(), other.spend()] == [True, True, False, False]


@pytest.mark.parametrize(
    "zone", [{"names": {"kunde.test": ZONE}}, {}], ids=["an answer", "an absence"]
)
def test_answers_and_absences_are_kept_while_they_last(zone):
    async def thrice(server):
        client = DnsClient([(server.host, server.port)], seconds=5)
        return [
            await client.lookup("kunde.test", "A"),
            await client.lookup("KUNDE.test.", "A"),
            await client.lookup("kunde.test", "A", since=time.monotonic()),
        ]

    with DnsServer({"ttl": 60, **zone}) as server:
        first, second, anew = asyncio.run(thrice(server))
        assert first is second is not anew
        assert len(server.queries) == 2


def test_what_must_not_be_kept_is_asked_again():
    async def twice(server):
        client = DnsClient([(server.host, server.port)], seconds=5)
        return [await client.lookup("kunde.test", "A") for _turn in range(2)]

    with DnsServer({"names": {"kunde.test": ZONE}}) as server:  # its TTLs are 0
        first, second = asyncio.run(twice(server))
        assert first is not second
        assert len(server.queries) == 2


def test_a_fault_is_not_kept_but_for_a_time_out():
    async def twice(server):
        client = DnsClient([(server.host, server.port)], seconds=0.1)
        for _turn in range(2):
            with pytest.raises(DnsFault):
                await client.lookup("kunde.test", "A")

    for action, queries in (("servfail", 4), ("drop", 2)):
        with DnsServer({"rules": [{"action": action}]}) as server:
            asyncio.run(twice(server))
            assert len(server.queries) == queries


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_a_time_out_is_kept_for_fifteen_seconds_and_no_longer():
    clock = Clock()

    async def lookups(server):
        client = DnsClient([(server.host, server.port)], seconds=0.1, clock=clock)
        asked = []
        for seconds in (0, 14, 2):
            clock.now += seconds
            with pytest.raises(DnsFault) as caught:
                await client.lookup("kunde.test", "A")
            asked.append((caught.value.code, len(server.queries)))
        return asked

    with DnsServer({"rules": [{"action": "drop"}]}) as server:
        assert asyncio.run(lookups(server)) == [("dns_timeout", n) for n in (2, 2, 4)]


def test_an_answer_lasts_as_long_as_the_least_of_its_aliases_and_records():
    for alias, record in ((5, 300), (300, 5)):
        answer = [f"kunde.test. {alias} IN CNAME b.test.", f"b.test. {record} IN A 192.0.2.1"]
        assert Scripted(_wire("kunde.test.", "A", answer=answer)).ask("A").ttl == 5


def test_an_alias_that_is_over_is_asked_again():
    clock = Clock()
    alias = ["kunde.test. 5 IN CNAME b.test.", "b.test. 300 IN A 192.0.2.1"]
    server = Scripted(*[_wire("kunde.test.", "A", answer=alias)] * 2)

    async def lookups(address):
        client, asked = DnsClient([address], clock=clock), []
        for seconds in (0, 4, 2):
            clock.now += seconds
            await client.lookup("kunde.test", "A")
            asked.append(server.asked)
        return asked

    assert server.run(lookups) == [1, 1, 2]


def test_what_is_used_least_leaves_a_full_cache():
    room = 2 * dns_client.ENTRY_BYTES + 1000

    async def lookups(server):
        client, asked = DnsClient([(server.host, server.port)], cache_bytes=room), []
        for n in "abacab":
            await client.lookup(f"{n}.test", "A")
            asked.append(len(server.queries))
        return asked

    with DnsServer({"ttl": 60, "names": {"*.test": ZONE}}) as server:
        assert asyncio.run(lookups(server)) == [1, 2, 2, 3, 3, 4]


def test_a_large_answer_takes_the_room_of_many():
    async def lookups(server):
        client = DnsClient([(server.host, server.port)], cache_bytes=40_000)
        for n in [*"abc", "large", *"abc"]:
            await client.lookup(f"{n}.test", "TXT")

    zone = {"*.test": ZONE, "large.test": {"TXT": [{"repeat": ["a", 37_000]}]}}
    with DnsServer({"ttl": 60, "names": zone}) as server:
        asyncio.run(lookups(server))
        assert [server.count(f"{n}.test") for n in [*"abc", "large"]] == [2, 2, 2, 2]


RECORDS = {
    "an absence": (),
    "an address": (Address("192.0.2.1"),),
    "2,000 addresses": tuple(Address(f"10.0.{n >> 8}.{n & 255}") for n in range(2000)),
    "a text": (Texts((b"v=spf1 include:_spf.example.test -all",)),),
    "a text of 60 KB": (Texts(tuple(b"%255d" % n for n in range(235))),),
    "300 texts": tuple(Texts((b"number %d" % n,)) for n in range(300)),
    "1,500 exchanges": tuple(Exchange(n, f"mx{n}.kunde.test") for n in range(1500)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_what_an_entry_costs_is_what_it_takes_in_memory(name):
    def copies():  # of their own, as each answer has them
        return [pickle.loads(pickle.dumps(RECORDS[name])) for _n in range(20)]

    def fill(answers):
        entries = {}
        for n, records in enumerate(answers):
            entry = dns_client.Entry(float(n))
            entry.found = Lookup(f"name{n}.kunde.test", "TXT", "NOERROR", records)
            assert entry.found.evidence
            entries[entry.found.name, "TXT"] = entry
        return entries

    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        entries = fill(copies())
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    counted = sum(dns_client.cost(entry.found) for entry in entries.values())
    assert 0.75 * taken < counted < 2.2 * taken


def test_lookups_on_their_way_are_shared():
    async def many(server):
        client = DnsClient([(server.host, server.port)], seconds=5)
        return await asyncio.gather(*(client.lookup("kunde.test", "A") for _n in range(50)))

    with DnsServer({"names": {"kunde.test": ZONE}, "rules": [{"delay": 0.1}]}) as server:
        assert {texts(found)[0] for found in asyncio.run(many(server))} == {"192.0.2.1"}
        assert len(server.queries) == 1


def test_a_limit_that_another_one_reached_is_not_ours():
    async def both(server):
        client = DnsClient([(server.host, server.port)], seconds=5)
        poor = asyncio.create_task(client.lookup("kunde.test", "A", limit=QueryLimit(1)))
        await asyncio.sleep(0)
        rich = asyncio.create_task(client.lookup("kunde.test", "A", limit=QueryLimit(5)))
        return await asyncio.gather(poor, rich, return_exceptions=True)

    rules = [{"sequence": [{"action": "servfail", "delay": 0.1}, "answer"], "repeat": "last"}]
    with DnsServer({"names": {"kunde.test": ZONE}, "rules": rules}) as server:
        poor, rich = asyncio.run(both(server))
    assert fault(poor) == "dns_limit"
    assert texts(rich) == RIGHT["A"]


def test_a_waiter_that_leaves_does_not_take_the_answer_from_the_others():
    async def one_leaves(server):
        client = DnsClient([(server.host, server.port)], seconds=5)
        leaver, waiter = (asyncio.create_task(client.lookup("kunde.test", "A")) for _n in range(2))
        await asked(server)
        leaver.cancel()
        return await waiter

    with DnsServer({"names": {"kunde.test": ZONE}, "rules": [{"delay": 0.1}]}) as server:
        assert texts(asyncio.run(one_leaves(server))) == RIGHT["A"]


def test_closing_ends_what_is_on_its_way():
    async def close(server):
        client = DnsClient([(server.host, server.port)], seconds=30)
        waiting = asyncio.create_task(client.lookup("kunde.test", "A"))
        await asked(server)
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with DnsServer({"rules": [{"action": "drop"}]}) as server:
        asyncio.run(close(server))


def test_no_datagram_makes_reading_fail_otherwise_than_by_passing_it_over():
    """Case 37."""
    question = dns_wire.Question("kunde.test", dns.rdatatype.MX)
    reply = dns.message.make_response(dns.message.from_wire(question.to_wire()))
    for text in (
        "kunde.test. 60 IN CNAME b.test.",
        "b.test. 60 IN MX 10 mx.b.test.",
        'b.test. 60 IN TXT "a" "b"',
    ):
        reply.answer.append(
            dns.rrset.from_text(text.split()[0], 60, "IN", text.split()[3], text.split(None, 4)[4])
        )
    good, dice = reply.to_wire(), random.Random(1035)
    for _turn in range(3000):
        wire = bytearray(good)
        for _change in range(dice.randint(1, 4)):
            wire[dice.randrange(2, len(wire))] = dice.randrange(256)
        cut = bytes(wire[: dice.choice([len(wire), dice.randrange(len(wire))])])
        with contextlib.suppress(dns_wire.NoDnsMessage, dns_wire.TooMuch):
            dns_reader.read(cut, question)


# -- answers made by hand, for what no well-behaved server says


def _wire(name, rdtype, answer=(), authority=()):
    """What makes the wire form of an answer for the id of its question."""
    query = dns.message.make_query(name, rdtype)
    reply = dns.message.make_response(query)
    for section, lines in ((reply.answer, answer), (reply.authority, authority)):
        for line in lines:
            owner, ttl, rdclass, kind, rest = line.split(None, 4)
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, kind, rest))
    return reply.to_wire()[2:]


class Scripted:
    """A server whose answers are these bytes behind the question's id, one after the other."""

    def __init__(self, *wires):
        self.wires, self.asked = list(wires), 0

    def ask(self, rdtype):
        async def lookup(address):
            try:
                return await DnsClient([address]).lookup("kunde.test", rdtype)
            except DnsFault as fault:
                return fault

        return self.run(lookup)

    def run(self, act):
        """What `act(address)` comes to."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(5)
            threading.Thread(target=self._serve, args=(server,), daemon=True).start()
            return asyncio.run(act(server.getsockname()))

    def _serve(self, server):
        with contextlib.suppress(OSError):
            while self.wires:
                query, peer = server.recvfrom(512)
                self.asked += 1
                server.sendto(query[:2] + self.wires.pop(0), peer)
