"""The page of the last 24 hours, or of the last week."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.reading import last_day
from audit.reading.certificates import tenant_names
from audit.reading.paging import CursorError
from audit.web.permissions import PageRequest, viewer
from audit.web.query import MAX_ID, number


@require_safe
@viewer
def page(request: PageRequest) -> HttpResponse:
    """What changed, what opened and closed, and how long cures took. Behind a cursor only what
    changed."""
    days = number(request.GET.get("days"), highest=MAX_ID)
    days = days if days in last_day.DAYS else last_day.DAYS[0]
    tenant = number(request.GET.get("tenant"), highest=MAX_ID)
    cursor = request.GET.get("cursor", "")
    of: dict[str, Any] = {"since": timezone.now() - timedelta(days=days), "tenant": tenant}
    try:
        found = last_day.events(**of, cursor=cursor)
    except CursorError:
        cursor, found = "", last_day.events(**of)
    events, previous, following = found
    chosen = {"days": days if days != last_day.DAYS[0] else None, "tenant": tenant}
    context: dict[str, Any] = {
        "events": events,
        "previous_cursor": previous,
        "next_cursor": following,
        "days": days,
        "tenant": tenant,
        "tenants": tenant_names(),
        "query": urlencode({name: value for name, value in chosen.items() if value}),
        "first": not previous,
    }
    if not previous:
        context |= {
            "incidents": last_day.incidents(**of),
            "servers": last_day.server_changes(**of),
            "cures": last_day.cures(**of),
            "health": _bars(last_day.open_by_day(tenant=tenant)),
        }
    return render(request, "last_day.html", context)


def _bars(days: list[tuple[datetime, int]]) -> dict[str, Any]:
    """The plot of the open incidents in a box of 300 × 50; empty where there is none."""
    if not days:
        return {}
    most = max(1, *(n for _end, n in days))
    width = 300 / len(days)
    bars = [
        {
            "x": round(i * width + 1, 1),
            "width": round(width - 2, 1),
            "y": round(49 - 48 * n / most, 1),
            "height": round(48 * n / most, 1),
            "n": n,
            "day": end if i == len(days) - 1 else end - timedelta(seconds=1),
        }
        for i, (end, n) in enumerate(days)
    ]
    return {"bars": bars, "most": max(n for _end, n in days), "now": days[-1][1], "days": len(days)}
