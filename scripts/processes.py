"""The processes of one installation: started in order, watched, and stopped so that none is left.

Standard library only.
"""

import contextlib
import ctypes
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from ports import Reserved

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 20  # how long processes may take to end in good order
_SUBREAPER, _PARENT_DEATH_SIGNAL = 36, 1  # Linux: prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy


class Trouble(Exception):
    """What keeps the installation from working, in words for the person who started it."""


class Stopped(BaseException):
    """A signal asks to stop; the argument is its number."""


def stop_on_signals():
    """Have Ctrl-C, TERM and a closed terminal raise Stopped in the main thread."""

    def stop(number, _frame):
        raise Stopped(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def say(line=""):
    """Tell the person; at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def shown(path):
    """A path as a person in the project's folder would write it."""
    path = Path(path)
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


_kept: list[Reserved] = []  # ports for as long as we run


def keep_port(port=0):
    """A port of loopback for a process of ours to listen on, this one if it is given, and nobody
    else is given it meanwhile. None: it is in use."""
    try:
        _kept.append(Reserved(port=port))
    except OSError:
        return None
    return _kept[-1].port


def free_port(preferred=0):
    """`preferred` if it is free, else a port that is; kept as by `keep_port`."""
    port = (preferred and keep_port(preferred)) or keep_port()
    if port is None:
        raise Trouble("There is no free port on 127.0.0.1.")
    return port


def get(url, headers=None, *, data=None, seconds=10.0):
    """(HTTP status, body as bytes) of one request; (None, b"") where nobody answers."""
    request = urllib.request.Request(url, headers=headers or {}, data=data)  # noqa: S310 - our own address
    try:
        with _direct.open(request, timeout=seconds) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return None, b""


class Installation:
    """Web, worker and, where asked for, the mock tenant, with one environment. `port` is the web's.

    Logs go to `logs`.
    """

    def __init__(self, *, port, logs, env):
        self.port, self.logs, self.env = (
            port,
            Path(logs),
            {**os.environ, "PYTHONUNBUFFERED": "1", **env},
        )
        self.url = f"http://127.0.0.1:{port}"
        self._running: dict[str, subprocess.Popen] = {}
        if (
            _libc
        ):  # what a process of ours leaves behind becomes our child, so that it can be ended too
            _libc.prctl(_SUBREAPER, 1, 0, 0, 0)

    def manage(self, *args, **env):
        """Run a management command; returns its output, raises Trouble with what it said."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *args],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise Trouble(
                f"manage.py {args[0]} failed: "
                f"{said[-1] if said else f'exit status {done.returncode}'}"
            )
        return done.stdout

    def use_mock(self, folder, preferred):
        """Prepare the mock tenant with its keys in `folder`: free ports near `preferred`, and
        the environment that it asks for."""
        ports = {name: free_port(port) for name, port in preferred.items()}
        self._mock = [
            "--data",
            str(folder),
            *(part for name, port in ports.items() for part in (f"--{name}-port", str(port))),
        ]
        for line in self.manage("mock_tenant", "--env", *self._mock).splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.env[name] = value.strip("'")

    def start_mock(self, *, every):
        """Serve the mock tenant and store it in the database."""
        self.start(
            "mock",
            "manage.py",
            "mock_tenant",
            "--register",
            "--web",
            self.url,
            "--event-every",
            str(every),
            *self._mock,
        )

    def start_worker(self):
        self.start("worker", "manage.py", "worker")

    def start_web(self):
        self.start(
            "web", "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py",
            "--bind", f"127.0.0.1:{self.port}", "--graceful-timeout", "5",
        )  # fmt: skip

    def start(self, name, *argv):
        """Start a Python process that writes into its own log.

        In a session of its own: Ctrl-C comes to us alone.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603
                [sys.executable, *argv], cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, preexec_fn=_end_with_parent,  # noqa: PLW1509 - one thread
            )  # fmt: skip

    def check(self):
        """Raise Trouble if a process has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise Trouble(
                    f"The {name} process has ended (exit status {process.returncode}). "
                    f"{self._last_words(name)}"
                )

    def wait_until(self, true, seconds, every=0.1):
        """Wait until `true()`; False when `seconds` are over.

        Raises Trouble if a process ends meanwhile.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.check()
            if true():
                return True
            time.sleep(every)
        return False

    def wait_for_web(self, seconds=60):
        """Wait until the web answers.

        True if it also says that everything is ready (a worker was seen).
        """
        if not self.wait_until(
            lambda: get(f"{self.url}/healthz", seconds=2)[0] is not None, seconds
        ):
            raise Trouble(f"The web did not answer within {seconds} s. {self._last_words('web')}")
        return self.wait_until(lambda: get(f"{self.url}/readyz", seconds=5)[0] == 200, 30, every=1)

    def stop(self):
        """End everything: web and worker first, as they still use the mock tenant.

        A second Ctrl-C changes nothing.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for names in (("web", "worker"), ("mock",)):
            ending = [process for name, process in self._running.items() if name in names]
            for process in ending:
                process.terminate()
            until = time.monotonic() + STOP_SECONDS
            for process in ending:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, until - time.monotonic()))
        _end_children()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        self._running.clear()

    def _last_words(self, name):
        path = self.logs / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return (
            "\n".join([f"The end of {shown(path)}:", *(f"  {line}" for line in lines[-8:])])
            if lines
            else f"Its log is empty ({shown(path)})."
        )


OPERATOR, ADMINISTRATOR = "operator", "admin"


def accounts(installation, files):
    """({name: password or None}, production): the two accounts in the database, made on the first
    start. `files`: {name: where its password is kept, for its owner's eyes}.

    The operator, for every day, is in the group Operators. The administrator is made where there
    is none yet (missing in the answer where another one was made by hand). None for a password:
    somebody has changed it since. `production`: the settings say that this is no development
    machine.
    """
    passwords = {name: _kept_password(path) for name, path in files.items()}
    said = installation.manage(
        "shell", "-v", "0", "-c", _ACCOUNTS, LIGBOX_ACCOUNTS=json.dumps(passwords)
    )
    found = json.loads(said.strip().splitlines()[-1])
    valid = {name: passwords[name] if ok else None for name, ok in found["accounts"].items()}
    return valid, found["production"]


def _kept_password(path):
    """The password in this file, which is made where it is missing."""
    password = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if not password:
        password = secrets.token_urlsafe(12)
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(password + "\n")
    return password


_ACCOUNTS = """
import json, os
from django.conf import settings
from django.contrib.auth.models import Group, User

passwords = json.loads(os.environ.pop("LIGBOX_ACCOUNTS"))

def account(name, **rights):
    user, new = User.objects.get_or_create(username=name, defaults=rights)
    if new:
        user.set_password(passwords[name])
        user.save()
    return user, user.check_password(passwords[name])

found = {}
operator, found["operator"] = account("operator", is_staff=True)
operator.groups.add(Group.objects.get(name="Operators"))
others = User.objects.filter(is_superuser=True, is_active=True).exclude(username="operator")
if not others.exclude(username="admin").exists():
    administrator, found["admin"] = account("admin", is_staff=True, is_superuser=True)
    if operator.is_superuser and found["operator"] and administrator.is_superuser:
        operator.is_superuser = False  # as earlier versions made it
        operator.save()
print(json.dumps({"accounts": found, "production": bool(settings.PRODUCTION)}))
"""


def _end_with_parent():
    """In the child: be asked to stop if the one that started it dies without a word."""
    if _libc:
        _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def _end_children():
    """End what is left of our children and of what they left behind: asked first, then made to."""
    for number, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
        until = time.monotonic() + seconds
        asked = set()
        while (children := _children()) and time.monotonic() < until:
            for pid in children - asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            asked |= children
            time.sleep(0.05)


def _children():
    """The process ids of our living children; those that have ended are collected."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in path.read_text().split()}
    return found
