"""The mail that brings a customer the link to the report: a person's letter, in the customer's
language, by the same way as all other mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audit.models import ReportLink
from audit.notify import mail
from audit.notify.outcome import Outcome

PLACE = "{link}"  # where the link stands in the text, or the links one below the other
LONGEST_SUBJECT, LONGEST_TEXT = 150, 5_000  # characters


class Unsendable(ValueError):
    """A letter that cannot go as it is; the text says what to correct."""


@dataclass(frozen=True)
class Letter:
    """What is sent: `to` is one address; `text` has PLACE where the link stands."""

    to: str
    subject: str
    text: str

    @classmethod
    def proposed(cls, *links: ReportLink) -> "Letter":
        """What is proposed for these links, which are of one tenant, in the language of its
        customers."""
        tenant, until = links[0].domain.tenant, min(link.expires_at for link in links)
        with translation.override(tenant.language):
            if len(links) == 1:
                subject = _("E-mail of %(domain)s: what to change in its DNS")
                text = _(
                    "Hello,\n\n"
                    "a few things are still missing in the DNS of %(domain)s before its e-mail "
                    "works as it should. This page says which, one by one, and checks them again "
                    "whenever you like:\n\n"
                    "%(link)s\n\n"
                    "It can be opened until %(until)s and shows this domain alone. If somebody "
                    "else looks after your DNS, just pass it on."
                )
            else:
                subject = _("E-mail of %(n)s domains: what to change in their DNS")
                text = _(
                    "Hello,\n\n"
                    "a few things are still missing in the DNS of these %(n)s domains before their "
                    "e-mail works as it should. Each has a page that says which, one by one, and "
                    "checks them again whenever you like:\n\n"
                    "%(link)s\n\n"
                    "They can be opened until %(until)s; each shows its domain alone. If somebody "
                    "else looks after your DNS, just pass this on."
                )
            values = {
                "domain": links[0].domain.unicode,
                "n": len(links),
                "link": PLACE,
                "until": date_format(timezone.localtime(until), "DATE_FORMAT"),
            }
            text %= values
            if tenant.contact:
                text += "\n\n" + _("Questions? Ask %(contact)s") % {"contact": tenant.contact}
        to = {link.sent_to for link in links}
        return cls(to.pop() if len(to) == 1 else "", subject % values, text + "\n")

    @classmethod
    def of(cls, to: str, subject: str, text: str) -> "Letter":
        """What somebody wrote, checked; raises Unsendable."""
        to = to.strip()
        try:
            validate_email(to)
        except ValidationError:
            raise Unsendable(_("Give one e-mail address, such as ana@example.com.")) from None
        if len(to) > 254:
            raise Unsendable(_("Give one e-mail address, such as ana@example.com."))
        subject = " ".join(_printable(subject).split())
        if not subject:
            raise Unsendable(_("Give it a subject."))
        if len(subject) > LONGEST_SUBJECT:
            raise Unsendable(
                _("The subject may have %(most)s characters.") % {"most": LONGEST_SUBJECT}
            )
        text = _printable(text.replace("\r\n", "\n").replace("\r", "\n")).strip() + "\n"
        if len(text) > LONGEST_TEXT:
            raise Unsendable(_("The text may have %(most)s characters.") % {"most": LONGEST_TEXT})
        if PLACE not in text:
            said = _("Leave %(place)s in the text: the link to the report goes there.")
            raise Unsendable(said % {"place": PLACE})
        return cls(to, subject, text)


def written(letter: Letter, links: Sequence[tuple[ReportLink, str]]) -> str:
    """Its text with the links' addresses in their place; of several, each below its domain."""
    if len(links) == 1:
        return letter.text.replace(PLACE, links[0][1])
    listed = "\n\n".join(f"{link.domain.unicode}\n{url}" for link, url in links)
    return letter.text.replace(PLACE, listed)


def send(letter: Letter, links: Sequence[tuple[ReportLink, str]]) -> Outcome:
    """Send it, with these links, each with its whole address. Answers go to the tenant's contact
    where that is an address."""
    contact = links[0][0].domain.tenant.contact.strip()
    try:
        validate_email(contact)
    except ValidationError:
        contact = ""
    message = EmailMessage(
        subject=letter.subject,
        body=written(letter, links),
        to=[letter.to],
        reply_to=[contact] if contact else None,
    )
    return mail.hand_over(message, _("This cannot be sent to that address; correct it."))


def _printable(text: str) -> str:
    """Without control characters but for the ends of lines, and without what turns text around."""
    return "".join(c for c in text if c == "\n" or c.isprintable() or category(c) == "Zs")
