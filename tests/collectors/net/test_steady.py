"""What of an answer is kept in evidence: what is the same at each visit."""

import time

import pytest

from collectors.net.steady import steady_header, steady_url


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("date: Thu, 26 Nov 2026 08:30:00 GMT", "date: …"),
        ("last-modified: Thu, 26 Nov 2026 08:30:00 GMT", "last-modified: …"),
        ('etag: W/"5f1c-9a"', "etag: …"),
        ("x-request-id: 550e8400-e29b-41d4-a716-446655440000", "x-request-id: …"),
        ("cf-ray: 8f1a2b3c4d5e6f70-LIS", "cf-ray: …"),
        ("x-runtime: 0.012345", "x-runtime: …"),
        ("server-timing: total;dur=12.3, db;dur=5", "server-timing: total;dur=…, db;dur=…"),
        ("set-cookie: ZM_TEST=true; Secure", "set-cookie: ZM_TEST=…; Secure"),
        (
            "set-cookie: s=0a1b; Path=/; Expires=Thu, 26 Nov 2026 08:30:00 GMT; Max-Age=9; A",
            "set-cookie: s=…; Path=/; A",
        ),
        ("set-cookie: nameless", "set-cookie: …"),
        (
            "content-security-policy: default-src 'self'; script-src 'nonce-rAnd0m64+/=='",
            "content-security-policy: default-src 'self'; script-src '…'",
        ),
        (
            "location: /auth;jsessionid=4F2A99AACC?client=mail&state=ab12cd34ef56",
            "location: /auth;jsessionid=…?client=mail&state=…",
        ),
    ],
)
def test_what_is_made_anew_for_each_answer_leaves_its_place_alone(line, kept):
    name, _colon, value = line.partition(": ")
    assert steady_header(name, value) == kept


@pytest.mark.parametrize(
    "line",
    [
        "server: nginx/1.22.1",
        "content-type: text/html; charset=utf-8",
        "strict-transport-security: max-age=31536000; includeSubDomains",
        "x-powered-by: PHP/8.2.14",
        "cache-control: max-age=31536000",
        "x-frame-options: SAMEORIGIN",
        "x-robots-tag: noindex, nofollow",
        "location: https://webmail.kunde.test:8443/login?app=mail&v=2026",
        r"x-a: a\x00b",
        "x-empty: ",
    ],
)
def test_what_an_operator_reads_stays(line):
    name, _colon, value = line.partition(": ")
    assert steady_header(name, value) == line


def test_a_url_keeps_all_but_long_values():
    assert steady_url("https://kunde.test/a/b1234567890?x=1#top") == (
        "https://kunde.test/a/b1234567890?x=1#top"
    )
    assert steady_url("/?state=abcdefghijklmnopqrstuvwxyz") == "/?state=…"
    assert steady_url("/?0123456789abcdef") == "/?…"


@pytest.mark.parametrize("piece", ["a", "1", "1.", "a=", "%", ";x", "?&="])
def test_it_takes_linear_time(piece):
    """Case 84: what a stranger sends is worked on by the loop that all wait for."""
    began = time.process_time()
    steady_header("x-long", piece * 20_000)
    steady_url(piece * 20_000)
    assert time.process_time() - began < 0.5
