"""`manage.py rotate_keys`: every secret encrypted anew with the newest key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, transaction
from django.db.models import Model

from audit.fields import SecretField, UnreadableSecret
from audit.management.db_errors import describe
from audit.models import NotificationChannel, SecondFactor, Tenant

SECRETS: dict[type[Model], list[str]] = {
    model: [field.name for field in model._meta.fields if isinstance(field, SecretField)]
    for model in (Tenant, NotificationChannel, SecondFactor)
}


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret anew with the first of ENCRYPTION_KEYS; the old keys may go "
        "then. What no key opens is left as it is and named. Exit status: 0 all can be opened, 1 "
        "some cannot."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; only look")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            opened, closed = self._rotate(save=not options["check"])
        except DatabaseError as error:
            raise CommandError(describe(error)) from None
        done = "can be opened" if options["check"] else "encrypted with the newest key"
        self.stdout.write(f"{opened} secrets {done}.")
        if closed:
            raise CommandError(
                f"no key of ENCRYPTION_KEYS opens {', '.join(closed)}: put the key back that they "
                "were encrypted with, or enter them again"
            )

    @staticmethod
    def _rotate(*, save: bool) -> tuple[int, list[str]]:
        """How many secrets could be opened, and the names of those that could not."""
        opened, closed = 0, []
        with transaction.atomic():
            for model, names in SECRETS.items():
                for row in model._base_manager.select_for_update():
                    secrets = {name: value for name in names if (value := getattr(row, name)) != ""}
                    opened += len(secrets)
                    closed += [
                        f"{name} of {row}"
                        for name in names
                        if isinstance(getattr(row, name), UnreadableSecret)
                    ]
                    if save and secrets:
                        model._base_manager.filter(pk=row.pk).update(**secrets)
        return opened, closed
