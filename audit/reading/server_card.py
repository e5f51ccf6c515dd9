"""The server card of a tenant as plain data: what the API, the pages and the admin show."""

from collections.abc import Iterable, Mapping

from django.utils.text import capfirst

from audit.models import ServerCard, ServerCheck, Tenant, server_of
from audit.reading.scorecard import empty_check, judged_check, stored_check
from audit.results.shapes import ServerState, ShownCheck, ShownRow
from audit.results.translate import translate
from collectors.base import CheckResult, Status
from collectors.server.card import CARD
from collectors.server.subject import Server

OFF = "off"
WORST = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.OK)


def of_tenant(tenant: Tenant) -> ServerState:
    """The card as it is stored."""
    card = ServerCard.objects.filter(pk=tenant.pk).first() or ServerCard(tenant=tenant)
    rows = {
        c.check_id: c.at_present(card.checked) for c in ServerCheck.objects.filter(tenant=tenant)
    }
    server = server_of(tenant)
    checks = [_shown(c, stored_check(CARD[c], rows.get(c)), server) for c in CARD]
    return {
        "tenant": {"id": tenant.pk, "name": tenant.name},
        "status": worst(c["status"] for c in checks),
        "stale": card.stale,
        "last_audit": card.last_audit_at,
        "next_audit": card.next_audit_at if tenant.enabled else None,
        "queued": tenant.enabled and card.requested_at is not None,
        "checks": checks,
    }


def of_results(results: Mapping[str, CheckResult], server: Server) -> list[ShownRow]:
    """Rows that were judged this moment and are not stored; those that were left out are `off`."""
    rows = []
    for check_id, row in CARD.items():
        if check_id in results:
            rows.append(_shown(check_id, judged_check(row, results[check_id]), server))
        elif row.off(server):
            rows.append(_shown(check_id, empty_check(row), server))
    return rows


def row_title(check_id: str) -> str:
    """What a row is called at its head; within a sentence it may begin in lower case."""
    row = CARD.get(check_id)
    return capfirst(translate(row.title)) if row else check_id


def _shown(check_id: str, check: ShownCheck, server: Server) -> ShownRow:
    title = row_title(check_id)
    if why := CARD[check_id].off(server):
        said, row = translate(why), empty_check(CARD[check_id])
        return {**row, "title": title, "status": OFF, "message": said, "off": said}
    return {**check, "title": title, "off": ""}


def worst(statuses: Iterable[str]) -> str:
    """The worst of these, those that are off left out; unknown where there is none."""
    found = set(statuses)
    return next((s.value for s in WORST if s in found), Status.UNKNOWN.value)
