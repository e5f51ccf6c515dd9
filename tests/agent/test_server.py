"""`serve` as a process: what it answers, whom, and how much of its time anybody can have."""

import contextlib
import json
import socket
import time
from pathlib import Path

import pytest

from tests.agent.carbonio import AGENT, TOKEN, agent, write_snapshot
from tests.agent.serving import Serving

ANSWER = {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": None}
DOMAINS = {
    "cliente.pt": {
        "type": "local",
        "carbonio": ANSWER,
        "nginx": "no proxy here",
        "certificate": {"detail": "none"},
    }
}
CARBONIO = "/api/v1/domains/cliente.pt/carbonio"
HEAD = f"GET {CARBONIO} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


@pytest.fixture
def snapshot(tmp_path):
    write_snapshot(tmp_path / "snapshot.json", DOMAINS)
    return tmp_path / "snapshot.json"


@pytest.fixture
def server(tmp_path, snapshot):
    with Serving(tmp_path, snapshot) as running:
        yield running
    assert running.errors == ""


def test_the_four_answers(server):
    assert server.ask(CARBONIO)[::2] == (200, ANSWER)
    assert server.ask("/api/v1/domains/cliente.pt/nginx")[::2] == (503, {"detail": "no proxy here"})
    assert server.ask("/api/v1/domains/cliente.pt/certificate")[::2] == (404, {"detail": "none"})
    listed = {"domains": [{"domain": "cliente.pt", "type": "local"}]}
    assert server.ask("/api/v1/domains")[::2] == (200, listed)
    assert server.ask("/api/v1/domains/CLIENTE.PT./carbonio?x=1")[::2] == (200, ANSWER)


def test_the_head_of_an_answer(server):
    status, headers, body = server.ask(CARBONIO, method="HEAD")
    assert (status, body) == (200, None)
    assert int(headers["Content-Length"]) == len(json.dumps(ANSWER))
    assert headers["Content-Type"] == "application/json" and headers["Date"].endswith("GMT")


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/domains/", "/api/v1/domains/a.pt", "/api/v1/domains/a.pt/x", "/../etc"]
)
def test_other_addresses_are_404_with_a_detail(server, path):
    assert server.ask(path)[::2] == (404, {"detail": "no such address"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_it_is_read_only(server, method):
    status, headers, body = server.ask(CARBONIO, method=method)
    assert (status, headers["Allow"], list(body)) == (405, "GET, HEAD", ["detail"])


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_another_token_is_refused(server, token):
    for path in (CARBONIO, "/", "/api/v1/domains/nobody.pt/carbonio"):
        status, headers, body = server.ask(path, token=token)
        assert (status, headers["WWW-Authenticate"], list(body)) == (401, "Bearer", ["detail"])


@pytest.mark.parametrize(
    "header",
    [
        f"Authorization: {TOKEN}",
        f"Authorization: Basic {TOKEN}",
        f"X-Token: Bearer {TOKEN}",
        "Authorization:",
        f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}",
        f"Authorization: Bearer {TOKEN} x",
    ],
)
def test_a_token_in_another_form_is_refused(server, header):
    answer = server.raw(f"GET {CARBONIO} HTTP/1.1\r\n{header}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_the_token_is_compared_in_constant_time():
    source = AGENT.read_text()
    assert "hmac.compare_digest(tokens[0], token)" in source
    assert "== token" not in source


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET http://169.254.169.254/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"GET  / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /\xff\x00 HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n", b""),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * (1 << 20), b""),
    ],
)
def test_what_is_no_request_or_too_long_a_one_gets_nothing(server, data, status):
    answer = server.raw(data)
    assert answer[9:12] == status
    assert server.ask(CARBONIO)[0] == 200


def test_two_requests_in_one_are_one(server):
    answer = server.raw(HEAD + HEAD.replace(b"carbonio", b"nginx"))
    assert answer.count(b"HTTP/1.1") == 1 and b"Connection: close" in answer


# -- the snapshot


@pytest.mark.parametrize("age", [301, 10_000, -60])
def test_a_snapshot_of_another_time_says_nothing(server, snapshot, age):
    write_snapshot(snapshot, DOMAINS, age=age)
    for path in (CARBONIO, "/api/v1/domains/nobody.pt/carbonio", "/api/v1/domains"):
        status, headers, body = server.ask(path)
        assert status == 503 and "snapshot" in body["detail"]
        assert headers["Retry-After"] is None  # it would hold up the whole tenant


