"""The endpoints of how a server's list of domains differs from ours, and what is decided of it."""

from django.utils.translation import gettext as _
from ninja import Query, Router

from audit.api import request_body, schemas
from audit.api.problem_details import Problem, invalid
from audit.api.responses import answers, json_body
from audit.api.routes import ADD, SEE, tenant_of
from audit.models import PortalDomain
from audit.reading import portal_domains
from audit.reading.paging import page
from audit.results import portal_domains as decided
from audit.results.translate import translate
from collectors.names import DomainError, normalize_domain

router = Router(tags=["audit"], by_alias=True)


@router.get(
    "/tenants/{int:tenant_id}/portal-domains",
    operation_id="listPortalDomains",
    summary="How the server's domains differ from ours",
    auth=SEE,
    response=answers(schemas.PortalDomains, 404, 422),
)
def list_portal_domains(request, tenant_id: int, query: Query[schemas.PortalDomainsQuery]):
    """By name: what the portal's list has and we lack (`proposed`), and what it had and has no
    longer (`lost`), without what a person left so. Compared once an hour, where the portal offers
    a list. A failed answer changes nothing.
    """
    tenant = tenant_of(request, tenant_id)
    sync = portal_domains.state_of(tenant)
    rows = PortalDomain.objects.filter(tenant=tenant).open(query.kind)
    found, following = page(
        rows, order=["domain", "id"], limit=query.limit, cursor=query.cursor or ""
    )
    return {
        "state": sync.state or "never",
        "message": translate(sync.message_source, sync.message),
        "asked_at": sync.asked_at,
        "compared_at": sync.compared_at,
        "listed": sync.listed,
        "passed_over": sync.passed_over,
        "domains": found,
        "next_cursor": following,
    }


@router.post(
    "/tenants/{int:tenant_id}/portal-domains/leave",
    operation_id="leavePortalDomains",
    summary="Leave differences as they are",
    auth=ADD,
    response=answers(schemas.PortalDomainsLeft, 404, 411, 413, 415, 422),
    openapi_extra={
        "requestBody": json_body(
            "PortalDomainsIn", {"one": {"value": {"kind": "lost", "domains": ["cliente.pt"]}}}
        )
    },
)
def leave_portal_domains(request, tenant_id: int):
    """They are shown no more, and nothing is registered by itself, until they are shown again. A
    domain that does not differ in this way is passed over.
    """
    tenant = tenant_of(request, tenant_id)
    wanted = request_body.shaped(request, schemas.PortalDomainsIn)
    rows = None
    if wanted.domains is not None:
        names = [_name(text) for text in wanted.domains]
        differences = PortalDomain.objects.filter(tenant=tenant, domain__in=names)
        rows = list(differences.values_list("pk", flat=True))
    kind = PortalDomain.Kind(wanted.kind)
    return {"left": decided.leave(tenant, rows, kind, who=request.auth.actor)}


@router.post(
    "/tenants/{int:tenant_id}/portal-domains/show-again",
    operation_id="showPortalDomains",
    summary="Show again what was left as it is",
    auth=ADD,
    response=answers(schemas.PortalDomainsShown, 404),
)
def show_portal_domains(request, tenant_id: int):
    """All that was left so of this tenant."""
    tenant = tenant_of(request, tenant_id)
    return {"shown": decided.show_again(tenant, who=request.auth.actor)}


@router.post(
    "/tenants/{int:tenant_id}/portal-domains/believe",
    operation_id="believePortalDomains",
    summary="Believe a list that lacks many",
    auth=ADD,
    response=answers(schemas.PortalDomains, 404, 409),
)
def believe_portal_domains(request, tenant_id: int):
    """That as many domains are gone as the last list lacks (`state` is `doubtful`): it is compared
    again at once, and what it lacks is `lost`. 409: no list is in doubt. Nothing is removed.
    """
    tenant = tenant_of(request, tenant_id)
    if not decided.believe(tenant, who=request.auth.actor):
        raise Problem(409, _("No list of this server is in doubt."))
    return list_portal_domains(request, tenant_id, schemas.PortalDomainsQuery.model_validate({}))


def _name(text: str) -> str:
    try:
        return normalize_domain(text)
    except DomainError as problem:
        raise invalid("body", "domains", translate(problem.message), code="not_a_domain") from None
