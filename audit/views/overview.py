"""The overview page and its fragment."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from .access import may_run, viewer
from .board import board as board_of
from .running import progress_of


@require_safe
@viewer
def overview(request):
    """The whole page."""
    return render(request, "overview.html", board_of(request) | _extras(request))


@require_safe
@viewer
def board(request):
    """The overview's fragment. A request of the filter form also changes the address."""
    context = board_of(request)
    response = render(request, "_board.html", context | _extras(request))
    moved = "push" in request.GET and request.htmx.current_url_abs_path != context["list_url"]
    return push_url(response, context["list_url"]) if moved else response


def _extras(request):
    return {"may_run": may_run(request.user), **progress_of(request.GET.get("runs", ""))}


def missing(request, exception=None):
    """404 in our own words; a fragment gets one line."""
    if request.headers.get("HX-Request"):
        return HttpResponse(_("This domain is not here any more."), status=404, content_type="text/plain; charset=utf-8")
    return render(request, "404.html", status=404)
