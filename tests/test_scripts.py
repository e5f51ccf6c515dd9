"""The scripts that a person runs: they parse, explain themselves, refuse nonsense, and leave no
process behind."""

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.ports import Reserved

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))


def run(*command, **env):
    return subprocess.run(
        command, capture_output=True, text=True, cwd="/", env={**os.environ, **env}, timeout=100
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_it_parses(script):
    done = run("bash", "-n", str(script))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("start.sh", ["--no-mock", "--port", "--help"]),
        (
            "verify-audit-overview.sh",
            [
                *("--url", "--token", "--tenant", "--domain", "--mock"),
                *("--portal", "--token-file", "--help"),
            ],
        ),
        (
            "install.sh",
            [
                *("--domain", "--database", "--database-url", "--redis-url", "--workers"),
                *("--certificate", "--key", "--environment", "--no-web", "--user", "--root"),
            ],
        ),
        ("upgrade.sh", ["--root", "--help"]),
        ("backup.sh", ["--keep", "--root", "--help"]),
        ("restore.sh", ["FOLDER", "--list", "--root", "--help"]),
    ],
)
def test_help_names_every_option_and_needs_nothing(script, options):
    done = run("bash", str(ROOT / "scripts" / script), "--help", VENV="/nonexistent")
    assert (done.returncode, done.stderr) == (0, "")
    for option in options:
        assert option in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--nonsense"], ["--port"], ["--port", "0"], ["--port=65536"], ["--port", "http"], ["more"]],
)
def test_start_refuses_what_it_does_not_know(arguments):
    done = run("bash", str(ROOT / "scripts/start.sh"), *arguments, VENV="/nonexistent")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    "command",
    [
        "install.sh",
        "install.sh --domain",
        "install.sh --domain not_a_name",
        "install.sh --domain a.example;reboot",
        "install.sh --domain a.example --workers 0",
        "install.sh --domain a.example --workers many",
        "install.sh --domain a.example --database mysql",
        "install.sh --domain a.example --database sqlite --database-url postgres://x/y",
        "install.sh --domain a.example --redis-url http://x",
        "install.sh --domain a.example --user root",
        "install.sh --domain a.example --user Bad;Name",
        "install.sh --domain a.example --certificate /etc/hostname",
        "install.sh --domain a.example --certificate /nonexistent --key /nonexistent",
        "install.sh --environment /nonexistent --no-web",
        "install.sh --nonsense",
        "upgrade.sh --nonsense",
        "upgrade.sh --root",
        "backup.sh --keep 0",
        "backup.sh --keep",
        "backup.sh more",
        "restore.sh",
        "restore.sh --nonsense",
        "restore.sh one two",
    ],
)
def test_what_is_for_operators_refuses_what_it_does_not_know(command, tmp_path):
    name, *arguments = command.split()
    where = ["--root", str(tmp_path)] if name == "install.sh" else []
    done = run("bash", str(ROOT / "scripts" / name), *where, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["upgrade.sh", "backup.sh", "restore.sh --list"])
