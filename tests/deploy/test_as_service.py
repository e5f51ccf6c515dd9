"""Commands run as the units would: the same settings, the same user, nothing of ours."""

import os
import subprocess
import sys

import pytest

from tests.deploy.nginx import ROOT

sys.path.insert(0, str(ROOT / "deploy"))
import as_service


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A=", ""),
        ("  A=around  ", "around"),
        ("A=two words", "two words"),
        ("A='single $ \\ quoted'", "single $ \\ quoted"),
        ('A="double \\" quoted # x"', 'double " quoted # x'),
        ("A=a#b=c;d", "a#b=c;d"),
        ("A=postgres://u:p%40ss@%2Frun/x?y=$z", "postgres://u:p%40ss@%2Frun/x?y=$z"),
        ("A=back\\\\slash", "back\\slash"),
        ("A=one \\\n  two", "one    two"),
        ("A=1\nA=2", "2"),
        ("# A=1\n; A=2\nnot a variable\n9A=3\nA=4", "4"),
    ],
)
def test_an_environment_file_reads_as_systemd_reads_it(tmp_path, line, value):
    path = tmp_path / "environment"
    path.write_text(line + "\n")
    assert as_service.read_environment(path) == {"A": value}


def test_a_unit_reads_as_systemd_reads_it(tmp_path):
    path = tmp_path / "a@.service"
    path.write_text(
        "[Unit]\nUser=no\n[Service]\n# User=x\nUser=a\nUser=b\nExecStartPre=x\nExecStartPre=\n"
        "ExecStart=/bin/run %i\\\n  more\n[Install]\nUser=no\n"
    )
    unit = as_service.read_unit(path, "7")
    assert unit == {"User": ["a", "b"], "ExecStartPre": [], "ExecStart": ["/bin/run 7   more"]}


@pytest.fixture
def unit(tmp_path):
    import getpass

    (tmp_path / "environment").write_text("SECRET_KEY='from the file'\n")
    path = tmp_path / "x.service"
    path.write_text(
        f"[Service]\nUser={getpass.getuser()}\nUMask=0077\nWorkingDirectory={tmp_path}\n"
        f"Environment=B=b\nEnvironmentFile={tmp_path}/environment\nEnvironmentFile=-/nonexistent\n"
    )
    return path


def run(unit, *args, **env):
    return subprocess.run(
        [sys.executable, str(ROOT / "deploy/as_service.py"), "--unit", str(unit), *args],
        capture_output=True, text=True, env={**os.environ, **env}, timeout=60,
    )  # fmt: skip


def test_a_command_gets_the_units_settings_and_of_ours_only_what_is_passed(unit, tmp_path):
    shown = "import os; print(os.environ, os.getcwd(), oct(os.umask(0)))"
    done = run(
        unit, "--pass", "MINE", "--", sys.executable, "-c", shown,
        MINE="mine", OTHERS="others", DATABASE_URL="sqlite:///wrong",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "from the file" in done.stdout and "'MINE': 'mine'" in done.stdout
    assert "others" not in done.stdout and "wrong" not in done.stdout
    assert f"{tmp_path} 0o77" in done.stdout


def test_what_is_missing_is_said_in_one_line(unit, tmp_path):
    (tmp_path / "environment").unlink()
    for done in (run(unit, "true"), run(tmp_path / "none", "true")):
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
        assert "No such file" in done.stderr
