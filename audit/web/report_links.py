"""Links to customers' reports: made for one domain or a selection, and what opens one.

The address of a link is its row's number, signed; nothing that opens it is kept.
"""

from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control

from audit.models import ReportLink
from audit.models.onboarding import LinkEnded
from audit.results import trail
from audit.web.audit_now import notice
from audit.web.permissions import PageRequest, require_report
from audit.web.query import filters_of, limit_of, query_of
from audit.web.scorecard import find
from audit.web.selection import MOST, NothingSelected, selected

__all__ = ["LinkEnded"]  # what `link_of` raises


def token_of(link: ReportLink) -> str:
    """What the address of a link holds."""
    return link.token


def link_of(token: str) -> ReportLink | None:
    """The link with this token, see `ReportLinkQuerySet.of_token`; raises LinkEnded."""
    return ReportLink.objects.of_token(token)


def url_of(request: HttpRequest, link: ReportLink) -> str:
    """Its whole address."""
    return request.build_absolute_uri(link.get_absolute_url())


def note_opened(link: ReportLink, request: HttpRequest) -> None:
    """Somebody looked at the report. One of us does not count, nor a robot's HEAD."""
    if request.method == "GET" and not request.user.is_authenticated:
        link.note_opened()


def note_checked(link: ReportLink, request: HttpRequest) -> None:
    """Somebody had it checked again; one of us does not count."""
    if not request.user.is_authenticated:
        link.note_checked()


@require_report
def make(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """A new link, to be copied: a fragment for the scorecard, or a page without JavaScript."""
    row = find(tenant_id, domain)
    with transaction.atomic():
        trail.note(trail.Actor.person(request.user), [row], trail.REPORT)
        [link] = ReportLink.objects.make([row], by=request.user)
    context = {
        "domain": row,
        "link": url_of(request, link),
        "until": timezone.localtime(link.expires_at),
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
    with transaction.atomic():
        trail.note(trail.Actor.person(request.user), rows, trail.REPORT)
        links = ReportLink.objects.make(rows, by=request.user)
    query = query_of(filters_of(request.GET), limit_of(request.GET), view=request.GET.get("view"))
    context = {
        "links": [(link.domain.unicode, url_of(request, link)) for link in links],
        "until": timezone.localtime() + timedelta(days=ReportLink.DAYS),
        "list_url": reverse("overview") + query,
    }
    response = render(request, "report_links.html", context)
    patch_cache_control(response, no_store=True)
    return response
