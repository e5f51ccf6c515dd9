"""Who did what: entries in Django's LogEntry, beside those that the administration writes itself.

An entry stands with the domain or the tenant that it is about, in English; `reading.trail` says it
in the reader's language. An entry needs a user. What a token or a command did is no person's, not
even of whoever made the token: it stands with one account that nobody can sign in with, and names
the token or the command.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import translation
from django.utils.translation import gettext_noop as _

from collectors.text import clean

PROGRAMS = ":programs"  # no name that a form takes
ASKED = _("Audit asked for")
ASKED_MANY = _("Audits asked for")
REPORT = _("Report link made")
MAILED = _("Report link mailed")
REVOKED = _("Report link revoked")
TAKEN_OUT = _("Taken out of onboarding")
PUT_BACK = _("Put back into onboarding")
REGISTERED = _("Domain registered")
REMOVED = _("Domain removed")
IMPORTED = _("Domains imported")
REMOVED_MANY = _("Domains removed")
WAIVED = _("Marked as known")
TAKEN_BACK = _("No longer marked as known")
TOKEN_MADE = _("Token made")
TOKEN_REVOKED = _("Token revoked")
TEST = _("Server test asked for")
REGISTERED_MANY = _("Domains registered")
LEFT_SO = _("Left as the server has it")
SHOWN_AGAIN = _("Shown again")
BELIEVED = _("The server's list believed")
SENTENCES = (
    *(ASKED, ASKED_MANY, REPORT, REGISTERED, REMOVED, IMPORTED, REMOVED_MANY, WAIVED, TAKEN_BACK),
    *(TOKEN_MADE, TOKEN_REVOKED, TEST, MAILED, REVOKED, TAKEN_OUT, PUT_BACK),
    *(REGISTERED_MANY, LEFT_SO, SHOWN_AGAIN, BELIEVED),
)
NAMES = 20  # domains that one entry names
_BY = re.compile(r"(.*?) \[((?:token|command|user|sync) .*)\]", re.S)
__all__ = ["ADDITION", "CHANGE", "DELETION"]  # the kinds of entries


@dataclass(frozen=True)
class Actor:
    """Who does something: `user` is a person who is signed in; else `name` says which program."""

    user: User | None
    name: str = ""

    @classmethod
    def person(cls, user: Any) -> "Actor":
        """Whoever is signed in."""
        return cls(user)

    @classmethod
    def named(cls, name: str) -> "Actor":
        """The person with this user name; else nobody but that name."""
        user = User.objects.filter(username=name).first()
        return cls(user) if user else cls(None, f"user {clean(name, 100)}")

    @classmethod
    def token(cls, name: str) -> "Actor":
        """A script with this API token."""
        return cls(None, f"token {clean(name, 100)}")

    @classmethod
    def sync(cls, tenant: str) -> "Actor":
        """The comparison with the list of this tenant's server."""
        return cls(None, f"sync {clean(tenant, 100)}")

    @classmethod
    def command(cls, user: str) -> "Actor":
        """Whoever uses the command line, as this user of the system."""
        return cls(None, f"command {clean(user, 100)}".strip())


def note(
    who: Actor, rows: Iterable[Model], sentence: str, detail: object = "", *, flag: int = CHANGE
) -> None:
    """An entry with each of these rows (of one model): one of SENTENCES, and what in particular.

    In the transaction of what was done, so that there is neither without the other. Never give it a
    secret.
    """
    said = f"{sentence}: {clean(str(detail), 1000)}" if detail else sentence
    user = who.user or programs()
    if who.user is None:
        said += f" [{who.name}]"
    LogEntry.objects.log_actions(user.pk, list(rows), flag, said)  # type: ignore[arg-type] # of any model


def names_of(domains: Iterable[str]) -> str:
    """Domains for an entry that is about several: the first of them, and how many there are."""
    names = list(domains)
    more = f", … ({len(names)})" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def programs() -> User:
    """The account of what no person did; made when it is first needed."""
    user, _made = User.objects.get_or_create(
        username=PROGRAMS, defaults={"is_active": False, "password": "!"}
    )
    return user


def read(entry: LogEntry) -> tuple[str, str, str]:
    """`(who, sentence, detail)` of an entry; the sentence as it can be translated."""
    said, who = entry.get_change_message(), entry.user.get_username()
    if who == PROGRAMS and (found := _BY.fullmatch(said)):
        said, who = found[1], found[2].removeprefix("user ")
    sentence, _colon, detail = said.partition(": ")
    return (who, sentence, detail) if sentence in SENTENCES else (who, said, "")


@receiver(pre_delete, sender=User)
def outlive(sender: object, instance: User, **_signal: object) -> None:
    """What a person did stays when the account is deleted, with the person's name."""
    if instance.username == PROGRAMS:
        return
    entries = LogEntry.objects.filter(user=instance).select_related("content_type")
    with transaction.atomic(), translation.override("en"):
        changed = []
        for entry in entries.iterator(chunk_size=500):
            entry.change_message = f"{entry.get_change_message()} [user {instance.username}]"
            changed.append(entry)
        if changed:
            keeper = programs()
            for entry in changed:
                entry.user = keeper
            LogEntry.objects.bulk_update(changed, ["user", "change_message"], batch_size=500)
