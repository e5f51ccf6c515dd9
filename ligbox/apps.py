"""Django's administration, loaded by those who show or check it: a command does without."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.core import checks


class Administration(SimpleAdminConfig):
    """`ligbox.urls` finds the registered pages; so do the system checks, which look at them. They
    stand on a site of ours, which guards each."""

    default = False
    default_site = "ligbox.admin_site.Site"

    def ready(self) -> None:
        super().ready()
        checks.register(check_found, checks.Tags.admin)


def check_found(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Django's check of the administration, which knows only what was found before it."""
    from django.contrib import admin  # here: a command that checks nothing does without

    admin.autodiscover()
    return admin.checks.check_admin_app(app_configs)
