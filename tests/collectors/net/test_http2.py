"""Servers that speak HTTP/2 alone (RFC 9113) are read with HTTP/2, by a real one on loopback."""

import socket
import ssl
import threading

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, WindowUpdated
from h2.exceptions import ProtocolError

from tests.collectors.hostile_http import certificates
from tests.collectors.visits import verdict, visit

PAGE = b"<title>Carbonio Login</title>"
HTTP1 = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PAGE)
SETTINGS_AND_GOAWAY = (
    b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + b"\x00\x00\x08\x07\x00\x00\x00\x00\x00"
    + b"\x00" * 7
    + b"\x01"
)


class Http2Server:
    """Answers every request with `headers` and `body`; `alpn`: what it offers, None for nothing."""

    def __init__(self, headers, body=PAGE, *, alpn=("h2",), greeting=None):
        self.headers, self.body, self.alpn, self.greeting = headers, body, alpn, greeting
        self.requests, self.connections = [], 0

    def __enter__(self):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificates().prepare("good.test")
        self.context.load_cert_chain(certificates().dir / "good.test.pem")
        if self.alpn:
            self.context.set_alpn_protocols(list(self.alpn))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                sock, _peer = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            with self.context.wrap_socket(sock, server_side=True) as tls:
                if self.greeting is not None:
                    tls.recv(65536)
                    tls.sendall(self.greeting)
                    tls.recv(65536)
                    return
                self._speak(tls)
        except (OSError, ProtocolError):
            pass

    def _speak(self, tls):
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        h2.initiate_connection()
        tls.sendall(h2.data_to_send())
        left = b""
        while data := tls.recv(65536):
            for event in h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.requests.append(dict(event.headers))
                    h2.send_headers(event.stream_id, self.headers, end_stream=not self.body)
                    left = self.body
                if isinstance(event, RequestReceived | WindowUpdated) and left:
                    left = self._send(h2, left)
            tls.sendall(h2.data_to_send())

    @staticmethod
    def _send(h2, left):
        while left and (room := min(h2.local_flow_control_window(1), h2.max_outbound_frame_size)):
            h2.send_data(1, left[:room], end_stream=len(left) <= room)
            left = left[room:]
        return left


OK = [(":status", "200"), ("content-type", "text/html"), ("strict-transport-security", "max-age=9")]


@pytest.mark.parametrize("alpn", [("h2",), None])
def test_a_server_of_http2_alone_is_read_whether_it_offers_it_or_just_speaks_it(alpn):
    with Http2Server(OK, alpn=alpn) as server:
        result = visit(server)
        assert verdict(result) == ("ok", [])
        assert result.evidence["title"] == "Carbonio Login"
        assert result.evidence["requests"][0]["http"] == "HTTP/2"
        request = server.requests[-1]
    assert (request[":method"], request[":path"]) == ("GET", "/")
    assert request[":authority"] == f"good.test:{server.port}"
    assert "connection" not in request


def test_a_page_over_http2_is_read_as_far_as_needed():
    with Http2Server(OK, PAGE + b"x" * 900_000) as server:
        result = visit(server)
    assert verdict(result) == ("ok", [])
    assert (result.evidence["size"], result.evidence["truncated"]) == (256 * 1024, True)


def test_status_and_redirects_over_http2_are_those_of_http():
    with Http2Server([(":status", "503")]) as server:
        assert verdict(visit(server)) == ("fail", ["webmail_status"])
    with Http2Server([(":status", "302"), ("location", "https://10.0.0.1/")], b"") as server:
        assert verdict(visit(server)) == ("fail", ["webmail_redirect_blocked"])
    with Http2Server([(":status", "204")], b"") as server:
        assert verdict(visit(server)) == ("warn", ["webmail_empty"])


def test_headers_without_end_are_not_read():
    many = [*OK, *((f"x-{n}", "v" * 900) for n in range(500))]
    with Http2Server(many) as server:
        assert verdict(visit(server)) == ("unknown", ["webmail_unreadable"])


def test_a_server_that_ends_http2_with_an_error_blames_nobody():
    with Http2Server(OK, alpn=None, greeting=SETTINGS_AND_GOAWAY) as server:
        result = visit(server)
        assert verdict(result) == ("unknown", ["webmail_unreadable"])
        assert server.connections == 2


def test_where_both_are_offered_http_1_1_is_spoken():
    with Http2Server(OK, alpn=("h2", "http/1.1"), greeting=HTTP1 + PAGE) as server:
        result = visit(server)
        assert result.evidence["requests"][0]["http"] == "HTTP/1.1"
        assert server.connections == 1
