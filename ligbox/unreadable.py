"""What a header says and nobody can mean is taken as if it were not there, before anything reads
it: else each reader fails in its own way."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters

ADDRESS = "HTTP_HX_CURRENT_URL"


class Request(WSGIRequest):
    """Queries and forms are UTF-8, whatever charset a request names: Python knows some that are
    none (`hex`) or make characters that no database takes (`unicode_escape`), and Django would
    decode with it before any middleware is there to answer."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            found = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            found = "", {}
        self.content_type, self.content_params = found
        self.content_params.pop("charset", None)


def leave_out(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware. A cookie with control characters (in quotes, RFC 2109 lets them in) is none of
    ours, and PostgreSQL takes no NUL in the key of a session. The address that htmx names is one,
    or none."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        for name in [name for name, text in request.COOKIES.items() if not text.isprintable()]:
            del request.COOKIES[name]
        try:
            _port = urlsplit(request.META.get(ADDRESS, "")).port
        except ValueError:
            del request.META[ADDRESS]
        return get_response(request)

    return middleware
