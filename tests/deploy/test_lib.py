"""What the scripts of an installation share: names of sites, and where they find their programs."""

import os
import subprocess

import pytest

from tests.installation import ROOT


def shell(code, **env):
    """(exit status, what it said) of `code` after deploy/lib.sh."""
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail; . deploy/lib.sh; {code}"],
        cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout


def install(folder, *arguments, **env):
    done = subprocess.run(
        ["bash", "scripts/install.sh", "--root", str(folder), *arguments],
        cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", ["audit.example.com", "a.b", "xn--bcher-kva.example", "1.a-b.x9"])
def test_a_name_of_a_site(name):
    assert shell(f"is_name '{name}'")[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        "", "*", "localhost", "10.0.0.7", "Audit.example.com", ".a.b", "a.b.", "a..b",
        "-a.example", "a-.example", "a_b.example", "a.b:8443", "bücher.example", "a b.c", "a.b\n.c",
        "https://a.b", "[fd00::1]", "a" * 64 + ".b", "a." * 127 + "b", "a.b;}", "a#b.c", "a&b.c",
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_site(name):
    """An address gets no certificate by name, and nginx compares names in small letters."""
    assert shell('is_name "$NAME"', NAME=name)[0] == 1


@pytest.mark.parametrize("domain", ["10.0.0.7", "a.b:8443", "bücher.example", "localhost", "*.a.b"])
def test_it_is_not_installed_under_what_is_no_name(tmp_path, domain):
    status, said = install(tmp_path, "--domain", domain)
    assert status == 2 and "host name such as audit.example.com" in said
    assert list(tmp_path.iterdir()) == []


def test_the_site_of_nginx_is_in_small_letters_however_the_name_was_typed(tmp_path):
    """`$host` is; with capitals every plain request was left without an answer."""
    if os.geteuid():
        pytest.skip("install.sh is for root")
    code = 'use_root "$R"; SERVICE_USER=x; mkdir -p "$SETTINGS" "$UNITS" "$CURRENT"; '
    code += 'echo ALLOWED_HOSTS=A.Example.COM,b >"$ENVIRONMENT"; touch "$CURRENT/manage.py"; '
    code += 'echo User=x >"$UNITS/ligbox-worker@.service"; installed; adapted nginx-site.conf'
    status, said = shell(code, R=str(tmp_path))
    assert status == 0 and 'if ($host != "a.example.com")' in said


def test_programs_of_root_are_found_where_su_leaves_them_out(tmp_path):
    if os.geteuid():
        pytest.skip("install.sh is for root")
    code = 'use_root "$R"; begin x; command -v useradd runuser'
    status, said = shell(code, R=str(tmp_path), PATH="/usr/bin:/bin", LIGBOX_LOCKED="1")
    assert status == 0 and len(said.split()) == 2, said


def test_the_folders_of_cd_lead_no_script_astray(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("install", "upgrade", "backup", "restore"):
        arguments = {"install": ["--domain", "10.0.0.7"], "restore": ["--list"]}.get(name, [])
        done = subprocess.run(
            ["bash", f"scripts/{name}.sh", "--root", str(tmp_path / "root"), *arguments],
            cwd=ROOT, env={**os.environ, "CDPATH": str(tmp_path), "LIGBOX_LOCKED": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode in (1, 2), done.stdout
        assert "host name" in done.stdout or "not installed" in done.stdout, done.stdout


def test_a_user_without_a_group_of_its_name_is_said_before_anything_is_written(tmp_path):
    if os.geteuid():
        pytest.skip("install.sh is for root")
    # a system user of Debian whose group has another name
    status, said = install(tmp_path, "--domain", "a.b", "--user", "sync", LIGBOX_LOCKED="1")
    assert status == 1 and "needs a group of the same name" in said
    assert not (tmp_path / "etc").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "requirements.txt"),
        ("NOTIFY_APPRISE_SCHEMES=\n", "requirements.txt"),
        ("# NOTIFY_APPRISE_SCHEMES=ntfys\n", "requirements.txt"),
        ("NOTIFY_APPRISE_SCHEMES=ntfys,slack\n", "requirements-apprise.txt"),
    ],
)
def test_apprise_is_installed_where_the_settings_name_services_for_it(tmp_path, text, expected):
    path = tmp_path / "environment"
    if text is not None:
        path.write_text(text)
    code, said = shell(f"ENVIRONMENT={path}; requirements_file")
    assert (code, said.strip()) == (0, expected)
