"""What audits found: the latest result of each check, and its changes."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from collectors.base import Status

from .domains import AuditDomain

_STATUSES = [
    (Status.OK.value, _("ok")),
    (Status.WARN.value, _("warning")),
    (Status.FAIL.value, _("fails")),
    (Status.UNKNOWN.value, _("unknown")),
]


class AuditCheck(models.Model):
    """The latest result of one check of one domain. `since`: when the present status began."""

    domain = models.ForeignKey(AuditDomain, models.CASCADE, related_name="checks", verbose_name=_("domain"))
    check_id = models.CharField(_("check"), max_length=40)
    status = models.CharField(_("status"), max_length=10, choices=_STATUSES)
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(default=dict, blank=True, editable=False)  # template and values, for translation
    findings = models.JSONField(_("findings"), default=list, blank=True)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    checked_at = models.DateTimeField(_("checked"))
    since = models.DateTimeField(_("since"))
    conclusive_status = models.CharField(_("last conclusive status"), max_length=10, blank=True, default="")
    conclusive_at = models.DateTimeField(_("last conclusive answer"), null=True, blank=True)
    last_ok_at = models.DateTimeField(_("last ok"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("duration (ms)"), default=0)

    class Meta:
        db_table = "audit_checks"
        verbose_name = _("check")
        verbose_name_plural = _("checks")
        constraints = [models.UniqueConstraint(fields=["domain", "check_id"], name="audit_check_unique")]
        indexes = [models.Index(fields=["check_id", "status"], name="audit_check_status")]

    def __str__(self):
        return f"{self.domain} {self.check_id}: {self.status}"


class CheckTransition(models.Model):
    """A change of a check between two conclusive statuses. `unknown` in between is not a change."""

    domain = models.ForeignKey(AuditDomain, models.CASCADE, related_name="transitions", verbose_name=_("domain"))
    check_id = models.CharField(_("check"), max_length=40)
    from_status = models.CharField(_("from"), max_length=10, blank=True, choices=_STATUSES)  # '' = the first answer
    to_status = models.CharField(_("to"), max_length=10, choices=_STATUSES)
    at = models.DateTimeField(_("when"))
    message = models.TextField(_("message"), blank=True, default="")
    message_source = models.JSONField(default=dict, blank=True, editable=False)
    evidence_before = models.JSONField(_("evidence before"), default=dict, blank=True)
    evidence_after = models.JSONField(_("evidence after"), default=dict, blank=True)

    class Meta:
        db_table = "audit_transitions"
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        indexes = [
            models.Index(fields=["domain", "-at", "-id"], name="audit_transition_domain"),
            models.Index(fields=["at"], name="audit_transition_at"),
        ]

    def __str__(self):
        return f"{self.domain} {self.check_id}: {self.from_status or '–'} → {self.to_status}"
