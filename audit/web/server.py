"""The servers: the list of tenants, the page of one with its server card, and *Test now*."""

from typing import Any, cast

from django.db.models import F
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit.models import AuditDomain, Incident, ServerCard, ServerCheck, ServerTransition, Tenant
from audit.reading import causes, overview, portal_domains, server_card
from audit.reading import trail as trail_reading
from audit.reading.filters import Filters
from audit.reading.incident_list import touches_now
from audit.reading.incidents import ShownIncident, shown_incidents
from audit.reading.paging import CursorError, turn
from audit.reading.scorecard import not_here
from audit.results.shapes import Scorecard, ServerState, ShownRow
from audit.results.trail import Actor
from audit.results.translate import translate
from audit.tasks import request_server_test
from audit.web.audit_now import too_many
from audit.web.permissions import PageRequest, may_register, may_run, require_run, viewer
from audit.web.query import MAX_ID, query_of
from audit.web.standing import items_of, set_apart
from collectors.base import Status
from collectors.server.card import CARD

RECENT, HISTORY_PAGE, INCIDENTS = 8, 50, 20  # on the page of a tenant, on a page of its history
RANK = {status.value: n for n, status in enumerate(server_card.WORST)}


@require_safe
@viewer
def servers(request: PageRequest) -> HttpResponse:
    """All tenants: the worst row of each, and its domains by state; the worst first."""
    counts = overview.counts()
    set_apart(counts)
    numbers = {c["id"]: items_of(c) for c in counts}
    rows: dict[int, list[ServerCheck]] = {}
    for row in ServerCheck.objects.defer("evidence", "findings").filter(check_id__in=CARD):
        rows.setdefault(row.tenant_id, []).append(row)
    tenants = list(_tenants().select_related("server_card"))
    listed = [_listed(t, rows.get(t.pk, []), numbers.get(t.pk, [])) for t in tenants]
    listed.sort(key=lambda e: (not e["tenant"].enabled, RANK[e["status"]], e["tenant"].name))
    return render(request, "servers.html", {"servers": listed, "refreshes": False})


def _listed(
    tenant: Tenant, rows: list[ServerCheck], numbers: list[dict[str, Any]]
) -> dict[str, Any]:
    status = server_card.worst(row.status for row in rows)
    wrong = [row for row in rows if row.status != Status.OK]
    wrong.sort(key=lambda row: (RANK[row.status], list(CARD).index(row.check_id)))
    return {
        "tenant": tenant,
        "url": reverse("tenant", args=[tenant.pk]),
        "status": status,
        "card": getattr(tenant, "server_card", None),
        "rows": [
            {
                "title": server_card.row_title(row.check_id),
                "status": row.status,
                "message": translate(row.message_source, row.message),
                "since": row.since,
            }
            for row in wrong[:3]
        ],
        "more": max(0, len(wrong) - 3),
        "numbers": numbers,
    }


@require_safe
@viewer
def tenant(request: PageRequest, tenant_id: int) -> HttpResponse:
    """The page of a tenant."""
    row = find(tenant_id)
    done = {"trail": trail_reading.recent(row), "trail_url": reverse("tenant-trail", args=[row.pk])}
    return render(request, "tenant.html", context_of(request, row) | done)


@require_safe
@viewer
def card(request: PageRequest, tenant_id: int) -> HttpResponse:
    """Its server card as a fragment."""
    return render(request, "_server.html", context_of(request, find(tenant_id)))


@require_run
def test(request: PageRequest, tenant_id: int) -> HttpResponse:
    """Judge the server card now. With JavaScript the answer is the card with its progress, else a
    redirect to the page.
    """
    row = find(tenant_id)
    if not row.enabled:
        raise Http404
    if wait := too_many(request):
        text = _("That is many audits in a short time. Try again in %(seconds)s seconds.") % {
            "seconds": wait
        }
        context = context_of(request, row) | {"notice": text}
        page = "_server.html" if request.htmx else "tenant.html"
        response = render(request, page, context, status=429)
        response["Retry-After"] = str(wait)
        return response
    request_server_test(row, who=Actor.person(request.user))
    if request.htmx:
        return render(request, "_server.html", context_of(request, row))
    return redirect("tenant", row.pk)


@require_safe
@viewer
def history(request: PageRequest, tenant_id: int) -> HttpResponse:
    """Every change of a row that is kept, newest first."""
    row = find(tenant_id)
    rows = ServerTransition.objects.filter(tenant=row)
    order, cursor = ["-at", "-id"], request.GET.get("cursor", "")
    try:
        found, previous, following = turn(rows, order=order, limit=HISTORY_PAGE, cursor=cursor)
    except CursorError:
        found, previous, following = turn(rows, order=order, limit=HISTORY_PAGE)
    context = {
        "tenant": row,
        "transitions": [_transition(t) for t in found],
        "previous_cursor": previous,
        "next_cursor": following,
        "total": rows.count(),
    }
    return render(request, "server_history.html", context)


