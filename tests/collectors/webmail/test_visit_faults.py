"""webmail_http against servers that stall, break off, lie or flood: each has its own word."""

import time
import tracemalloc

import pytest

from collectors.net.page_text import page_text
from scripts.ports import Reserved
from tests.collectors.hostile_http import LONGEST, Full, Hostile
from tests.collectors.visits import BRIEF, dialled, hostile, verdict, visit

__all__ = ["dialled", "hostile"]


def message(result):
    return str(result.message)


@pytest.mark.parametrize("path", ["/slow-headers", "/slow-body", "/stall", "/silent"])
def test_a_server_that_stalls_is_a_timeout_in_time(hostile, path):
    """Case 76."""
    hostile.hung_up.clear()
    result = visit(hostile, path, seconds=BRIEF)
    assert verdict(result) == ("fail", ["webmail_timeout"])
    assert hostile.hung_up.wait(LONGEST)  # the client went, and not the server


def test_a_handshake_that_never_ends_is_a_timeout():
    """Case 77."""
    with Hostile(mode="mute") as server:
        result = visit(server, seconds=BRIEF)
    assert verdict(result) == ("fail", ["webmail_timeout"])
    assert "TLS handshake" in message(result)


def test_a_closed_port_is_refused_and_the_address_is_named():
    """Case 78."""
    with Reserved() as closed:
        result = visit(closed)
    assert verdict(result) == ("fail", ["webmail_refused"])
    assert "127.0.0.1" in message(result)
    assert result.evidence["requests"][0]["error"] == "refused"


def test_a_filtered_port_is_a_timeout():
    """Case 78."""
    with Full() as server:
        result = visit(server, seconds=BRIEF)
    assert verdict(result) == ("fail", ["webmail_timeout"])
    assert "127.0.0.1" in message(result)


@pytest.mark.parametrize("mode", ["plain", "ssh"])
def test_a_port_that_speaks_no_tls_says_so(mode):
    """Case 79."""
    with Hostile(mode=mode) as server:
        result = visit(server)
    assert verdict(result) == ("fail", ["webmail_tls"])
    assert "does not speak TLS" in message(result)


@pytest.mark.parametrize("path", ["/huge", "/endless"])
def test_a_body_without_end_is_read_as_far_as_needed(hostile, path):
    """Case 81."""
    result = visit(hostile, path, seconds=3)
    assert verdict(result) == ("ok", [])
    assert (result.evidence["size"], result.evidence["truncated"]) == (256 * 1024, True)
    assert result.evidence["title"] == "Carbonio Login"


def test_a_gzip_bomb_is_stopped_early_and_takes_no_memory(hostile):
    """Case 82."""
    visit(hostile)  # what is loaded once is loaded
    tracemalloc.start()
    before = hostile.bytes_sent
    result = visit(hostile, "/gzip-bomb", seconds=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert verdict(result) == ("ok", [])
    assert result.evidence["truncated"] is True
    assert result.evidence["size"] <= 256 * 1024
    assert peak < 16 * 1024 * 1024
    assert hostile.bytes_sent - before < 4 * 1024 * 1024  # of the gibibyte that it would unpack to


def test_codings_on_top_of_each_other_are_refused(hostile):
    """Case 83."""
    result = visit(hostile, "/deflate-nested")
    assert verdict(result) == ("unknown", ["webmail_unreadable"])
    assert "content codings" in message(result)


@pytest.mark.parametrize("path", ["/many-headers", "/long-header", "/long-status", "/cookies"])
def test_headers_beyond_what_browsers_take_are_not_read(hostile, path):
    """Case 84."""
    result = visit(hostile, path)
    assert verdict(result) == ("unknown", ["webmail_unreadable"])
    assert "headers did not end" in message(result)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/close", "webmail_reset"),
        ("/reset", "webmail_reset"),
        ("/half", "webmail_reset"),
        ("/half-headers", "webmail_reset"),
        ("/reset-in-body", "webmail_reset"),
        ("/gzip-broken", "webmail_bad_response"),
    ],
)
def test_an_answer_that_breaks_has_a_plain_word(hostile, path, code):
    """Case 85."""
    result = visit(hostile, path)
    assert verdict(result) == ("fail", [code])
    assert "bytearray" not in message(result)


@pytest.mark.parametrize("mode", ["reset", "drop"])
def test_a_connection_cut_in_the_handshake_is_a_reset(mode):
    """Case 85."""
    with Hostile(mode=mode) as server:
        assert verdict(visit(server)) == ("fail", ["webmail_reset"])


def test_interim_responses_without_end_end_in_time(hostile):
    """Case 86."""
    assert verdict(visit(hostile, "/endless-1xx", seconds=BRIEF)) == ("fail", ["webmail_timeout"])


def test_a_flood_of_interim_responses_ends_at_the_header_limit(hostile):
    """Case 86."""
    before = hostile.bytes_sent
    assert verdict(visit(hostile, "/flood-1xx", seconds=5)) == ("unknown", ["webmail_unreadable"])
    assert hostile.bytes_sent - before < 8 * 1024 * 1024  # of more than a hundred


@pytest.mark.parametrize(
    "path", ["/garbage", "/garbage-then-quiet", "/http09", "/status-abc", "/status-999", "/switch"]
)
def test_what_is_not_http_is_a_bad_response(hostile, path):
    """Case 87."""
    assert verdict(visit(hostile, path)) == ("fail", ["webmail_bad_response"])


