"""What the framework leaves out of the OpenAPI document: who may call, problem details, examples."""

from audit import schemas
from audit.problems import MEDIA_TYPE

_PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token: `manage.py create_token`, or the admin."},
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A signed-in user; send X-CSRFToken too."},
}
_WHY = {
    400: "The request is malformed.",
    401: "No token, or one that is not valid.",
    403: "The scope of the token or the permissions of the user do not allow it, or the CSRF token is missing.",
    404: "There is no such thing, or you may not see it.",
    409: "It does not go with what is there.",
    411: "The body has no length.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not application/json.",
    422: "An input is not valid; `errors` says which.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "The database does not answer.",
}


def complete(document, api):
    """The framework's OpenAPI document with security schemes, problem details, headers and the bodies that are read by hand."""
    views = [view for router in api._get_bound_routers() for view in router.path_operations.values()]
    protected = {op.operation_id for view in views for op in view.operations if op.auth_callbacks}
    components = document["components"]
    components["securitySchemes"] = _SECURITY
    for schema in (schemas.DomainIn, schemas.Event):
        shape = schema.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"].update(shape.pop("$defs", {}))
        components["schemas"][schema.__name__] = shape
    for path in document["paths"].values():
        for operation in path.values():
            _operation(operation, operation["operationId"] in protected)
    return document


def _operation(operation, protected):
    operation["security"] = [{"bearer": []}, {"session": []}] if protected else []
    operation["parameters"] = [_parameter(p) for p in operation["parameters"]]
    operation["responses"] = {status: _response(status, response) for status, response in sorted(operation["responses"].items())}


def _parameter(parameter):
    """A parameter that may be left out is not one that may be null."""
    schema = dict(parameter["schema"])
    if alternatives := [s for s in schema.pop("anyOf", []) if s.get("type") != "null"]:
        schema |= alternatives[0]
    if schema.get("default", "") is None:
        del schema["default"]
    for name in ("title", "description", "examples"):
        schema.pop(name, None)
    parameter = parameter | {"schema": schema}
    if examples := parameter.pop("examples", None):
        parameter["example"] = examples[0]
    return parameter


def _response(status, response):
    if status in _WHY:
        example = {"type": "about:blank", "title": response["description"], "status": status, "detail": _WHY[status]}
        response = {"description": _WHY[status], "content": {MEDIA_TYPE: {"schema": _PROBLEM, "example": example}}}
        if status == 429:
            response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
        if status == 401:
            response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    elif content := response.get("content"):
        media = content["application/json"]
        name = media["schema"].get("$ref", "").rpartition("/")[2]
        if example := EXAMPLES.get(name):
            media["example"] = example
    return response


_DOMAIN = {"domain": "cliente.pt", "unicode": "cliente.pt", "score": 7, "max_score": 8, "status": "critical", "stale": False}
_AT = "2026-11-24T02:31:05Z"
_COUNTS = {"domains": 1, "healthy": 0, "warning": 0, "critical": 1, "unknown": 0, "stale": 0}
_CHECK = {
    "check_id": "dns_spf",
    "title": "SPF",
    "status": "fail",
    "message": "The domain has no SPF record; receivers cannot tell who may send for it. Publish one.",
    "findings": [
        {
            "code": "spf_missing",
            "severity": "fail",
            "message": "The domain has no SPF record; receivers cannot tell who may send for it. Publish one.",
            "owner": "customer",
            "fix": {
                "text": "Publish this TXT record.",
                "records": [
                    {
                        "type": "TXT",
                        "name": "cliente.pt",
                        "value": "v=spf1 include:_spf.example.com -all",
                        "action": "add",
                        "current": None,
                    },
                ],
            },
        }
    ],
    "evidence": {"records": []},
    "checked_at": _AT,
    "since": "2026-11-20T09:12:44Z",
    "last_ok_at": "2026-11-20T09:02:44Z",
    "last_conclusive": {"status": "fail", "at": _AT},
    "duration_ms": 84,
}
EXAMPLES = {
    "Overview": {
        "generated_at": _AT,
        "interval_seconds": 600,
        "worker": {"alive": True, "last_seen": _AT, "queued": 0, "resolver_down_since": None},
        "summary": _COUNTS,
        "tenants": [{"id": 1, "name": "VM112", **_COUNTS}],
        "cards": [
            {
                "tenant_id": 1,
                "tenant": "VM112",
                **_DOMAIN,
                "last_audit": _AT,
                "queued": False,
                "failing": ["dns_spf"],
                "checks": {"dns_spf": "fail"},
            }
        ],
        "next_cursor": None,
    },
    "Scorecard": {
        "tenant": {"id": 1, "name": "VM112"},
        **_DOMAIN,
        "last_audit": _AT,
        "next_audit": "2026-11-24T02:41:05Z",
        "checks": [_CHECK],
        "advisory": [],
    },
    "RunAccepted": {"run_id": 17, "status": "queued", "domains": 1, "already_queued": False, "status_url": "/api/v1/audit/runs/17"},
    "Run": {"run_id": 17, "status": "done", "domains": 1, "done": 1, "failed": 0, "started_at": _AT, "finished_at": _AT},
    "History": {
        "transitions": [
            {
                "domain": "cliente.pt",
                "unicode": "cliente.pt",
                "check_id": "dns_spf",
                "from": "ok",
                "to": "fail",
                "at": "2026-11-20T09:12:44Z",
                "message": _CHECK["message"],
                "evidence_before": {"records": ["v=spf1 include:_spf.example.com -all"]},
                "evidence_after": {"records": []},
            }
        ],
        "next_cursor": None,
    },
    "Domain": {
        "tenant_id": 1,
        **_DOMAIN,
        "source": "api",
        "dkim_selectors": [],
        "enabled": True,
        "last_audit": _AT,
        "next_audit": "2026-11-24T02:41:05Z",
        "created_at": "2026-11-01T10:00:00Z",
    },
    "Receipt": {"status": "accepted"},
}
EXAMPLES["Domains"] = {"domains": [EXAMPLES["Domain"]], "next_cursor": None}
