"""What a person decides of the domains that differ between a server and our list: the buttons on
the tenant's page."""

from collections.abc import Callable

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import localize
from django.utils.translation import gettext as _

from audit.models import PortalDomain, Tenant
from audit.results import portal_domains
from audit.results.trail import Actor
from audit.web import server
from audit.web.permissions import PageRequest, require_register
from audit.web.query import MAX_ID, number

MOST = 1000  # that one form names
Kind = PortalDomain.Kind


class NothingDone(Exception):
    """The text says why, or what was left."""


@require_register
def decide(request: PageRequest, tenant_id: int) -> HttpResponse:
    """`act` says what; `domain` are the ids of differences, where it is about some. With JavaScript
    the answer is the card, else a redirect to the page."""
    row = server.find(tenant_id)
    act = ACTS.get(request.POST.get("act", ""))
    try:
        if act is None:
            raise NothingDone(_("Choose what to do; nothing was done."))
        act(row, request)
    except NothingDone as nothing:
        page = "_server.html" if request.htmx else "tenant.html"
        context = server.context_of(request, row) | {"domains_notice": str(nothing)}
        return render(request, page, context, status=422)
    if request.htmx:
        return render(request, "_server.html", server.context_of(request, row))
    return redirect("tenant", row.pk)


def _selected(request: PageRequest) -> list[int]:
    texts = request.POST.getlist("domain")[:MOST]
    ids = [pk for text in texts if (pk := number(text, highest=MAX_ID))]
    if not ids:
        raise NothingDone(_("Select at least one domain; nothing was done."))
    return ids


def _register(row: Tenant, request: PageRequest, ids: list[int] | None) -> None:
    done, left = portal_domains.register(row, ids, who=Actor.person(request.user))
    if left:
        text = _("Registered: %(done)s. Left out: %(left)s, as the tenant's quota is %(quota)s.")
        numbers = {"done": done, "left": left, "quota": row.quota}
        raise NothingDone(text % {name: localize(n) for name, n in numbers.items()})


def _leave(row: Tenant, request: PageRequest, ids: list[int] | None, kind: Kind) -> None:
    portal_domains.leave(row, ids, kind, who=Actor.person(request.user))


ACTS: dict[str, Callable[[Tenant, PageRequest], object]] = {
    "register": lambda row, request: _register(row, request, _selected(request)),
    "register-all": lambda row, request: _register(row, request, None),
    "leave-proposed": lambda row, request: _leave(row, request, _selected(request), Kind.PROPOSED),
    "leave-lost": lambda row, request: _leave(row, request, _selected(request), Kind.LOST),
    "leave-all-lost": lambda row, request: _leave(row, request, None, Kind.LOST),
    "show-again": lambda row, request: portal_domains.show_again(
        row, who=Actor.person(request.user)
    ),
    "believe": lambda row, request: portal_domains.believe(row, who=Actor.person(request.user)),
}
