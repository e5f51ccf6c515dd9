"""The report for the customer: a signed link that ends by itself, to a page that says what to
publish and nothing of ours.
"""

import contextlib

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_safe

from audit.models import ReportLink
from audit.models.onboarding import LinkEnded
from audit.reading.check_again import checked_again
from audit.reading.customer_report import report_of, zone_of
from audit.web import report_links as links
from audit.web.customers_page import in_language, private


@require_safe
def report(request: HttpRequest, token: str) -> HttpResponse:
    """What the holder of a link sees, in the language of the tenant's customers. 404 for a link
    that nobody made, 410 for one that was revoked, is done or expired.
    """
    link = _link(request, token)
    if isinstance(link, HttpResponse):
        return link
    row, tenant = link.domain, link.domain.tenant
    with translation.override(tenant.language):
        found = report_of(row)
        again = checked_again(row, [r for step in found.steps for r in step.records])
    context = {
        "report": found,
        "again": again,
        "report_url": reverse("report", args=[token]),
        "again_url": reverse("check-again", args=[token]) if found.last_audit else "",
        "zone_url": reverse("report-zone", args=[token]),
        "seen_url": reverse("report-seen", args=[token]),
        "contact": tenant.contact,
        "server": tenant.name,
    }
    return in_language(request, "report.html", context, tenant)


@require_safe
def seen(request: HttpRequest, token: str) -> HttpResponse:
    """Asked by the report's page once a person moves on it: mail filters and previews of links
    fetch the page as people do. 204, whatever the link.
    """
    with contextlib.suppress(LinkEnded):
        if link := ReportLink.objects.of_token(token):
            links.note_opened(link, request)
    return private(HttpResponse(status=204))


@require_safe
def zone(request: HttpRequest, token: str) -> HttpResponse:
    """What the report says to publish, as part of a zone's file (RFC 1035, section 5), to keep.

    404 where nothing is to be published; else as the report itself.
    """
    link = _link(request, token)
    if isinstance(link, HttpResponse):
        return link
    with translation.override(link.domain.tenant.language):
        text = zone_of(link.domain)
    if not text:
        return private(render(request, "report_ended.html", status=404))
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="zone.txt"'
    return private(response)


def _link(request: HttpRequest, token: str) -> ReportLink | HttpResponse:
    """The link with this token, or the page that says why it leads nowhere."""
    try:
        link = ReportLink.objects.of_token(token)
    except LinkEnded as ended:
        tenant = ended.link.domain.tenant
        well = ended.why == ended.why.DONE and report_of(ended.link.domain).state == "done"
        context = {"ended": ended.why, "well": well, "tenant": tenant}
        return in_language(request, "report_ended.html", context, tenant, status=410)
    if link is None:  # a customer's page, not one of ours
        whole = ReportLink.objects.number_of(token) is not None  # so the domain is gone
        context = {"ended": "gone" if whole else ""}
        return private(render(request, "report_ended.html", context, status=404))
    return link
