"""Domains: what is audited. Their rows are also the queue."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit import validators
from audit.models.counts import COUNTED_COLUMNS, GROUPS, STATUSES, TenantCounts, numbers_of
from audit.models.domain_indexes import INDEXES
from audit.models.known_zone import zone_in
from audit.models.portal_facts import remembered_facts
from audit.models.tenants import Tenant, target_of
from collectors.base import Target
from collectors.names import DomainError, normalize_domain, to_unicode
from collectors.text import _ as _text


class DomainStatus(models.TextChoices):
    """What a domain is in, worst first in its `rank`."""

    CRITICAL = "critical", _("critical")
    WARNING = "warning", _("warning")
    UNKNOWN = "unknown", _("unknown")
    HEALTHY = "healthy", _("healthy")

    @property
    def rank(self):
        """0 is worst: lists are sorted by it."""
        return list(DomainStatus).index(self)


MAX_ATTEMPTS = 3  # deaths of its worker while it was audited alone, before a domain is given up
SUSPECT = MAX_ATTEMPTS - 1  # one that was given up: the next such death gives it up again

# see TenantCounts
COUNTED_BY = {"tenant", "tenant_id", "enabled", "status", *COUNTED_COLUMNS}

TENANTS_READ = 32  # whose domains are looked for at once

WAVE_SECONDS = 5  # between groups of domains that are to be audited anew


def _incidents() -> Any:
    """The incidents, whose module knows this one."""
    return apps.get_model("audit", "Incident").objects


def _portal_domains() -> Any:
    """What portals' lists differ in, whose module knows this one, too."""
    return apps.get_model("audit", "PortalDomain").objects


def claim_seconds() -> float:
    """How long a claim lasts at most: much longer than an audit may."""
    return 2 * settings.AUDIT_DOMAIN_TIMEOUT_SEC + 60


def free_to_claim(now: datetime) -> Q:
    """Nobody holds it, or no longer: whoever does has outlived the time of the claim."""
    return Q(claimed_until=None) | Q(claimed_until__lt=now)


class QuotaReached(DomainError):
    """The tenant has as many domains as events and the API may register for it."""