@require_safe
@viewer
def evidence(request: PageRequest, tenant_id: int, check_id: str) -> JsonResponse:
    """All the evidence of one row, as JSON."""
    row = find(tenant_id)
    check = ServerCheck.objects.filter(tenant=row, check_id=check_id).first()
    if check is None or check_id not in CARD:
        raise Http404
    kept = ServerCard.objects.filter(pk=row.pk).first()
    check.at_present(kept.checked if kept else {})
    data = {
        "tenant": row.name,
        "check_id": check_id,
        "checked_at": check.checked_at,
        "evidence": check.evidence,
    }
    return JsonResponse(data, json_dumps_params={"indent": 2, "ensure_ascii": False})


def find(tenant_id: int) -> Tenant:
    """The tenant; raises Http404."""
    row = _tenants().filter(pk=tenant_id).first() if tenant_id <= MAX_ID else None
    if row is None:
        raise Http404
    return row


def _tenants() -> Any:
    """Without the secrets, which no page needs; the token is only asked whether there is one."""
    return Tenant.objects.defer("portal_token", "webhook_secret")


def context_of(request: PageRequest, row: Tenant) -> dict[str, Any]:
    """What the page of a tenant, and the card alone, are made from."""
    state = server_card.of_tenant(row)
    changed = ServerTransition.objects.filter(tenant=row).exclude(from_status="")
    transitions = [_transition(t) for t in changed.order_by("-at", "-id")[:RECENT]]
    judged, off = _rows(row, state)
    kept = ServerCard.objects.filter(pk=row.pk).first()
    waits = bool(kept and kept.requested_at and row.enabled)
    counts = overview.counts(row.pk)  # none of one that is switched off: nothing lists its domains
    set_apart(counts)
    change = row.enabled and request.user.has_perm("audit.change_tenant")
    return {
        "domain": row,  # what the templates of a check name their ids by
        "tenant": row,
        "state": state,
        "checks": judged,
        "off": off,
        "bad": sum(c["status"] in (Status.FAIL, Status.WARN) for c in judged),
        "transitions": transitions,
        "numbers": items_of(counts[0]) if counts else [],
        "not_here": _not_here(row),
        "everything": reverse("overview") + query_of(Filters(tenant=row.pk)),
        "incidents": _open(row),
        "waits": waits,
        "running": bool(waits and kept and kept.claimed_by),
        "worker": overview.worker(AuditDomain.objects.none()) if waits else None,
        "card_url": reverse("tenant-card", args=[row.pk]),
        "edit_url": reverse("admin:audit_tenant_change", args=[row.pk]) if change else "",
        "may_run": may_run(request.user) and row.enabled,
        "differences": portal_domains.of_tenant(row),
        "may_register": may_register(request.user) and row.enabled,
        "refreshes": True,
    }


def _not_here(row: Tenant) -> str:
    """What is not measured at its domains, and what their scores count to; ''."""
    if not row.not_measured_here:
        return ""
    scores = _("The scores of its domains count to %(most)s.") % {"most": row.max_score}
    return f"{not_here(row.not_measured_here)} {scores}"


def _rows(row: Tenant, state: ServerState) -> tuple[list[dict[str, Any]], list[ShownRow]]:
    """The rows that are judged, as the templates of a check show them; and those that are not."""
    every = state["checks"]
    judged = [c for c in every if not c["off"]]
    findings = causes.linked(cast(Scorecard, {"checks": judged, "advisory": []}))
    shown = []
    for check in judged:
        found = findings[check["check_id"]]
        url = reverse("tenant-evidence", args=[row.pk, check["check_id"]])
        needed = not (found and found[0]["message"] == check["message"])
        more = {"findings": found, "evidence_url": url, "summary_needed": needed}
        shown.append({**check, **more})
    return shown, [c for c in every if c["off"]]


def _transition(transition: ServerTransition) -> ServerTransition:
    title = server_card.row_title(transition.check_id)
    sentence = translate(transition.message_source, transition.message)
    vars(transition).update(title=title, sentence=sentence)
    return transition


def _open(row: Tenant) -> list[ShownIncident]:
    """The open incidents that touch it, also what it shares with others; the widest first."""
    incidents = Incident.objects.filter(touches_now(row.pk), closed_at=None)
    found = incidents.select_related("tenant").order_by(F("domains_now").desc(), "-opened_at")
    return shown_incidents(list(found[:INCIDENTS]))
