"""Ending an onboarding by hand, and beginning it anew. By itself it ends in `triage`."""

from collections.abc import Iterable

from django.db import transaction

from audit.models import AuditDomain
from audit.results import trail
from audit.results.trail import Actor


def take_out(domains: Iterable[int], who: Actor) -> int:
    """These are no longer in onboarding, of those that are; how many."""
    return _turn(domains, who, trail.TAKEN_OUT, onboarding=True)


def put_back(domains: Iterable[int], who: Actor) -> int:
    """These are in onboarding again, of those that a person took out; how many."""
    return _turn(domains, who, trail.PUT_BACK, onboarding=False, onboarded_at=None)


def _turn(domains: Iterable[int], who: Actor, sentence: str, **those: object) -> int:
    with transaction.atomic():
        found = AuditDomain.objects.filter(pk__in=list(domains), **those).order_by("pk")
        rows = list(found.select_for_update(no_key=True))
        if rows:
            changed = AuditDomain.objects.filter(pk__in=[row.pk for row in rows])
            trail.note(who, rows, sentence)
            changed.update(onboarding=not those["onboarding"])
    return len(rows)
