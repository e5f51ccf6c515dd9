"""The names in a tenant's settings, judged once: what is broken there is nobody else's fault."""

import asyncio

import pytest

from collectors.base import Fault
from collectors.net.session import NetworkClients
from collectors.server.own_names import (
    FAULT_SECONDS,
    KEPT_SECONDS,
    OwnName,
    OwnNames,
    kept_seconds,
    own_names,
)
from collectors.text import _
from mock_tenant.dnsserver import DnsServer
from tests.collectors.lab import config, target

HOST = {
    "mx1.host.test": {"A": ["127.0.0.2"]},
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
    "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
    "webmail.host.test": {"CNAME": ["web.host.test"]},
    "web.host.test": {"A": ["127.0.0.3"]},
}


def judge(names=None, *, rules=(), seconds=3.0, **settings):
    """(OwnNames, DnsServer) of a tenant whose zone differs from a good one by `names`."""
    zone = {"names": {**HOST, **(names or {})}, "rules": list(rules)}
    tenant = {
        "webmail_target": "webmail.host.test",
        "webmail_addresses": ("127.0.0.3",),
        **settings,
    }

    async def main(server):
        network = NetworkClients(config(server, check_seconds=seconds))
        audit = network.audit_session(target(**tenant))
        try:
            return await own_names(audit.target, audit.check_session("dns_mx"))
        finally:
            await audit.close()
            await network.close()

    with DnsServer(zone) as server:
        return asyncio.run(main(server)), server


def problem(name):
    return str(name.problem)


def test_names_that_work_have_no_problem():
    own, _server = judge()
    assert [name.name for name in own.all] == [
        "mx1.host.test",
        "127.0.0.3",
        "_spf.host.test",
        "dmarc@host.test",
        "webmail.host.test",
    ]
    assert not any(name.problem or name.fault for name in own.all)
    assert own.mail_hosts["mx1.host.test"].addresses == ("127.0.0.2",)


def test_what_is_not_set_is_not_judged():
    own, server = judge(
        mail_hosts=(), spf_include="", dmarc_rua="", webmail_target="", webmail_addresses=()
    )
    assert own.all == [] and not server.queries


# -- mail hosts


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({}, "has no address"),
        ({"TXT": ["text"]}, "has no address"),
        ({"CNAME": ["web.host.test"]}, "is an alias of web.host.test"),
        ({"A": ["10.0.0.5"]}, "no address on the internet (10.0.0.5)"),
    ],
)
def test_a_mail_host_that_senders_cannot_use_is_a_problem(records, said):
    own, _server = judge({"mx1.host.test": records})
    name = own.mail_hosts["mx1.host.test"]
    assert said in problem(name)
    assert (name.cause.check_id, name.fix.records) == ("server_mx", ())
    assert "mx1.host.test" in name.fix.text and "mail hosts" in name.fix.text


def test_a_mail_host_that_does_not_exist_is_a_problem_and_the_other_is_none():
    own, _server = judge(mail_hosts=("mx1.host.test", "mx1.hots.test"))
    assert own.mail_hosts["mx1.host.test"].problem is None
    assert "does not exist" in problem(own.mail_hosts["mx1.hots.test"])


@pytest.mark.parametrize("action", ["servfail", "refused", "garbage"])
def test_a_fault_is_no_problem(action):
    rules = [{"name": "*", "action": action}]
    own, _server = judge(rules=rules, webmail_addresses=())
    assert [(name.problem, bool(name.fault)) for name in own.all] == [(None, True)] * 4


def test_one_family_that_cannot_be_had_is_no_problem():
    rules = [{"name": "mx1.host.test", "type": "AAAA", "action": "servfail"}]
    own, _server = judge(rules=rules)
    assert own.mail_hosts["mx1.host.test"].problem is None


@pytest.mark.parametrize("seconds", [3.0, 0.3])
def test_a_silent_server_is_no_problem_and_holds_nobody_up(seconds):
    """With 0.3 s the time of the check is over before the one of a lookup."""
    own, _server = judge(rules=[{"name": "*", "action": "drop"}], seconds=seconds)
    assert [name.name for name in own.all if name.fault] == [
        "mx1.host.test",
        "_spf.host.test",
        "dmarc@host.test",
        "webmail.host.test",
    ]
    assert not any(name.problem for name in own.all)


# -- the SPF include


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["no spf here"], "has no SPF record"),
        (["v=spf1 -all", "v=spf1 ~all"], "several SPF records"),
        (["v=spf1 ip4:203.0.113.256 -all"], "is not valid"),
        (["v=spf1 include:gone.test -all"], "includes a name without SPF record"),
        (["v=spf1 ip4:203.0.113.25 -all"], "does not pass our sending address 2001:db8::25"),
        (["v=spf1 " + "a:mx1.host.test " * 10 + "ip4:203.0.113.25 -all"], "needs 10 DNS lookups"),
        (["v=spf1 " + "a:mx1.host.test " * 11 + "-all"], "more than 10 DNS lookups"),
    ],
)
def test_an_include_that_does_not_pass_what_we_send_from_is_a_problem(texts, said):
    own, _server = judge({"_spf.host.test": {"TXT": texts}})
    assert said in problem(own.spf_include)
    assert own.spf_include.cause.check_id == "server_spf"


def test_an_include_that_does_not_exist_is_a_problem():
    own, _server = judge(spf_include="_spf.hots.test")
    assert "has no SPF record" in problem(own.spf_include)


