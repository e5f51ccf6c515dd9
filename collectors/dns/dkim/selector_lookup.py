"""Reading key records: a selector's, those in usual wrong places, those of usual selectors."""

import re
from dataclasses import dataclass

from collectors.base import Fault, Target
from collectors.names import is_below, organisational_domain
from collectors.net.dns_lookup import DnsFault, Lookup
from collectors.net.publishing import is_from_wildcard
from collectors.net.session import CheckSession
from collectors.standards.dkim import (
    KeyRecord,
    KeyRecordError,
    PublicKey,
    parse_key_record,
    resembles_key_record,
)
from collectors.stored import Evidence
from collectors.text import show_bytes

MAX_SELECTORS = 10  # of one source that are read
USUAL = (
    "default",
    "dkim",
    "mail",
    "carbonio",
    "zimbra",
    "selector1",
    "selector2",
    "s1",
    "s2",
    "k1",
    "google",
    "mx",
)

# RFC 6376, 3.1: a selector is one or more host name labels. Underscores inside are no host name,
# but they are in use.
_SELECTOR = re.compile(
    r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)*",
    re.IGNORECASE | re.ASCII,
)


def is_selector(selector: str, domain: str) -> bool:
    """Whether a selector can be asked for: host name labels, a name within 253 characters."""
    return len(key_name(selector, domain)) <= 253 and bool(_SELECTOR.fullmatch(selector))


def key_name(selector: str, domain: str) -> str:
    """Where the key of a selector stands (RFC 6376, 3.6.2.1)."""
    return f"{selector.lower()}._domainkey.{domain}"


@dataclass(frozen=True)
class SelectorLookup:
    """What stands at one selector's name: a lookup, or the fault it ran into.

    `record`: the key record, if there is exactly one text and it is one; else `error` says why not.
    """

    selector: str
    name: str
    lookup: Lookup | None = None
    fault: Fault | None = None
    record: KeyRecord | None = None
    error: KeyRecordError | None = None

    @property
    def texts(self) -> list[bytes]:
        return self.lookup.texts if self.lookup else []

    @property
    def chain(self) -> tuple[str, ...]:
        return self.lookup.chain if self.lookup else ()

    @property
    def holder(self) -> str:
        """The name at which the record really stands."""
        return self.chain[-1] if self.chain else self.name

    @property
    def key(self) -> PublicKey | None:
        return self.record.key if self.record else None

    def is_hosts(self, target: Target) -> bool:
        """Whether the name is an alias into the zone of the tenant, who then can change it."""
        names = (*target.mail_hosts, target.spf_include, target.dkim_cname.rpartition("}")[2])
        hosts = {organisational_domain(name.strip(".")) for name in names if name.strip(".")}
        away = bool(self.chain) and not is_below(self.holder, target.domain)
        return away and organisational_domain(self.holder) in hosts

    def evidence(self) -> Evidence:
        """JSON data: the name asked, the texts found, and what they were understood as."""
        seen: Evidence = {"selector": self.selector, "name": self.name}
        if self.fault:
            seen["result"] = self.fault.code
        elif self.lookup:
            seen["result"] = self.lookup.result
        seen["txt"] = self.texts
        if self.chain:
            seen["cname"] = self.chain
        if self.record:
            seen["tags"] = dict(self.record.tags)
        if self.key:
            seen["key"] = {
                "type": self.key.type,
                "bits": self.key.bits,
                "sha256": self.key.fingerprint,
            }
        if self.error:
            seen["error"] = str(self.error.message)
        return seen


async def read_selector(session: CheckSession, selector: str, domain: str) -> SelectorLookup:
    """What stands at one selector's name; a lookup's fault is kept in it and not raised."""
    name = key_name(selector, domain)
    try:
        lookup = await session.lookup(name, "TXT")
    except DnsFault as fault:
        return SelectorLookup(selector, name, fault=fault)
    if len(lookup.records) != 1:
        return SelectorLookup(selector, name, lookup)
    try:
        return SelectorLookup(selector, name, lookup, record=parse_key_record(lookup.texts[0]))
    except KeyRecordError as error:
        return SelectorLookup(selector, name, lookup, error=error)


@dataclass(frozen=True)
class MisplacedKey:
    """A key record found where receivers do not look; `stands_there`: not by an alias."""

    name: str
    raw: bytes
    stands_there: bool = True

    @property
    def text(self) -> str:
        return show_bytes(self.raw)


async def find_misplaced_keys(
    session: CheckSession, selector: str | None, domain: str
) -> list[MisplacedKey]:
    """Key records in the usual wrong places. One that cannot be looked at is passed over."""
    places = [domain, f"_domainkey.{domain}"]
    if selector:
        name = key_name(selector, domain)
        doubled = [f"{name}.{domain}", f"{name}._domainkey.{domain}"]
        places = [*doubled, f"{selector.lower()}.{domain}", *places]
    for place in places:
        session.ask(place, "TXT")
    return [key for place in places for key in await _keys_at(session, place)]


async def _keys_at(session: CheckSession, name: str) -> list[MisplacedKey]:
    try:
        lookup = await session.lookup(name, "TXT")
    except DnsFault:
        return []
    texts = [text for text in lookup.texts if resembles_key_record(text)]
    if texts and await is_from_wildcard(session, name):
        return []  # nobody put it there
    return [MisplacedKey(name, text, stands_there=not lookup.chain) for text in texts]


async def guess_selectors(session: CheckSession, domain: str) -> list[SelectorLookup]:
    """The usual selectors that have a key."""
    for selector in USUAL:
        session.ask(key_name(selector, domain), "TXT")
    found = [await read_selector(session, selector, domain) for selector in USUAL]
    return [seen for seen in found if seen.key]
