"""What our processes write is for nobody else, whatever umask they were started with."""

import os
import sqlite3
import stat
import subprocess
import sys

from ligbox.environment import keep_private
from tests.installation import ROOT


def manage(folder, *args):
    env = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder}/new/db.sqlite3",
        "SECRET_KEY": "k" * 60,
    }
    command = [sys.executable, "manage.py", *args]
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, umask=0o022)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_database_with_its_log_and_folder_is_ours_alone(tmp_path):
    """Case 193."""
    manage(tmp_path, "migrate")
    folder = tmp_path / "new"
    with sqlite3.connect(folder / "db.sqlite3") as database:
        database.execute("select 1 from audit_domains").fetchall()  # opens the write-ahead log
        found = {path.name: mode(path) for path in folder.iterdir()}
    assert mode(folder) == 0o700
    assert found["db.sqlite3"] == 0o600 and set(found.values()) == {0o600}


def test_a_database_that_others_could_read_is_closed_at_the_next_start(tmp_path):
    """Case 193."""
    (tmp_path / "new").mkdir()
    path = tmp_path / "new" / "db.sqlite3"
    sqlite3.connect(path).close()
    path.touch(mode=0o644)
    path.chmod(0o644)
    manage(tmp_path, "check")
    assert mode(path) == 0o600


def test_what_is_no_database_keeps_its_mode_where_the_address_is_mistyped(tmp_path):
    folder, text = tmp_path / "folder", tmp_path / "text"
    folder.mkdir(mode=0o755)
    text.write_text("root:x:0:0\n")
    text.chmod(0o644)
    for path in (folder, text):
        before = mode(path)
        keep_private(path)
        assert mode(path) == before
