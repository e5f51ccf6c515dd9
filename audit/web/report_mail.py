"""The pages that send a customer the link to the report by mail, or the links of several domains in
one, with a text that may be edited."""

from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.access.throttle import Throttle
from audit.models import ReportLink
from audit.notify import report_mail
from audit.notify.report_mail import PLACE, Letter, Unsendable
from audit.results import trail
from audit.web.audit_now import notice
from audit.web.permissions import PageRequest, may_report, viewer
from audit.web.query import MAX_ID, number
from audit.web.report_links import find_link, url_of

AN_HOUR = 60  # mails that one person sends
MOST = 50  # links in one of them
LONGEST_MAILTO = 8_000  # characters that mail programs take from an address


@require_http_methods(["GET", "HEAD", "POST"])
@viewer
def mail(request: PageRequest, link_id: int) -> HttpResponse:
    """The form with what is proposed; by POST it is sent, and said to be sent only if the mail
    server took it. Without one it can be copied, or opened in one's own mail program."""
    if not may_report(request.user):
        raise PermissionDenied
    return _mail(request, [find_link(link_id)])


@require_http_methods(["GET", "HEAD", "POST"])
@viewer
def mail_several(request: PageRequest) -> HttpResponse:
    """The same for several links in one letter to one customer: each `link` of the query string.
    422 where there is none, or they are of several tenants or too many."""
    if not may_report(request.user):
        raise PermissionDenied
    texts = request.GET.getlist("link")
    found = {pk for text in texts if (pk := number(text, highest=MAX_ID))}
    rows = ReportLink.objects.select_related("domain__tenant").filter(pk__in=found)
    links = list(rows.order_by("domain__domain", "pk")[: MOST + 1])
    if not links:
        return notice(request, _("No link was selected; nothing was sent."), status=422)
    if len(links) > MOST:
        said = _("Select at most %(most)s links for one mail; nothing was sent.") % {"most": MOST}
        return notice(request, said, status=422)
    if len({link.domain.tenant_id for link in links}) > 1:
        said = _("These domains are on several servers: mail the links of each server by itself.")
        return notice(request, said, status=422)
    return _mail(request, links)


def _mail(request: PageRequest, links: list[ReportLink]) -> HttpResponse:
    proposed = Letter.proposed(*links)
    if any(link.ended or not link.domain.active for link in links):
        return _page(request, links, proposed, status=410)
    if request.method != "POST":
        return _page(request, links, proposed)
    posted = Letter(*(request.POST.get(name, "") for name in ("to", "subject", "text")))
    try:
        letter = Letter.of(posted.to, posted.subject, posted.text)
    except Unsendable as unsaid:
        return _page(request, links, posted, error=str(unsaid), status=422)
    limit = Throttle("report-mail", tries=AN_HOUR, seconds=3600)
    if wait := limit.hit(str(request.user.pk)):
        text = _("That is many mails in a short time. Try again in %(minutes)s minutes.")
        said = text % {"minutes": -(-wait // 60)}
        response = _page(request, links, posted, error=said, status=429)
        response["Retry-After"] = str(wait)
        return response
    outcome = report_mail.send(letter, [(link, url_of(request, link)) for link in links])
    if not outcome.sent:
        return _page(request, links, posted, error=outcome.text, status=422)
    with transaction.atomic():
        for link in links:
            link.note_sent(letter.to)
        who = trail.Actor.person(request.user)
        trail.note(who, {link.domain for link in links}, trail.MAILED, letter.to)
    said = _("The mail server took the message to %(address)s.") % {"address": letter.to}
    messages.info(request, said)
    return redirect(_back(links))


def _back(links: list[ReportLink]) -> str:
    """Where one comes from: the page of the domain, of several the board."""
    if len(links) > 1:
        return reverse("onboarding")
    return reverse("scorecard", args=[links[0].domain.tenant_id, links[0].domain.domain])


def _page(
    request: PageRequest,
    links: list[ReportLink],
    letter: Letter,
    *,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    addresses = [(link, url_of(request, link)) for link in links]
    text = report_mail.written(letter, addresses)
    asked = urlencode({"subject": letter.subject, "body": text}, quote_via=quote)
    context: dict[str, Any] = {
        "links": addresses,
        "name": links[0].domain.unicode,
        "back": _back(links),
        "until": min(link.expires_at for link in links),
        "letter": letter,
        "place": PLACE,
        "error": error,
        "ended": status == 410,
        "language": links[0].domain.tenant.get_language_display(),
        "by_mail": bool(settings.EMAIL_HOST),
        "written": text,
        "mailto": f"mailto:?{asked}" if len(asked) <= LONGEST_MAILTO else "",
        "longest": {"subject": report_mail.LONGEST_SUBJECT, "text": report_mail.LONGEST_TEXT},
    }
    response = render(request, "report_mail.html", context, status=status)
    patch_cache_control(response, no_store=True)
    return response
