"""The client of a tenant's portal: what is an answer, what a fault, and when it is left alone."""

import asyncio
import gzip
import json
import logging
import ssl
import threading
import time

import pytest

from collectors.net.loop_lag import STALL_SECONDS
from collectors.net.portal_client import AT_ONCE, FAILURES, MAX_BODY, PortalClient, PortalFault
from scripts.ports import Reserved
from tests.collectors.certificate_maker import authority, server_context
from tests.collectors.portal_server import TOKEN, PortalServer

PATHS = {what: "/api/v1/domains/{domain}/" + what for what in ("carbonio", "nginx", "certificate")}
CARBONIO = {
    "status": "active",
    "services": {"mta": "running"},
    "accounts": 3,
    "dkim": {"selector": "s1", "public_key": "AAAA"},
}
CONTEXT = ssl.create_default_context()  # costly to make, so made once
NGINX = {
    "vhost": True,
    "server_names": ["webmail.kunde.test"],
    "tls": True,
    "config_ok": True,
    "running": True,
}


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def ask(
    portal,
    what="carbonio",
    *,
    times=1,
    seconds=5.0,
    token=TOKEN,
    domain="kunde.test",
    clock=time.monotonic,
    url=None,
    context=None,
):
    """The outcomes of asking one after the other: answers and faults."""

    async def main():
        client = PortalClient(PATHS, clock=clock, context=lambda: context or CONTEXT)
        try:
            return [
                await outcome(
                    client,
                    portal.url if url is None else url,
                    what,
                    token=token,
                    domain=domain,
                    seconds=seconds,
                )
                for _ in range(times)
            ]
        finally:
            await client.close()

    return asyncio.run(main())


async def outcome(client, url, what="carbonio", *, token=TOKEN, domain="kunde.test", seconds=5.0):
    try:
        return await client.get(url, token, what, domain, seconds=seconds)
    except PortalFault as fault:
        return fault


def code_of(answer, what="carbonio", **kwargs):
    """(code, message) of the fault that one such answer leads to."""
    with PortalServer({what: answer}) as portal:
        (fault,) = ask(portal, what, **kwargs)
    assert isinstance(fault, PortalFault), fault
    return fault.code, str(fault.message)


# -- what is right


def test_it_gives_the_agreed_keys_and_leaves_out_the_others():
    with PortalServer({"carbonio": {"json": {**CARBONIO, "extra": [1]}}}) as portal:
        (answer,) = ask(portal)
    assert (answer.found, answer.data, answer.status) == (True, CARBONIO, 200)
    request = portal.requests[0]
    assert (request.method, request.path) == ("GET", "/api/v1/domains/kunde.test/carbonio")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_each_question_has_its_shape():
    with PortalServer(
        {"nginx": {"json": NGINX}, "certificate": {"json": {"pem": "-----BEGIN"}}}
    ) as portal:
        assert ask(portal, "nginx")[0].data == NGINX
        assert ask(portal, "certificate")[0].data == {"pem": "-----BEGIN"}


def test_no_dkim_key_is_an_answer():
    with PortalServer({"carbonio": {"json": {**CARBONIO, "dkim": None}}}) as portal:
        assert ask(portal)[0].data["dkim"] is None


def test_a_missing_virtual_host_needs_no_details():
    with PortalServer({"nginx": {"json": {"vhost": False}}}) as portal:
        assert ask(portal, "nginx")[0].data == {"vhost": False}


def test_a_404_with_a_detail_says_that_the_thing_does_not_exist():
    with PortalServer() as portal:
        (answer,) = ask(portal)
    assert (answer.found, answer.data, answer.detail) == (False, {}, "not found")
    assert answer.evidence() == {"asked": "carbonio", "http_status": 404, "detail": "not found"}


def test_a_404_of_something_else_says_nothing_of_the_domain():
    for body in (b"<html>404 Not Found</html>", b"{}", b'"detail"', b""):
        assert code_of({"status": 404, "body": body})[0] == "portal_bad_response"


def test_evidence_does_not_repeat_the_certificate():
    with PortalServer({"certificate": {"json": {"pem": "x" * 5000}}}) as portal:
        assert ask(portal, "certificate")[0].evidence()["answer"] == {"pem": "5000 characters"}


