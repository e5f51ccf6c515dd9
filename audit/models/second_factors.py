"""The second factor of a sign-in: a key shared with an application on a phone (RFC 6238), and
recovery codes for when that is lost."""

import base64
import hashlib
import secrets
import unicodedata
from urllib.parse import quote, urlencode

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp import verify_token
from django_otp.models import Device
from django_otp.oath import TOTP

from audit.fields import SecretField, UnreadableSecret


class SecondFactor(Device):
    """One that counts and one that is being set up, at most, for each user. `recovery`: the
    SHA-256 digests of the codes that are left; 80 random bits need no slow hash.
    """

    CODES = 10
    DIGITS = 6
    TOLERANCE = 1  # steps of 30 s that a phone's clock may be off

    name = None
    user = models.ForeignKey(
        User, models.CASCADE, related_name="second_factors", verbose_name=_("user")
    )
    confirmed = models.BooleanField(_("in use"), default=False)
    key = SecretField(_("key"))  # base32, as people type it
    last_step = models.BigIntegerField(default=-1, editable=False)  # of the code used last
    recovery = models.JSONField(_("recovery codes"), default=list, editable=False)
    since = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        db_table = "audit_second_factors"
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")
        constraints = [
            models.UniqueConstraint(fields=["user", "confirmed"], name="second_factor_unique")
        ]

    def __str__(self) -> str:
        return self.user.get_username()

    @classmethod
    def of(cls, user: User) -> "SecondFactor | None":
        """The one that this user signs in with."""
        return cls.objects.filter(user=user, confirmed=True).first()

    @classmethod
    def being_set_up(cls, user: User) -> "SecondFactor":
        """The one that this user sets up: the same key until it is confirmed."""
        found, _made = cls.objects.get_or_create(
            user=user, confirmed=False, defaults={"key": cls.new_key()}
        )
        if isinstance(found.key, UnreadableSecret):
            found.key = cls.new_key()
            found.save(update_fields=["key"])
        return found

    @staticmethod
    def new_key() -> str:
        """160 random bits (RFC 4226 section 4) in base32."""
        return base64.b32encode(secrets.token_bytes(20)).decode()

    @property
    def readable(self) -> bool:
        return not isinstance(self.key, UnreadableSecret)

    def address(self, site: str) -> str:
        """What the QR code says: an otpauth address with the key, for the application to read."""
        label = quote(f"Ligbox Audit {site}:{self.user.get_username()}")
        return f"otpauth://totp/{label}?" + urlencode(
            {"secret": self.key, "issuer": f"Ligbox Audit {site}"}, quote_via=quote
        )

    def accepts(self, text: str) -> bool:
        """Whether this is a code of now, or a recovery code; no code is accepted twice, whatever
        runs at the same time.
        """
        return verify_token(self.user, self.persistent_id, text) is not None

    def verify_token(self, token: str) -> bool:
        """For `accepts`, which locks the row."""
        text = "".join(c for c in unicodedata.normalize("NFKC", token) if c.isalnum()).upper()
        if len(text) == self.DIGITS and text.isascii() and text.isdecimal():
            return self._verify_code(int(text))
        if (digest := self._digest(text)) in self.recovery:
            self.recovery = [kept for kept in self.recovery if kept != digest]
            self.save(update_fields=["recovery"])
            return True
        return False

    def _verify_code(self, code: int) -> bool:
        if not self.readable:
            return False
        totp = TOTP(base64.b32decode(self.key), digits=self.DIGITS)
        if not totp.verify(code, tolerance=self.TOLERANCE, min_t=self.last_step + 1):
            return False
        self.last_step = totp.t()
        self.save(update_fields=["last_step"])
        return True

    def confirm(self) -> list[str]:
        """From now on this is the user's second factor, in place of another one and of the sessions
        that it let in. Its recovery codes, which are kept nowhere.
        """
        with transaction.atomic():
            SecondFactor.objects.filter(user=self.user, confirmed=True).delete()
            self.confirmed, self.since = True, timezone.now()
            self.save(update_fields=["confirmed", "since"])
            return self.new_recovery_codes()

    def new_recovery_codes(self) -> list[str]:
        """Codes in place of those before; each is good for one sign-in."""
        codes = [base64.b32encode(secrets.token_bytes(10)).decode() for _n in range(self.CODES)]
        self.recovery = [self._digest(code) for code in codes]
        self.save(update_fields=["recovery"])
        return ["-".join(code[n : n + 4] for n in range(0, 16, 4)).lower() for code in codes]

    @staticmethod
    def _digest(code: str) -> str:
        return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
