"""The audit app: what we keep and show."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = _("Ligbox Audit")

    def ready(self):
        from . import checks, schedules  # noqa: F401 - registers the system checks

        schedules.connect()
