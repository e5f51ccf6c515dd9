"""Messages as they were sent, or why not; and another try."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import translation
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import tasks
from audit.admin.history import pretty
from audit.admin.parts import ReadOnly, log_change
from audit.models import Notification
from audit.models.notifications import SECRETS
from audit.notify import layout, words


@admin.register(Notification)
class NotificationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "created_at", "channel", "event", "about", "state", "tries", "sent_at", "said",
    ]  # fmt: skip
    list_filter = ["state", "event", "channel"]
    ordering = ["-created_at", "-id"]
    fields = [
        "channel", "event", "incident", "state", "told_with", "message_id", "created_at",
        "first_try_at", "tries", "due_at", "sent_at", "last_error", "shown_note", "also_to",
        "shown_text", "shown_facts",
    ]  # fmt: skip
    readonly_fields = ["message_id", "shown_note", "shown_text", "shown_facts"]
    actions = ["send_again"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("channel", "incident", "told_with")
        return rows.defer(*(f"channel__{name}" for name in SECRETS))

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("audit.change_notification")

    @admin.action(description=gettext_lazy("Send again"), permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: Any) -> None:
        rows = list(queryset)
        count = Notification.objects.filter(pk__in=[row.pk for row in rows]).send_again()
        log_change(request, rows, _("Sent again."))
        tasks.enqueue("send_notifications")
        text = _("Messages that are sent again: %(count)s. Only what was sent or failed is.")
        self.message_user(request, text % {"count": localize(count)})

    @admin.display(description=gettext_lazy("what"))
    def about(self, row: Notification) -> str:
        facts = row.facts.get("incident")
        if facts:
            return words.title_of(facts)
        return row.incident.message if row.incident else ""

    @admin.display(description=gettext_lazy("said"))
    def said(self, row: Notification) -> str:
        return row.last_error or self.shown_note(row)

    @admin.display(description=gettext_lazy("note"))
    def shown_note(self, row: Notification) -> str:
        return _(row.note) if row.note else ""

    @admin.display(description=gettext_lazy("id of the message"))
    def message_id(self, row: Notification) -> str:
        return row.message_id

    @admin.display(description=gettext_lazy("text"))
    def shown_text(self, row: Notification) -> str:
        if not row.facts:
            return _("It is written when it is first sent.")
        with translation.override(row.channel.language):
            text = layout.text(words.message_of(row))
        return format_html("<pre>{}</pre>", text)

    @admin.display(description=gettext_lazy("what a webhook gets"))
    def shown_facts(self, row: Notification) -> str:
        return pretty(row.facts)
