"""What happened of late: changes and incidents, how long cures took, how many causes were open."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TypedDict

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Value
from django.utils import timezone

from audit.models import CheckTransition, Incident, ServerTransition, Tenant
from audit.reading import changes
from audit.reading.incident_list import listed, touches
from audit.reading.incidents import cause_in_words, domains_of
from audit.reading.paging import turn
from audit.reading.server_card import row_title
from audit.results.translate import translate
from collectors.base import Owner, Status
from collectors.registry import CHECKS

DAYS = (1, 7)  # what the page shows
HEALTH_DAYS = 30
ORDER = ["-at", "-id"]
INCIDENTS = 30  # of those that opened, and of those that closed
SERVERS = 50  # changes of server cards
CURES = 2_000  # incidents, and transitions, whose time to fix is read
COMPARED = 5  # changes of one event whose sentences are compared
# who acts on most findings of a check, where no incident says it
_OF_HOST = {"carbonio", "nginx_vhost", "cert_le", "webmail_http"}


class Event(TypedDict):
    """The same change of a check at domains of one tenant within an hour. `sentence`: of the
    newest; `said`: what changed in words, at all of them."""

    at: datetime
    tenant: str
    title: str
    from_status: str
    to_status: str
    sentence: str
    said: list[str]
    domains: list[CheckTransition]


class Cure(TypedDict):
    """How long it took who had to act to mend `n` things, in seconds."""

    owner: str
    n: int
    median: float
    worst: float


def events(
    *, since: datetime, tenant: int | None = None, limit: int = 100, cursor: str = ""
) -> tuple[list[Event], str | None, str | None]:
    """`(events, previous_cursor, next_cursor)` of up to `limit` changes, the newest first. First
    answers are no changes. Two queries. Raises paging.CursorError."""
    rows = _changes(since, tenant).select_related("domain")
    columns = ("domain__domain", "domain__tenant_id", "check_id", "from_status", "to_status", "at")
    said = ("message", "message_source", "evidence_before", "evidence_after", "tenant_id")
    found, previous, following = turn(
        rows.only(*columns, *said), order=ORDER, limit=limit, cursor=cursor
    )
    tenants = Tenant.objects.defer("portal_token", "webhook_secret").in_bulk(
        {change.tenant_id for change in found}
    )
    groups: dict[tuple[object, ...], list[CheckTransition]] = {}
    for change in found:
        groups.setdefault(_alike(change), []).append(change)
    return [_event(group, tenants) for group in groups.values()], previous, following


def _changes(since: datetime, tenant: int | None) -> QuerySet[CheckTransition]:
    rows = CheckTransition.objects.filter(at__gte=since).exclude(from_status="")
    return rows if tenant is None else rows.filter(tenant=tenant)


def _alike(change: CheckTransition) -> tuple[object, ...]:
    """What the changes of one event have in common."""
    hour = timezone.localtime(change.at).replace(minute=0, second=0, microsecond=0)
    template = (change.message_source or {}).get("id", change.message)
    kind = change.check_id, change.from_status, change.to_status
    return hour, change.tenant_id, *kind, template


def _event(group: list[CheckTransition], tenants: Mapping[int, Tenant]) -> Event:
    first = group[0]
    tenant = tenants.get(first.tenant_id)
    own = changes.own_names_of(tenant) if tenant else set()
    said = changes.of_transition(first, own)
    for other in group[1:COMPARED]:
        same = changes.of_transition(other, own)
        said = [text for text in said if text in same]
    entry = CHECKS.get(first.check_id)
    return {
        "at": first.at,
        "tenant": tenant.name if tenant else "",
        "title": translate(entry.title) if entry else first.check_id,
        "from_status": first.from_status,
        "to_status": first.to_status,
        "sentence": translate(first.message_source, first.message),
        "said": said,
        "domains": group,
    }


def server_changes(*, since: datetime, tenant: int | None = None) -> list[ServerTransition]:
    """The changes of rows of server cards, the newest first, each with its row's `title` and its
    `sentence`; bounded. First answers are no changes. One query."""
    rows = ServerTransition.objects.filter(at__gte=since).exclude(from_status="")
    rows = rows.defer("tenant__portal_token", "tenant__webhook_secret")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    found = list(rows.select_related("tenant").order_by(*ORDER)[:SERVERS])
    for change in found:
        sentence = translate(change.message_source, change.message)
        vars(change).update(title=row_title(change.check_id), sentence=sentence)
    return found


def incidents(*, since: datetime, tenant: int | None = None) -> list[Incident]:
    """Those that opened or closed since then, also those that a `tenant` shares with others, each
    with its `words`, the newest event first; bounded."""
    rows = listed("all", tenant=tenant).filter(merged_into=None)
    opened = rows.filter(opened_at__gte=since).order_by("-opened_at", "-id")[:INCIDENTS]
    closed = rows.filter(closed_at__gte=since).order_by("-closed_at")[:INCIDENTS]
    found = {incident.pk: incident for incident in [*opened, *closed]}
    names = domains_of(found.values())
    for pk, incident in found.items():
        vars(incident).update(words=cause_in_words(incident, names.get(pk, "")))
    return sorted(found.values(), key=lambda i: i.closed_at or i.opened_at, reverse=True)


def _incidents(tenant: int | None) -> QuerySet[Incident]:
    """Without those that go on as part of another: nothing was mended when they closed, and the
    other began when they did. `tenant`: all that are listed of it."""
    rows = Incident.objects.filter(merged_into=None)
    rows = rows.defer("tenant__portal_token", "tenant__webhook_secret")
    return rows if tenant is None else rows.filter(touches(tenant))


def cures(*, since: datetime, tenant: int | None = None) -> list[Cure]:
    """How long what was mended since then had lasted, by who had to act: from incidents, or while
    there are none at all from the changes of checks; of the newest CURES."""
    seconds: dict[str, list[float]] = {Owner.HOST: [], Owner.CUSTOMER: []}
    for owner, began, ended in _mended(since, tenant):
        if owner in seconds:
            seconds[owner].append(max(0.0, (ended - began).total_seconds()))
    return [
        {"owner": owner, "n": len(all_), "median": median(all_), "worst": max(all_)}
        for owner, all_ in seconds.items()
        if all_
    ]


def _mended(since: datetime, tenant: int | None) -> list[tuple[str, datetime, datetime]]:
    """(who had to act, when it began, when it ended)"""
    if Incident.objects.exists():
        closed = _incidents(tenant).filter(closed_at__gte=since).order_by("-closed_at")
        times = closed.values_list("owner", "opened_at", "closed_at")[:CURES]
        return [(owner, began, ended) for owner, began, ended in times if ended]
    # when the check was last ok before; the index of a domain's check has it in order
    earlier = CheckTransition.objects.filter(
        domain=OuterRef("domain"),
        check_id=OuterRef("check_id"),
        at__lt=OuterRef("at"),
        from_status__in=["", Status.OK.value],
    ).order_by("-at", "-id")
    newest = _changes(since, tenant).order_by("-at", "-id").values("pk")[:CURES]
    cured = CheckTransition.objects.filter(pk__in=newest, to_status=Status.OK.value)
    rows = cured.annotate(began=Subquery(earlier.values("at")[:1])).order_by()
    return [
        (Owner.HOST if check_id in _OF_HOST else Owner.CUSTOMER, began, at)
        for check_id, began, at in rows.values_list("check_id", "began", "at")
        if began
    ]


def open_by_day(*, tenant: int | None = None) -> list[tuple[datetime, int]]:
    """[(end of a day, how many incidents were open then)] of the last HEALTH_DAYS days, oldest
    first, the last one now; empty while there was none in all this time.

    Counted backwards from those that are open, by ranges of indexes. Three queries.
    """
    now = timezone.localtime()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ends = [now, *(today - timedelta(days=n) for n in range(HEALTH_DAYS - 1))]
    rows = _incidents(tenant)
    number = rows.filter(closed_at=None).count()
    opened, closed = (_by_day(rows, name, ends) for name in ("opened_at", "closed_at"))
    found = []
    for n, end in enumerate(ends):
        found.append((end, max(0, number)))
        number += closed.get(n, 0) - opened.get(n, 0)
    return found[::-1] if any(count for _end, count in found) or any(opened.values()) else []


def _by_day(rows: QuerySet[Incident], name: str, ends: list[datetime]) -> dict[int, int]:
    """{n: how many between the end of day n and that before}, in one query."""
    days = [
        rows.filter(**{f"{name}__gte": before, f"{name}__lt": end})
        .order_by()
        .annotate(day=Value(n))
        .values("day")
        .annotate(number=Count(F("pk")))
        .values_list("day", "number")
        for n, (end, before) in enumerate(pairwise(ends))
    ]
    return dict(days[0].union(*days[1:], all=True))
