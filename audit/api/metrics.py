"""`GET /metrics` for Prometheus: by a token that may read, or from this machine."""

import logging
from collections.abc import Callable
from ipaddress import ip_address
from threading import Lock

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.http.request import split_domain_port, validate_host
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as plain_text
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics
from prometheus_client.registry import Collector

from audit.access.throttle import peer
from audit.api.auth import CHALLENGE, Access, count_request
from audit.api.problem_details import Problem
from audit.reading.metrics import DatabaseCollector

log = logging.getLogger(__name__)
READ = Access(scope="read", permission="audit.view_auditdomain")
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
WRITERS: dict[str, Callable[[Collector], bytes]] = {OPEN: open_metrics, PLAIN: plain_text}
FRESH_SECONDS = 2  # for so long a page serves whoever asks
AWAY_SECONDS = 5  # and so long nobody asks a database that did not answer
WAIT_SECONDS = 5  # for the page that another asked for
STATEMENT_SECONDS = 5  # that the database may take for one question (PostgreSQL)
# Whoever forwards a request adds one of these.
FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
    "HTTP_VIA",
)
LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]"]
_one_at_a_time = Lock()


class Away(Exception):
    """The page can't be had at the moment."""


@csrf_exempt
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics in OpenMetrics 1.0, or in Prometheus' older text format for who asks for that.

    A token of one tenant sees that tenant alone. 401 without a token, but from this machine; 503
    while the database does not answer. No cookie opens it.
    """
    if not request.is_secure() and settings.SECURE_SSL_REDIRECT and not is_local(request):
        # as everything else; a token has no business in plain http
        return HttpResponsePermanentRedirect(f"https://{request.get_host()}{request.path}")
    kind = _wanted(request)
    try:
        with translation.override("en"):
            tenant = _reader(request)
        return HttpResponse(_page(tenant, kind), content_type=kind)
    except Problem as problem:
        return problem.response()
    except (DatabaseError, Away) as error:
        log.warning("no metrics: %s", str(error).partition("\n")[0] or type(error).__name__)
        sentence = "The database does not answer at the moment."
        answer = Problem(503, sentence, headers={"Retry-After": str(AWAY_SECONDS)}).response()
        answer._has_been_logged = True  # type: ignore[attr-defined]  # Django would, once more
        return answer


def is_local(request: HttpRequest) -> bool:
    """A program on this machine asks us itself: over loopback or our own Unix socket, and nobody
    has forwarded it.

    What a header says of an address opens nothing, whatever settings.PROXIES is: one that came
    through a proxy has been forwarded. Nor does a page in a browser of this machine whose name was
    made to lead here: the Host is one of ours.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if any(header in request.META for header in FORWARDED) or not _is_loopback(address):
        return False
    if "HTTP_HOST" not in request.META:
        return True  # no browser leaves it out
    host, _port = split_domain_port(request.META["HTTP_HOST"])
    return validate_host(host, [*LOCAL_NAMES, *settings.ALLOWED_HOSTS])


def _is_loopback(address: str) -> bool:
    """'': gunicorn was asked over its Unix socket, which only nginx and root may open."""
    try:
        found = ip_address(address)
    except ValueError:
        return address == ""
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _reader(request: HttpRequest) -> int | None:
    """The one tenant that the caller may see, or None for all; raises Problem."""
    if "Authorization" in request.headers:
        return READ.by_token(request).tenant_id
    if settings.METRICS_LOOPBACK and is_local(request):
        return None
    count_request(peer(request))
    sentence = "Send a token that may read (Authorization: Bearer …)."
    raise Problem(401, sentence, headers={"WWW-Authenticate": CHALLENGE})


def _wanted(request: HttpRequest) -> str:
    """OpenMetrics where it is asked for, and not less than the other; else plain text."""
    quality = {"openmetrics-text": 0.0, "plain": 0.0}
    for accepted in request.accepted_types:
        version = accepted.params.get("version", "")
        if accepted.sub_type == "plain" or version in ("", "1.0.0"):
            quality[accepted.sub_type] = max(
                quality.get(accepted.sub_type, 0.0), float(accepted.quality)
            )
    open_ones = quality["openmetrics-text"]
    return OPEN if open_ones and open_ones >= quality["plain"] else PLAIN


def _page(tenant: int | None, kind: str) -> bytes:
    """The page, made once for all who ask within FRESH_SECONDS, and one at a time in a process;
    raises DatabaseError, Away."""
    cache, key = caches["process"], f"metrics:{tenant}:{kind == OPEN}"
    if not _one_at_a_time.acquire(timeout=WAIT_SECONDS):
        raise Away("another asks for them, and waits for the database")
    try:
        if cache.get("metrics:away"):
            raise Away("the database did not answer a moment ago")
        if (kept := cache.get(key)) is None:
            kept = _make(tenant, kind)
            cache.set(key, kept, FRESH_SECONDS)
        return kept
    except DatabaseError:
        cache.set("metrics:away", True, AWAY_SECONDS)
        raise
    finally:
        _one_at_a_time.release()


def _make(tenant: int | None, kind: str) -> bytes:
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(tenant))
    if connection.vendor != "postgresql":
        return WRITERS[kind](registry)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
        return WRITERS[kind](registry)
