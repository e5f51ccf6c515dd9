"""The relay takes as long as a network with this round trip would."""

import socket
import threading
import time

from bench.relay import relay
from tests.bench.test_load import Answers

TRIP = 0.2


def test_a_datagram_takes_a_round_trip_and_a_connection_s_first_answer_two(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener, Answers(0) as answers:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        with relay(tmp_path, TRIP, udp=[answers.port], tcp=[port]) as ports:
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.settimeout(10)
                began = time.monotonic()
                client.sendto(b"x", ("127.0.0.1", ports[answers.port]))
                assert client.recv(10) == b"x"
                assert TRIP <= time.monotonic() - began < 10
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", ports[port]), 10) as client:
                client.sendall(b"one")  # had its connection taken a round trip, this takes two
                assert client.recv(10) == b"one"
                assert time.monotonic() - began >= 2 * TRIP - 0.02
                began = time.monotonic()
                client.sendall(b"two")
                assert client.recv(10) == b"two"
                assert time.monotonic() - began >= TRIP - 0.02


def _echo(listener):
    connection = listener.accept()[0]
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)
