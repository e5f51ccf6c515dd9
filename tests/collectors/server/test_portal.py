"""What the portal says of the whole server: reached, token, shape, clock; services, proxy."""

from email.utils import formatdate
from time import time

import pytest

from collectors.base import Cause
from collectors.server.card import CARD
from collectors.server.portal import MAX_DOMAINS, NOBODY
from collectors.server.subject import Server
from scripts.ports import Reserved
from tests.collectors.lab import target
from tests.collectors.portal_server import TOKEN, PortalServer
from tests.collectors.server.card_lab import CARBONIO, NGINX, codes, judge

ROWS = ("server_portal", "server_services", "server_proxy")


def ask(*rows, answers=None, domains=("kunde.test",), seconds=5.0, **settings):
    """({row: CheckResult}, PortalServer) with a portal that gives these answers."""
    with PortalServer({"carbonio": CARBONIO, "nginx": NGINX, **(answers or {})}) as portal:
        found, _dns = judge(
            *(rows or ROWS),
            domains=domains,
            config_changes={"domain_seconds": seconds},
            **{"portal_url": portal.url, "portal_token": TOKEN, **settings},
        )
    return found, portal


def services(**states):
    return {"json": {**CARBONIO["json"], "services": states}}


def test_a_good_portal_is_asked_twice_and_everything_is_ok():
    found, portal = ask()
    assert {row: str(r.status) for row, r in found.items()} == dict.fromkeys(ROWS, "ok")
    assert sorted(r.path.rpartition("/")[2] for r in portal.requests) == ["carbonio", "nginx"]
    assert found["server_services"].evidence["services"] == {"mta": "running"}


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        ({"status": 401}, "server_portal_token", "fail"),
        ({"status": 403}, "server_portal_token", "fail"),
        ({"status": 503}, "server_portal_error", "warn"),
        (
            {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
            "server_portal_error",
            "warn",
        ),
        ({"body": b"<html>"}, "server_portal_answer", "fail"),
        ({"body": b""}, "server_portal_answer", "fail"),
        ({"json": {"services": "many"}}, "server_portal_answer", "fail"),
        ({"status": 404, "body": b"{}"}, "server_portal_answer", "fail"),
        ({"body": b" " * (1 << 20) + b"{}"}, "server_portal_answer", "fail"),
        ({"drop": True}, "server_portal_unreachable", "fail"),
        ({"silent": True}, "server_portal_silent", "fail"),
    ],
)
def test_a_portal_that_is_of_no_use_says_so_once(answer, code, status):
    """Case 220: the rows that rest on it are not judged, and say that it is why."""
    found, _portal = ask(answers={"carbonio": answer, "nginx": answer}, seconds=2.0)
    portal = found["server_portal"]
    assert (str(portal.status), codes(portal)) == (status, [code])
    assert portal.findings[0].owner == "host" and portal.findings[0].fix
    for row in ("server_services", "server_proxy"):
        (finding,) = found[row].findings
        assert (str(found[row].status), finding.because) == (
            "unknown",
            Cause("server_portal", code),
        )


def test_a_portal_that_refuses_connections_or_has_no_usable_address():
    with Reserved() as nobody:
        found, _portal = ask(portal_url=f"http://127.0.0.1:{nobody.port}")
    assert codes(found["server_portal"]) == ["server_portal_unreachable"]
    assert "connection refused" in found["server_portal"].message
    found, _portal = ask(portal_url="ftp://x")
    assert codes(found["server_portal"]) == ["server_portal_address"]


def test_without_an_address_nothing_is_judged():
    assert ask(portal_url="")[0] == {}


def test_one_endpoint_that_has_nothing_to_say_just_now_leaves_the_portal_alone():
    found, _portal = ask(answers={"nginx": {"status": 503}})
    assert str(found["server_portal"].status) == "ok"
    assert codes(found["server_proxy"]) == ["portal_error"]


def test_one_endpoint_of_a_wrong_shape_is_the_portals_fault():
    found, _portal = ask(answers={"nginx": {"json": {"vhost": 1}}})
    assert codes(found["server_portal"]) == ["server_portal_answer"]
    assert str(found["server_services"].status) == "ok"


def test_where_the_first_domain_is_of_no_use_others_are_asked_about():
    """One domain's answer that never comes says nothing of the portal."""
    domains = ("a.test", "b.test", "c.test", "d.test")
    answers = {"carbonio": [{"status": 500}, CARBONIO]}
    found, portal = ask(answers=answers, domains=domains)
    assert {str(r.status) for r in found.values()} == {"ok"}
    asked = {r.path.split("/")[4] for r in portal.requests}
    assert asked == set(domains[:MAX_DOMAINS])


def test_a_tenant_without_domains_is_reached_by_a_name_that_nobody_has():
    unknown = {"status": 404, "json": {"detail": "no such domain"}}
    found, portal = ask(answers={"carbonio": unknown, "nginx": unknown}, domains=())
    assert {row: str(r.status) for row, r in found.items()} == {"server_portal": "ok"}
    assert {r.path.split("/")[4] for r in portal.requests} == {NOBODY}


