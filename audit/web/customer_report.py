"""The report for the customer: a signed link that ends by itself, to a page that says what to
publish and nothing of ours.
"""

from datetime import timedelta
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from audit.models import AuditDomain
from audit.reading import causes, scorecard
from audit.results import trail
from audit.web.audit_now import notice
from audit.web.permissions import PageRequest, require_report
from audit.web.query import filters_of, limit_of, query_of
from audit.web.scorecard import find
from audit.web.selection import MOST, NothingSelected, selected
from collectors.base import Owner, Status

DAYS = 30  # how long a link leads somewhere
_SALT = "audit.report"


def link_for(request: HttpRequest, row: AuditDomain) -> str:
    """The whole address of a new link to the report of this domain."""
    token = signing.dumps(row.pk, salt=_SALT)
    return request.build_absolute_uri(reverse("report", args=[token]))


@require_report
def make(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """A new link, to be copied: a fragment for the scorecard, or a page without JavaScript."""
    row = find(tenant_id, domain)
    trail.note(trail.Actor.person(request.user), [row], trail.REPORT)
    context = {
        "domain": row,
        "link": link_for(request, row),
        "until": timezone.localtime() + timedelta(days=DAYS),
        "language": row.tenant.get_language_display(),
    }
    response = render(request, "_report_link.html" if request.htmx else "report_link.html", context)
    patch_cache_control(response, no_store=True)
    return response


@require_report
def make_selected(request: PageRequest) -> HttpResponse:
    """New links for the selected domains that were audited, in a list to be copied."""
    try:
        found = selected(request, most=MOST)
    except NothingSelected as nothing:
        return notice(request, str(nothing), status=422)
    rows = list(found.exclude(last_audit_at=None).order_by("domain"))
    trail.note(trail.Actor.person(request.user), rows, trail.REPORT)
    query = query_of(filters_of(request.GET), limit_of(request.GET), view=request.GET.get("view"))
    context = {
        "links": [(row.unicode, link_for(request, row)) for row in rows],
        "until": timezone.localtime() + timedelta(days=DAYS),
        "list_url": reverse("overview") + query,
    }
    response = render(request, "report_links.html", context)
    patch_cache_control(response, no_store=True)
    return response


@require_safe
def report(request: HttpRequest, token: str) -> HttpResponse:
    """What the holder of a link sees, in the language of the tenant's customers. 404 for a link
    that nobody made, 410 for an old one.
    """
    try:
        pk = signing.loads(token, salt=_SALT, max_age=timedelta(days=DAYS))
    except signing.SignatureExpired:
        return _private(render(request, "report_ended.html", {"ended": True}, status=410))
    except signing.BadSignature:
        row = None
    else:
        row = AuditDomain.objects.active().select_related("tenant").filter(pk=pk).first()
    if row is None:
        return _private(
            render(request, "report_ended.html", status=404)
        )  # a customer's page, not one of ours
    with translation.override(row.tenant.language):
        response = render(request, "report.html", _context(row))
    response["Content-Language"] = row.tenant.language
    return _private(response)


def _private(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"  # the address is the key
    patch_cache_control(response, private=True, no_store=True)
    return response


def _context(row: AuditDomain) -> dict[str, Any]:
    """Only what is the customer's to know: no evidence, nothing of the server, the portal or the
    tenant.
    """
    card = scorecard.of_domain(row)
    findings = causes.linked(card)
    theirs = {c: [f for f in found if _is_customers(f)] for c, found in findings.items()}
    told = {(check_id, f["code"]) for check_id, found in theirs.items() for f in found}
    to_do, ours, done = [], [], []
    for check in card["checks"]:
        check_id, title = check["check_id"], check["title"]
        follows = {
            (f["because"]["check_id"], f["because"]["code"]) if f["because"] else None
            for f in findings[check_id]
            if f["severity"] in (Status.FAIL, Status.WARN)
        }
        if check["status"] == Status.OK:
            done.append(title)
        elif theirs[check_id]:
            to_do.append({"title": title, "status": check["status"], "findings": theirs[check_id]})
        elif not follows or not follows <= told:  # else it is named under its cause
            ours.append(title)
    return {
        "domain": row,
        "card": card,
        "to_do": to_do,
        "ours": ours,
        "done": done,
        "contact": row.tenant.contact,
    }


def _is_customers(finding: causes.LinkedFinding) -> bool:
    """Theirs to act on; what only follows from something else is not."""
    counts = finding["severity"] in (Status.FAIL, Status.WARN)
    return finding["owner"] == Owner.CUSTOMER and counts and not finding["cause"]