def test_connections_are_kept():
    with PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        ask(portal, times=5)
    assert (len(portal.requests), portal.connections) == (5, 1)


def test_a_kept_connection_that_was_closed_meanwhile_is_no_fault():
    with PortalServer(
        {"carbonio": [{"json": CARBONIO}, {"drop": True}, {"json": CARBONIO}]}
    ) as portal:
        assert all(a.found for a in ask(portal, times=2))
    assert len(portal.requests) == 3


class Fickle(PortalServer):
    """Says nothing of closing, and closes each connection when a second request comes."""

    def _one(self, connection, lines, number):
        if any(request.connection == number for request in self.requests):
            lines.readline()
            return False
        return super()._one(connection, lines, number)


def test_many_kept_connections_that_went_together_are_no_fault():
    async def main(portal):
        client = PortalClient(PATHS, context=lambda: CONTEXT)
        first = await asyncio.gather(*(outcome(client, portal.url) for _ in range(4)))
        then = [await outcome(client, portal.url) for _ in range(3)]
        await client.close()
        return first + then

    with Fickle({"carbonio": {"json": CARBONIO}}) as portal:
        assert {getattr(got, "code", "an answer") for got in asyncio.run(main(portal))} == {
            "an answer"
        }


def test_a_portal_at_an_ipv6_literal_is_asked():
    with PortalServer({"carbonio": {"json": CARBONIO}}, host="::1") as portal:
        assert ask(portal, url=f"http://[::1]:{portal.port}/api")[0].found
    assert portal.requests[0].headers["host"] == f"[::1]:{portal.port}"


def test_a_url_with_a_path_and_a_closing_slash_is_kept():
    with PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        ask(portal, url=portal.url + "/vm112/")
    assert portal.requests[0].path == "/vm112/api/v1/domains/kunde.test/carbonio"


def test_a_domain_cannot_leave_its_place_in_the_path():
    with PortalServer() as portal:
        ask(portal, domain="a/../b?x#y\r\nX: 1")
    assert portal.requests[0].path == "/api/v1/domains/a%2F..%2Fb%3Fx%23y%0D%0AX%3A%201/carbonio"


def test_it_asks_again_in_another_event_loop():
    with PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        client = PortalClient(PATHS)

        async def main():
            return await asyncio.gather(*(outcome(client, portal.url) for _ in range(AT_ONCE * 2)))

        for _ in range(2):
            assert all(a.found for a in asyncio.run(main()))


def test_at_most_eight_requests_are_with_one_portal_at_once():
    gate = threading.Event()

    async def main():
        client = PortalClient(PATHS)
        tasks = [asyncio.create_task(outcome(client, portal.url)) for _ in range(30)]
        await portal.asked(AT_ONCE)
        gate.set()
        results = await asyncio.gather(*tasks)
        await client.close()
        return results

    with PortalServer({"carbonio": {"json": CARBONIO, "gate": gate}}) as portal:
        results = asyncio.run(main())
    assert all(r.found for r in results)
    assert portal.most_at_once == AT_ONCE


def test_waiting_for_a_slot_says_nothing_against_the_portal():
    """Case 184."""
    gate = threading.Event()

    async def main():
        client = PortalClient(PATHS)
        busy = [asyncio.create_task(outcome(client, portal.url)) for _ in range(AT_ONCE)]
        await portal.asked(AT_ONCE)
        waited = await asyncio.gather(
            *(outcome(client, portal.url, seconds=0.3) for _ in range(FAILURES + 1))
        )
        late = asyncio.create_task(outcome(client, portal.url))
        await asyncio.sleep(0)  # let it be judged while the others are still on their way
        gate.set()
        after, *_busy = await asyncio.gather(late, *busy)
        await client.close()
        return waited, after

    with PortalServer({"carbonio": {"json": CARBONIO, "gate": gate}}) as portal:
        waited, after = asyncio.run(main())
    assert {w.code for w in waited} == {"portal_busy"}
    assert after.found
    assert len(portal.requests) == AT_ONCE + 1