def test_a_portal_that_knows_no_domain_is_reached_and_tells_nothing():
    unknown = {"status": 404, "json": {"detail": "no such domain"}}
    found, _portal = ask(answers={"carbonio": unknown, "nginx": unknown})
    assert str(found["server_portal"].status) == "ok"
    assert codes(found["server_services"]) == codes(found["server_proxy"]) == ["server_no_facts"]


@pytest.mark.parametrize(
    ("off", "status", "said"),
    [
        (0, "ok", ""),
        (-30, "ok", ""),
        (100, "warn", "2 minutes ahead"),
        (-420, "fail", "7 minutes behind"),
        (7300, "fail", "2 hours ahead"),
    ],
)
def test_its_clock_is_held_against_ours(off, status, said):
    date = {"headers": {"Date": formatdate(time() + off, usegmt=True)}}
    found, _portal = ask(answers={"carbonio": CARBONIO | date, "nginx": NGINX | date})
    portal = found["server_portal"]
    assert (str(portal.status), codes(portal)) == (status, ["server_clock_off"] if said else [])
    assert said in portal.message


@pytest.mark.parametrize("date", ["yesterday", "Thu, 99 Nov 9999 00:00:00 GMT", "\xff" * 5000])
def test_a_date_that_is_none_says_nothing(date):
    answer = {"headers": {"Date": date}}
    found, _portal = ask(answers={"carbonio": CARBONIO | answer, "nginx": NGINX | answer})
    assert str(found["server_portal"].status) == "ok"


def test_the_token_stands_in_nothing_that_is_kept():
    echo = {"status": 404, "json": {"detail": TOKEN}}
    found, _portal = ask(
        answers={"carbonio": echo, "nginx": {"status": 500, "body": TOKEN.encode()}}
    )
    assert TOKEN not in repr(found)


# -- services and proxy


def test_a_service_that_does_not_run_is_named():
    found, _portal = ask(answers={"carbonio": services(mta="running", amavis="stopped", proxy="?")})
    row = found["server_services"]
    assert codes(row) == ["server_service_down"]
    assert "amavis (stopped), proxy (?)" in row.message and "mta" not in row.message


def test_what_is_wrong_for_a_suspect_alone_is_found_by_asking_about_it():
    """On a node of its own something may be down that runs where the first domain lives."""
    down, broken = services(mta="running", amavis="stopped"), {"config_ok": False}
    domains = ("a.test", "b.test", "c.test", "d.test")
    found, portal = ask(
        answers={"carbonio": [CARBONIO, down], "nginx": [NGINX, {"json": NGINX["json"] | broken}]},
        domains=domains,
        suspects=("z.test",),
    )
    assert codes(found["server_services"]) == ["server_service_down"]
    assert codes(found["server_proxy"]) == ["server_proxy_config"]
    assert {r.path.split("/")[4] for r in portal.requests} == {"a.test", "z.test"}


def test_a_portal_that_names_no_service_is_wrong():
    found, _portal = ask(answers={"carbonio": services()})
    assert codes(found["server_services"]) == ["server_portal_answer"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"config_ok": False}, ["server_proxy_config"]),
        ({"running": False}, ["server_proxy_down"]),
        ({"running": False, "config_ok": False}, ["server_proxy_down", "server_proxy_config"]),
    ],
)
def test_a_proxy_that_does_not_run_or_would_not_start(told, expected):
    found, _portal = ask(answers={"nginx": {"json": NGINX["json"] | told}})
    assert codes(found["server_proxy"]) == expected


def test_without_a_virtual_host_the_proxy_may_be_told_of_all_the_same():
    found, _portal = ask(answers={"nginx": {"json": {"vhost": False, "running": False}}})
    assert codes(found["server_proxy"]) == ["server_proxy_down"]
    found, _portal = ask(answers={"nginx": {"json": {"vhost": False}}})
    assert codes(found["server_proxy"]) == ["server_no_facts"]


def test_a_row_whose_portal_is_told_to_wait_is_unknown():
    """Case 117: the breaker is the same as that of the domains."""
    answer = {"status": 429, "headers": {"Retry-After": "60"}}
    found, portal = ask(answers={"carbonio": answer, "nginx": answer}, domains=("a.test", "b.test"))
    assert codes(found["server_portal"]) == ["server_portal_error"]
    assert len(portal.requests) <= 2


def test_without_a_portal_on_purpose_its_rows_are_off_and_say_why():
    found, portal = ask(portal_url="", without_portal=True)
    assert found == {} and portal.requests == []
    server = Server(target(without_portal=True), ("kunde.test",))
    assert {str(CARD[row].off(server)) for row in ROWS} == {
        "This server has no portal, on purpose."
    }
    forgotten = {str(CARD[row].off(Server(target(), ("kunde.test",)))) for row in ROWS}
    assert len(forgotten) == 1 and "without a portal" in forgotten.pop(), "what to set: one of both"
