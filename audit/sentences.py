"""Sentences of collectors, and words for statuses, in the reader's language."""

from django.utils.formats import localize
from django.utils.translation import gettext, npgettext

from collectors.text import fill


def say(source, default=""):
    """A stored `{"id", "params"}` (or a collectors' Text) in the active language; `default` where there is no source.

    Numbers with a fraction get that language's decimal sign.
    """
    if hasattr(source, "source"):
        source = source.source()
    if not source or not source.get("id"):
        return default
    params = {name: _value(value) for name, value in source.get("params", {}).items()}
    return fill(gettext(source["id"]), params)


def _value(value):
    if isinstance(value, dict):
        return say(value)
    return localize(value) if isinstance(value, float) else value


def finding(stored):
    """A stored finding as the API and the pages show it: code, severity, message, owner, fix."""
    fix = stored.get("fix")
    return {
        "code": stored["code"],
        "severity": stored["severity"],
        "message": say(stored.get("message_source"), stored["message"]),
        "owner": stored["owner"],
        "fix": fix and {"text": say(fix.get("text_source"), fix["text"]), "records": fix["records"]},
    }


def status_word(status, n):
    """The word for a number of domains in a status."""
    return {
        "critical": npgettext("domains", "critical", "critical", n),
        "warning": npgettext("domains", "warning", "warning", n),
        "unknown": npgettext("domains", "unknown", "unknown", n),
        "healthy": npgettext("domains", "healthy", "healthy", n),
        "stale": npgettext("domains", "stale", "stale", n),
    }[str(status)]
