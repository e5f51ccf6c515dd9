"""The shipped nginx site before an upstream that tells what reaches it: slow, stray, large and
lying clients stay outside."""

import contextlib
import socket
import socketserver
import tempfile
import threading
from pathlib import Path

import pytest

from tests.deploy.nginx import DOMAIN, ROOT, Nginx, installed, make_certificate

pytestmark = pytest.mark.skipif(
    not installed("nginx", "openssl"), reason="needs nginx (Debian: apt-get install nginx)"
)


class Upstream(socketserver.ThreadingUnixStreamServer):
    """Answers each request with 200; `requests` are the heads that came, whole; `hold` keeps the
    answers back while it is not set."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self, path):
        super().__init__(str(path), self.Handler)
        self.requests, self.go, self.came = [], threading.Event(), threading.Semaphore(0)
        self.go.set()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            head, length = [], 0
            while (line := self.rfile.readline().decode().rstrip("\r\n")) or not head:
                head.append(line)
                if line.lower().startswith("content-length:"):
                    length = int(line.split(":")[1])
            self.rfile.read(length)
            self.server.requests.append(head)
            self.server.came.release()
            self.server.go.wait(60)
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                )


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="ligbox-nginx-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def upstream(folder):
    with Upstream(folder / "web.sock") as server:
        (folder / "web.sock").chmod(0o777)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.go.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def nginx(folder, upstream):
    certificate, _key = make_certificate(folder)
    site = (ROOT / "deploy/nginx-site.conf").read_text()
    for path in ("/etc/ligbox-audit/tls", "/run/ligbox-web", "/var/log/nginx", "/var/www"):
        site = site.replace(path, str(folder))
    proof = folder / "ligbox-acme/.well-known/acme-challenge"
    proof.mkdir(parents=True)
    (proof / "token").write_text("proof")
    with Nginx(folder / "nginx", site, certificate) as nginx:
        yield nginx


@pytest.fixture(autouse=True)
def _forget(upstream):
    upstream.requests.clear()


def header(head, name):
    """The values of a header that came to the upstream."""
    return [
        line.split(":", 1)[1].strip()
        for line in head[1:]
        if line.lower().startswith(f"{name.lower()}:")
    ]


def test_half_sent_requests_reach_nobody_and_hold_nobody_up(nginx, upstream):
    """Case 201."""
    with contextlib.ExitStack() as held:
        for number in range(12):
            connection = held.enter_context(contextlib.closing(nginx.connect()))
            head = f"POST /login/ HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 100\r\n"
            connection.sendall(f"{head}\r\nhalf".encode() if number % 2 else head.encode())
        assert nginx.ask("/healthz")[0] == 200
        assert [head[0] for head in upstream.requests] == ["GET /healthz HTTP/1.1"]


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Content-Length: +5",
        "Content-Length : 5",
    ],
)
def test_smuggled_requests_are_refused_and_reach_nobody(nginx, upstream, lines):
    """Case 201."""
    with contextlib.closing(nginx.connect()) as connection:
        head = f"POST / HTTP/1.1\r\nHost: {DOMAIN}\r\n{lines}\r\n\r\n"
        connection.sendall(
            f"{head}0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode()
        )
        said = b""
        while part := connection.recv(4096):
            said += part
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")) and said.count(b"HTTP/1.1 ") == 1
    assert upstream.requests == []


def test_what_a_client_says_of_itself_is_replaced(nginx, upstream):
    """Case 202."""
    lies = {
        "X-Forwarded-For": "6.6.6.6",
        "X_Forwarded_For": "6.6.6.6",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Protocol": "ssl",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "Proxy": "http://6.6.6.6",
        "SCRIPT_NAME": "/x",
    }
    assert nginx.ask("/", headers=lies)[0] == 200
    (head,) = upstream.requests
    assert header(head, "X-Forwarded-For") == ["127.0.0.1"]
    assert header(head, "X-Forwarded-Proto") == ["https"]
    assert header(head, "Host") == [DOMAIN]
    assert "6.6.6.6" not in str(head) and "evil" not in str(head)


def test_stray_names_get_no_answer_and_reach_nobody(nginx, upstream):
    """Case 202."""
    import ssl

    assert nginx.ask("/", host="evil.example")[0] == 0
    assert nginx.ask("/", tls=False, host="evil.example")[0] == 0
    assert nginx.ask("/healthz", host="evil.example")[0] == 0
    with pytest.raises(ssl.SSLError):
        nginx.connect(name="evil.example")
    assert upstream.requests == []


def test_over_http_there_is_health_for_probes_by_address_and_a_redirect(nginx, upstream):
    for path in ("/healthz", "/readyz"):
        for host in (nginx.address, "localhost", DOMAIN):
            assert nginx.ask(path, tls=False, host=host, headers={"Cookie": "a=b"})[0] == 200
    for head in upstream.requests:
        assert header(head, "Host") == [DOMAIN] and header(head, "X-Forwarded-Proto") == ["https"]
        assert header(head, "Cookie") == []
    with contextlib.closing(nginx.connect(tls=False)) as connection:  # no Host at all
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in connection.recv(100)
    status, headers, _body = nginx.ask("/login/?next=/", tls=False)
    assert (status, headers["Location"]) == (301, f"https://{DOMAIN}/login/?next=/")
    status, _headers, body = nginx.ask("/.well-known/acme-challenge/token", tls=False)
    assert (status, body) == (200, b"proof")


@pytest.mark.parametrize(
    ("path", "most", "kind"),
    [
        ("/run/", 1 << 20, "text/plain"),
        ("/admin/audit/auditdomain/import/", 8 << 20, "text/plain"),
        ("/api/v1/events/x", 64 << 10, "application/problem+json"),
    ],
)
def test_each_door_takes_what_it_must_and_no_more(nginx, upstream, path, most, kind):
    assert nginx.ask(path, b"x" * most)[0] == 200
    assert len(upstream.requests) == 1
    with contextlib.closing(nginx.connect()) as connection:  # refused before it is sent
        head = f"POST {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: {most + 1}\r\n\r\n"
        connection.sendall(head.encode())
        said = connection.recv(4096).decode()
    assert said.startswith("HTTP/1.1 413 ") and kind in said and "nosniff" in said
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("addresses", "another"),
    [(["192.0.2.1"], "192.0.2.2"), ([f"2001:db8::{n:x}" for n in range(1, 51)], "2001:db8:0:1::1")],
    ids=["IPv4", "a /64 of IPv6"],
)
def test_one_address_may_hold_fifty_answers_and_no_more(nginx, upstream, addresses, another):
    upstream.go.clear()
    while upstream.came.acquire(blocking=False):
        pass
    try:
        with contextlib.ExitStack() as held:
            for number in range(50):
                connection = held.enter_context(contextlib.closing(nginx.connect()))
                source = f"X-Test-Address: {addresses[number % len(addresses)]}"
                connection.sendall(f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\n{source}\r\n\r\n".encode())
                assert upstream.came.acquire(timeout=60)
            for path, kind in (("/", "text/plain"), ("/api/v1/x", "application/problem+json")):
                status, headers, _body = nginx.ask(path, headers={"X-Test-Address": addresses[0]})
                assert status == 429 and headers["Content-Type"].startswith(kind)
                assert headers["Retry-After"]
            connection = held.enter_context(contextlib.closing(nginx.connect()))
            connection.sendall(
                f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nX-Test-Address: {another}\r\n\r\n".encode()
            )
            assert upstream.came.acquire(timeout=60), "another address is held up too"
    finally:
        upstream.go.set()


def test_while_the_site_is_away_it_says_so(folder, nginx):
    path = folder / "web.sock"
    path.rename(folder / "away.sock")
    try:
        status, headers, body = nginx.ask("/")
        assert (status, headers["Retry-After"]) == (503, "30") and b"half a minute" in body
        status, headers, _body = nginx.ask("/api/v1/x")
        assert (status, headers["Content-Type"]) == (503, "application/problem+json")
    finally:
        (folder / "away.sock").rename(path)


def test_the_log_holds_no_query_and_no_key_of_a_report(folder, nginx, upstream):
    for path in (
        "/report/KEY1/",
        "//report/KEY2/",
        "/%72eport/KEY3/?a=KEY4",
        "/x/../report/KEY5",
        "/login/?q=KEY6",
    ):
        assert nginx.ask(path, headers={"Referer": "https://x/report/KEY7/"})[0] == 200
    (folder / "web.sock").rename(folder / "away.sock")
    try:
        assert nginx.ask("/report/KEY8/")[0] == 503  # errors quote the address elsewhere
    finally:
        (folder / "away.sock").rename(folder / "web.sock")
    logs = "".join(path.read_text() for path in folder.rglob("*.log"))
    assert '"GET /report/- HTTP/1.1" 200' in logs
    assert "KEY" not in logs


def test_its_logs_are_rotated_by_what_nginx_brings(folder):
    """Debian's own rule for nginx takes them in."""
    rule = Path("/etc/logrotate.d/nginx")
    assert rule.exists()
    logs = {
        word.rstrip(";")
        for word in (ROOT / "deploy/nginx-site.conf").read_text().split()
        if word.startswith("/var/log/")
    }
    assert logs and all(Path(log).match("/var/log/nginx/*.log") for log in logs)
    assert "/var/log/nginx/*.log" in rule.read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(nginx):
    import ssl

    context = ssl.create_default_context(cafile=nginx.certificate)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    raw = socket.create_connection((nginx.address, nginx.https), timeout=60)
    with contextlib.closing(raw), pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(raw, server_hostname=DOMAIN)
