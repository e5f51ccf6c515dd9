"""`manage.py backup` and `restore` on PostgreSQL, with Redis as the queue."""

import hashlib

import pytest

from tests.audit.management.restoring import (
    backup,
    backup_during_a_drain,
    change_manifest,
    give_links_and_put_back,
    put_back,
    refused,
)
from tests.servers.test_postgres_redis import installation

__all__ = ["backup", "installation"]
pytestmark = [pytest.mark.servers, pytest.mark.timeout(700)]


def test_a_backup_of_the_middle_of_a_drain_is_put_back_and_audits_go_on(installation, tmp_path):
    folder = tmp_path / "backup"
    put_back(installation, folder, backup_during_a_drain(installation, folder))


def test_a_dump_that_ends_in_the_middle_changes_nothing(installation, backup):
    path = backup / "database.dump"
    data = path.read_bytes()
    for size, words in ((len(data) // 2, "pg_restore failed"), (-500, "nothing was changed")):
        path.write_bytes(data[:size])
        refused(installation, backup, "SHA-256")
        change_manifest(backup, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        refused(installation, backup, words)


def test_a_restore_waits_for_nobody_who_uses_the_database(installation, backup):
    import psycopg

    with psycopg.connect(installation.url):
        refused(installation, backup, "in use (a client on")


def test_a_link_that_was_given_since_the_backup_never_opens_another_customers_report(
    installation, backup
):
    give_links_and_put_back(installation, backup)


def test_what_a_newer_version_has_added_is_gone_afterwards(installation, backup):
    import psycopg

    with psycopg.connect(installation.url, autocommit=True) as connection:
        connection.execute("create table of_tomorrow (id int)")
    from tests.audit.management.restoring import manage

    status, said = manage(installation, "restore", str(backup))
    assert status == 0, said
    assert installation.value("select count(*) from pg_class where relname = 'of_tomorrow'") == 0
