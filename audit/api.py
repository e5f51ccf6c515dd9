"""The endpoints under /api/v1/audit/: authorise, fetch, one call, respond."""

import logging

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import ValidationError as ShapeError

from collectors.names import DomainError, normalize_domain, to_unicode

from . import bodies, schemas, scorecards, tasks, validators
from .answers import answers, json_body, no_content, send
from .auth import Access, not_found
from .events import register
from .models import AuditDomain, AuditRun, CheckTransition
from .overview import Filters, containing, overview
from .paging import page
from .problems import Problem, error, invalid, too_many
from .scoring import max_score
from .sentences import say
from .throttle import Limit

log = logging.getLogger(__name__)
router = Router(tags=["audit"], by_alias=True)

SEE = Access(scope="read", permission="audit.view_auditdomain")
RUN = Access(scope="run", permission="audit.run_audit")
ADD = Access(scope="run", permission="audit.add_auditdomain")
REMOVE = Access(scope="run", permission="audit.delete_auditdomain")


@router.get("/overview", operation_id="getOverview", summary="All domains at a glance", auth=SEE, response=answers(schemas.Overview, 422))
def get_overview(request, query: Query[schemas.OverviewQuery]):
    """The worker's state, counts of all domains that you may see, and one page of cards that match the filters."""
    wanted = {name: getattr(query, name) for name in ("tenant", "status", "check", "owner", "q", "sort")}
    filters = Filters(**{name: value for name, value in wanted.items() if value is not None})
    data = overview(request.auth.domains(), filters, limit=query.limit, cursor=query.cursor or "", tenant=request.auth.tenant_id)
    data["worker"] = _only(schemas.Worker, data["worker"])
    data["cards"] = [_only(schemas.Card, card) for card in data["cards"]]
    return send(data)


@router.get(
    "/tenants/{int:tenant_id}/scorecard", operation_id="getScorecard", url_name="get_scorecard", summary="All checks of one domain",
    auth=SEE, response=answers(schemas.Scorecard, 404, 422),
)  # fmt: skip
def get_scorecard(request, tenant_id: int, domain: schemas.DomainText | None = None):
    """The eight checks with findings, fixes and evidence. `domain` may be left out where the tenant has exactly one."""
    tenant = _tenant(request, tenant_id)
    row = _row(request, tenant, domain, "query") if domain else _only_domain(request, tenant)
    return send(_only(schemas.Scorecard, scorecards.of_domain(row)))


@router.post(
    "/run/{int:tenant_id}", operation_id="runAudit", summary="Audit now", auth=RUN,
    response=answers(schemas.RunAccepted, 404, 409, 422, status=202),
)  # fmt: skip
def run_audit(request, tenant_id: int, domain: schemas.DomainText | None = None):
    """Queue an audit of one domain, or of every enabled domain of the tenant. Asked twice while the first has not begun, it
    answers with the first."""
    if "domain" in request.GET and not domain:
        raise invalid("query", "domain", _("The domain name is empty."))  # an empty variable in a script does not mean: all
    caller = request.auth
    if wait := run_limit().hit(caller.key):
        raise too_many(wait)
    tenant = _tenant(request, tenant_id)
    domains = caller.domains().filter(tenant=tenant, enabled=True)
    if domain:
        domains = domains.filter(pk=_row(request, tenant, domain, "query").pk)
    if not tenant.enabled or not domains.exists():
        one, every = _("This domain or its tenant is disabled; enable it first."), _("This tenant is disabled or has no enabled domain.")
        raise Problem(409, one if domain else every)
    scope = domains[0].domain if domain else ""
    run, already = tasks.request_run(tenant=tenant, domains=domains, trigger=AuditRun.Trigger.MANUAL, by=caller.name, scope=scope)
    address = reverse("api:get_run", args=[run.pk])
    answer = {"run_id": run.pk, "status": "queued", "domains": run.domains, "already_queued": already, "status_url": address}
    return send(answer, status=202, headers={"Location": address})


@router.get(
    "/runs/{int:run_id}", operation_id="getRun", url_name="get_run", summary="How far a run is", auth=SEE,
    response=answers(schemas.Run, 404),
)  # fmt: skip
def get_run(request, run_id: int):
    """`failed` counts domains that could not be audited; a run has failed when all of them did."""
    run = request.auth.runs().filter(pk=run_id).first()
    if run is None:
        raise not_found()
    counted = {name: getattr(run, name) for name in ("domains", "done", "failed", "started_at", "finished_at")}
    return send({"run_id": run.pk, "status": run.state, **counted})


@router.get(
    "/tenants/{int:tenant_id}/history", operation_id="getHistory", summary="What changed, newest first", auth=SEE,
    response=answers(schemas.History, 404, 422),
)  # fmt: skip
def get_history(request, tenant_id: int, query: Query[schemas.HistoryQuery]):
    """Changes of checks between conclusive statuses; `unknown` in between is not a change."""
    tenant = _tenant(request, tenant_id)
    rows = CheckTransition.objects.filter(domain__tenant=tenant).select_related("domain")
    if query.domain:
        rows = rows.filter(domain=_row(request, tenant, query.domain, "query"))
    if query.check_id:
        rows = rows.filter(check_id=query.check_id)
    found, following = page(rows, order=["-at", "-id"], limit=query.limit, cursor=query.cursor or "")
    return send({"transitions": [_transition(t) for t in found], "next_cursor": following})


