"""Comparing a portal's list of domains with ours, and what a person decides of the differences.

A list is believed, or it changes nothing: `record` is the only way in.
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from audit.models import AuditDomain, AuditRun, PortalDomain, PortalSync, Tenant
from audit.results import trail
from audit.results.enqueue import enqueue
from audit.results.trail import Actor
from collectors.base import Fault
from collectors.names import DomainError, normalize_domain
from collectors.text import _

log = logging.getLogger(__name__)
State, Kind = PortalSync.State, PortalDomain.Kind
DOUBTED_FROM = 10  # domains: of fewer, any may go at once
# what was registered so short a time ago need not stand on the portal's list yet, which may be made
# once in some minutes
NEW = timedelta(minutes=10)
PART = 500  # rows of one statement


@dataclass(frozen=True)
class Listed:
    """What a portal listed: the names by our spelling, and how many are no public domain's."""

    names: frozenset[str]
    passed_over: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Listed":
        names, passed_over = set(), 0
        for text in texts:
            try:
                names.add(normalize_domain(text))
            except DomainError:
                passed_over += 1
        return cls(frozenset(names), passed_over)


def record(
    tenant_id: int, said: Listed | Fault | None, *, owner: str, asked_at: datetime
) -> PortalSync.State | None:
    """Keep what the portal said: its list, None where it offers none, or the fault.

    The state that this leads to; None, and nothing is written, if the claim of `owner` was lost,
    also by a change of the tenant's settings.
    """
    with transaction.atomic():
        sync = _locked(tenant_id, owner=owner)
        if sync is None:
            return None
        sync.claimed_by, sync.claimed_until, sync.asked_at = "", None, asked_at
        sync.message, sync.message_source = "", {}
        if isinstance(said, Fault):
            sync.state = State.FAILED
            sync.message, sync.message_source = str(said.message), said.message.source()
        elif said is None:
            sync.state = State.NOT_OFFERED
        else:
            _compare(sync, said)
        sync.save()
    return State(sync.state)


def _locked(tenant_id: int, *, owner: str | None = None) -> PortalSync | None:
    """The tenant's row; whoever changes its differences has it locked."""
    rows = PortalSync.objects.filter(pk=tenant_id).select_related("tenant")
    if owner is not None:
        rows = rows.filter(claimed_by=owner)
    if connection.features.has_select_for_update_of:
        rows = rows.select_for_update(of=("self",), no_key=True)
    return rows.first()


def _compare(sync: PortalSync, listed: Listed) -> None:
    """Have the rows say how the list differs from ours, if it is believed."""
    tenant = sync.tenant
    # in this order: what somebody removes between the two is left so by its own row, which stays
    kept = dict(PortalDomain.objects.filter(tenant=tenant).values_list("domain", "kind"))
    ours = dict(AuditDomain.objects.filter(tenant=tenant).values_list("domain", "created_at"))
    assert sync.asked_at
    young = sync.asked_at - NEW
    lost = {name for name, at in ours.items() if name not in listed.names and at < young}
    proposed = listed.names - ours.keys()
    were_lost = {name for name, kind in kept.items() if kind == Kind.LOST and name in ours}
    if _is_doubtful(sync, len(lost - were_lost), len(ours) - len(were_lost)):
        return
    now = timezone.now()
    wanted = dict.fromkeys(lost, Kind.LOST) | dict.fromkeys(proposed, Kind.PROPOSED)
    _delete(tenant, [name for name, kind in kept.items() if wanted.get(name) != kind])
    new = [
        PortalDomain(tenant=tenant, domain=name, kind=kind, since=now)
        for name, kind in sorted(wanted.items())
        if kept.get(name) != kind
    ]
    PortalDomain.objects.bulk_create(new, batch_size=PART, ignore_conflicts=True)
    sync.state, sync.compared_at = State.COMPARED, now
    sync.listed, sync.passed_over = len(listed.names), listed.passed_over
    sync.doubted = sync.believed = 0


def _is_doubtful(sync: PortalSync, lost: int, had: int) -> bool:
    """Whether more than half of many are lost at once and nobody said that this is right; then it
    is said."""
    if had < DOUBTED_FROM or 2 * lost <= had or lost <= sync.believed:
        return False
    sync.state, sync.doubted = State.DOUBTFUL, lost
    message = _(
        "The server's list lacks {lost} of {had} domains at once. It was not believed, and nothing "
        "was changed.",
        lost=lost,
        had=had,
    )
    sync.message, sync.message_source = str(message), message.source()
    return True


