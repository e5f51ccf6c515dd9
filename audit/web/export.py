"""The list as a sheet: all that matches, or what is selected, line by line as it is read."""

import csv
from collections.abc import Iterator
from datetime import datetime

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.models import AuditDomain, Tenant
from audit.reading.filters import Domains, select
from audit.reading.overview import cards
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
    language = translation.get_language() or "en"
    response = StreamingHttpResponse(
        _lines(found, language), content_type="text/csv; charset=utf-8"
    )
    name = f"{timezone.localtime():%Y-%m-%d}"
    response["Content-Disposition"] = f'attachment; filename="domains-{name}.csv"'
    return response


def _lines(found: Domains, language: str) -> Iterator[str]:
    """The lines, in this language: they are written after the request has ended."""
    writer = csv.writer(_Line(), delimiter=";")
    with translation.override(language):
        yield "\ufeff" + writer.writerow(_heading())
    tenants = dict(Tenant.objects.values_list("pk", "name"))
    cursor: str | None = ""
    while cursor is not None:
        with translation.override(language):
            page, _before, cursor = cards(
                found, tenants=tenants, sort="domain", limit=CHUNK, cursor=cursor
            )
            lines = [writer.writerow([safe_cell(cell) for cell in _cells(card)]) for card in page]
        yield "".join(lines)


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
    ]


def _cells(card: Card) -> list[str]:
    reason = card["reason"] if card["last_audit"] else None
    return [
        card["unicode"],
        card["tenant"],
        f"{card['score']}/{card['max_score']}",
        state(card["status"]),
        sentence(reason) if reason else "",
        _time(reason["since"] if reason else None),
        whose(reason["owner"]) if reason else "",
        "; ".join(waiver["reason"] for waiver in card["waivers"]),
        _time(card["certificate_ends"]),
        _time(card["last_audit"]),
    ]


def _time(at: datetime | None) -> str:
    return timezone.localtime(at).isoformat(timespec="seconds") if at else ""
