"""Links to customers' reports: made for one domain or a selection, opened, and revoked.

The address of a link is its row's number, signed; nothing that opens it is kept.
"""

from datetime import timedelta

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control

from audit.models import AuditDomain, ReportLink
from audit.results import trail
from audit.web.audit_now import notice
from audit.web.permissions import PageRequest, require_report
from audit.web.query import MAX_ID, filters_of, limit_of, number, query_of
from audit.web.scorecard import find, scorecard_response
from audit.web.selection import MOST, NothingSelected, selected


def url_of(request: HttpRequest, link: ReportLink) -> str:
    """Its whole address."""
    return request.build_absolute_uri(link.get_absolute_url())


def note_opened(link: ReportLink, request: HttpRequest) -> None:
    """A person looked at the report. One of us does not count, nor a robot's HEAD."""
    if request.method == "GET" and not request.user.is_authenticated:
        link.note_opened()


def note_checked(link: ReportLink, request: HttpRequest) -> None:
    """Somebody had it checked again; one of us does not count."""
    if not request.user.is_authenticated:
        link.note_checked()


@require_report
def make(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """A new link, to be copied: a fragment for the scorecard, or a page without JavaScript; with
    `mail` the way to the page that sends it."""
    row = find(tenant_id, domain)
    [link] = _made(request, [row])
    if "mail" in request.POST:
        return redirect("mail-report", link.pk)
    context = {
        "domain": row,
        "link": link,
        "address": url_of(request, link),
        "language": row.tenant.get_language_display(),
    }
    response = render(request, "_report_link.html" if request.htmx else "report_link.html", context)
    patch_cache_control(response, no_store=True)
    return response


@require_report
def make_selected(request: PageRequest) -> HttpResponse:
    """New links for the selected domains that were audited, in a list to be copied or mailed."""
    try:
        found = selected(request, most=MOST)
    except NothingSelected as nothing:
        return notice(request, str(nothing), status=422)
    links = _made(request, list(found.exclude(last_audit_at=None).order_by("domain")))
    query = query_of(filters_of(request.GET), limit_of(request.GET), view=request.GET.get("view"))
    of_board = "board" in request.POST
    context = {
        "links": [(link, url_of(request, link)) for link in links],
        "until": timezone.localtime() + timedelta(days=ReportLink.DAYS),
        "of_board": of_board,
        "list_url": reverse("onboarding") if of_board else reverse("overview") + query,
    }
    response = render(request, "report_links.html", context)
    patch_cache_control(response, no_store=True)
    return response


@require_report
def revoke(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """A `link` of this domain leads nowhere from now on; the answer is its scorecard."""
    row = find(tenant_id, domain)
    pk = number(request.POST.get("link"), highest=MAX_ID)
    link = ReportLink.objects.filter(pk=pk, domain=row).first() if pk else None
    with transaction.atomic():
        if link and link.revoke():
            trail.note(trail.Actor.person(request.user), [row], trail.REVOKED, link.sent_to)
    return scorecard_response(request, row)


def find_link(link_id: int) -> ReportLink:
    """A link with its domain and tenant; raises Http404."""
    links = ReportLink.objects.select_related("domain__tenant")
    link = links.filter(pk=link_id).first() if link_id <= MAX_ID else None
    if link is None:
        raise Http404
    return link


def _made(request: PageRequest, rows: list[AuditDomain]) -> list[ReportLink]:
    with transaction.atomic():
        trail.note(trail.Actor.person(request.user), rows, trail.REPORT)
        return ReportLink.objects.make(rows, by=request.user)
