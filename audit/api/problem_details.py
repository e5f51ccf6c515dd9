"""Errors of the API in one shape: problem details (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils.translation import gettext as _

MEDIA_TYPE = "application/problem+json"
Entry = dict[str, str]


class Problem(Exception):
    """An answer other than success. `detail` is a sentence for people; `errors` say which inputs
    are meant.

    An entry of `errors` is `{"in": "query"|"path"|"body"|"header", "name", "code", "message"}`, see
    `error()`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Entry] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, str(detail))
        self.status, self.detail, self.errors, self.headers = (
            status,
            str(detail),
            list(errors),
            headers or {},
        )

    def response(self) -> HttpResponse:
        return respond(self.status, self.detail, errors=self.errors, headers=self.headers)


def error(where: str, name: str, message: str, *, code: str = "invalid") -> Entry:
    """One entry of `errors`: `code` is stable and for programs, `message` for people."""
    return {"in": where, "name": name, "code": code, "message": str(message)}


def invalid(where: str, name: str, message: str, *, code: str = "invalid") -> Problem:
    """The 422 for one input that can't be used; `message` is the whole sentence."""
    return Problem(422, message, errors=[error(where, name, message, code=code)])


def too_many(wait: int) -> Problem:
    """The 429 that says when to come back; `wait` in seconds."""
    return Problem(
        429,
        _("Too many requests. Try again in %(seconds)s seconds.") % {"seconds": wait},
        headers={"Retry-After": str(wait)},
    )


def respond(
    status: int, detail: str, *, errors: Sequence[Entry] = (), headers: dict[str, str] | None = None
) -> HttpResponse:
    """The response for a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _writable(detail),
    }
    if errors:
        body["errors"] = [
            {key: _writable(value) for key, value in entry.items()} for entry in errors
        ]
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return HttpResponse(orjson.dumps(body), status=status, content_type=MEDIA_TYPE, headers=headers)


def _writable(text: str) -> str:
    """Text as UTF-8 can hold it (a lone surrogate becomes its escape)."""
    return str(text).encode("utf-8", "backslashreplace").decode()