def test_an_include_whose_answer_depends_on_the_sender_is_judged_at_the_sender():
    text = "v=spf1 exists:%{i}.%{o}._spf.host.test -all"
    own, _server = judge({"_spf.host.test": {"TXT": [text]}})
    assert own.spf_include.problem is None


def test_without_sending_addresses_an_include_has_to_be_valid_only():
    assert (
        judge({"_spf.host.test": {"TXT": ["v=spf1 -all"]}}, sending_ips=())[0].all[2].problem
        is None
    )


# -- the report address


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["nothing"], "there is no record"),
        (["v=DMARC1; rua=mailto:x@elsewhere.test"], "names an address at another host"),
    ],
)
def test_a_host_that_takes_no_reports_about_others_is_a_problem(texts, said):
    """RFC 9990, section 4: an override to another host authorises neither."""
    own, _server = judge({"*._report._dmarc.host.test": {"TXT": texts}})
    assert said in problem(own.dmarc_rua)
    assert own.dmarc_rua.cause.check_id == "server_reports"


def test_a_report_host_that_lists_some_customers_does_not_take_everybodys():
    names = {
        "*._report._dmarc.host.test": {},
        "kunde.test._report._dmarc.host.test": {"TXT": ["v=DMARC1"]},
    }
    assert judge(names)[0].dmarc_rua.problem


# -- webmail


def test_a_webmail_target_may_be_an_alias_and_has_to_lead_somewhere():
    own, _server = judge({"web.host.test": {"TXT": ["text"]}})
    assert "has no address" in problem(own.webmail_target)


def test_a_webmail_address_that_nobody_reaches_is_a_problem():
    own, _server = judge(webmail_addresses=("127.0.0.3", "10.0.0.5"))
    assert own.webmail_addresses["127.0.0.3"].problem is None
    assert "10.0.0.5" in problem(own.webmail_addresses["10.0.0.5"])


def test_what_is_no_address_is_said_and_ends_no_check():
    own, _server = judge(sending_ips=("203.0.113.0/24",), webmail_addresses=("webmail",))
    for name in (own.spf_include, own.webmail_addresses["webmail"]):
        assert "is not an IP address" in problem(name)


# -- once for all


def judged_by(audits, zone=None, **changes):
    """The DnsServer after `audits(network)` on one process's network."""

    async def main(server):
        network = NetworkClients(config(server, check_seconds=3.0, **changes))
        try:
            return await audits(network, server)
        finally:
            await network.close()

    with DnsServer(zone or {"ttl": 300, "names": HOST}) as server:
        return asyncio.run(main(server)), server


async def of(network, domain="kunde.test", *, fresh=False, **changes):
    audit = network.audit_session(target(domain, **changes), fresh=fresh)
    try:
        return await own_names(audit.target, audit.check_session("dns_mx")), audit
    finally:
        await audit.close()


def test_many_domains_of_a_tenant_cost_one_judgement_and_their_own_queries_nothing():
    async def audits(network, server):
        found = await asyncio.gather(*(of(network, f"k{n}.test") for n in range(50)))
        found += [await of(network, "later.test")]
        return {id(names) for names, _ in found}, {audit.dns_limit.left for _, audit in found}

    (judgements, left), server = judged_by(audits)
    assert (len(judgements), len(left)) == (1, 1)
    assert server.count("mx1.host.test", "A") == server.count("_spf.host.test") == 1


def test_other_settings_are_judged_by_themselves():
    async def audits(network, server):
        one = (await of(network))[0]
        return one, (await of(network, mail_hosts=("gone.host.test",)))[0]

    (one, other), _server = judged_by(audits)
    assert one.mail_hosts["mx1.host.test"].problem is None
    assert other.mail_hosts["gone.host.test"].problem


def test_an_audit_that_looks_anew_sees_what_was_corrected_and_its_checks_share_it():
    async def audits(network, server):
        before = (await of(network))[0]
        server.zone.add("mx1.host.test", "A", "127.0.0.2")
        kept = (await of(network))[0]
        audit = network.audit_session(target(), fresh=True)
        anew = [
            await own_names(audit.target, audit.check_session(c)) for c in ("dns_mx", "dns_spf")
        ]
        await audit.close()
        return before, kept, anew

    zone = {"ttl": 300, "names": {**HOST, "mx1.host.test": {"TXT": ["text"]}}}
    (before, kept, anew), _server = judged_by(audits, zone)
    assert before is kept and before.mail_hosts["mx1.host.test"].problem
    assert anew[0] is anew[1] and anew[0].mail_hosts["mx1.host.test"].problem is None


def test_a_caller_that_goes_away_leaves_the_judgement_to_the_others():
    async def audits(network, server):
        gone = asyncio.create_task(of(network))
        stays = asyncio.create_task(of(network, "other.test"))
        while not server.queries:
            await asyncio.sleep(0)
        gone.cancel()
        return (await stays)[0]

    own, _server = judged_by(audits)
    assert not any(name.problem or name.fault for name in own.all)


def test_without_a_cache_every_audit_judges_anew():
    async def audits(network, server):
        return [(await of(network))[0] for _ in range(2)]

    (one, two), _server = judged_by(audits, dns_cache_seconds=0)
    assert one is not two


def test_what_could_not_be_looked_at_is_not_kept_as_long():
    fault = OwnName("mx1.host.test", fault=Fault("dns_timeout", _("Silence.")))
    assert kept_seconds(OwnNames(spf_include=fault)) == FAULT_SECONDS < KEPT_SECONDS
    assert kept_seconds(OwnNames(spf_include=OwnName("mx1.host.test"))) == KEPT_SECONDS
