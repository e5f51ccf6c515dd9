"""What the framework leaves out of the document: who may call, problem details, examples."""

from typing import Any

from django.conf import settings

from audit.api import schemas
from audit.api.problem_details import MEDIA_TYPE
from collectors.registry import core_checks

_PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}
_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token: `manage.py create_token`, or the admin.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "A signed-in user; send X-CSRFToken too.",
    },
}
_WHY = {
    400: "The request is malformed.",
    401: "No token, or one that is not valid.",
    403: "The scope of the token or the permissions of the user do not allow it, or the CSRF token "
    "is missing.",
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
    """The framework's OpenAPI document with security schemes, problem details, headers and the
    bodies that are read by hand.
    """
    views = [
        view for router in api._get_bound_routers() for view in router.path_operations.values()
    ]
    protected = {op.operation_id for view in views for op in view.operations if op.auth_callbacks}
    components = document["components"]
    components["securitySchemes"] = _SECURITY
    for schema in (schemas.DomainIn, schemas.PortalDomainsIn, schemas.ReportLinkIn, schemas.Event):
        shape = schema.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"].update(shape.pop("$defs", {}))
        components["schemas"][schema.__name__] = shape
    document |= _named_for_clients(document)
    for path in document["paths"].values():
        for operation in path.values():
            _operation(operation, operation["operationId"] in protected)
    return document


def _named_for_clients(node):
    """The document with the names that clients know: what Python calls FindingSchema is Finding."""
    if isinstance(node, dict):
        return {_named_for_clients(k): _named_for_clients(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_named_for_clients(value) for value in node]
    return node.removesuffix("Schema") if isinstance(node, str) else node


def _operation(operation, protected):
    operation["security"] = [{"bearer": []}, {"session": []}] if protected else []
    operation["parameters"] = [_parameter(p) for p in operation["parameters"]]
    operation["responses"] = {
        status: _response(status, response)
        for status, response in sorted(operation["responses"].items())
    }


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


def _response(status: int | str, response: dict[str, Any]) -> dict[str, Any]:
    if status in _WHY:
        example = {
            "type": "about:blank",
            "title": response["description"],
            "status": status,
            "detail": _WHY[status],
        }
        response = {
            "description": _WHY[status],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM, "example": example}},
        }
        if status == 429:
            response["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
            }
        if status == 401:
            response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    elif content := response.get("content"):
        media = content["application/json"]
        name = media["schema"].get("$ref", "").rpartition("/")[2]
        if name in EXAMPLES:
            media["example"] = EXAMPLES[name]
    return response


