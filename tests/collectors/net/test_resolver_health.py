"""Whose failure a failure of DNS is: the name's, or that of our own resolver."""

import asyncio

import pytest

from collectors.base import Status
from collectors.net.dns_client import DnsClient
from collectors.net.dns_lookup import DnsFault
from collectors.net.session import NetworkClients
from collectors.registry import core_checks
from collectors.run import run
from mock_tenant.dnsserver import DnsServer
from tests.collectors.lab import config, look, target

ZONE = {"kunde.test": {"A": ["192.0.2.1"]}, "mx1.host.test": {"A": ["192.0.2.2"]}}
DNS_CHECKS = {"dns_mx", "dns_spf", "dns_dkim", "dns_dmarc"}
FAILURES = pytest.mark.parametrize("action", ["servfail", "refused", "drop"])


def with_client(rules, act, *, zone=ZONE, probe=("probe.test",)):
    """(what `await act(client, server)` comes to, the server) at a resolver with these rules."""

    async def main(server):
        client = DnsClient([(server.host, server.port)], seconds=0.3, probe=probe)
        try:
            return await act(client, server)
        finally:
            await client.close()

    with DnsServer({"names": zone, "rules": rules}) as server:
        return asyncio.run(main(server)), server


async def code_of(client, name="kunde.test"):
    try:
        return (await client.lookup(name, "A")).result
    except DnsFault as fault:
        return fault.code


@FAILURES
@pytest.mark.parametrize("probe", [("probe.test",), ()])
def test_a_resolver_that_fails_at_every_name_does_not_work(action, probe):
    """Case 186."""

    async def act(client, _server):
        return await client.works(["mx1.host.test"]), client.health.down

    (works, down), _server = with_client([{"action": action}], act, probe=probe)
    assert works is False
    assert "mx1.host.test" in down


@pytest.mark.parametrize("names", [[], ["mx1.host.test"], ["no-such-name.test"]])
def test_a_resolver_that_answers_works(names):
    async def act(client, _server):
        return await client.works(names), client.health.down

    assert with_client([], act)[0] == (True, None)


@FAILURES
def test_one_name_that_is_answered_clears_the_resolver(action):
    """A tenant's own zone may be the one that fails."""

    async def act(client, _server):
        return await client.works(["mx1.host.test"]), await code_of(client, "mx1.host.test")

    rules = [{"name": "mx1.host.test", "action": action}]
    works, code = with_client(rules, act)[0]
    assert (works, code.removeprefix("dns_")) == (True, action.replace("drop", "timeout"))


@FAILURES
def test_a_name_that_fails_beside_names_that_work_is_at_fault_itself(action):
    rules = [{"name": "kunde.test", "action": action}]
    code = with_client(rules, lambda client, _server: code_of(client))[0]
    assert code == {"drop": "dns_timeout"}.get(action, f"dns_{action}")


@FAILURES
def test_where_all_names_fail_none_is_blamed(action):
    """Case 186."""

    async def act(client, _server):
        return [await code_of(client, f"{n}.test") for n in range(20)]

    codes, server = with_client([{"action": action}], act)
    assert set(codes) == {"resolver_down"}
    if action == "drop":  # nobody waits for a resolver that is known to be silent
        assert len(server.queries) < 10


REMEMBERED = ("probe.test", "mx1.host.test", "known.test")


@FAILURES
def test_a_resolver_that_answers_only_what_it_remembers_does_not_work(action):
    """It has lost its way to the internet: what must work is in its cache, all else fails."""

    async def act(client, server):
        client.health.expect(["mx1.host.test"])
        codes = [await code_of(client, name) for name in ("kunde.test", "known.test")]
        said = client.health.down
        server.zone.rules.clear()
        return *codes, said, await client.works()

    rules = [{"name": name} for name in REMEMBERED] + [{"action": action}]
    zone = {name: {"A": ["192.0.2.1"]} for name in REMEMBERED}
    code, known, said, works = with_client(rules, act, zone=zone)[0]
    assert (code, known, works) == ("resolver_down", "NOERROR", True)
    word = action.replace("drop", "timeout").upper()
    assert f"new names below these: mx1.host.test ({word}), probe.test ({word})." in said


@FAILURES
@pytest.mark.parametrize("answering", ["host.test", "probe.test"])
def test_one_new_name_that_is_answered_clears_it(action, answering):
    """Also that there is none; below a tenant's own name its own name servers may fail."""
    rules = [{"name": name} for name in REMEMBERED]
    rules += [{"name": f"*.{answering}"}, {"action": action}]

    async def act(client, _server):
        client.health.expect(["mx1.host.test"])
        return await code_of(client)

    zone = {name: {"A": ["192.0.2.1"]} for name in REMEMBERED}
    code = with_client(rules, act, zone=zone)[0]
    assert code.removeprefix("dns_") == action.replace("drop", "timeout")


@pytest.mark.parametrize("length", [200, 235, 236, 237, 253])
def test_a_long_name_can_be_asked_below(length):
    name = ".".join(["a" * 60] * 4)[: length - 5] + ".test"

    async def act(client, _server):
        return await client.works([name])

    works, server = with_client([], act)
    assert works and len({q["name"] for q in server.queries}) == 4


def test_it_is_never_asked_twice_for_a_name_that_nobody_has():
    async def act(client, _server):
        for _n in range(5):
            await client.works(["mx1.host.test"])

    _none, server = with_client([], act, probe=("probe.test", "."))
    asked = [q["name"] for q in server.queries]
    known = {"mx1.host.test.", "probe.test.", "."}
    new = [name for name in asked if name not in known]
    assert len(new) == len(set(new)) == 15 and len(asked) == 30


