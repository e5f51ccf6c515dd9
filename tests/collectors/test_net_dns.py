"""The resolver: what is an answer, what an absence, and what a fault; over real UDP and TCP on loopback."""

import asyncio
import random
import socket
import threading
import time
from itertools import pairwise

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from collectors import dns_wire, net_dns
from collectors.net import Network
from collectors.net_dns import DnsClient, DnsFault, Limit
from collectors.text import clean_json
from mock_tenant.dnsserver import DnsServer

from .lab import config, target

RIGHT = {"MX": ["10 mx.kunde.test."], "TXT": ['"right"'], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}
ZONE = {"MX": [[10, "mx.kunde.test."]], "TXT": ["right"], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}
EACH_TYPE = pytest.mark.parametrize("rdtype", RIGHT)


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


def misbehaving(action, rdtype, *, tcp=None, seconds=0.5):
    """What is said to a server that has the right records and does this with a query (and `tcp` with one over TCP)."""
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
    assert (found.name, found.result, texts(found), found.chain) == ("kunde.test", "NOERROR", RIGHT[rdtype], ())
    assert len(server.queries) == 1
    assert server.queries[0]["rd"] and server.queries[0]["edns"] == 1232


@EACH_TYPE
def test_case_13_nxdomain_is_an_absence(rdtype):
    found, server = ask({}, rdtype)
    assert (found.result, found.records, found.evidence()["result"]) == ("NXDOMAIN", (), "NXDOMAIN")
    assert len(server.queries) == 1


@EACH_TYPE
@pytest.mark.parametrize(
    "zone", [{"names": {"kunde.test": {}}}, {"names": {"a.kunde.test": ZONE}}], ids=["no such type", "only names below"]
)
def test_case_14_nodata_is_another_absence(rdtype, zone):
    found, _server = ask(zone, rdtype)
    assert (found.result, found.records, found.evidence()["result"]) == ("NODATA", (), "NODATA")


@EACH_TYPE
def test_a_referral_is_neither(rdtype):
    """A server that knows only who knows more is not a resolver: no verdict on the name."""
    found = asyncio.run(_Scripted([_message("kunde.test", rdtype, authority=["kunde.test. 60 IN NS ns.kunde.test."])]).ask(rdtype))
    assert fault(found) == "dns_bad_response"


# -- faults


@EACH_TYPE
@pytest.mark.parametrize(("action", "code"), [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("notauth", "dns_bad_response")])
def test_case_15_and_16_servfail_and_refused_are_faults_after_one_retry(rdtype, action, code):
    found, server = misbehaving(action, rdtype, seconds=2.0)
    assert fault(found) == code
    assert len(server.queries) == 2
    assert "kunde.test" in found.message


@EACH_TYPE
@pytest.mark.parametrize("action", ["formerr", "notimp", "badvers"])
def test_case_17_a_server_without_edns_is_asked_without_it_before_giving_up(rdtype, action):
    found, server = misbehaving(action, rdtype, seconds=2.0)
    assert fault(found) == "dns_bad_response"
    assert [q["edns"] for q in server.queries] == [1232, None, 1232, None]


@EACH_TYPE
@pytest.mark.parametrize("action", ["formerr", "notimp"])
def test_case_17_an_answer_without_edns_is_good(rdtype, action):
    found, _server = ask({"names": {"kunde.test": ZONE}, "rules": [{"sequence": [action, "answer"], "repeat": "last"}]}, rdtype)
    assert texts(found) == RIGHT[rdtype]


@EACH_TYPE
def test_case_18_silence_is_a_time_out_after_two_tries(rdtype):
    started = time.monotonic()
    found, server = misbehaving("drop", rdtype)
    assert fault(found) == "dns_timeout"
    assert len(server.queries) == 2
    assert time.monotonic() - started < 2


@EACH_TYPE
def test_case_19_a_slow_answer_is_good(rdtype):
    found, server = ask({"names": {"kunde.test": ZONE}, "rules": [{"delay": 0.8}]}, rdtype, seconds=2.0)
    assert texts(found) == RIGHT[rdtype]
    assert found.ms >= 800
    assert len(server.queries) == 1


