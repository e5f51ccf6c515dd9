"""The report for the customer: a signed link that ends by itself, to a page that says what to publish and nothing of ours."""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from audit import scorecards
from audit.models import AuditDomain
from collectors.base import Owner, Status

from .access import maker
from .scorecard import find

DAYS = 30  # how long a link leads somewhere
_SALT = "audit.report"


def link_for(request, row):
    """The whole address of a new link to the report of this domain."""
    token = signing.dumps(row.pk, salt=_SALT)
    return request.build_absolute_uri(reverse("report", args=[token]))


@maker
def make(request, tenant_id, domain):
    """A new link, to be copied: a fragment for the scorecard, or a page without JavaScript."""
    row = find(tenant_id, domain)
    context = {
        "domain": row,
        "link": link_for(request, row),
        "until": timezone.localtime() + timedelta(days=DAYS),
        "language": dict(settings.LANGUAGES)[row.tenant.language],
    }
    response = render(request, "_report_link.html" if request.htmx else "report_link.html", context)
    patch_cache_control(response, no_store=True)
    return response


@require_safe
def report(request, token):
    """What the holder of a link sees, in the language of the tenant's customers. 404 for a link that nobody made, 410 for an old one."""
    try:
        pk = signing.loads(token, salt=_SALT, max_age=timedelta(days=DAYS))
    except signing.SignatureExpired:
        return _private(render(request, "report_ended.html", {"ended": True}, status=410))
    except signing.BadSignature:
        row = None
    else:
        row = AuditDomain.objects.active().select_related("tenant").filter(pk=pk).first()
    if row is None:
        return _private(render(request, "report_ended.html", status=404))  # a customer's page, not one of ours
    with translation.override(row.tenant.language):
        response = render(request, "report.html", _context(row))
    response["Content-Language"] = row.tenant.language
    return _private(response)


def _private(response):
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"  # the address is the key
    patch_cache_control(response, private=True, no_store=True)
    return response


def _context(row):
    """Only what is the customer's to know: no evidence, nothing of the server, the portal or the tenant."""
    card = scorecards.of_domain(row)
    to_do, ours, done = [], [], []
    for check in card["checks"]:
        mine = [f for f in check["findings"] if f["owner"] == Owner.CUSTOMER and f["severity"] in (Status.FAIL, Status.WARN)]
        if check["status"] == Status.OK:
            done.append(check["title"])
        elif mine:
            to_do.append({"title": check["title"], "status": check["status"], "findings": mine})
        else:
            ours.append(check["title"])
    return {"domain": row, "card": card, "to_do": to_do, "ours": ours, "done": done}
