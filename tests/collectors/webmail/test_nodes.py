"""webmail_http at every address: one that answers worse is named, whatever the order in DNS."""

import contextlib
import errno
from ipaddress import ip_network

import pytest

from collectors.net import connection
from scripts.ports import Reserved
from tests.collectors.hostile_http import CLOSE, RESET, Hostile, answer, certificates
from tests.collectors.lab import codes
from tests.collectors.visits import verdict, visit

ONE, TWO, SIX = "127.0.0.1", "127.0.0.2", "::1"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
GOOD = [answer(Strict_Transport_Security="max-age=1")]
STOCK = [answer(b"<title>Welcome to nginx!</title>")]
DOWN = [answer(status="503 Service Unavailable")]


def at_all(pages, *, host="good.test", order=None, **changes):
    """The result where each address (a key) answers `/` like this; None: nothing listens there."""
    addresses = order or list(pages)
    names = {
        host: {
            "A": [a for a in addresses if ":" not in a],
            **({"AAAA": [a for a in addresses if ":" in a]} if SIX in addresses else {}),
        }
    }
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(Reserved(*addresses))
        for address, steps in pages.items():
            if steps is not None:
                stack.enter_context(
                    Hostile(certificates(), host=address, port=one.port, paths={"/": steps})
                )
        return visit(one, host=host, names=names, allowed_networks=LOOPBACK, **changes)


def test_both_families_are_among_the_addresses_that_are_visited():
    ipv4 = [f"127.0.0.{n}" for n in (5, 3, 1, 4, 2)]
    assert connection.in_order([*ipv4, "::2", "::1", "::3"]) == [*sorted(ipv4)[:2], "::1", "::2"]
    assert connection.in_order([*ipv4, "::1"]) == [*sorted(ipv4)[:3], "::1"]
    assert connection.in_order(ipv4) == sorted(ipv4)[:4]
    assert connection.in_order(["::4", "127.0.0.1", "::3", "::2", "::1"]) == [
        "127.0.0.1",
        "::1",
        "::2",
        "::3",
    ]


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)])
@pytest.mark.parametrize("bad", [ONE, TWO])
@pytest.mark.parametrize(
    ("steps", "word"), [(STOCK, "nginx"), (DOWN, "503"), ([CLOSE], "broke"), ([RESET], "broke")]
)
def test_an_address_that_answers_worse_is_named_in_any_order(order, bad, steps, word):
    """Case 194."""
    good = TWO if bad == ONE else ONE
    result = at_all({good: GOOD, bad: steps}, order=order)
    assert verdict(result) == ("fail", ["webmail_node_differs"])
    says = str(result.findings[0].message)
    assert bad in says and word in says and f"sent to {good}" not in says
    assert str(result.findings[0].owner) == "host"
    assert result.evidence["title"] == "Carbonio Login"
    assert set(result.evidence["nodes"]) == {ONE, TWO}


def test_ipv6_counts_as_ipv4_does():
    """Case 194."""
    result = at_all({ONE: GOOD, SIX: STOCK})
    assert verdict(result) == ("fail", ["webmail_node_differs"])
    assert f"sent to {SIX} get" in str(result.message)


@pytest.mark.parametrize("down", [ONE, TWO])
def test_an_address_that_refuses_is_worse_and_shown_as_down(down):
    """Case 194."""
    result = at_all({ONE: GOOD, TWO: GOOD} | {down: None})
    assert verdict(result) == ("fail", ["webmail_node_differs"])
    assert codes(result)[-1] == "webmail_address_down"
    assert down in str(result.findings[-1].message)


def test_what_all_addresses_answer_alike_is_said_once():
    result = at_all({ONE: DOWN, TWO: DOWN, SIX: DOWN})
    assert verdict(result) == ("fail", ["webmail_status"])
    assert verdict(at_all({ONE: GOOD, TWO: GOOD, SIX: GOOD})) == ("ok", [])


def test_where_all_addresses_fail_in_their_own_ways_each_way_is_said():
    assert verdict(at_all({ONE: DOWN, TWO: STOCK})) == (
        "fail",
        ["webmail_status", "webmail_default_page"],
    )


def test_at_most_four_addresses_are_visited_and_the_others_shown():
    pages = {f"127.0.1.{n}": GOOD for n in range(1, 7)}
    result = at_all(pages)
    assert verdict(result) == ("ok", [])
    assert len(result.evidence["requests"]) == 4
    assert result.evidence["not_visited"] == ["127.0.1.5", "127.0.1.6"]


