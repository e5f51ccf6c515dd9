"""Waivers: somebody knows of a finding and lets it stand. Score and status stay as they are."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, Waiver
from audit.results import trail, triage
from audit.results.waived import print_of, waived_findings


def waive(
    domain: AuditDomain, check_id: str, code: str, *, reason: str, by: str, until: datetime | None
) -> Waiver:
    """Let a finding of a domain stand; `code` '': whatever the check says now.

    A waiver that is in force already gets this reason and end. Raises ValueError where the check
    has no such finding now, or the end is over already: there is nothing to be waived. The trail
    of the domain is told.
    """
    now = timezone.now()
    if until is not None and until <= now:
        raise ValueError("the end of a waiver is to be in the future")
    with transaction.atomic():
        AuditDomain.objects.select_for_update(no_key=True).get(pk=domain.pk)
        check = AuditCheck.objects.filter(domain=domain, check_id=check_id).first()
        findings = waived_findings(check.findings if check else [], code)
        if not findings:
            raise ValueError(f"{check_id} of {domain.domain} has no finding {code}".rstrip())
        waiver, _made = Waiver.objects.update_or_create(
            domain=domain,
            check_id=check_id,
            code=code,
            ended_at=None,
            defaults={
                "reason": reason[:300],
                "by": by[:150],
                "until": until,
                "print": print_of(findings),
            },
        )
        triage.refresh([domain.pk], now)
        what = f"{check_id} {code}".strip()
        trail.note(trail.Actor.named(by), [domain], trail.WAIVED, f"{what} ({reason})")
        return waiver


def take_back(waiver: Waiver, by: str) -> bool:
    """End a waiver by a person, and tell the trail; False if it had ended already."""
    now = timezone.now()
    with transaction.atomic():
        AuditDomain.objects.select_for_update(no_key=True).get(pk=waiver.domain_id)
        ended = Waiver.objects.filter(pk=waiver.pk, ended_at=None).update(
            ended_at=now, ended_why=Waiver.Ended.PERSON, ended_by=by[:150]
        )
        if ended:
            triage.refresh([waiver.domain_id], now)
            domain = AuditDomain.objects.filter(pk=waiver.domain_id)
            what = f"{waiver.check_id} {waiver.code}".strip()
            trail.note(trail.Actor.named(by), domain, trail.TAKEN_BACK, what)
    return bool(ended)
