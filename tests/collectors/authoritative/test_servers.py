"""Asking the name servers of a zone directly: who is asked, what is told, and what it may cost when
they are hostile."""

import time

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.authoritative import Answers, State, Trouble
from mock_tenant.zone import ACTIONS
from tests.collectors.authoritative.name_servers import Internet, delegated, reply
from tests.collectors.dkim_keys import spki

DOMAIN = "kunde.test"
MX, SPF, DMARC = (DOMAIN, "MX"), (DOMAIN, "TXT"), (f"_dmarc.{DOMAIN}", "TXT")
ONE, TWO = "127.0.0.11", "127.0.0.12"
NEW = {"names": {DOMAIN: {"MX": [[10, "mx1.host.test"]], "TXT": ["v=spf1 -all"]}}}
OLD = {"ttl": 3600, "names": {DOMAIN: {"MX": [[10, "mx.old.test"]]}}}
MANY = [MX, SPF, DMARC, *((f"s{n}._domainkey.{DOMAIN}", "TXT") for n in range(7))]


def states(answers):
    """{server's first label: what became of each question}."""
    return {
        server.short: [s.state for s in answers.said if s.server == server.name] or [server.state]
        for server in answers.servers
    }


def test_each_server_says_what_it_has_and_is_asked_without_recursion():
    with Internet(delegated(DOMAIN, ns1=ONE, ns2=TWO), {ONE: NEW, TWO: OLD}) as net:
        answers = net.look(DOMAIN, [MX, SPF])
    said = {(s.server.partition(".")[0], s.type): s for s in answers.said}
    assert answers.zone == DOMAIN and answers.trouble is None and answers.of_all == 2
    assert said["ns1", "MX"].records == ("10 mx1.host.test.",)
    assert said["ns2", "MX"].records == ("10 mx.old.test.",) and said["ns2", "MX"].ttl == 3600
    assert said["ns2", "TXT"].records == () and said["ns2", "TXT"].state == State.ANSWERED
    asked = [q for server in net.servers.values() for q in server.queries]
    assert {(q["rd"], q["edns"], q["proto"]) for q in asked} == {(False, 1232, "udp")}
    assert len({q["id"] for q in asked}) > 1 and answers.queries == net.count
    assert Answers.from_json(answers.to_json()) == answers


def test_a_truncated_answer_is_had_whole_over_tcp():
    long = {"names": {DOMAIN: {"TXT": [{"repeat": ["a", 5000]}, "v=spf1 -all"]}}}
    with Internet(delegated(DOMAIN, ns1=ONE), {ONE: long}) as net:
        [said] = net.look(DOMAIN, [SPF]).said
    assert said.records[0] == "v=spf1 -all", "a policy comes before other texts"
    assert len(said.records[1]) < 2100, "and long ones are cut"
    assert [q["proto"] for q in net.servers[ONE].queries] == ["udp", "tcp"]


def test_the_zone_may_be_above_the_domain():
    with Internet(delegated(DOMAIN, ns1=ONE), {ONE: NEW}) as net:
        answers = net.look(f"a.b.{DOMAIN}", [MX])
    assert answers.zone == DOMAIN and answers.said[0].records


def test_the_parents_referral_decides_who_is_asked():
    """The resolver still holds the servers that the domain had before it moved."""
    parent = "127.0.0.20"

    def refer(query, _proto):
        ns = dns.rrset.from_text(f"{DOMAIN}.", 60, "IN", "NS", f"ns2.{DOMAIN}.")
        glue = dns.rrset.from_text(f"ns2.{DOMAIN}.", 60, "IN", "A", TWO)
        return reply(query, aa=False, authority=[ns], additional=[glue])

    resolver = delegated(DOMAIN, ns1=ONE)
    resolver["names"] |= {"test": {"NS": ["a.nic.test"]}, "a.nic.test": {"A": [parent]}}
    with Internet(resolver, {ONE: OLD, TWO: NEW, parent: refer}) as net:
        answers = net.look(DOMAIN, [MX])
    assert [s.name for s in answers.servers] == [f"ns2.{DOMAIN}"]
    assert answers.said[0].records == ("10 mx1.host.test.",)
    assert net.servers[ONE].queries == []


