"""A text field that is encrypted at rest."""

from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


@cache
def _fernet(keys):
    return MultiFernet([Fernet(key) for key in keys])


class SecretField(models.TextField):
    """Stored encrypted with settings.ENCRYPTION_KEYS (the first encrypts, all decrypt); filtering by value finds nothing.

    A value that no key opens any more reads as '' (as if it had never been entered), so that a lost key stops audits of
    one portal and not the site.
    """

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return value if not value else _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(value.encode()).decode()

    def from_db_value(self, value, expression, connection):
        if not value:
            return value
        try:
            return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(value.encode()).decode()
        except InvalidToken:
            return ""
