"""install.sh below a folder, and the units that it lays down."""

import re
import shutil
import subprocess

import pytest

from tests.agent.carbonio import ROOT, Carbonio, systemd_says, zmcontrol_says
from tests.deploy.nginx import installed

AGENT = ROOT / "agent"
UNITS = ("ligbox-portal-collect.service", "ligbox-portal-collect.timer", "ligbox-portal.service")
needs_systemd = pytest.mark.skipif(not installed("systemd-analyze"), reason="needs systemd")


def install(root, *argv, code=0):
    done = subprocess.run(
        ["bash", AGENT / "install.sh", *(["--root", root] if root else []), *argv],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(root):
    """{path: (mode, bytes)} of everything below a folder."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(root.rglob("*"))
    }


def lines(path, name):
    return re.findall(rf"(?m)^{name}=(.*)$", path.read_text())


def test_it_asks_for_nothing_prints_the_token_once_and_can_be_run_again(tmp_path):
    first = install(tmp_path, "--listen", "10.1.2.3")
    token = (tmp_path / "etc/ligbox-portal/token").read_text().strip()
    assert token in first and "http://10.1.2.3:8090" in first and len(token) >= 40
    before = files(tmp_path)
    again = install(tmp_path)
    assert token not in again and "http://10.1.2.3:8090" in again
    assert files(tmp_path) == before
    assert (tmp_path / "etc/ligbox-portal/token").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "etc/ligbox-portal").stat().st_mode & 0o777 == 0o700
    for path, (_mode, data) in before.items():
        assert path == "etc/ligbox-portal/token" or token.encode() not in data
    install(tmp_path, "--port", "8443")
    assert lines(tmp_path / "etc/ligbox-portal/environment", "LISTEN") == ["10.1.2.3"]
    assert lines(tmp_path / "etc/ligbox-portal/environment", "PORT") == ["8443"]


def test_it_stays_below_its_folder(tmp_path):
    install(tmp_path / "root")
    for name in UNITS:
        text = (tmp_path / "root/etc/systemd/system" / name).read_text()
        paths = re.findall(r"(?<![\w/])/(?:opt|etc|run)/ligbox-portal\S*", text)
        assert paths == [], name


def test_uninstall_takes_all_of_it_away(tmp_path):
    install(tmp_path)
    (tmp_path / "run/ligbox-portal").mkdir(parents=True)
    install(tmp_path, "--uninstall")
    assert [path for path in files(tmp_path) if "ligbox" in path] == []
    install(tmp_path, "--uninstall")


def test_tls(tmp_path):
    for name in ("a.pem", "a.key"):
        (tmp_path / name).write_text("x")
    printed = install(
        tmp_path / "root",
        "--listen",
        "203.0.113.7",
        "--certificate",
        tmp_path / "a.pem",
        "--key",
        tmp_path / "a.key",
    )
    assert "https://203.0.113.7:8090" in printed
    more = tmp_path / "root/etc/systemd/system/ligbox-portal.service.d/tls.conf"
    assert lines(more, "LoadCredential") == [
        f"certificate:{tmp_path}/a.pem",
        f"key:{tmp_path}/a.key",
    ]
    assert lines(more, "IPAddressAllow") == ["any"]


@pytest.mark.parametrize(
    "argv",
    [
        ["--listen", "localhost;id"],
        ["--port", "0"],
        ["--port", "70000"],
        ["--certificate", "/etc/passwd"],
        ["--certificate", "/none", "--key", "/none"],
        ["--listen"],
        ["--what"],
        ["--port", "1 2"],
    ],
)
def test_what_it_does_not_understand_changes_nothing(tmp_path, argv):
    install(tmp_path / "root", *argv, code=2)
    assert not (tmp_path / "root").exists()


def test_help_and_a_server_that_is_no_carbonio():
    assert "--uninstall" in install(None, "--help")
    if shutil.which("id") and subprocess.run(["id", "zextras"], capture_output=True).returncode:
        before = set((ROOT / "agent").iterdir())
        assert re.search("zextras|as root", install(None, code=1))
        assert set((ROOT / "agent").iterdir()) == before


def test_where_zmcontrol_has_to_ask_it_may_use_sudo(tmp_path):
    """Without sudo it says that Postfix is stopped."""
    carbonio = Carbonio(tmp_path)
    more = carbonio.root / "etc/systemd/system/ligbox-portal-collect.service.d/zmcontrol.conf"
    carbonio.zmcontrol(zmcontrol_says())
    carbonio.systemd("", code=1)  # is-enabled: no
    install(carbonio.root)
    shipped = (AGENT / "ligbox-portal-collect.service").read_text()
    assert lines(more, "NoNewPrivileges") == ["no"]
    implying = {"SystemCallFilter", "RestrictAddressFamilies", "PrivateDevices", "LockPersonality"}
    implying |= set(
        re.findall(
            r"(?m)^(Protect(?!System|Home)\w+|Restrict\w+|SystemCallArchitectures)=", shipped
        )
    )
    assert implying <= set(re.findall(r"(?m)^(\w+)=", more.read_text()))
    carbonio.systemd(systemd_says())
    install(carbonio.root)
    assert not more.exists()


def test_the_units_are_what_was_agreed():
    serve, look = AGENT / "ligbox-portal.service", AGENT / "ligbox-portal-collect.service"
    for name, value in {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "RestrictAddressFamilies": "AF_INET AF_INET6",
        "LoadCredential": "token:/etc/ligbox-portal/token",
        "SupplementaryGroups": "ligbox-snapshot",
        "IPAddressDeny": "any",
        "MemoryDenyWriteExecute": "yes",
    }.items():
        assert lines(serve, name) == [value], name
    assert lines(serve, "MemoryMax") and lines(serve, "SystemCallFilter")[0] == "@system-service"
    assert lines(look, "User") == ["zextras"] and lines(look, "Group") == ["ligbox-snapshot"]
    assert lines(look, "RuntimeDirectoryMode") == ["0750"] and lines(
        look, "RuntimeDirectoryPreserve"
    ) == ["yes"]
    # nginx -t binds low ports: its own capability counts only where it may be had
    assert (
        lines(look, "AmbientCapabilities")
        == lines(look, "CapabilityBoundingSet")
        == ["CAP_NET_BIND_SERVICE"]
    )
    assert int(lines(look, "TimeoutStartSec")[0]) < 300


@needs_systemd
@pytest.mark.parametrize(
    ("name", "most"), [("ligbox-portal.service", 1.6), ("ligbox-portal-collect.service", 2.5)]
)
def test_they_are_shut_in(name, most):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", AGENT / name],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    level = float(re.search(r"Overall exposure level.*: ([\d.]+)", done.stdout)[1])
    assert level < most, done.stdout


@needs_systemd
def test_systemd_takes_them_without_a_word(tmp_path):
    for name in UNITS:
        text = (AGENT / name).read_text().replace("/usr/bin/python3 ", "/bin/true ")
        (tmp_path / name).write_text(text.replace("User=zextras", "User=daemon"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in UNITS)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_exception_for_zmcontrol_is_taken_too(tmp_path):
    name = "ligbox-portal-collect.service"
    text = (
        (AGENT / name)
        .read_text()
        .replace("/usr/bin/python3 ", "/bin/true ")
        .replace("User=zextras", "User=daemon")
    )
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.d").mkdir()
    shutil.copy(AGENT / "zmcontrol.conf", tmp_path / f"{name}.d")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / name],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
