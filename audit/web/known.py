"""Marking what somebody knows of and lets stand, with a reason, until a time or for good; and
taking it back.
"""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.models import AuditCheck, Waiver
from audit.reading.filters import FILTERS
from audit.results.waivers import take_back, waive
from audit.web.audit_now import notice
from audit.web.permissions import PageRequest, require_waive
from audit.web.query import MAX_ID, filters_of, limit_of, number, query_of
from audit.web.scorecard import find, scorecard_response
from audit.web.selection import MOST, NothingSelected, is_all, selected
from collectors.base import Status
from collectors.registry import CHECKS, core_checks

LONGEST = 300  # characters of a reason
WRONG = (Status.WARN.value, Status.FAIL.value)
SPANS = {"week": timedelta(days=7), "month": timedelta(days=30)}
LONGEST_DAYS = 3650


class Unsaid(ValueError):
    """A form that does not say what is needed; the text says what is missing."""


def reason_of(request: PageRequest) -> str:
    """The reason that was typed; raises Unsaid."""
    reason = " ".join(request.POST.get("reason", "").replace("\0", "").split())
    if not reason:
        raise Unsaid(_("Say why it may stand, for whoever reads it later."))
    if len(reason) > LONGEST:
        raise Unsaid(_("The reason may have %(most)s characters.") % {"most": LONGEST})
    return reason


def end_of(request: PageRequest) -> datetime | None:
    """Until when, None for good; raises Unsaid. A day counts until it is over."""
    choice, now = request.POST.get("until", ""), timezone.localtime()
    if choice == "good":
        return None
    if choice in SPANS:
        return now + SPANS[choice]
    try:
        day = date.fromisoformat(request.POST.get("day", ""))
    except ValueError:
        raise Unsaid(_("Say until which day.")) from None
    if not now.date() <= day <= now.date() + timedelta(days=LONGEST_DAYS):
        raise Unsaid(_("The day must be today or later, and within ten years."))
    return timezone.make_aware(datetime.combine(day, time(23, 59, 59)))


@require_waive
def mark_one(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """Mark a finding of a domain (`check_id`, `code`) as known, or all that the check says (without
    `code`). With JavaScript the answer is the scorecard, else a redirect to it.
    """
    row = find(tenant_id, domain)
    check_id, code = request.POST.get("check_id", ""), request.POST.get("code", "")
    try:
        reason, until = reason_of(request), end_of(request)
        if check_id not in CHECKS or len(code) > LONGEST:
            raise Unsaid(_("This is not wrong any more."))
        waive(row, check_id, code, reason=reason, by=request.user.get_username(), until=until)
    except Unsaid as unsaid:
        return scorecard_response(request, row, notice=str(unsaid), status=422)
    except ValueError:
        return scorecard_response(request, row, notice=_("This is not wrong any more."), status=422)
    return scorecard_response(request, row)


@require_waive
def take_one_back(request: PageRequest, tenant_id: int, domain: str) -> HttpResponse:
    """Take back what somebody marked as known: the `waiver` of this domain."""
    row = find(tenant_id, domain)
    pk = number(request.POST.get("waiver"), highest=MAX_ID)
    waiver = Waiver.objects.filter(pk=pk, domain=row, ended_at=None).first() if pk else None
    if waiver:
        take_back(waiver, request.user.get_username())
    return scorecard_response(request, row)


@require_waive
def mark_selected(request: PageRequest) -> HttpResponse:
    """Mark what is wrong now with the selected domains as known: of one `check`, or of all. Without
    `reason` the answer is the form that asks for it.
    """
    try:
        found = selected(request, most=MOST)
    except NothingSelected as nothing:
        return notice(request, str(nothing), status=422)
    query = query_of(filters_of(request.GET), limit_of(request.GET), view=request.GET.get("view"))
    check = request.POST.get("check", "")
    rows = list(found.order_by("domain").select_related("tenant"))
    context: dict[str, Any] = {
        "query": query,
        "list_url": reverse("overview") + query,
        "count": len(rows),
        "names": [row.unicode for row in rows[:10]],
        "more": max(0, len(rows) - 10),
        "everything": is_all(request),
        "ids": [] if is_all(request) else [row.pk for row in rows],
        "checks": [(c, FILTERS["check"].word(c)) for c in core_checks()],
        "check": check or request.GET.get("check", ""),
        "posted": request.POST,
    }
    if "reason" not in request.POST:
        return render(request, "known.html", context)
    try:
        reason, until = reason_of(request), end_of(request)
    except Unsaid as unsaid:
        return render(request, "known.html", context | {"error": str(unsaid)}, status=422)
    wrong = AuditCheck.objects.filter(domain__in=rows, status__in=WRONG)
    wrong = wrong.filter(check_id__in=[check] if check in core_checks() else core_checks())
    by, done = request.user.get_username(), set()
    domains = {row.pk: row for row in rows}
    for pk, check_id in wrong.order_by("domain").values_list("domain_id", "check_id"):
        try:
            waive(domains[pk], check_id, "", reason=reason, by=by, until=until)
        except ValueError:
            continue  # it was cured in this moment
        done.add(pk)
    text = ngettext("Marked as known: %(n)s domain.", "Marked as known: %(n)s domains.", len(done))
    messages.info(request, text % {"n": len(done)})
    return redirect(context["list_url"])
