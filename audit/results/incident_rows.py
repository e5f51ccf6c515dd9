"""The rows of incidents: which are open, and how one is made."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction

from audit.models import Incident
from audit.results.cause import Cause, Kind, Place
from collectors.base import Owner, Severity

SWEPT = 200  # of each kind at one sweep
OpenIncident = tuple[int, str, str, int | None]  # its id, kind, key and tenant's id


class IncidentClosed(OperationalError):
    """Another process closed the incident between our look and our write: tried again."""


_OPEN = (
    "SELECT id, kind, key, tenant_id FROM audit_incidents"
    " WHERE closed_at IS NULL AND (kind, key) IN (VALUES {})"
)


def name_of(place: Place | None) -> str:
    """A place as `Incident.shared` has it."""
    return f"{place.kind}:{place.key}" if place else ""


def open_incidents(places: Collection[Place]) -> list[OpenIncident]:
    """The open ones among these."""
    if not places:
        return []
    pairs = ", ".join(["(%s, %s)"] * len(places))
    with connection.cursor() as cursor:  # at every lot of audits: not by the ORM
        cursor.execute(_OPEN.format(pairs), [text for p in places for text in (str(p.kind), p.key)])
        return list(cursor.fetchall())


def save(new: Incident) -> tuple[int, bool]:
    """Save it, unless one of its cause is open: the constraint decides, not a look before."""
    try:
        with transaction.atomic():
            new.save(force_insert=True)
        return new.pk, True
    except IntegrityError:
        there = Incident.objects.filter(kind=new.kind, key=new.key, closed_at=None)
        found = there.values_list("pk", flat=True).first()
        if found is None:
            raise IncidentClosed(f"{new} was closed meanwhile") from None
        return found, False


def is_news(was: tuple[str, str], words: Mapping[str, Any]) -> bool:
    """Whether an incident that had this (owner, severity) and now has those of `words` may be for
    somebody whom it was not for."""
    owner, severity = was
    worse = severity != Severity.FAIL and words["severity"] == Severity.FAIL
    return worse or words["owner"] != owner


def said(cause: Cause) -> dict[str, object]:
    """What an incident says of its cause."""
    finding, of_server = cause.finding, cause.place.kind == Kind.SERVER
    because = finding.because if of_server else None
    return {
        "check_id": cause.check_id,
        "code": because.code if because else finding.code,
        "message": str(finding.message),
        "message_source": finding.message.source(),
        "owner": str(Owner.HOST if of_server else finding.owner),
        "severity": str(finding.severity),
    }
