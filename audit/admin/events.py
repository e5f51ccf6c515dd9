"""Onboarding events with their errors, and another try."""

from django.contrib import admin, messages
from django.db.models.fields.json import KT
from django.utils import timezone
from django.utils.formats import date_format, localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit import tasks
from audit.admin.history import pretty
from audit.admin.parts import SECRETS, ReadOnly, log_change
from audit.models import Tenant, WebhookEvent
from audit.queue import onboarding_events
from collectors.text import clean


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


def clock_sentence(tenant: Tenant) -> str:
    """Why events of this tenant are refused though they are signed rightly; '' where none is."""
    off, at = tenant.clock_off, tenant.clock_off_at
    if off is None or at is None:
        return ""
    values = {"tenant": tenant.name, "when": date_format(timezone.localtime(at), "DATETIME_FORMAT")}
    seconds = at.timestamp() + off  # what the header said
    if abs(seconds / 1000 - at.timestamp()) < 86400:
        return (
            _(
                "An event of %(tenant)s was refused (%(when)s): its webhook-timestamp counts "
                "milliseconds; the standard asks for seconds."
            )
            % values
        )
    side = (
        _(
            "An event of %(tenant)s was refused (%(when)s): its time is %(off)s ahead of ours, "
            "and 5 minutes are tolerated. Look at the clock of the portal."
        )
        if off > 0
        else _(
            "An event of %(tenant)s was refused (%(when)s): its time is %(off)s behind ours, and "
            "5 minutes are tolerated. Look at the clock of the portal, or at what holds its "
            "events up."
        )
    )
    return side % {**values, "off": _span(abs(off))}


def _span(seconds: int) -> str:
    if seconds < 7200:
        return _("%(n)d minutes") % {"n": round(seconds / 60)}
    if seconds < 172800:
        return _("%(n)d hours") % {"n": round(seconds / 3600)}
    return _("%(n)d days") % {"n": round(seconds / 86400)}


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "received_at",
        "shown_event",
        "shown_domain",
        "shown_error",
        "tenant",
        "processed_at",
        "shown_id",
    ]
    list_filter = [OutcomeFilter, "event", "tenant"]
    search_fields = ["payload__data__domain", "event_id", "error"]
    search_help_text = gettext_lazy("Part of a domain, an event id or an error.")
    ordering = ["-received_at"]
    fields = [
        "tenant",
        "shown_event",
        "shown_id",
        "received_at",
        "processed_at",
        "shown_error",
        "shown_payload",
    ]
    readonly_fields = ["shown_event", "shown_id", "shown_error", "shown_payload"]
    actions = ["retry"]

    def changelist_view(self, request, extra_context=None):
        """The list, and above it what is refused before it gets here."""
        for tenant in Tenant.objects.exclude(clock_off=None).defer(*SECRETS):
            self.message_user(request, clock_sentence(tenant), messages.WARNING)
        return super().changelist_view(request, extra_context)

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("tenant")
        rows = rows.annotate(of_domain=KT("payload__data__domain"))
        return rows.defer("payload", "tenant__portal_token", "tenant__webhook_secret")

    @admin.display(description=gettext_lazy("domain"))
    def shown_domain(self, event):
        return clean(event.of_domain or "", 253)

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
        count = onboarding_events.retry(
            WebhookEvent.objects.filter(pk__in=[row.pk for row in rows])
        )
        log_change(request, rows, gettext_noop("Processed again."))
        tasks.enqueue("process_events")
        self.message_user(
            request,
            _("Events that will be processed again: %(count)s.") % {"count": localize(count)},
        )
