"""The views of the overview that a person keeps: a name for a query string."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.models import SavedView
from audit.web.permissions import PageRequest, viewer
from audit.web.query import MAX_ID, TABLE, filters_of, limit_of, number, query_of

MOST = 50  # views that one person keeps
LONGEST = 60  # characters of a name


@require_http_methods(["GET", "HEAD", "POST"])
@viewer
def saved_views(request: PageRequest) -> HttpResponse:
    """The views of this person, as a page or as the list in a menu; the query string is the view
    that may be saved. POST: save it as `name`, or delete `view`.

    A view is kept once: saved under another name it gets that name, and a name that is there
    already gets this view.
    """
    error = ""
    if request.method == "POST":
        pk = number(request.POST.get("view"), highest=MAX_ID)
        if pk:
            SavedView.objects.filter(user=request.user.pk, pk=pk).delete()
        else:
            error = _save(request)
        if not error:
            return redirect(reverse("saved-views") + query_in(request.GET))
    query = query_in(request.GET)
    views = [
        {
            "id": v.pk,
            "name": v.name,
            "url": reverse("overview") + v.query,
            "active": v.query == query,
        }
        for v in SavedView.objects.filter(user=request.user.pk).order_by("name")
    ]
    context: dict[str, Any] = {
        "views": views,
        "query": query,
        "list_url": reverse("overview") + query,
        "error": error,
        "current": next((v["name"] for v in views if v["active"]), ""),
    }
    template = "_saved_views.html" if request.htmx else "saved_views.html"
    return render(request, template, context, status=422 if error else 200)


def query_in(params: QueryDict) -> str:
    """The view that a query string asks for, in one spelling."""
    view = params.get("view")
    query = query_of(filters_of(params), limit_of(params), view=view)
    return query if view == TABLE else f"{query}&view=cards" if query else "?view=cards"


def _save(request: PageRequest) -> str:
    """Save the view; what is wrong with its name, or ''."""
    name = " ".join(request.POST.get("name", "").replace("\0", "").split())
    if not name or len(name) > LONGEST:
        return _("Give the view a name of at most %(most)s characters.") % {"most": LONGEST}
    query = query_in(request.GET)
    with transaction.atomic():
        mine = SavedView.objects.filter(user=request.user.pk)
        others = mine.exclude(query=query)
        if not others.filter(name=name).exists() and others.count() >= MOST:
            return _("That are %(most)s views. Delete one first.") % {"most": MOST}
        mine.filter(query=query).delete()
        mine.update_or_create(user_id=request.user.pk or 0, name=name, defaults={"query": query})
    return ""
