"""The scripts that a person runs: they parse, explain themselves, refuse nonsense, and leave no process behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))


def run(*command, **env):
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env={**os.environ, **env}, timeout=60)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_it_parses(script):
    done = run("bash", "-n", str(script))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("start.sh", ["--no-mock", "--port", "--help"]),
        ("verify-audit-overview.sh", ["--url", "--token", "--tenant", "--domain", "--mock", "--help"]),
    ],
)
def test_help_names_every_option_and_needs_nothing(script, options):
    done = run("bash", str(ROOT / "scripts" / script), "--help", VENV="/nonexistent")
    assert (done.returncode, done.stderr) == (0, "")
    for option in options:
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--port"], ["--port", "0"], ["--port=65536"], ["--port", "http"], ["more"]])
def test_start_refuses_what_it_does_not_know(arguments):
    done = run("bash", str(ROOT / "scripts/start.sh"), *arguments, VENV="/nonexistent")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 2


def test_start_says_which_python_it_needs(tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = run("bash", str(ROOT / "scripts/start.sh"), VENV=str(tmp_path / "venv"), PYTHON=str(old))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "Python 3.11 or newer is needed" in done.stderr


def test_start_names_a_port_that_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        done = run(sys.executable, str(ROOT / "scripts/start.py"), "--port", str(port))
    assert (done.returncode, len(done.stdout.splitlines())) == (2, 1)
    assert f"Port {port} is used" in done.stdout


@pytest.fixture
def scripts(tmp_path):
    """A copy of the scripts in a project's folder of their own."""
    return shutil.copytree(ROOT / "scripts", tmp_path / "scripts")


def test_start_says_that_its_folder_cannot_be_used(scripts):
    (scripts.parent / "data").write_text("a file")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run(sys.executable, str(scripts / "start.py"), "--port", str(port))
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (1, "", 1)
    assert str(scripts.parent / "data") in done.stdout


def test_start_ends_quietly_where_nobody_reads_what_it_says(scripts):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(scripts / "start.py"), "--port", str(port), "--no-mock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


def test_verify_needs_a_token_and_an_installation():
    script = str(ROOT / "scripts/verify_audit_overview.py")
    assert run(sys.executable, script, LIGBOX_TOKEN="").returncode == 2
    with socket.socket() as silent:  # bound and not listening: nobody answers
        silent.bind(("127.0.0.1", 0))
        done = run(sys.executable, script, "--url", f"http://127.0.0.1:{silent.getsockname()[1]}", "--token", "x")
    assert done.returncode == 2
    assert done.stdout.startswith("FAIL") and "does not answer" in done.stdout


# A parent that starts one process, which starts another in a session of its own that outlives it and ignores SIGTERM.
INNER = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(600)"
CHILD = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {INNER!r}], start_new_session=True)
time.sleep(600)
"""
PARENT = f"""
import sys, time
sys.path.insert(0, {str(ROOT / "scripts")!r})
from processes import Installation, Stopped, Trouble, stop_on_signals
here = Installation(port=0, logs=sys.argv[1], env={{}})
stop_on_signals()
try:
    here.start("web", "-c", {CHILD!r})
    print(here._running["web"].pid, flush=True)
    while True:
        here.check()
        time.sleep(0.05)
except (Stopped, Trouble) as end:
    print(type(end).__name__, flush=True)
finally:
    here.stop()
"""


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="adopting orphans is Linux's")
@pytest.mark.parametrize("how", ["interrupt", "child killed"])
def test_nothing_is_left_whatever_ends_it(tmp_path, how):
    log = tmp_path / "web.log"
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        while not (log.exists() and log.read_text().endswith("\n")):
            assert parent.poll() is None
        inner = int(log.read_text())
        assert alive(child) and alive(inner)
        os.kill(parent.pid if how == "interrupt" else child, signal.SIGINT if how == "interrupt" else signal.SIGKILL)
        said, _ = parent.communicate(timeout=30)
    assert said.strip() == ("Stopped" if how == "interrupt" else "Trouble")
    assert not alive(child) and not alive(inner)
