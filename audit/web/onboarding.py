"""The board of the onboarding: from registered to 8/8, who waits for whom, and since when."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from audit.models import AuditDomain
from audit.reading import onboarding
from audit.reading.certificates import tenant_names
from audit.reading.onboarding import STAGES, WAITS, Asked, Row
from audit.reading.paging import CursorError
from audit.reading.reason import short_name
from audit.results.onboarding import put_back, take_out
from audit.results.trail import Actor
from audit.templatetags.show import state
from audit.web.export import CHUNK, cell_time, sheet
from audit.web.permissions import PageRequest, may_change, may_report, require_change, viewer
from audit.web.query import LONGEST, MAX_ID, number
from audit.web.scorecard import find, scorecard_response
from audit.web.selection import NothingSelected, selected

PAGE = 60


def stage_words() -> dict[str, str]:
    """What each stage is called."""
    return {
        "registered": _("Registered"),
        "link": _("Link sent"),
        "dns": _("DNS right"),
        "mx": _("MX moved"),
        "done": _("8/8"),
    }


def waits_words() -> dict[str, str]:
    """Who is waited for."""
    return {
        "customer": _("waits for the customer"),
        "us": _("waits for us"),
        "measure": _("waits for a measurement"),
    }


@require_safe
@viewer
def page(request: PageRequest) -> HttpResponse:
    """What is in onboarding, what is overdue on top; a `stage`, of a `tenant`, those that `waits`
    names, those that `q` means. At most twelve queries, whatever the number of domains."""
    asked, domains = asked_of(request), AuditDomain.objects.all()
    cursor = request.GET.get("cursor", "")
    try:
        found = onboarding.board(domains, asked, limit=PAGE, cursor=cursor)
    except CursorError:
        cursor, found = "", onboarding.board(domains, asked, limit=PAGE)
    rows, before, after = found
    stages, waits, exact = onboarding.numbers(domains, asked)
    tenants = tenant_names()
    context: dict[str, Any] = {
        "rows": [_shown(row, tenants) for row in rows],
        "asked": asked,
        "stages": _tabs("stage", stage_words(), stages, asked),
        "waiting": _tabs("waits", waits_words(), waits, asked),
        "total": sum(n for stage, n in stages.items() if stage != "done"),
        "exact": exact,
        "tenants": tenants,
        "waits_words": waits_words(),
        "query": query_of(asked),
        "everything": query_of(Asked(tenant=asked.tenant)),
        "narrows": query_of(Asked(asked.tenant, asked.stage, asked.waits, asked.q)) != "",
        "previous_cursor": before,
        "next_cursor": after,
        "months": [] if before else onboarding.months(domains, asked.tenant),
        "may_report": may_report(request.user),
        "may_change": may_change(request.user),
    }
    return render(request, "onboarding.html", context)


@require_safe
@viewer
def export(request: PageRequest) -> HttpResponseBase:
    """CSV of what the query string says, as the list of domains is exported."""
    return sheet("onboarding", _pages(asked_of(request)))


@require_change
def take_out_selected(request: PageRequest) -> HttpResponse:
    """The selected domains are no longer in onboarding, as a person says."""
    try:
        found = selected(request)
    except NothingSelected:
        messages.info(request, _("No domain was selected; nothing was done."))
        return redirect(reverse("onboarding") + query_of(asked_of(request)))
    n = take_out(found.order_by().values_list("pk", flat=True), Actor.person(request.user))
    text = ngettext(
        "Taken out of onboarding: %(n)s domain.", "Taken out of onboarding: %(n)s domains.", n
    )
    messages.info(request, text % {"n": n})
    return redirect(reverse("onboarding") + query_of(asked_of(request)))


@require_change
def turn(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """From its scorecard: `to=out` takes a domain out of onboarding, `to=back` puts back one that a
    person took out."""
    row, who = find(tenant_id, domain), Actor.person(request.user)
    to = request.POST.get("to")
    if to not in ("out", "back"):
        raise Http404
    (take_out if to == "out" else put_back)([row.pk], who)
    return scorecard_response(request, row)


def asked_of(request: PageRequest) -> Asked:
    """What a query string asks of the board; what is not on offer is left out."""
    stage, waits = request.GET.get("stage", ""), request.GET.get("waits", "")
    return Asked(
        tenant=number(request.GET.get("tenant"), highest=MAX_ID),
        stage=stage if stage in STAGES else "",
        waits=waits if waits in WAITS and stage != "done" else "",
        q=request.GET.get("q", "").replace("\0", "").strip()[:LONGEST],
    )


def query_of(asked: Asked, **changes: str) -> str:
    """The query string (with its `?`, or empty) of this board, or of one with other values."""
    values = {"tenant": asked.tenant, "stage": asked.stage, "waits": asked.waits, "q": asked.q}
    chosen = {name: value for name, value in (values | changes).items() if value}
    return f"?{urlencode(chosen)}" if chosen else ""


def _tabs(
    name: str, words: dict[str, str], numbers: dict[str, int], asked: Asked
) -> list[dict[str, Any]]:
    chosen, here = getattr(asked, name), reverse("onboarding")
    return [
        {
            "name": value,
            "word": word,
            "n": numbers[value],
            "active": value == chosen,
            "url": here + query_of(asked, **{name: "" if value == chosen else value}),
        }
        for value, word in words.items()
    ]


def _shown(row: Row, tenants: dict[int, str]) -> dict[str, Any]:
    names, more = onboarding.missing_words(row)
    return {
        **row,
        "tenant": tenants.get(row["tenant_id"], ""),
        "stage_word": stage_words()[row["stage"]],
        "waits_word": waits_words().get(row["waits"], ""),
        "missing_words": names,
        "missing_more": more,
        "unmeasured_words": ", ".join(map(short_name, row["unmeasured"])),
        "took": (row["onboarded_at"] - row["registered_at"]).total_seconds()
        if row["onboarded_at"]
        else None,
    }


def _pages(asked: Asked) -> Iterator[list[list[str]]]:
    yield [
        [
            _("Domain"),
            _("Tenant"),
            _("Stage"),
            _("Who is waited for"),
            _("Since"),
            _("What is missing"),
            _("Could not be measured"),
            _("Overdue"),
            _("Registered"),
            _("Link made"),
            _("Link mailed"),
            _("Link opened"),
            _("Checked again"),
            _("Score"),
            _("Status"),
        ]
    ]
    tenants = tenant_names()
    cursor: str | None = ""
    while cursor is not None:
        rows, _before, cursor = onboarding.board(
            AuditDomain.objects.all(), asked, limit=CHUNK, cursor=cursor
        )
        yield [_cells(row, tenants) for row in rows]


def _cells(row: Row, tenants: dict[int, str]) -> list[str]:
    link = row["link"]
    times = (link.created_at, link.sent_at, link.seen_at, link.checked_at) if link else (None,) * 4
    return [
        row["unicode"],
        tenants.get(row["tenant_id"], ""),
        stage_words()[row["stage"]],
        waits_words().get(row["waits"], ""),
        cell_time(row["since"]),
        ", ".join(map(short_name, row["missing"])),
        ", ".join(map(short_name, row["unmeasured"])),
        _("yes") if row["overdue"] else "",
        cell_time(row["registered_at"]),
        *map(cell_time, times),
        f"{row['score']}/{row['max_score']}",
        state(row["status"]),
    ]