_DOMAIN = {
    "domain": "cliente.pt",
    "unicode": "cliente.pt",
    "score": 7,
    "max_score": len(core_checks()),
    "status": "critical",
    "stale": False,
}
_AT = "2026-11-24T02:31:05Z"
_COUNTS = {"domains": 1, "healthy": 0, "warning": 0, "critical": 1, "unknown": 0, "stale": 0}
_CHECK = {
    "check_id": "dns_spf",
    "title": "SPF",
    "status": "fail",
    "message": "The domain has no SPF record; receivers cannot tell who may send for it. Publish "
    "one.",
    "findings": [
        {
            "code": "spf_missing",
            "severity": "fail",
            "message": "The domain has no SPF record; receivers cannot tell who may send for it. "
            "Publish one.",
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
                    }
                ],
            },
            "because": None,
        }
    ],
    "evidence": {"records": []},
    "checked_at": _AT,
    "since": "2026-11-20T09:12:44Z",
    "last_ok_at": "2026-11-20T09:02:44Z",
    "last_conclusive": {"status": "fail", "at": _AT},
    "duration_ms": 84,
}
EXAMPLES: dict[str, Any] = {
    "Overview": {
        "generated_at": _AT,
        "interval_seconds": 600,
        "worker": {
            "alive": True,
            "last_seen": _AT,
            "queued": 0,
            "resolver_down_since": None,
            "overdue_since": None,
        },
        "summary": _COUNTS,
        "groups": {
            "new": 1,
            "ours": 0,
            "customer": 1,
            "unmeasured": 0,
            "onboarding": 0,
            "known": 0,
            "covered": 0,
        },
        "tenants": [{"id": 1, "name": "VM112", **_COUNTS}],
        "cards": [
            {
                "tenant_id": 1,
                "tenant": "VM112",
                **_DOMAIN,
                "not_measured_here": [],
                "last_audit": _AT,
                "queued": False,
                "lost": False,
                "failing": ["dns_spf"],
                "checks": {"dns_spf": "fail"},
                "reason": {
                    "check_id": "dns_spf",
                    "code": "spf_missing",
                    "title": "SPF",
                    "words": "the record is missing",
                    "severity": "fail",
                    "owner": "customer",
                    "since": "2026-11-20T09:12:44Z",
                    "waits": [],
                },
            }
        ],
        "next_cursor": None,
    },
    "Scorecard": {
        "tenant": {"id": 1, "name": "VM112"},
        **_DOMAIN,
        "not_measured_here": [],
        "last_audit": _AT,
        "next_audit": "2026-11-24T02:41:05Z",
        "lost": False,
        "checks": [_CHECK],
        "advisory": [],
    },
    "RunAccepted": {
        "run_id": 17,
        "status": "queued",
        "domains": 1,
        "already_queued": False,
        "status_url": "/api/v1/audit/runs/17",
    },
    "Run": {
        "run_id": 17,
        "status": "done",
        "domains": 1,
        "done": 1,
        "failed": 0,
        "started_at": _AT,
        "finished_at": _AT,
    },
    "Incidents": {
        "incidents": [
            {
                "id": 41,
                "kind": "portal",
                "tenant_id": 1,
                "check_id": "carbonio",
                "code": "portal_unreachable",
                "subject": None,
                "message": "The portal refuses connections.",
                "owner": "measurement",
                "severity": "unknown",
                "state": "open",
                "opened_at": "2026-11-20T21:20:08Z",
                "confirmed_at": "2026-11-20T21:21:10Z",
                "closed_at": None,
                "merged_into": None,
                "domains_now": 7,
                "domains_most": 9,
            }
        ],
        "next_cursor": None,
    },
    "PortalDomains": {
        "state": "compared",
        "message": "",
        "asked_at": _AT,
        "compared_at": _AT,
        "listed": 26,
        "passed_over": 0,
        "domains": [
            {
                "domain": "xn--caf-dma.pt",
                "unicode": "café.pt",
                "kind": "proposed",
                "since": "2026-11-20T09:12:44Z",
            }
        ],
        "next_cursor": None,
    },
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
                "changes": ["SPF: removed include:_spf.example.com."],
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
_LINK = {
    "created_at": _AT,
    "expires_at": "2026-12-24T02:31:05Z",
    "sent_at": _AT,
    "opened_at": None,
    "seen_at": None,
    "checked_at": None,
    "done_at": None,
}
EXAMPLES["ReportLink"] = {
    "id": 7,
    "domain": "cliente.pt",
    **_LINK,
    "sent_to": "dns@cliente.pt",
    "revoked_at": None,
    "ended": None,
    "url": None,
}
EXAMPLES["ReportLinks"] = {"links": [EXAMPLES["ReportLink"]], "next_cursor": None}
EXAMPLES["Onboarding"] = {
    "stages": {"registered": 0, "link": 1, "dns": 0, "mx": 0, "done": 0},
    "exact": True,
    "months": [
        {"month": "2026-11", "domains": 12, "median_seconds": 259200, "p90_seconds": 604800}
    ],
    "domains": [
        {
            "tenant_id": 1,
            "domain": "cliente.pt",
            "unicode": "cliente.pt",
            "stage": "link",
            "waits": "customer",
            "since": _AT,
            "missing": ["dns_spf"],
            "unmeasured": [],
            "overdue": False,
            "registered_at": "2026-11-20T09:12:44Z",
            "onboarded_at": None,
            "last_audit": _AT,
            "score": 7,
            "max_score": 8,
            "status": "critical",
            "link": _LINK,
        }
    ],
    "next_cursor": None,
}
EXAMPLES["TestAccepted"] = {
    "status": "queued",
    "already_queued": False,
    "status_url": "/api/v1/audit/tenants/1/server",
}
EXAMPLES["Server"] = {
    "tenant": {"id": 1, "name": "VM112"},
    "status": "fail",
    "stale": False,
    "last_audit": _AT,
    "next_audit": _AT,
    "queued": False,
    "checks": [
        {
            "check_id": "server_ptr",
            "title": "Reverse DNS",
            "status": "fail",
            "message": "The sending address 203.0.113.25 has no reverse DNS: many receivers refuse "
            "mail from it.",
            "findings": [],
            "evidence": {"addresses": {"203.0.113.25": {"names": []}}},
            "checked_at": _AT,
            "since": _AT,
            "last_ok_at": None,
            "last_conclusive": {"status": "fail", "at": _AT},
            "duration_ms": 40,
        }
    ],
}
EXAMPLES["PortalDomainsLeft"] = {"left": 1}
EXAMPLES["PortalDomainsShown"] = {"shown": 1}
