"""The page that sends a customer the link to the report by mail, with a text that may be edited."""

from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.access.throttle import Throttle
from audit.models import ReportLink
from audit.notify import report_mail
from audit.notify.report_mail import PLACE, Letter, Unsendable
from audit.results import trail
from audit.web.permissions import PageRequest, may_report, viewer
from audit.web.report_links import find_link, url_of

AN_HOUR = 60  # mails that one person sends


@require_http_methods(["GET", "HEAD", "POST"])
@viewer
def mail(request: PageRequest, link_id: int) -> HttpResponse:
    """The form with what is proposed; by POST it is sent, and said to be sent only if the mail
    server took it. Without one it can be copied, or opened in one's own mail program."""
    if not may_report(request.user):
        raise PermissionDenied
    link = find_link(link_id)
    proposed = Letter.proposed(link)
    if link.ended or not link.domain.active:
        return _page(request, link, proposed, status=410)
    if request.method != "POST":
        return _page(request, link, proposed)
    posted = Letter(*(request.POST.get(name, "") for name in ("to", "subject", "text")))
    try:
        letter = Letter.of(posted.to, posted.subject, posted.text)
    except Unsendable as unsaid:
        return _page(request, link, posted, error=str(unsaid), status=422)
    limit = Throttle("report-mail", tries=AN_HOUR, seconds=3600)
    if wait := limit.hit(str(request.user.pk)):
        text = _("That is many mails in a short time. Try again in %(minutes)s minutes.")
        said = text % {"minutes": -(-wait // 60)}
        response = _page(request, link, posted, error=said, status=429)
        response["Retry-After"] = str(wait)
        return response
    outcome = report_mail.send(letter, link, url_of(request, link))
    if not outcome.sent:
        return _page(request, link, posted, error=outcome.text, status=422)
    with transaction.atomic():
        link.note_sent(letter.to)
        trail.note(trail.Actor.person(request.user), [link.domain], trail.MAILED, letter.to)
    said = _("The mail server took the message to %(address)s.") % {"address": letter.to}
    messages.info(request, said)
    return redirect("scorecard", link.domain.tenant_id, link.domain.domain)


def _page(
    request: PageRequest, link: ReportLink, letter: Letter, *, error: str = "", status: int = 200
) -> HttpResponse:
    url = url_of(request, link)
    text = letter.text.replace(PLACE, url)
    asked = urlencode({"subject": letter.subject, "body": text}, quote_via=quote)
    context: dict[str, Any] = {
        "domain": link.domain,
        "link": link,
        "letter": letter,
        "place": PLACE,
        "address": url,
        "error": error,
        "ended": status == 410,
        "language": link.domain.tenant.get_language_display(),
        "by_mail": bool(settings.EMAIL_HOST),
        "written": text,
        "mailto": f"mailto:?{asked}",
        "longest": {"subject": report_mail.LONGEST_SUBJECT, "text": report_mail.LONGEST_TEXT},
    }
    response = render(request, "report_mail.html", context, status=status)
    patch_cache_control(response, no_store=True)
    return response
