"""What to publish so that receivers find the key: built from the server's key, or from what is published now."""

from dataclasses import dataclass

from collectors.base import Action, Fix, Owner, Record
from collectors.names import organisational_domain
from collectors.standards.dkim import Key, KeyRecordError, parse
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
    if not (signing and signing.record):
        return Fix(_("Ask the operator of the mail server for the DKIM record of selector “{s}” and publish it.", s=seen.selector))
    current = [show_bytes(text) for text in seen.texts] if present else []
    if not current and seen.chain and owner == Owner.CUSTOMER:
        alias = Record("CNAME", seen.name, seen.chain[0], Action.REMOVE, seen.chain[0])
        return Fix(_("Publish this TXT record in place of the alias."), (alias, Record("TXT", seen.name, signing.record)))
    return Fix(_("Publish the server's key in this TXT record."), tuple(_one(seen.holder, signing, current)))


def _one(name, signing, current):
    """Records that leave exactly one text at `name`: the one that holds the server's key already, or a new one."""
    right = next((text for text in current if key_in(text.encode()) == signing.key), None)
    if right is not None and len(current) > 1:
        return [Record("TXT", name, text, Action.REMOVE, text) for text in current if text != right]
    if not current:
        return [Record("TXT", name, signing.record)]
    first, *rest = current
    replaced = Record("TXT", name, signing.record, Action.REPLACE, first)
    return [replaced, *(Record("TXT", name, text, Action.REMOVE, text) for text in rest)]


def key_in(text):
    """The key in a record's text, or None."""
    try:
        return parse(text).key
    except KeyRecordError:
        return None


def only_one(seen, signing):
    """Of several texts, the one to keep: the one with the server's key, else the only one with a key, else nobody can say."""
    holding = [show_bytes(text) for text in seen.texts if key_in(text)]
    if (signing and signing.record) or len(holding) != 1:
        return publish(seen, signing)
    rest = [show_bytes(text) for text in seen.texts if show_bytes(text) != holding[0]]
    return Fix(_("Keep the record with the key and remove the rest."), tuple(Record("TXT", seen.holder, t, Action.REMOVE, t) for t in rest))


def without(seen, signing, **changes):
    """The record with tags changed or taken out; with the server's key in it, so that it cures all at once."""
    if signing and signing.record and seen.key != signing.key:
        return publish(seen, signing)
    record = Record("TXT", seen.holder, seen.record.text(**changes), Action.REPLACE, show_bytes(seen.texts[0]))
    return Fix(_("Publish the record without the tag that is in the way."), (record,))


def move(seen, found, signing):
    """The record at its right name, and the misplaced ones removed. `found`: [(name, text)]."""
    texts = [show_bytes(text) for _place, text in found]
    right = (signing and signing.record) or next((t for (_p, raw), t in zip(found, texts, strict=True) if key_in(raw)), None)
    removals = [Record("TXT", place, text, Action.REMOVE, text) for (place, _raw), text in zip(found, texts, strict=True)]
    wanted = [Record("TXT", seen.name, right)] if right else []
    return Fix(_("Publish the record at {name}; many panels add the domain to a name by themselves.", name=seen.name), (*wanted, *removals))


def stronger():
    """For a key that is too short: the server must have a new one first."""
    return Fix(_("Have the operator of the mail server make a new RSA key of 2048 bits under a new selector, and publish its record."))
