"""The proof that a name server is no limit: it must see a loss."""

import socket
import threading

import pytest

from bench.load import drive, proof
from bench.zones import World


class Answers:
    """Answers each datagram with itself, but for every `loses`th; `.port`."""

    def __init__(self, loses):
        self.loses = loses
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        count = 0
        while True:
            data, client = self.socket.recvfrom(65535)
            if not data:
                return
            count += 1
            if not self.loses or count % self.loses:
                self.socket.sendto(data, client)

    def __exit__(self, *_):
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))


def test_a_server_that_answers_all_is_no_limit():
    with Answers(0) as server:
        rate, lost = drive(server.port, World(20), 0.2)
        assert (rate > 0, lost) == (True, 0)
        assert proof(server, World(20), rate / 100, seconds=0.2)[1]


@pytest.mark.parametrize("loses", [2, 100])
def test_a_server_that_loses_some_is_a_limit(loses):
    with Answers(loses) as server:
        assert drive(server.port, World(20), 0.2)[1] > 0
        assert not proof(server, World(20), 0.001, seconds=0.2)[1]
