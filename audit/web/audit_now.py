"""Audits of many domains that a person asks for (what is filtered, what is selected), their
progress, and the limit on asking.
"""

import hashlib
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from audit.access.throttle import Throttle
from audit.models import AuditDomain, AuditRun, Tenant
from audit.reading.filters import Domains, select
from audit.results.trail import Actor
from audit.tasks import request_run
from audit.web.permissions import PageRequest, require_run, viewer
from audit.web.query import MAX_ID, filters_of, limit_of, number, query_of, unfolded
from audit.web.selection import NothingSelected, is_all, selected

MAX_RUNS = 500  # runs (one a tenant) whose progress one page follows


def too_many(request: PageRequest) -> int:
    """Count one request for audits: 0, or the seconds until this user may ask again."""
    return Throttle("page-run", tries=settings.AUDIT_RUNS_PER_MINUTE, seconds=60).hit(
        str(request.user.pk)
    )


@require_run
def run_filtered(request: PageRequest) -> HttpResponse:
    """Ask for an audit of every domain that matches the filters in the query string: one run a
    tenant.
    """
    filters = unfolded(filters_of(request.GET))
    found = select(AuditDomain.objects.active(), filters)
    everything = not filters.but(tenant=None, sort="")
    return _run(request, found, scope="" if everything else _scope(query_of(filters)))


@require_run
def run_selected(request: PageRequest) -> HttpResponse:
    """Ask for an audit of the domains that are selected: one run a tenant."""
    try:
        found = selected(request)
    except NothingSelected as nothing:
        return notice(request, str(nothing), status=422)
    if is_all(request):
        return _run(request, found, scope=_scope(query_of(filters_of(request.GET))))
    ids = sorted(found.order_by().values_list("pk", flat=True))
    return _run(
        request, AuditDomain.objects.filter(pk__in=ids), scope=_scope(",".join(map(str, ids)))
    )


@require_safe
@viewer
def progress(request: PageRequest) -> HttpResponse:
    """How far the runs in `ids` are; when they have ended, the board is told to refresh."""
    context = progress_of(request.GET.get("ids", ""))
    response = render(request, "_progress.html", context)
    return (
        response
        if context.get("open", True)
        else trigger_client_event(response, "lb:refresh", after="swap")
    )


def open_runs(user: User | AnonymousUser) -> str:
    """The unfinished runs over several domains that this user asked for, as `progress_of` takes
    them: their progress outlives the page that showed it.
    """
    mine = AuditRun.objects.filter(
        trigger=AuditRun.Trigger.MANUAL, requested_by=user.get_username(), finished_at=None
    )
    several = mine.filter(Q(scope="") | Q(scope__startswith="?")).order_by("pk")
    return ",".join(map(str, several.values_list("pk", flat=True)[:MAX_RUNS]))


def progress_of(text: str) -> dict[str, Any]:
    """The context of the progress of these runs (ids with commas between; what is none is left
    out), empty without any.
    """
    ids = [i for i in (number(part, highest=MAX_ID) for part in text.split(",")[:MAX_RUNS]) if i]
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


def _run(request: PageRequest, found: Domains, *, scope: str) -> HttpResponse:
    """Ask for the audit of these domains and show how far it is. `scope`: the same set asked twice
    before it has begun is one run.
    """
    if wait := too_many(request):
        text = _("That is many audits in a short time. Try again in %(seconds)s seconds.") % {
            "seconds": wait
        }
        response = notice(request, text, status=429)
        response["Retry-After"] = str(wait)
        return response
    runs = []
    for tenant in Tenant.objects.filter(pk__in=found.order_by().values("tenant_id")).order_by(
        "name"
    ):
        domains = AuditDomain.objects.filter(pk__in=found.filter(tenant=tenant).values("pk"))
        run, _already = request_run(
            tenant=tenant,
            domains=domains,
            trigger=AuditRun.Trigger.MANUAL,
            by=request.user.get_username(),
            scope=scope,
            who=Actor.person(request.user),
        )
        runs.append(str(run.pk))
    ids = ",".join(runs)
    if request.htmx:
        # the cards say at once that they are asked for
        return trigger_client_event(
            render(request, "_progress.html", progress_of(ids)), "lb:refresh", after="swap"
        )
    query = query_of(
        filters_of(request.GET),
        limit_of(request.GET),
        view=request.GET.get("view"),
        cursor=request.GET.get("cursor", ""),
    )
    return redirect(f"{reverse('overview')}{query}{'&' if query else '?'}runs={ids}")


def _scope(text: str) -> str:
    return "?" + hashlib.sha256(text.encode()).hexdigest()[:32]


def notice(request: PageRequest, text: str, *, status: int) -> HttpResponse:
    """A sentence instead of what was asked for: a line on the page, else a page of its own."""
    return render(
        request, "_notice.html" if request.htmx else "notice.html", {"notice": text}, status=status
    )
