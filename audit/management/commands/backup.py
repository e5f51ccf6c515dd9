"""`manage.py backup`: the database as it is in this moment, in a folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.management import backups


class Command(BaseCommand):
    help = (
        "Write a backup of the database into a new folder, also while audits run, and look whether "
        "it can be read. The keys in the settings are not in it: keep them apart."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="is made; must not exist")

    def handle(self, *args: Any, **options: Any) -> None:
        manifest = backups.make(options["folder"])
        domains = manifest.rows.get("audit_domains", 0)
        self.stdout.write(
            f"{options['folder']}: {manifest.engine}, {manifest.bytes / 1e6:.1f} MB, "
            f"{domains} domains, checked"
        )