@EACH_TYPE
def test_a_server_that_is_silent_is_followed_by_the_next(rdtype):
    async def lookup(dead, good):
        client = DnsClient([(dead.host, dead.port), (good.host, good.port)], seconds=0.6)
        return [await client.lookup(f"{n}.test", rdtype) for n in "ab"]

    zone = {"names": {"a.test": ZONE, "b.test": ZONE}}
    with DnsServer({"rules": [{"action": "drop"}]}) as dead, DnsServer(zone) as good:
        assert [texts(found) for found in asyncio.run(lookup(dead, good))] == [RIGHT[rdtype]] * 2


# -- truncation and TCP


@EACH_TYPE
@pytest.mark.parametrize("action", ["tc", "tc_partial"])
def test_case_20_and_21_a_truncated_answer_is_had_whole_over_tcp(rdtype, action):
    several = {"MX": [[1, "a."], [2, "b."]], "TXT": ["a", "b"], "A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1", "2001:db8::2"]}
    rules = [{"name": "kunde.test", "proto": "udp", "action": action}]
    found, server = ask({"names": {"kunde.test": several}, "rules": rules}, rdtype)
    assert len(texts(found)) == 2
    assert [q["proto"] for q in server.queries] == ["udp", "tcp"]


@EACH_TYPE
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
def test_case_22_to_25_what_goes_wrong_over_tcp_is_a_fault(rdtype, tcp, code):
    started = time.monotonic()
    found, _server = misbehaving("tc", rdtype, tcp=tcp)
    assert fault(found) == code
    assert time.monotonic() - started < 3


# -- answers that are none


@EACH_TYPE
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
def test_case_26_to_30_and_37_what_does_not_answer_the_question_is_never_used(rdtype, action, code):
    found, _server = misbehaving(action, rdtype)
    assert fault(found) == code
    assert "forged" not in str(found) and "203.0.113.66" not in str(found)


def test_case_37_an_empty_datagram_is_not_an_answer():
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


@EACH_TYPE
@pytest.mark.parametrize("action", ["spoof_then_right", "extra_records", "case_flip", "dup"])
def test_case_27_and_38_the_right_answer_is_used_and_nothing_beside_it(rdtype, action):
    found, server = misbehaving(action, rdtype, seconds=2.0)
    assert texts(found) == RIGHT[rdtype]
    assert len(server.queries) == 1


def test_case_38_a_record_for_another_name_is_not_kept():
    async def both(server):
        client = DnsClient([(server.host, server.port)], seconds=0.25)
        await client.lookup("kunde.test", "A")
        return await client.lookup("bank.invalid", "A")

    with DnsServer({"names": {"kunde.test": ZONE}, "rules": [{"name": "kunde.test", "action": "extra_records"}]}) as server:
        assert asyncio.run(both(server)).result == "NXDOMAIN"
        assert server.count("bank.invalid") == 1


@EACH_TYPE
def test_case_39_one_retry_gets_over_a_passing_fault(rdtype):
    found, server = ask({"names": {"kunde.test": ZONE}, "rules": [{"sequence": ["servfail", "answer"]}]}, rdtype)
    assert texts(found) == RIGHT[rdtype]
    assert len(server.queries) == 2


# -- sizes and bytes


def test_case_31_bytes_beside_a_good_record_are_shown_and_harm_nothing():
    found, _server = ask({"names": {"kunde.test": {"TXT": [{"hex": "ff00fe"}, "v=spf1 -all"]}}}, "TXT")
    assert sorted(found.texts) == [b"v=spf1 -all", b"\xff\x00\xfe"]
    assert sorted(found.evidence()["records"]) == [r"\xff\x00\xfe", "v=spf1 -all"]


