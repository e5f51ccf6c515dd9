"""A portal on loopback in every mood, as data, with a log of what it was asked.

    with PortalServer({"carbonio": {"json": {...}}, "nginx": [{"status": 500}, ...]}) as portal:
        portal.url, portal.requests

An answer is a dict; a list of them is used up one by one, and its last one stays. Without one:
404 with a detail.
    json / body (bytes)     what is sent, with `status` (200), `headers` and the right length
    wire (bytes)            sent as it is, then the connection is closed
    repeat (bytes)          sent until the client goes away (`before`: what is sent first)
    cut                     `before` is sent, then the connection is closed
    gate                    a threading.Event that the answer waits for
    silent                  nothing, until the server stops
    drop / reset            the connection is closed, or reset, without an answer
    close                   the connection is closed after the answer although it was to be kept
"""

import asyncio
import json
import socket
import ssl
import struct
import threading
from dataclasses import dataclass

TOKEN = "portal-token-5f1c9a"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict
    connection: int


class PortalServer:
    def __init__(
        self, answers=None, *, context: ssl.SSLContext | None = None, host="127.0.0.1", port=0
    ):
        self.answers, self.requests, self.connections, self.most_at_once = answers or {}, [], 0, 0
        self._context, self._at_once, self._lock = context, 0, threading.Condition()
        self.stopping = threading.Event()
        self._socket = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
        self.port = self._socket.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._socket.shutdown(
            socket.SHUT_RDWR
        )  # wakes the thread in accept(); close() alone would not
        self._socket.close()

    async def asked(self, times):
        """Wait until so many requests have come in."""
        await asyncio.to_thread(self._wait, times)

    def _wait(self, times):
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.requests) >= times, timeout=60)

    def _accept(self):
        while not self.stopping.is_set():
            try:
                connection, _peer = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with self._lock:
            self.connections += 1
            number = self.connections
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                while self._one(connection, lines, number):
                    pass
        except (OSError, ValueError):
            pass

    def _one(self, connection, lines, number):
        """Read one request and answer it; False when the connection is done."""
        first = lines.readline().decode("latin-1").split()
        if len(first) < 3:
            return False
        headers = {}
        while (line := lines.readline().decode("latin-1").strip()) != "":
            name, _colon, value = line.partition(":")
            headers[name.lower()] = value.strip()
        with self._lock:
            self.requests.append(Request(first[0], first[1], headers, number))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            answer = self.answers.get(
                first[1].rsplit("/", 1)[-1], {"status": 404, "json": {"detail": "not found"}}
            )
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            self._lock.notify_all()
        try:
            return self._answer(connection, answer)
        finally:
            with self._lock:
                self._at_once -= 1

    def _answer(self, connection, answer):
        if answer.get("silent"):
            self.stopping.wait(30)
            return False
        if answer.get("drop"):
            return False
        if answer.get("reset"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            return False
        if "wire" in answer:
            connection.sendall(answer["wire"])
            return False
        if "gate" in answer:  # a threading.Event to wait for
            answer["gate"].wait(10)
        if answer.get("cut"):
            connection.sendall(answer["before"])
            return False
        if "repeat" in answer:
            connection.sendall(answer.get("before", b""))
            while not self.stopping.wait(answer.get("pause", 0)):
                connection.sendall(answer["repeat"])
            return False
        body = (
            answer["body"]
            if "body" in answer
            else json.dumps(answer.get("json", {"detail": "as asked"})).encode()
        )
        headers = {
            "Content-Type": "application/json",
            "Content-Length": len(body),
            **answer.get("headers", {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(
            f"HTTP/1.1 {answer.get('status', 200)} Whatever\r\n{head}\r\n".encode("latin-1") + body
        )
        return not answer.get("close")
