"""The OpenAPI document: complete, and true."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from ligbox.api import api
from tests.audit import factories as make


@pytest.fixture(scope="module")
def document():
    return json.loads(json.dumps(api.get_openapi_schema()))


def operations(document):
    return [
        (method, path, op)
        for path, item in document["paths"].items()
        for method, op in item.items()
    ]


def test_every_operation_says_who_may_call_and_which_errors_there_are(document):
    assert set(document["components"]["securitySchemes"]) == {"bearer", "session"}
    for method, path, operation in operations(document):
        protected = "webhooks" not in path
        assert operation["security"] == ([{"bearer": []}, {"session": []}] if protected else [])
        needed = {"400", "401", "429", "503"} | ({"403"} if protected else set())
        assert needed <= set(operation["responses"]), (method, path)
        assert operation["summary"] and operation["description"]
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"]
                assert answer["content"]["application/problem+json"]["example"]["status"] == int(
                    status
                )
            elif status != "204":
                assert "application/json" in answer["content"]


def test_operation_ids_are_words_and_unique(document):
    ids = [op["operationId"] for _method, _path, op in operations(document)]
    assert len(set(ids)) == len(ids) and all(i.isalpha() for i in ids)


def test_every_answer_has_an_example_and_every_example_fits_its_schema(document):
    seen = 0
    for _method, _path, operation in operations(document):
        contents = [
            c for a in operation["responses"].values() for c in a.get("content", {}).values()
        ]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        examples = [(c["schema"], c["example"]) for c in contents]
        examples += (
            [(body["schema"], e["value"]) for e in body["examples"].values()] if body else []
        )
        for schema, example in examples:
            jsonschema_rs.validator_for({**schema, "components": document["components"]}).validate(
                example
            )
            seen += 1
    assert seen > 50


def test_every_reference_leads_somewhere(document):
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])


def test_parameters_are_plain(document):
    for _method, path, operation in operations(document):
        for parameter in operation["parameters"]:
            assert "anyOf" not in parameter["schema"] and "null" not in str(parameter["schema"]), (
                path,
                parameter,
            )
            assert parameter["required"] is (parameter["in"] in ("path", "header"))


def test_the_document_and_its_page_are_open_and_hold_no_data(client, db):
    make.make_domain("segredo.pt")
    for path in ("/api/v1/openapi.json", "/api/v1/docs"):
        answer = client.get(path)
        assert answer.status_code == 200 and b"segredo" not in answer.content
    page = client.get("/api/v1/docs").content.decode()
    assert "//cdn" not in page and "https://" not in page
    assert "unsafe" not in client.get("/api/v1/docs")["Content-Security-Policy"]


def test_the_document_that_is_sent_is_this_one_and_made_once(client, document, monkeypatch):
    assert client.get("/api/v1/openapi.json").json() == document
    monkeypatch.setattr("ligbox.api.complete", lambda *args: 1 / 0)
    answer = client.get("/api/v1/openapi.json")
    assert (
        answer.status_code == 200
        and answer["Content-Type"] == "application/json"
        and answer.json() == document
    )
    head = client.head("/api/v1/openapi.json")
    assert head.content == b"" and int(head["Content-Length"]) == len(answer.content)


def test_every_operation_has_its_heading_in_the_docs(document):
    text = (Path(__file__).resolve().parents[3] / "docs/api.md").read_text()
    headings = {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")}
    for method, path, _operation in operations(document):
        path = path.replace("/tenants/{tenant_id}", "/tenants/{id}")
        assert f"{method.upper()} {path}" in headings
    for _method, path, operation in operations(document):
        for parameter in operation["parameters"]:
            assert any(form.format(parameter["name"]) in text for form in ("`{}`", "{{{}}}")), (
                path,
                parameter["name"],
            )
