"""Cases 197 and 198: the log of a real gunicorn, whatever a stranger sends."""

import socket

import pytest

from tests.web_server import NAME, serve

STRAY = 60
NASTY = ["\x1b[31m", "\u202e", "\u200b", "\x85", "\x9b2J"]


def ask(server, raw, *, seconds=20):
    """What the server answers to these bytes, until it closes."""
    with socket.create_connection((server.host, server.port), timeout=seconds) as connection:
        connection.sendall(raw)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def request(path="/", *headers, host=NAME, method="GET"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    arguments = ("--access-logfile", "-", "--access-logformat", '"%(r)s" "%(a)s" "%({x}i)s"')
    with serve(tmp_path_factory.mktemp("web"), *arguments) as found:
        yield found


def own_lines(server, before):
    """What was logged since: without the access log."""
    return [line for line in server.log()[before:].splitlines() if not line.startswith('"')]


def test_a_stray_host_is_one_line_and_many_are_few(server):
    """Case 197: without a traceback, however many come."""
    ask(server, request(host="first.example"))
    before = len(server.log())
    assert ask(server, request(host="evil.example")).startswith(b"HTTP/1.1 400")
    lines = own_lines(server, before)
    assert len(lines) == 1 and "evil.example" in lines[0], lines
    for number in range(STRAY):
        assert b" 400 " in ask(server, request(host=f"h{number}.example"))[:20]
        assert b" 404 " in ask(server, request(f"/n{number}", "X-Forwarded-Proto: https"))[:20]
        assert b" 400 " in ask(server, b"NONSENSE\r\n\r\n")[:20]
    lines = own_lines(server, before)
    assert "Traceback" not in "".join(lines)
    assert len(lines) <= 3 * 20 + 5


def test_no_line_of_it_holds_a_control_character(server):
    """Cases 168 and 198: in the address, in headers, in the Host, in what is no request at all."""
    for text in NASTY:
        for raw in (
            request(f"/{text}", "X-Forwarded-Proto: https"),
            request("/", f"X: {text}", f"User-Agent: {text}", "X-Forwarded-Proto: https"),
            request(host=f"a{text}.example"),
            request(method=f"G{text}"),
            text.encode() + b"\r\n\r\n",
            request("/", f"{text}: x"),
            request("/", f"Transfer-Encoding: {text}"),
        ):
            ask(server, raw)
    log = server.log()
    for line in log.split("\n"):
        assert line.isprintable(), ascii(line)
    assert "\\x85" in log


def test_the_address_of_a_report_is_not_logged_by_itself(tmp_path):
    with serve(tmp_path) as server:
        ask(server, request("/healthz?x=secret-key-of-a-customer"))
        assert "secret-key-of-a-customer" not in server.log()
