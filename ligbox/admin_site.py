"""The site of the administration: what holds for every list of it, whoever registered it.

Here and not in audit/admin/, whose modules register themselves on it while they are read.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import NotRelationField, get_fields_from_path
from django.core.exceptions import BadRequest, FieldDoesNotExist, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.i18n import JavaScriptCatalog

from ligbox.formats.words import MONTHS

LONGEST_QUERY = 4000  # characters; no link of ours comes near
LONGEST_SEARCH = 200  # each word of a search is one more condition
MOST_ORDERS = 20  # columns that a list is ordered by
MOST_VALUES = 50  # of one filter
# django-q2's pages let a session run any function in the worker, and unpickle what they show;
# audit/admin/queue.py shows the same, and only shows it
LEFT_OUT = {"django_q"}


class Guarded(admin.ModelAdmin):
    """Comes before every ModelAdmin of the site. A list is filtered by what it offers as a filter,
    and by nothing else: Django would take any look-up of any field, and on SQLite a regular
    expression is Python's, which one address can keep busy for ever.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in self._offered(request)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> models.Model | None:
        """Django's; but an empty `_to_field` is none."""
        return super().get_object(request, object_id, from_field or None)

    def response_action(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:  # type: ignore[override]
        """Django's; but what is chosen are keys, else 400: a database would choke on others."""
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(key, None)  # type: ignore[union-attr]
        except ValidationError:
            raise BadRequest("what is chosen is no key") from None
        return super().response_action(request, queryset)

    def _offered(self, request: HttpRequest | None) -> set[str]:
        """The parameters that the filters of this list make links with."""
        offered: set[str] = set()
        for entry in self.get_list_filter(request):  # type: ignore[arg-type]
            if isinstance(entry, type) and issubclass(entry, admin.ListFilter):
                offered.add(getattr(entry, "parameter_name", None) or "")
                continue
            field = entry[0] if isinstance(entry, tuple | list) else entry
            offered.update(_parameters(self.model, getattr(field, "name", field)))  # type: ignore[arg-type]
        if self.date_hierarchy:
            offered.update(f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day"))
            offered.update(_parameters(self.model, self.date_hierarchy))
        return offered


def _parameters(model: type[models.Model], path: str) -> set[str]:
    """What Django's filters of a field put into an address."""
    try:
        field = get_fields_from_path(model, path)[-1]
    except (FieldDoesNotExist, NotRelationField):
        return set()  # the system checks say so
    found = {path, f"{path}__exact", f"{path}__isnull"}
    if field.is_relation:
        target = field.related_model._meta.pk.name  # type: ignore[union-attr]
        found = {f"{path}__{target}__exact", f"{path}__isnull"}
    if isinstance(field, models.DateField):
        found |= {f"{path}__gte", f"{path}__lt"}
    return found


def refuse_hostile(request: HttpRequest) -> None:
    """Raise BadRequest (400) for a query string that no page of the administration makes: one that
    a database would choke on, or take minutes for."""
    if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY:
        raise BadRequest("the query string is too long")
    for name, values in request.GET.lists():
        if "\0" in name or any("\0" in value for value in values):
            raise BadRequest("the query string holds a NUL")
        if len(values) > MOST_VALUES:
            raise BadRequest("the query string repeats itself")
    if any(len(request.GET.get(name, "")) > LONGEST_SEARCH for name in ("q", "term")):
        raise BadRequest("the search is too long")
    if request.GET.get("o", "").count(".") >= MOST_ORDERS:
        raise BadRequest("the list is ordered by too many columns")


class Words(JavaScriptCatalog):
    """What the scripts of the administration say; its calendar writes months as our pages do."""

    def get_catalog(self) -> dict[str, Any]:
        """{a word in English: in the language of the page}."""
        return super().get_catalog() | {month: _(month) for month in MONTHS}


class Site(admin.AdminSite):
    """Django's, with guards, and the queue beside the lists."""

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[admin.ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        """Register a model; its ModelAdmin, ours or another app's, becomes a guarded one. Those of
        apps in LEFT_OUT stay out."""
        kind = admin_class or admin.ModelAdmin
        if not issubclass(kind, Guarded):
            kind = type(kind.__name__, (Guarded, kind), {"__module__": kind.__module__})
        single = isinstance(model_or_iterable, type)
        found = [model_or_iterable] if single else model_or_iterable
        kept = [model for model in found if model._meta.app_label not in LEFT_OUT]
        super().register(kept, kind, **options)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Every view of the administration, with a look at its query string first."""

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refuse_hostile(request)
            return view(request, *args, **kwargs)

        for name in ("__name__", "__doc__", "__module__", "csrf_exempt", "admin_site"):
            if hasattr(view, name):
                setattr(guarded, name, getattr(view, name))
        # Django lets caches keep its pages for changing a password; they name who is signed in
        return super().admin_view(guarded, cacheable and view == self.i18n_javascript)

    def i18n_javascript(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's, with our words for months."""
        return Words(packages=["django.contrib.admin"]).get(request)

    def get_urls(self) -> list[Any]:
        from audit.admin import queue  # here: see above

        return [
            path(
                "queue/", self.admin_view(lambda request: queue.page(request, self)), name="queue"
            ),
            *super().get_urls(),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Django's list of the lists, and the queue among those of ours."""
        from audit.admin import queue  # here: see above

        found: Iterable[Any] = super().get_app_list(request, app_label)
        for app in found:
            if app["app_label"] == "audit" and queue.may_look(request.user):
                app["models"].append(
                    {
                        "name": _("Queue"),
                        "object_name": "Queue",
                        "perms": {"add": False, "change": False, "delete": False, "view": True},
                        "admin_url": reverse("admin:queue"),
                        "add_url": None,
                        "view_only": True,
                    }
                )
                app["models"].sort(key=lambda model: str(model["name"]))
        return list(found)
