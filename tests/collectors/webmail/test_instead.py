"""webmail_http and pages with a good status that are no webmail."""

import time
from urllib.parse import quote

import pytest

from tests.collectors.hostile_http import Hostile, answer, certificates
from tests.collectors.visits import verdict, visit

LOGIN = b"<form><input type='password'></form>"


def seen(body, **headers):
    with Hostile(certificates(), paths={"/": [answer(body, **headers)]}) as server:
        return visit(server)


@pytest.mark.parametrize(
    "title",
    [
        "502 Bad Gateway", "404 Not Found", "Error 500", "HTTP Status 503 – Service Unavailable",
        "503", "Bad Gateway", "Service Temporarily Unavailable", "Page not found", "Maintenance",
        "Site Maintenance", "Webmail - under maintenance", "Em manutenção",
        "Sitio en mantenimiento",
        "Site en maintenance", "Wartungsarbeiten", "Serviço temporariamente indisponível",
    ],
)  # fmt: skip
def test_an_error_or_a_notice_with_a_good_status_is_told(title):
    result = seen(f"<title>{title}</title><p>x".encode(), Content_Type="text/html; charset=utf-8")
    assert verdict(result) == ("warn", ["webmail_unavailable"])
    assert title in str(result.message) and str(result.findings[0].owner) == "host"


@pytest.mark.parametrize(
    "page",
    [
        b"<title>Carbonio Client</title><div id=root></div><script src=/a.js></script>",
        b"<title>Webmail: maintenance mode on Sunday</title>" + LOGIN,
        b"<title>500 Mail</title><p>x",
        b"<title>404 Media Webmail</title><p>x",
        b"<title>Maintenance Services Ltd</title><p>x",
        b"<title>Not Found Records Webmail</title><p>x",
    ],
)
def test_a_page_that_only_sounds_like_one_is_ok(page):
    assert verdict(seen(page)) == ("ok", [])


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"PK", {"Content_Type": "application/zip"}),
        (b"<p>x", {"Content_Type": "text/html", "Content_Disposition": "attachment; filename=a"}),
        (b'{"message":"no route"}', {"Content_Type": "application/json; charset=utf-8"}),
        (b"<p>x", {"Content_Type": "application/octet-stream"}),
        (b"<?php require 'x.php';", {"Content_Type": "text/html"}),
    ],
)
def test_a_file_or_data_is_no_page(body, headers):
    assert verdict(seen(body, **headers)) == ("warn", ["webmail_not_a_page"])


@pytest.mark.parametrize("kind", ["text/html", "application/xhtml+xml", "TEXT/HTML;charset=x", ""])
def test_a_page_is_a_page(kind):
    assert verdict(seen(b"<?xml version='1.0'?><p>x", Content_Type=kind)) == ("ok", [])


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        ("https://www.agency.example/mail", ["webmail_redirect_offsite"]),
        ("//www.agency.example", ["webmail_redirect_offsite"]),
        ("http://good.test/zx/", ["webmail_redirect_insecure"]),
        ("/zx/", []),
        ("zx/login?a=b;c", []),
        ("https://login.good.test/", []),
        ("javascript:alert(1)", []),
        ("https://127.0.0.1/", []),
    ],
)
def test_where_the_page_itself_sends_people_counts_and_is_not_gone_to(url, codes):
    shapes = (
        f'<meta http-equiv="refresh" content="0; url={url}">',
        f"<META CONTENT=\"3;URL='{url}'\" HTTP-EQUIV=Refresh>",
        f'<html><frameset rows="100%"><frame name=a src="{url}"></frameset></html>',
    )
    for shape in shapes:
        assert verdict(seen(shape.encode()))[1] == codes, shape
    assert verdict(seen(b"<p>moved", Refresh=f"0;url={url}"))[1] == codes


def test_a_page_that_is_there_to_be_read_first_leads_nowhere():
    late = f'<meta http-equiv=refresh content="600; url=https://{quote("www.agency.example")}/">'
    assert verdict(seen(late.encode() + b"<p>x")) == ("ok", [])
    assert verdict(seen(b"<meta http-equiv=refresh content=300><p>x")) == ("ok", [])


@pytest.mark.parametrize(
    "piece",
    [
        "<meta ",
        "<meta http-equiv=refresh content=",
        "<frameset ",
        "<frameset><frame ",
        "content=",
        "a.",
    ],
)
def test_no_page_is_slow_to_read(piece):
    page = (piece * 70_000)[:64_000].encode()
    with Hostile(certificates(), paths={"/": [answer(page)]}) as server:
        visit(server)
        before = time.process_time()
        visit(server)
        spent = time.process_time() - before
        paths = server.paths
        paths["/"] = [answer(b"<p>" + b"x" * 64_000)]
        before = time.process_time()
        visit(server)
        assert spent - (time.process_time() - before) < 0.25
