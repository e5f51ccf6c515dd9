"""Links to customers' reports as they are kept: read-only, and without what opens them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from audit.admin.history import OfDomain
from audit.models import ReportLink


@admin.register(ReportLink)
class ReportLinkAdmin(OfDomain):
    list_display = [
        "domain", "of_tenant", "created_at", "created_by", "sent_to", "sent_at", "opened_at",
        "seen_at", "checked_at", "shown_end",
    ]  # fmt: skip
    list_filter = ["domain__tenant"]
    search_fields = ["domain__domain", "sent_to"]
    ordering = ["-id"]
    fields = [
        "domain", "created_at", "created_by", "expires_at", "sent_to", "sent_at", "opened_at",
        "seen_at", "checked_at", "done_at", "revoked_at", "shown_end",
    ]  # fmt: skip
    readonly_fields = ["shown_end"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("created_by")

    @admin.display(description=_("ended"))
    def shown_end(self, link):
        return link.ended.label if link.ended else "–"
