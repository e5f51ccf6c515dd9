"""Audits of many domains that a person asks for (what is filtered, what is selected), their progress, and the limit on asking."""

import hashlib

from django.conf import settings
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from audit.models import AuditDomain, AuditRun, Tenant
from audit.overview import select
from audit.tasks import request_run
from audit.throttle import Limit

from .access import runner, viewer
from .query import MAX_ID, MAX_PAGE, filters_of, limit_of, number, query_of

MAX_RUNS = 500  # runs (one a tenant) whose progress one page follows


def too_many(request):
    """Count one request for audits: 0, or the seconds until this user may ask again."""
    return Limit("page-run", tries=settings.AUDIT_RUNS_PER_MINUTE, seconds=60).hit(str(request.user.pk))


@runner
def run_filtered(request):
    """Ask for an audit of every domain that matches the filters in the query string: one run a tenant."""
    filters = filters_of(request.GET)
    found = select(AuditDomain.objects.active(), filters)
    everything = not filters.query(tenant=None, sort="worst")
    return _run(request, found, scope="" if everything else _scope(query_of(filters)))


@runner
def run_selected(request):
    """Ask for an audit of the domains whose ids are posted as `domain`, at most a page of them: one run a tenant."""
    asked = {number(text, highest=MAX_ID) for text in request.POST.getlist("domain")} - {None}
    if len(asked) > MAX_PAGE:
        return _notice(request, _("Select at most %(most)s domains; none of these was audited.") % {"most": MAX_PAGE}, status=422)
    ids = sorted(AuditDomain.objects.active().filter(pk__in=asked).values_list("pk", flat=True))
    if not ids:
        return _notice(request, _("No domain that can be audited was selected; nothing was started."), status=422)
    return _run(request, AuditDomain.objects.filter(pk__in=ids), scope=_scope(",".join(map(str, ids))))


@require_safe
@viewer
def progress(request):
    """How far the runs in `ids` are; when they have ended, the board is told to refresh."""
    context = progress_of(request.GET.get("ids", ""))
    response = render(request, "_progress.html", context)
    return response if context.get("open", True) else trigger_client_event(response, "lb:refresh", after="swap")


def progress_of(text):
    """The context of the progress of these runs (ids with commas between; what is none is left out), empty without any."""
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


def _run(request, found, *, scope):
    """Ask for the audit of these domains and show how far it is. `scope`: the same set asked twice before it has begun is one run."""
    if wait := too_many(request):
        text = _("That is many audits in a short time. Try again in %(seconds)s seconds.") % {"seconds": wait}
        response = _notice(request, text, status=429)
        response["Retry-After"] = str(wait)
        return response
    runs = []
    for tenant in Tenant.objects.filter(pk__in=found.order_by().values("tenant_id")).order_by("name"):
        domains = AuditDomain.objects.filter(pk__in=found.filter(tenant=tenant).values("pk"))
        run, _already = request_run(
            tenant=tenant, domains=domains, trigger=AuditRun.Trigger.MANUAL, by=request.user.get_username(), scope=scope
        )
        runs.append(str(run.pk))
    ids = ",".join(runs)
    if request.htmx:
        # the cards say at once that they are asked for
        return trigger_client_event(render(request, "_progress.html", progress_of(ids)), "lb:refresh", after="swap")
    query = query_of(filters_of(request.GET), limit_of(request.GET), cursor=request.GET.get("cursor", ""))
    return redirect(f"{reverse('overview')}{query}{'&' if query else '?'}runs={ids}")


def _scope(text):
    return "?" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _notice(request, text, *, status):
    return render(request, "_notice.html" if request.htmx else "notice.html", {"notice": text}, status=status)
