"""The incidents: the list of them, and one with the domains that it touches and how it went."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit.models import Incident, IncidentDomain, Tenant
from audit.reading.filters import Filters
from audit.reading.incident_list import ORDER, STATES, listed
from audit.reading.incidents import SHARED, ShownIncident, shown_incidents, timeline
from audit.reading.paging import CursorError, turn
from audit.reading.reason import short_name
from audit.web.permissions import PageRequest, viewer
from audit.web.query import MAX_ID, number, query_of

PAGE = 50  # incidents, and domains of one


@require_safe
@viewer
def incidents(request: PageRequest) -> HttpResponse:
    """The incidents, newest first: those that are open, or `state`; of a `tenant`; `shared`: those
    of several domains alone.
    """
    state = request.GET.get("state", "")
    state = state if state in STATES else STATES[0]
    tenant = number(request.GET.get("tenant"), highest=MAX_ID)
    shared = "shared" in request.GET
    rows = listed(state, tenant=tenant)
    if shared:
        rows = rows.filter(kind__in=SHARED)
    try:
        found, before, after = turn(
            rows, order=ORDER, limit=PAGE, cursor=request.GET.get("cursor", "")
        )
    except CursorError:
        found, before, after = turn(rows, order=ORDER, limit=PAGE)
    chosen: dict[str, Any] = {"state": state} if state != STATES[0] else {}
    chosen |= {"tenant": tenant} if tenant else {}
    chosen |= {"shared": 1} if shared else {}
    words = {"open": _("Open"), "closed": _("Closed"), "all": _("All")}
    context = {
        "incidents": [_linked(i) for i in shown_incidents(found)],
        "state": state,
        "states": [(name, words[name], _query({**chosen, "state": name})) for name in STATES],
        "tenant": tenant,
        "tenants": list(Tenant.objects.order_by("name").values_list("pk", "name")),
        "shared": shared,
        "newer": _query({**chosen, "cursor": before}) if before else "",
        "older": _query({**chosen, "cursor": after}) if after else "",
    }
    return render(request, "incidents.html", context)


@require_safe
@viewer
def incident(request: PageRequest, incident_id: int) -> HttpResponse:
    """One incident: its cause, since when, who acts, how it went, and its domains."""
    row = None
    if incident_id <= MAX_ID:
        row = Incident.objects.select_related("tenant").filter(pk=incident_id).first()
    if row is None:
        raise Http404
    members = IncidentDomain.objects.filter(incident=row).select_related("domain")
    order = ["domain_id", "id"]
    try:
        found, before, after = turn(
            members, order=order, limit=PAGE, cursor=request.GET.get("cursor", "")
        )
    except CursorError:
        found, before, after = turn(members, order=order, limit=PAGE)
    context = {
        "incident": _linked(shown_incidents([row])[0]),
        "kind": row.get_kind_display(),
        "confirmed_at": row.confirmed_at,
        "code": row.code,
        "timeline": timeline(row),
        "members": [
            {
                "name": m.domain.unicode,
                "url": reverse("scorecard", args=[m.domain.tenant_id, m.domain.domain]),
                "check": short_name(m.check_id),
                "since": m.since,
                "left_at": m.left_at,
            }
            for m in found
        ],
        "previous": _query({"cursor": before}) if before else "",
        "following": _query({"cursor": after}) if after else "",
    }
    return render(request, "incident.html", context)


def _linked(shown: ShownIncident) -> dict[str, Any]:
    return {**shown, "domains_url": reverse("overview") + query_of(Filters(incident=shown["id"]))}


def _query(values: dict[str, Any]) -> str:
    return f"?{urlencode(values)}"
