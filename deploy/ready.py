"""Waits until the site behind a unix socket says that it is ready.

    ready.py SOCKET NAME SECONDS [PATH]

Asks for PATH (/readyz) as nginx would. Exit status: 0 it answered 200 in time, 1 it did not; then
its last answer is printed. Nothing but Python is needed.
"""

import http.client
import socket
import sys
import time


def ask(path, name, what):
    """(status, text) of one request to the socket `path`; raises OSError, HTTPException."""
    connection = http.client.HTTPConnection(name, timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    try:
        connection.sock.connect(path)
        connection.request("GET", what, headers={"X-Forwarded-Proto": "https"})
        answer = connection.getresponse()
        return answer.status, answer.read(500).decode(errors="replace")
    finally:
        connection.close()


def main():
    path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    what = sys.argv[4] if len(sys.argv) > 4 else "/readyz"
    until, said = time.monotonic() + seconds, "nothing"
    while True:
        try:
            status, text = ask(path, name, what)
            if status == 200:
                return 0
            said = f"{status} {text}"
        except (OSError, http.client.HTTPException) as error:
            said = str(error) or type(error).__name__
        if time.monotonic() > until:
            sys.stderr.write(f"{what} on {path}: {said}\n")
            return 1
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
