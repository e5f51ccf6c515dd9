"""The shipped units: systemd takes them, they are shut in, and they come up and go down as the
program needs."""

import configparser
import re
import shutil
import subprocess

import pytest
from django.conf import settings

from tests.deploy.nginx import ROOT, installed

DEPLOY = ROOT / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
SERVICES = ["ligbox-web.service", "ligbox-worker@.service"]
needs_systemd = pytest.mark.skipif(not installed("systemd-analyze"), reason="needs systemd")


def lines(name, section="Service"):
    """{name: [values]} of a section; as configparser can't have a name twice, by hand."""
    text = (DEPLOY / name).read_text().partition(f"[{section}]")[2].partition("\n[")[0]
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.M):
        found.setdefault(key, []).append(value)
    return found


@needs_systemd
def test_systemd_takes_them_without_a_word(tmp_path):
    for program in (".venv/bin/gunicorn", ".venv/bin/python", "scripts/backup.sh"):
        path = tmp_path / "opt/ligbox-audit/current" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", path)
    units = tmp_path / "units"
    units.mkdir()
    for path in UNITS:
        text = path.read_text().replace("/opt/ligbox-audit", f"{tmp_path}/opt/ligbox-audit")
        (units / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(units.iterdir()))],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("name", "most"), [*((name, 2) for name in SERVICES), ("ligbox-backup.service", 3.5)]
)
def test_they_are_shut_in(name, most):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(DEPLOY / name)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    level = float(re.search(r"Overall exposure level.*: ([\d.]+)", done.stdout)[1])
    assert level < most, done.stdout  # of 10


@pytest.mark.parametrize("name", SERVICES)
def test_they_never_give_up_and_write_for_themselves_alone(name):
    unit = lines(name)
    assert lines(name, "Unit")["StartLimitIntervalSec"] == ["0"]
    assert unit["Restart"] == ["always"] and int(unit["RestartSec"][0]) > 0
    assert unit["UMask"] == ["0077"] and unit["StateDirectoryMode"] == ["0700"]
    assert unit["ProtectSystem"] == ["strict"] and unit["PrivateTmp"] == ["yes"]
    assert unit["EnvironmentFile"] == ["/etc/ligbox-audit/environment"]
    assert lines(name, "Install")["WantedBy"] == ["multi-user.target"]


def test_a_worker_has_the_time_to_end_its_tasks():
    unit = lines("ligbox-worker@.service")
    assert int(unit["TimeoutStopSec"][0]) > settings.Q_CLUSTER["timeout"]
    assert unit["KillMode"] == ["mixed"]


def test_what_shuts_in_is_the_same_for_web_and_worker():
    web, worker = (
        (DEPLOY / name).read_text().partition("LimitNOFILE=8192\n")[2].partition("[Install]")[0]
        for name in SERVICES
    )
    assert web == worker and "NoNewPrivileges=yes" in web


def test_the_settings_that_are_shipped_are_settings():
    from tests.meta.test_docs import settings_read

    text = (DEPLOY / "environment").read_text()
    names = set(re.findall(r"^#? ?([A-Z_]+)=", text, re.M))
    assert names - settings_read() == {"WEB_CONCURRENCY"}  # gunicorn's own
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string("[all]\n" + text)
    assert parser["all"]["proxies"] == "1"
