"""The endpoints under /api/v1/audit/: authorise, fetch, one call, respond."""

import logging

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from ninja import Query, Router, Status

from audit import tasks, validators
from audit.access.throttle import Throttle
from audit.api import request_body, schemas
from audit.api.auth import Access, not_found
from audit.api.problem_details import Problem, error, invalid, too_many
from audit.api.responses import answers, json_body, no_content
from audit.models import AuditDomain, AuditRun, CheckTransition
from audit.models.domains import QuotaReached
from audit.reading import scorecard
from audit.reading.filters import FILTERS, Filters, containing
from audit.reading.incident_list import ORDER, listed, only_of
from audit.reading.incidents import domains_of
from audit.reading.overview import overview
from audit.reading.paging import page
from audit.results import trail
from audit.results.translate import translate
from collectors.names import DomainError, normalize_domain

log = logging.getLogger(__name__)
router = Router(tags=["audit"], by_alias=True)

SEE = Access(scope="read", permission="audit.view_auditdomain")
RUN = Access(scope="run", permission="audit.run_audit")
ADD = Access(scope="run", permission="audit.add_auditdomain")
REMOVE = Access(scope="run", permission="audit.delete_auditdomain")


@router.get(
    "/overview",
    operation_id="getOverview",
    summary="All domains at a glance",
    auth=SEE,
    response=answers(schemas.OverviewSchema, 422),
)
def get_overview(request, query: Query[schemas.OverviewQuery]):
    """The worker's state, counts of all domains that you may see, and one page of cards that match
    the filters.
    """
    return overview(
        request.auth.domains(),
        Filters(**{name: getattr(query, name) for name in FILTERS}),
        limit=query.limit,
        cursor=query.cursor or "",
        tenant=request.auth.tenant_id,
    )


@router.get(
    "/tenants/{int:tenant_id}/scorecard",
    operation_id="getScorecard",
    url_name="get_scorecard",
    summary="All checks of one domain",
    auth=SEE,
    response=answers(schemas.ScorecardSchema, 404, 422),
)
def get_scorecard(request, tenant_id: int, domain: schemas.DomainText | None = None):
    """All checks with findings, fixes and evidence. `domain` may be left out where the tenant
    has exactly one.
    """
    tenant = tenant_of(request, tenant_id)
    row = row_of(request, tenant, domain, "query") if domain else _only_domain(request, tenant)
    return scorecard.of_domain(row)


@router.post(
    "/run/{int:tenant_id}",
    operation_id="runAudit",
    summary="Audit now",
    auth=RUN,
    response=answers(schemas.RunAccepted, 404, 409, 422, status=202),
)
def run_audit(
    request, response: HttpResponse, tenant_id: int, domain: schemas.DomainText | None = None
):
    """Queue an audit of one domain, or of every enabled domain of the tenant. Asked twice while the
    first has not begun, it answers with the first.
    """
    if "domain" in request.GET and not domain:
        raise invalid(
            "query", "domain", _("The domain name is empty.")
        )  # an empty variable in a script does not mean: all
    caller = request.auth
    if wait := run_limit().hit(caller.key):
        raise too_many(wait)
    tenant = tenant_of(request, tenant_id)
    domains = caller.domains().filter(tenant=tenant, enabled=True)
    if domain:
        domains = domains.filter(pk=row_of(request, tenant, domain, "query").pk)
    if not tenant.enabled or not domains.exists():
        one, every = (
            _("This domain or its tenant is disabled; enable it first."),
            _("This tenant is disabled or has no enabled domain."),
        )
        raise Problem(409, one if domain else every)
    scope = domains[0].domain if domain else ""
    run, already = tasks.request_run(
        tenant=tenant,
        domains=domains,
        trigger=AuditRun.Trigger.MANUAL,
        by=caller.name,
        scope=scope,
        who=caller.actor,
    )
    address = reverse("api:get_run", args=[run.pk])
    response["Location"] = address
    return Status(
        202,
        {
            "run_id": run.pk,
            "status": "queued",
            "domains": run.domains,
            "already_queued": already,
            "status_url": address,
        },
    )


@router.get(
    "/runs/{int:run_id}",
    operation_id="getRun",
    url_name="get_run",
    summary="How far a run is",
    auth=SEE,
    response=answers(schemas.Run, 404),
)
def get_run(request, run_id: int):
    """`failed` counts domains that could not be audited; a run has failed when all of them did."""
    run = request.auth.runs().filter(pk=run_id).first()
    if run is None:
        raise not_found()
    return run


@router.get(
    "/tenants/{int:tenant_id}/history",
    operation_id="getHistory",
    summary="What changed, newest first",
    auth=SEE,
    response=answers(schemas.History, 404, 422),
)
def get_history(request, tenant_id: int, query: Query[schemas.HistoryQuery]):
    """Changes of checks between conclusive statuses; `unknown` in between is not a change."""
    tenant = tenant_of(request, tenant_id)
    rows = CheckTransition.objects.select_related("domain")
    if query.domain:
        rows = rows.filter(domain=row_of(request, tenant, query.domain, "query"))
    else:  # by their own column: a database that begins with the domains would sort all
        rows = rows.filter(tenant=tenant)
    if query.check_id:
        rows = rows.filter(check_id=query.check_id)
    found, following = page(
        rows, order=["-at", "-id"], limit=query.limit, cursor=query.cursor or ""
    )
    for change in found:
        change.domain.tenant = tenant
    return {"transitions": found, "next_cursor": following}


