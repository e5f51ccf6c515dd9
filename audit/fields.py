"""A text field that is encrypted at rest."""

from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


class UnreadableSecret(str):
    """A stored secret that no key opens: '' for whoever reads it, and saved as it was stored.

    So a lost key stops audits of one portal and not the site, and the secret is there again when
    the key is.
    """

    ciphertext: str

    def __new__(cls, ciphertext: str = "") -> "UnreadableSecret":
        self = super().__new__(cls)
        self.ciphertext = ciphertext
        return self


class SecretField(models.TextField):
    """Stored encrypted with settings.ENCRYPTION_KEYS (the first encrypts, all decrypt); filtering
    by value finds nothing. What no key opens reads as an UnreadableSecret.
    """

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, UnreadableSecret):
            return value.ciphertext
        if not (value := super().get_prep_value(value)):
            return value
        return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(value.encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        if not value:
            return value
        try:
            return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(value.encode()).decode()
        except InvalidToken:
            return UnreadableSecret(value)