def test_silence_in_what_little_time_a_slot_left_is_not_held_against_the_portal():
    """Case 184: of a request that waited for three quarters of its second."""
    gate = threading.Event()

    async def main():
        client = PortalClient(PATHS)
        busy = [asyncio.create_task(outcome(client, portal.url)) for _ in range(AT_ONCE)]
        await portal.asked(AT_ONCE)
        late = asyncio.gather(
            *(outcome(client, portal.url, seconds=1.0) for _ in range(FAILURES + 1))
        )
        await asyncio.sleep(0.75)
        portal.answers["carbonio"] = {"silent": True}
        gate.set()
        await asyncio.gather(*busy)
        waited = await late
        portal.answers["carbonio"] = {"json": CARBONIO}
        after = await outcome(client, portal.url)
        await client.close()
        return waited, after

    with PortalServer({"carbonio": {"json": CARBONIO, "gate": gate}}) as portal:
        waited, after = asyncio.run(main())
    assert {w.code for w in waited} == {"portal_busy"}
    assert after.found


def test_what_comes_to_nothing_while_we_stand_still_counts_for_no_breaker():
    """Case 184."""
    gate, cut = threading.Event(), b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"

    async def main():
        client = PortalClient(PATHS)
        waiting = [asyncio.create_task(outcome(client, portal.url)) for _ in range(FAILURES)]
        await portal.asked(FAILURES)
        gate.set()  # the portal hangs up on us
        time.sleep(STALL_SECONDS + 0.3)
        lost = await asyncio.gather(*waiting)
        portal.answers["carbonio"] = {"json": CARBONIO}
        after = await outcome(client, portal.url)
        await client.close()
        return lost, after

    with PortalServer({"carbonio": {"before": cut, "gate": gate, "cut": True}}) as portal:
        lost, after = asyncio.run(main())
    assert {fault.code for fault in lost} == {"portal_unreachable"}
    assert after.found


# -- not configured


def test_without_an_address_it_says_so():
    with PortalServer() as portal:
        assert ask(portal, url="")[0].code == "portal_not_configured"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "127.0.0.1:8090",
        "http://",
        "http://u:secret@127.0.0.1",
        "http://h/?q=1",
        "http://h:x/",
        "http://\x00/",
    ],
)
def test_an_unusable_address_is_not_asked(url):
    fault = ask(None, url=url)[0]
    assert fault.code == "portal_not_configured"
    assert "secret" not in str(fault)


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a b", "ção", "a\0b", "a\n"])
def test_a_token_cannot_carry_another_header(token):
    with PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        (fault,) = ask(portal, token=token)
    assert fault.code == "portal_auth"
    assert token not in str(fault)
    assert portal.requests == []


def test_without_a_token_no_authorization_is_sent():
    with PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        ask(portal, token="")
    assert "authorization" not in portal.requests[0].headers


# -- the cases


def test_a_refused_connection_is_unreachable():
    """Case 114."""
    with Reserved() as closed:
        (fault,) = ask(None, url=f"http://127.0.0.1:{closed.port}")
    assert fault.code == "portal_unreachable"
    assert "refused" in str(fault)


def test_a_silent_portal_times_out_and_is_left_alone_until_a_probe_succeeds(caplog):
    """Case 115."""
    clock = Clock()

    async def main():
        client = PortalClient(PATHS, clock=clock)
        silent = [await outcome(client, portal.url, seconds=0.3) for _ in range(FAILURES)]
        alone = [await outcome(client, portal.url, seconds=0.6) for _ in range(20)]
        asked = len(portal.requests)
        clock.now += 31
        probe_fails = await outcome(client, portal.url, seconds=0.3)
        alone_again = await outcome(client, portal.url, seconds=5)
        portal.answers["carbonio"] = {"json": CARBONIO}
        clock.now += 31
        well = [await outcome(client, portal.url) for _ in range(3)]
        await client.close()
        return silent, alone, asked, probe_fails, alone_again, well

    with PortalServer({"carbonio": {"silent": True}}) as portal:
        silent, alone, asked, probe_fails, alone_again, well = asyncio.run(main())
    assert {f.code for f in [*silent, *alone, probe_fails, alone_again]} == {"portal_timeout"}
    assert "left alone" in str(alone[0])
    assert "left alone" not in str(probe_fails)
    assert "left alone for 30 s: portal_timeout" in caplog.text
    assert asked == FAILURES
    assert all(a.found for a in well)
    assert len(portal.requests) == FAILURES + 1 + 3


