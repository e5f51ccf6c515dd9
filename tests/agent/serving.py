"""`serve` as a process of its own, and raw sockets to it."""

import http.client
import json
import socket
import ssl
import subprocess
import sys

from tests.agent.carbonio import AGENT, TOKEN


class Serving:
    """`serve` on a free port of 127.0.0.1; `pair` (certificate, key) in PEM for TLS."""

    def __init__(
        self, folder, snapshot, *, pair=None, python=sys.executable, program=AGENT, token=TOKEN
    ):
        self.credentials, self.snapshot, self.tls = (
            folder / "credentials",
            snapshot,
            pair is not None,
        )
        self.argv = [
            str(python),
            "-I",
            str(program),
            "serve",
            "--port",
            "0",
            "--snapshot",
            str(snapshot),
        ]
        self.argv += ["--credentials", str(self.credentials)]
        self.credentials.mkdir(exist_ok=True)
        for name, text in (
            ("token", token),
            *zip(("certificate", "key"), pair or (), strict=False),
        ):
            (self.credentials / name).write_text(text)
            (self.credentials / name).chmod(0o400)

    def __enter__(self):
        self.process = subprocess.Popen(
            self.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1 port "), self.process.stderr.read()
        self.port = int(line.split()[-1])
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_exc):
        self.process.terminate()
        self.errors = self.process.communicate(timeout=30)[1]

    def connect(self, seconds=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def raw(self, *pieces):
        """Whatever comes back for these bytes until it closes."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            data = b""
            try:
                while more := connection.recv(65536):
                    data += more
            except ConnectionResetError:
                pass
            return data

    def ask(self, path, *, method="GET", token=TOKEN, ca=None):
        """(status, headers, JSON or None)."""
        if self.tls:
            context = ssl.create_default_context(cadata=ca)
            context.check_hostname = False
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=30, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, answer.headers, json.loads(body) if body else None
        finally:
            connection.close()