@pytest.mark.parametrize("failure", [{"action": "servfail"}, {"action": "drop"}])
def test_where_all_servers_are_dead_the_parent_knows_their_names_and_each_is_told(failure):
    parent = "127.0.0.20"

    def refer(query, _proto):
        hosts = [f"ns1.{DOMAIN}.", f"ns2.{DOMAIN}."]
        ns = dns.rrset.from_text(f"{DOMAIN}.", 60, "IN", "NS", *hosts)
        glue = [
            dns.rrset.from_text(h, 60, "IN", "A", a) for h, a in zip(hosts, (ONE, TWO), strict=True)
        ]
        return reply(query, aa=False, authority=[ns], additional=glue)

    names = {"test": {"NS": ["a.nic.test"]}, "a.nic.test": {"A": [parent]}}
    resolver = {"names": names, "rules": [{"name": DOMAIN, **failure}]}
    dead = {"rules": [{"action": "drop"}]}
    with Internet(resolver, {ONE: dead, TWO: dead, parent: refer}) as net:
        answers = net.look(DOMAIN, [MX, SPF])
    assert states(answers) == {"ns1": [State.SILENT] * 2, "ns2": [State.SILENT] * 2}
    assert len(net.servers[ONE].queries) == 2, "tried twice, and asked nothing else"


def test_a_domain_without_name_servers_and_a_resolver_that_is_down_are_told_apart():
    with Internet({"names": {"test": {"NS": ["a.nic.test"]}}}, {}) as net:
        assert net.look(DOMAIN, [MX]).trouble == Trouble.NO_SERVERS
    with Internet({"rules": [{"action": "drop"}]}, {}) as net:
        assert net.look(DOMAIN, [MX]).trouble == Trouble.RESOLVER