class AuditDomainQuerySet(models.QuerySet["AuditDomain"]):
    """Domains."""

    def active(self) -> Self:
        """Those that are audited: enabled, on an enabled tenant.

        Without a join: a database that begins with the tenants would sort all their domains.
        """
        disabled = Tenant.objects.filter(enabled=False)
        return self.filter(~Q(tenant__in=disabled.values("pk")), enabled=True)

    def due(self, now: datetime | None = None) -> Self:
        """Active ones whose time has come and that nobody holds."""
        now = now or timezone.now()
        return self.active().filter(free_to_claim(now), next_audit_at__lte=now)

    def unanswered(self, servers: str = "") -> Self:
        """Active ones whose name servers (these, or any) are confirmed not to answer.

        By a partial index, which a database takes where its own condition stands in the question.
        """
        rows = self.active().exclude(silent_servers="")
        return rows.filter(silent_servers=servers) if servers else rows

    # -- the numbers that are kept of them: see TenantCounts

    def update(self, **values: Any) -> int:
        """Update, and count anew what is counted by."""
        if not COUNTED_BY & values.keys():
            return super().update(**values)
        with transaction.atomic(savepoint=False):
            before = self._tenants()
            changed = super().update(**values)
            to = values.get("tenant_id", values.get("tenant"))
            after = {getattr(to, "pk", to)} if to is not None else set()
            self.count_anew(before | after)
        return changed

    def bulk_create(self, objs: Iterable["AuditDomain"], *args: Any, **options: Any) -> Any:
        """Create many at once, and count them."""
        objs = list(objs)
        with transaction.atomic(savepoint=False):
            created = super().bulk_create(objs, *args, **options)  # type: ignore[arg-type] # the same
            self.count_anew({domain.tenant_id for domain in objs})
        return created

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete with all that belongs to them, and count anew."""
        with transaction.atomic(savepoint=False):
            self.lock()
            tenants, incidents = self._tenants(), _incidents()
            touched = incidents.of_domains(self)
            removed = list(self.order_by().values_list("tenant_id", "domain"))
            deleted = super().delete()
            incidents.recount(touched)
            _portal_domains().leave_removed(removed)
            self.count_anew(tenants)
        return deleted

    delete.alters_data = True  # type: ignore[attr-defined] # as Django's own has them
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _tenants(self) -> set[int]:
        return set(self.order_by().values_list("tenant_id", flat=True).distinct())

    def count_anew(self, tenants: Iterable[int]) -> int:
        """Count the domains of these tenants and keep the numbers; for how many they were others.

        The numbers are locked before it counts: what others have in hand is counted by them then.
        """
        ids = sorted(set(tenants))
        if not ids:
            return 0
        with transaction.atomic(savepoint=False):
            kept = TenantCounts.objects.filter(pk__in=ids).order_by("pk").select_for_update()
            rows = {row.pk: row for row in kept}
            if missing := [TenantCounts(tenant_id=pk) for pk in ids if pk not in rows]:
                TenantCounts.objects.bulk_create(missing, ignore_conflicts=True)
                rows |= {row.pk: row for row in kept.all()}
            enabled = AuditDomain.objects.filter(tenant__in=ids, enabled=True).order_by()
            of = {status: Q(severity=rank) for rank, status in enumerate(STATUSES)}
            of |= {name: Q(**condition) for name, condition in GROUPS.items()}
            counts = {f"n_{name}": Count("pk", filter=q) for name, q in of.items()}
            rows_of = enabled.values("tenant").annotate(**counts).values_list("tenant", *counts)
            counted = {pk: numbers for pk, *numbers in rows_of}
            wrong = 0
            for pk, row in rows.items():
                found = dict(zip(of, counted.get(pk, [0] * len(of)), strict=True))
                if found != {name: getattr(row, name) for name in of}:
                    wrong += 1
                    TenantCounts.objects.filter(pk=pk).update(**found)
        return wrong

    # -- claims

    def claim(self, owner: str, ids: Sequence[int]) -> list["AuditDomain"]:
        """Claim for `owner` those of these that are due, and return them with their tenants, in
        the order of `ids`.

        Of two that saw the same row one gets it; a row that somebody else has locked is passed
        over and never waited for (PostgreSQL). The claim is counted before work starts, and it
        ends by itself, so that a worker may die.
        """
        now = timezone.now()
        until = now + timedelta(seconds=claim_seconds())
        with transaction.atomic():
            due = AuditDomain.objects.due(now).filter(pk__in=ids).unlocked()
            due.update(claimed_by=owner, claimed_until=until, attempts=F("attempts") + 1)
        mine = AuditDomain.objects.filter(pk__in=ids, claimed_by=owner, claimed_until=until)
        order = {pk: n for n, pk in enumerate(ids)}
        return sorted(mine.select_related("tenant"), key=lambda d: order[d.pk])

    def claim_given(self, owner: str) -> int:
        """Claim these for `owner`, due or not, save those that somebody else holds; how many."""
        now = timezone.now()
        until = now + timedelta(seconds=claim_seconds())
        free = self.filter(free_to_claim(now))
        return free.update(claimed_by=owner, claimed_until=until, attempts=F("attempts") + 1)

    def give_back(self, owner: str) -> int:
        """Give back untouched those of these that `owner` holds: due again at once; how many."""
        with transaction.atomic():
            held = self.filter(claimed_by=owner).unlocked()
            return held.update(claimed_by="", claimed_until=None, attempts=F("attempts") - 1)

    def release_lost(self, owner: str) -> int:
        """Give back those of these that `owner` held when it ended in the middle; how many.

        One that was alone with it has its attempt counted. Where several were in flight, the
        number is noted: they are tried again in groups of half as many.
        """
        count = AuditDomain.objects.filter(claimed_by=owner).count()
        attempts = F("attempts") if count == 1 else Value(0)
        with transaction.atomic():
            held = self.filter(claimed_by=owner).unlocked()
            return held.update(
                claimed_by="", claimed_until=None, crash_group=count, attempts=attempts
            )

    def unlocked(self) -> Self:
        """Those of these that nobody else has locked, ours until the end of the transaction: no
        row is waited for (PostgreSQL; SQLite has no locks of rows)."""
        if not connection.features.has_select_for_update_skip_locked:
            return self
        free = self.select_for_update(skip_locked=True, of=("self",), no_key=True).order_by("pk")
        return self.filter(pk__in=list(free.values_list("pk", flat=True)))

    def lock(self) -> None:
        """Lock these, in the order in which all do, until the transaction ends: what is being
        written below them is written first (PostgreSQL; SQLite has one writer at a time)."""
        list(self.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))

    def lost_owners(self, now: datetime) -> list[str]:
        """Those whose claims have outlived their time: their machine is gone, or stands still."""
        return list(
            self.filter(claimed_until__lt=now)
            .exclude(claimed_by="")
            .values_list("claimed_by", flat=True)
            .distinct()
        )

    # -- whose turn it is

    def unsuspected(self) -> Self:
        """Those in whose audit no worker has died since their last result."""
        return self.filter(attempts=0, crash_group=0)

    def suspects(self, now: datetime) -> list[int]:
        """The next group of due domains of which one may have killed its worker.

        Half as many as there were in flight then; one that was alone when it happened is alone
        again.
        """
        due = self.due(now).filter(Q(attempts__gt=0) | Q(crash_group__gt=0))
        first = due.order_by("attempts", "-crash_group", "next_audit_at", "pk").first()
        if first is None:
            return []
        if first.attempts:
            return [first.pk]
        group = due.filter(attempts=0, crash_group=first.crash_group)
        size = max(1, first.crash_group // 2)
        return list(group.order_by("next_audit_at", "pk").values_list("pk", flat=True)[:size])

    def in_turn(self, column: str, *, limit: int) -> list[int]:
        """The ids of up to `limit` of these in the order of `column`, the tenants taking turns.

        Of each tenant only the first are read, by its index; of many tenants, those whose first
        has waited longest.
        """
        mine = self.filter(tenant=OuterRef("pk")).order_by(column)
        waiting = Tenant.objects.annotate(first=Subquery(mine.values(column)[:1]))
        tenants = list(
            waiting.exclude(first=None)
            .order_by("first")
            .values_list("pk", flat=True)[:TENANTS_READ]
        )
        found: list[tuple[int, datetime, int]] = []
        for tenant in tenants:
            rows = self.filter(tenant=tenant).order_by(column, "pk").values_list(column, "pk")
            most = -(-limit // len(tenants))
            found += [(turn, at, pk) for turn, (at, pk) in enumerate(rows[:most])]
        return [pk for _turn, _at, pk in sorted(found)[:limit]]

    def count_up_to(self, most: int) -> int:
        """How many these are, counted no further than `most`."""
        return len(self.order_by().values_list("pk")[:most])

    def overdue(self, now: datetime | None = None) -> Self:
        """Active ones that should have been audited more than two intervals ago."""
        return self.active().filter(next_audit_at__lt=stale_before(now))

    def repair_future_times(self, now: datetime) -> None:
        """After the clock was set back, or the interval made shorter: nothing waits longer than
        a regular turn may take, and nothing was audited in the future."""
        last = now + timedelta(seconds=settings.AUDIT_INTERVAL_SEC * 1.05 + 60)
        late = list(AuditDomain.objects.filter(enabled=True, next_audit_at__gt=last))
        for domain in late:
            domain.next_audit_at = domain.next_slot(now)
        AuditDomain.objects.bulk_update(late, ["next_audit_at"], batch_size=500)
        asked = self.filter(requested_at__gt=now)
        for bulk in (False, True):  # each by its index
            asked.filter(requested_at__isnull=False, requested_bulk=bulk).update(
                requested_at=now, next_audit_at=now
            )
        self.filter(last_audit_at__gt=now).update(last_audit_at=now)
        until = now + timedelta(seconds=claim_seconds())
        self.exclude(claimed_by="").filter(claimed_until__gt=until).update(claimed_until=until)

    # -- registering and asking

    def register(
        self, *, tenant: Tenant, domain: str, source: str, dkim_selectors: Sequence[str] = ()
    ) -> tuple["AuditDomain", bool]:
        """The AuditDomain for a name (normalized here) on a tenant and whether it is new.

        Twice at once registers once: the unique constraint decides, not a look before. One that
        exists stays as it is. Raises DomainError, and QuotaReached where an event or the API
        would register more than the tenant's quota.
        """
        name = normalize_domain(domain)
        if source in (AuditDomain.Source.ONBOARDING, AuditDomain.Source.API):
            known = self.filter(tenant=tenant, domain=name).first()
            if known:
                return known, False
            if self.filter(tenant=tenant).count() >= tenant.quota:
                raise QuotaReached(
                    _text(
                        "The tenant has {quota} domains, as many as its quota allows.",
                        quota=tenant.quota,
                    )
                )
        new = {"source": source, "dkim_selectors": list(dkim_selectors)}
        return self.get_or_create(tenant=tenant, domain=name, defaults=new)

    def request_audit(self, now: datetime | None = None, *, bulk: bool = False) -> int:
        """Make these domains due at once, before regular ones; returns how many.

        `bulk`: with many others; what is asked for alone goes first, and stays first.
        """
        now = now or timezone.now()
        first = Case(When(requested_at=None, then=Value(True)), default=F("requested_bulk"))
        return self.update(
            requested_bulk=first if bulk else False, requested_at=now, next_audit_at=now
        )

    def make_due(self, now: datetime | None = None) -> int:
        """Have the enabled ones of these audited anew, as what is expected of them has changed.

        Spread: as many at once as are audited side by side, and so many more every WAVE_SECONDS;
        none later than its regular turn. One that is being audited is looked at again. How many.
        """
        now = now or timezone.now()
        rows = self.filter(enabled=True).order_by("next_audit_at", "pk")
        ids = list(rows.values_list("pk", flat=True))
        size = settings.AUDIT_CONCURRENCY
        for n, start in enumerate(range(0, len(ids), size)):
            at = now + timedelta(seconds=n * WAVE_SECONDS)
            wave = AuditDomain.objects.filter(pk__in=ids[start : start + size])
            wave.exclude(claimed_by="").request_audit(now, bulk=True)
            wave.filter(next_audit_at__gt=at).update(next_audit_at=at)
        return len(ids)


class AuditDomain(models.Model):
    """A customer's mail domain on one tenant. The rows are also the queue: what is due stands in
    `next_audit_at`."""

    class Source(models.TextChoices):
        ONBOARDING = "onboarding", _("onboarding")
        MANUAL = "manual", _("manual")
        IMPORT = "import", _("import")
        API = "api", _("API")

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="domains", verbose_name=_("tenant")
    )
    domain = models.CharField(_("domain"), max_length=253)
    source = models.CharField(
        _("source"), max_length=20, choices=Source.choices, default=Source.ONBOARDING
    )
    dkim_selectors = models.JSONField(
        _("DKIM selectors"),
        default=list,
        blank=True,
        validators=[validators.selector_list],
        help_text=_("Instead of the tenant's."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("registered"), auto_now_add=True)
    # written with the checks, in the same transaction
    score = models.PositiveSmallIntegerField(_("score"), default=0)
    # of the highest score that it may have, in thousandths: 6/8 is worse than 5/6
    share = models.PositiveSmallIntegerField(default=0, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=DomainStatus.choices, default=DomainStatus.UNKNOWN
    )
    severity = models.PositiveSmallIntegerField(
        default=DomainStatus.UNKNOWN.rank, editable=False
    )  # status as a number, worst first
    needs_customer = models.BooleanField(
        _("waiting for the customer"), default=False
    )  # a finding that counts is theirs
    needs_host = models.BooleanField(_("waiting for us"), default=False)
    # for the lists: in which groups an operator looks for it, see results.triage
    not_measured = models.BooleanField(default=False, editable=False)  # a check is unknown
    known = models.BooleanField(default=False, editable=False)  # all that is wrong is waived
    covered = models.BooleanField(default=False, editable=False)  # it follows from shared causes
    trouble_at = models.DateTimeField(  # since when, of the newest confirmed trouble of its own
        null=True, blank=True, editable=False
    )
    # until it was first 8/8, or nothing but DMARC's policy was left, or a person took it out
    onboarding = models.BooleanField(_("onboarding"), default=True)
    onboarded_at = models.DateTimeField(  # when its onboarding ended by itself
        _("onboarded"), null=True, blank=True, editable=False
    )
    first_healthy_at = models.DateTimeField(_("first 8/8"), null=True, blank=True, editable=False)
    certificate_ends_at = models.DateTimeField(
        _("certificate ends"), null=True, blank=True, editable=False
    )  # of those that are configured and served, the first
    # {check_id: [the status that is seen, by how many audits, since when in µs]}: not confirmed
    unconfirmed = models.JSONField(default=dict, blank=True, editable=False)
    last_audit_at = models.DateTimeField(_("last audit"), null=True, blank=True)
    next_audit_at = models.DateTimeField(_("next audit"), default=timezone.now)
    # the claim of whoever audits it now
    requested_at = models.DateTimeField(
        null=True, blank=True, editable=False
    )  # a person or an event waits for it
    claimed_by = models.CharField(max_length=64, blank=True, default="", editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    requested_bulk = models.BooleanField(default=False, editable=False)  # with many others
    # claims since the last audit that was saved, but for those beside others
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    # how many were in flight when a worker died with it; 0: none did since its last result
    crash_group = models.PositiveSmallIntegerField(default=0, editable=False)
    portal_facts = models.JSONField(default=dict, blank=True, editable=False)  # see PortalFacts
    # see KnownZone: {"zone": …, "name_servers": […]}, as they answered last
    known_zone = models.JSONField(default=dict, blank=True, editable=False)
    # what of Incident.key says which name servers are confirmed not to answer for it; "": they do
    silent_servers = models.CharField(max_length=300, blank=True, default="", editable=False)
    # {check_id: [when last checked, in µs since 1970, and how long it took, in ms]}: an answer that
    # was there already changes these and no row of a check
    checked = models.JSONField(default=dict, blank=True, editable=False)
    last_error = models.CharField(
        _("last error"), max_length=200, blank=True, default="", editable=False
    )

    objects = AuditDomainQuerySet.as_manager()

    class Meta:
        db_table = "audit_domains"
        verbose_name = _("domain")
        verbose_name_plural = _("domains")
        permissions = [
            ("run_audit", "Can run audits"),
            ("make_report", "Can make report links for customers"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "domain"], name="audit_domain_unique")
        ]
        indexes = INDEXES

    def __str__(self):
        return self.unicode

    def save(self, *args, **kwargs):
        if self._state.adding:
            self.domain = normalize_domain(self.domain)
        fields = kwargs.get("update_fields")
        if fields is not None and not COUNTED_BY & set(fields):
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            before = None if self._state.adding else self._counted()
            super().save(*args, **kwargs)
            self._count(before, self._counted())

    def delete(self, *args, **kwargs):
        """Delete with all that belongs to it; it is counted no more."""
        with transaction.atomic():
            before, incidents = self._counted(), _incidents()
            touched = incidents.of_domains(AuditDomain.objects.filter(pk=self.pk))
            deleted = super().delete(*args, **kwargs)
            incidents.recount(touched)
            _portal_domains().leave_removed([(self.tenant_id, self.domain)])
            self._count(before, None)
        return deleted

    def _counted(self) -> tuple[int, tuple[str, ...]] | None:
        """The tenant and its numbers in which the row is counted, locked; None: in none."""
        rows = AuditDomain.objects.filter(pk=self.pk, enabled=True).select_for_update()
        found = rows.values_list("tenant_id", *COUNTED_COLUMNS).first()
        return found and (found[0], numbers_of(*found[1:]))

    @staticmethod
    def _count(
        before: tuple[int, tuple[str, ...]] | None, after: tuple[int, tuple[str, ...]] | None
    ) -> None:
        changes: dict[int, Counter[str]] = {}
        for place, n in ((before, -1), (after, 1)):
            if place is not None:
                tenant_id, names = place
                changes.setdefault(tenant_id, Counter()).update(dict.fromkeys(names, n))
        AuditDomain.objects.count_anew(TenantCounts.add(changes))

    def clean(self):
        if not self._state.adding:
            return  # its name does not change any more
        self.domain = validators.domain_name(self.domain, field="domain")

    @property
    def unicode(self) -> str:
        """The U-label form, for people."""
        return to_unicode(self.domain)

    @property
    def stale(self) -> bool:
        """The last audit is older than twice the interval; never audited: it was registered longer
        ago than that."""
        return (self.last_audit_at or self.created_at) < stale_before()

    @property
    def active(self) -> bool:
        """It is audited: enabled, on an enabled tenant."""
        return self.enabled and self.tenant.enabled

    @property
    def next_regular_at(self) -> datetime | None:
        """When it is audited next; None for one that is not."""
        return self.next_audit_at if self.active else None

    def target(self) -> Target:
        """What the collectors need to know of this domain."""
        return target_of(
            self.tenant,
            self.domain,
            dkim_selectors=self.dkim_selectors,
            portal_facts=remembered_facts(self.portal_facts),
            known_zone=zone_in(self.known_zone),
        )

    def next_slot(self, now: datetime) -> datetime:
        """The next regular audit after `now`: every domain has its own place in the interval, so
        that a fleet is a trickle.

        The place follows from the row's id (golden-ratio steps spread any set of ids evenly). A
        slot that follows within a twentieth of the interval is passed over: that audit would be
        the same again.
        """
        return slot_after(self.pk, now)


def slot_after(pk: int, now: datetime) -> datetime:
    """The next regular turn after `now` of the row with this id, see `AuditDomain.next_slot`."""
    interval = settings.AUDIT_INTERVAL_SEC
    phase = (pk * 0.6180339887498949 % 1) * interval
    earliest = now.timestamp() + interval / 20
    return datetime.fromtimestamp(earliest + (phase - earliest) % interval, tz=UTC)


def stale_before(now: datetime | None = None) -> datetime:
    """Audits before this moment are stale."""
    return (now or timezone.now()) - timedelta(seconds=2 * settings.AUDIT_INTERVAL_SEC)
