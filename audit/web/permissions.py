"""Who may see the pages and who may ask for audits."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urljoin

from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

SEE, RUN, REPORT = "audit.view_auditdomain", "audit.run_audit", "audit.make_report"
WAIVE, CHANGE = "audit.add_waiver", "audit.change_auditdomain"
ADD = "audit.add_auditdomain"


class PageRequest(HttpRequest):
    """A request as the middleware hands it on."""

    htmx: HtmxDetails


View = Callable[..., HttpResponseBase]


def viewer(view: View) -> View:
    """For those who are signed in and may see domains; a fragment that is asked for without a
    session leads to the login.
    """

    @wraps(view)
    def inner(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            if request.htmx:
                here = request.htmx.current_url_abs_path or "/"
                return HttpResponseClientRedirect(redirect_to_login(here).url)
            return redirect_to_login(request.get_full_path())
        if not (request.user.is_staff or request.user.has_perm(SEE)):
            raise PermissionDenied
        response = view(request, *args, **kwargs)
        patch_cache_control(response, private=True, no_cache=True)
        return response

    return inner


def may_run(user: User | AnonymousUser) -> bool:
    """Whether this user may ask for audits."""
    return user.has_perm(RUN)


def may_report(user: User | AnonymousUser) -> bool:
    """Whether this user may make report links."""
    return user.has_perm(REPORT)


def may_waive(user: User | AnonymousUser) -> bool:
    """Whether this user may mark as known what is wrong, and take that back."""
    return user.has_perm(WAIVE)


def may_change(user: User | AnonymousUser) -> bool:
    """Whether this user may take domains out of onboarding, and put them back."""
    return user.has_perm(CHANGE)


def may_register(user: User | AnonymousUser) -> bool:
    """Whether this user may register domains, and leave unregistered what a server has."""
    return user.has_perm(ADD)


def require_run(view: View) -> View:
    """For those who may ask for audits, see `_button`."""
    return _button(view, may_run)


def require_report(view: View) -> View:
    """For those who may make report links, see `_button`."""
    return _button(view, may_report)


def require_waive(view: View) -> View:
    """For those who may mark what is known, see `_button`."""
    return _button(view, may_waive)


def require_change(view: View) -> View:
    """For those who may change domains, see `_button`."""
    return _button(view, may_change)


def require_register(view: View) -> View:
    """For those who may register domains, see `_button`."""
    return _button(view, may_register)


def _button(view: View, allowed: Callable[[User | AnonymousUser], bool]) -> View:
    """By POST. A GET, as after a login or a change of the language, leads to the page of the
    button.
    """

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def inner(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            query = request.GET.urlencode()
            return redirect(urljoin(request.path, "../") + (f"?{query}" if query else ""))
        if not allowed(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return viewer(inner)
