"""docs/portal.openapi.yaml as tests use it: its paths, its schemas, and answers made from them."""

from pathlib import Path

import jsonschema_rs
import schemathesis
import yaml
from schemathesis import GenerationMode

FILE = Path(__file__).resolve().parent.parent / "docs/portal.openapi.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text())
# what is asked → its path
PATHS = {path_item["get"]["operationId"]: path for path, path_item in DOCUMENT["paths"].items()}


def response(what, status="200"):
    """What the file says of one response, references followed."""
    said = DOCUMENT["paths"][PATHS[what]]["get"]["responses"]
    found = said.get(status, said["default"])
    if "$ref" in found:
        found = DOCUMENT["components"]["responses"][found["$ref"].rsplit("/", 1)[-1]]
    return found["content"]["application/json"]


def examples(what, status="200"):
    """Its examples, as data."""
    return [example["value"] for example in response(what, status)["examples"].values()]


def validator(what, status="200"):
    """What tells whether an answer keeps the schema (`is_valid`, `validate`)."""
    return jsonschema_rs.Draft202012Validator(
        {**response(what, status)["schema"], "components": DOCUMENT["components"]}
    )


def answers(what, *, kept):
    """A strategy: answers that keep the schema, or that break it.

    Schemathesis makes bodies of requests, so the answer's schema is handed to it as one.
    """
    body = {"required": True, "content": {"application/json": {"schema": response(what)["schema"]}}}
    document = {
        "openapi": DOCUMENT["openapi"],
        "info": DOCUMENT["info"],
        "paths": {"/": {"post": {"requestBody": body, "responses": {"200": {"description": ""}}}}},
        "components": {"schemas": DOCUMENT["components"]["schemas"]},
    }
    mode = GenerationMode.POSITIVE if kept else GenerationMode.NEGATIVE
    operation = schemathesis.openapi.from_dict(document)["/"]["POST"]
    return operation.as_strategy(generation_mode=mode).map(lambda case: case.body)
