"""`manage.py restore`: a backup in the place of the database."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.management import backups

SILENT = {"django_session", "audit_workers", "django_q_ormq"}  # emptied on purpose


class Command(BaseCommand):
    help = (
        "Put a backup in the place of the database, whole or not at all. Web and workers must be "
        "stopped. Says what was lost; everybody signs in again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="as `backup` has made it")
        parser.add_argument(
            "--check", action="store_true", help="only look whether it can be restored"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            manifest = backups.check(options["folder"])
            self.stdout.write(f"of {manifest.made_at}, {manifest.engine}: can be restored")
            return
        manifest, changed, kept = backups.restore(options["folder"])
        self.stdout.write(f"The database is that of {manifest.made_at}.")
        for table, (before, after) in changed.items():
            if table not in SILENT:
                self.stdout.write(f"  {table}: {before} rows before, {after} now")
        self.stdout.write("What was changed since then is lost; everybody signs in again.")
        if kept:
            self.stdout.write(
                f"The database that was there is kept: {kept}. Delete it when all is well."
            )
        try:
            call_command("rotate_keys", check=True, stdout=self.stdout)
        except CommandError as error:
            raise CommandError(
                f"{error}\nThe backup was made with other ENCRYPTION_KEYS: put those after the "
                "present ones in the settings."
            ) from None
