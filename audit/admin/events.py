"""Onboarding events with their errors, and another try."""

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import events, tasks
from audit.models import WebhookEvent
from collectors.text import clean

from .history import pretty
from .parts import ReadOnly, log_change


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
    list_display = ["received_at", "shown_event", "shown_error", "tenant", "processed_at", "shown_id"]
    list_filter = [OutcomeFilter, "event", "tenant"]
    search_fields = ["event_id", "error"]
    ordering = ["-received_at"]
    fields = ["tenant", "shown_event", "shown_id", "received_at", "processed_at", "shown_error", "shown_payload"]
    readonly_fields = ["shown_event", "shown_id", "shown_error", "shown_payload"]
    actions = ["retry"]

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("tenant")
        return rows.defer("payload", "tenant__portal_token", "tenant__webhook_secret")

    @admin.display(description=gettext_lazy("event"), ordering="event")
    def shown_event(self, event):
        return clean(event.event)

    @admin.display(description=gettext_lazy("event id"), ordering="event_id")
    def shown_id(self, event):
        return clean(event.event_id)

    @admin.display(description=gettext_lazy("error"), ordering="error")
    def shown_error(self, event):
        return clean(event.error)

    @admin.display(description=gettext_lazy("payload"))
    def shown_payload(self, event):
        return pretty(event.payload)

    def has_retry_permission(self, request):
        return request.user.has_perm("audit.change_webhookevent")

    @admin.action(description=gettext_lazy("Process again"), permissions=["retry"])
    def retry(self, request, queryset):
        rows = list(queryset)
        count = events.retry(WebhookEvent.objects.filter(pk__in=[row.pk for row in rows]))
        log_change(request, rows, _("Processed again."))
        tasks.ring("process_events")
        self.message_user(request, _("Events that will be processed again: %(count)d.") % {"count": count})
