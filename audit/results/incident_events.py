"""What happens to incidents, for whoever follows it inside the transaction that does it."""

from collections.abc import Callable, Iterable
from enum import StrEnum

from audit.models import Incident


class Event(StrEnum):
    """What happens to an incident. `merged`: it goes on in the one that it is part of. `changed`:
    it may be for others now: it is worse, for somebody else to act, or of another tenant too."""

    OPENED = "opened"
    CLOSED = "closed"
    MERGED = "merged"
    CHANGED = "changed"


Handler = Callable[[Incident, Event], None]
HANDLERS: list[Handler] = []  # filled by `subscribe` while the app starts


def subscribe(handler: Handler) -> Handler:
    """Have `handler` called for each incident that opens, changes or ends, inside the transaction
    that does it: it writes rows and sends nothing by itself.

    It is not called for troubles that were there before there were incidents.
    """
    if handler not in HANDLERS:
        HANDLERS.append(handler)
    return handler


def tell(ids: Iterable[int], event: Event) -> None:
    """Say to all listeners that this happened to these incidents."""
    if HANDLERS and (those := set(ids)):
        for incident in Incident.objects.filter(pk__in=those).order_by("pk"):
            for handler in HANDLERS:
                handler(incident, event)
