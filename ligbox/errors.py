"""Errors outside of any view: problem details below /api/, pages elsewhere."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views import defaults

from audit.api.problem_details import respond
from audit.web.overview import missing

Handler = Callable[..., HttpResponseBase]


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _unkept(handler: Handler) -> Handler:
    """What `handler` answers names whoever is signed in: no cache may keep it."""

    @wraps(handler)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = handler(request, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_cache=True)
        return response

    return inner


@_unkept
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return (
        respond(400, _("The request is malformed."))
        if _is_api(request)
        else defaults.bad_request(request, exception)
    )


@_unkept
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return (
        respond(403, _("You may not do this."))
        if _is_api(request)
        else defaults.permission_denied(request, exception)
    )


@_unkept
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return (
        respond(404, _("There is nothing at this address."))
        if _is_api(request)
        else missing(request, exception)
    )


@_unkept
def server_error(request: HttpRequest) -> HttpResponseBase:
    """Called while the error is handled: a database that is away is said, and passes."""
    if _is_api(request):
        return respond(500, _("An internal error; the log has the details."))
    if not isinstance(sys.exception(), (OperationalError, InterfaceError)):
        return defaults.server_error(request)
    response = defaults.server_error(request, "503.html")
    response.status_code, response["Retry-After"] = 503, "60"
    return response
