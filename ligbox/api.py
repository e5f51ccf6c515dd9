"""The NinjaAPI instance under /api/v1/: its routers, its errors (problem details, all of them) and
its document.
"""

import logging
from functools import wraps

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, URLResolver
from django.utils.cache import patch_cache_control
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Swagger
from ninja.errors import HttpError
from ninja.errors import ValidationError as InputError
from ninja.openapi.docs import ABS_TPL_PATH
from ninja.parser import Parser

from audit.access.throttle import peer
from audit.api import onboarding, portal_domains, server, webhooks
from audit.api import routes as audit_api
from audit.api.auth import Access, count_request
from audit.api.problem_details import Problem, error, respond
from audit.api.responses import Renderer, no_content
from audit.reading.paging import CursorError
from ligbox.openapi import complete

log = logging.getLogger(__name__)
DESCRIPTION = (
    "Read-only audits of mail domains: what is healthy, what is not, since when, why, and what to "
    "change.\n\n"
    "Send `Authorization: Bearer <token>`, or the session of a signed-in user (with `X-CSRFToken` "
    "for what changes something).\n"
    "Errors are problem details (RFC 9457). Times are ISO 8601 in UTC. Lists are paged: pass "
    "`next_cursor` as `cursor`."
)


class QueryParser(Parser):
    """Query strings: a parameter that is empty counts as left out, and no text holds a NUL."""

    def parse_querydict(self, data, list_fields, request):
        if any("\0" in value for key in data for value in [key, *data.getlist(key)]):
            raise Problem(400, _("The query string holds a NUL character."))
        return {
            key: value
            for key, value in super().parse_querydict(data, list_fields, request).items()
            if value != ""
        }


class Api(NinjaAPI):
    def get_content_type(self) -> str:
        """JSON is UTF-8 by its standard (RFC 8259, section 8.1)."""
        return Renderer.media_type

    def _get_urls(self) -> list[URLPattern | URLResolver]:
        """Each view answers HEAD and OPTIONS, and every error of it is a problem."""
        patterns = super()._get_urls()
        for pattern in patterns:
            assert isinstance(pattern, URLPattern)
            # the root is only a name, to find the path of the others by
            is_operation = pattern.name not in _DOCUMENTS
            if pattern.name == "openapi-json":
                pattern.callback = lambda request: HttpResponse(
                    self.document, content_type="application/json"
                )
            pattern.callback = (
                nothing_here
                if pattern.name == "api-root"
                else _view(pattern.callback, is_operation=is_operation)
            )
        return patterns

    def get_openapi_schema(self, *, path_prefix=None, path_params=None):
        return complete(
            super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params), self
        )

    @cached_property
    def document(self):
        """The OpenAPI document as bytes. Making it takes 60 ms, and anybody may ask for it: it is
        made once a process.
        """
        return orjson.dumps(self.get_openapi_schema(), option=orjson.OPT_NON_STR_KEYS)


_DOCUMENTS: set[str | None] = {"openapi-json", "openapi-view"}


def _view(view, *, is_operation):
    @csrf_exempt  # sessions are checked where a caller is let in, see audit.auth
    @wraps(view)
    def inner(request, *args, **kwargs):
        asked = request.method
        if asked == "HEAD":
            request.method = "GET"
        try:
            if not is_operation:
                count_request(peer(request))  # operations count whom they let in, see audit.auth
            allowed = is_operation or request.method == "GET"
            response = (
                view(request, *args, **kwargs) if allowed else HttpResponseNotAllowed(["GET"])
            )
        except Problem as problem:
            response = problem.response()
        except Http404:
            response = nothing_here(request)
        if response.status_code == 405:
            response = _not_allowed(asked, response["Allow"])
        elif asked == "HEAD":
            response["Content-Length"] = str(len(response.content))
            response.content = b""
        if is_operation:
            response["Cache-Control"] = "no-store"
        elif not response.has_header("Cache-Control"):
            patch_cache_control(
                response, private=True, no_cache=True
            )  # the documentation page holds a CSRF token
        return response

    return inner


def _not_allowed(asked, allow):
    methods = {m.strip() for m in allow.split(",")} | {"OPTIONS"}
    allow = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    if asked == "OPTIONS":
        return no_content({"Allow": allow})
    return respond(
        405,
        _("This address does not know the method %(method)s.") % {"method": asked[:20]},
        headers={"Allow": allow},
    )


@csrf_exempt
def nothing_here(request):
    """The 404 of addresses under /api/ that do not exist."""
    return respond(404, _("There is nothing at this address."))


class Docs(Swagger):
    """The page about the API, with what stands beside it; see NINJA in the settings."""

    template_cdn = str(ABS_TPL_PATH / "swagger.html")  # and none of a CDN's


api = Api(
    title="Ligbox Audit",
    version="1.0",
    description=DESCRIPTION,
    urls_namespace="api",
    docs=Docs(settings={"validatorUrl": None, "defaultModelsExpandDepth": 0}),
    parser=QueryParser(),
    renderer=Renderer(),
    auth=Access(
        scope="read", permission="audit.view_auditdomain"
    ),  # where an operation names nothing else
)
api.add_router("/audit", audit_api.router)
api.add_router("/audit", onboarding.router)
api.add_router("/audit", server.router)
api.add_router("/audit", portal_domains.router)
api.add_router("/webhooks", webhooks.router)


# -- every error is a problem


@api.exception_handler(Problem)
def _problem(request, problem):
    return problem.response()


@api.exception_handler(InputError)
def _input(request, problem):
    found = [
        error(e["loc"][0], str(e["loc"][-1]), e["msg"], code=e["type"]) for e in problem.errors
    ]
    names = ", ".join(dict.fromkeys(e["name"] for e in found))
    return respond(422, _("Not valid: %(names)s.") % {"names": names}, errors=found)


@api.exception_handler(CursorError)
def _cursor(request, problem):
    sentence = _("The cursor is not of this list; begin without one.")
    return respond(422, sentence, errors=[error("query", "cursor", sentence)])


@api.exception_handler(HttpError)
def _http(request, problem):
    return respond(problem.status_code, problem.message)


@api.exception_handler(Http404)
def _missing(request, problem):
    return nothing_here(request)


@api.exception_handler(PermissionDenied)
def _denied(request, problem):
    return respond(403, _("You may not do this."))


@api.exception_handler(SuspiciousOperation)
def _suspicious(request, problem):
    log.warning("%s refused: %s", request.path, type(problem).__name__)
    if isinstance(problem, RequestDataTooBig):
        return respond(413, _("The body is too large."))
    return respond(400, _("The request is malformed or too large."))


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _database(request, problem):
    log.error("%s %s: the database did not answer: %s", request.method, request.path, problem)
    return respond(
        503,
        _("The database does not answer at the moment; try again."),
        headers={"Retry-After": "10"},
    )


@api.exception_handler(Exception)
def _bug(request, problem):
    log.error("%s %s failed", request.method, request.path, exc_info=problem)
    return respond(500, _("An internal error; the log has the details."))
