"""What the audits wrote: checks, transitions, runs. Read-only."""

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.models import AuditCheck, AuditRun, CheckTransition

from .parts import ReadOnly


def pretty(value):
    """JSON for reading; escaped."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(AuditCheck)
class AuditCheckAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["domain", "check_id", "status", "message", "since", "checked_at"]
    list_filter = ["status", "check_id", "domain__tenant"]
    list_select_related = ["domain"]
    search_fields = ["domain__domain"]
    ordering = ["domain__domain", "id"]
    fields = [
        "domain", "check_id", "status", "message", "checked_at", "since", "conclusive_status", "conclusive_at",
        "last_ok_at", "duration_ms", "shown_findings", "shown_evidence",
    ]  # fmt: skip
    readonly_fields = ["shown_findings", "shown_evidence"]

    @admin.display(description=_("findings"))
    def shown_findings(self, check):
        return pretty(check.findings)

    @admin.display(description=_("evidence"))
    def shown_evidence(self, check):
        return pretty(check.evidence)


@admin.register(CheckTransition)
class CheckTransitionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["at", "domain", "check_id", "from_status", "to_status", "message"]
    list_filter = ["check_id", "to_status", "domain__tenant"]
    list_select_related = ["domain"]
    search_fields = ["domain__domain"]
    ordering = ["-at", "-id"]
    fields = ["domain", "check_id", "at", "from_status", "to_status", "message", "shown_before", "shown_after"]
    readonly_fields = ["shown_before", "shown_after"]

    @admin.display(description=_("evidence before"))
    def shown_before(self, transition):
        return pretty(transition.evidence_before)

    @admin.display(description=_("evidence after"))
    def shown_after(self, transition):
        return pretty(transition.evidence_after)


@admin.register(AuditRun)
class AuditRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["id", "created_at", "trigger", "tenant", "requested_by", "domains", "done", "failed", "shown_state", "finished_at"]
    list_filter = ["trigger", "tenant"]
    list_select_related = ["tenant"]
    ordering = ["-id"]

    @admin.display(description=_("state"))
    def shown_state(self, run):
        return {"queued": _("queued"), "running": _("running"), "done": _("done"), "failed": _("failed")}[run.state]