def test_where_nothing_is_installed_it_is_said_in_one_line(command, tmp_path):
    name, *arguments = command.split()
    done = run("bash", str(ROOT / "scripts" / name), "--root", str(tmp_path), *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    said = "is not installed" if os.geteuid() == 0 else "must run as root"
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


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
    with Reserved() as one:
        done = run(sys.executable, str(scripts / "start.py"), "--port", str(one.port))
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (1, "", 1)
    assert str(scripts.parent / "data") in done.stdout


def test_start_ends_quietly_where_nobody_reads_what_it_says(scripts):
    command = [sys.executable, str(scripts / "start.py"), "--no-mock", "--port"]
    with (
        Reserved() as one,
        subprocess.Popen(
            [*command, str(one.port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


def test_verify_needs_a_token_and_an_installation():
    script = str(ROOT / "scripts/verify_audit_overview.py")
    assert run(sys.executable, script, LIGBOX_TOKEN="").returncode == 2
    with socket.socket() as silent:  # bound and not listening: nobody answers
        silent.bind(("127.0.0.1", 0))
        done = run(
            sys.executable,
            script,
            "--url",
            f"http://127.0.0.1:{silent.getsockname()[1]}",
            "--token",
            "x",
        )
    assert done.returncode == 2
    assert done.stdout.startswith("FAIL") and "does not answer" in done.stdout


# A parent that starts one process, which starts another in a session of its own that outlives it
# and ignores SIGTERM.
INNER = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print(os.getpid(), flush=True); time.sleep(600)"
)
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
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        while not (log.exists() and log.read_text().endswith("\n")):
            assert parent.poll() is None
        inner = int(log.read_text())
        assert alive(child) and alive(inner)
        os.kill(
            parent.pid if how == "interrupt" else child,
            signal.SIGINT if how == "interrupt" else signal.SIGKILL,
        )
        said, _ = parent.communicate(timeout=30)
    assert said.strip() == ("Stopped" if how == "interrupt" else "Trouble")
    assert not alive(child) and not alive(inner)


ACCOUNTS = f"""
import json, sys
sys.path.insert(0, {str(ROOT / "scripts")!r})
from pathlib import Path
from processes import Installation, accounts
folder = Path(sys.argv[1])
url = {{"DATABASE_URL": f"sqlite:///{{folder}}/a.sqlite3", "SECRET_KEY": "k" * 60}}
here = Installation(port=0, logs=folder, env=url)
here.manage("migrate", "-v0")
for code in json.loads(sys.argv[2]):
    here.manage("shell", "-v", "0", "-c", "from django.contrib.auth.models import *\\n" + code)
files = {{name: folder / name for name in ("operator", "admin")}}
print(json.dumps(accounts(here, files)[0]))
see = "print([(u.username, u.is_staff, u.is_superuser, u.has_perm('audit.run_audit')) "
see += "for u in User.objects.order_by('pk')])"
print(here.manage("shell", "-v", "0", "-c", "from django.contrib.auth.models import *\\n" + see))
"""


def accounts_after(folder, *codes):
    """({name: password}, [(name, staff, superuser, runs audits)]) once start.py made its
    accounts."""
    code = [sys.executable, "-c", ACCOUNTS, str(folder), json.dumps(codes)]
    done = subprocess.run(code, capture_output=True, text=True, cwd=ROOT, timeout=90)
    assert done.returncode == 0, done.stderr
    passwords, users = done.stdout.strip().splitlines()
    return json.loads(passwords), ast.literal_eval(users)


def test_the_daily_account_is_an_operator_and_the_administrator_another(tmp_path):
    """Case 196."""
    passwords, users = accounts_after(tmp_path)
    assert users == [("operator", True, False, True), ("admin", True, True, True)]
    assert len(set(passwords.values())) == 2
    for name, password in passwords.items():
        file = tmp_path / name
        assert file.read_text().strip() == password and file.stat().st_mode & 0o777 == 0o600
    assert accounts_after(tmp_path) == (passwords, users), "a second start changes nothing"
    changed = "u = User.objects.get(username='admin'); u.set_password('mine'); u.save()"
    assert accounts_after(tmp_path, changed)[0]["admin"] is None


def test_the_superuser_that_earlier_versions_made_becomes_an_operator(tmp_path):
    """Case 196: unless its owner has taken it over."""
    (tmp_path / "operator").write_text("as-it-was-printed")
    old = "User.objects.create_superuser('operator', password={!r})"
    passwords, users = accounts_after(tmp_path, old.format("as-it-was-printed"))
    assert users == [("operator", True, False, True), ("admin", True, True, True)]
    assert passwords["operator"] == "as-it-was-printed"
    other = tmp_path / "other"
    other.mkdir()
    passwords, users = accounts_after(other, old.format("mine"))
    assert users[0][:3] == ("operator", True, True) and passwords["operator"] is None


def test_an_administrator_made_by_hand_is_enough(tmp_path):
    passwords, users = accounts_after(tmp_path, "User.objects.create_superuser('ana')")
    assert list(passwords) == ["operator"]
    assert [name for name, *_rights in users] == ["ana", "operator"]


@pytest.mark.parametrize(
    ("failures", "passes", "runs"),
    [
        pytest.param({"once": 1}, True, {"once": 2, "never": 1}, id="busy"),
        pytest.param({"always": 2}, False, {"always": 2, "never": 1}, id="fault"),
        pytest.param({f"n{n}": 1 for n in range(11)}, False, {"never": 1}, id="too-many"),
        pytest.param({}, True, {"never": 1}, id="none"),
    ],
)
def test_what_failed_is_named_and_run_once_more_alone(tmp_path, failures, passes, runs):
    counted = tmp_path / "counted"
    counted.mkdir()
    lines = ["import os", "def count(name, failures):"]
    lines += [f"    path = {str(counted)!r} + '/' + name", "    open(path, 'a').write('x')"]
    lines += ["    assert os.path.getsize(path) > failures"]
    for name, number in {**failures, "never": 0}.items():
        lines.append(f"def test_{name}(): count({name!r}, {number})")
    (tmp_path / "test_it.py").write_text("\n".join(lines) + "\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    command = f"set -e; . {ROOT}/scripts/lib.sh; cd {tmp_path}; run_tests -n 2 -p no:django ."
    done = run("bash", "-c", command, VENV=str(tmp_path), PYTEST_ADDOPTS="")
    assert (done.returncode == 0) == passes, done.stdout + done.stderr
    assert {name: len((counted / name).read_text()) for name in runs} == runs
    again = done.stdout.partition("once more")[2]
    assert [name for name in failures if f"test_{name}" in again] == (
        list(failures) if len(failures) <= 10 else []
    )
