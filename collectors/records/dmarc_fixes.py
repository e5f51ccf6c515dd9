"""The DMARC record to publish, built from the one that is published now: its owner's own tags and addresses are kept."""

from dataclasses import dataclass

from collectors.base import Action, Fix, Record
from collectors.standards import dmarc
from collectors.text import MAX_TEXT, _, show_bytes


def default_rua(target):
    """The tenant's address for reports as a list of one URI, or an empty list where there is none that is valid."""
    uri = dmarc.parse_uri("mailto:" + target.dmarc_rua.strip().removeprefix("mailto:"))
    return [] if uri.problem else [uri.text]


def corrected(record, target):
    """The text of the record that leaves nothing to do: an enforcing policy, nothing weaker for subdomains, valid addresses.

    `record` None makes a new one. Without a valid address, neither the record's nor the tenant's, `rua` is left out.
    """
    if record is None:
        record = dmarc.Record("", ())
    policy = record.valid("p") if record.valid("p") not in (None, "none") else "quarantine"
    drop = [*dmarc.REMOVED, "rua"]
    drop += [tag for tag in ("sp", "np") if record.raw(tag) is not None and is_weaker(record.valid(tag), policy)]
    drop += ["t"] if record.testing else []
    addresses = [uri.text.removesuffix(uri.size) if uri.size else uri.text for uri in _meant(record)] or default_rua(target)
    changes = {"rua": ",".join(addresses)} if addresses else {}
    keep = changes and record.raw("rua") is not None
    return dmarc.rewrite(record, drop=[d for d in drop if not (keep and d == "rua")], p=policy, **changes)


def _meant(record):
    """The addresses of a record that can be used, also those that lack nothing but their `mailto:`."""
    return [uri for uri in (r if r.problem is None else dmarc.parse_uri("mailto:" + r.text) for r in record.rua) if uri.problem is None]


def is_weaker(policy, than):
    """True if a policy (None: not valid) asks for less than another."""
    return policy is None or dmarc.POLICIES.index(policy) < dmarc.POLICIES.index(than)


@dataclass
class Place:
    """Where the record of `domain` belongs; `chain`: the aliases that are followed from there; `wild`: what was found there
    comes from a wildcard, so that nothing stands at the name itself."""

    name: str
    domain: str
    chain: tuple[str, ...] = ()
    wild: bool = False

    @property
    def holder(self):
        """The name at which the record really stands."""
        return self.chain[-1] if self.chain else self.name

    @property
    def elsewhere(self):
        """True if it stands in somebody else's zone, by an alias."""
        return self.holder != self.domain and not self.holder.endswith(f".{self.domain}")

    def without_alias(self):
        """The removal of the alias, beside which no other record may stand."""
        return [Record("CNAME", self.name, self.chain[0], Action.REMOVE, self.chain[0])] if self.chain else []


def add(place, record, target, text):
    """A fix that publishes a record at `place`, where there is none; `record` (or None) is what it is made from."""
    return _fix(text, [_record(place.name, corrected(record, target)), *place.without_alias()])


def replace(place, record, target, text):
    """A fix that puts the corrected record in the place of the published one."""
    if place.wild:
        return _beside_wildcard(place, corrected(record, target))
    if place.elsewhere:
        return _instead_of_alias(place, corrected(record, target))
    return _fix(text, [_record(place.holder, corrected(record, target), Action.REPLACE, record.text)])


def move(wrong, place, record, target, text):
    """A fix that publishes at `place` what was found at `wrong`, and takes it away there."""
    taken = _record(wrong, record.text, Action.REMOVE, record.text)
    return _fix(text, [_record(place.name, corrected(record, target)), *place.without_alias(), taken])


def merge(place, records, target, text):
    """A fix that makes one record of several: the strictest one's tags, with everybody's addresses."""
    records = sorted(records, key=lambda r: r.text)  # servers turn the order around, and a fix must not change with it
    strictest = max(records, key=lambda r: dmarc.POLICIES.index(r.valid("p") or "none"))
    addresses = dict.fromkeys(uri.text for r in records for uri in r.destinations)
    if addresses:
        strictest = dmarc.parse(dmarc.rewrite(strictest, rua=",".join(addresses)).encode())
    value = corrected(strictest, target)
    if place.wild:
        return _beside_wildcard(place, value)
    if place.elsewhere:
        return _instead_of_alias(place, value)
    # One that stands there already is kept: to publish it once more and to remove it would leave nothing.
    first, *rest = sorted(records, key=lambda r: r.text != value)
    removed = [_record(place.holder, r.text, Action.REMOVE, r.text) for r in rest]
    return _fix(text, [_record(place.holder, value, Action.REPLACE, first.text), *removed])


def _beside_wildcard(place, value):
    text = _("What is found at {name} comes from a wildcard. Add this TXT record; a record of its own beats it.", name=place.name)
    return _fix(text, [_record(place.name, value)])


def _instead_of_alias(place, value):
    text = _(
        "The record stands at {holder}, to which {name} is an alias. Have it corrected there, or publish this TXT record in place of "
        "the alias.",
        holder=place.holder,
        name=place.name,
    )
    return _fix(text, [_record(place.name, value), *place.without_alias()])


def authorise(name, text):
    """A fix that publishes the record by which a destination takes reports of another domain (RFC 9990, section 4)."""
    return Fix(text, (Record("TXT", name, "v=DMARC1;"),))


def _record(name, value, action=Action.ADD, current=None):
    return Record("TXT", name, value, action, current)


def _fix(text, records):
    # Nobody publishes a record of that length, and a cut one would be a wrong one.
    if max(len(t) for r in records for t in (r.value, r.current or "")) > MAX_TEXT:
        return Fix(_("{text} It is too long to be shown here: shorten it, above all its list of addresses.", text=text))
    if [r.value for r in records] == [records[0].current]:  # nothing but an address is missing, and none is known
        return Fix(_("Add an address of your own for the reports to the record (rua=mailto:…)."))
    if "rua=" not in records[0].value:
        text = _("{text} Add an address of your own for the reports to it (rua=mailto:…).", text=text)
    return Fix(text, tuple(records))


def shown(texts):
    """TXT records as they can be shown in a message, the first three of them."""
    return ", ".join(f"“{show_bytes(t)[:200]}”" for t in texts[:3])
