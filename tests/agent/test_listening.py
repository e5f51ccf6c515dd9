"""Where `serve` listens and with what, what it keeps from doing, and what `check` prints."""

import json
import subprocess
import sys

import pytest

from mock_tenant.certificates import Authority
from tests.agent.carbonio import AGENT, TOKEN, agent, write_snapshot
from tests.agent.serving import Serving

ANSWER = {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": None}
DOMAINS = {
    "cliente.pt": {
        "type": "local",
        "carbonio": ANSWER,
        "nginx": "no proxy here",
        "certificate": {"detail": "none"},
    }
}
CARBONIO = "/api/v1/domains/cliente.pt/carbonio"
HEAD = f"GET {CARBONIO} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


@pytest.fixture
def snapshot(tmp_path):
    write_snapshot(tmp_path / "snapshot.json", DOMAINS)
    return tmp_path / "snapshot.json"


def test_tls(tmp_path, snapshot):
    authority = Authority(tmp_path)
    leaf, chain, key = authority.leaf("portal.host.test", -1, 60)
    with Serving(tmp_path, snapshot, pair=(leaf + chain, key)) as server:
        assert server.ask(CARBONIO, ca=authority.ca_file.read_text())[::2] == (200, ANSWER)
        assert server.raw(HEAD)[:5] != b"HTTP/"
        with server.connect() as silent:  # in the middle of a handshake
            silent.sendall(b"\x16\x03\x01")
            assert server.ask(CARBONIO, ca=authority.ca_file.read_text())[0] == 200
    assert server.errors == ""


def run(*argv, **more):
    return subprocess.run(
        [sys.executable, "-I", str(AGENT), *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )


@pytest.mark.parametrize(
    "listen", ["0.0.0.0", "::", "203.0.113.7", "2001:db8::7", "8.8.8.8", "::ffff:8.8.8.8"]
)
def test_a_public_address_needs_tls(tmp_path, snapshot, listen):
    serving = Serving(tmp_path, snapshot)
    done = run("serve", "--listen", listen, "--credentials", serving.credentials)
    assert done.returncode == 1 and "needs TLS" in done.stderr


@pytest.mark.parametrize(
    "listen", ["10.1.2.3", "192.168.1.9", "172.31.0.1", "100.64.0.1", "fd00::7"]
)
def test_an_address_of_a_lan_does_not(tmp_path, snapshot, listen):
    serving = Serving(tmp_path, snapshot)
    token, tls = agent.credentials(str(serving.credentials), listen)
    assert (token, tls) == (TOKEN.encode(), None)


@pytest.mark.parametrize(
    ("token", "mode"),
    [(TOKEN, 0o644), (TOKEN, 0o420), ("short", 0o400), ("", 0o400), ("a b" * 10, 0o400)],
)
def test_a_token_that_others_read_or_guess_is_not_served_with(tmp_path, snapshot, token, mode):
    serving = Serving(tmp_path, snapshot, token=token)
    (serving.credentials / "token").chmod(mode)
    done = run("serve", "--credentials", serving.credentials)
    assert done.returncode == 1 and "chmod 0400" in done.stderr
    assert not token or token not in done.stderr


def test_without_a_token_or_on_names_and_ports_in_use_it_ends_with_one_line(tmp_path, snapshot):
    serving = Serving(tmp_path, snapshot)
    for argv in (
        ["--credentials", tmp_path / "none"],
        ["--credentials", serving.credentials, "--listen", "localhost"],
    ):
        done = run("serve", *argv)
        assert done.returncode == 1 and done.stderr.startswith("cannot serve: ")
        assert len(done.stderr.splitlines()) == 1
    with Serving(tmp_path, snapshot) as server:
        done = run("serve", "--credentials", server.credentials, "--port", server.port)
        assert done.returncode == 1 and done.stderr.startswith("cannot listen on 127.0.0.1")


GUARD = """
import runpy, sys
def guard(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    runs = event.startswith(("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system"))
    if writes or runs or event in ("os.remove", "os.rename", "os.mkdir", "socket.connect"):
        print("FORBIDDEN", event, args, flush=True)
sys.argv = sys.argv[1:]
sys.addaudithook(guard)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_serve_runs_no_command_writes_no_file_and_asks_nobody(tmp_path, snapshot):
    (tmp_path / "guard.py").write_text(GUARD)
    serving = Serving(tmp_path, snapshot, program=tmp_path / "guard.py")
    serving.argv.insert(3, str(AGENT))
    with serving as server:
        for what in (*agent.WHAT, "x"):
            server.ask(f"/api/v1/domains/cliente.pt/{what}")
        assert server.ask("/api/v1/domains")[0] == 200 and server.ask("/", token="x")[0] == 401
        server.process.terminate()
        assert "FORBIDDEN" not in server.process.stdout.read()


# -- check


def test_check_says_what_is_known(snapshot):
    done = run("check", "--snapshot", snapshot)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 of 3 answers are known"
    done = run("check", "cliente.pt", "--snapshot", snapshot)
    assert json.dumps(ANSWER) in done.stdout
    write_snapshot(snapshot, {"cliente.pt": {"type": "local", **dict.fromkeys(agent.WHAT, ANSWER)}})
    assert run("check", "--snapshot", snapshot).returncode == 0
    write_snapshot(snapshot, DOMAINS, age=999)
    done = run("check", "--snapshot", snapshot)
    assert done.returncode == 1 and "too old" in done.stdout
