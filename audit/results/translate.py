"""Sentences of collectors, and words for statuses, in the reader's language."""

from django.utils.formats import localize
from django.utils.translation import gettext, npgettext

from audit.results.shapes import ShownFinding
from collectors.stored import StoredFinding, StoredText
from collectors.text import Text, fill


def translate(source: StoredText | Text | None, default: str = "") -> str:
    """A stored `{"id", "params"}` (or a collectors' Text) in the active language; `default` where
    there is no source.

    Numbers with a fraction get that language's decimal sign.
    """
    if isinstance(source, Text):
        source = source.source()
    if not source or not source.get("id"):
        return default
    params = {name: _value(value) for name, value in source.get("params", {}).items()}
    return fill(gettext(source["id"]), params)


def _value(value: StoredText | str | int | float) -> str | int:
    if isinstance(value, dict):
        return translate(value)
    return str(localize(value)) if isinstance(value, float) else value


def finding(stored: StoredFinding) -> ShownFinding:
    """A stored finding as the API and the pages show it."""
    fix = stored.get("fix")
    return {
        "code": stored["code"],
        "severity": stored["severity"],
        "message": translate(stored.get("message_source"), stored["message"]),
        "owner": stored["owner"],
        "fix": fix
        and {"text": translate(fix.get("text_source"), fix["text"]), "records": fix["records"]},
        "because": stored.get("because"),
    }


def status_word(status: str, n: int) -> str:
    """The word for a number of domains in a status."""
    return {
        "critical": npgettext("domains", "critical", "critical", n),
        "warning": npgettext("domains", "warning", "warning", n),
        "unknown": npgettext("domains", "unknown", "unknown", n),
        "healthy": npgettext("domains", "healthy", "healthy", n),
        "stale": npgettext("domains", "stale", "stale", n),
    }[str(status)]
