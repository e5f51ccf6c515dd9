"""Ports that are kept: they refuse, nobody else gets them, and who is told of them can listen."""

import socket
import subprocess
import sys

import pytest

from mock_tenant.dnsserver import DnsServer
from scripts.ports import Reserved
from tests.installation import ROOT

HOSTS = ("127.0.0.1", "127.0.0.9", "::1")


def connect(host, port):
    socket.create_connection((host, port), timeout=5).close()


def test_every_address_refuses_over_tcp_and_udp():
    with Reserved(*HOSTS) as one:
        for host in HOSTS:
            with pytest.raises(ConnectionRefusedError):
                connect(host, one.port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect(("127.0.0.1", one.port))
            client.send(b"?")
            with pytest.raises(ConnectionRefusedError):
                client.recv(1)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_who_was_not_told_cannot_have_it(kind):
    with Reserved() as one, socket.socket(socket.AF_INET, kind) as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", one.port))


def test_who_was_told_can_listen_and_what_was_closed_can_be_kept_again():
    with Reserved() as one:
        with DnsServer({}, port=one.port), Reserved("127.0.0.9", port=one.port):
            connect("127.0.0.1", one.port)
            with pytest.raises(OSError):
                Reserved(port=one.port)
        with Reserved(port=one.port), pytest.raises(ConnectionRefusedError):
            connect("127.0.0.1", one.port)


def test_a_script_keeps_ports_until_its_input_ends():
    command = [sys.executable, str(ROOT / "scripts/ports.py"), "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        ports = [int(port) for port in process.stdout.readline().split()]
        assert len(set(ports)) == 2
        for port in ports:
            with socket.socket() as other, pytest.raises(OSError):
                other.bind(("127.0.0.1", port))
        process.stdin.close()
        assert process.wait(10) == 0
