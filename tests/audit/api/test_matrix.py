"""Case 128: every operation of the API × every role. An operation that is not in the table fails
the test.
"""

import json

import pytest
from django.urls import get_resolver

from audit.models import AuditDomain, AuditRun, ReportLink
from ligbox.api import api
from tests.audit import factories as make

pytestmark = pytest.mark.django_db

ROLES = [
    "anonymous",
    "nobody",
    "viewer",
    "operator",
    "admin",
    "read",
    "run",
    "other-read",
    "other-run",
]
READS = [401, 403, 200, 200, 200, 200, 200, 404, 404]
BODY = {"domain": "nova.pt"}
TABLE = {  # operation: (method, path, body, the status for each role)
    "getOverview": (
        "get",
        "/api/v1/audit/overview",
        None,
        [401, 403, 200, 200, 200, 200, 200, 200, 200],
    ),
    "getScorecard": (
        "get",
        "/api/v1/audit/tenants/{tenant}/scorecard?domain=cliente.pt",
        None,
        READS,
    ),
    "runAudit": (
        "post",
        "/api/v1/audit/run/{tenant}",
        None,
        [401, 403, 403, 202, 202, 403, 202, 403, 404],
    ),
    "getRun": ("get", "/api/v1/audit/runs/{run}", None, READS),
    "getHistory": ("get", "/api/v1/audit/tenants/{tenant}/history", None, READS),
    "getServer": ("get", "/api/v1/audit/tenants/{tenant}/server", None, READS),
    "testServer": (
        "post",
        "/api/v1/audit/tenants/{tenant}/server/test",
        None,
        [401, 403, 403, 202, 202, 403, 202, 403, 404],
    ),
    "listPortalDomains": (
        "get",
        "/api/v1/audit/tenants/{tenant}/portal-domains?kind=lost",
        None,
        READS,
    ),
    "leavePortalDomains": (
        "post",
        "/api/v1/audit/tenants/{tenant}/portal-domains/leave",
        {"kind": "lost"},
        [401, 403, 403, 200, 200, 403, 200, 403, 404],
    ),
    "showPortalDomains": (
        "post",
        "/api/v1/audit/tenants/{tenant}/portal-domains/show-again",
        None,
        [401, 403, 403, 200, 200, 403, 200, 403, 404],
    ),
    "believePortalDomains": (
        "post",
        "/api/v1/audit/tenants/{tenant}/portal-domains/believe",
        None,
        [401, 403, 403, 409, 409, 403, 409, 403, 404],
    ),
    "listIncidents": ("get", "/api/v1/audit/incidents?tenant={tenant}&state=all", None, READS),
    "listDomains": ("get", "/api/v1/audit/tenants/{tenant}/domains", None, READS),
    "registerDomain": (
        "post",
        "/api/v1/audit/tenants/{tenant}/domains",
        BODY,
        [401, 403, 403, 201, 201, 403, 201, 403, 404],
    ),
    "removeDomain": (
        "delete",
        "/api/v1/audit/tenants/{tenant}/domains/cliente.pt",
        None,
        [401, 403, 403, 204, 204, 403, 204, 403, 404],
    ),
    "getOnboarding": ("get", "/api/v1/audit/onboarding?tenant={tenant}", None, READS),
    "listReportLinks": (
        "get",
        "/api/v1/audit/tenants/{tenant}/report-links",
        None,
        [401, 403, 403, 200, 200, 403, 200, 403, 404],
    ),
    "makeReportLink": (
        "post",
        "/api/v1/audit/tenants/{tenant}/report-links",
        {"domain": "cliente.pt"},
        [401, 403, 403, 201, 201, 403, 201, 403, 404],
    ),
    "revokeReportLink": (
        "delete",
        "/api/v1/audit/tenants/{tenant}/report-links/{link}",
        None,
        [401, 403, 403, 204, 204, 403, 204, 403, 404],
    ),
    "receiveEvent": (
        "post",
        "/api/v1/webhooks/{tenant}",
        BODY,
        [400] * 9,
    ),  # nobody without the headers; see test_webhooks
}
OPEN = {"api/v1/openapi.json", "api/v1/docs"}  # they hold no data
CASES = [
    (operation, role, row[3][n]) for operation, row in TABLE.items() for n, role in enumerate(ROLES)
]


