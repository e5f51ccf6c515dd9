"""The overview page and its fragment."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from audit.web.audit_now import open_runs, progress_of
from audit.web.overview_context import overview_context
from audit.web.permissions import PageRequest, may_report, may_run, may_waive, viewer
from audit.web.query import keep_view


@require_safe
@viewer
def overview(request: PageRequest) -> HttpResponse:
    """The whole page."""
    response = render(request, "overview.html", overview_context(request) | _extras(request))
    return keep_view(request, response)


@require_safe
@viewer
def board(request: PageRequest) -> HttpResponse:
    """The overview's fragment. A request of the filter form also changes the address."""
    context = overview_context(request)
    response = render(request, "_board.html", context | _extras(request))
    moved = "push" in request.GET and request.htmx.current_url_abs_path != context["list_url"]
    return push_url(response, context["list_url"]) if moved else response


def _extras(request: PageRequest) -> dict[str, Any]:
    return {
        "refreshes": True,
        "may_run": may_run(request.user),
        "may_report": may_report(request.user),
        "may_waive": may_waive(request.user),
        **(progress_of(request.GET.get("runs", "")) or progress_of(open_runs(request.user))),
    }


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404 in our own words; a fragment gets one line."""
    if request.headers.get("HX-Request"):
        return HttpResponse(
            _("This domain is not here any more."),
            status=404,
            content_type="text/plain; charset=utf-8",
        )
    return render(request, "404.html", status=404)
