"""For load balancers and monitors: is the process up, can it work. No login, no detail."""

import logging

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from .models import WorkerHeartbeat

log = logging.getLogger(__name__)


@csrf_exempt
@require_safe
@never_cache
def healthz(request):
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
@never_cache
def readyz(request):
    """200 when the database answers, all migrations are applied and a worker was seen; else 503 (the log says why)."""
    missing = _missing()
    if missing:
        log.warning("not ready: %s", missing)
        answer = JsonResponse({"status": "not ready"}, status=503)
        answer._has_been_logged = True  # Django would log each probe as an error once more
        return answer
    return JsonResponse({"status": "ready"})


def _missing():
    """What keeps us from working, or ''."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations are not applied"
        if not WorkerHeartbeat.objects.filter(last_seen__gt=timezone.now() - WorkerHeartbeat.ALIVE).exists():
            return "no worker was seen"
    except DatabaseError as error:
        return f"the database does not answer: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return ""
