"""Ports of loopback that nobody else is given while they are needed.

    with Reserved() as port: ...   # port.port refuses, until a server that was told of it listens
    python scripts/ports.py 2      # prints two and keeps them until its standard input ends

A port that was only looked at and let go may be somebody else's a moment later: that of a server
that asked for any, or of a client, which may even connect to itself.

Standard library only; Linux.
"""

import contextlib
import socket
import sys

TRIES = 50


class Reserved:
    """One port of all these addresses, TCP and UDP, until `close()`; also a context manager.

    It refuses. Who is told its number can listen on it meanwhile, with SO_REUSEADDR, as servers do.
    Raises OSError where `port` is in use.
    """

    def __init__(self, *hosts, port=0):
        for attempt in range(TRIES):
            try:
                self._sockets = _bound(hosts or ("127.0.0.1",), port)
                break
            except OSError:
                if port or attempt == TRIES - 1:
                    raise
        self.port = self._sockets[0].getsockname()[1]

    def close(self):
        for sock in self._sockets:
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _bound(hosts, asked):
    port = asked
    with contextlib.ExitStack() as stack:
        sockets = []
        for host in hosts:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                sock = stack.enter_context(socket.socket(family, kind))
                share = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if asked:  # somebody may keep it for us, and old connections of it may linger
                    sock.setsockopt(*share)
                sock.bind((host, port))
                sock.setsockopt(*share)  # only now: it is to be shared with whom we tell
                port = sock.getsockname()[1]
                if kind == socket.SOCK_DGRAM:
                    sock.connect((host, port))  # takes what comes from itself, refuses the rest
                sockets.append(sock)
        stack.pop_all()
    return sockets


if __name__ == "__main__":
    reserved = [Reserved() for _ in range(int(sys.argv[1]))]
    print(*(one.port for one in reserved), flush=True)  # noqa: T201 - for a shell script
    sys.stdin.read()