def _delete(tenant: Tenant, names: Sequence[str]) -> None:
    for start in range(0, len(names), PART):
        PortalDomain.objects.filter(tenant=tenant, domain__in=names[start : start + PART]).delete()


# -- what a person decides


def register(tenant: Tenant, rows: Iterable[int] | None, *, who: Actor) -> tuple[int, int]:
    """Register what the portal lists and we lack, as far as the quota allows, and have it audited
    at once; `(registered, left)`. `rows`: ids of differences; None: all that are open.

    In portions, each a transaction: whoever else writes need not wait for thousands.
    """
    ids = None if rows is None else list(rows)
    done = 0
    while True:
        registered, left = _register(tenant, ids, who)
        done += registered
        if not (registered and left):
            return done, left


@transaction.atomic
def _register(tenant: Tenant, rows: Sequence[int] | None, who: Actor) -> tuple[int, int]:
    """The first of them: `(registered, left)`."""
    _locked(tenant.pk)
    open_ = PortalDomain.objects.open(Kind.PROPOSED).filter(tenant=tenant)
    if rows is not None:
        open_ = open_.filter(pk__in=rows)
    room = tenant.quota - AuditDomain.objects.filter(tenant=tenant).count()
    wanted = list(open_.values_list("domain", flat=True)[: max(0, min(room, PART))])
    left = open_.count() - len(wanted)
    if not wanted:
        return 0, left
    source = AuditDomain.Source.ONBOARDING
    new = [AuditDomain(tenant=tenant, domain=name, source=source) for name in wanted]
    AuditDomain.objects.bulk_create(new, ignore_conflicts=True)
    found = AuditDomain.objects.filter(tenant=tenant, domain__in=wanted)
    trail.note(who, found, trail.REGISTERED, flag=trail.ADDITION)
    trail.note(who, [tenant], trail.REGISTERED_MANY, trail.names_of(wanted))
    _delete(tenant, wanted)
    AuditRun.objects.get_or_create_run(
        tenant=tenant,
        domains=found,
        trigger=AuditRun.Trigger.ONBOARDING,
        by=who.user.get_username() if who.user else who.name,
        scope=wanted[0] if len(wanted) == 1 else f"?{_digest(wanted)}",
    )
    enqueue()
    return len(wanted), left


def _digest(names: Collection[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


def leave(
    tenant: Tenant, rows: Iterable[int] | None, kind: PortalDomain.Kind, *, who: Actor
) -> int:
    """Leave these differences of one kind as they are: they are no longer shown, and nothing is
    registered by itself; how many. `rows` as in `register`."""
    with transaction.atomic():
        _locked(tenant.pk)
        open_ = PortalDomain.objects.open(kind).filter(tenant=tenant)
        if rows is not None:
            open_ = open_.filter(pk__in=list(rows))
        names = list(open_.values_list("domain", flat=True))
        for start in range(0, len(names), PART):
            part = names[start : start + PART]
            these = PortalDomain.objects.filter(tenant=tenant, kind=kind, domain__in=part)
            these.update(ignored_at=timezone.now())
        if names:
            trail.note(who, [tenant], trail.LEFT_SO, trail.names_of(names))
    return len(names)


def show_again(tenant: Tenant, *, who: Actor) -> int:
    """Show again what was left so; how many."""
    with transaction.atomic():
        _locked(tenant.pk)
        left = PortalDomain.objects.filter(tenant=tenant).exclude(ignored_at=None)
        number = left.update(ignored_at=None)
        if number:
            trail.note(who, [tenant], trail.SHOWN_AGAIN, number)
    return number


def believe(tenant: Tenant, *, who: Actor) -> bool:
    """Believe that as many domains are lost as the last list says, and have it compared again at
    once; False where no list is in doubt."""
    with transaction.atomic():
        sync = _locked(tenant.pk)
        if sync is None or sync.state != State.DOUBTFUL:
            return False
        now = timezone.now()
        PortalSync.objects.filter(pk=tenant.pk).update(believed=sync.doubted, next_at=now)
        trail.note(who, [tenant], trail.BELIEVED, sync.doubted)
        enqueue("compare_portals")
    return True
