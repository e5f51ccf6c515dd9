"""The audit app: what we keep and show."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = _("Ligbox Audit")

    def ready(self) -> None:
        # here: they import models, which are there only now
        from audit import system_checks  # noqa: F401 - registers the system checks
        from audit.access import admission  # noqa: F401 - notes when a session begins and ends
        from audit.notify import outbox
        from audit.queue import allowed_tasks, schedules
        from audit.queue.process import AuditProcess
        from audit.results import (
            trail,  # noqa: F401 - keeps what a person did
            without_portal,
        )

        self.process = AuditProcess()
        schedules.connect()
        allowed_tasks.connect()
        outbox.connect()
        without_portal.connect()
