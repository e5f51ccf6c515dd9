"""The scorecard of a domain: its page, its fragment (the panel), its history, its evidence, and
`Audit now`.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from audit.models import (
    AuditCheck,
    AuditDomain,
    AuditRun,
    CheckTransition,
    PortalDomain,
    ReportLink,
    Waiver,
)
from audit.reading import causes, changes, onboarding, overview, trail, trend
from audit.reading import scorecard as scorecards
from audit.reading.overview import waivers_of
from audit.reading.paging import CursorError, turn
from audit.reading.spf_tree import tree_of
from audit.results.shapes import ShownCheck
from audit.results.trail import Actor
from audit.results.translate import translate
from audit.tasks import request_run
from audit.web.audit_now import too_many
from audit.web.permissions import (
    PageRequest,
    may_change,
    may_report,
    may_run,
    may_waive,
    require_run,
    viewer,
)
from audit.web.query import MAX_ID, filters_of, limit_of, number, query_of
from collectors.base import Status
from collectors.names import DomainError, is_mixed_script, normalize_domain
from collectors.registry import CHECKS

RECENT, HISTORY_PAGE = 8, 50  # transitions on the scorecard, and on a page of the history


@require_safe
@viewer
def scorecard(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """The permalink: a page that works alone."""
    return render(request, "scorecard.html", _context(request, find(tenant_id, domain), alone=True))


@require_safe
@viewer
def panel(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """The scorecard as a fragment; `run`: the run whose progress is shown. When that has ended, the
    board is told to refresh.

    `alone`: for the permalink, where the domain is the heading of the page and no overview tells
    about the worker.
    """
    context = _context(request, find(tenant_id, domain))
    response = render(request, "_scorecard.html", context)
    followed = context["run"] and context["run"].finished_at and "follow" in request.GET
    return trigger_client_event(response, "lb:refresh", after="swap") if followed else response


@require_run
def run(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """Audit this domain now. With JavaScript the answer is the scorecard with its progress, else a
    redirect to it.
    """
    row = find(tenant_id, domain)
    if not row.active:
        raise Http404
    if wait := too_many(request):
        text = _("That is many audits in a short time. Try again in %(seconds)s seconds.") % {
            "seconds": wait
        }
        context = _context(request, row, alone=not request.htmx) | {"notice": text}
        response = render(
            request, "_scorecard.html" if request.htmx else "scorecard.html", context, status=429
        )
        response["Retry-After"] = str(wait)
        return response
    asked, _already = request_run(
        tenant=row.tenant,
        domains=AuditDomain.objects.filter(pk=row.pk),
        trigger=AuditRun.Trigger.MANUAL,
        by=request.user.get_username(),
        scope=row.domain,
        who=Actor.person(request.user),
    )
    if request.htmx:
        return render(request, "_scorecard.html", _context(request, row, run_id=asked.pk))
    query = _query(request)
    return redirect(f"{_url('scorecard', row)}{query}{'&' if query else '?'}run={asked.pk}")


@require_safe
@viewer
def history(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """Every change of status that is kept, newest first, with what changed in the evidence."""
    row = find(tenant_id, domain)
    check_id = request.GET.get("check_id", "")
    rows = CheckTransition.objects.filter(domain=row)
    if check_id in CHECKS:
        rows = rows.filter(check_id=check_id)
    try:
        found, previous, following = turn(
            rows, order=["-at", "-id"], limit=HISTORY_PAGE, cursor=request.GET.get("cursor", "")
        )
    except CursorError:
        found, previous, following = turn(rows, order=["-at", "-id"], limit=HISTORY_PAGE)
    own = changes.own_names_of(row.tenant)
    context = {
        "domain": row,
        "url": _url("scorecard", row),
        "transitions": [_transition(t, own) for t in found],
        "previous_cursor": previous,
        "next_cursor": following,
        "total": rows.count(),
        "check_id": check_id if check_id in CHECKS else "",
        "checks": [(c.check_id, translate(c.title)) for c in CHECKS.values()],
        "retention_days": settings.AUDIT_RETENTION_DAYS,
    }
    return render(request, "history.html", context)


@require_safe
@viewer
def evidence(request: PageRequest, tenant_id: int, domain: str, check_id: str) -> JsonResponse:
    """All the evidence of one check, as JSON."""
    row = find(tenant_id, domain)
    check = AuditCheck.objects.filter(domain=row, check_id=check_id).first()
    if check is None:
        raise Http404
    check.at_present(row.checked)
    data = {
        "domain": row.domain,
        "check_id": check_id,
        "checked_at": check.checked_at,
        "evidence": check.evidence,
    }
    return JsonResponse(data, json_dumps_params={"indent": 2, "ensure_ascii": False})


def scorecard_response(
    request: PageRequest, row: AuditDomain, *, notice: str = "", status: int = 200
) -> HttpResponse:
    """The answer to what was done on a scorecard: it, anew, or without JavaScript the way to it."""
    if not (request.htmx or notice):
        return redirect(_url("scorecard", row) + _query(request))
    row = find(row.tenant_id, row.domain)
    context = _context(request, row, alone=not request.htmx) | {"notice": notice}
    template = "_scorecard.html" if request.htmx else "scorecard.html"
    response = render(request, template, context, status=status)
    return trigger_client_event(response, "lb:refresh", after="swap") if not notice else response


def find(tenant_id: int, domain: str) -> AuditDomain:
    """The registered domain, in either form of its name; raises Http404."""
    try:
        name = normalize_domain(domain)
    except DomainError:
        raise Http404 from None
    waived = Waiver.objects.filter(domain=OuterRef("pk"), ended_at=None)
    rows = AuditDomain.objects.select_related("tenant").annotate(
        is_waived=Exists(waived),
        is_lost=PortalDomain.objects.lost(),
        has_links=Exists(ReportLink.objects.filter(domain=OuterRef("pk"))),
    )
    rows = rows.defer("tenant__portal_token", "tenant__webhook_secret")
    row = rows.filter(tenant_id=tenant_id, domain=name).first() if tenant_id <= MAX_ID else None
    if row is None:
        raise Http404
    return row


def _url(name: str, row: AuditDomain) -> str:
    return reverse(name, args=[row.tenant_id, row.domain])


def _query(request: PageRequest) -> str:
    """The list that one came from, as a query string."""
    filters = filters_of(request.GET)
    return query_of(filters, limit_of(request.GET), view=request.GET.get("view"))


def _context(
    request: PageRequest, row: AuditDomain, *, run_id: int | None = None, alone: bool = False
) -> dict[str, Any]:
    alone = alone or "alone" in request.GET
    run_id = run_id or number(request.GET.get("run"), highest=MAX_ID)
    card = scorecards.of_domain(row)
    query = _query(request)
    changed = (
        CheckTransition.objects.filter(domain=row).exclude(from_status="").order_by("-at", "-id")
    )  # first answers are no changes
    own = changes.own_names_of(row.tenant)
    transitions = [_transition(t, own) for t in changed[:RECENT]]
    bad = [c["check_id"] for c in card["checks"] if c["status"] in (Status.WARN, Status.FAIL)]
    since_ok = changes.since_ok(row, bad)
    current = _run_of(row, run_id)
    latest: dict[str, CheckTransition] = {}
    for transition in transitions:
        latest.setdefault(transition.check_id, transition)
    spans = trend.spans(row)
    findings = causes.linked(card)
    is_waived = getattr(row, "is_waived", True)  # as `find` has looked
    waivers = waivers_of([row.pk]).get(row.pk, []) if is_waived else []

    def shown(check: ShownCheck) -> dict[str, Any]:
        found, bad = check["findings"], check["status"] in (Status.WARN, Status.FAIL)
        return {
            **check,
            "findings": findings[check["check_id"]],
            "evidence_url": reverse(
                "evidence", args=[row.tenant_id, row.domain, check["check_id"]]
            ),
            "waivers": [w for w in waivers if w["check_id"] == check["check_id"]],
            "known_codes": {w["code"] for w in waivers if w["check_id"] == check["check_id"]},
            "past": _past(spans.get(check["check_id"], [])),
            "summary_needed": not (found and found[0]["message"] == check["message"]),
            "changed": latest.get(check["check_id"]) if bad else None,
            "since_ok": since_ok.get(check["check_id"], []),
            "tree": tree_of(check["evidence"]) if check["check_id"] == "dns_spf" else None,
        }

    unknown = sum(c["status"] == Status.UNKNOWN for c in card["checks"])
    panel_url = _url("panel", row) + query
    if more := ({"run": current.pk} if current else {}) | ({"alone": 1} if alone else {}):
        panel_url += ("&" if query else "?") + urlencode(more)
    waits = current and not current.finished_at
    return {
        "domain": row,
        "card": card,
        "look": "onboarding" if overview.stands_apart(row) else card["status"],
        "checks": [shown(check) for check in card["checks"]],
        "advisory": [shown(check) for check in card["advisory"]],
        "not_here": scorecards.not_here(card["not_measured_here"]),
        "mixed": is_mixed_script(row.domain),
        "unknown": unknown if row.last_audit_at and unknown < len(card["checks"]) else 0,
        "active": row.active,
        "due": bool(card["next_audit"] and card["next_audit"] <= timezone.now()),
        "url": _url("scorecard", row) + query,
        "server_url": reverse("tenant", args=[row.tenant_id]),
        "alone": alone,
        "refreshes": True,
        "panel_url": panel_url,
        "query": query,
        "list_url": reverse("overview") + query,
        "transitions": transitions,
        "trail": trail.recent(row),
        "trail_url": _url("trail", row),
        "run": current,
        "run_url": f"{panel_url}&follow=1" if current else "",
        "worker": overview.worker(AuditDomain.objects.all())
        if waits or (alone and row.active and card["stale"])
        else None,
        "may_run": may_run(request.user) and row.active,
        "may_waive": may_waive(request.user) and row.active,
        **onboarding.of_domain(row),
        "may_change": may_change(request.user),
        "may_report": may_report(request.user) and row.active and row.last_audit_at is not None,
    }


def _past(parts: list[trend.Span]) -> list[dict[str, Any]]:
    """The timeline of a check in a box of 900 × 10, nothing in it too thin to be seen."""
    return [
        {"x": round(900 * x, 1), "width": max(1, round(900 * w, 1)), "status": status, "since": at}
        for x, w, status, at in parts
    ]


def _run_of(row: AuditDomain, run_id: int | None) -> AuditRun | None:
    """The run to show: the one asked for, else one that still waits for this domain."""
    runs = AuditRun.objects.filter(tenant=row.tenant_id)
    asked = runs.filter(pk=run_id, scope=row.domain).first() if run_id else None
    return asked or runs.filter(pending__domain=row, finished_at=None).order_by("-pk").first()


def _transition(transition: CheckTransition, own: Collection[str]) -> CheckTransition:
    """With its check's title, its sentence and what changed in the reader's language, for the
    templates; `own`: the tenant's names."""
    entry = CHECKS.get(transition.check_id)
    title = translate(entry.title) if entry else transition.check_id
    sentence = translate(transition.message_source, transition.message)
    said = changes.of_transition(transition, own)
    vars(transition).update(title=title, sentence=sentence, said=said)
    return transition
