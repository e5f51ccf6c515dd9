"""The words of a customer's report: each check said for somebody who has never seen DNS."""

from collections.abc import Collection, Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from collectors.base import Action, DnsRecord, Status

NO_DOMAIN = {"mx_domain_not_found"}  # what says that the domain does not exist
_TITLES = {
    "dns_mx": gettext_noop("Have your mail delivered to our server (MX)"),
    "dns_spf": gettext_noop("Allow our server to send for you (SPF)"),
    "dns_dkim": gettext_noop("Publish our server's signature (DKIM)"),
    "dns_dmarc": gettext_noop("Protect your name from forgers (DMARC)"),
    "webmail_http": gettext_noop("Let the address of the webmail lead to our server"),
    "cert_le": gettext_noop("Allow a certificate for the webmail"),
}
_WORDS = {
    "dns_mx": gettext_noop("MX says where mail arrives."),
    "dns_spf": gettext_noop(
        "SPF lists the servers that may send mail in your name. A domain has one such list, and no "
        "more."
    ),
    "dns_dkim": gettext_noop(
        "DKIM lets those who get your mail see that it is really yours and was not changed."
    ),
    "dns_dmarc": gettext_noop(
        "DMARC says what happens to mail that only pretends to be yours, and where reports of it "
        "go."
    ),
    "webmail_http": gettext_noop("With it, your people read their mail in a browser."),
    "cert_le": gettext_noop("With it, the way to the webmail is encrypted."),
}
_DONE = {
    "carbonio": gettext_noop("Your mailboxes are ready on our server"),
    "nginx_vhost": gettext_noop("Our server knows the webmail's address"),
    "cert_le": gettext_noop("The webmail's certificate is valid"),
    "dns_mx": gettext_noop("Your mail arrives at our server (MX)"),
    "dns_spf": gettext_noop("Our server may send for you (SPF)"),
    "dns_dkim": gettext_noop("Our server's signature is published (DKIM)"),
    "dns_dmarc": gettext_noop("Your name is protected (DMARC)"),
    "webmail_http": gettext_noop("The webmail opens"),
}
_NOUNS = {
    "carbonio": gettext_noop("your mailboxes on our server"),
    "nginx_vhost": gettext_noop("the webmail's address on our server"),
    "cert_le": gettext_noop("the webmail's certificate"),
    "dns_mx": gettext_noop("where mail arrives (MX)"),
    "dns_spf": gettext_noop("who may send (SPF)"),
    "dns_dkim": gettext_noop("the signature (DKIM)"),
    "dns_dmarc": gettext_noop("the protection of your name (DMARC)"),
    "webmail_http": gettext_noop("the webmail"),
}


def title(check_id: str, otherwise: str) -> str:
    """What is to be done, as a heading; `otherwise`: the check's own title."""
    return _(_TITLES[check_id]) if check_id in _TITLES else otherwise


def words(check_id: str, records: Sequence[DnsRecord]) -> str:
    """What it is for, and why an alias; '' where there is nothing to say."""
    said = [_(_WORDS[check_id])] if check_id in _WORDS else []
    if check_id == "dns_dkim" and any(_is_new_alias(r) for r in records):
        said.append(
            _(
                "It is an alias (CNAME) of a name of ours: when we change the key, nothing is left "
                "for you to do."
            )
        )
    return " ".join(said)


def done(check_id: str, otherwise: str) -> str:
    """That it is in order."""
    return _(_DONE[check_id]) if check_id in _DONE else otherwise


def noun(check_id: str, otherwise: str) -> str:
    """What it is about, within a sentence."""
    return _(_NOUNS[check_id]) if check_id in _NOUNS else otherwise


def first(
    check_id: str, records: Sequence[DnsRecord], statuses: Mapping[str, str], codes: Collection[str]
) -> tuple[str, ...]:
    """What must be done before this step, or in which order its records.

    `statuses`: of all checks; `codes`: of the findings of this one.
    """
    said = []
    if NO_DOMAIN.intersection(codes):
        return (
            _(
                "The internet does not know your domain. See first that it is registered and not "
                "expired, and that it has name servers; then enter all these records."
            ),
        )
    moves = [r for r in records if r.type == "MX" and r.action != Action.REMOVE]
    if check_id == "dns_mx" and moves:
        if statuses.get("carbonio") == Status.FAIL:
            said.append(
                _(
                    "Do not change this yet: your mailboxes are not ready on our server, and mail "
                    "would be refused. We see to them."
                )
            )
        else:
            said.append(
                _(
                    "Do this last, when everybody's mailbox is ready on our server: from then on, "
                    "new mail arrives there."
                )
            )
    gone = {r.name for r in records if r.action == Action.REMOVE}
    aliases = {r.name for r in records if r.type == "CNAME"}
    if gone & aliases & {r.name for r in records if r.action != Action.REMOVE}:
        said.append(
            _(
                "Keep to this order: beside an alias (CNAME) no other record may stand, so take "
                "the old one out first."
            )
        )
    strict = any(
        r.action != Action.REMOVE and _tightens(r) for r in records if check_id == "dns_dmarc"
    )
    if strict and any(statuses.get(c) != Status.OK for c in ("dns_spf", "dns_dkim")):
        said.append(_("Do this after the steps for SPF and DKIM: before, it can cost you mail."))
    return tuple(said)


def _is_new_alias(record: DnsRecord) -> bool:
    return record.type == "CNAME" and record.action != Action.REMOVE


def _tightens(record: DnsRecord) -> bool:
    """Whether a DMARC record has other mail refused or put aside."""
    text = record.value.lower().replace(" ", "")
    return any(f";p={policy}" in text for policy in ("quarantine", "reject"))
