"""JSON as text: by orjson, or where it will not (lone surrogates, numbers over 64 bits) by json."""

import json
from typing import Any

import orjson


def json_text(value: Any) -> str:
    """The JSON text of plain data; the same data gives the same text."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))
