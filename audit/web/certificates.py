"""The page of all certificates."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.reading.certificates import STATES, certificates, tenant_names
from audit.reading.paging import CursorError
from audit.web.permissions import PageRequest, viewer
from audit.web.query import MAX_ID, number

PAGE = 50


@require_safe
@viewer
def page(request: PageRequest) -> HttpResponse:
    """Certificates by the time that is left, filtered by tenant and state."""
    tenant = number(request.GET.get("tenant"), highest=MAX_ID)
    state = request.GET.get("state", "")
    state = state if state in STATES else ""
    tenants = tenant_names()
    asked: dict[str, Any] = {"tenant": tenant, "state": state, "limit": PAGE}
    try:
        found = certificates(tenants, cursor=request.GET.get("cursor", ""), **asked)
    except CursorError:
        found = certificates(tenants, **asked)
    rows, previous, following = found
    chosen = {"tenant": tenant, "state": state}
    query = urlencode({name: value for name, value in chosen.items() if value})
    context = {
        "rows": rows,
        "tenants": tenants,
        "states": STATES,
        "tenant": tenant,
        "state": state,
        "query": query,
        "previous_cursor": previous,
        "next_cursor": following,
    }
    return render(request, "certificates.html", context)