def test_a_snapshot_that_is_gone_or_damaged_says_nothing_and_the_next_one_does(server, snapshot):
    whole = snapshot.read_bytes()
    for text in (
        None,
        b"",
        b"{",
        whole[:-20],
        b"[]",
        b"null",
        b'{"format": 1}',
        b"[" * 100_000,
        b"\xff\xfe",
        whole.replace(b'"format": 1', b'"format": 2'),
        whole.replace(b'"made": 1', b'"made": NaN, "x": 1'),
        b'{"format": 1, "made": true, "domains": {}}',
    ):
        snapshot.unlink(missing_ok=True)
        if text is not None:
            snapshot.write_bytes(text)
        assert server.ask(CARBONIO)[0] == 503, text
        assert server.ask("/api/v1/domains/nobody.pt/carbonio")[0] == 503, text
    snapshot.write_bytes(whole)
    assert server.ask(CARBONIO)[0] == 200


def test_domains_that_are_not_known_are_503_each_with_the_reason(server, snapshot):
    write_snapshot(snapshot, "the directory did not answer")
    for path in (CARBONIO, "/api/v1/domains/nobody.pt/nginx", "/api/v1/domains"):
        assert server.ask(path)[::2] == (503, {"detail": "the directory did not answer"})


def test_a_list_that_the_auditor_would_refuse_is_not_sent(server, snapshot):
    write_snapshot(
        snapshot, {f"{'d' * 60}{number}.pt": {"type": "local"} for number in range(12_000)}
    )
    status, _headers, body = server.ask("/api/v1/domains")
    assert status == 503 and "1 MiB" in body["detail"]


# -- slow and many clients


def test_clients_that_send_slowly_or_nothing_hold_nobody_up_and_are_ended(server):
    began = time.monotonic()
    slow = [server.connect() for _number in range(agent.MOST_AT_ONCE // 2)]
    for connection in slow[::2]:
        connection.sendall(b"GET / HT")
    assert server.ask(CARBONIO)[0] == 200 and time.monotonic() - began < 5
    for connection in slow:
        connection.settimeout(agent.MOST_SECONDS * 2)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(10) == b""
        connection.close()
    assert time.monotonic() - began < agent.MOST_SECONDS * 2


def test_a_client_that_drips_is_ended_all_the_same(server):
    began = time.monotonic()
    with server.connect() as connection, pytest.raises((BrokenPipeError, ConnectionResetError)):
        while time.monotonic() - began < agent.MOST_SECONDS * 2:
            connection.sendall(b"X")
            time.sleep(0.2)
    assert time.monotonic() - began < agent.MOST_SECONDS * 1.5


def test_a_client_that_does_not_read_is_ended(tmp_path, snapshot):
    body = {"pem": "x" * 900_000}
    write_snapshot(snapshot, {"cliente.pt": {"type": "local", "certificate": body}})
    with Serving(tmp_path, snapshot) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(HEAD.replace(b"/carbonio", b"/certificate"))
        assert server.ask(CARBONIO.replace("carbonio", "certificate"))[0] == 200
        deadline = time.monotonic() + agent.MOST_SECONDS * 2
        while open_sockets(server.process.pid) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert open_sockets(server.process.pid) <= 1  # the one that listens


def open_sockets(pid):
    """How many TCP connections and listeners a process has."""
    inodes = {entry.split("[")[1][:-1] for entry in links(pid) if entry.startswith("socket:")}
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[9] in inodes for line in lines)


def links(pid):
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield str(path.readlink())


def test_more_clients_than_it_takes_are_turned_away_at_once(server):
    held = [server.connect() for _number in range(agent.MOST_AT_ONCE)]
    until = time.monotonic() + 20
    while open_sockets(server.process.pid) < len(held) + 1:
        assert time.monotonic() < until
        time.sleep(0.02)
    began = time.monotonic()
    assert server.raw() == b"" and time.monotonic() - began < 5
    for connection in held:
        connection.close()
    until = time.monotonic() + 20
    while server.raw(HEAD)[9:12] != b"200":
        assert time.monotonic() < until
