"""What the audits wrote: checks, transitions, runs. Read-only."""

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.admin.parts import ReadOnly
from audit.models import AuditCheck, AuditRun, CheckTransition
from audit.results.translate import translate
from collectors.text import clean_json


def pretty(value):
    """JSON for reading: escaped, what is invisible made visible."""
    return format_html("<pre>{}</pre>", json.dumps(clean_json(value), indent=2, ensure_ascii=False))


class OfDomain(ReadOnly, admin.ModelAdmin):
    """Rows that belong to a domain. What is large is read on the page of one row alone."""

    large: tuple[str, ...] = ()

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("domain__tenant")
        return rows.defer(
            *self.large, "domain__tenant__portal_token", "domain__tenant__webhook_secret"
        )

    @admin.display(description=_("tenant"), ordering="domain__tenant__name")
    def of_tenant(self, row):
        return row.domain.tenant.name

    @admin.display(description=_("message"))
    def said(self, row):
        return translate(row.message_source, row.message)


@admin.register(AuditCheck)
class AuditCheckAdmin(OfDomain):
    large = ("findings", "evidence")
    list_display = ["domain", "of_tenant", "check_id", "status", "said", "since", "checked"]
    list_filter = ["status", "check_id", "domain__tenant"]
    search_fields = ["domain__domain"]
    ordering = ["domain__domain", "id"]
    fields = [
        "domain",
        "check_id",
        "status",
        "said",
        "checked_at",
        "since",
        "conclusive_status",
        "conclusive_at",
        "last_ok_at",
        "duration_ms",
        "shown_findings",
        "shown_evidence",
    ]
    readonly_fields = ["said", "shown_findings", "shown_evidence"]

    def get_object(self, request, object_id, from_field=None):
        check = super().get_object(request, object_id, from_field)
        return check and check.at_present(check.domain.checked)

    @admin.display(description=_("checked"), ordering="domain__last_audit_at")
    def checked(self, check):
        return check.at_present(check.domain.checked).checked_at

    @admin.display(description=_("findings"))
    def shown_findings(self, check):
        return pretty(check.findings)

    @admin.display(description=_("evidence"))
    def shown_evidence(self, check):
        return pretty(check.evidence)


@admin.register(CheckTransition)
class CheckTransitionAdmin(OfDomain):
    large = ("evidence_before", "evidence_after")
    list_display = ["at", "domain", "of_tenant", "check_id", "from_status", "to_status", "said"]
    list_filter = ["check_id", "to_status", "domain__tenant"]
    search_fields = ["domain__domain"]
    ordering = ["-at", "-id"]
    fields = [
        "domain",
        "check_id",
        "at",
        "from_status",
        "to_status",
        "said",
        "shown_before",
        "shown_after",
    ]
    readonly_fields = ["said", "shown_before", "shown_after"]

    @admin.display(description=_("evidence before"))
    def shown_before(self, transition):
        return pretty(transition.evidence_before)

    @admin.display(description=_("evidence after"))
    def shown_after(self, transition):
        return pretty(transition.evidence_after)


@admin.register(AuditRun)
class AuditRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "id",
        "created_at",
        "trigger",
        "tenant",
        "requested_by",
        "domains",
        "done",
        "failed",
        "shown_state",
        "finished_at",
    ]
    list_filter = ["trigger", "tenant"]
    ordering = ["-id"]
    fields = [
        "tenant",
        "trigger",
        "requested_by",
        "shown_state",
        "domains",
        "done",
        "failed",
        "created_at",
        "started_at",
        "finished_at",
    ]
    readonly_fields = ["shown_state"]

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .select_related("tenant")
            .defer("tenant__portal_token", "tenant__webhook_secret")
        )

    @admin.display(description=_("state"))
    def shown_state(self, run):
        return {
            "queued": _("queued"),
            "running": _("running"),
            "done": _("done"),
            "failed": _("failed"),
        }[run.state]
