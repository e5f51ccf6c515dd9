"""Incidents of the server card: they open and close as its rows are judged."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from audit.models import AuditDomain, Incident, IncidentDomain, ServerCard, ServerCheck
from audit.results import confirmation
from audit.results.cause import MEASURED, WRONG, Kind, Place, server_place
from audit.results.confirmation import put
from audit.results.incident_events import Event, tell
from audit.results.incident_rows import IncidentClosed, is_news, save
from collectors.base import Owner, Severity, Status

SAID = ("code", "severity", "owner")  # of a row's first finding, which its incident says


def server_changed(
    tenant_id: int,
    before: Mapping[str, ServerCheck | None],
    after: Mapping[str, ServerCheck],
    *,
    at_once: bool = False,
) -> None:
    """Rows of a tenant's server card were judged, in the transaction that keeps them.

    `before`: {check_id: the row as it was stored, None for a first one}; `after`: {check_id: the
    row as it is now}. Give all that were judged, changed or not: the second audit confirms.
    `at_once`: a person asked for it, and it confirms alone.
    """
    now = timezone.now()
    card, _made = ServerCard.objects.select_for_update().get_or_create(tenant_id=tenant_id)
    entries = dict(card.unconfirmed)
    held: list[tuple[ServerCheck, datetime]] = []
    ended: list[str] = []
    for row, check in sorted(after.items()):
        if check.status == Status.UNKNOWN:
            continue
        old = before.get(row)
        entry, change = confirmation.step_away(
            row, entries.get(row), check.status in WRONG, check.checked_at,
            needed=settings.AUDIT_CONFIRM, at_once=at_once,
        )  # fmt: skip
        put(entries, row, entry)
        if change and not change.begins:
            ended.append(row)
        elif change or (
            old and entry and entry[1] >= settings.AUDIT_CONFIRM and _says_else(old, check)
        ):
            held.append((check, change.since if change else now))
    gone = entries.keys() - after.keys()
    if gone := gone - set(_there(tenant_id)):  # nothing to be judged any more
        ended += sorted(gone)
        entries = {row: entry for row, entry in entries.items() if row not in gone}
    if entries != card.unconfirmed:
        ServerCard.objects.filter(pk=card.pk).update(unconfirmed=entries)
    over = [place for row in ended for place in _places(tenant_id, row)]
    over += [
        place
        for check, _since in held
        for place in _places(tenant_id, check.check_id)
        if place != _place_of(check)
    ]
    if held or over:
        _change_places(held, over, now)


def _change_places(
    held: Collection[tuple[ServerCheck, datetime]], over: Collection[Place], now: datetime
) -> None:
    """What a card says of these places, in the order in which all wait: domains, incidents that
    are made, by key, and those that are changed, by id."""
    ending = Q(pk=None)
    for place in over:
        ending |= Q(kind=place.kind, key=place.key, closed_at=None)
    parts = IncidentDomain.objects.filter(
        incident__in=Incident.objects.filter(ending), left_at=None
    )  # whatever waits for its end is looked at soon
    AuditDomain.objects.filter(pk__in=parts.values("domain")).make_due(now)
    saved = [
        (check, *save(_of_card(_place_of(check), check, since, now)))
        for check, since in sorted(held, key=lambda one: _place_of(one[0]))
    ]
    of_these = Q(pk__in=[pk for _check, pk, _made in saved], closed_at=None) | ending
    rows = Incident.objects.filter(of_these).order_by("pk").select_for_update(no_key=True)
    locked = {row.pk: row for row in rows}
    changed: set[int] = set()
    for check, pk, made in saved:
        if pk not in locked:  # its last domain left meanwhile
            raise IncidentClosed(f"incident {pk} was closed meanwhile")
        if not made:
            words, was = _said_by(check), locked[pk]
            Incident.objects.filter(pk=pk).update(**words)
            if is_news((was.owner, was.severity), words):
                changed.add(pk)
    tell([pk for _check, pk, made in saved if made], Event.OPENED)
    tell(changed, Event.CHANGED)
    kept = {pk for _check, pk, _made in saved}
    _release([row for pk, row in locked.items() if pk not in kept], now)


def _there(tenant_id: int) -> Iterable[str]:
    return ServerCheck.objects.filter(tenant=tenant_id).values_list("check_id", flat=True)


def _says_else(before: ServerCheck, after: ServerCheck) -> bool:
    first, now = before.findings[:1], after.findings[:1]
    return any([f[name] for f in first] != [f[name] for f in now] for name in SAID)


def _places(tenant_id: int, row: str) -> list[Place]:
    """Where troubles of a row may belong."""
    places = {server_place(tenant_id, row), Place(Kind.SERVER, f"{tenant_id}:{row}", row)}
    return sorted(places)


def _place_of(check: ServerCheck) -> Place:
    """Where what a row says now belongs: a clock that is off keeps nobody from measuring."""
    if check.findings and check.findings[0]["code"] in MEASURED:
        return Place(Kind.SERVER, f"{check.tenant_id}:{check.check_id}", check.check_id)
    return server_place(check.tenant_id, check.check_id)


def _of_card(place: Place, check: ServerCheck, since: datetime, now: datetime) -> Incident:
    return Incident(
        kind=place.kind,
        key=place.key,
        tenant_id=check.tenant_id,
        subject=place.subject,
        opened_at=since,
        confirmed_at=now,
        **_said_by(check),
    )


def _said_by(check: ServerCheck) -> dict[str, Any]:
    """What an incident says that is open as long as the card says so."""
    worst = check.findings[0] if check.findings else None
    return {
        "check_id": check.check_id,
        "code": worst["code"] if worst else "",
        "message": check.message,
        "message_source": check.message_source,
        "owner": worst["owner"] if worst else Owner.HOST.value,
        "severity": worst["severity"] if worst else Severity.FAIL.value,
        "held": True,
    }


def _release(rows: Iterable[Incident], now: datetime) -> None:
    """The card says that it is over: the incident closes when its last domain says so too."""
    for incident in rows:
        incident.held = False
        if not incident.domains_now:
            incident.closed_at = now
        incident.save(update_fields=["held", "closed_at"])
        if incident.closed_at:
            tell([incident.pk], Event.CLOSED)
