"""Answers of the API: how they are sent, and how they are documented."""

import json
from datetime import datetime

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse

from .schemas import ProblemDetails

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


def send(data, *, status=200, headers=None):
    """Plain data as JSON; times as ISO 8601 in UTC with a Z."""
    try:
        content = orjson.dumps(data, option=_OPTIONS)
    except TypeError:  # evidence may hold a number beyond 64 bits
        content = json.dumps(data, cls=_Encoder)
    return HttpResponse(content, status=status, content_type="application/json", headers=headers)


def no_content(headers=None):
    """204; what has no body has no type."""
    response = HttpResponse(status=204, headers=headers)
    del response["Content-Type"]
    return response


class _Encoder(DjangoJSONEncoder):
    def default(self, o):
        return json.loads(orjson.dumps(o, option=_OPTIONS)) if isinstance(o, datetime) else super().default(o)


def answers(schema, *problems, status=200):
    """What an operation answers, for the OpenAPI document: `schema` with `status`, and problems, these and those of every operation."""
    return {status: schema, frozenset({400, 401, 403, 429, 503, *problems}): ProblemDetails}


def json_body(schema, examples):
    """The request body of an operation that reads it itself; `schema` is the name of a component."""
    return {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}}}
