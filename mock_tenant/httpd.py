"""The HTTP server under portal and webmail: a thread a connection, a record of what was asked,
and no noise."""

import logging
import socketserver
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

log = logging.getLogger(__name__)
KEPT = 10_000  # requests that are remembered


class Server(ThreadingHTTPServer):
    """On loopback, port 0 for a free one.

    `requests`: what was asked, oldest first, {"method", "host", "path", "status"}.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port, handler, tls=None):
        super().__init__(("127.0.0.1", port), handler)
        self.port = self.server_address[1]
        self.requests: deque[dict] = deque(maxlen=KEPT)
        self.stopping = threading.Event()
        # the handshake waits for the connection's own thread, so that a client who stalls it stalls
        # nobody else
        if tls:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def server_bind(self):
        """Without HTTPServer's question for the own host name, which may go out to a name
        server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def start(self):
        threading.Thread(
            target=self.serve_forever,
            kwargs={"poll_interval": 0.05},
            daemon=True,
            name=type(self).__name__,
        ).start()
        return self

    def stop(self):
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that goes away is everyday life.

        Everything else is a mistake here and is told.
        """
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("an answer failed")


class Handler(BaseHTTPRequestHandler):
    """One connection. Subclasses answer in `do_GET` through `send`."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "nginx", ""
    timeout = 65  # seconds that a connection may be idle

    @property
    def host(self):
        """The host that was asked for, without port, in lower case."""
        return (self.headers.get("Host") or "").rsplit(":", 1)[0].lower()

    def linger(self, seconds):
        """Wait before the answer; ends at once when the server stops."""
        if seconds and self.server.stopping.wait(seconds):
            raise ConnectionAbortedError("stopping")

    def note(self, status):
        """Remember this request; before the wait, so that one without an answer is seen too."""
        self.server.requests.append(
            {"method": self.command, "host": self.host, "path": self.path, "status": status}
        )

    def send(self, status, body, content_type, headers=()):
        """Send one whole answer."""
        self.send_response(status)
        for name, value in (
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            *headers,
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        """Nothing is printed; `requests` remembers."""
