"""For load balancers and monitors: is the process up, can it work. No login, no detail."""

import logging

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from audit.models import AuditDomain, WorkerHeartbeat

log = logging.getLogger(__name__)


@csrf_exempt
@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, all migrations are applied, a worker was seen and nothing has
    been due for longer than two intervals; else 503 (the log says why).
    """
    missing = _missing()
    if missing:
        log.warning("not ready: %s", missing)
        answer = JsonResponse({"status": "not ready"}, status=503)
        answer._has_been_logged = True  # type: ignore[attr-defined]  # Django would log each probe as an error once more
        return answer
    return JsonResponse({"status": "ready"})


def _missing() -> str:
    """What keeps us from working, or ''."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations are not applied"
        if not WorkerHeartbeat.alive().exists():
            return "no worker was seen"
        if other := WorkerHeartbeat.with_another_key():
            return f"the worker {other} has another SECRET_KEY than this process"
        if AuditDomain.objects.overdue().exists():
            return "domains have been due for longer than two intervals"
    except DatabaseError as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        return f"the database does not answer: {said}"
    return ""
