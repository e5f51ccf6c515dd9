"""The one seam for what follows from a change: alerts, incidents, whatever listens.

A change is a `CheckTransition` that `store.record` writes with the result it belongs to. It waits,
`processed_at` empty, until `process_transitions` has called every handler in the transaction that
marks it: what a handler writes is kept if and only if the change is marked, however the process
ends.
"""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from audit.models import CheckTransition
from audit.results.enqueue import enqueue

log = logging.getLogger(__name__)
Handler = Callable[[CheckTransition], None]
HANDLERS: list[Handler] = []  # filled by `subscribe` while the app starts; nothing listens yet
PORTION = 200


def subscribe(handler: Handler) -> Handler:
    """Have `handler` called for each change; it writes rows and sends nothing by itself."""
    if handler not in HANDLERS:
        HANDLERS.append(handler)
    return handler


def announce() -> None:
    """Ring for those that are about to be written, unless others wait already (a task is on its
    way then, or the tick comes)."""
    if not CheckTransition.objects.filter(processed_at=None).exists():
        enqueue("process_transitions")


def process_transitions(*, after: int = 0) -> int | None:
    """Process a portion of those that wait, in the order they were written.

    Returns where the next portion begins, None after the last. One that a handler can't take
    waits, is logged, and holds up no other; the next sweep tries it again.
    """
    waiting = CheckTransition.objects.filter(processed_at=None, pk__gt=after).order_by("pk")
    ids = list(waiting.values_list("pk", flat=True)[:PORTION])
    if not HANDLERS:
        CheckTransition.objects.filter(pk__in=ids).update(processed_at=timezone.now())
    else:
        for pk in ids:
            _process(pk)
    return ids[-1] if len(ids) == PORTION else None


def _process(pk: int) -> None:
    try:
        with transaction.atomic():
            mine = CheckTransition.objects.filter(pk=pk, processed_at=None)
            if mine.update(processed_at=timezone.now()):  # else another process has it
                change = CheckTransition.objects.select_related("domain__tenant").get(pk=pk)
                for handler in HANDLERS:
                    handler(change)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("the change %s could not be processed; it is tried again", pk)
