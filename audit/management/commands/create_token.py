"""`manage.py create_token`: a token for the API; its secret is printed once and kept nowhere."""

from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from django.utils import timezone

from audit.management.console import system_user
from audit.management.db_errors import describe
from audit.management.tenants import tenant_named
from audit.models import ApiToken
from audit.results import trail
from audit.validators import SCOPES

MAX_DAYS = 36500


class Command(BaseCommand):
    help = (
        "Create a token for the API. The secret alone is printed on stdout, this once; notes go to "
        "stderr. Exit status 2: wrong usage."
    )

    def add_arguments(self, parser):
        parser.add_argument("name", metavar="NAME", help="what the token is for")
        parser.add_argument(
            "--scope", default="read", metavar="read|run", help="run includes read (default: read)"
        )
        parser.add_argument(
            "--tenant", metavar="NAME|ID", help="only this tenant (default: every tenant)"
        )
        parser.add_argument(
            "--expires", metavar="DAYS", help="days until it expires (default: never)"
        )

    def handle(self, *args, **options):
        name, scope = options["name"].strip(), options["scope"]
        if not 0 < len(name) <= 100 or not name.isprintable():
            raise CommandError("the name has 1 to 100 printable characters", returncode=2)
        if scope not in SCOPES:
            raise CommandError(
                f"there is no scope {scope!r}; there are {' and '.join(SCOPES)}", returncode=2
            )
        expires_at = _expiry(options["expires"])
        try:
            tenant = None if options["tenant"] is None else tenant_named(options["tenant"])
            with transaction.atomic():
                token, secret = ApiToken.issue(
                    name=name, scopes=[scope], tenant=tenant, expires_at=expires_at
                )
                who = trail.Actor.command(system_user())
                trail.note(who, [token], trail.TOKEN_MADE, flag=trail.ADDITION)
                if tenant:
                    trail.note(who, [tenant], trail.TOKEN_MADE, token.name)
        except DatabaseError as error:
            raise CommandError(describe(error)) from None
        until = f"until {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else "without expiry"
        where = f"for the tenant {tenant.name}" if tenant else "for every tenant"
        self.stderr.write(
            f"Token {token.name!r}, {' and '.join(token.scopes)}, {where}, {until}.", str
        )
        self.stderr.write("Its secret is shown this once; send it as: Authorization: Bearer …", str)
        self.stdout.write(secret)


def _expiry(days):
    if days is None:
        return None
    if not (days.isascii() and days.isdecimal() and len(days) <= 5 and 0 < int(days) <= MAX_DAYS):
        raise CommandError(f"{days!r} is not a number of days from 1 to {MAX_DAYS}", returncode=2)
    return timezone.now() + timedelta(days=int(days))