@router.get(
    "/incidents",
    operation_id="listIncidents",
    summary="Causes, and how many domains each touches",
    auth=SEE,
    response=answers(schemas.Incidents, 404, 422),
)
def list_incidents(request, query: Query[schemas.IncidentsQuery]):
    """Newest first. With `tenant`, and to a token of one tenant, the numbers of an incident that
    several tenants share are those of its own domains.
    """
    wanted = query.tenant or request.auth.tenant_id
    tenant = tenant_of(request, wanted) if wanted else None
    rows = listed(query.state, tenant=wanted)
    found, following = page(rows, order=ORDER, limit=query.limit, cursor=query.cursor or "")
    if tenant:
        only_of(tenant, found)
    for pk, name in domains_of(found).items():
        next(i for i in found if i.pk == pk).subject = name
    return {"incidents": found, "next_cursor": following}


@router.get(
    "/tenants/{int:tenant_id}/domains",
    operation_id="listDomains",
    summary="The registered domains of a tenant",
    auth=SEE,
    response=answers(schemas.Domains, 404, 422),
)
def list_domains(request, tenant_id: int, query: Query[schemas.DomainsQuery]):
    """By name; also those that are disabled."""
    tenant = tenant_of(request, tenant_id)
    rows = request.auth.domains().filter(tenant=tenant)
    if query.q:
        rows = rows.filter(containing(query.q))
    found, following = page(
        rows, order=["domain", "id"], limit=query.limit, cursor=query.cursor or ""
    )
    for row in found:
        row.tenant = tenant
    return {"domains": found, "next_cursor": following}


@router.post(
    "/tenants/{int:tenant_id}/domains",
    operation_id="registerDomain",
    summary="Register a domain",
    auth=ADD,
    response={
        **answers(schemas.Domain, 404, 409, 411, 413, 415, 422, status=201),
        200: schemas.Domain,
    },
    openapi_extra={
        "requestBody": json_body("DomainIn", {"one": {"value": {"domain": "cliente.pt"}}})
    },
)
def register_domain(request, response: HttpResponse, tenant_id: int):
    """201 with the new domain, which is audited at once; 200 with the domain as it is where it was
    registered before.
    """
    tenant = tenant_of(request, tenant_id)
    wanted = request_body.shaped(request, schemas.DomainIn)
    try:
        validators.selector_list(wanted.dkim_selectors)
    except ValidationError as problem:
        raise invalid("body", "dkim_selectors", problem.messages[0]) from None
    name = _name(wanted.domain, "body")
    with transaction.atomic():
        try:
            row, new = AuditDomain.objects.register(
                tenant=tenant,
                domain=name,
                source=AuditDomain.Source.API,
                dkim_selectors=wanted.dkim_selectors,
            )
        except QuotaReached as reached:
            sentence = translate(reached.message)
            found = error("body", "domain", sentence, code="quota")
            raise Problem(409, sentence, errors=[found]) from None
        if new:
            trail.note(request.auth.actor, [row], trail.REGISTERED, flag=trail.ADDITION)
            trail.note(request.auth.actor, [tenant], trail.REGISTERED, name)
        if new and tenant.enabled:
            only = AuditDomain.objects.filter(pk=row.pk)
            tasks.request_run(
                tenant=tenant,
                domains=only,
                trigger=AuditRun.Trigger.MANUAL,
                by=request.auth.name,
                scope=name,
            )
    row.tenant = tenant
    if not new:
        return Status(200, row)
    log.info("%s registered %s on %s", request.auth.name, name, tenant.name)
    address = reverse("api:get_scorecard", args=[tenant.pk])
    response["Location"] = f"{address}?{urlencode({'domain': name})}"
    return Status(201, row)


@router.delete(
    "/tenants/{int:tenant_id}/domains/{domain}",
    operation_id="removeDomain",
    summary="Remove a domain",
    auth=REMOVE,
    response=answers(None, 404, 422, status=204),
)
def remove_domain(request, tenant_id: int, domain: schemas.DomainText):
    """It is audited no more, and its results and history go with it."""
    tenant = tenant_of(request, tenant_id)
    row = row_of(request, tenant, domain, "path")
    with transaction.atomic():
        trail.note(request.auth.actor, [row], trail.REMOVED, flag=trail.DELETION)
        trail.note(request.auth.actor, [tenant], trail.REMOVED, row.domain)
        row.delete()
    log.info("%s removed %s from %s", request.auth.name, row.domain, tenant.name)
    return no_content()


def run_limit():
    """How often one caller may ask for audits."""
    return Throttle("api-run", tries=settings.AUDIT_RUNS_PER_MINUTE, seconds=60)


# -- what is asked for


def tenant_of(request, tenant_id):
    """A tenant that the caller may see; raises Problem 404."""
    tenant = request.auth.tenants().filter(pk=tenant_id).first()
    if tenant is None:
        raise not_found()
    return tenant


def _name(text, where):
    try:
        return normalize_domain(text)
    except DomainError as problem:
        raise invalid(where, "domain", translate(problem.message), code="not_a_domain") from None


def row_of(request, tenant, text, where):
    """The registered domain with this name on this tenant; raises Problem 404."""
    row = request.auth.domains().filter(tenant=tenant, domain=_name(text, where)).first()
    if row is None:
        raise not_found()
    row.tenant = tenant
    return row


def _only_domain(request, tenant):
    rows = list(request.auth.domains().filter(tenant=tenant)[:2])
    if len(rows) != 1:
        sentence = (
            _("This tenant has more than one domain; say which with ?domain=.")
            if rows
            else _("This tenant has no domain yet.")
        )
        raise invalid("query", "domain", sentence, code="missing")
    rows[0].tenant = tenant
    return rows[0]
