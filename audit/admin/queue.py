"""The queue, read-only: what waits, since when, what comes when, and what failed and why."""

import base64
import pickletools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import CharField, Count, Min, Q, QuerySet
from django.db.models.functions import Cast, Substr
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule, Task

from audit.models import AuditDomain, AuditRun, WebhookEvent, WorkerHeartbeat
from collectors.text import clean

TASKS = {
    "audit.tasks.tick": gettext_lazy("Look for what is due"),
    "audit.tasks.drain": gettext_lazy("Audit what is due"),
    "audit.tasks.process_events": gettext_lazy("Process onboarding events"),
    "audit.tasks.process_transitions": gettext_lazy("Pass on what has changed"),
    "audit.tasks.prune": gettext_lazy("Remove what is old"),
}
SHOWN = 50  # runs and failures
LARGEST = 100_000  # characters of a stored failure that are read


@dataclass(frozen=True)
class Waiting:
    """What the queue holds; `since` is when the one that waits longest came, `taken` how many a
    worker has fetched."""

    tasks: int | None  # None: the queue does not answer
    since: datetime | None = None
    taken: int = 0


@dataclass(frozen=True)
class Turn:
    """A row of the schedule: what, when next, when last, and whether that went well."""

    title: str
    name: str
    next_at: datetime | None
    last_at: datetime | None
    went_well: bool | None


@dataclass(frozen=True)
class Failed:
    """A task that failed: which, when, after how many seconds, why in words, and its traceback."""

    title: str
    at: datetime
    seconds: float
    why: str
    details: str


def may_look(user: Any) -> bool:
    """Whether this user sees runs: then also the queue."""
    return user.is_active and user.is_staff and user.has_perm("audit.view_auditrun")


@require_safe
def page(request: HttpRequest, site: admin.AdminSite) -> HttpResponse:
    """The page; it changes nothing."""
    if not may_look(request.user):
        raise PermissionDenied
    now = timezone.now()
    domains = AuditDomain.objects.active().aggregate(
        due=Count("pk", filter=Q(next_audit_at__lte=now, claimed_by="")),
        since=Min("next_audit_at", filter=Q(next_audit_at__lte=now, claimed_by="")),
        held=Count("pk", filter=~Q(claimed_by="")),
    )
    runs = AuditRun.objects.filter(finished_at=None).select_related("tenant").order_by("-pk")
    context = {
        **site.each_context(request),
        "title": _("Queue"),
        "workers": WorkerHeartbeat.objects.order_by("name"),
        "alive": WorkerHeartbeat.alive().exists(),
        "domains": domains,
        "events": WebhookEvent.objects.filter(processed_at=None).count(),
        "waiting": waiting(),
        "runs": runs.defer("tenant__portal_token", "tenant__webhook_secret")[:SHOWN],
        "turns": turns(),
        "failures": failures(),
        "redis": bool(settings.REDIS_URL),
    }
    return TemplateResponse(request, "admin/queue.html", context)


def waiting() -> Waiting:
    """The tasks in the queue. Only counted: what is in them is pickled, and stays so."""
    if not Conf.ORM:
        try:
            return Waiting(get_broker().queue_size())
        except Exception:  # noqa: BLE001 - whatever the broker raises
            return Waiting(None)
    now = timezone.now()
    found = OrmQ.objects.using(Conf.ORM).aggregate(
        tasks=Count("pk", filter=Q(lock__lte=now)),
        since=Min("lock", filter=Q(lock__lte=now)),
        taken=Count("pk", filter=Q(lock__gt=now)),
    )
    return Waiting(found["tasks"], found["since"], found["taken"])


def turns() -> list[Turn]:
    """What the schedule holds."""
    rows = list(Schedule.objects.order_by("next_run").values("name", "func", "next_run", "task"))
    last = {
        row["id"]: row
        for row in Task.objects.filter(pk__in=[row["task"] for row in rows if row["task"]]).values(
            "id", "stopped", "success"
        )
    }
    return [
        Turn(
            title=title_of(row["func"]),
            name=clean(row["name"] or "", 100),
            next_at=row["next_run"],
            last_at=last.get(row["task"], {}).get("stopped"),
            went_well=last.get(row["task"], {}).get("success"),
        )
        for row in rows
    ]


def failures() -> list[Failed]:
    """The last tasks that failed, newest first."""
    rows: QuerySet[Any, dict[str, Any]] = (
        Task.objects.filter(success=False)
        .order_by("-stopped")
        .values(
            "func", "started", "stopped", stored=Substr(Cast("result", CharField()), 1, LARGEST)
        )
    )
    found = []
    for row in rows[:SHOWN]:
        text = stored_text(row["stored"] or "")
        found.append(
            Failed(
                title=title_of(row["func"]),
                at=row["stopped"],
                seconds=(row["stopped"] - row["started"]).total_seconds(),
                why=why(text),
                details="\n".join(clean(line, 500) for line in text.splitlines()[:200]),
            )
        )
    return found


def title_of(func: str) -> str:
    """What a task does, in words; a function that is not ours by its name."""
    return str(TASKS.get(func) or clean(func, 256))


def stored_text(stored: str) -> str:
    """The text that a stored pickle (base64) consists of; '' where it is anything but a text.

    The pickle is read as data, opcode by opcode (pickletools), and never loaded: nothing in it can
    run.
    """
    try:
        for code, argument, _at in pickletools.genops(base64.b64decode(stored, validate=True)):
            if code.name not in ("PROTO", "FRAME"):
                return argument if "UNICODE" in code.name and isinstance(argument, str) else ""
    except (ValueError, EOFError):  # cut, or no pickle
        return ""
    return ""


def why(text: str) -> str:
    """The reason of a failure in words, from what django-q2 kept of it (error and traceback)."""
    error = next((line for line in reversed(text.splitlines()) if line.strip()), "").strip()
    kind = error.partition(":")[0].rpartition(".")[2]
    if kind == "TimeoutException":
        return _("It took longer than a task may, and was ended.")
    if kind in ("OperationalError", "InterfaceError"):
        return _("The database did not take it: %(error)s") % {"error": clean(error, 200)}
    if kind in ("ConnectionError", "TimeoutError", "RedisError", "BusyLoadingError"):
        return _("Redis did not answer: %(error)s") % {"error": clean(error, 200)}
    if "is not defined" in error:
        return _("It names a function that is not one of ours; nothing was run.")
    if error:
        return _("An error in the program: %(error)s") % {"error": clean(error, 200)}
    return _("Not kept in a form that can be shown; the worker's log says more.")
