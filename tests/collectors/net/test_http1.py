"""Responses as browsers read them (RFC 9112, and what is sent in its place)."""

import asyncio
import gzip

import pytest

from collectors.net.connection import Connection
from collectors.net.http1 import Http1Response
from collectors.net.wire import Wire
from tests.collectors.hostile_http import CLOSE, Hostile, answer, certificates
from tests.collectors.visits import verdict, visit

TITLE = b"<title>Carbonio Login</title>"
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(TITLE)
CHUNKED = b"1d\r\n" + TITLE + b"\r\n0\r\n\r\n"
TE = b"Transfer-Encoding: chunked\r\n"


def fetched(*steps, path="/", **paths):
    with Hostile(certificates(), paths={"/": list(steps), **paths}) as server:
        return visit(server, path)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(OK + LENGTH + b"\r\n" + TITLE, id="proper"),
        pytest.param((OK + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + TITLE, id="lf_only"),
        pytest.param(OK + LENGTH + b"X-Powered-By : PHP \r\n\r\n" + TITLE, id="blank_before_colon"),
        pytest.param(OK + b"Proxied by cache1\r\n" + LENGTH + b"\r\n" + TITLE, id="no_colon"),
        pytest.param(OK + b"Strict Transport Security: 1\r\n\r\n" + TITLE, id="blank_in_name"),
        pytest.param(OK + b": x\r\n" + LENGTH + b"\r\n" + TITLE, id="no_name"),
        pytest.param(OK + b"X-\xe9(@): \x01\r\n" + LENGTH + b"\r\n" + TITLE, id="odd_bytes"),
        pytest.param(OK + b"X-A: a\r\n folded\r\n" + LENGTH + b"\r\n" + TITLE, id="folded"),
        pytest.param(OK + b"X: a\n" + b" folded, again\n" * 9000 + b"\n" + TITLE, id="9,000_folds"),
        pytest.param(OK + b"\tX: y\r\n" + LENGTH + b"\r\n" + TITLE, id="folded_first"),
        pytest.param(OK + TE + TE + b"\r\n" + CHUNKED, id="chunked_twice"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKED, id="chunked_list"
        ),
        pytest.param(OK + b"Transfer-Encoding: Chunked\r\n\r\n" + CHUNKED, id="chunked_capital"),
        pytest.param(OK + LENGTH + TE + b"\r\n" + CHUNKED, id="chunked_and_length"),
        pytest.param(OK + b"Transfer-Encoding: identity\r\n\r\n" + TITLE, id="identity"),
        pytest.param(
            OK + b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n" + TITLE, id="identity_length"
        ),
        pytest.param(OK + TE + b"\r\n" + CHUNKED.replace(b"\r\n", b"\n"), id="chunks_with_lf"),
        pytest.param(
            OK + TE + b"\r\n" + CHUNKED.replace(b"1d", b"001D ; a=b"), id="chunk_extension"
        ),
        pytest.param(OK + TE + b"\r\n" + CHUNKED[:-2], id="no_last_line"),
        pytest.param(OK + TE + b"\r\n" + CHUNKED[:-5], id="no_last_chunk"),
        pytest.param(OK + TE + b"\r\n" + CHUNKED + b"GARBAGE", id="garbage_behind"),
        pytest.param(OK + LENGTH + b"\r\n" + TITLE + b"more", id="more_than_the_length"),
        pytest.param(OK + b"Content-Length: x\r\n\r\n" + TITLE, id="length_no_number"),
        pytest.param(OK + LENGTH + LENGTH + b"\r\n" + TITLE, id="length_twice"),
        pytest.param(OK.replace(b" 200", b"  200") + LENGTH + b"\r\n" + TITLE, id="two_blanks"),
        pytest.param(b"\r\n\r\n" + OK + LENGTH + b"\r\n" + TITLE, id="empty_line_before"),
        pytest.param(b"\0\0" + OK + LENGTH + b"\r\n" + TITLE, id="slop_before"),
        pytest.param(OK.lower() + LENGTH + b"\r\n" + TITLE, id="lower_case"),
        pytest.param(b"HTTP/1.1 200\r\n" + LENGTH + b"\r\n" + TITLE, id="no_reason"),
        pytest.param(b"HTTP/1.1\t200 OK\r\n" + LENGTH + b"\r\n" + TITLE, id="tab"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + TITLE, id="http10_to_the_end"),
        pytest.param(b"HTTP/1.2 200 OK\r\n" + LENGTH + b"\r\n" + TITLE, id="other_version"),
        pytest.param(
            b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" * 2 + OK + b"\r\n" + TITLE, id="interim"
        ),
        pytest.param(
            OK + b"X: " + b"v" * 200_000 + b"\r\n" + LENGTH + b"\r\n" + TITLE, id="200_KB"
        ),
        pytest.param(
            OK + b"".join(b"X-%d: v\r\n" % n for n in range(3000)) + b"\r\n" + TITLE, id="3k"
        ),
    ],
)
def test_what_browsers_show_is_shown(response):
    result = fetched(response, CLOSE)
    assert verdict(result) == ("ok", [])
    assert result.evidence["title"] == "Carbonio Login"


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_a_response_is_read_however_it_is_cut(cut):
    text = b"\r\n" + OK.replace(b" 200", b"  200") + TE + b"X-A : b\r\n\r\n" + CHUNKED
    pieces = [part for at in range(0, len(text), cut) for part in (text[at : at + cut], 0.001)]
    assert fetched(*pieces).evidence["title"] == "Carbonio Login"