def test_a_resolver_that_comes_back_is_used_again(monkeypatch):
    monkeypatch.setattr("collectors.net.resolver_health.DOWN_SECONDS", 0)

    async def act(client, server):
        before = await code_of(client)
        server.zone.rules.clear()
        return before, await code_of(client)

    assert with_client([{"action": "drop"}], act)[0] == ("resolver_down", "NOERROR")


def test_what_failed_by_the_resolver_is_not_kept_against_a_name():
    async def act(client, server):
        before = await code_of(client)
        server.zone.rules.clear()
        await client.works()
        return before, await code_of(client)

    assert with_client([{"action": "drop"}], act)[0] == ("resolver_down", "NOERROR")


def test_without_names_that_must_work_nothing_more_is_asked():
    _code, server = with_client([{"action": "servfail"}], lambda c, _s: code_of(c), probe=())
    assert {q["name"] for q in server.queries} == {"kunde.test."}


def test_names_of_tenants_that_are_no_names_are_not_asked():
    async def act(client, _server):
        client.health.expect(["bücher", "", "a b.test", "mx1.host.test"])
        return client.health.names

    assert with_client([], act, probe=())[0] == ["mx1.host.test"]


@FAILURES
def test_all_dns_checks_of_all_domains_are_unknown_by_the_same_sentence(action):
    """Case 186."""

    async def audit_all(server):
        network = NetworkClients(config(server, check_seconds=5))
        try:
            audits = []
            for n in range(5):
                goal = target(f"kunde{n}.test")
                audits.append(run(goal, network.audit_session(goal), set(core_checks())))
            return await asyncio.gather(*audits)
        finally:
            await network.close()

    with DnsServer({"rules": [{"action": action}]}) as server:
        domains = asyncio.run(audit_all(server))
    found = [r for results in domains for r in results.values()]
    assert {r.status for r in found} == {Status.UNKNOWN}
    said = [r for r in found if r.check_id in (*DNS_CHECKS, "webmail_http")]
    assert {f.code for r in said for f in r.findings} == {"resolver_down"}
    assert len({r.message for r in said}) == 1


def test_that_there_is_no_root_proves_nothing():
    rules = [{"name": "*.test", "action": "servfail"}]

    async def act(client, _server):
        return await client.works(["mx1.host.test"]), await client.works()

    assert with_client(rules, act, probe=(".",))[0] == (False, False)


def test_one_mail_host_that_fails_beside_the_tenants_other_names_is_no_fault_of_the_resolver():
    names = {**ZONE, "kunde.test": {"MX": ["10 mx1.host.test."]}}
    zone = {"names": names, "rules": [{"name": "mx1.host.test", "action": "servfail"}]}
    result, _server = look("dns_mx", zone)
    assert "resolver_down" not in [f.code for f in result.findings]


def test_a_domain_whose_own_servers_fail_is_told_so():
    zone = {"names": ZONE, "rules": [{"name": "kunde.test", "action": "servfail"}]}
    result, _server = look("dns_mx", zone)
    assert [f.code for f in result.findings] == ["dns_servfail"]


# -- a resolver that answers, and lies

NO_DOMAIN = "gone.test"


def audited(zone, the_target=None, **changes):
    the_target = the_target or target(NO_DOMAIN)

    async def main(server):
        network = NetworkClients(config(server, **changes))
        try:
            return await run(the_target, network.audit_session(the_target))
        finally:
            await network.close()

    with DnsServer({"names": zone}) as server:
        return asyncio.run(main(server)), server


def test_a_resolver_that_denies_every_name_is_held_against_no_domain():
    """Case 296."""
    results, _server = audited({"only.this.test": {"A": ["192.0.2.1"]}})
    assert {c: results[c].status for c in DNS_CHECKS} == dict.fromkeys(DNS_CHECKS, Status.UNKNOWN)
    assert {f.code for c in DNS_CHECKS for f in results[c].findings} == {"resolver_down"}
    assert "mx1.host.test (NXDOMAIN)" in results["dns_mx"].message
    assert results["dns_mx"].evidence["lookups"]


@pytest.mark.parametrize("name", ["mx1.host.test", "_spf.host.test", "host.test", "."])
def test_one_that_knows_a_single_name_that_must_work_is_believed(name):
    """A domain that has expired is the customer's, also where a name of ours is written wrongly."""
    known = {"NS": ["a.root.test."]} if name == "." else {"A": ["192.0.2.2"]}
    results, _server = audited({name: known}, target(NO_DOMAIN, dmarc_rua="dmarc@host.test"))
    assert [f.code for f in results["dns_mx"].findings] == ["mx_domain_not_found"]


def test_without_names_of_a_tenant_nothing_is_held_against_it():
    alone = target(NO_DOMAIN, mail_hosts=(), spf_include="", dmarc_rua="")
    results, _server = audited({"only.this.test": {"A": ["192.0.2.1"]}}, alone)
    assert [f.code for f in results["dns_mx"].findings] == ["mx_domain_not_found"]


def test_a_domain_that_is_there_costs_no_question_about_it():
    there = {NO_DOMAIN: {"MX": ["10 mx1.host.test."]}}
    _results, server = audited(there)
    assert not [q for q in server.queries if q["name"] in (".", "")]
