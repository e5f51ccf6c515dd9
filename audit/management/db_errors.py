"""What is wrong with the database, in one line for the person at the command line."""

from django.conf import settings
from django.db import ProgrammingError


def is_new(error):
    """True if this DatabaseError says that there are no tables yet (and not, say, that the server
    can't be reached)."""
    return (
        isinstance(error, ProgrammingError)
        or "no such table" in str(error)
        or "no such column" in str(error)
    )


def describe(error):
    """The sentence for a DatabaseError: what, and what to do where that is known."""
    what = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"the database is not ready ({what}); run: {settings.COMMAND} migrate"
        if is_new(error)
        else f"the database can't be used ({what})"
    )