@router.get(
    "/tenants/{int:tenant_id}/domains", operation_id="listDomains", summary="The registered domains of a tenant", auth=SEE,
    response=answers(schemas.Domains, 404, 422),
)  # fmt: skip
def list_domains(request, tenant_id: int, query: Query[schemas.DomainsQuery]):
    """By name; also those that are disabled."""
    tenant = _tenant(request, tenant_id)
    rows = request.auth.domains().filter(tenant=tenant)
    if query.q:
        rows = rows.filter(containing(query.q))
    found, following = page(rows, order=["domain", "id"], limit=query.limit, cursor=query.cursor or "")
    return send({"domains": [_domain(row, tenant) for row in found], "next_cursor": following})


@router.post(
    "/tenants/{int:tenant_id}/domains", operation_id="registerDomain", summary="Register a domain", auth=ADD,
    response={**answers(schemas.Domain, 404, 411, 413, 415, 422, status=201), 200: schemas.Domain},
    openapi_extra={"requestBody": json_body("DomainIn", {"one": {"value": {"domain": "cliente.pt"}}})},
)  # fmt: skip
def register_domain(request, tenant_id: int):
    """201 with the new domain, which is audited at once; 200 with the domain as it is where it was registered before."""
    tenant = _tenant(request, tenant_id)
    wanted = _domain_in(bodies.parse(bodies.read(request)))
    name = _name(wanted.domain, "body")
    with transaction.atomic():
        row, new = register(tenant=tenant, domain=name, source=AuditDomain.Source.API, dkim_selectors=wanted.dkim_selectors)
        if new and tenant.enabled:
            only = AuditDomain.objects.filter(pk=row.pk)
            tasks.request_run(tenant=tenant, domains=only, trigger=AuditRun.Trigger.MANUAL, by=request.auth.name, scope=name)
    if not new:
        return send(_domain(row, tenant))
    log.info("%s registered %s on %s", request.auth.name, name, tenant.name)
    address = f"{reverse('api:get_scorecard', args=[tenant.pk])}?{urlencode({'domain': name})}"
    return send(_domain(row, tenant), status=201, headers={"Location": address})


@router.delete(
    "/tenants/{int:tenant_id}/domains/{domain}", operation_id="removeDomain", summary="Remove a domain", auth=REMOVE,
    response=answers(None, 404, 422, status=204),
)  # fmt: skip
def remove_domain(request, tenant_id: int, domain: schemas.DomainText):
    """It is audited no more, and its results and history go with it."""
    tenant = _tenant(request, tenant_id)
    row = _row(request, tenant, domain, "path")
    row.delete()
    log.info("%s removed %s from %s", request.auth.name, row.domain, tenant.name)
    return no_content()


def run_limit():
    """How often one caller may ask for audits."""
    return Limit("api-run", tries=settings.AUDIT_RUNS_PER_MINUTE, seconds=60)


# -- what is asked for


def _tenant(request, tenant_id):
    tenant = request.auth.tenants().filter(pk=tenant_id).first()
    if tenant is None:
        raise not_found()
    return tenant


def _name(text, where):
    try:
        return normalize_domain(text)
    except DomainError as problem:
        raise invalid(where, "domain", say(problem.message), code="not_a_domain") from None


def _row(request, tenant, text, where):
    """The registered domain with this name on this tenant."""
    row = request.auth.domains().filter(tenant=tenant, domain=_name(text, where)).first()
    if row is None:
        raise not_found()
    row.tenant = tenant
    return row


def _only_domain(request, tenant):
    rows = list(request.auth.domains().filter(tenant=tenant)[:2])
    if len(rows) != 1:
        sentence = _("This tenant has more than one domain; say which with ?domain=.") if rows else _("This tenant has no domain yet.")
        raise invalid("query", "domain", sentence, code="missing")
    rows[0].tenant = tenant
    return rows[0]


def _domain_in(data):
    """The body of a registration; raises Problem 422."""
    if not isinstance(data, dict):
        raise invalid("body", "body", _("The body is a JSON object."), code="not_an_object")
    try:
        wanted = schemas.DomainIn.model_validate(data)
        validators.selector_list(wanted.dkim_selectors)
    except ShapeError as problem:
        found = [error("body", ".".join(map(str, e["loc"])) or "body", e["msg"], code=e["type"]) for e in problem.errors()]
        raise Problem(422, _("The body does not have the form that is asked for."), errors=found) from None
    except ValidationError as problem:
        raise invalid("body", "dkim_selectors", problem.messages[0]) from None
    return wanted


# -- what is answered


def _only(schema, data):
    """Those entries of `data` that the schema documents."""
    return {name: data[name] for name in schema.model_fields}


def _transition(row):
    return {
        "domain": row.domain.domain,
        "unicode": row.domain.unicode,
        "check_id": row.check_id,
        "from": row.from_status or None,
        "to": row.to_status,
        "at": row.at,
        "message": say(row.message_source, row.message),
        "evidence_before": row.evidence_before,
        "evidence_after": row.evidence_after,
    }


def _domain(row, tenant):
    return {
        "tenant_id": tenant.pk,
        "domain": row.domain,
        "unicode": to_unicode(row.domain),
        "source": row.source,
        "dkim_selectors": row.dkim_selectors,
        "enabled": row.enabled,
        "score": row.score,
        "max_score": max_score(),
        "status": row.status,
        "stale": row.stale,
        "last_audit": row.last_audit_at,
        "next_audit": row.next_audit_at if row.enabled and tenant.enabled else None,
        "created_at": row.created_at,
    }