@pytest.mark.parametrize("size", [5_000, 60_000])
def test_case_32_and_33_a_large_text_is_whole(size):
    started = time.monotonic()
    found, _server = ask({"names": {"kunde.test": {"TXT": [{"repeat": ["a", size]}]}}}, "TXT", seconds=2.0)
    assert found.texts == [b"a" * size]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("rdtype", "value", "n"),
    [("TXT", {"generate": 300, "format": "text {i}"}, 300), ("A", {"generate": 2000, "format": "10.0.{hi}.{lo}"}, 2000)],
)
def test_case_34_many_records_are_all_there_in_time(rdtype, value, n):
    started = time.monotonic()
    found, _server = ask({"names": {"kunde.test": {rdtype: [value]}}}, rdtype, seconds=2.0)
    assert len(found.records) == n
    assert time.monotonic() - started < 5


def test_case_34_evidence_of_many_records_is_cut():
    async def seen(server):
        network = Network(config(server))
        net = network.audit(target()).net("test")
        await net.lookup("kunde.test", "TXT")
        await network.close()
        return net.seen()

    with DnsServer({"names": {"kunde.test": {"TXT": [{"generate": 300, "format": "text {i}"}]}}}) as server:
        records = clean_json(asyncio.run(seen(server)))["lookups"][0]["records"]
    assert len(records) == 201
    assert records[-1] == "… 100 more"


@EACH_TYPE
def test_strings_of_one_text_are_joined_without_a_space(rdtype):
    if rdtype == "TXT":
        assert ask({"names": {"kunde.test": {"TXT": [["v=spf1 ip4:", "192.0.2.5"]]}}}, rdtype)[0].texts == [b"v=spf1 ip4:192.0.2.5"]


# -- aliases


@EACH_TYPE
def test_case_35_an_alias_loop_is_a_fault(rdtype):
    assert fault(ask({"names": {"kunde.test": {"CNAME": ["b.test."]}, "b.test": {"CNAME": ["kunde.test."]}}}, rdtype)[0]) == "dns_servfail"


@EACH_TYPE
@pytest.mark.parametrize("links", [["kunde.test."], ["b.test.", "kunde.test."], ["b.test.", "c.test.", "b.test."]])
@pytest.mark.parametrize("at_once", [True, False], ids=["in one answer", "one by one"])
def test_case_35_an_alias_loop_in_the_answers_is_a_fault(rdtype, links, at_once):
    names = ["kunde.test.", *links]
    records = [f"{owner} 60 IN CNAME {to}" for owner, to in pairwise(names)]
    answers = [records] if at_once else [[r] for r in records]
    scripted = _Scripted([_message(a[0].split()[0], rdtype, answer=a) for a in answers] * 20)
    assert fault(asyncio.run(scripted.ask(rdtype))) in ("dns_bad_response", "dns_limit")
    assert scripted.asked <= len(links)


@EACH_TYPE
def test_case_36_a_chain_of_five_is_followed(rdtype):
    zone = {"names": {"kunde.test": ZONE}, "chains": [{"prefix": "c", "zone": "chain.test", "length": 5, "target": "kunde.test"}]}
    found, _server = ask(zone, rdtype, "c0.chain.test")
    assert texts(found) == RIGHT[rdtype]
    assert found.chain == ("c1.chain.test", "c2.chain.test", "c3.chain.test", "c4.chain.test", "kunde.test")


@EACH_TYPE
def test_case_36_a_chain_of_twenty_is_a_fault(rdtype):
    zone = {"names": {"kunde.test": ZONE}, "chains": [{"prefix": "c", "zone": "chain.test", "length": 20, "target": "kunde.test"}]}
    assert fault(ask(zone, rdtype, "c0.chain.test")[0]) == "dns_bad_response"


@EACH_TYPE
def test_an_alias_that_the_server_does_not_follow_is_followed(rdtype):
    first = _message("kunde.test.", rdtype, answer=["kunde.test. 60 IN CNAME b.test."])
    then = _message("b.test.", rdtype, answer=[f"b.test. 60 IN {rdtype} {RIGHT[rdtype][0]}"])
    found = asyncio.run(_Scripted([first, then]).ask(rdtype))
    assert (texts(found), found.chain) == (RIGHT[rdtype], ("b.test",))


