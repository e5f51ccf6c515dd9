"""Requests to audit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models.domains import AuditDomain, AuditDomainQuerySet
from audit.models.tenants import Tenant


class AuditRunQuerySet(models.QuerySet["AuditRun"]):
    """Runs."""

    def get_or_create_run(
        self,
        *,
        tenant: Tenant,
        domains: AuditDomainQuerySet,
        trigger: str,
        by: str,
        scope: str = "",
    ) -> tuple["AuditRun", bool]:
        """Ask for an audit of these domains of one tenant: `(run, already_queued)`.

        Asked twice while the first has not begun, it answers with the first.
        """
        with transaction.atomic():
            # one asks at a time
            Tenant.objects.select_for_update(no_key=True).filter(pk=tenant.pk).values_list(
                "pk"
            ).first()
            queued = (
                self.filter(
                    tenant=tenant, trigger=trigger, scope=scope, started_at=None, finished_at=None
                )
                .order_by("pk")
                .first()
            )
            if queued:
                return queued, True
            ids = list(domains.values_list("pk", flat=True))
            now = timezone.now()
            run = self.create(
                tenant=tenant,
                trigger=trigger,
                requested_by=by[:150],
                scope=scope,
                domains=len(ids),
                created_at=now,
            )
            RunDomain.objects.bulk_create(
                [RunDomain(run=run, domain_id=pk) for pk in ids], batch_size=500
            )
            domains.request_audit(now, bulk=len(ids) > 1)
            if not ids:
                self.filter(pk=run.pk).update(started_at=now, finished_at=now)
                run.refresh_from_db()
            return run, False

    def begin(self, domain_ids: Sequence[int], now: datetime) -> None:
        """Note that the audits of these domains have begun, in every run that waits for them."""
        self.filter(pending__domain__in=domain_ids, started_at=None, created_at__lte=now).update(
            started_at=now
        )

    def complete_domain(self, domain: AuditDomain, *, begun_at: datetime, ok: bool) -> None:
        """One domain of the runs that asked before `begun_at` is audited (or given up): count it,
        and end what is complete."""
        self.complete_domains({domain.pk: begun_at}, ok=ok)

    def complete_domains(self, begun: Mapping[int, datetime], *, ok: bool) -> None:
        """The same of several: `{domain id: when its audit began}`."""
        with transaction.atomic():
            rows = RunDomain.objects.select_for_update(of=("self",)).filter(domain__in=begun)
            # locked: of two that complete the same, one counts it
            found = [
                (pk, run_id, begun[domain_id])
                for pk, run_id, domain_id, asked in rows.order_by("pk").values_list(
                    "pk", "run_id", "domain_id", "run__created_at"
                )
                if asked <= begun[domain_id]
            ]
            if not found:
                return
            RunDomain.objects.filter(pk__in=[pk for pk, _run_id, _at in found]).delete()
            counted = "done" if ok else "failed"
            numbers = Counter(run_id for _pk, run_id, _at in found)
            for run_id in sorted(numbers):  # two that count in the same runs never wait crosswise
                self.filter(pk=run_id).update(**{counted: F(counted) + numbers[run_id]})
                began = min(at for _pk, of, at in found if of == run_id)
                self.filter(pk=run_id, started_at=None).update(started_at=began)
            self.end_complete(sorted(numbers))

    def end_complete(self, run_ids: Sequence[int] | None = None) -> None:
        """End runs that wait for nothing any more (also those whose domains were removed)."""
        runs = self._open()
        if run_ids is not None:
            runs = runs.filter(pk__in=run_ids)
        # not by a join: that would read all that a large run waits for
        pending = RunDomain.objects.filter(run=OuterRef("pk"))
        ids = list(runs.filter(~Exists(pending)).values_list("pk", flat=True))
        self.filter(pk__in=ids, finished_at=None).update(finished_at=timezone.now())

    def complete_inactive(self, *, most: int = 1000) -> None:
        """Count what runs wait for and is audited no more (switched off meanwhile) as failed, up to
        `most` at once.

        Of each run only the first domain that it waits for is looked at, so that a large run costs
        no more than a small one: the others are when those before them are done.
        """
        pending = RunDomain.objects.filter(run=OuterRef("pk")).order_by("domain")
        active = AuditDomain.objects.filter(pk=OuterRef("first")).active()
        runs = self._open().annotate(first=Subquery(pending.values("domain")[:1]))
        stuck = runs.filter(~Exists(active), first__isnull=False).values_list("pk", flat=True)
        for run_id in stuck[:most]:
            if most <= 0:
                break
            rows = RunDomain.objects.filter(run=run_id).order_by("domain")
            is_active = AuditDomain.objects.filter(pk=OuterRef("domain")).active()
            left = list(rows.filter(~Exists(is_active)).values_list("domain_id", flat=True)[:most])
            most -= len(left)
            self.complete_domains(dict.fromkeys(left, timezone.now()), ok=False)

    def _open(self) -> Self:
        """Those that somebody asked for and that have not ended."""
        return self.filter(finished_at=None).exclude(trigger__in=["schedule", "cli"])

    def count_scheduled(self, run_id: int, *, ok: bool, number: int = 1) -> None:
        """So many more regular audits of a drain's run; in the transaction that records them."""
        counted = "done" if ok else "failed"
        self.filter(pk=run_id).update(
            **{counted: F(counted) + number}, domains=F("domains") + number
        )

    def end_lost(self, before: datetime) -> None:
        """End the runs of drains that began before that and never said that they ended."""
        lost = self.filter(trigger="schedule", finished_at=None, started_at__lt=before)
        lost.update(finished_at=timezone.now())


class AuditRun(models.Model):
    """One request to audit. Its state follows from its numbers; `RunDomain` rows say what is still
    open."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("schedule")
        MANUAL = "manual", _("manual")
        ONBOARDING = "onboarding", _("onboarding")
        CLI = "cli", _("command line")

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, null=True, blank=True, related_name="runs", verbose_name=_("tenant")
    )
    trigger = models.CharField(_("trigger"), max_length=12, choices=Trigger.choices)
    requested_by = models.CharField(_("by"), max_length=150, blank=True, default="")
    # the domain asked for; '' = more than one
    scope = models.CharField(max_length=253, blank=True, default="", editable=False)
    domains = models.PositiveIntegerField(_("domains"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    created_at = models.DateTimeField(_("asked"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = AuditRunQuerySet.as_manager()

    class Meta:
        db_table = "audit_runs"
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        indexes = [
            models.Index(
                fields=["tenant", "created_at"],
                condition=models.Q(finished_at=None),
                name="audit_run_open",
            ),
            models.Index(fields=["created_at"], name="audit_run_created"),
        ]

    def __str__(self):
        return f"{self.pk} ({self.trigger})"

    @property
    def state(self) -> str:
        """queued, running, done or failed (every domain of it failed)."""
        if self.finished_at:
            return "failed" if self.failed and not self.done else "done"
        return "running" if self.started_at else "queued"


class RunDomain(models.Model):
    """A domain that a run has asked for and that is still to be audited; the row goes when that is
    done."""

    run = models.ForeignKey(AuditRun, models.CASCADE, related_name="pending")
    domain = models.ForeignKey(AuditDomain, models.CASCADE, related_name="pending_runs")

    class Meta:
        db_table = "audit_run_domains"
        constraints = [
            models.UniqueConstraint(fields=["run", "domain"], name="audit_run_domain_unique")
        ]

    def __str__(self):
        return f"{self.run_id}: {self.domain_id}"
