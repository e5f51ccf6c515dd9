"""Backups of the database: made while everything runs, put back while nothing does.

Each is a folder. It holds the database (an SQLite file, or what pg_dump makes in its custom format)
and `manifest.json`: which version made it, its tables with their rows, and the file's SHA-256.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from audit.models import ReportLink, WorkerHeartbeat

MANIFEST = "manifest.json"
FILES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
# What of a copy must not live on: claims of drains that are gone (nobody died of them), workers
# that were seen, bells for work that the domains' rows know, and sign-ins that were ended since.
AFTER = """
update audit_domains set claimed_by = '', claimed_until = null,
  attempts = case when attempts > 0 then attempts - 1 else 0 end where claimed_by <> '';
delete from audit_workers;
delete from django_q_ormq;
delete from django_session;
"""
_PG_NAMES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
_DROP_ALL = """
do $$ declare r record; begin
  for r in select relname from pg_class where relkind in ('r', 'p')
    and relnamespace = current_schema()::regnamespace
  loop execute format('drop table if exists %I cascade', r.relname); end loop;
end $$;
"""


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `made_at`: ISO 8601 in UTC; `migrations`: "app.name" of each
    that was applied; `rows`: the number of rows of each table; `bytes`, `sha256`: of the file."""

    made_at: str
    engine: str
    migrations: list[str]
    rows: dict[str, int]
    bytes: int
    sha256: str