@EACH_TYPE
def test_an_alias_that_leads_to_nothing_is_an_absence_with_its_chain(rdtype):
    found, _server = ask({"names": {"kunde.test": {"CNAME": ["gone.test."]}}}, rdtype)
    assert (found.result, found.chain) == ("NXDOMAIN", ("gone.test",))
    found, _server = ask({"names": {"kunde.test": {"CNAME": ["here.test."]}, "here.test": {"HINFO": ["a b"]}}}, rdtype)
    assert (found.result, found.chain) == ("NODATA", ("here.test",))


def test_a_record_of_another_class_is_not_an_answer():
    found = asyncio.run(_Scripted([_message("kunde.test.", "TXT", answer=["kunde.test. 60 CH TXT wrong"])]).ask("TXT"))
    assert fault(found) == "dns_bad_response"


# -- where and what it asks


def test_case_40_a_name_is_resolved_once_in_an_audit():
    async def twice(server):
        network = Network(config(server, dns_cache_seconds=0))
        audit = network.audit(target())
        found = [await audit.net(check).addresses("kunde.test") for check in ("one", "other")]
        await network.close()
        return [f.all for f in found]

    rebind = {"name": "kunde.test", "type": "A", "sequence": [{"A": ["192.0.2.1"]}, {"A": ["127.0.0.1"]}], "repeat": "last"}
    with DnsServer({"names": {"kunde.test": {"A": ["192.0.2.1"]}}, "rules": [rebind]}) as server:
        assert asyncio.run(twice(server)) == [("192.0.2.1",), ("192.0.2.1",)]
        assert server.count("kunde.test", "A") == 1