def test_a_header_with_nul_is_shown_escaped(hostile):
    """Case 88."""
    result = visit(hostile, "/nul-header")
    assert verdict(result) == ("ok", [])
    assert r"x-a: a\x00b" in result.evidence["requests"][0]["headers"]


@pytest.mark.parametrize("path", ["/two-lengths", "/bad-chunk"])
def test_a_body_whose_end_cannot_be_told_is_not_read_and_blames_nobody(hostile, path):
    """Case 85."""
    result = visit(hostile, path)
    assert verdict(result) == ("unknown", ["webmail_unreadable"])


@pytest.mark.parametrize("path", ["/bad-length", "/gzip-cut"])
def test_a_body_that_browsers_show_in_spite_of_its_faults_is_shown(hostile, path):
    """Case 85."""
    assert verdict(visit(hostile, path)) == ("ok", [])


def test_header_bytes_are_kept_escaped(hostile):
    """Case 88."""
    result = visit(hostile, "/latin1-header")
    assert verdict(result) == ("ok", [])
    assert r"server: caf\xe9 \xff" in result.evidence["requests"][0]["headers"]


@pytest.mark.parametrize(
    "path", ["/body-utf16", "/charset-unknown", "/charset-latin1", "/charset-meta"]
)
def test_a_title_is_read_in_its_charset(hostile, path):
    """Case 88."""
    result = visit(hostile, path)
    assert verdict(result) == ("ok", [])
    assert result.evidence["title"] == "Olá"


def test_a_charset_that_is_slow_to_decode_is_not_used(hostile):
    """Case 88."""
    started = time.process_time()
    assert verdict(visit(hostile, "/charset-punycode", seconds=5)) == ("ok", [])
    assert time.process_time() - started < 3
    for charset in (
        "unicode_escape",
        "raw_unicode_escape",
        "utf-7",
        "idna",
        "punycode",
        "hex",
        "zip",
    ):
        assert page_text(rb"\u0041+AEE-", f"text/html; charset={charset}") == r"\u0041+AEE-"


def test_markup_stays_text_and_direction_marks_are_seen(hostile):
    """Case 89."""
    evidence = visit(hostile, "/xss").evidence
    assert evidence["title"] == r"<script>alert(1)</script> \u202e"
    assert "server: <script>alert(2)</script>" in evidence["requests"][0]["headers"]


def test_a_good_webmail_is_ok_and_its_evidence_tells_the_way(hostile):
    """Case 90."""
    result = visit(hostile)
    assert verdict(result) == ("ok", [])
    assert result.findings == ()
    assert message(result) == "Status 200, HTTPS valid"
    (hop,) = result.evidence["requests"]
    assert (hop["url"], hop["address"], hop["status"]) == (
        f"https://good.test:{hostile.port}/",
        "127.0.0.1",
        200,
    )
    assert result.evidence["title"] == "Carbonio Login"
    assert result.evidence["tls"].startswith("TLSv1.")


@pytest.mark.parametrize(
    ("host", "word"),
    [
        pytest.param("expired.test", "has expired", id="case_91"),
        pytest.param("future.test", "not valid yet", id="case_92"),
        pytest.param("selfsigned.test", "self-signed", id="case_93"),
        pytest.param("untrusted.test", "issuer is not trusted", id="case_94"),
        pytest.param(
            "bare.test", "intermediate certificate is not sent", id="case_94_no_intermediate"
        ),
        pytest.param("wrongname.test", "for another name", id="case_95"),
        pytest.param("webmail.customer.test", "for another name", id="case_95_other_host"),
        pytest.param("nosan.test", "for another name", id="case_96"),
        pytest.param("weak.test", "too short a key", id="case_97"),
        pytest.param(
            "notca.test", "a certificate that may not issue others", id="case_97_not_a_ca"
        ),
        pytest.param("unknown.test", "no certificate for this name", id="name_refused"),
    ],
)
def test_a_bad_certificate_has_its_own_word_and_the_page_is_not_read(hostile, host, word):
    """Cases 91 to 97."""
    before = len(hostile.requests)
    result = visit(hostile, host=host)
    assert verdict(result) == ("fail", ["webmail_tls"])
    assert word in message(result)
    assert "(" not in message(result)  # the library's own words are in the evidence alone
    assert len(hostile.requests) == before


def test_a_server_that_wants_a_client_certificate_says_so():
    import ssl

    from tests.collectors.hostile_http import Certificates

    certs = Certificates()
    certs.server_context.load_verify_locations(certs.ca_file)
    certs.server_context.verify_mode = ssl.CERT_REQUIRED
    with Hostile(certs) as server:
        result = visit(server, ca_file=certs.ca_file)
    assert verdict(result) == ("fail", ["webmail_tls"])
    assert "asks visitors for a certificate" in message(result)


def test_a_certificate_with_ten_thousand_names_is_refused_in_words(hostile):
    """Case 99."""
    result = visit(hostile, host="manynames.test")
    assert verdict(result) == ("fail", ["webmail_tls"])
    assert len(message(result)) < 500


def test_markup_in_a_certificate_does_no_harm(hostile):
    """Case 99."""
    assert verdict(visit(hostile, host="script.test")) == ("ok", [])
