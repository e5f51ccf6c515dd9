"""Reading DKIM key records: one selector's, the places where a panel puts them by mistake, usual selectors, a wildcard."""

import asyncio
import hashlib
import re
from dataclasses import dataclass

from collectors.net_dns import DnsFault, Lookup
from collectors.standards.dkim import KeyRecord, KeyRecordError, looks_like_key, parse

MAX_SELECTORS = 10  # of one source that are read
USUAL = ("default", "dkim", "mail", "carbonio", "zimbra", "selector1", "selector2", "s1", "s2", "k1", "google", "mx")

# RFC 6376, 3.1: a selector is one or more host name labels. Underscores inside are no host name, but they are in use.
_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)*", re.IGNORECASE | re.ASCII)


def is_selector(selector, domain):
    """Whether a selector can be asked for: host name labels, and the whole name within DNS's 253 characters."""
    return len(name_of(selector, domain)) <= 253 and bool(_SELECTOR.fullmatch(selector))


def name_of(selector, domain):
    """Where the key of a selector stands (RFC 6376, 3.6.2.1)."""
    return f"{selector.lower()}._domainkey.{domain}"


@dataclass(frozen=True)
class Seen:
    """What stands at one selector's name: a lookup or the fault it ran into, and the key record if there is exactly one text."""

    selector: str
    name: str
    lookup: Lookup | None = None
    fault: DnsFault | None = None
    record: KeyRecord | None = None
    error: KeyRecordError | None = None

    @property
    def texts(self):
        return self.lookup.texts if self.lookup else []

    @property
    def chain(self):
        """The aliases followed, the last of which holds the record."""
        return self.lookup.chain if self.lookup else ()

    @property
    def domain(self):
        return self.name.partition("._domainkey.")[2]

    @property
    def holder(self):
        """The name at which the record really stands."""
        return self.chain[-1] if self.chain else self.name

    @property
    def key(self):
        return self.record.key if self.record else None

    def evidence(self):
        """JSON data: the name asked, the texts found, and what they were understood as."""
        seen = {"selector": self.selector, "name": self.name, "result": self.fault.code if self.fault else self.lookup.result}
        seen["txt"] = self.texts
        if self.chain:
            seen["cname"] = self.chain
        if self.record:
            seen["tags"] = dict(self.record.tags)
        if self.key:
            seen["key"] = {"type": self.key.type, "bits": self.key.bits, "sha256": self.key.fingerprint}
        if self.error:
            seen["error"] = str(self.error.message)
        return seen


async def read(net, selector, domain):
    """The `Seen` of one selector; a lookup's fault is kept in it and not raised."""
    name = name_of(selector, domain)
    try:
        lookup = await net.lookup(name, "TXT")
    except DnsFault as fault:
        return Seen(selector, name, fault=fault)
    if len(lookup.records) != 1:
        return Seen(selector, name, lookup)
    try:
        return Seen(selector, name, lookup, record=parse(lookup.texts[0]))
    except KeyRecordError as error:
        return Seen(selector, name, lookup, error=error)


async def misplaced(net, selector, domain):
    """[(name, text)]: key records found where they do no good. A place that cannot be looked at is passed over."""
    places = [domain, f"_domainkey.{domain}"]
    if selector:
        name = name_of(selector, domain)
        places = [f"{name}.{domain}", f"{name}._domainkey.{domain}", f"{selector.lower()}.{domain}", *places]
    answers = await asyncio.gather(*(_texts(net, place) for place in places))
    return [(place, text) for place, texts in zip(places, answers, strict=True) for text in texts if looks_like_key(text)]


async def aliased(net, names):
    """Those of the names, all looked up before, that are aliases."""
    return [name for name in dict.fromkeys(names) if (await net.lookup(name, "TXT")).chain]


async def guess(net, domain):
    """The `Seen` of each usual selector that has a key."""
    found = await asyncio.gather(*(read(net, selector, domain) for selector in USUAL))
    return [seen for seen in found if seen.key]


async def wildcard(net, domain):
    """The Lookup of a selector that nobody uses: any text or alias there comes from a wildcard. None where it fails.

    The selector follows from the domain, so that the answer can be cached. A lookup that fails tells nothing and is
    passed over: the keys found do not depend on it.
    """
    try:
        return await net.lookup(name_of("x" + hashlib.sha256(domain.encode()).hexdigest()[:20], domain), "TXT")
    except DnsFault:
        return None


async def _texts(net, name):
    try:
        return (await net.lookup(name, "TXT")).texts
    except DnsFault:
        return []