def test_only_one_probe_goes_through_and_a_cancelled_one_frees_the_way():
    """Case 115."""
    clock = Clock()

    async def main():
        client = PortalClient(PATHS, clock=clock)
        for _ in range(FAILURES):
            await outcome(client, portal.url, seconds=0.3)
        clock.now += 31
        probe = asyncio.create_task(outcome(client, portal.url))
        await portal.asked(FAILURES + 1)
        beside = await outcome(client, portal.url)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        portal.answers["carbonio"] = {"json": CARBONIO}
        after = await outcome(client, portal.url)
        await client.close()
        return beside, after

    with PortalServer({"carbonio": {"silent": True}}) as portal:
        beside, after = asyncio.run(main())
    assert beside.code == "portal_timeout"
    assert after.found


def test_any_answer_resets_the_count():
    """Case 115."""
    sick = [{"drop": True}] * 2  # each request is tried twice
    too_large = {"body": b"", "headers": {"Content-Length": MAX_BODY + 1}}
    for answer, code in (({"status": 500}, "portal_error"), (too_large, "portal_bad_response")):
        with PortalServer(
            {"carbonio": [*sick * 4, answer, *sick * 4, {"json": CARBONIO}]}
        ) as portal:
            results = ask(portal, times=10)
        assert [getattr(r, "code", "ok") for r in results] == [
            *["portal_unreachable"] * 4,
            code,
            *["portal_unreachable"] * 4,
            "ok",
        ]


def test_those_who_wait_for_a_slot_are_not_sent_to_a_portal_that_fell_silent_meanwhile():
    """Case 115."""

    async def main():
        client = PortalClient(PATHS)
        first = [outcome(client, portal.url, seconds=0.2) for _ in range(AT_ONCE)]
        waiting = [outcome(client, portal.url, seconds=0.6) for _ in range(20)]
        results = await asyncio.gather(*first, *waiting)
        await client.close()
        return results

    with PortalServer({"carbonio": {"silent": True}}) as portal:
        results = asyncio.run(main())
    assert {r.code for r in results} == {"portal_timeout"}
    # the first to time out free their slots before the count is full
    assert len(portal.requests) < AT_ONCE + FAILURES


def test_one_sick_portal_does_not_silence_another():
    """Case 115."""

    async def main():
        client = PortalClient(PATHS)
        for _ in range(FAILURES):
            await outcome(client, f"http://127.0.0.1:{dead.port}")
        well = await outcome(client, portal.url)
        await client.close()
        return well

    with Reserved() as dead, PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        assert asyncio.run(main()).found


def test_a_trickling_body_and_endless_interim_answers_end_in_time():
    """Case 115."""
    for answer in (
        {
            "before": b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n",
            "repeat": b" ",
            "pause": 0.02,
        },
        {"repeat": b"HTTP/1.1 100 Continue\r\n\r\n"},
    ):
        assert code_of(answer, seconds=0.3)[0] == "portal_timeout"


def test_errors_of_the_portal():
    """Case 116."""
    for status in (500, 502, 503, 418, 204, 206):
        code, message = code_of({"status": status, "body": b""})
        assert code == "portal_error"
        assert str(status) in message


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [("86400", 3600), ("120", 120), ("9" * 400, 3600), ("Fri, 31 Dec 2999 23:59:59 GMT", 3600)],
)
def test_a_pause_that_the_portal_asks_for_is_kept_and_capped_at_an_hour(retry_after, pause):
    """Case 116."""
    clock = Clock()

    async def main():
        client = PortalClient(PATHS, clock=clock)
        results = []
        for wait in (0, pause - 2, 4):
            clock.now += wait
            results.append(await outcome(client, portal.url))
        await client.close()
        return results

    with PortalServer(
        {"carbonio": [{"status": 503, "headers": {"Retry-After": retry_after}}, {"json": CARBONIO}]}
    ) as portal:
        first, during, after = asyncio.run(main())
    assert (first.code, during.code) == ("portal_error", "portal_error")
    assert after.found
    assert len(portal.requests) == 2


