"""The zone and its name servers in the evidence of dns_mx: learned beside, and judged by nobody."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from collectors.base import KnownZone
from collectors.dns.mx.zone import MAX_SERVERS, QUERIES, servers_in
from collectors.names import is_host_name
from collectors.net.dns_records import Named
from tests.collectors.dns.mx.test_check import HOSTS
from tests.collectors.lab import codes, look, target

SERVERS = ["ns2.dns.test.", "NS1.dns.test."]
LAST = KnownZone("kunde.test", ("old1.dns.test", "old2.dns.test"))


def check(*, rules=(), servers=SERVERS, domain="kunde.test", more=None, **changes):
    names = {**HOSTS, domain: {"MX": ["10 mx1.host.test."]}, **(more or {})}
    if servers:
        names[domain]["NS"] = list(servers)
    zone = {"names": names, "rules": list(rules)}
    limits = {"check_seconds": 4.0}
    return look("dns_mx", zone, target(domain, **changes), config_changes=limits)


def zone_of(result):
    return result.evidence.get("zone"), result.evidence.get("name_servers")


def test_they_are_sorted_hosts_without_the_final_dot_and_cost_one_question():
    result, server = check()
    assert zone_of(result) == ("kunde.test", ["ns1.dns.test", "ns2.dns.test"])
    assert server.count("kunde.test", "NS") == 1 and result.status == "ok"
    assert not [x for x in result.evidence["lookups"] if x["type"] == "NS"]


def test_a_domain_that_is_no_zone_of_its_own_stands_in_its_organisations():
    more = {"kunde.test": {"NS": SERVERS}}
    result, server = check(domain="post.kunde.test", servers=(), more=more)
    assert zone_of(result) == ("kunde.test", ["ns1.dns.test", "ns2.dns.test"])
    assert server.count(rtype="NS") == 2


def test_a_zone_of_its_own_below_another_is_its_own():
    more = {"kunde.test": {"NS": ["other.dns.test."]}}
    result, _server = check(domain="post.kunde.test", more=more)
    assert zone_of(result) == ("post.kunde.test", ["ns1.dns.test", "ns2.dns.test"])


def test_where_nothing_was_ever_said_nothing_is_kept():
    result, _server = check(servers=())
    assert "zone" not in result.evidence and "name_servers" not in result.evidence


@pytest.mark.parametrize("action", ["servfail", "refused", "drop", "nodata", "garbage"])
def test_what_its_question_comes_to_changes_no_verdict(action):
    rules = [{"name": "kunde.test", "type": "NS", "action": action}]
    result, _server = check(rules=rules, known_zone=LAST)
    assert (result.status, codes(result)) == ("ok", [])
    assert zone_of(result) == ("kunde.test", list(LAST.name_servers))


@pytest.mark.parametrize(
    ("action", "code"),
    [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("drop", "dns_timeout")],
)
def test_the_last_known_ones_stay_while_they_fail(action, code):
    rules = [{"name": "kunde.test", "action": action}]
    result, server = check(rules=rules, known_zone=LAST)
    assert (result.status, codes(result)) == ("unknown", [code])
    assert zone_of(result) == ("kunde.test", list(LAST.name_servers))
    assert server.count("kunde.test", "NS") <= QUERIES


def test_a_slow_answer_keeps_nobody_waiting():
    rules = [{"name": "kunde.test", "type": "NS", "action": "answer", "delay": 1.6}]
    began = time.monotonic()
    result, _server = check(rules=rules, known_zone=LAST)
    assert time.monotonic() - began < 1.6 and result.status == "ok"
    assert zone_of(result) == ("kunde.test", list(LAST.name_servers))


def test_one_of_many_queries_is_not_charged_to_the_check(monkeypatch):
    monkeypatch.setattr("collectors.net.session.DNS_QUERIES_A_CHECK", 3)
    result, _server = check()
    assert result.status == "ok" and zone_of(result)[0] == "kunde.test"


NAMES = some.one_of(
    some.from_regex(r"\A[a-z0-9-]{1,5}(\.[a-z0-9_-]{1,5}){0,3}\Z"), some.just(""), some.text()
)


@given(some.lists(NAMES, max_size=40), some.randoms())
def test_whatever_a_zone_names_is_bounded_and_in_one_order(names, chance):
    records = [Named(name) for name in names]
    found = servers_in(records)
    chance.shuffle(records)
    assert servers_in(records) == found == tuple(sorted(set(found)))
    assert len(found) <= MAX_SERVERS and all(map(is_host_name, found))
