"""Probes come first: no matter which Host they ask for, and over plain http too. So does the page
of metrics, which has a door of its own."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from audit.api.metrics import metrics
from audit.web.health import healthz, readyz

PROBES = {"/healthz": healthz, "/readyz": readyz}
OURS = {**PROBES, "/metrics": metrics}


def answer_probes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that answers `/healthz`, `/readyz` and `/metrics` before anything looks at the
    Host, at cookies or at the language: a load balancer asks an address. All else, static files
    too, is for settings.ALLOWED_HOSTS alone."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if view := OURS.get(request.path_info):
            return view(request)
        request.get_host()  # DisallowedHost: 400
        return get_response(request)

    return middleware