@pytest.fixture
def world():
    tenant, other = make.make_tenant("VM112"), make.make_tenant("VM113")
    make.make_domain("cliente.pt", tenant, checks={"dns_mx": "fail"})
    make.make_domain("alheio.pt", other, checks={})
    run, _new = AuditRun.objects.get_or_create_run(
        tenant=tenant, domains=tenant.domains.all(), trigger="manual", by="x", scope="cliente.pt"
    )
    [link] = ReportLink.objects.make([tenant.domains.get()])
    return {"tenant": tenant.pk, "run": run.pk, "other": other, "link": link.pk}


def as_role(client, role, other):
    """The headers of a request as this role (or the client is signed in)."""
    users = {
        "nobody": lambda: make.make_user(staff=False),
        "viewer": make.make_viewer,
        "operator": make.make_operator,
        "admin": make.make_admin,
    }
    if role in users:
        client.force_login(users[role]())
    tokens = {
        "read": ("read", None),
        "run": ("run", None),
        "other-read": ("read", other),
        "other-run": ("run", other),
    }
    return (
        make.bearer(make.make_token(tokens[role][0], tenant=tokens[role][1]))
        if role in tokens
        else {}
    )


def send(client, operation, world, headers):
    method, path, body, _statuses = TABLE[operation]
    data = {"data": json.dumps(body), "content_type": "application/json"} if body else {}
    return getattr(client, method)(path.format(**world), headers=headers, **data)


@pytest.mark.parametrize(
    ("operation", "role", "status"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES]
)
def test_who_may_do_what(client, world, operation, role, status):
    """Case 128."""
    before = set(AuditDomain.objects.values_list("domain", flat=True)), AuditRun.objects.count()
    answer = send(client, operation, world, as_role(client, role, world["other"]))
    assert answer.status_code == status, answer.content
    if status >= 400:
        assert (
            answer["Content-Type"] == "application/problem+json"
            and answer.json()["status"] == status
        )
        assert (
            set(AuditDomain.objects.values_list("domain", flat=True)),
            AuditRun.objects.count(),
        ) == before
    if status == 401:
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_every_operation_and_every_address_is_in_the_table():
    """Case 128."""
    document = api.get_openapi_schema()
    documented = {op["operationId"] for path in document["paths"].values() for op in path.values()}
    assert documented == set(TABLE)
    routes = set()
    for pattern in get_resolver().url_patterns:
        if str(pattern.pattern) == "api/v1/":
            routes = {f"api/v1/{p.pattern}" for p in pattern.url_patterns} - {"api/v1/"}
    known = {path.lstrip("/").replace("{", "<int:").replace("}", ">") for path in document["paths"]}
    assert {r.replace("<domain>", "<int:domain>") for r in routes} - OPEN == known


@pytest.mark.parametrize(
    "operation", [o for o in TABLE if "{" in TABLE[o][1] and o != "receiveEvent"]
)
def test_what_belongs_to_another_tenant_looks_like_what_does_not_exist(client, world, operation):
    """Case 129."""
    headers = make.bearer(make.make_token("run", tenant=world["other"]))
    theirs = send(client, operation, world, headers)
    missing = send(client, operation, {"tenant": 987654, "run": 987654, "link": 987654}, headers)
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content and dict(theirs.items()) == dict(missing.items())


def test_a_restricted_token_sees_its_tenant_everywhere_and_no_filter_reaches_further(client, world):
    """Case 130."""
    headers = make.bearer(make.make_token(tenant=world["other"]))
    for query in (
        "",
        f"?tenant={world['tenant']}",
        "?q=cliente",
        "?status=critical",
        "?check=dns_mx",
        "?sort=domain&tenant__name=VM112",
    ):
        answer = client.get(f"/api/v1/audit/overview{query}", headers=headers)
        assert b"cliente.pt" not in answer.content and b"VM112" not in answer.content
        assert answer.json()["summary"]["domains"] == 1
    answer = client.get("/api/v1/audit/overview", headers=headers).json()
    assert [c["domain"] for c in answer["cards"]] == ["alheio.pt"]
    assert answer["worker"]["queued"] == 0, "the domain that is due is another tenant's"


def test_a_scheduled_run_is_seen_only_without_a_restriction(client, world):
    run = AuditRun.objects.create(trigger="schedule")
    path = f"/api/v1/audit/runs/{run.pk}"
    assert client.get(path, headers=make.bearer(make.make_token())).status_code == 200
    assert (
        client.get(path, headers=make.bearer(make.make_token(tenant=world["other"]))).status_code
        == 404
    )
