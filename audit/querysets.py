"""Logic over many rows: what is due, claims, requests, the states of runs."""

from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, F, Q
from django.utils import timezone

MAX_ATTEMPTS = 3  # claims without a result, after which a domain waits for its next regular turn
SUSPECT = MAX_ATTEMPTS - 1  # so many claims without a result: the next audit is made alone, so that it harms no other


def claim_seconds():
    """How long a claim lasts at most: much longer than an audit may."""
    return 2 * settings.AUDIT_DOMAIN_TIMEOUT_SEC + 60


class AuditDomainQuerySet(models.QuerySet):
    """Domains."""

    def active(self):
        """Those that are audited: enabled, on an enabled tenant."""
        return self.filter(enabled=True, tenant__enabled=True)

    def due(self, now=None):
        """Active ones whose time has come and that nobody holds."""
        now = now or timezone.now()
        return self.active().filter(Q(claimed_until=None) | Q(claimed_until__lt=now), next_audit_at__lte=now)

    def claim(self, owner, *, count, regular_first=False, suspects=False):
        """Take up to `count` due domains for `owner` and return them, with their tenants.

        What people and events wait for goes first, or with `regular_first` last. `suspects`: only those whose last claims
        came to nothing; else only the others. The claim is one compare-and-set: of two workers that saw the same row, one
        changes it. It is counted before work starts, and it ends by itself, so that a worker may die.
        """
        now = timezone.now()
        until = now + timedelta(seconds=claim_seconds())
        due = self.due(now).filter(attempts__gte=SUSPECT) if suspects else self.due(now).filter(attempts__lt=SUSPECT)
        asked = due.filter(requested_at__isnull=False).order_by("requested_at").values_list("pk", flat=True)
        regular = due.filter(requested_at=None).order_by("next_audit_at").values_list("pk", flat=True)
        ids: list[int] = []
        for rows in (regular, asked) if regular_first else (asked, regular):
            if len(ids) < count:
                ids += rows[: count - len(ids)]
        if not ids:
            return []
        free = Q(claimed_until=None) | Q(claimed_until__lt=now)
        self.model.objects.filter(free, pk__in=ids, enabled=True, next_audit_at__lte=now).update(
            claimed_by=owner, claimed_until=until, attempts=F("attempts") + 1
        )
        order = {pk: n for n, pk in enumerate(ids)}
        mine = self.model.objects.filter(pk__in=ids, claimed_by=owner, claimed_until=until).select_related("tenant")
        return sorted(mine, key=lambda d: order[d.pk])

    def take(self, owner):
        """Claim these for `owner`, due or not, save those that somebody else holds; returns how many."""
        now = timezone.now()
        until = now + timedelta(seconds=claim_seconds())
        rows = self.filter(Q(claimed_until=None) | Q(claimed_until__lt=now))
        return rows.update(claimed_by=owner, claimed_until=until, attempts=F("attempts") + 1)

    def mend_times(self, now):
        """After the clock was set back, or the interval made shorter: nothing waits longer than a regular turn may take."""
        last = now + timedelta(seconds=settings.AUDIT_INTERVAL_SEC * 1.05 + 60)
        late = list(self.filter(enabled=True, next_audit_at__gt=last))
        for domain in late:
            domain.next_audit_at = domain.next_slot(now)
        self.bulk_update(late, ["next_audit_at"], batch_size=500)
        self.filter(requested_at__gt=now).update(requested_at=now, next_audit_at=now)
        until = now + timedelta(seconds=claim_seconds())
        self.filter(claimed_until__gt=until).update(claimed_until=until)

    def request_audit(self, now=None):
        """Make these domains due at once, before regular ones; returns how many."""
        now = now or timezone.now()
        return self.update(requested_at=now, next_audit_at=now)


def count_of_domains(stale_before):
    """Annotations for tenants: `n_domains`, `n_healthy`, `n_warning`, `n_critical`, `n_unknown`, `n_stale` of their enabled domains."""
    enabled = Q(domains__enabled=True)
    stale = Q(domains__last_audit_at__lt=stale_before) | Q(domains__last_audit_at=None, domains__created_at__lt=stale_before)
    filters = {"domains": enabled, "stale": enabled & stale}
    filters |= {status: enabled & Q(domains__status=status) for status in ("healthy", "warning", "critical", "unknown")}
    return {f"n_{name}": Count("domains", filter=condition) for name, condition in filters.items()}


class AuditRunQuerySet(models.QuerySet):
    """Runs."""

    def ask(self, *, tenant, domains, trigger, by, scope=""):
        """Ask for an audit of these domains (a queryset of one tenant): `(run, already_queued)`.

        Asked twice while the first has not begun, it answers with the first.
        """
        with transaction.atomic():
            type(tenant)._base_manager.select_for_update().filter(pk=tenant.pk).values_list("pk").first()  # one asks at a time
            queued = self.filter(tenant=tenant, trigger=trigger, scope=scope, started_at=None, finished_at=None).order_by("pk").first()
            if queued:
                return queued, True
            from .models import RunDomain

            ids = list(domains.values_list("pk", flat=True))
            now = timezone.now()
            run = self.create(tenant=tenant, trigger=trigger, requested_by=by[:150], scope=scope, domains=len(ids), created_at=now)
            RunDomain.objects.bulk_create([RunDomain(run=run, domain_id=pk) for pk in ids], batch_size=500)
            domains.request_audit(now)
            if not ids:
                self.filter(pk=run.pk).update(started_at=now, finished_at=now)
                run.refresh_from_db()
            return run, False

    def begin(self, domain_ids, now):
        """Note that the audits of these domains have begun, in every run that waits for them."""
        self.filter(open__domain__in=domain_ids, started_at=None, created_at__lte=now).update(started_at=now)

    def settle(self, domain, *, begun_at, ok):
        """One domain of the runs that asked before `begun_at` is audited (or given up): count it, and end what is complete."""
        from .models import RunDomain

        with transaction.atomic():
            rows = RunDomain.objects.select_for_update(of=("self",)).filter(domain=domain, run__created_at__lte=begun_at)
            found = dict(rows.values_list("pk", "run_id"))  # locked: of two that settle the same, one counts it
            if not found:
                return
            RunDomain.objects.filter(pk__in=found).delete()
            run_ids, counted = list(found.values()), "done" if ok else "failed"
            self.filter(pk__in=run_ids).update(**{counted: F(counted) + 1})
            self.filter(pk__in=run_ids, started_at=None).update(started_at=begun_at)
            self.end_complete(run_ids)

    def end_complete(self, run_ids=None):
        """End runs that wait for nothing any more (also those whose domains were removed meanwhile)."""
        runs = self.filter(finished_at=None, open=None).exclude(trigger__in=["schedule", "cli"])
        if run_ids is not None:
            runs = runs.filter(pk__in=run_ids)
        ids = list(runs.values_list("pk", flat=True))
        self.filter(pk__in=ids, finished_at=None).update(finished_at=timezone.now())
