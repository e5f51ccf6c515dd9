"""`pip install .`: the wheel holds everything that is needed, and works away from the project."""

import json
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from ligbox import VERSION
from ligbox.places import base_folder
from mock_tenant.dnsserver import DnsServer
from tests.installation import ROOT

PACKAGES = ("ligbox", "audit", "collectors", "mock_tenant")
BESIDE = ("templates", "static", "locale")


def project_files():
    """What the project is made of, as a fresh clone has it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that pip makes of a clone, with what is installed here and nothing fetched."""
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    for name in project_files():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(clone)], check=True)
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """`run(*arguments, **environment)` of the console script, installed in a venv of its own."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    paths = {"base": str(venv), "platbase": str(venv)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*arguments, check=True, **environment):
        kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        done = subprocess.run(
            [str(venv / "bin/ligbox-audit"), *arguments],
            cwd=elsewhere,
            env={**kept, "HOME": str(elsewhere), **environment},
            capture_output=True,
            text=True,
        )
        assert not (check and done.returncode), done.stderr
        return done

    return run


def test_the_wheel_holds_what_the_project_holds_and_nothing_else(wheel):
    names = project_files()
    ours = {name for name in names if name.split("/")[0] in PACKAGES}
    ours |= {f"ligbox/{name}" for name in names if name.split("/")[0] in BESIDE}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == ours
    secret = re.compile(r"(^|/)(tests?|\.env.*|secret_key|data)(/|$)")
    assert not [name for name in held if secret.search(name)]


def test_it_needs_what_the_project_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("/METADATA")]
        metadata = archive.read(name).decode()
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra)", metadata, re.MULTILINE)
    listed = re.findall(r"^([\w-]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert needed == listed
    extra = re.findall(r'^Requires-Dist: (.+); extra == "apprise"', metadata, re.MULTILINE)
    wanted = (ROOT / "requirements-apprise.in").read_text().split()[-1]
    of = re.compile(r"[<>]=?[\d.]+|^apprise")
    assert [sorted(of.findall(one)) for one in extra] == [sorted(of.findall(wanted))]
    assert f"\nVersion: {VERSION}\n" in metadata


def test_an_audit_ad_hoc_needs_no_preparation(installed, tmp_path):
    with DnsServer({"names": {"kunde.test": {"MX": ["10 mx.kunde.test."]}}}) as dns:
        options = {"AUDIT_DNS_SERVERS": f"127.0.0.1:{dns.port}", "XDG_STATE_HOME": str(tmp_path)}
        done = installed("run_audit", "kunde.test", "--json", check=False, **options)
    assert (done.returncode, done.stderr) == (1, "")  # critical: it is nowhere on our server
    assert json.loads(done.stdout)[0]["domain"] == "kunde.test"
    folder = tmp_path / "ligbox-audit"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert folder.stat().st_mode & 0o077 == 0
    assert {path.name for path in folder.iterdir()} <= {"ligbox.sqlite3", "secret_key"}


PAGE = """
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
assert finders.find("css/base.css") and finders.find("ninja/swagger-ui.css")
page = Client(SERVER_NAME="localhost").get(reverse("login"), headers={"accept-language": "pt"})
assert page.status_code == 200, page.content
print("palavra-passe" in page.content.decode().lower())
"""


def test_pages_translations_and_migrations_are_there(installed, tmp_path):
    options = {"XDG_STATE_HOME": str(tmp_path)}
    worker = installed("worker", check=False, **options)
    assert worker.returncode == 1 and "run: ligbox-audit migrate" in worker.stderr
    installed("migrate", "-v0", **options)
    assert installed("shell", "-v0", "-c", PAGE, **options).stdout == "True\n"
    assert "no issues" in installed("check", **options).stdout
    assert "No changes" in installed("makemigrations", "--check", "--dry-run", **options).stdout
    assert installed("mock_tenant", "--env", **options).returncode == 0
    assert (tmp_path / "ligbox-audit/mock").is_dir()


def test_it_explains_itself_under_its_own_name(installed):
    assert installed("worker", "--help").stdout.startswith("usage: ligbox-audit worker")


def test_the_state_folder_follows_xdg_and_a_checkout_keeps_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ana")
    package = tmp_path / "ligbox"
    for value, expected in (
        ("/var/lib/x", "/var/lib/x/ligbox-audit"),
        ("relative", "/home/ana/.local/state/ligbox-audit"),
        ("", "/home/ana/.local/state/ligbox-audit"),
    ):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert base_folder(package) == (Path(expected), False)
    assert base_folder(ROOT / "ligbox") == (ROOT, True)
