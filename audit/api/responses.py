"""Answers of the API: how they are written, and how they are documented."""

import json
from datetime import datetime
from typing import Any

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from ninja.renderers import BaseRenderer

from audit.api.schemas import ProblemDetails

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


class Renderer(BaseRenderer):
    """Plain data as JSON; times as ISO 8601 in UTC with a Z."""

    media_type: str = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        try:
            return orjson.dumps(data, option=_OPTIONS)
        except TypeError:  # evidence may hold a number beyond 64 bits
            return json.dumps(data, cls=_Encoder).encode()


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        if isinstance(o, datetime):
            return json.loads(orjson.dumps(o, option=_OPTIONS))
        return super().default(o)


def no_content(headers: dict[str, str] | None = None) -> HttpResponse:
    """204; what has no body has no type."""
    response = HttpResponse(status=204, headers=headers)
    del response["Content-Type"]
    return response


def answers(schema: Any, *problems: int, status: int = 200) -> dict[Any, Any]:
    """What an operation answers: `schema` with `status`, and problems, these and those of every
    operation.
    """
    return {status: schema, frozenset({400, 401, 403, 429, 503, *problems}): ProblemDetails}


def json_body(schema: str, examples: dict[str, Any]) -> dict[str, Any]:
    """The request body of an operation that reads it itself; `schema` names a component."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}
    return {"required": True, "content": {"application/json": content}}
