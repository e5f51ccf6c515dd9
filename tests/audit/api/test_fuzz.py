"""Case 142: Schemathesis drives every operation from the OpenAPI document, as each role: no server
error, nothing undocumented.
"""

import json

import pytest
import schemathesis
from django.conf import settings as django_settings
from django.core import signals
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ligbox.api import api
from ligbox.wsgi import application
from tests.audit import factories as make

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    allow_header_conformance,
]
DOCUMENT = json.loads(json.dumps(api.get_openapi_schema()))
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
ROLES = {"anonymous": None, "reader": "read", "operator": "run"}
EXAMPLES = 25


def _schema():
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.app = application
    return schema


@pytest.fixture
def _one_connection():
    """A request of the WSGI application ends with its connections closed; the transaction of the
    test must outlive it.
    """
    ends = [signals.request_started, signals.request_finished]
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.mark.fuzz
@pytest.mark.django_db
@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{m}-{p}" for p, m in OPERATIONS])
def test_no_server_error_and_nothing_undocumented(role, path, method, monkeypatch):
    """Case 142."""
    monkeypatch.setattr(django_settings, "AUDIT_RUNS_PER_MINUTE", 10_000)
    tenant = make.make_tenant()
    make.make_domain("cliente.pt", tenant, checks={"dns_spf": "fail"})
    headers = {
        "Host": "localhost",
        **(make.bearer(make.make_token(ROLES[role])) if ROLES[role] else {}),
    }
    operation, statuses = _schema()[path][method], set()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        _drive(operation, mode, headers, {"tenant_id": tenant.pk, "run_id": 1}, statuses)
    if role == "anonymous" and "webhooks" not in path:
        assert statuses <= {401, 404, 405}
    elif role == "operator" and method == "get":
        assert statuses & {200, 404, 422}


def _drive(operation, mode, headers, ids, statuses):
    """Call with what Schemathesis makes up; every other time with ids that exist, or all would end
    at 404.
    """
    turn = iter(range(10_000))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def drive(case):
        if next(turn) % 2:
            case.path_parameters.update(
                {name: value for name, value in ids.items() if name in case.path_parameters}
            )
        response = case.call(headers=headers)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    drive()
