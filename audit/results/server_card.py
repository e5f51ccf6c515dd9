"""Recording a server card as the results of a domain are: in one transaction, with a transition for
each change between conclusive statuses."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit.models import ServerCard, ServerCheck, ServerTransition, Tenant, server_of
from audit.models.domains import slot_after
from audit.models.results import stored_time
from audit.models.server_card import NOBODY
from audit.results.check_rows import FIELDS, Differing, digest_of, merge
from audit.results.confirmation import SOON_SECONDS, waits
from audit.results.history import bound_history, differing_evidence
from audit.results.incident_cards import server_changed
from collectors.base import CheckResult, Status
from collectors.server.card import CARD
from collectors.server.dnsbl import shown_name

DNSBL = "server_dnsbl"


def record_card(
    tenant_id: int, results: Mapping[str, CheckResult], *, owner: str, begun_at: datetime
) -> bool:
    """Save the rows that were judged; False, and nothing is written, if the claim was lost or the
    tenant removed.

    A row whose answer is the stored one changes only the card. One that has nothing to judge any
    more goes. Who asked again meanwhile is served again.
    """
    now = timezone.now()
    with transaction.atomic():
        card = _locked(tenant_id, owner)
        if card is None:
            return False
        stored = {c.check_id: c for c in ServerCheck.objects.filter(tenant=tenant_id)}
        before = {c: stored.get(c) for c in results}
        after = _write(tenant_id, results, before, card)
        off = rows_off(card.tenant)
        gone = [c for c in stored if c not in CARD or c in off]
        ServerCheck.objects.filter(tenant=tenant_id, check_id__in=gone).delete()
        card.checked = {c: t for c, t in card.checked.items() if c not in gone}
        again = bool(card.requested_at and card.requested_at > begun_at)
        ServerCard.objects.filter(pk=tenant_id).update(
            **NOBODY,
            attempts=0,
            checked=card.checked,
            last_audit_at=now,
            next_audit_at=now if again else slot_after(tenant_id, now),
            requested_at=card.requested_at if again else None,
        )
        asked = card.requested_at is not None and not again
        server_changed(tenant_id, before, after, at_once=asked)
        if not again:
            _look_again_soon(tenant_id, now)
    return True


def rows_off(tenant: Tenant) -> list[str]:
    """The rows that have nothing to judge at this tenant."""
    server = server_of(tenant)
    return [check_id for check_id, row in CARD.items() if row.off(server)]


def forget_what_is_off(tenant: Tenant) -> None:
    """Rows that have nothing to judge any more go at once, and with them what they held open."""
    ServerCheck.objects.filter(tenant=tenant, check_id__in=rows_off(tenant)).delete()
    server_changed(tenant.pk, {}, {})


def _look_again_soon(tenant_id: int, now: datetime) -> None:
    """What waits for its second audit to be confirmed does not wait for a whole interval."""
    card = ServerCard.objects.get(pk=tenant_id)
    if waits(card.unconfirmed, needed=settings.AUDIT_CONFIRM):
        soon = min(card.next_audit_at, now + timedelta(seconds=SOON_SECONDS))
        ServerCard.objects.filter(pk=tenant_id).update(next_audit_at=soon)


def _locked(tenant_id: int, owner: str) -> ServerCard | None:
    rows = ServerCard.objects.filter(pk=tenant_id, claimed_by=owner).select_related("tenant")
    if connection.features.has_select_for_update_of:
        rows = rows.select_for_update(of=("self",), no_key=True)
    return rows.first()


def _write(
    tenant_id: int,
    results: Mapping[str, CheckResult],
    before: Mapping[str, ServerCheck | None],
    card: ServerCard,
) -> dict[str, ServerCheck]:
    """Write what differs; all rows that were judged as they are now."""
    after, changed, changes = {}, [], []
    known = {c: row.at_present(card.checked) if row else None for c, row in before.items()}
    card.checked = card.checked | {
        c: stored_time(r.checked_at, r.duration_ms) for c, r in results.items()
    }
    for check_id, result in results.items():
        was, digest = known[check_id], digest_of(result)
        if was and (was.status, was.digest) == (result.status.value, digest):
            after[check_id] = was.at_present(card.checked)
            continue
        new = ServerCheck(tenant_id=tenant_id, check_id=check_id)

        def began(check_id: str = check_id, at: datetime = result.checked_at) -> datetime:
            return _since(tenant_id, check_id, at)

        after[check_id] = merge(new, was, Differing(result, digest), began=began)
        changed.append(new)
        if change := _transition(was, new):
            changes.append(change)
    ServerCheck.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["tenant", "check_id"], update_fields=FIELDS
    )
    if changes:
        ServerTransition.objects.bulk_create(changes)
        bound_history(ServerTransition.objects.filter(tenant=tenant_id))
    return after


def _transition(before: ServerCheck | None, check: ServerCheck) -> ServerTransition | None:
    was = before.conclusive_status if before else ""
    if check.status in (Status.UNKNOWN, was):
        return None
    evidence = differing_evidence(before.evidence if before else {}, check.evidence)
    return ServerTransition(
        tenant_id=check.tenant_id,
        check_id=check.check_id,
        from_status=was,
        to_status=check.status,
        at=check.checked_at,
        message=check.message,
        message_source=check.message_source,
        evidence_before=evidence[0],
        evidence_after=evidence[1],
    )


def _since(tenant_id: int, check_id: str, at: datetime) -> datetime:
    """When the present conclusive status began: the last transition."""
    found = ServerTransition.objects.filter(tenant=tenant_id, check_id=check_id)
    last = found.order_by("-at", "-id").values_list("at", flat=True).first()
    return min(last or at, at)


def block_lists_are_known(tenant: Tenant) -> bool:
    """Whether the block lists were asked about these addresses within the last interval: they are
    asked once an interval, however often somebody presses a button."""
    row = ServerCheck.objects.filter(tenant=tenant.pk, check_id=DNSBL).first()
    card = ServerCard.objects.filter(pk=tenant.pk).first()
    if row is None or card is None:
        return False
    server = server_of(tenant)
    asked = {*row.evidence.get("lists", ())}, {*row.evidence.get("asked_about", ())}
    recent = timezone.now() - timedelta(seconds=0.95 * settings.AUDIT_INTERVAL_SEC)
    return (
        asked == ({*map(shown_name, server.dnsbls)}, {*server.sending_ips})
        and row.at_present(card.checked).checked_at > recent
    )
