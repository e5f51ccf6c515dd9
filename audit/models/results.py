"""What audits found: the latest result of each check, and its changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models.domains import AuditDomain
from audit.models.tenants import Tenant
from collectors.base import Status

STATUSES = [
    (Status.OK.value, _("ok")),
    (Status.WARN.value, _("warning")),
    (Status.FAIL.value, _("fails")),
    (Status.UNKNOWN.value, _("unknown")),
]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stored_time(at: datetime, duration_ms: int) -> list[int]:
    """When a check was made and how long it took, as `AuditDomain.checked` has it."""
    return [(at - _EPOCH) // _MICROSECOND, duration_ms]


class CheckAnswer(models.Model):
    """The latest answer of a check or of a row of a server card. `since`: when the present status
    began.

    The row is as it was when the answer last changed; when the same was last found stands with the
    domain, or the card, see `at_present`.
    """

    check_id = models.CharField(_("check"), max_length=40)
    status = models.CharField(_("status"), max_length=10, choices=STATUSES)
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(
        default=dict, blank=True, editable=False
    )  # template and values, for translation
    findings = models.JSONField(_("findings"), default=list, blank=True)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    checked_at = models.DateTimeField(_("checked"))
    since = models.DateTimeField(_("since"))
    conclusive_status = models.CharField(
        _("last conclusive status"), max_length=10, blank=True, default=""
    )
    conclusive_at = models.DateTimeField(_("last conclusive answer"), null=True, blank=True)
    last_ok_at = models.DateTimeField(_("last ok"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("duration (ms)"), default=0)
    # of message, findings and evidence: whether an answer is the one that is stored; None: written
    # before there were digests (a column that may be null is added without copying the table)
    digest = models.CharField(max_length=32, null=True, editable=False)  # noqa: DJ001

    class Meta:
        abstract = True

    def at_present(self, checked: Mapping[str, Sequence[int]]) -> Self:
        """This row with the times of the last audit that found the same; `checked`: what stands
        with the domain, or the card."""
        if self.check_id in checked:
            microseconds, self.duration_ms = checked[self.check_id]
            self.checked_at = at = _EPOCH + microseconds * _MICROSECOND
            if self.status == Status.OK:
                self.last_ok_at = at
            if self.status != Status.UNKNOWN:
                self.conclusive_at = at
        return self


class AuditCheck(CheckAnswer):
    """The latest result of one check of one domain."""

    domain = models.ForeignKey(
        AuditDomain, models.CASCADE, related_name="checks", verbose_name=_("domain")
    )

    class Meta:
        db_table = "audit_checks"
        verbose_name = _("check")
        verbose_name_plural = _("checks")
        constraints = [
            models.UniqueConstraint(fields=["domain", "check_id"], name="audit_check_unique")
        ]
        indexes = [
            models.Index(
                fields=["check_id", "domain", "status"],  # so that they can be counted
                condition=~models.Q(status=Status.OK.value),
                name="audit_check_not_ok",
            )
        ]

    def __str__(self):
        return f"{self.domain} {self.check_id}: {self.status}"

    @classmethod
    def of(cls, domain: AuditDomain) -> dict[str, "AuditCheck"]:
        """{check_id: the row} of a domain, each `at_present`."""
        checks = cls.objects.filter(domain=domain)
        return {c.check_id: c.at_present(domain.checked) for c in checks}


class CheckTransitionQuerySet(models.QuerySet["CheckTransition"]):
    """Transitions."""

    def bulk_create(self, objs: Iterable["CheckTransition"], *args: Any, **options: Any) -> Any:
        """Create many at once, each with its domain's tenant."""
        objs = list(objs)
        for change in objs:
            change.take_tenant()
        return super().bulk_create(objs, *args, **options)  # type: ignore[arg-type] # the same


class CheckTransition(models.Model):
    """A change of a check between two conclusive statuses. `unknown` in between is not a change."""

    domain = models.ForeignKey(
        AuditDomain, models.CASCADE, related_name="transitions", verbose_name=_("domain")
    )
    # the domain's, which never changes: the tenant's history is read in order. Without a
    # constraint, a change waits for nobody who has the tenant's row locked
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        related_name="+",
        editable=False,
        db_index=False,
        db_constraint=False,
    )
    check_id = models.CharField(_("check"), max_length=40)
    from_status = models.CharField(
        _("from"), max_length=10, blank=True, choices=STATUSES
    )  # '' = the first answer
    to_status = models.CharField(_("to"), max_length=10, choices=STATUSES)
    at = models.DateTimeField(_("when"))
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(default=dict, blank=True, editable=False)
    evidence_before = models.JSONField(_("evidence before"), default=dict, blank=True)
    evidence_after = models.JSONField(_("evidence after"), default=dict, blank=True)
    processed_at = models.DateTimeField(
        null=True, blank=True, editable=False
    )  # by results.transitions

    objects = CheckTransitionQuerySet.as_manager()

    class Meta:
        db_table = "audit_transitions"
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        indexes = [
            models.Index(fields=["domain", "-at", "-id"], name="audit_transition_domain"),
            models.Index(
                fields=["domain", "check_id", "-at", "-id"], name="audit_transition_domain_check"
            ),
            models.Index(fields=["tenant", "-at", "-id"], name="audit_transition_tenant"),
            models.Index(
                fields=["tenant", "check_id", "-at", "-id"], name="audit_transition_tenant_check"
            ),
            models.Index(
                fields=["id"],
                condition=models.Q(processed_at=None),
                name="audit_transition_unprocessed",
            ),
            models.Index(fields=["at"], name="audit_transition_at"),
            # what changed of late: without first answers, of which a new customer brings thousands
            *(
                models.Index(
                    fields=[*of, "-at", "-id"],
                    condition=~models.Q(from_status=""),
                    name="_".join(["audit_transition", *of, "change"]),
                )
                for of in ([], ["tenant"])
            ),
        ]

    def __str__(self):
        return f"{self.domain} {self.check_id}: {self.from_status or '–'} → {self.to_status}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.take_tenant()
        super().save(*args, **kwargs)

    def take_tenant(self) -> None:
        """Have the domain's tenant as one's own."""
        if self.tenant_id is None:
            self.tenant_id = self.domain.tenant_id
