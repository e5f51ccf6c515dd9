"""Request bodies: read no further than allowed, and JSON without the corners in which parsers and
databases disagree.
"""

import json
from typing import Any, TypeVar

import orjson
from django.http import HttpRequest, UnreadablePostError
from django.utils.translation import gettext as _
from pydantic import BaseModel
from pydantic import ValidationError as ShapeError

from audit.api.problem_details import Problem, error, invalid

LIMIT = 64 * 1024  # bytes
DEPTH = 32
ShapeT = TypeVar("ShapeT", bound=BaseModel)


def read(request: HttpRequest) -> bytes:
    """The bytes of a JSON request body. Raises Problem: 415 for another content type, 413 beyond 64
    KiB, 411 for no length.
    """
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if request.content_type != "application/json" or charset not in ("utf-8", "utf8"):
        raise Problem(415, _("Send the body as application/json in UTF-8."))
    length = request.META.get("CONTENT_LENGTH") or ""
    try:
        if length:
            if len(length) > 9 or int(length) > LIMIT:
                raise Problem(413, _("The body is larger than 64 KiB."))
            return request.body
        return _chunked(request)
    except (UnreadablePostError, OSError, ValueError):  # ValueError: the length is not a number
        raise Problem(400, _("The body could not be read.")) from None


def _chunked(request: HttpRequest) -> bytes:
    """A body without a length: only a server that marks its end can hand it on, and it is cut at
    the limit.
    """
    if "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        return b""
    if not request.META.get("wsgi.input_terminated"):
        raise Problem(411, _("Send a Content-Length with the body."))
    stream, parts, size = request.META["wsgi.input"], [], 0
    while size <= LIMIT and (part := stream.read(LIMIT + 1 - size)):
        parts.append(part)
        size += len(part)
    if size > LIMIT:
        raise Problem(413, _("The body is larger than 64 KiB."))
    return b"".join(parts)


def parse(raw: bytes) -> Any:
    """The JSON value of a body; raises Problem 400.

    Stricter than JSON: no duplicate keys, no NaN or infinite numbers, no NUL characters and lone
    surrogates in texts (a database may not hold them), at most 32 levels.
    """
    try:
        # orjson refuses NaN, infinity, lone surrogates and what is not UTF-8; but it takes a key
        # twice, and of a large number only the beginning
        orjson.loads(raw)
        value = json.loads(raw, object_pairs_hook=_unique)
        _check(value)
    except (ValueError, RecursionError):
        raise Problem(
            400,
            _(
                "The body is not valid JSON (in UTF-8, without duplicate keys, at most 32 levels "
                "deep)."
            ),
        ) from None
    return value


def shaped(request: HttpRequest, schema: type[ShapeT]) -> ShapeT:
    """The body as this schema; raises Problem, also 422 with what does not have its form."""
    data = parse(read(request))
    if not isinstance(data, dict):
        raise invalid("body", "body", _("The body is a JSON object."), code="not_an_object")
    try:
        return schema.model_validate(data)
    except ShapeError as problem:
        found = [
            error("body", ".".join(map(str, e["loc"])) or "body", e["msg"], code=e["type"])
            for e in problem.errors()
        ]
        said = _("The body does not have the form that is asked for.")
        raise Problem(422, said, errors=found) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("duplicate keys")
    return found


def _check(value: Any) -> None:
    """Walk without recursion: the depth, and NUL in any text."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise ValueError("too deep")
        below: list[Any] = []
        for item in level:
            if isinstance(item, str) and "\0" in item:
                raise ValueError("NUL")
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
        level = below
