"""The scorecard of a domain: its page, its fragment (the panel), its history, its evidence, and `Audit now`."""

from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from audit import overview, scorecards, trend
from audit.models import AuditCheck, AuditDomain, AuditRun, CheckTransition
from audit.paging import CursorError, page
from audit.sentences import say
from audit.tasks import request_run
from collectors.base import Status
from collectors.catalogue import CHECKS
from collectors.names import DomainError, is_mixed_script, normalize_domain

from .access import may_report, may_run, runner, viewer
from .query import MAX_ID, filters_of, limit_of, number, query_of
from .running import too_many

RECENT, HISTORY_PAGE = 8, 50  # transitions on the scorecard, and on a page of the history


@require_safe
@viewer
def scorecard(request, tenant_id, domain):
    """The permalink: a page that works alone."""
    return render(request, "scorecard.html", _context(request, find(tenant_id, domain), alone=True))


@require_safe
@viewer
def panel(request, tenant_id, domain):
    """The scorecard as a fragment; `run`: the run whose progress is shown. When that has ended, the board is told to refresh.

    `alone`: for the permalink, where the domain is the heading of the page and no overview tells about the worker.
    """
    context = _context(request, find(tenant_id, domain))
    response = render(request, "_scorecard.html", context)
    followed = context["run"] and context["run"].finished_at and "follow" in request.GET
    return trigger_client_event(response, "lb:refresh", after="swap") if followed else response


@runner
def run(request, tenant_id, domain):
    """Audit this domain now. With JavaScript the answer is the scorecard with its progress, else a redirect to it."""
    row = find(tenant_id, domain)
    if not (row.enabled and row.tenant.enabled):
        raise Http404
    if wait := too_many(request):
        text = _("That is many audits in a short time. Try again in %(seconds)s seconds.") % {"seconds": wait}
        context = _context(request, row, alone=not request.htmx) | {"notice": text}
        response = render(request, "_scorecard.html" if request.htmx else "scorecard.html", context, status=429)
        response["Retry-After"] = str(wait)
        return response
    asked, _already = request_run(
        tenant=row.tenant,
        domains=AuditDomain.objects.filter(pk=row.pk),
        trigger=AuditRun.Trigger.MANUAL,
        by=request.user.get_username(),
        scope=row.domain,
    )
    if request.htmx:
        return render(request, "_scorecard.html", _context(request, row, run_id=asked.pk))
    query = query_of(filters_of(request.GET), limit_of(request.GET))
    return redirect(f"{_url('scorecard', row)}{query}{'&' if query else '?'}run={asked.pk}")


@require_safe
@viewer
def history(request, tenant_id, domain):
    """Every change of status that is kept, newest first, with what changed in the evidence."""
    row = find(tenant_id, domain)
    check_id = request.GET.get("check_id", "")
    rows = CheckTransition.objects.filter(domain=row)
    if check_id in CHECKS:
        rows = rows.filter(check_id=check_id)
    try:
        found, following = page(rows, order=["-at", "-id"], limit=HISTORY_PAGE, cursor=request.GET.get("cursor", ""))
    except CursorError:
        found, following = page(rows, order=["-at", "-id"], limit=HISTORY_PAGE)
    context = {
        "domain": row,
        "url": _url("scorecard", row),
        "transitions": [_transition(t) for t in found],
        "next_cursor": following,
        "check_id": check_id if check_id in CHECKS else "",
        "checks": [(c.check_id, say(c.title)) for c in CHECKS.values()],
        "retention_days": settings.AUDIT_RETENTION_DAYS,
    }
    return render(request, "history.html", context)


@require_safe
@viewer
def evidence(request, tenant_id, domain, check_id):
    """All the evidence of one check, as JSON."""
    check = AuditCheck.objects.filter(domain=find(tenant_id, domain), check_id=check_id).first()
    if check is None:
        raise Http404
    data = {"domain": check.domain.domain, "check_id": check_id, "checked_at": check.checked_at, "evidence": check.evidence}
    return JsonResponse(data, json_dumps_params={"indent": 2, "ensure_ascii": False})


def find(tenant_id, domain):
    """The registered domain, in either form of its name; raises Http404."""
    try:
        name = normalize_domain(domain)
    except DomainError:
        raise Http404 from None
    rows = AuditDomain.objects.select_related("tenant").defer("tenant__portal_token", "tenant__webhook_secret")
    row = rows.filter(tenant_id=tenant_id, domain=name).first() if tenant_id <= MAX_ID else None
    if row is None:
        raise Http404
    return row


def _url(name, row):
    return reverse(name, args=[row.tenant_id, row.domain])


def _context(request, row, *, run_id=None, alone=False):
    alone = alone or "alone" in request.GET
    run_id = run_id or number(request.GET.get("run"), highest=MAX_ID)
    card = scorecards.of_domain(row)
    query = query_of(filters_of(request.GET), limit_of(request.GET))
    changed = CheckTransition.objects.filter(domain=row).exclude(from_status="").order_by("-at", "-id")  # first answers are no changes
    transitions = [_transition(t) for t in changed[:RECENT]]
    current = _run_of(row, run_id)
    latest = {}
    for transition in transitions:
        latest.setdefault(transition.check_id, transition)
    spans = trend.spans(row)
    for check in [*card["checks"], *card["advisory"]]:
        check["past"] = _past(spans.get(check["check_id"], []))
        check["summary_needed"] = not (check["findings"] and check["findings"][0]["message"] == check["message"])
        check["changed"] = latest.get(check["check_id"]) if check["status"] in (Status.WARN, Status.FAIL) else None
    unknown = sum(c["status"] == Status.UNKNOWN for c in card["checks"])
    panel_url = _url("panel", row) + query
    if more := ({"run": current.pk} if current else {}) | ({"alone": 1} if alone else {}):
        panel_url += ("&" if query else "?") + urlencode(more)
    waits = current and not current.finished_at
    active = row.enabled and row.tenant.enabled
    return {
        "domain": row,
        "card": card,
        "mixed": is_mixed_script(row.domain),
        "unknown": unknown if row.last_audit_at and unknown < len(card["checks"]) else 0,
        "active": active,
        "due": bool(card["next_audit"] and card["next_audit"] <= timezone.now()),
        "url": _url("scorecard", row) + query,
        "alone": alone,
        "panel_url": panel_url,
        "query": query,
        "list_url": reverse("overview") + query,
        "transitions": transitions,
        "run": current,
        "run_url": f"{panel_url}&follow=1" if current else "",
        "worker": overview.worker(AuditDomain.objects.all()) if waits or (alone and active and card["stale"]) else None,
        "may_run": may_run(request.user) and active,
        "may_report": may_report(request.user) and active and row.last_audit_at is not None,
    }


def _past(parts):
    """The timeline of a check in a box of 900 × 10, without what would be too thin to see moving."""
    return [{"x": round(900 * x, 1), "width": max(1, round(900 * w, 1)), "status": status, "since": at} for x, w, status, at in parts]


def _run_of(row, run_id):
    """The run to show: the one asked for, else one that still waits for this domain."""
    runs = AuditRun.objects.filter(tenant=row.tenant_id)
    asked = runs.filter(pk=run_id, scope=row.domain).first() if run_id else None
    return asked or runs.filter(open__domain=row, finished_at=None).order_by("-pk").first()


def _transition(transition):
    entry = CHECKS.get(transition.check_id)
    transition.title = say(entry.title) if entry else transition.check_id
    transition.sentence = say(transition.message_source, transition.message)
    return transition
