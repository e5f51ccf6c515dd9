"""The report for the customer: a signed link that ends by itself, to a page that says what to
publish and nothing of ours.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.models import AuditDomain
from audit.reading import causes, scorecard
from audit.web import report_links as links
from audit.web.customers_page import in_language, private
from collectors.base import Owner, Status


@require_safe
def report(request: HttpRequest, token: str) -> HttpResponse:
    """What the holder of a link sees, in the language of the tenant's customers. 404 for a link
    that nobody made, 410 for one that was revoked, is done or expired.
    """
    try:
        link = links.link_of(token)
    except links.LinkEnded as ended:
        tenant = ended.link.domain.tenant
        context = {"ended": ended.why, "tenant": tenant}
        return in_language(request, "report_ended.html", context, tenant, status=410)
    if link is None:  # a customer's page, not one of ours
        return private(render(request, "report_ended.html", status=404))
    row = link.domain
    response = in_language(request, "report.html", _context(row), row.tenant)
    links.note_opened(link, request)
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