@pytest.mark.parametrize("cut", [8, 20, 300])
def test_a_packed_page_without_its_end_is_shown(cut):
    """gzip ends with eight bytes that browsers do not miss (RFC 1952, 2.3.1)."""
    packed = gzip.compress(TITLE + b"".join(b"<p>%d</p>" % (n * n) for n in range(400)))
    result = fetched(answer(packed[:-cut], Content_Encoding="gzip"))
    assert (verdict(result), result.evidence["title"]) == (("ok", []), "Carbonio Login")


def test_a_packed_page_with_a_break_is_shown_up_to_it():
    packed = bytearray(gzip.compress(TITLE + bytes(range(256)) * 40))
    packed[-200:] = b"\xff" * 200
    result = fetched(answer(bytes(packed), Content_Encoding="gzip"))
    assert (verdict(result), result.evidence["title"]) == (("ok", []), "Carbonio Login")


def test_a_location_in_raw_utf_8_is_followed():
    """Case 71."""
    with Hostile(
        certificates(),
        paths={
            "/": [answer(status="302 Found", Location="/início?q=ã".encode())],
            "/in%C3%ADcio?q=%C3%A3": [answer()],
        },
    ) as server:
        assert verdict(visit(server)) == ("ok", [])
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "raw", ["\\start\\in", "https://good.test:{port}\\start\\in", "/st\tart/in"]
)
def test_a_location_with_backslashes_or_tabs_is_read_as_browsers_read_it(raw):
    """Case 71."""
    paths = {"/start/in": [answer()]}
    with Hostile(certificates(), paths=paths) as server:
        location = raw.format(port=server.port)
        paths["/"] = [answer(status="302 Found", Location=location)]
        assert verdict(visit(server)) == ("ok", [])
        assert len(server.requests) == 2


@pytest.mark.parametrize("raw", ["https://①②⑦.⓪.⓪.①/", "https://１２７.0.0.1/", "//ⅼocalhost/"])
def test_raw_utf_8_does_not_lead_to_an_address(raw):
    """Case 69."""
    result = fetched(answer(status="302 Found", Location=raw.encode()))
    assert verdict(result) == ("fail", ["webmail_redirect_blocked"])


@pytest.mark.parametrize(
    ("response", "status", "codes"),
    [
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", "warn", ["webmail_empty"], id="204"),
        pytest.param(answer(b""), "warn", ["webmail_empty"], id="empty_200"),
        pytest.param(answer(b" \r\n\xef\xbb\xbf"), "warn", ["webmail_empty"], id="blanks"),
        pytest.param(
            answer(b"<!doctype html><html><head></head><body></body></html>"),
            "warn",
            ["webmail_empty"],
            id="nothing_in_it",
        ),
        pytest.param(
            answer(b"<meta name=viewport><link rel=icon href=x><body><p>&nbsp;</p><br/>"),
            "warn",
            ["webmail_empty"],
            id="nothing_that_shows",
        ),
        pytest.param(answer(b"", Refresh="0; url=/zx/"), "ok", [], id="refresh"),
        pytest.param(answer(b"<div id=root></div><script src=a.js>"), "ok", [], id="application"),
        pytest.param(OK + TE + b"\r\nzz\r\nabc", "unknown", ["webmail_unreadable"], id="bad_chunk"),
        pytest.param(
            OK + b"Content-Length: 1, 2\r\n\r\nab", "unknown", ["webmail_unreadable"], id="lengths"
        ),
        pytest.param(
            OK + b"X: " + b"v" * 300_000 + b"\r\n\r\n",
            "unknown",
            ["webmail_unreadable"],
            id="300_KB",
        ),
        pytest.param(
            OK + b"A:b\n" * 60_000 + b"\n", "unknown", ["webmail_unreadable"], id="60,000_headers"
        ),
        pytest.param(OK + TE + b"\r\n9\r\nhello\r\n", "fail", ["webmail_reset"], id="cut_chunk"),
        pytest.param(OK + TE + b"\r\n5\r\nhello\r\n9", "fail", ["webmail_reset"], id="cut_size"),
        pytest.param(OK + TE + b"\r\n", "fail", ["webmail_reset"], id="no_chunk"),
        pytest.param(
            answer(gzip.compress(b""), Content_Encoding="gzip"),
            "warn",
            ["webmail_empty"],
            id="empty_gzip",
        ),
        pytest.param(
            answer(b"", Content_Encoding="br"), "warn", ["webmail_empty"], id="empty_unread"
        ),
        pytest.param(
            answer(b"<html><head><title></title></head></html>"),
            "warn",
            ["webmail_empty"],
            id="empty_title",
        ),
        pytest.param(OK + b"Content-Length: 9\r\n\r\nab", "fail", ["webmail_reset"], id="cut"),
        pytest.param(OK + b"Content-Ty", "fail", ["webmail_reset"], id="cut_headers"),
        pytest.param(
            answer(TITLE, Content_Encoding="gzip"), "fail", ["webmail_bad_response"], id="no_gzip"
        ),
    ],
)
def test_what_browsers_do_not_show_is_told_apart_from_what_we_cannot_read(response, status, codes):
    result = fetched(response, CLOSE)
    assert verdict(result) == (status, codes)
    assert not any(word in str(result.message) for word in ("bytearray", "h11", "zlib", "Error"))


def test_others_come_in_between_while_an_answer_of_tiny_chunks_is_read():
    """Case 185."""
    wire = OK + TE + b"\r\n" + b"1\r\nx\r\n" * 9000 + b"0\r\n\r\n"
    turns = 0

    async def neighbour():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(wire)
        reader.feed_eof()
        response = Http1Response(Wire(Connection("127.0.0.1", reader, None, 0)))
        beside = asyncio.create_task(neighbour())
        pieces = [piece async for piece in response.body(await response.head())]
        beside.cancel()
        return pieces

    assert asyncio.run(read()) == [b"x"] * 9000
    assert turns >= len(wire) // (16 * 1024)
