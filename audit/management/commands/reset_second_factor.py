"""`manage.py reset_second_factor`: for who has lost the phone and the recovery codes."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from audit.management.db_errors import describe
from audit.models import SecondFactor


class Command(BaseCommand):
    help = (
        "Remove the second factor of a user: the sessions that it let in end, and the next sign-in "
        "sets up another one. Exit status: 0 it is gone, 1 there is no such user."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the user name")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        try:
            user = User.objects.filter(username=name).first()
            if user is None:
                raise CommandError(f"there is no user {name!r}")
            removed, _of_each = SecondFactor.objects.filter(user=user).delete()
        except DatabaseError as error:
            raise CommandError(describe(error)) from None
        self.stdout.write(
            f"The second factor of {name} is removed." if removed else f"{name} had none."
        )
