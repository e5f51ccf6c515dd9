"""A message as an e-mail: text and HTML, in the thread of its incident, marked as automatic."""

import smtplib
from email.utils import parseaddr
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.models import Notification
from audit.notify import layout, smtp
from audit.notify.outbox import BEGINS, Event, State
from audit.notify.outcome import Outcome
from audit.notify.words import Message


def send(row: Notification, message: Message) -> Outcome:
    """Send it to all recipients of the channel in one go, or to those who are left of them."""
    to = list(dict.fromkeys([*row.channel.recipients, *row.also_to]))
    if left := row.facts.get("left"):
        to = [address for address in to if address in left]
        if not to:
            return Outcome(True, _("The others are no recipients any more."))
    if not to:
        return Outcome(False, _("The channel has no recipients."))
    unusable = _("An address of the channel cannot be written to; correct it.")
    return hand_over(build(row, message, to), unusable)


def hand_over(mail: EmailMessage, unusable: str) -> Outcome:
    """Hand a mail over to the mail server; `unusable`: what to say where its addresses or headers
    cannot be written."""
    if not settings.EMAIL_HOST:
        return Outcome(False, _("No mail is sent: EMAIL_URL is not set."))
    mail.connection = connection = get_connection()
    try:
        mail.send()
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(False, smtp.in_words(error))
    except ValueError:  # Django's for a line break in a header, or an address that is none
        return Outcome(False, unusable)
    if refused := getattr(connection, "refused", None):
        return Outcome(True, smtp.refusals(refused), partly=True, left=smtp.later(refused, mail.to))
    text = ngettext(
        "The mail server took it for %(count)d recipient.",
        "The mail server took it for %(count)d recipients.",
        len(mail.to),
    )
    return Outcome(True, text % {"count": len(mail.to)})


def build(row: Notification, message: Message, to: list[str]) -> EmailMultiAlternatives:
    """The mail, with the headers by which programs know and thread it (RFC 5322 section 3.6.4,
    RFC 3834 section 5, RFC 2919)."""
    host = _host()
    headers = {
        "Message-ID": f"<{row.message_id}@{host}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "List-Id": f"<channel-{row.channel_id}.ligbox-audit.{host}>",
    }
    if first := _first_of_thread(row):
        headers["In-Reply-To"] = headers["References"] = f"<{first.message_id}@{host}>"
    mail = EmailMultiAlternatives(
        subject=message.subject, body=layout.text(message), to=to, headers=headers
    )
    mail.attach_alternative(layout.html(message, row.channel.language), "text/html")
    return mail


def _host() -> str:
    """The name that ids of mails end with: the site's, else that of the sender's address."""
    host = urlsplit(settings.SITE_URL).hostname or ""
    if "." in host and not host.replace(".", "").isdigit() and ":" not in host:
        return host
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


def _first_of_thread(row: Notification) -> Notification | None:
    """The message with which an incident's beginning was told to this channel."""
    if row.incident_id is None or row.event not in (Event.CLOSED, Event.UNWAIVED):
        return None
    begun = Notification.objects.filter(
        channel=row.channel_id, incident=row.incident_id, event__in=BEGINS
    ).exclude(pk=row.pk)
    first = begun.exclude(state=State.DROPPED).select_related("told_with").order_by("pk").first()
    return first and (first.told_with or first)
