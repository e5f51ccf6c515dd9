"""Django's way to an SMTP server, with the recipients that the server refused, and its errors in
words."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address
from django.utils.translation import gettext as _

from collectors.text import clean

LONGEST = 300  # characters of what a server says


class Backend(EmailBackend):
    """Django's SMTP backend; `refused` holds whom the server did not take while it took others, as
    {address: what it said}, which Django passes over."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refused: dict[str, tuple[int, bytes]] = {}

    def _send(self, email_message: EmailMessage) -> bool:
        """Send one message; raises smtplib.SMTPException and OSError."""
        encoding = email_message.encoding or settings.DEFAULT_CHARSET
        sender = sanitize_address(email_message.from_email, encoding)
        to = [sanitize_address(address, encoding) for address in email_message.recipients()]
        message = email_message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
        assert self.connection is not None
        self.refused = self.connection.sendmail(sender, to, message)
        return True


def later(refused: dict[str, tuple[int, bytes]], to: Sequence[str]) -> tuple[str, ...]:
    """To whom of these it is to be sent again: where the server may take one at another time (RFC
    5321 section 4.2.1: 4yz), such as one that it asks to wait, or more of them than it takes at
    once, all whom it refused."""
    if not any(400 <= code < 500 for code, _said in refused.values()):
        return ()
    return tuple(a for a in to if sanitize_address(a, settings.DEFAULT_CHARSET) in refused)


def refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    """Who was refused, with what the server said of the first of them."""
    address, (code, said) = next(iter(sorted(refused.items())))
    text = _("The mail server refused %(address)s: %(said)s") % {
        "address": clean(address, 254),
        "said": _reply(code, said),
    }
    if len(refused) > 1:
        text += " " + _("(and %(count)d more)") % {"count": len(refused) - 1}
    return text


def in_words(error: Exception) -> str:
    """What went wrong on the way to the mail server, and what to look at."""
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    values = {"server": server}
    if isinstance(error, smtplib.SMTPRecipientsRefused) and error.recipients:
        return refusals(error.recipients)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        text = _("The mail server %(server)s refused the user name or password: %(said)s")
        return text % {**values, "said": _reply(error.smtp_code, error.smtp_error)}
    if isinstance(error, smtplib.SMTPSenderRefused):
        text = _("The mail server %(server)s takes no mail from %(sender)s (EMAIL_FROM): %(said)s")
        said = _reply(error.smtp_code, error.smtp_error)
        return text % {**values, "sender": clean(str(error.sender), 254), "said": said}
    if isinstance(error, smtplib.SMTPNotSupportedError):
        text = _("The mail server %(server)s does not offer what EMAIL_URL asks for: %(said)s")
        return text % {**values, "said": clean(str(error), LONGEST)}
    if isinstance(error, smtplib.SMTPResponseException):
        text = _("The mail server %(server)s refused the message: %(said)s")
        return text % {**values, "said": _reply(error.smtp_code, error.smtp_error)}
    if isinstance(error, smtplib.SMTPServerDisconnected) and not _timed_out(error):
        return _("The mail server %(server)s closed the connection.") % values
    if isinstance(error, ssl.SSLCertVerificationError):
        text = _("The certificate of the mail server %(server)s is not good: %(said)s")
        return text % {**values, "said": clean(error.verify_message, LONGEST)}
    if isinstance(error, ssl.SSLError):
        text = _(
            "The mail server %(server)s does not speak TLS there: smtps:// is for port 465, "
            "smtp:// for 587 and 25."
        )
        return text % values
    if _timed_out(error):
        text = _("The mail server %(server)s did not answer within %(seconds)d seconds.")
        return text % {**values, "seconds": settings.EMAIL_TIMEOUT}
    if isinstance(error, socket.gaierror):
        return _("The name of the mail server %(server)s is not found.") % values
    if isinstance(error, ConnectionRefusedError):
        return _("Nothing answers at the mail server %(server)s.") % values
    text = _("The mail server %(server)s cannot be reached: %(said)s")
    return text % {**values, "said": clean(getattr(error, "strerror", None) or str(error), LONGEST)}


def _timed_out(error: BaseException) -> bool:
    """Whether silence is why; smtplib says of it that the connection was closed."""
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def _reply(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return f"{code} {clean(' '.join(text.split()), LONGEST)}"