@pytest.mark.parametrize(
    "retry_after", ["soon", "-5", "0", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 99 Foo", "1e9"]
)
def test_a_retry_after_that_says_nothing_is_no_pause(retry_after):
    """Case 116."""
    with PortalServer(
        {"carbonio": [{"status": 503, "headers": {"Retry-After": retry_after}}, {"json": CARBONIO}]}
    ) as portal:
        assert ask(portal, times=2)[1].found


def test_too_many_requests_makes_it_back_off():
    """Case 117."""
    with PortalServer({"carbonio": {"status": 429}}) as portal:
        results = ask(portal, times=50)
    assert {r.code for r in results} == {"portal_error"}
    assert len(portal.requests) == 1


def test_a_limit_for_one_token_is_not_another_tenants(caplog):
    """Case 117."""

    async def main(portal):
        client = PortalClient(PATHS, context=lambda: CONTEXT)
        got = [
            await outcome(client, portal.url, token=token)
            for token in ("token-of-one", "token-of-two", "token-of-one")
        ]
        await client.close()
        return got

    with PortalServer(
        {"carbonio": [{"status": 429, "headers": {"Retry-After": "60"}}, {"json": CARBONIO}]}
    ) as portal:
        limited, other, again = asyncio.run(main(portal))
    assert (limited.code, other.found, again.code) == ("portal_error", True, "portal_error")
    assert "left alone" in str(again)
    assert "for 60 s" in caplog.text
    assert len(portal.requests) == 2


def test_each_token_is_refused_on_its_own_and_said_once(caplog):
    """Case 118."""

    class TwoTenants(PortalServer):
        def _answer(self, connection, answer):
            known = self.requests[-1].headers["authorization"] == "Bearer token-of-one"
            return super()._answer(connection, answer if known else {"status": 401})

    async def main(portal):
        client = PortalClient(PATHS, context=lambda: CONTEXT)
        got = [
            await outcome(client, portal.url, token=token)
            for token in ("token-of-one", "token-of-two") * 3
        ]
        await client.close()
        return got

    with TwoTenants({"carbonio": {"json": CARBONIO}}) as portal, caplog.at_level(logging.WARNING):
        got = asyncio.run(main(portal))
    assert [getattr(g, "code", "an answer") for g in got] == ["an answer", "portal_auth"] * 3
    assert len(caplog.records) == 1


def test_refused_credentials_are_said_once_and_not_tried_again(caplog):
    """Case 118."""
    for status in (401, 403):
        caplog.clear()
        with (
            PortalServer({"carbonio": {"status": status}}) as portal,
            caplog.at_level(logging.WARNING),
        ):
            results = ask(portal, times=4)
        assert {r.code for r in results} == {"portal_auth"}
        assert len(portal.requests) == 4
        assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>Bad Gateway</html>", id="case_119_html"),
        pytest.param(b"", id="case_120_empty"),
        pytest.param(b"{", id="case_121_half"),
        pytest.param(b'["active"]', id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(json.dumps({**CARBONIO, "extra": float("nan")}).encode(), id="nan"),
        pytest.param(b"[" * 100_000, id="nesting"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="closed_nesting"),
        pytest.param(b'{"status": "\xff\xfe"}', id="utf8"),
        pytest.param('{"status": "active"}'.encode("utf-16"), id="utf16"),
        pytest.param(b'{"accounts": ' + b"9" * 5000 + b"}", id="long_number"),
    ],
)
def test_what_is_not_json_is_a_bad_response(body):
    """Cases 119 to 121."""
    assert code_of({"body": body})[0] == "portal_bad_response"