def test_case_41_a_search_list_is_never_used(monkeypatch, tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text("search evil.test\noptions ndots:5\nnameserver 192.0.2.53\n")
    real = dns.resolver.Resolver
    monkeypatch.setattr(dns.resolver, "Resolver", lambda configure: real(str(conf), configure))
    assert DnsClient().servers == [("192.0.2.53", 53)]
    for name in ("printer", "www.kunde"):
        _found, server = ask({}, "A", name)
        assert [q["name"] for q in server.queries] == [f"{name}."]


def test_case_41_without_a_resolver_every_lookup_is_a_fault(monkeypatch):
    monkeypatch.setattr(net_dns, "_system_servers", list)
    with pytest.raises(DnsFault) as caught:
        asyncio.run(DnsClient().lookup("kunde.test", "A"))
    assert caught.value.code == "dns_unreachable"


@EACH_TYPE
def test_case_42_a_resolver_that_is_down_and_comes_back(rdtype):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.84.42.1", 0))  # where nobody else looks for a free port meanwhile
        port = sock.getsockname()[1]

    async def before_and_after():
        client = DnsClient([("127.84.42.1", port)], seconds=2.0)
        with pytest.raises(DnsFault) as caught:
            await client.lookup("kunde.test", rdtype)
        assert not await client.works()
        with DnsServer({"names": {"kunde.test": ZONE}}, host="127.84.42.1", port=port):
            assert await client.works()
            return caught.value.code, texts(await client.lookup("kunde.test", rdtype))

    assert asyncio.run(before_and_after()) == ("dns_unreachable", RIGHT[rdtype])


@pytest.mark.parametrize(
    "name", ["a..b", "." * 3, "a" * 64 + ".test", "a." * 127 + "test", "bücher.test", "a\0\ud800.test", "\\", "\\999.test"]
)
def test_a_name_that_dns_cannot_be_asked_for_is_a_fault_without_a_query(name):
    found, server = ask({}, "A", name)
    assert fault(found) == "dns_bad_name"
    assert server.queries == []


# -- limits, cache, sharing


def test_the_limit_of_queries_holds_for_retries_too():
    found, server = ask({"rules": [{"action": "servfail"}]}, "A", limit=Limit(1))
    assert fault(found) == "dns_limit"
    assert len(server.queries) == 1


def test_a_parents_limit_counts_too():
    parent = Limit(2)
    one, other = Limit(5, parent), Limit(5, parent)
    assert [one.spend(), other.spend(), one.spend(), other.spend()] == [True, True, False, False]


@pytest.mark.parametrize("zone", [{"names": {"kunde.test": ZONE}}, {}], ids=["an answer", "an absence"])
def test_answers_and_absences_are_kept_while_they_last(zone):
    async def thrice(server):
        client = DnsClient([(server.host, server.port)], seconds=5)
        return [
            await client.lookup("kunde.test", "A"),
            await client.lookup("KUNDE.test.", "A"),
            await client.lookup("kunde.test", "A", fresh=True),
        ]

    with DnsServer({"ttl": 60, **zone}) as server:
        found = asyncio.run(thrice(server))
        assert [f.cached for f in found] == [False, True, False]
        assert len(server.queries) == 2


def test_what_must_not_be_kept_is_asked_again():
    async def twice(server):
        client = DnsClient([(server.host, server.port)], seconds=5)
        return [await client.lookup("kunde.test", "A") for _turn in range(2)]

    with DnsServer({"names": {"kunde.test": ZONE}}) as server:  # its TTLs are 0
        assert [f.cached for f in asyncio.run(twice(server))] == [False, False]
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
        poor = asyncio.create_task(client.lookup("kunde.test", "A", limit=Limit(1)))
        await asyncio.sleep(0)
        rich = asyncio.create_task(client.lookup("kunde.test", "A", limit=Limit(5)))
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
        await asyncio.sleep(0.02)
        leaver.cancel()
        return await waiter

    with DnsServer({"names": {"kunde.test": ZONE}, "rules": [{"delay": 0.1}]}) as server:
        assert texts(asyncio.run(one_leaves(server))) == RIGHT["A"]


@pytest.mark.parametrize("fresh", [True, False])
def test_closing_ends_what_is_on_its_way(fresh):
    async def close(server):
        client = DnsClient([(server.host, server.port)], seconds=30)
        waiting = asyncio.create_task(client.lookup("kunde.test", "A", fresh=fresh))
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with DnsServer({"rules": [{"action": "drop"}]}) as server:
        asyncio.run(close(server))


def test_case_37_no_datagram_makes_reading_fail_otherwise_than_by_passing_it_over():
    query = dns.message.make_query("kunde.test.", "MX", use_edns=0)
    reply = dns.message.make_response(query)
    for text in ("kunde.test. 60 IN CNAME b.test.", "b.test. 60 IN MX 10 mx.b.test.", 'b.test. 60 IN TXT "a" "b"'):
        reply.answer.append(dns.rrset.from_text(text.split()[0], 60, "IN", text.split()[3], text.split(None, 4)[4]))
    good, dice = reply.to_wire(), random.Random(1035)
    for _turn in range(3000):
        wire = bytearray(good)
        for _change in range(dice.randint(1, 4)):
            wire[dice.randrange(2, len(wire))] = dice.randrange(256)
        message = dns_wire.parse(bytes(wire[: dice.choice([len(wire), dice.randrange(len(wire))])]), query)
        if message:
            dns_wire.read_answer(message, "kunde.test", "MX")


# -- answers made by hand, for what no well-behaved server says


def _message(name, rdtype, answer=(), authority=()):
    query = dns.message.make_query(name, rdtype)
    reply = dns.message.make_response(query)
    for section, lines in ((reply.answer, answer), (reply.authority, authority)):
        for line in lines:
            owner, ttl, rdclass, kind, rest = line.split(None, 4)
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, kind, rest))
    return dns.message.from_wire(reply.to_wire())


class _Scripted(DnsClient):
    """A client whose questions are answered with these messages, one after the other."""

    def __init__(self, messages):
        super().__init__([("127.0.0.1", 1)])
        self.messages, self.asked = list(messages), 0

    async def _ask(self, name, rdtype, limit):
        self.asked += 1
        return self.messages.pop(0), "script"

    async def ask(self, rdtype):
        try:
            return await self.lookup("kunde.test", rdtype)
        except DnsFault as fault:
            return fault
