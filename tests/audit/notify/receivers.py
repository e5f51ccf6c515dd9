"""What messages are sent to in tests: a mail server and a webhook receiver on loopback, which keep
what they get and fail as they are told."""

import email
import email.policy
import ssl
import threading
from collections.abc import Callable
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer


class MailServer:
    """SMTP on loopback, as far as a client needs it. `mails`: (recipients, message) as accepted.

    `answers`: {verb: reply}, instead of the usual one; a reply of None closes the connection.
    """

    def __init__(self, *, context: ssl.SSLContext | None = None, implicit: bool = False) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.raw: list[bytes] = []
        self.answers: dict[str, str | None] = {}
        self.refused: dict[str, str] = {}  # recipient: reply
        self.users: dict[str, str] = {}
        self.context, self.implicit = context, implicit
        outer = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                outer._talk(self)

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> "MailServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for _to, mail in self.mails]

    def _secure(self, handler: StreamRequestHandler) -> None:
        assert self.context is not None
        handler.request = self.context.wrap_socket(handler.request, server_side=True)
        handler.rfile = handler.request.makefile("rb")
        handler.wfile = handler.request.makefile("wb", 0)

    def _talk(self, handler: StreamRequestHandler) -> None:
        try:
            if self.implicit:
                self._secure(handler)
            self._converse(handler)
        except OSError:
            return

    def _converse(self, handler: StreamRequestHandler) -> None:
        def say(line: str) -> None:
            handler.wfile.write(line.encode() + b"\r\n")

        say("220 loopback ESMTP")
        to: list[str] = []
        while line := handler.rfile.readline():
            verb, _, rest = line.decode(errors="replace").strip().partition(" ")
            verb = verb.upper()
            if verb in self.answers:
                reply = self.answers[verb]
                if reply is None:
                    return
                say(reply)
                continue
            if verb == "EHLO":
                extra = ["STARTTLS"] if self.context and not self.implicit else []
                lines = ["loopback", *extra, "AUTH PLAIN", "8BITMIME"]
                for each in lines[:-1]:
                    say(f"250-{each}")
                say(f"250 {lines[-1]}")
            elif verb == "STARTTLS":
                say("220 go ahead")
                self._secure(handler)
            elif verb == "AUTH":
                import base64

                _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                good = self.users.get(user) == password
                say("235 welcome" if good else "535 5.7.8 no such user")
            elif verb == "MAIL":
                to = []
                say("250 ok")
            elif verb == "RCPT":
                address = rest.partition("<")[2].partition(">")[0]
                if address in self.refused:
                    say(self.refused[address])
                else:
                    to.append(address)
                    say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                body = bytearray()
                while (piece := handler.rfile.readline()) not in (b".\r\n", b""):
                    body += piece[1:] if piece.startswith(b"..") else piece
                self.raw.append(bytes(body))
                mail = email.message_from_bytes(bytes(body), policy=email.policy.default)
                self.mails.append((to, mail))  # type: ignore[arg-type]
                say(self.answers.get("END") or "250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


class Receiver:
    """An HTTP server on loopback. `posts`: (path, headers in small letters, body); `answer` says
    what each is answered with: (status, body) or (status, body, headers)."""

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[int], tuple] = lambda _number: (204, b"")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.posts.append((self.path, headers, body))
                status, said, *more = outer.answer(len(outer.posts))
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.secure = context is not None

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.port}/hooks/T0PSECRET"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _path, headers, _body in self.posts]


def to_server(settings, server, **more):
    """Have mail go to this server (or to a port of loopback)."""
    settings.EMAIL_BACKEND = "audit.notify.smtp.Backend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.DEFAULT_FROM_EMAIL = "audit@example.com"
    settings.SITE_URL = "https://audit.example.com"
    for name, value in more.items():
        setattr(settings, f"EMAIL_{name}", value)
