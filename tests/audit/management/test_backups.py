"""`manage.py backup` and `restore` on SQLite; tests/servers does the same on PostgreSQL."""

import hashlib
import os
import sqlite3
import stat

import pytest

from mock_tenant.dnsserver import DnsServer
from tests.audit.management.restoring import (
    backup,
    backup_during_a_drain,
    change_manifest,
    give_links_and_put_back,
    manage,
    put_back,
    refused,
)
from tests.installation import ZONE, Installation

__all__ = ["backup"]
pytestmark = [pytest.mark.sqlite, pytest.mark.timeout(700)]


@pytest.fixture
def installation(tmp_path):
    with DnsServer(ZONE) as server:
        yield Installation(tmp_path, server)


def test_a_backup_of_the_middle_of_a_drain_is_put_back_and_audits_go_on(installation, tmp_path):
    """Case 203."""
    folder = tmp_path / "backup"
    manifest = backup_during_a_drain(installation, folder)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())]
    assert sorted(modes) == [0o600, 0o600, 0o700]
    put_back(installation, folder, manifest)
    kept = list(tmp_path.glob("db.sqlite3.before-*"))
    assert len(kept) == 1, "the database that was there is kept"
    with sqlite3.connect(kept[0]) as old:
        assert old.execute("select count(*) from audit_tenant").fetchone() == (2,)


def test_what_is_damaged_newer_or_no_backup_is_refused_and_nothing_changes(installation, backup):
    """Case 204."""
    change_manifest(backup, migrations=["audit.0001_initial", "audit.9999_of_tomorrow"])
    refused(installation, backup, "newer version (audit.9999_of_tomorrow")
    path = backup / "database.sqlite3"
    data = bytearray(path.read_bytes())
    data[4096:8192] = os.urandom(4096)
    path.write_bytes(data)
    refused(installation, backup, "SHA-256")
    change_manifest(
        backup, sha256=hashlib.sha256(data).hexdigest(), migrations=["audit.0001_initial"]
    )
    refused(installation, backup, "damaged")
    change_manifest(backup, engine="postgresql")
    refused(installation, backup, "is no backup")
    for text in ("", '{"engine": "sqlite"}'):
        (backup / "manifest.json").write_text(text)
        refused(installation, backup, "is no backup")


def test_an_older_backup_is_brought_to_this_version(installation, tmp_path):
    last = installation.value(
        "select name from django_migrations where app = 'audit' order by name desc"
    )
    assert manage(installation, "migrate", "audit", "0006", "-v0")[0] == 0
    assert manage(installation, "backup", str(tmp_path / "old"))[0] == 0
    assert manage(installation, "migrate", "-v0")[0] == 0
    status, said = manage(installation, "restore", str(tmp_path / "old"))
    assert status == 0, said
    assert installation.value(f"select count(*) from django_migrations where name = '{last}'") == 1


def test_a_database_that_nobody_can_read_any_more_is_replaced_and_kept(
    installation, backup, tmp_path
):
    (tmp_path / "db.sqlite3").write_bytes(b"no database" * 1000)
    status, said = manage(installation, "restore", str(backup))
    assert status == 0, said
    assert installation.value("select count(*) from audit_domains") == 40
    assert [p.read_bytes()[:11] for p in tmp_path.glob("db.sqlite3.before-*")] == [b"no database"]


def test_secrets_that_the_present_keys_do_not_open_are_named(installation, tmp_path):
    installation.shell(
        "from audit.models import *; t = Tenant.objects.get(); t.portal_token = 'x'; t.save()"
    )
    assert manage(installation, "backup", str(tmp_path / "old"))[0] == 0
    status, said = manage(
        installation, "restore", str(tmp_path / "old"), ENCRYPTION_KEYS="A" * 43 + "="
    )
    assert status == 1 and "portal_token of VM112" in said and "ENCRYPTION_KEYS" in said
    assert manage(installation, "restore", str(tmp_path / "old"))[0] == 0


def test_a_backup_that_cannot_be_made_leaves_nothing(installation, tmp_path):
    status, said = manage(installation, "backup", str(tmp_path / "no" / "folder"))
    assert status == 1 and "can't be made" in said
    (tmp_path / "db.sqlite3").write_bytes(b"no database" * 1000)
    status, said = manage(installation, "backup", str(tmp_path / "new"))
    assert status == 1 and "no backup was made" in said and "Traceback" not in said
    assert not (tmp_path / "new").exists()


def test_a_database_without_tables_is_no_backup(installation, tmp_path):
    """Such as one that a wrong DATABASE_URL has just made."""
    empty = tmp_path / "empty.sqlite3"
    sqlite3.connect(empty).close()
    folder = str(tmp_path / "none")
    status, said = manage(installation, "backup", folder, DATABASE_URL=f"sqlite:///{empty}")
    assert status == 1 and "holds no tables" in said
    assert not (tmp_path / "none").exists()


def test_a_link_that_was_given_since_the_backup_never_opens_another_customers_report(
    installation, backup
):
    """Case 203. Put back twice, too."""
    give_links_and_put_back(installation, backup)
