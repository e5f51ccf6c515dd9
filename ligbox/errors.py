"""Errors outside of any view: problem details below /api/, pages elsewhere."""

from functools import wraps

from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views import defaults

from audit.problems import respond
from audit.views.overview import missing


def _is_api(request):
    return request.path_info.startswith("/api/")


def _unkept(handler):
    """What `handler` answers names whoever is signed in: no cache may keep it."""

    @wraps(handler)
    def inner(request, *args, **kwargs):
        response = handler(request, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_cache=True)
        return response

    return inner


@_unkept
def bad_request(request, exception):
    return respond(400, _("The request is malformed.")) if _is_api(request) else defaults.bad_request(request, exception)


@_unkept
def permission_denied(request, exception):
    return respond(403, _("You may not do this.")) if _is_api(request) else defaults.permission_denied(request, exception)


@_unkept
def page_not_found(request, exception):
    return respond(404, _("There is nothing at this address.")) if _is_api(request) else missing(request, exception)


@_unkept
def server_error(request):
    return respond(500, _("An internal error; the log has the details.")) if _is_api(request) else defaults.server_error(request)