def make(folder: Path) -> Manifest:
    """Write a backup of the database as it is in this moment into `folder`, which is made, and look
    whether it can be read. Raises CommandError; then nothing is left."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise CommandError(f"{folder} can't be made: {error.strerror}") from None
    try:
        path = folder / FILES[connection.vendor]
        rows = _copy_sqlite(path) if connection.vendor == "sqlite" else _dump(path)
        path.chmod(0o600)
        _check_file(path)
        applied = MigrationRecorder(connection).applied_migrations()
        manifest = Manifest(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            engine=connection.vendor,
            migrations=sorted(f"{app}.{name}" for app, name in applied),
            rows=rows,
            bytes=path.stat().st_size,
            sha256=_digest(path),
        )
        (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n")
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError | sqlite3.Error | DatabaseError):
            raise CommandError(f"no backup was made: {_said(error)}") from None
        raise
    return manifest


def check(folder: Path) -> Manifest:
    """The manifest of a backup that is whole and that this version can use; raises CommandError
    with what is wrong."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        path = folder / FILES[manifest.engine]
        found = _digest(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CommandError(f"{folder} is no backup: {_said(error)}") from None
    if found != manifest.sha256:
        raise CommandError(f"{path} is not what was backed up: its SHA-256 is another one")
    if manifest.engine != connection.vendor:
        raise CommandError(
            f"the backup is of {manifest.engine}, DATABASE_URL says {connection.vendor}"
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if newer := sorted(set(manifest.migrations) - known):
        raise CommandError(
            f"the backup was made by a newer version ({newer[-1]} is not known here): "
            "install that one, then restore"
        )
    _check_file(path)
    return manifest


def restore(folder: Path) -> tuple[Manifest, dict[str, tuple[int, int]], Path | None]:
    """Put a backup in the place of the database, whole or not at all, and bring it to this version.

    Returns its manifest, the rows of each table (before, after) where they differ, and where the
    database that was there is kept (SQLite; of PostgreSQL make a backup before). Raises
    CommandError.
    """
    manifest = check(folder)
    _refuse_while_used()
    try:
        before = _present_rows()
        if connection.vendor == "sqlite":
            kept = _replace_sqlite(folder / FILES["sqlite"])
        else:
            kept = None
            _replace_postgresql(folder / FILES["postgresql"])
        call_command("migrate", verbosity=0, interactive=False)
        _number_links_anew()
        after = _present_rows()
    except (OSError, sqlite3.Error, DatabaseError) as error:
        raise CommandError(f"the restore stopped: {_said(error)}") from None
    changed = {
        table: (before.get(table, 0), after.get(table, 0))
        for table in sorted({*before, *after})
        if before.get(table, 0) != after.get(table, 0)
    }
    return manifest, changed, kept


def _number_links_anew() -> None:
    """The address of a report is its link's number, signed. Whoever got one since the backup was
    made holds a number that the database does not know: it must never be another customer's. From
    here on they are counted from the seconds since 1970, which no restore has had before."""
    table = ReportLink._meta.db_table
    last = ReportLink.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    last = max(last, int(datetime.now(UTC).timestamp()))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("delete from sqlite_sequence where name = %s", [table])
            cursor.execute("insert into sqlite_sequence values (%s, %s)", [table, last])
        else:
            cursor.execute("select setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, last])


# -- SQLite


def _database() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _copy_sqlite(path: Path) -> dict[str, int]:
    """A copy of this moment; writers neither wait for it nor get into it."""
    if not _database().exists():
        raise CommandError(f"there is no database {_database()}")
    source = sqlite3.connect(f"{_database().resolve().as_uri()}?mode=rw", timeout=60, uri=True)
    with contextlib.closing(source):
        source.execute("vacuum into ?", (str(path),))
    return _rows_of_file(path)


def _rows_of_file(path: Path) -> dict[str, int]:
    with contextlib.closing(_open_read_only(path)) as copy:
        names = copy.execute(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        )
        return {
            name: copy.execute(f'select count(*) from "{name}"').fetchone()[0]  # noqa: S608
            for (name,) in sorted(names.fetchall())
        }


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _replace_sqlite(backup: Path) -> Path | None:
    """The backup as the database; the one that was there stays beside it, under another name."""
    database = _database()
    new = database.with_name(f".{database.name}.restoring")
    new.unlink(missing_ok=True)
    try:
        shutil.copyfile(backup, new)
        new.chmod(0o600)
        with contextlib.closing(sqlite3.connect(new)) as copy:
            copy.executescript(f"begin; {AFTER} commit;")
        _to_disk(new)
    except BaseException:  # half a copy on a full disk is in everybody's way
        new.unlink(missing_ok=True)
        raise
    connection.close()
    kept = None
    if database.exists():
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(database)) as old,
        ):
            old.execute("pragma wal_checkpoint(truncate)")  # its log is empty then, and goes
        kept = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        os.link(database, kept)
        for end in ("-wal", "-shm"):  # what is left of a log belongs to the old one
            with contextlib.suppress(FileNotFoundError):
                Path(f"{database}{end}").replace(f"{kept}{end}")
    new.replace(database)
    _to_disk(database.parent)
    return kept


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# -- PostgreSQL


def _pg_environment() -> dict[str, str]:
    """Where the tools of PostgreSQL find the server: nothing secret stands on a command line."""
    wanted = connection.get_connection_params()
    found = {_PG_NAMES[key]: str(value) for key, value in wanted.items() if key in _PG_NAMES}
    return {**os.environ, **found}


def _tool(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - names of ours
            command, env=_pg_environment(), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise _missing(command[0]) from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise CommandError(f"{command[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout


def _missing(tool: str) -> CommandError:
    return CommandError(f"{tool} is missing (Debian: apt-get install postgresql-client)")


def _dump(path: Path) -> dict[str, int]:
    """pg_dump of one snapshot, in which the rows are counted too."""
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute("set idle_in_transaction_session_timeout = 0")
            cursor.execute("begin isolation level repeatable read read only")
            cursor.execute("select pg_export_snapshot()")
            (snapshot,) = cursor.fetchone()
            rows = {}
            for table in sorted(connection.introspection.table_names(cursor)):
                cursor.execute(f"select count(*) from {connection.ops.quote_name(table)}")  # noqa: S608
                (rows[table],) = cursor.fetchone()
            _tool(
                "pg_dump",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={snapshot}",
                f"--file={path}",
            )
            cursor.execute("commit")
    finally:
        connection.close()
    return rows


def _replace_postgresql(dump: Path) -> None:
    """Everything in one transaction: the old tables go, those of the dump come."""
    with connection.cursor() as cursor:
        cursor.execute("select current_schema()")
        (schema,) = cursor.fetchone()
    connection.close()
    environment = _pg_environment()
    read = ["pg_restore", "--no-owner", "--no-privileges", "--file=-", str(dump)]
    write = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]
    pipe = subprocess.PIPE
    try:
        with (
            subprocess.Popen(read, stdout=pipe, stderr=pipe, env=environment) as source,  # noqa: S603
            subprocess.Popen(  # noqa: S603
                write, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, env=environment
            ) as target,
        ):
            assert source.stdout and source.stderr and target.stdin and target.stderr
            with contextlib.suppress(BrokenPipeError):  # psql has said why
                target.stdin.write(f"begin; set local lock_timeout = '30s'; {_DROP_ALL}".encode())
                shutil.copyfileobj(source.stdout, target.stdin, 1 << 20)
                if source.wait() == 0:  # else psql ends in the middle, and nothing has happened
                    ours = connection.ops.quote_name(schema)
                    target.stdin.write(f"set local search_path to {ours};{AFTER}commit;".encode())
            with contextlib.suppress(BrokenPipeError):
                target.stdin.close()
            source.stdout.close()
            said = (source.stderr.read() + target.stderr.read()).decode().strip().splitlines()
    except FileNotFoundError as error:
        raise _missing(str(error.filename)) from None
    if source.returncode or target.returncode:
        raise CommandError(
            f"nothing was changed: {said[0] if said else 'the dump could not be read'}"
        )


# -- both


def _check_file(path: Path) -> None:
    """Raises CommandError where the database in this file can't be read."""
    if path.name == FILES["postgresql"]:
        if "TABLE DATA" not in _tool("pg_restore", "--list", str(path)):
            raise CommandError(f"{path} holds no tables")
        return
    try:
        with contextlib.closing(_open_read_only(path)) as copy:
            (said,) = copy.execute("pragma integrity_check(1)").fetchone()
            broken = copy.execute("pragma foreign_key_check").fetchone()
            tables = copy.execute("select count(*) from sqlite_master").fetchone()[0]
    except sqlite3.Error as error:
        said, broken, tables = str(error), None, 1
    if not tables:
        raise CommandError(f"{path} holds no tables")
    if said != "ok" or broken:
        raise CommandError(f"{path} is damaged: {said if said != 'ok' else broken}")


def _present_rows() -> dict[str, int]:
    """The rows of each table of the database in place; {} where it can't be read."""
    with contextlib.suppress(DatabaseError, sqlite3.Error):
        if connection.vendor == "sqlite":
            return _rows_of_file(_database())
        with connection.cursor() as cursor:
            rows = {}
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"select count(*) from {connection.ops.quote_name(table)}")  # noqa: S608
                (rows[table],) = cursor.fetchone()
            return rows
    return {}


def _refuse_while_used() -> None:
    """Raises CommandError while anybody else works with the database."""
    if connection.vendor == "sqlite" and not _database().exists():
        return
    if users := ", ".join(_users()):
        raise CommandError(f"the database is in use ({users}): stop web and workers everywhere")
    with contextlib.suppress(DatabaseError):  # none yet, or damaged: that is why we are here
        if worker := WorkerHeartbeat.alive().first():
            raise CommandError(
                f"the worker {worker} was seen less than {WorkerHeartbeat.ALIVE.seconds} s ago: "
                "stop it; of one that was killed, wait"
            )


def _users() -> Iterator[str]:
    """Who has the database open beside us, as far as we may know."""
    if connection.vendor == "postgresql":
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute(
                "select coalesce(host(client_addr), 'this host'), pid from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid() "
                "and backend_type = 'client backend'"
            )
            for address, pid in cursor.fetchall():
                yield f"a client on {address}, process {pid} of the server"
        return
    names = {f"{_database().resolve()}{end}" for end in ("", "-wal", "-shm")}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.name != str(os.getpid()) and any(
                str(handle.readlink()) in names for handle in (process / "fd").iterdir()
            ):
                name = (process / "comm").read_text().strip()
                yield f"process {process.name}, {name}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _said(error: Any) -> str:
    return str(getattr(error, "strerror", None) or error).strip().partition("\n")[0]
