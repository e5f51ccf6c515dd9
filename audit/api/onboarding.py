"""The endpoints of the onboarding: the board, and the links to customers' reports."""

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router, Status

from audit.api import request_body, schemas
from audit.api.auth import Access, not_found
from audit.api.problem_details import Problem
from audit.api.responses import answers, json_body, no_content
from audit.api.routes import SEE, row_of, tenant_of
from audit.models import ReportLink
from audit.reading import onboarding
from audit.reading.onboarding import Asked
from audit.reading.paging import page
from audit.results import trail

router = Router(tags=["onboarding"], by_alias=True)
LINK = Access(scope="run", permission="audit.make_report")


@router.get(
    "/onboarding",
    operation_id="getOnboarding",
    summary="From registered to 8/8",
    auth=SEE,
    response=answers(schemas.OnboardingSchema, 404, 422),
)
def get_onboarding(request, query: Query[schemas.OnboardingQuery]):
    """The domains in onboarding, the longest first, with who is waited for and what is missing; how
    many are in each stage, and how long it took those that were done.
    """
    if query.tenant:
        tenant_of(request, query.tenant)
    domains = request.auth.domains()
    waits = "" if query.stage == "done" else query.waits or ""
    asked = Asked(query.tenant, query.stage or "", waits, query.q or "")
    rows, _before, following = onboarding.board(
        domains, asked, limit=query.limit, cursor=query.cursor or ""
    )
    stages, _waits, exact = onboarding.numbers(domains, asked)
    months = [
        {
            "month": f"{month['month']:%Y-%m}",
            "domains": month["domains"],
            "median_seconds": round(month["median"].total_seconds()),
            "p90_seconds": round(month["p90"].total_seconds()),
        }
        for month in onboarding.months(domains, query.tenant)
    ]
    return {
        "stages": stages, "exact": exact, "months": months, "domains": rows,
        "next_cursor": following,
    }  # fmt: skip


@router.get(
    "/tenants/{int:tenant_id}/report-links",
    operation_id="listReportLinks",
    summary="The links to customers' reports",
    auth=LINK,
    response=answers(schemas.ReportLinks, 404, 422),
)
def list_report_links(request, tenant_id: int, query: Query[schemas.ReportLinksQuery]):
    """Newest first, also those that have ended; without what opens them."""
    tenant = tenant_of(request, tenant_id)
    rows = ReportLink.objects.filter(domain__tenant=tenant).select_related("domain")
    if query.domain:
        rows = rows.filter(domain=row_of(request, tenant, query.domain, "query"))
    found, following = page(rows, order=["-id"], limit=query.limit, cursor=query.cursor or "")
    return {"links": found, "next_cursor": following}


@router.post(
    "/tenants/{int:tenant_id}/report-links",
    operation_id="makeReportLink",
    summary="Make a link to a customer's report",
    auth=LINK,
    response=answers(schemas.ReportLinkSchema, 404, 409, 411, 413, 415, 422, status=201),
    openapi_extra={
        "requestBody": json_body("ReportLinkIn", {"one": {"value": {"domain": "cliente.pt"}}})
    },
)
def make_report_link(request, response: HttpResponse, tenant_id: int):
    """A new link, good for 30 days; `url` is shown this once. 409: the domain was not audited yet,
    or is disabled.
    """
    tenant = tenant_of(request, tenant_id)
    wanted = request_body.shaped(request, schemas.ReportLinkIn)
    row = row_of(request, tenant, wanted.domain, "body")
    if not row.active or row.last_audit_at is None:
        raise Problem(409, _("This domain was not audited yet, or it is disabled."))
    with transaction.atomic():
        trail.note(request.auth.actor, [row], trail.REPORT)
        [link] = ReportLink.objects.make([row], by=request.auth.user)
    link.url = request.build_absolute_uri(link.get_absolute_url())  # type: ignore[attr-defined]
    response["Cache-Control"] = "no-store"
    return Status(201, link)


@router.delete(
    "/tenants/{int:tenant_id}/report-links/{int:link_id}",
    operation_id="revokeReportLink",
    summary="Revoke a link to a customer's report",
    auth=LINK,
    response=answers(None, 404, status=204),
)
def revoke_report_link(request, tenant_id: int, link_id: int):
    """It leads nowhere from now on, and alone. One that has ended stays as it is."""
    tenant = tenant_of(request, tenant_id)
    links = ReportLink.objects.filter(domain__tenant=tenant).select_related("domain")
    link = links.filter(pk=link_id).first()
    if link is None:
        raise not_found()
    with transaction.atomic():
        if link.revoke():
            trail.note(request.auth.actor, [link.domain], trail.REVOKED, link.sent_to)
    return no_content()
