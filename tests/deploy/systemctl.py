"""What stands in for systemctl where there is no systemd: it runs what the unit files say, as the
user that they name.

    systemctl.py ROOT VERB [--quiet] [--now] UNIT …

Known are the settings that decide whether a service comes up: User, Group, UMask, the folders,
Environment and EnvironmentFile, ExecStart, Type=notify, LimitNOFILE,
NoNewPrivileges, KillMode=mixed, TimeoutStartSec and TimeoutStopSec. What shuts a service in needs
the real one.
"""

import ctypes
import os
import pwd
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

from as_service import become, environment_of, read_unit

NO_NEW_PRIVILEGES = 38  # prctl(2)


class Service:
    """One unit below `root`; its log is `root`/log/NAME.log."""

    def __init__(self, root, name):
        self.root, self.name = root, name
        stem, _, instance = name.partition("@")
        instance = instance.removesuffix(".service")
        self.file = root / "etc/systemd/system" / (f"{stem}@.service" if instance else name)
        self.unit = read_unit(self.file, instance) if self.file.suffix == ".service" else {}
        self.log = root / "log" / f"{name}.log"
        self.pid_file = root / "run" / f"{name}.pid"

    def value(self, name, default=""):
        return (self.unit.get(name) or [default])[-1]

    @property
    def pid(self):
        """Of its main process; 0 when it does not run."""
        try:
            pid = int(self.pid_file.read_text())
            return pid if _state(pid) not in ("", "Z") else 0
        except (OSError, ValueError):
            return 0

    def start(self):
        if self.file.suffix != ".service" or self.value("Type") == "oneshot" or self.pid:
            return
        user = pwd.getpwnam(self.value("User", "root"))
        for name in self.unit.get("StateDirectory", []):
            folder = self.root / "var/lib" / name
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(int(self.value("StateDirectoryMode", "0755"), 8))
            os.chown(folder, user.pw_uid, user.pw_gid)
        self.log.parent.mkdir(exist_ok=True)
        notify = None
        environment = environment_of(self.unit)
        if self.value("Type") == "notify":
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            path = self.root / "run" / f"{self.name}.notify"
            path.unlink(missing_ok=True)
            notify.bind(str(path))
            path.chmod(0o777)
            environment["NOTIFY_SOCKET"] = str(path)
        process = self._run(environment)
        self.pid_file.write_text(str(process.pid))
        if notify:
            self._wait_for_notice(notify, process)

    def _wait_for_notice(self, notify, process):
        until = time.monotonic() + int(self.value("TimeoutStartSec", "90"))
        notify.settimeout(0.5)
        while True:
            try:
                if b"READY=1" in notify.recv(4096):
                    return
            except TimeoutError:
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"{self.name} did not start:\n{self.log.read_text()[-2000:]}")

    def _run(self, environment):
        def prepare():
            if limit := self.value("LimitNOFILE"):
                resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
            become(self.unit)
            if self.value("NoNewPrivileges") == "yes":
                ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)

        with self.log.open("ab") as log:
            return subprocess.Popen(
                shlex.split(self.value("ExecStart")), env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, preexec_fn=prepare,
            )  # fmt: skip

    def ask_to_stop(self):
        self.asked = self.pid
        if self.asked:
            os.kill(self.asked, signal.SIGTERM)

    def wait_for_end(self):
        if pid := self.asked:
            until = time.monotonic() + int(self.value("TimeoutStopSec", "90"))
            while self.pid and time.monotonic() < until:
                time.sleep(0.1)
            for process in Path("/proc").glob("[0-9]*"):  # what is left of its session
                if _session(process) == pid:
                    os.kill(int(process.name), signal.SIGKILL)
        self.pid_file.unlink(missing_ok=True)

    @property
    def link(self):
        section = self.file.read_text().partition("[Install]")[2]
        target = section.partition("WantedBy=")[2].partition("\n")[0]
        return self.root / "etc/systemd/system" / f"{target}.wants" / self.name


def _stat(process):
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["", "", "", "0"]


def _state(pid):
    return _stat(Path(f"/proc/{pid}"))[0]


def _session(process):
    return int(_stat(process)[3])


def main():
    root, verb, *rest = sys.argv[1:]
    services = [Service(Path(root), name) for name in rest if not name.startswith("--")]
    if verb == "enable":
        for service in services:
            service.link.parent.mkdir(exist_ok=True)
            if not service.link.is_symlink():
                service.link.symlink_to(service.file)
    if verb == "disable":
        for service in services:
            service.link.unlink(missing_ok=True)
    if verb in ("stop", "restart") or (verb == "disable" and "--now" in rest):
        for service in services:
            service.ask_to_stop()
        for service in services:
            service.wait_for_end()
    if verb in ("start", "restart"):
        for service in services:
            service.start()


if __name__ == "__main__":
    main()
