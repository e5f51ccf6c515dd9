"""Who did what with a domain or a tenant, newest first, in the reader's language."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from audit.models import AuditDomain, Tenant
from audit.reading.paging import turn
from audit.results import trail

RECENT, PAGE = 5, 50
ORDER = ["-action_time", "-id"]


@dataclass(frozen=True)
class Entry:
    """One act, for the templates; `who` is a user's name, or a program: “token deploy”."""

    at: datetime
    who: str
    said: str


def recent(row: AuditDomain | Tenant, limit: int = RECENT) -> list[Entry]:
    """The last acts; one query."""
    return [_entry(entry) for entry in _of(row).order_by(*ORDER)[:limit]]


def page(row: AuditDomain | Tenant, cursor: str = "") -> tuple[list[Entry], str | None, str | None]:
    """`(entries, previous_cursor, next_cursor)`; raises paging.CursorError."""
    found, previous, following = turn(_of(row), order=ORDER, limit=PAGE, cursor=cursor)
    return [_entry(entry) for entry in found], previous, following


def _of(row: Model) -> QuerySet[LogEntry]:
    kind = ContentType.objects.get_for_model(row)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk))
    return entries.select_related("user")


def _entry(entry: LogEntry) -> Entry:
    who, sentence, detail = trail.read(entry)
    said = _(sentence) if sentence else _without_words(entry)
    return Entry(entry.action_time, who, f"{said}: {detail}" if detail else said)


def _without_words(entry: LogEntry) -> str:
    """The administration says nothing where the kind of the entry says it."""
    if entry.action_flag == ADDITION:
        return _("Added.")
    return _("Deleted.") if entry.action_flag == DELETION else _("Changed.")
