"""Incidents and waivers as they are kept: read-only for everybody."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from audit.admin.history import OfDomain
from audit.admin.parts import ReadOnly
from audit.models import Incident, IncidentDomain, Waiver
from audit.results.translate import translate

SHOWN = 200  # members of an incident on its page


@admin.register(Incident)
class IncidentAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "id",
        "opened_at",
        "kind",
        "of_tenant",
        "said",
        "owner",
        "domains_now",
        "domains_most",
        "shown_state",
        "closed_at",
    ]
    list_filter = ["kind", "owner", "tenant"]
    search_fields = ["subject", "code", "members__domain__domain"]
    ordering = ["-opened_at", "-id"]
    fields = [
        "kind",
        "of_tenant",
        "subject",
        "check_id",
        "code",
        "said",
        "owner",
        "severity",
        "shown_state",
        "opened_at",
        "confirmed_at",
        "closed_at",
        "merged_into",
        "domains_now",
        "domains_most",
        "shown_members",
    ]
    readonly_fields = ["of_tenant", "said", "shown_state", "shown_members"]

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("tenant")
        return rows.defer("tenant__portal_token", "tenant__webhook_secret")

    @admin.display(description=_("tenant"), ordering="tenant__name")
    def of_tenant(self, incident):
        return incident.tenant.name if incident.tenant else "–"

    @admin.display(description=_("message"))
    def said(self, incident):
        return translate(incident.message_source, incident.message)

    @admin.display(description=_("state"))
    def shown_state(self, incident):
        return {"open": _("open"), "known": _("known"), "closed": _("closed")}[incident.state]

    @admin.display(description=_("domains"))
    def shown_members(self, incident):
        """The first that are part of it, those that still are before those that were."""
        rows = IncidentDomain.objects.filter(incident=incident, left_at=None).order_by("pk")
        if incident.closed_at:
            rows = IncidentDomain.objects.filter(incident=incident).order_by("pk")
        names = dict.fromkeys(m.domain.unicode for m in rows.select_related("domain")[:SHOWN])
        return ", ".join(names) or "–"


@admin.register(Waiver)
class WaiverAdmin(OfDomain):
    list_display = [
        "domain",
        "of_tenant",
        "check_id",
        "code",
        "reason",
        "by",
        "created_at",
        "until",
        "ended_at",
        "ended_why",
    ]
    list_filter = ["ended_why", "check_id", "domain__tenant"]
    search_fields = ["domain__domain", "reason", "by"]
    ordering = ["-id"]
    fields = [
        "domain",
        "check_id",
        "code",
        "reason",
        "by",
        "created_at",
        "until",
        "ended_at",
        "ended_why",
        "ended_by",
    ]