def test_a_way_of_ours_that_is_missing_to_one_address_takes_nothing_from_the_others(monkeypatch):
    connect = connection._connect

    async def without_ipv6(address, port, reachable):
        if address == SIX:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return await connect(address, port, reachable)

    monkeypatch.setattr(connection, "_connect", without_ipv6)
    result = at_all({ONE: GOOD, SIX: GOOD})
    assert (str(result.status), codes(result)) == ("ok", ["webmail_address_unseen"])
    assert verdict(at_all({SIX: GOOD})) == ("unknown", ["webmail_no_route"])


def test_a_guard_at_one_address_leaves_the_verdict_open():
    guarded = [answer(status="429 Too Many Requests")]
    assert verdict(at_all({ONE: GOOD, TWO: guarded})) == ("unknown", ["webmail_refuses_audit"])
    assert verdict(at_all({ONE: STOCK, TWO: guarded})) == (
        "fail",
        ["webmail_default_page", "webmail_refuses_audit"],
    )


def test_one_connection_to_each_address_serves_both_the_page_and_the_certificate():
    with Hostile(certificates()) as server:
        result = visit(server, beside=("cert_le",))
        assert verdict(result) == ("ok", [])
        assert len(server.connections) == 1


def test_redirects_of_one_address_are_followed_at_that_address():
    moved = [answer(status="302 Found", Location="/nginx")]
    result = at_all({ONE: GOOD, TWO: moved})
    assert verdict(result) == ("fail", ["webmail_node_differs"])
    assert [hop["address"] for hop in result.evidence["requests"]] == [ONE, TWO, TWO]


EMPTY = [answer(b"")]
GUARDED = [answer(b"<title>Just a moment...</title>", status="403 Forbidden", cf_mitigated="x")]
NOT_FOUND = [answer(status="404 Not Found")]


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)])
@pytest.mark.parametrize(
    ("pages", "named"),
    [
        ({ONE: GOOD, TWO: EMPTY}, {"webmail_empty": [TWO]}),
        ({ONE: GOOD, TWO: GUARDED}, {"webmail_refuses_audit": [TWO]}),
        ({ONE: EMPTY, TWO: GUARDED}, {"webmail_empty": [ONE], "webmail_refuses_audit": [TWO]}),
        ({ONE: GUARDED, TWO: DOWN}, {"webmail_refuses_audit": [ONE], "webmail_status": [TWO]}),
        ({ONE: NOT_FOUND, TWO: DOWN}, {"webmail_status": [ONE, TWO]}),
        ({ONE: None, TWO: None}, {"webmail_refused": [ONE, TWO]}),
        ({ONE: EMPTY, TWO: EMPTY}, {"webmail_empty": []}),
        ({ONE: DOWN, TWO: DOWN}, {"webmail_status": []}),
        ({ONE: GUARDED, TWO: GUARDED}, {"webmail_refuses_audit": []}),
    ],
)
def test_what_not_every_address_says_names_the_one_that_does(order, pages, named):
    result = at_all(pages, order=order)
    found = {}
    for finding in result.findings:
        if str(finding.severity) != "info":
            says = str(finding.message)
            where = found.setdefault(finding.code, [])
            where += [address for address in (ONE, TWO) if address in says]
    assert found == named


@pytest.mark.parametrize("family", ["A", "AAAA"])
@pytest.mark.parametrize("action", ["servfail", "refused", "drop"])
@pytest.mark.parametrize("path", ["/", "/status/500"])
def test_addresses_that_could_not_be_looked_up_are_not_taken_for_none(action, family, path):
    """An error is not an absence: at those the webmail may be broken."""
    other = {"A": "AAAA", "AAAA": "A"}[family]
    address = {"A": "127.0.0.1", "AAAA": "::1"}[other]
    with Hostile(certificates(), host=address) as server:
        rules = [{"name": "good.test", "type": family, "action": action}]
        names = {"good.test": {other: [address]}}
        code = {"drop": "dns_timeout"}.get(action, f"dns_{action}")
        seen = visit(server, path, names=names, rules=rules, allowed_networks=LOOPBACK, seconds=4.0)
    status, codes = {"/": ("unknown", []), "/status/500": ("fail", ["webmail_status"])}[path]
    assert verdict(seen) == (status, [*codes, code])
    assert (seen.evidence["addresses"], seen.evidence["unseen"]) == ([address], code)
