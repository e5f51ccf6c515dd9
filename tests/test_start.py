"""How soon a command begins: it loads what it needs, and asks within half a second of computing."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import ROOT

# what only pages, the API, portals, imports of lists and benchmarks need
HEAVY = (
    *(
        "ninja",
        "marshmallow",
        "pydantic",
        "httpx",
        "httpx2",
        "httpcore",
        "openpyxl",
        "dns.resolver",
        "dns.query",
    ),
    *("ligbox.urls", "ligbox.api", "audit.api", "audit.admin", "collectors.net.portal_client"),
)
CPU_SECONDS = 1.5  # three times what it takes, for a machine that is busy


def environment(tmp_path, **more):
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "SECRET_KEY": "k" * 60,
        **more,
    }


def loaded_by(tmp_path, *command):
    """The modules that a command has loaded when it ends."""
    code = (
        "import atexit, sys; from manage import main; sys.argv[0] = 'manage.py';"
        "atexit.register(lambda: sys.stderr.write('\\n=' + ' '.join(sys.modules))); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.rpartition("\n=")[2].split())


@pytest.mark.parametrize(
    "command", [["run_audit", "--help"], ["worker", "--help"], ["help"], ["create_token", "--help"]]
)
def test_a_command_loads_nothing_that_it_does_without(tmp_path, command):
    loaded = loaded_by(tmp_path, *command)
    assert "audit.models" in loaded  # it was the product that ran
    assert not loaded.intersection(HEAVY)


def test_the_whole_check_still_loads_pages_and_administration(tmp_path):
    loaded = loaded_by(tmp_path, "check")
    assert {"ligbox.api", "audit.admin.domains"} <= loaded


def test_an_audit_asks_its_first_question_soon_and_with_little_loaded(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 0))
        resolver.settimeout(60)
        env = environment(tmp_path, AUDIT_DNS_SERVERS=f"127.0.0.1:{resolver.getsockname()[1]}")
        command = [sys.executable, "manage.py", "run_audit", "kunde.test"]
        with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL) as process:
            try:
                resolver.recvfrom(512)
                stat = Path(f"/proc/{process.pid}/stat").read_text()
                ticks = stat.rpartition(")")[2].split()[11:13]  # proc(5): utime and stime
            finally:
                process.kill()
    assert sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") < CPU_SECONDS
