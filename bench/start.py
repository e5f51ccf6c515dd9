"""What `run_audit example.org` costs from its start until its first question leaves.

    .venv/bin/python -m bench.start [--quick] [--rounds N]

Processor seconds of the command with all its threads, on a machine that has run it before; without
a database, as on a fresh installation, and with one. A name server that never answers waits for
the question, then the command is ended.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import ROOT, at_most, options, spread, tell, tree

GOAL = 0.5


def seconds(env, name_server):
    """Processor seconds of one command until its first question."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_audit", "example.org"], cwd=ROOT, env=env,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        name_server.recv(512)
        return sum(_nanoseconds(pid) for pid in tree(process.pid)) / 1e9
    except TimeoutError:
        process.kill()
        sys.exit(f"run_audit asked nothing: {process.stderr.read().decode()[-500:]}")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _nanoseconds(pid):
    """Time on a processor of all threads; those that have ended are not in it."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def main():
    found, rows = options(__doc__, rounds=(11, 2)), []
    with tempfile.TemporaryDirectory() as folder, socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        env = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "",  # the first round compiles, and is not counted
            "SECRET_KEY": "b" * 60,
            "REDIS_URL": "",
            "AUDIT_DNS_SERVERS": f"127.0.0.1:{server.getsockname()[1]}",
        }
        for what, name in (("without a database", "none"), ("with a database", "filled")):
            env["DATABASE_URL"] = f"sqlite:///{folder}/{name}.sqlite3"
            if name == "filled":
                migrate = [sys.executable, "manage.py", "migrate", "-v0"]
                subprocess.run(migrate, cwd=ROOT, env=env, check=True)
            took = []
            for _n in range(found.rounds + 1):
                took.append(seconds(env, server))
                server.setblocking(False)
                try:
                    while True:
                        server.recv(512)
                except BlockingIOError:
                    server.settimeout(60)
            said = spread(took[1:], " s")
            middle = statistics.median(took[1:])
            rows.append(
                at_most(f"run_audit, start to first question, {what}", said, middle, GOAL, " s")
            )
    tell(rows, found)


if __name__ == "__main__":
    main()
