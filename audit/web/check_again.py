"""*Check again*, by whoever holds the link to a report: the zone's own name servers are asked at
once, and an audit is queued that takes nothing from a cache.
"""

import asyncio
import time
from threading import BoundedSemaphore

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from audit.access.throttle import Throttle, peer
from audit.models import AuditDomain, AuditRun, ReportLink, ServersAsked
from audit.models.onboarding import LinkEnded
from audit.queue.event_loop import net_config
from audit.reading.customer_report import steps_of
from audit.tasks import request_run
from audit.web import report_links as links
from audit.web.customers_page import in_language, private
from audit.web.permissions import PageRequest
from collectors.authoritative import ask, question
from collectors.authoritative.budget import SECONDS

WAIT_SECONDS = 2.0  # for one's turn; the look has the rest of the eight seconds
BUSY_SECONDS = 10  # after which to try again where others had their turn
_turn = BoundedSemaphore(1)  # looks of this process at a time
_line = BoundedSemaphore(3)  # who has a turn or waits for one: no more threads than that


@require_http_methods(["GET", "HEAD", "POST"])
def check_again(request: PageRequest, token: str) -> HttpResponse:
    """Ask the name servers and queue the audit, then show the report. 429 where that was done a
    moment ago. A GET leads to the report.
    """
    try:
        link = ReportLink.objects.of_token(token)
    except LinkEnded:
        link = None  # the report's page says so
    if link is None or request.method != "POST":
        return private(redirect("report", token))
    limit = Throttle("check-again", tries=6, seconds=60)
    if wait := limit.hit(peer(request)):
        return _too_soon(request, link, token, wait)
    if wait := _look(link.domain):
        limit.give_back(peer(request))  # looks count
        return _too_soon(request, link, token, wait)
    links.note_checked(link, request)
    return private(redirect("report", token))


def _look(row: AuditDomain) -> int:
    """Ask for the audit, and ask the name servers meanwhile; 0, or the seconds until one may."""
    if not _line.acquire(blocking=False):
        return BUSY_SECONDS
    began = time.monotonic()
    try:
        if not _turn.acquire(timeout=WAIT_SECONDS):
            return BUSY_SECONDS
        try:
            if wait := ServersAsked.objects.claim(row):
                return wait
            _ask(row, began + SECONDS)
        finally:
            _turn.release()
    finally:
        _line.release()
    return 0


def _ask(row: AuditDomain, ends: float) -> None:
    run, _already = request_run(
        tenant=row.tenant,
        domains=AuditDomain.objects.filter(pk=row.pk),
        trigger=AuditRun.Trigger.MANUAL,
        by="report",
        scope=row.domain,
    )
    asked = ServersAsked.objects.filter(domain=row)
    asked.update(run=run)
    records = [record for step in steps_of(row) for record in step.records]
    # without a record to look for, it is told at least which of them answer
    questions = [question(record) for record in records] or [(row.domain, "MX")]
    aliases = {
        question(r)[0]: r.value for r in records if r.type == "CNAME" and r.action != "remove"
    }
    left = max(0.5, ends - time.monotonic())  # the database may have been busy
    look = ask(row.domain, questions, config=net_config(), aliases=aliases, seconds=left)
    answers = asyncio.run(look)
    asked.update(answers=answers.to_json())


def _too_soon(request: PageRequest, link: ReportLink, token: str, wait: int) -> HttpResponse:
    """So many seconds are to be waited: a line on the page, else a page of its own."""
    template = "_report_wait.html" if request.htmx else "report_wait.html"
    context = {"wait": wait, "token": token, "domain": link.domain}
    response = in_language(request, template, context, link.domain.tenant, status=429)
    response["Retry-After"] = str(wait)
    if request.htmx:
        response["HX-Retarget"], response["HX-Reselect"] = ".again-wait", "#wait"
        response["HX-Reswap"] = "innerHTML"
    return response
