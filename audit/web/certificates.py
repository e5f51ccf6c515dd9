"""The page of all certificates, and the same as a sheet."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit.reading.certificates import STATES, Row, certificates, tenant_names
from audit.reading.paging import CursorError
from audit.web.export import cell_time, sheet
from audit.web.permissions import PageRequest, viewer
from audit.web.query import MAX_ID, number

PAGE, CHUNK = 50, 500  # rows of a page, and that are read at once for a sheet


@require_safe
@viewer
def page(request: PageRequest) -> HttpResponse:
    """Certificates by the time that is left, filtered by tenant and state."""
    tenant, state = _asked(request)
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


@require_safe
@viewer
def export(request: PageRequest) -> HttpResponseBase:
    """CSV of all that the filters match, in the order of the page."""
    tenant, state = _asked(request)
    return sheet("certificates", _pages(tenant, state))


def _asked(request: PageRequest) -> tuple[int | None, str]:
    """(tenant, state), as far as they can be understood."""
    state = request.GET.get("state", "")
    tenant = number(request.GET.get("tenant"), highest=MAX_ID)
    return tenant, state if state in STATES else ""


def _pages(tenant: int | None, state: str) -> Iterator[Sequence[Sequence[str | int]]]:
    yield [_heading()]
    names = tenant_names()
    cursor: str | None = ""
    while cursor is not None:
        rows, _before, cursor = certificates(
            names, tenant=tenant, state=state, limit=CHUNK, cursor=cursor
        )
        yield [_cells(row) for row in rows]


def _heading() -> list[str]:
    return [
        _("Domain"),
        _("Tenant"),
        _("Days left"),
        _("Certificate ends"),
        _("Issuer"),
        _("Names"),
        _("Configured"),
        _("Served at"),
        _("What is wrong"),
    ]


def _cells(row: Row) -> list[str | int]:
    configured = {
        "same": _("the configured one is served"),
        "other": _("another one is configured"),
        "none": _("none is configured"),
        "no_portal": _("Not measured here"),
    }
    more = [f"+{row['more_names']}"] if row["more_names"] else []
    return [
        row["unicode"],
        row["tenant"],
        "" if row["days"] is None else row["days"],
        cell_time(row["ends_at"]),
        row["issuer"],
        ", ".join([*row["names"], *more]),
        configured.get(row["configured"], ""),
        ", ".join(node["address"] for node in row["served"]),
        " ".join(finding["message"] for finding in row["findings"]),
    ]