@pytest.mark.parametrize(
    ("what", "change", "field"),
    [
        ("carbonio", {"status": 1}, "status"),
        ("carbonio", {"status": None}, "status"),
        ("carbonio", {"services": ["mta"]}, "services"),
        ("carbonio", {"services": {"mta": True}}, "services"),
        ("carbonio", {"services": {str(n): "running" for n in range(2000)}}, "services"),
        ("carbonio", {"accounts": "many"}, "accounts"),
        ("carbonio", {"accounts": True}, "accounts"),
        ("carbonio", {"accounts": -1}, "accounts"),
        ("carbonio", {"accounts": 2**60}, "accounts"),
        ("carbonio", {"accounts": 1.5}, "accounts"),
        ("carbonio", {"dkim": "s1"}, "dkim"),
        ("carbonio", {"dkim": {"selector": "s1"}}, "dkim.public_key"),
        ("carbonio", {"dkim": {"selector": None, "public_key": ""}}, "dkim.selector"),
        ("carbonio", {"status": ...}, "status"),
        ("carbonio", {"services": ...}, "services"),
        ("carbonio", {"dkim": ...}, "dkim"),
        ("nginx", {"vhost": "yes"}, "vhost"),
        ("nginx", {"vhost": ...}, "vhost"),
        ("nginx", {"server_names": None}, "server_names"),
        ("nginx", {"server_names": ["a", 1]}, "server_names"),
        ("nginx", {"tls": 1}, "tls"),
        ("nginx", {"config_ok": ...}, "config_ok"),
        ("nginx", {"running": "true"}, "running"),
        ("nginx", {"vhost": False, "running": "no"}, "running"),
        ("certificate", {"pem": None}, "pem"),
        ("certificate", {"pem": ["x"]}, "pem"),
    ],
)
def test_a_wrong_shape_names_the_field(what, change, field):
    """Case 122."""
    right = {"carbonio": CARBONIO, "nginx": NGINX, "certificate": {"pem": "x"}}[what]
    answer = {k: v for k, v in {**right, **change}.items() if v is not ...}
    code, message = code_of({"json": answer}, what)
    assert code == "portal_bad_response"
    assert f"“{field}”" in message


def test_duplicate_keys_and_a_byte_order_mark_do_no_harm():
    text = json.dumps(CARBONIO)
    body = b"\xef\xbb\xbf" + (text[:-1] + ', "accounts": 9}').encode()
    with PortalServer({"carbonio": {"body": body}}) as portal:
        assert ask(portal)[0].data["accounts"] == 9


def test_a_huge_answer_is_not_read():
    """Case 123."""
    assert (
        code_of({"body": b" " * 10, "headers": {"Content-Length": 50_000_000}})[0]
        == "portal_bad_response"
    )
    pad = json.dumps({**CARBONIO, "pad": "x" * MAX_BODY}).encode()
    code, message = code_of({"body": pad})
    assert (code, "1 MiB" in message) == ("portal_bad_response", True)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    assert (
        code_of(
            {"before": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "repeat": chunk}
        )[0]
        == "portal_bad_response"
    )


def test_just_below_the_limit_is_read():
    """Case 123."""
    body = json.dumps(CARBONIO).encode()
    with PortalServer({"carbonio": {"body": body + b" " * (MAX_BODY - len(body))}}) as portal:
        assert ask(portal)[0].found


def test_a_compressed_answer_is_refused():
    """Case 123."""
    packed = gzip.compress(json.dumps(CARBONIO).encode())
    code, message = code_of({"body": packed, "headers": {"Content-Encoding": "gzip"}})
    assert (code, "compressed" in message) == ("portal_bad_response", True)
    with PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        ask(portal)
    assert portal.requests[0].headers["accept-encoding"] == "identity"


def test_a_next_page_is_not_asked_for():
    """Case 124."""
    with PortalServer() as other:
        link = {"Link": f'<{other.url}/2>; rel="next"'}
        with PortalServer(
            {"carbonio": {"json": {**CARBONIO, "next": f"{other.url}/2"}, "headers": link}}
        ) as portal:
            assert ask(portal)[0].found
    assert (len(portal.requests), other.connections) == (1, 0)


def test_the_token_is_nowhere_but_in_its_header(caplog):
    """Case 125."""
    moods = [
        {"json": {**CARBONIO, "services": {f"echo {TOKEN}": "running"}}},
        {"status": 404, "json": {"detail": f"no domain for {TOKEN}"}},
        {"status": 401, "json": {"detail": TOKEN}},
        {"status": 500, "body": TOKEN.encode()},
        {"status": 302, "headers": {"Location": f"/?t={TOKEN}"}},
        {"body": TOKEN.encode()},
        {"wire": TOKEN.encode() + b"\r\n\r\n"},
        {"reset": True},
        {"reset": True},
        {"silent": True},
    ]
    with PortalServer({"carbonio": list(moods)}) as portal, caplog.at_level(logging.DEBUG):
        results = ask(portal, times=len(moods) - 1, seconds=0.5)
    said = [
        *(str(r) + repr(r) for r in results),
        *(json.dumps(r.evidence()) for r in results[:2]),
        caplog.text,
    ]
    said += [repr(vars(r)) + repr(r.__cause__) for r in results[2:]]
    assert all(TOKEN not in text for text in said)
    assert all(TOKEN not in r.path and "cookie" not in r.headers for r in portal.requests)
    assert results[0].found
    assert "[token]" in results[1].detail


