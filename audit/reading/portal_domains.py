"""How the domains of a tenant's server differ from ours, as plain data."""

from datetime import datetime
from typing import TypedDict

from audit.models import PortalDomain, PortalSync, Tenant
from audit.results.translate import translate

SHOWN = 50  # of each kind, on a tenant's page
State, Kind = PortalSync.State, PortalDomain.Kind


class Differences(TypedDict):
    """What the last list said that was believed. `state`: what came of the last one, `compared`,
    `doubtful` or `failed`; `message`: why it was not compared; `listed`: domains on it, and
    `passed_over` names that are no public domain's; `proposed` and `lost`: the first by name of so
    many; `left`: how many a person left so; `doubted`: how many a doubtful list says are lost."""

    state: str
    message: str
    asked_at: datetime | None
    compared_at: datetime | None
    listed: int
    passed_over: int
    doubted: int
    proposed: list[PortalDomain]
    n_proposed: int
    lost: list[PortalDomain]
    n_lost: int
    left: int
    registers: bool


def of_tenant(tenant: Tenant) -> Differences | None:
    """The differences, at most SHOWN of each kind; None where nothing is compared: not wanted, no
    portal, no list offered, or not yet. Six queries."""
    sync = PortalSync.objects.filter(pk=tenant.pk).first()
    if sync is None or sync.state in (State.NEVER, State.NOT_OFFERED):
        return None
    of = PortalDomain.objects.filter(tenant=tenant)
    proposed, lost = of.open(Kind.PROPOSED), of.open(Kind.LOST)
    return {
        "state": sync.state,
        "message": translate(sync.message_source, sync.message),
        "asked_at": sync.asked_at,
        "compared_at": sync.compared_at,
        "listed": sync.listed,
        "passed_over": sync.passed_over,
        "doubted": sync.doubted,
        "proposed": list(proposed[:SHOWN]),
        "n_proposed": proposed.count(),
        "lost": list(lost[:SHOWN]),
        "n_lost": lost.count(),
        "left": of.exclude(ignored_at=None).count(),
        "registers": tenant.sync == "register",
    }


def state_of(tenant: Tenant) -> PortalSync:
    """The comparison of a tenant, also where there was none yet."""
    return PortalSync.objects.filter(pk=tenant.pk).first() or PortalSync(tenant=tenant)
