"""What to publish so that receivers find the key: built from the server's key, or from what is published now."""

import re
from dataclasses import dataclass

from collectors.base import Action, Fix, Owner, Record
from collectors.names import organisational_domain
from collectors.standards.dkim import Key, KeyRecordError, parse, parse_key
from collectors.text import _, show_bytes


@dataclass(frozen=True)
class Signing:
    """What the server signs with, as its portal says. `key` is None where the portal's text is no key."""

    selector: str
    public_key: str
    key: Key | None

    @property
    def record(self):
        """The text of the key record to publish, or '' where the key could not be read."""
        return f"v=DKIM1; k={self.key.type}; p={''.join(self.public_key.split())}" if self.key else ""


def is_below(name, domain):
    """Whether a name is the domain or stands below it."""
    return name == domain or name.endswith(f".{domain}")


def owner_of(seen, target):
    """Who can change the record: the host where the name is an alias into the tenant's own zone, else the customer."""
    hosts = {organisational_domain(name) for name in (*target.mail_hosts, target.spf_include) if name}
    if seen.chain and not is_below(seen.holder, target.domain) and organisational_domain(seen.holder) in hosts:
        return Owner.HOST
    return Owner.CUSTOMER


def publish(seen, signing, *, owner=Owner.CUSTOMER, present=True):
    """The server's key at the selector's name, in place of all that stands there now.

    `present`: whether the texts seen really stand there (a wildcard's do not). Where the key is not known, a sentence.
    """
    current = [show_bytes(text) for text in seen.texts] if present else []
    if not (signing and signing.record):
        meant = mended(seen.texts[0]) if len(current) == 1 else ""
        if meant:
            return Fix(_("Publish the record in this form."), (Record("TXT", seen.holder, meant, Action.REPLACE, current[0]),))
        return Fix(_("Ask the operator of the mail server for the DKIM record of selector “{s}” and publish it.", s=seen.selector))
    if not present:  # a name of its own beats the wildcard
        return Fix(_("Publish the server's key in this TXT record."), (Record("TXT", seen.name, signing.record),))
    if seen.chain and owner == Owner.CUSTOMER and (not current or not is_below(seen.holder, seen.domain)):
        alias = Record("CNAME", seen.name, seen.chain[0], Action.REMOVE, seen.chain[0])
        return Fix(_("Publish this TXT record in place of the alias."), (alias, Record("TXT", seen.name, signing.record)))
    right = next((text for text in current if key_in(text.encode()) == signing.key), None)
    if right is not None and len(current) > 1:
        rest = (Record("TXT", seen.holder, text, Action.REMOVE, text) for text in current if text != right)
        return Fix(_("Keep the record with the server's key and remove the rest."), tuple(rest))
    first, *rest = current or [None]
    new = Record("TXT", seen.holder, signing.record, Action.ADD if first is None else Action.REPLACE, first)
    return Fix(_("Publish the server's key in this TXT record."), (new, *(Record("TXT", seen.holder, t, Action.REMOVE, t) for t in rest)))


def mended(raw):
    """The key record that was meant by one with a usual slip (quotation marks, backslashes, a wrong or late version), or ''."""
    text = re.sub(rb'[\\"]', b"", raw)
    keys = re.findall(rb"(?:^|[;,\s])\s*p\s*=([A-Za-z0-9+/=\s]*)", text)
    if len(keys) != 1:
        return ""
    packed = b"".join(keys[0].split()).decode()
    try:
        return f"v=DKIM1; k={parse_key(packed).type}; p={packed}" if packed else ""
    except KeyRecordError:
        return ""


def key_in(text):
    """The key in a record's text, or None."""
    try:
        return parse(text).key
    except KeyRecordError:
        return None


def only_one(seen, signing, owner, present=True):
    """Of several texts, the one to keep: the one with the server's key, else the only one with a key, else nobody can say."""
    holding = [show_bytes(text) for text in seen.texts if key_in(text)]
    if not present or (signing and signing.record) or len(holding) != 1:
        return publish(seen, signing, owner=owner, present=present)
    rest = [show_bytes(text) for text in seen.texts if show_bytes(text) != holding[0]]
    return Fix(_("Keep the record with the key and remove the rest."), tuple(Record("TXT", seen.holder, t, Action.REMOVE, t) for t in rest))


def without(seen, signing, changes, owner, present=True):
    """The record with tags changed or taken out; with the server's key in it, so that it cures all at once."""
    if signing and signing.record and seen.key != signing.key:
        return publish(seen, signing, owner=owner, present=present)
    if not present:
        return Fix(
            _("Publish this TXT record; a record of its own beats the wildcard."), (Record("TXT", seen.name, seen.record.text(**changes)),)
        )
    record = Record("TXT", seen.holder, seen.record.text(**changes), Action.REPLACE, show_bytes(seen.texts[0]))
    return Fix(_("Publish the record with these corrections."), (record,))


def move(seen, found, signing, aliases=()):
    """The record at its right name, and the misplaced ones removed. `found`: [(name, text)]; `aliases`: those of the names
    that only lead to their text, which stays where it is."""
    texts = [show_bytes(text) for _place, text in found]
    right = (signing and signing.record) or next((t for (_p, raw), t in zip(found, texts, strict=True) if key_in(raw)), None)
    removals = [Record("TXT", p, t, Action.REMOVE, t) for (p, _raw), t in zip(found, texts, strict=True) if p not in aliases]
    wanted = [Record("TXT", seen.name, right)] if right else []
    return Fix(_("Publish the record at {name}; many panels add the domain to a name by themselves.", name=seen.name), (*wanted, *removals))


def stronger():
    """For a key that is too short: the server must have a new one first."""
    return Fix(_("Have the operator of the mail server make a new RSA key of 2048 bits under a new selector, and publish its record."))
