"""Onboarding events with their errors, and another try."""

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import events, tasks
from audit.models import WebhookEvent

from .history import pretty
from .parts import ReadOnly


class OutcomeFilter(admin.SimpleListFilter):
    title = gettext_lazy("outcome")
    parameter_name = "outcome"

    def lookups(self, request, model_admin):
        return [("error", _("can't be used")), ("waiting", _("waiting")), ("done", _("processed"))]

    def queryset(self, request, queryset):
        match self.value():
            case "error":
                return queryset.exclude(error="")
            case "waiting":
                return queryset.filter(processed_at=None)
            case "done":
                return queryset.filter(error="").exclude(processed_at=None)
        return queryset


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["received_at", "tenant", "event", "event_id", "processed_at", "error"]
    list_filter = [OutcomeFilter, "event", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["event_id", "error"]
    ordering = ["-received_at"]
    fields = ["tenant", "event", "event_id", "received_at", "processed_at", "error", "shown_payload"]
    readonly_fields = ["shown_payload"]
    actions = ["retry"]

    @admin.display(description=gettext_lazy("payload"))
    def shown_payload(self, event):
        return pretty(event.payload)

    def has_retry_permission(self, request):
        return request.user.has_perm("audit.change_webhookevent")

    @admin.action(description=gettext_lazy("Process again"), permissions=["retry"])
    def retry(self, request, queryset):
        count = events.retry(queryset)
        tasks.ring("process_events")
        self.message_user(request, _("Processed again: %(count)d.") % {"count": count})