def test_a_token_echoed_in_another_json_spelling_is_left_out():
    """Case 125."""
    token = "portal/token/5f1c9a"
    body = json.dumps({"detail": f"no domain for {token}"}).replace("/", "\\/")  # as PHP writes it
    with PortalServer({"carbonio": {"status": 404, "body": body.encode()}}) as portal:
        (answer,) = ask(portal, token=token)
    assert answer.detail == "no domain for [token]"


def test_at_debug_level_nothing_of_a_request_is_logged(caplog):
    """Case 125."""
    with PortalServer({"carbonio": {"json": CARBONIO}}) as portal, caplog.at_level(logging.DEBUG):
        ask(portal)
    assert {record.name for record in caplog.records} <= {"asyncio"}
    assert TOKEN not in caplog.text


def test_a_redirect_is_an_error_and_not_followed():
    """Case 126."""
    with PortalServer({"carbonio": {"json": CARBONIO}}) as other:
        for location in (
            f"{other.url}/api/v1/domains/kunde.test/carbonio",
            "http://[",
            "\xff",
            "//x",
        ):
            for status in (301, 302, 307, 308):
                code, message = code_of({"status": status, "headers": {"Location": location}})
                assert (code, "redirect" in message) == ("portal_error", True)
    assert other.connections == 0


def test_an_answer_about_another_domain_is_not_taken():
    """Case 127."""
    for named in ("andere.test", "sub.kunde.test", 5, None, ["kunde.test"]):
        code, message = code_of({"json": {**CARBONIO, "domain": named}})
        assert (code, "domain" in message) == ("portal_bad_response", True)
    for named in ("kunde.test", "KUNDE.test."):
        with PortalServer({"carbonio": {"json": {**CARBONIO, "domain": named}}}) as portal:
            assert ask(portal)[0].found


# -- broken transports


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"drop": True}, "portal_unreachable"),
        ({"reset": True}, "portal_unreachable"),
        ({"wire": b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"}, "portal_unreachable"),
        ({"wire": b"SSH-2.0-OpenSSH_9.2\r\n\r\n"}, "portal_bad_response"),
        ({"wire": b"HTTP/1.1 abc Bad\r\n\r\n"}, "portal_bad_response"),
        (
            {"wire": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"},
            "portal_bad_response",
        ),
        ({"wire": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n"}, "portal_bad_response"),
        (
            {"wire": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
            "portal_bad_response",
        ),
    ],
)
def test_a_broken_transport_has_its_word(answer, code):
    assert code_of(answer)[0] == code


def test_cookies_are_not_sent_back():
    with PortalServer({"carbonio": {"json": CARBONIO, "headers": {"Set-Cookie": "a=b"}}}) as portal:
        ask(portal, times=2)
    assert all("cookie" not in r.headers for r in portal.requests)


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with PortalServer() as proxy, PortalServer({"carbonio": {"json": CARBONIO}}) as portal:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert ask(portal)[0].found
    assert proxy.connections == 0


def test_a_portal_over_tls_must_be_trusted(tmp_path):
    le = authority()
    leaf = le.leaf(["localhost"])
    with PortalServer(
        {"carbonio": {"json": CARBONIO}}, context=server_context(tmp_path, leaf)
    ) as portal:
        url = f"https://localhost:{portal.port}"
        (fault,) = ask(portal, url=url)
        assert (fault.code, "not trusted" in str(fault)) == ("portal_unreachable", True)
        assert portal.requests == []
        trusting = ssl.create_default_context(cadata=le.root_pem.decode())
        trusting.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 has it by itself
        assert ask(portal, url=url, context=trusting)[0].found
        assert (
            ask(portal, context=trusting)[0].code == "portal_unreachable"
        )  # 127.0.0.1 is not in the certificate
