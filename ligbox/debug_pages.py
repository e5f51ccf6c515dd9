"""The page that DEBUG shows of an error, without the secrets of the installation."""

import os
import re
from collections.abc import ItemsView, Iterable, Iterator
from html import escape
from pprint import pformat
from typing import Any
from urllib.parse import quote, unquote

from django.conf import settings
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

STARS = SafeExceptionReporterFilter.cleansed_substitute
SHORTEST = 5  # what is shorter stands in too many words; inside of an address it goes all the same
_NAMES = re.compile(
    "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|CREDENTIAL|DSN|COOKIE|SESSIONID", re.I
)
_PASSWORD = re.compile(r"(://[^/?#\s:@'\"]*):([^/?#\s'\"]+)@")  # of an address in a text
_QUERY = re.compile(r"[?&]\w*(?:pass|key|token|secret|auth)\w*=([^&#\s'\"]+)", re.I)  # and of one
_ADDRESS = re.compile(r"://[^/?#\s:@]*:([^/?#\s]+)@")  # which a whole value is


def secrets() -> set[str]:
    """What no page may show: the values of settings and of the environment whose names say so, and
    the passwords of addresses."""
    found: set[str] = set()
    values = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
    for name, value in [*values.items(), *os.environ.items()]:
        found.update(_within(name, value))
    return {text for text in found if len(text) >= SHORTEST}


def _within(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _within(str(key), inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _within(name, inner)
    elif isinstance(value, bytes):
        yield from _within(name, value.decode("latin-1"))
    elif isinstance(value, str):
        for password in [*_ADDRESS.findall(value), *_QUERY.findall(value)]:
            yield from (password, unquote(password))
        # a dotted path is the name of a class, and no secret
        if _NAMES.search(name) and not all(part.isidentifier() for part in value.split(".")):
            yield value
            yield from re.split(r"[,\s]+", value)
        elif _NAMES.search(name) and "." not in value:
            yield value


def without_secrets(text: str, known: Iterable[str] | None = None) -> str:
    """`text` with stars in the place of every secret, however it is written (quoted, escaped)."""
    text = _PASSWORD.sub(rf"\1:{STARS}@", text)
    forms: set[str] = set()
    for secret in secrets() if known is None else known:
        for form in (secret, repr(secret)[1:-1], quote(secret), quote(secret, safe="")):
            forms.update((form, escape(form), ascii(form)[1:-1]))
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, STARS)
    return text


class _Shown:
    """A value as it is to be shown: cleaned before Django cuts it, which could part a secret."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Filter(SafeExceptionReporterFilter):
    """Hides by name, also the variables of a frame; active with DEBUG too
    (settings.DEFAULT_EXCEPTION_REPORTER_FILTER)."""

    hidden_settings = _NAMES

    def is_active(self, request: Any) -> bool:
        return True

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> ItemsView[str, Any]:
        known, shown = secrets(), {}
        for name, value in super().get_traceback_frame_variables(request, tb_frame):
            try:
                text = STARS if _NAMES.search(name) else without_secrets(pformat(value), known)
            except Exception as error:  # noqa: BLE001 - what a value's own repr raises
                text = f"(can't be shown: {type(error).__name__})"
            shown[name] = _Shown(text)
        return shown.items()


class Reporter(ExceptionReporter):
    """Django's page of an error, without secrets (settings.DEFAULT_EXCEPTION_REPORTER)."""

    def get_traceback_html(self) -> SafeString:
        return SafeString(without_secrets(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        return SafeString(without_secrets(super().get_traceback_text()))