PRIVATE = (
    *("127.0.0.1", "10.0.0.5", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254"),
    *("0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.0.192"),
    *("::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:5", "2002:a00:5::", "fec0::1"),
    *("fd00:ec2::254", "ff02::1", "::", "2001:db8::1"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_no_domain_can_have_us_ask_inside_the_network(address, monkeypatch):
    """Case 280: no packet to it, and it is said why."""
    sent = []
    monkeypatch.setattr("collectors.authoritative.budget.ask_udp", _recorded(sent))
    with Internet(delegated(DOMAIN, ns1=address, ns2=ONE), {ONE: NEW}) as net:
        answers = net.look(DOMAIN, [MX], f"{ONE}/32")
    assert states(answers) == {"ns1": [State.NOT_PUBLIC], "ns2": [State.ANSWERED]}
    to = {host for host, asked in sent if asked.name == DOMAIN and not asked.recursive}
    assert to == {ONE}
    assert answers.servers[0].address == address


def _recorded(sent):
    from collectors.net.dns_transport import ask_udp

    async def ask(question, host, *rest):
        sent.append((host, question))
        return await ask_udp(question, host, *rest)

    return ask


def test_a_server_of_which_one_address_is_inside_is_not_asked_at_all():
    resolver = delegated(DOMAIN, ns1=ONE)
    resolver["names"][f"ns1.{DOMAIN}"]["A"].append("10.0.0.5")
    with Internet(resolver, {ONE: NEW}) as net:
        assert states(net.look(DOMAIN, [MX], f"{ONE}/32")) == {"ns1": [State.NOT_PUBLIC]}
        assert net.servers[ONE].queries == []


def test_glue_and_servers_of_the_parent_are_held_to_the_same_rule():
    inside, parent = "127.0.0.30", "127.0.0.20"

    def refer(query, _proto):
        ns = dns.rrset.from_text(f"{DOMAIN}.", 60, "IN", "NS", f"ns1.{DOMAIN}.")
        glue = dns.rrset.from_text(f"ns1.{DOMAIN}.", 60, "IN", "A", inside)
        return reply(query, aa=False, authority=[ns], additional=[glue])

    resolver = delegated(DOMAIN, ns1=ONE)
    resolver["names"] |= {
        "test": {"NS": ["a.nic.test", "b.nic.test"]},
        "a.nic.test": {"A": [inside]},
        "b.nic.test": {"A": [parent]},
    }
    with Internet(resolver, {ONE: NEW, inside: NEW, parent: refer}) as net:
        answers = net.look(DOMAIN, [MX], f"{ONE}/32", f"{parent}/32")
        assert states(answers) == {"ns1": [State.NOT_PUBLIC]}
        assert net.servers[inside].queries == []


def _lame(query, _proto):
    return reply(query, aa=False)


def _recursive(query, _proto):
    """A resolver that has the record from somewhere: not its own."""
    return reply(query, dns.rrset.from_text(MX[0] + ".", 60, "IN", "MX", "10 x."), aa=False)


def _circle(query, _proto):
    name = query.question[0].name
    there = dns.rrset.from_text(name, 60, "IN", "CNAME", "b.kunde.test.")
    back = dns.rrset.from_text("b.kunde.test.", 60, "IN", "CNAME", name.to_text())
    return reply(query, there, back)


def _largest(query, proto):
    """64 KB of it over TCP: 4,000 names, each compressed."""
    if proto == "udp":
        made = reply(query)
        made.flags |= dns.flags.TC
        return made
    head = bytearray(reply(query).to_wire())
    one = b"\xc0\x0c" + (15).to_bytes(2, "big") + b"\0\1\0\0\0\x3c\0\x04\0\x0a\xc0\x0c"
    number = (65535 - len(head)) // len(one)
    head[6:8] = number.to_bytes(2, "big")
    return bytes(head[: len(head)]) + one * number


def _rule(action):
    return {**NEW, "rules": [{"action": action}]}


HOSTILE = {
    "silent": (_rule("drop"), State.SILENT),
    "another id": (_rule("wrong_id"), State.UNREADABLE),
    "another question": (_rule("wrong_question"), State.UNREADABLE),
    "no DNS": (_rule("garbage"), State.UNREADABLE),
    "another port": (_rule("wrong_port"), State.SILENT),
    "refuses": (_rule("refused"), State.REFUSED),
    "fails": (_rule("servfail"), State.FAILED),
    "truncated for ever": (_rule("tc_loop"), State.UNREADABLE),
    "trickles over TCP": (_rule("tcp_slow"), State.SILENT),
    "hangs over TCP": (_rule("tcp_hang"), State.SILENT),
    "another owner": (_rule("wrong_owner"), State.UNREADABLE),
    "another type": (_rule("wrong_type"), State.UNREADABLE),
    "half a message": (_rule("tcp_partial"), State.UNREADABLE),
    "lame": (_lame, State.LAME),
    "not its own": (_recursive, State.LAME),
    "in a circle": (_circle, State.LOOP),
    "64 KB": (_largest, State.UNREADABLE),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_is_told(kind, monkeypatch):
    """Case 281."""
    monkeypatch.setattr("collectors.authoritative.budget.TRY_SECONDS", 0.4)
    zone, state = HOSTILE[kind]
    with Internet(delegated(DOMAIN, ns1=ONE, ns2=TWO), {ONE: zone, TWO: NEW}) as net:
        answers = net.look(DOMAIN, [MX, SPF])
    assert states(answers) == {"ns1": [state] * 2, "ns2": [State.ANSWERED] * 2}
    assert net.count <= 40 and answers.queries == net.count


WORST = ["silent", "another id", "truncated for ever", "trickles over TCP", "64 KB", "in a circle"]


@pytest.mark.parametrize("kind", WORST)
def test_six_of_them_and_ten_questions_cost_eight_seconds_and_forty_queries_at_most(kind):
    """Case 282."""
    hosts = {f"ns{n}": f"127.0.0.{40 + n}" for n in range(6)}
    zone, _state = HOSTILE[kind]
    with Internet(delegated(DOMAIN, **hosts), dict.fromkeys(hosts.values(), zone)) as net:
        began = time.monotonic()
        answers = net.look(DOMAIN, MANY)
        assert time.monotonic() - began < 8
    assert net.count <= 40 and answers.queries == net.count
    assert not any(s.records for s in answers.said), "and nothing is taken for an answer"


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_mixture_of_servers_costs_more_than_forty_queries(data):
    """Case 282: every number is counted by the servers, whatever each of them does."""
    actions = st.sampled_from(sorted(ACTIONS - {"tcp_hang", "tcp_slow"}))
    hosts = {f"ns{n}": f"127.0.0.{40 + n}" for n in range(6)}
    parent = "127.0.0.20"
    resolver = delegated(DOMAIN, **hosts)
    resolver["names"] |= {"test": {"NS": ["a.nic.test"]}, "a.nic.test": {"A": [parent]}}
    resolver["rules"] = [{"sequence": data.draw(st.lists(actions, min_size=1, max_size=4))}]
    zones = {
        host: {**NEW, "rules": [{"sequence": data.draw(st.lists(actions, min_size=1, max_size=3))}]}
        for host in (parent, *hosts.values())
    }
    with pytest.MonkeyPatch.context() as patch, Internet(resolver, zones) as net:
        patch.setattr("collectors.authoritative.budget.TRY_SECONDS", 0.05)
        answers = net.look(DOMAIN, data.draw(st.sampled_from([MANY, [MX], [MX, SPF, DMARC]])))
        assert net.count <= answers.queries <= 40


def test_of_hundreds_of_servers_six_are_asked_the_same_ones_each_time():
    """Case 283."""
    hosts = {f"ns{n:03d}": ONE for n in range(300)}
    with Internet(delegated(DOMAIN, **hosts), {ONE: NEW}) as net:
        first, second = net.look(DOMAIN, MANY), net.look(DOMAIN, MANY)
    assert first.of_all == 300 and first.queries <= 40
    assert [s.short for s in first.servers] == [
        "ns000",
        "ns050",
        "ns100",
        "ns150",
        "ns200",
        "ns250",
    ]
    assert first.servers == second.servers and first.servers[0].state == State.ANSWERED


@pytest.mark.parametrize("delay", [1.0, 3.0])
def test_slow_servers_everywhere_cost_a_visitor_eight_seconds_at_most(delay):
    """Our resolver, because the zone keeps it waiting, and all of the zone's own."""
    hosts = {f"ns{n}": f"127.0.0.{40 + n}" for n in range(6)}
    slow = {"delay": delay, "action": "answer"}
    resolver = {**delegated(DOMAIN, **hosts), "rules": [slow]}
    zone = {**NEW, "rules": [slow]}
    with Internet(resolver, dict.fromkeys(hosts.values(), zone)) as net:
        began = time.monotonic()
        answers = net.look(DOMAIN, MANY)
        assert time.monotonic() - began < 8
        assert net.count <= 40
    assert not any(s.state == State.SILENT and s.records for s in answers.said)


def test_the_slowest_way_to_the_servers_ends_in_time_too():
    """A slow resolver, and two servers of the parent that are silent, before the zone's own."""
    dead, parents = {"rules": [{"action": "drop"}]}, ("127.0.0.20", "127.0.0.21")
    resolver = delegated(DOMAIN, ns1="::1")  # IPv4 is asked for before
    resolver["names"] |= {"test": {"NS": ["a.nic.test", "b.nic.test"]}}
    resolver["names"] |= {
        f"{label}.nic.test": {"A": [host]} for label, host in zip("ab", parents, strict=True)
    }
    resolver["rules"] = [{"delay": 1.05, "action": "answer"}]
    with Internet(resolver, dict.fromkeys(("::1", *parents), dead)) as net:
        began = time.monotonic()
        answers = net.look(DOMAIN, [MX, SPF], "127.0.0.0/8", "::1/128")
        assert time.monotonic() - began < 8
    assert states(answers) == {"ns1": [State.NOT_ASKED] * 2}


def test_what_was_not_learnt_in_time_is_held_against_nobody():
    slow = {**NEW, "rules": [{"delay": 0.8, "action": "answer"}]}
    with Internet(delegated(DOMAIN, ns1=ONE), {ONE: slow}) as net:
        answers = net.look(DOMAIN, [MX, SPF], seconds=0.5)
    assert states(answers) == {"ns1": [State.NOT_ASKED] * 2}


def test_an_alias_into_another_zone_is_followed_to_its_end_once():
    """Case 284."""
    name, end = f"s1._domainkey.{DOMAIN}", "s1.dkim.host.test"
    resolver = delegated(DOMAIN, ns1=ONE, ns2=TWO)
    resolver["names"][end] = {"TXT": ["v=DKIM1; p=AAAA"]}

    def alias(query, _proto):
        return reply(query, dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{end}."))

    with Internet(resolver, {ONE: alias, TWO: alias}) as net:
        answers = net.look(DOMAIN, [(name, "TXT"), (name, "CNAME")])
        assert net.resolver.count(end) == 1
    for said in answers.said:
        if said.type == "TXT":
            assert said.records == ("v=DKIM1; p=AAAA",) and said.chain == (end,)
        else:
            assert said.records == (f"{end}.",) and said.leads is True


KEY, KEY_NAME, KEY_END = (
    f"v=DKIM1; k=rsa; p={spki()}",
    f"s1._domainkey.{DOMAIN}",
    "s1.dkim.host.test",
)
WEBMAIL, WEB_END = f"webmail.{DOMAIN}", "web.host.test"


@pytest.mark.parametrize(
    ("there", "at_the_end", "stands_in"),
    [
        ({KEY_NAME: {"TXT": [f"p={spki()}"]}}, {KEY_END: {"TXT": [KEY]}}, True),
        ({KEY_NAME: {"TXT": [KEY, f"p={spki()}"]}}, {KEY_END: {"TXT": [KEY]}}, False),
        ({KEY_NAME: {"TXT": [f"t=y; p={spki()}"]}}, {KEY_END: {"TXT": [KEY]}}, False),
        ({KEY_NAME: {"TXT": [KEY]}}, {KEY_END: {"TXT": [KEY]}}, True),
        ({KEY_NAME: {"TXT": [KEY, "other"]}}, {KEY_END: {"TXT": [KEY]}}, False),
        (
            {KEY_NAME: {"TXT": [f"v=DKIM1; p={spki(name='other')}"]}},
            {KEY_END: {"TXT": [KEY]}},
            False,
        ),
        ({KEY_NAME: {"TXT": [KEY]}}, {}, False),
        ({KEY_NAME: {"A": ["192.0.2.1"]}}, {KEY_END: {"TXT": [KEY]}}, False),
        ({}, {KEY_END: {"TXT": [KEY]}}, False),
        (
            {KEY_NAME: {"CNAME": ["older.host.test"]}},
            {KEY_END: {"TXT": [KEY]}, "older.host.test": {"TXT": [KEY]}},
            True,
        ),
        ({WEBMAIL: {"A": ["192.0.2.9"]}}, {WEB_END: {"A": ["192.0.2.9", "192.0.2.8"]}}, True),
        ({WEBMAIL: {"A": ["192.0.2.7"]}}, {WEB_END: {"A": ["192.0.2.9"]}}, False),
        ({WEBMAIL: {"AAAA": ["2001:db8::9"]}}, {WEB_END: {"AAAA": ["2001:db8::9"]}}, True),
        (
            {WEBMAIL: {"A": ["192.0.2.9"], "AAAA": ["2001:db8::bad"]}},
            {WEB_END: {"A": ["192.0.2.9"]}},
            False,
        ),
        (
            {WEBMAIL: {"CNAME": ["mail.host.test"]}},
            {WEB_END: {"A": ["192.0.2.9"]}, "mail.host.test": {"A": ["192.0.2.9"]}},
            True,
        ),
        (
            {WEBMAIL: {"CNAME": ["parking.test"]}},
            {WEB_END: {"A": ["192.0.2.9"]}, "parking.test": {"A": ["192.0.2.6"]}},
            False,
        ),
    ],
)
def test_what_says_the_same_as_an_alias_stands_in_for_it(there, at_the_end, stands_in):
    """A key as TXT where an alias of it is looked for, addresses, another alias: the audit counts
    them, and so does this."""
    resolver = delegated(DOMAIN, ns1=ONE)
    resolver["names"] |= at_the_end
    webmail = WEBMAIL in there
    name, end = (WEBMAIL, WEB_END) if webmail else (KEY_NAME, KEY_END)
    with Internet(resolver, {ONE: {"names": {DOMAIN: {"TXT": ["x"]}, **there}}}) as net:
        answers = net.look(DOMAIN, [SPF, (name, "CNAME")], aliases={name: f"{end}."})
        assert answers.queries == net.count
    [said] = answers.about(name, "CNAME")
    assert said.state == State.ANSWERED and said.stands_in is stands_in
    assert Answers.from_json(answers.to_json()) == answers


def test_where_the_end_of_the_alias_cannot_be_had_nobody_is_said_to_lack_it():
    resolver = delegated(DOMAIN, ns1=ONE) | {"rules": [{"name": KEY_END, "action": "servfail"}]}
    with Internet(resolver, {ONE: {"names": {KEY_NAME: {"TXT": [KEY]}}}}) as net:
        answers = net.look(DOMAIN, [(KEY_NAME, "CNAME")], aliases={KEY_NAME: KEY_END})
    assert states(answers) == {"ns1": [State.NOT_ASKED]}


def test_an_alias_to_a_name_with_ipv6_alone_leads_somewhere():
    resolver = delegated(DOMAIN, ns1=ONE)
    resolver["names"][WEB_END] = {"AAAA": ["2001:db8::9"]}
    with Internet(resolver, {ONE: {"names": {WEBMAIL: {"CNAME": [WEB_END]}}}}) as net:
        [said] = net.look(DOMAIN, [(WEBMAIL, "CNAME")]).said
    assert said.leads is True


def test_a_server_of_the_zone_that_delegates_a_name_refers_to_others_for_it():
    name = f"s1._domainkey.{DOMAIN}"

    def answer(query, _proto):
        if query.question[0].name.to_text() == f"{name}.":
            ns = dns.rrset.from_text(f"_domainkey.{DOMAIN}.", 60, "IN", "NS", "ns.other.test.")
            return reply(query, aa=False, authority=[ns])
        return reply(query, dns.rrset.from_text(f"{DOMAIN}.", 60, "IN", "MX", "10 mx1.host.test."))

    with Internet(delegated(DOMAIN, ns1=ONE), {ONE: answer}) as net:
        answers = net.look(DOMAIN, [MX, (name, "TXT")])
    assert states(answers) == {"ns1": [State.ANSWERED, State.ELSEWHERE]}


def test_a_name_server_without_an_address_is_told():
    with Internet(delegated(DOMAIN, ns1="", ns2=ONE), {ONE: NEW}) as net:
        answers = net.look(DOMAIN, [MX])
    assert states(answers) == {"ns1": [State.NO_ADDRESS], "ns2": [State.ANSWERED]}
    assert [s.state for s in answers.about(*MX)] == [State.NO_ADDRESS, State.ANSWERED]


@pytest.mark.parametrize("name", ["", ".", "a" * 64 + ".kunde.test", "a..kunde.test"])
def test_what_is_no_name_is_not_asked(name):
    with Internet(delegated(DOMAIN, ns1=ONE), {ONE: NEW}) as net:
        assert [s.name for s in net.look(DOMAIN, [(name, "TXT"), MX]).said] == [DOMAIN]
