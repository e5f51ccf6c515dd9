"""A mail server on loopback in every mood, as data, with a log of what it was told.

    with SmtpServer(context=server_context(…)) as server:
        server.port, server.lines

`greeting`, `ehlo`, `starttls`: what it sends (bytes), `repeat` one of these without an end. `None`:
it says nothing. `context`: its TLS; None: the handshake never comes.
"""

import itertools
import socket
import threading

GREETING = b"220 mx1.host.test ESMTP\r\n"
EHLO = b"250-mx1.host.test\r\n250-SIZE 20000000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
READY = b"220 2.0.0 Ready\r\n"


class SmtpServer:
    def __init__(
        self,
        *,
        greeting=GREETING,
        ehlo=EHLO,
        starttls=READY,
        context=None,
        repeat=False,
        host="127.0.0.1",
        port=0,
    ):
        self.said = {"": greeting, "EHLO": ehlo, "STARTTLS": starttls}
        self.context, self.repeat = context, repeat
        self.lines, self.connections, self.sent = [], 0, 0
        self.stopping = threading.Event()
        self._socket = socket.create_server((host, port), backlog=64)
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _peer = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                self._talk(connection)
        except OSError:
            pass

    def _talk(self, connection):
        if not self._say(connection, self.said[""]):
            return
        for line in connection.makefile("rb"):
            self.lines.append(line.decode("latin-1").strip())
            verb = line.split()[0].decode("latin-1").upper()
            if not self._say(connection, self.said.get(verb, b"221 2.0.0 Bye\r\n")):
                return
            if verb == "STARTTLS" and self.said[verb].startswith(b"220"):
                if self.context is None:
                    self.stopping.wait()
                    return
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    self.lines.append(tls.recv(100).decode("latin-1").strip())
                return
            if verb == "QUIT":
                return

    def _say(self, connection, text):
        """False where the conversation is over."""
        if text is None:
            self.stopping.wait()
            return False
        for _turn in itertools.count() if self.repeat else (0,):
            connection.sendall(text)
            self.sent += len(text)
        return True
