"""Our resolver, or our line, as what many unrelated name servers that fall silent have in common.

A resolver that has lost its way to the internet still answers out of its cache, also for the names
that are asked to see whether it works. But name servers that have nothing to do with each other do
not all fall silent within the same minutes: few of them that do are the cause themselves, many are
not.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from audit.models import AuditCheck, AuditDomain, Incident, IncidentDomain
from audit.results import name_servers
from audit.results.cause import RESOLVER, Cause, Kind
from audit.results.confirmation import Entry, since_of
from collectors.base import unknown
from collectors.names import organisational_domain
from collectors.panels import panel_name
from collectors.text import _

MANY = 5  # unrelated sets of name servers
SHARE = 20  # of so many domains that were audited meanwhile, one at least is silent
SAME_MINUTES = timedelta(minutes=10)  # or an interval: each domain is looked at once in it
ANSWERED = timedelta(days=1)  # before: what never answered, or long ago, did not fall silent now
READ = 5_000  # silent domains at most


class Silent(NamedTuple):
    """Domains whose name servers fell silent within the same minutes: `{domain id: since when}`."""

    since: Mapping[int, datetime]
    sets: Collection[str]

    @property
    def began(self) -> datetime:
        return min(self.since.values())

    @property
    def cause(self) -> Cause:
        """What is said of it."""
        servers = sorted(key.split(", ")[0] for key in self.sets)
        text = _(
            "Unrelated name servers fell silent within the same minutes ({servers}): more likely "
            "than all of them, it is our DNS resolver or our line that does not reach them. A "
            "resolver that has lost its way to the internet still answers what it remembers.",
            servers=name_servers.short(servers),
        )
        return Cause(RESOLVER, name_servers.CHECK, unknown("resolver_down", text))


def found(rows: Collection[AuditDomain], now: datetime) -> Silent | None:
    """What is our resolver's doing, or our line's; None while it is the name servers' own.

    `rows`: domains that this transaction changes; of the others what is stored counts.
    """
    others = AuditDomain.objects.unanswered().exclude(pk__in=[row.pk for row in rows]).order_by()
    mine = [(row.pk, row.silent_servers, row.unconfirmed) for row in rows if row.silent_servers]
    keys = {key for _pk, key, _entries in mine}
    keys.update(others.values_list("silent_servers", flat=True).distinct())
    if unrelated(keys) < MANY:  # as nearly always
        return None
    stored = others.values_list("pk", "silent_servers", "unconfirmed")[:READ]
    silent = _lately([*mine, *stored], now - _minutes())
    if unrelated(silent.sets) < MANY or not _is_share(len(silent.since), silent.began):
        return None
    return silent


def goes_on(incident_id: int, now: datetime) -> bool:
    """Whether those that our resolver's incident has taken in are its doing still. Once most of
    them answer again, or so do nearly all others, the rest is silent by itself."""
    if found((), now):
        return True
    parts = IncidentDomain.objects.filter(incident=incident_id, check_id=Kind.NAME_SERVER)
    ever = parts.order_by().values("domain").distinct().count()
    left = parts.filter(left_at=None).count()
    return 2 * left >= ever and _is_share(2 * left, now - _minutes())


def taken_in(resolver: int | None) -> bool:
    """Whether the open incident of our resolver (None: there is none) has taken in such domains."""
    parts = IncidentDomain.objects.filter(
        incident=resolver, check_id=Kind.NAME_SERVER, left_at=None
    )
    return resolver is not None and parts.exists()


def began_with(silent: Silent) -> Iterable[int]:
    """The open incidents of name servers that are part of it: those that were many at first."""
    rows = Incident.objects.filter(
        kind=Kind.NAME_SERVER, closed_at=None, opened_at__gte=silent.began, key__in=silent.sets
    )
    return rows.values_list("pk", flat=True)


def unrelated(keys: Collection[str]) -> int:
    """How many of these sets of name servers have nothing to do with each other: no provider and
    no registered domain in common, not even by way of a third."""
    groups: list[set[str]] = []
    for key in keys:
        own = {panel_name(host) or organisational_domain(host) for host in key.split(", ")}
        apart = []
        for group in groups:
            if own.isdisjoint(group):
                apart.append(group)
            else:
                own |= group
        groups = [*apart, own]
    return len(groups)


def _lately(rows: Iterable[tuple[int, str, Mapping[str, Entry]]], begun: datetime) -> Silent:
    of = {
        pk: (since_of(entries[Kind.NAME_SERVER]), key)
        for pk, key, entries in rows
        if Kind.NAME_SERVER in entries
    }
    late = [pk for pk, (at, _key) in of.items() if at >= begun]
    checks = AuditCheck.objects.filter(domain__in=late, check_id=name_servers.CHECK)
    answered = checks.filter(conclusive_at__gte=begun - ANSWERED).order_by()
    those = set(answered.values_list("domain_id", flat=True))
    return Silent({pk: of[pk][0] for pk in those}, {of[pk][1] for pk in those})


def _is_share(silent: int, begun: datetime) -> bool:
    """Whether so many are not just a few of those that were audited since then."""
    audited = AuditDomain.objects.active().filter(last_audit_at__gte=begun)
    return audited.count_up_to(SHARE * silent + 1) <= SHARE * silent


def _minutes() -> timedelta:
    return max(SAME_MINUTES, timedelta(seconds=settings.AUDIT_INTERVAL_SEC))
