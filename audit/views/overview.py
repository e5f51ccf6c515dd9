"""The overview page, its fragment, and audits of everything that is filtered."""

import hashlib

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import push_url, trigger_client_event

from audit.models import AuditDomain, AuditRun, Tenant
from audit.overview import select
from audit.tasks import request_run

from .access import may_run, runner, viewer
from .board import board as board_of
from .query import MAX_ID, filters_of, limit_of, number, query_of
from .running import too_many

MAX_RUNS = 500  # runs (one a tenant) whose progress one page follows


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


@runner
def run_filtered(request):
    """Ask for an audit of every domain that matches the filters in the query string: one run a tenant."""
    filters, limit = filters_of(request.GET), limit_of(request.GET)
    back = reverse("overview") + query_of(filters, limit)
    if wait := too_many(request):
        return _too_many(request, wait)
    found = select(AuditDomain.objects.active(), filters)
    tenants = Tenant.objects.filter(pk__in=found.order_by().values("tenant_id")).order_by("name")
    # the same set asked twice before it has begun is one run; another set is another run
    scope = "" if not filters.query(tenant=None, sort="worst") else "?" + hashlib.sha256(query_of(filters).encode()).hexdigest()[:32]
    runs = []
    for tenant in tenants:
        domains = AuditDomain.objects.filter(pk__in=found.filter(tenant=tenant).values("pk"))
        run, _already = request_run(
            tenant=tenant, domains=domains, trigger=AuditRun.Trigger.MANUAL, by=request.user.get_username(), scope=scope
        )
        runs.append(run.pk)
    if request.htmx:
        return render(request, "_progress.html", _progress(runs))
    return redirect(f"{back}{'&' if '?' in back else '?'}runs={','.join(map(str, runs))}")


@require_safe
@viewer
def progress(request):
    """How far the runs in `ids` are; when they have ended, the board is told to refresh."""
    context = _progress(_ids(request.GET.get("ids", "")))
    response = render(request, "_progress.html", context)
    return response if context.get("open", True) else trigger_client_event(response, "lb:refresh", after="swap")


def _extras(request):
    return {"may_run": may_run(request.user), **_progress(_ids(request.GET.get("runs", "")))}


def _ids(text):
    ids = (number(part, highest=MAX_ID) for part in text.split(",")[:MAX_RUNS])
    return [i for i in ids if i]


def _progress(ids):
    if not ids:
        return {}
    runs = list(AuditRun.objects.filter(pk__in=ids))
    return {
        "progress": {
            "domains": sum(r.domains for r in runs),
            "finished": sum(r.done + r.failed for r in runs),
            "failed": sum(r.failed for r in runs),
        },
        "open": any(r.finished_at is None for r in runs),
        "progress_url": f"{reverse('progress')}?ids={','.join(map(str, ids))}",
    }


def _too_many(request, wait):
    text = _("That is many audits in a short time. Try again in %(seconds)s seconds.") % {"seconds": wait}
    response = render(request, "_notice.html" if request.htmx else "notice.html", {"notice": text}, status=429)
    response["Retry-After"] = str(wait)
    return response


def missing(request, exception=None):
    """404 in our own words; a fragment gets one line."""
    if request.headers.get("HX-Request"):
        return HttpResponse(_("This domain is not here any more."), status=404, content_type="text/plain; charset=utf-8")
    return render(request, "404.html", status=404)
