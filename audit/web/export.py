"""The list as a sheet: all that matches, or what is selected, line by line as it is read."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.models import AuditDomain, Tenant
from audit.reading.causes import cause_title
from audit.reading.filters import Domains, select
from audit.reading.overview import cards, hosts
from audit.reading.reason import sentence
from audit.reading.sheets import safe_cell
from audit.results.shapes import Card
from audit.templatetags.show import state, whose
from audit.web.audit_now import notice
from audit.web.permissions import PageRequest, viewer
from audit.web.query import filters_of, unfolded
from audit.web.selection import NothingSelected, selected

CHUNK = 500  # domains that are read at once


class _Line:
    """What csv.writer writes to: it hands each line on."""

    def write(self, text: str) -> str:
        return text


@require_http_methods(["GET", "POST"])
@viewer
def export(request: PageRequest) -> HttpResponseBase:
    """CSV of what matches the query string, or by POST of what is selected; by name, as it is read
    in Portugal: `;`, and a byte order mark.
    """
    found: Domains = select(AuditDomain.objects.active(), unfolded(filters_of(request.GET)))
    if request.method == "POST":
        try:
            found = selected(request)
        except NothingSelected as nothing:
            return notice(request, str(nothing), status=422)
    return sheet("domains", _pages(found))


def sheet(name: str, pages: Iterable[Sequence[Sequence[str | int]]]) -> StreamingHttpResponse:
    """Lines of cells as CSV, a page at a time as it is read, in the language of the request."""
    language = translation.get_language() or "en"
    response = StreamingHttpResponse(
        _lines(pages, language), content_type="text/csv; charset=utf-8"
    )
    file = f"{name}-{timezone.localtime():%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{file}"'
    return response


def _lines(pages: Iterable[Sequence[Sequence[str | int]]], language: str) -> Iterator[str]:
    """The lines, in this language: they are written after the request has ended."""
    writer, steps = csv.writer(_Line(), delimiter=";"), iter(pages)
    yield "\ufeff"
    while True:
        with translation.override(language):
            page = next(steps, None)
        if page is None:
            return
        yield "".join(writer.writerow([safe_cell(cell) for cell in cells]) for cells in page)


def _pages(found: Domains) -> Iterator[list[list[str]]]:
    yield [_heading()]
    tenants = hosts(Tenant.objects.all())
    cursor: str | None = ""
    while cursor is not None:
        page, _before, cursor = cards(
            found, tenants=tenants, sort="domain", limit=CHUNK, cursor=cursor
        )
        yield [_cells(card) for card in page]


def _heading() -> list[str]:
    return [
        _("Domain"),
        _("Tenant"),
        _("Score"),
        _("Status"),
        _("What is wrong"),
        _("Since"),
        _("Whose turn"),
        _("Known"),
        _("Certificate ends"),
        _("Audited"),
        _("Not measured here"),
    ]


def _cells(card: Card) -> list[str]:
    reason = card["reason"] if card["last_audit"] else None
    return [
        card["unicode"],
        card["tenant"],
        f"{card['score']}/{card['max_score']}",
        state(card["status"]),
        sentence(reason) if reason else "",
        cell_time(reason["since"] if reason else None),
        whose(reason["owner"]) if reason else "",
        "; ".join(waiver["reason"] for waiver in card["waivers"]),
        cell_time(card["certificate_ends"]),
        cell_time(card["last_audit"]),
        ", ".join(map(cause_title, card["not_measured_here"])),
    ]


def cell_time(at: datetime | None) -> str:
    """A time as sheets read it."""
    return timezone.localtime(at).isoformat(timespec="seconds") if at else ""
