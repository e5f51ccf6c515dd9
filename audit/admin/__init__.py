"""The administration: Django's own, one module a subject."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audit.admin import (
    channels,
    domains,
    events,
    history,
    incidents,
    notifications,
    portal_domains,
    queue,
    report_links,
    second_factors,
    tenants,
    tokens,
)

admin.site.site_header = admin.site.site_title = "Ligbox Audit"
admin.site.index_title = _("Administration")
admin.site.site_url = None  # the link to the overview stands in templates/admin/base_site.html

WORDS = [
    gettext_noop("View"),
    gettext_noop("View %s"),
    gettext_noop("Error:"),
]  # Django's own, which it leaves in English in Portuguese

__all__ = [
    "channels",
    "domains",
    "events",
    "history",
    "incidents",
    "notifications",
    "portal_domains",
    "queue",
    "report_links",
    "second_factors",
    "tenants",
    "tokens",
]
