"""webmail_http and the addresses of the name: all of them public, or nothing dialled at all."""

from ipaddress import ip_network

import pytest

from collectors.webmail import visit as visit_module
from tests.collectors.hostile_http import Hostile, certificates
from tests.collectors.lab import look, target
from tests.collectors.visits import dialled, hostile, verdict, visit

__all__ = ["dialled", "hostile"]

NOT_PUBLIC = [
    "127.0.0.1", "10.0.0.5", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1",
    "192.168.0.1", "255.255.255.255", "fd00::1", "fe80::1", "::1", "::ffff:10.0.0.1",
    "64:ff9b::a00:5", "2002:a00:5::", "fec0::1", "ff02::1",
]  # fmt: skip


def named(address):
    return {"AAAA" if ":" in address else "A": [address]}


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_at_a_non_public_address_fails_and_nothing_is_dialled(hostile, dialled, address):
    """Case 73."""
    before = len(hostile.connections)
    names = {"good.test": named(address)}
    result = visit(hostile, names=names, allowed_networks=(), domain="good.test")
    assert verdict(result) == ("fail", ["webmail_address_private"])
    assert (dialled, len(hostile.connections)) == ([], before)
    assert str(result.findings[0].owner) == "customer"
    assert len(result.evidence["addresses"]) == 1


def test_the_same_address_is_dialled_where_the_operator_allows_it(hostile, dialled):
    """Case 73."""
    before = len(hostile.connections)
    assert verdict(visit(hostile)) == ("ok", [])
    assert (dialled, len(hostile.connections)) == ([("127.0.0.1", hostile.port)], before + 1)


def test_one_private_address_beside_a_good_one_stops_it_all(hostile, dialled):
    """Case 74."""
    before = len(hostile.connections)
    names = {"good.test": {"A": ["127.0.0.1", "10.0.0.5"]}}
    result = visit(hostile, names=names, domain="good.test")
    assert verdict(result) == ("fail", ["webmail_address_private"])
    assert (dialled, len(hostile.connections)) == ([], before)
    (record,) = result.findings[0].to_dict()["fix"]["records"]
    assert (record["action"], record["type"], record["name"], record["value"]) == (
        "remove",
        "A",
        "good.test",
        "10.0.0.5",
    )


def test_a_private_ipv6_address_counts_too(hostile, dialled):
    """Case 74."""
    result = visit(hostile, names={"good.test": {"A": ["127.0.0.1"], "AAAA": ["fd00::1"]}})
    assert verdict(result) == ("fail", ["webmail_address_private"])
    assert dialled == []


def test_a_private_address_behind_an_alias_has_no_record_to_remove_here(hostile):
    names = {"good.test": {"CNAME": ["host.other.test"]}, "host.other.test": {"A": ["10.0.0.5"]}}
    assert visit(hostile, names=names).findings[0].fix.records == ()


def test_a_proxy_of_the_environment_is_not_used(hostile, monkeypatch):
    """Case 75."""
    with Hostile(mode="drop") as proxy:
        for name in (
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert verdict(visit(hostile)) == ("ok", [])
        assert proxy.connections == []


def test_a_name_that_changes_its_address_is_looked_up_once_and_that_answer_dialled(dialled):
    """Case 80."""
    rebind = {
        "name": "good.test",
        "type": "A",
        "sequence": [{"A": ["127.0.0.1"]}, {"A": ["127.0.0.66"]}],
        "repeat": "last",
    }
    with Hostile(certificates()) as server:
        url = f"https://good.test:{server.port}/redirect/3"
        zone = {"names": {"good.test": {"A": ["127.0.0.1"]}}, "rules": [rebind]}
        changes = {
            "ca_file": certificates().ca_file,
            "check_seconds": 6.0,
            "allowed_networks": (ip_network("127.0.0.1/32"),),
        }
        result, dns = look("webmail_http", zone, target(webmail_url=url), config_changes=changes)
        assert verdict(result) == ("ok", [])
        assert [q["type"] for q in dns.queries if q["type"] == "A"] == ["A"]
        assert set(dialled) == {("127.0.0.1", server.port)}


@pytest.mark.parametrize(
    ("names", "result_word"), [({}, "NXDOMAIN"), ({"webmail.kunde.test": {"TXT": ["x"]}}, "NODATA")]
)
def test_a_name_without_an_address_is_missing(hostile, names, result_word):
    result = visit(hostile, host="webmail.kunde.test", names=names)
    assert verdict(result) == ("fail", ["webmail_name_missing"])
    assert result_word in str(result.message)
    assert str(result.findings[0].owner) == "customer"
    assert "webmail.kunde.test" in str(result.findings[0].fix.text)


def test_what_a_wildcard_answers_at_the_doubled_name_is_not_misplaced(hostile):
    names = {"webmail.kunde.test": {"TXT": ["x"]}, "*.kunde.test": {"A": ["203.0.113.9"]}}
    result = visit(hostile, host="webmail.kunde.test", names=names)
    assert verdict(result) == ("fail", ["webmail_name_missing"])


def test_a_record_at_the_doubled_name_is_found_and_the_fix_moves_it(hostile):
    result = visit(
        hostile,
        host="webmail.kunde.test",
        names={"webmail.kunde.test.kunde.test": {"A": ["203.0.113.9"]}},
    )
    assert verdict(result) == ("fail", ["webmail_name_missing", "webmail_misplaced"])
    records = result.findings[1].to_dict()["fix"]["records"]
    assert [(r["action"], r["name"], r["value"]) for r in records] == [
        ("add", "webmail.kunde.test", "203.0.113.9"),
        ("remove", "webmail.kunde.test.kunde.test", "203.0.113.9"),
    ]


def test_a_name_that_cannot_be_looked_up_is_unknown(hostile):
    assert verdict(
        visit(hostile, rules=[{"name": "good.test", "action": "servfail"}], seconds=3)
    ) == ("unknown", ["dns_servfail"])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://webmail.{domain}/",
        "https://",
        "https://127.0.0.1/",
        "https://user@webmail.{domain}/",
        "https://x:y/",
        "https://webmail.{domain}:0/",
    ],
)
def test_a_webmail_url_that_cannot_be_used_is_about_us(url, dialled):
    result, dns = look("webmail_http", {"names": {}}, target(webmail_url=url))
    assert verdict(result) == ("unknown", ["webmail_url_invalid"])
    assert (list(dns.queries), dialled) == ([], [])


def test_time_that_name_servers_used_up_is_not_held_against_the_webmail(
    hostile, dialled, monkeypatch
):
    monkeypatch.setattr(visit_module, "LEAST_SECONDS", 5.9)
    result = visit(hostile, rules=[{"name": "good.test", "delay": 0.3}], seconds=6)
    assert verdict(result) == ("unknown", ["check_timeout"])
    assert "good.test was not asked" in str(result.message)
    assert dialled == []
