"""Who did what with a domain or a tenant: the whole trail, paged."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.models import AuditDomain, Tenant
from audit.reading import trail
from audit.reading.paging import CursorError
from audit.web.permissions import PageRequest, viewer
from audit.web.scorecard import find
from audit.web.server import find as find_tenant


@require_safe
@viewer
def of_domain(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """What was done with a domain."""
    row = find(tenant_id, domain)
    return _page(request, row, row.unicode, reverse("scorecard", args=[tenant_id, row.domain]))


@require_safe
@viewer
def of_tenant(request: PageRequest, tenant_id: int) -> HttpResponse:
    """What was done with a tenant, its tokens and its domains as a whole."""
    row = find_tenant(tenant_id)
    return _page(request, row, row.name, reverse("tenant", args=[row.pk]))


def _page(request: PageRequest, row: AuditDomain | Tenant, name: str, back: str) -> HttpResponse:
    try:
        entries, previous, following = trail.page(row, request.GET.get("cursor", ""))
    except CursorError:
        entries, previous, following = trail.page(row)
    context = {
        "name": name,
        "back": back,
        "trail": entries,
        "previous_cursor": previous,
        "next_cursor": following,
        "retention_days": settings.AUDIT_TRAIL_DAYS,
    }
    return render(request, "trail.html", context)
