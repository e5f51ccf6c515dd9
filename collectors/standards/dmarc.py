"""DMARC policy records (RFC 9989): parsing, the DNS tree walk, and which record and policy apply to a domain.

Pure but for the lookup that is passed in: an async callable that takes a name and returns its TXT records as bytes (an empty
list where there are none); what it raises passes through, so that an error is never taken for an absence.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import permutations
from urllib.parse import unquote

from collectors.names import is_host_name
from collectors.text import Text, _, show_bytes

LOOKUPS = 8  # `_dmarc` names one tree walk asks at most (RFC 9989, 4.10)
POLICIES = ("none", "quarantine", "reject")  # in the order of their strength
REMOVED = ("pct", "rf", "ri")  # tags of RFC 7489 that RFC 9989 took out
_VALUES = {  # the closed value sets of RFC 9989, 4.8; ABNF literals have no case
    "p": POLICIES,
    "sp": POLICIES,
    "np": POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "fo": {":".join(p) for n in range(1, 4) for p in permutations("01ds", n) if not {"0", "1"} <= {*p}},
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
_KNOWN = {*_VALUES, *REMOVED, "rua", "ruf"}
# The value is case-sensitive (%s"DMARC1"), the tag name is not, and blanks may surround the equals sign.
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_NAME = re.compile(r"[A-Za-z]+")
_VALUE = re.compile(r"[\x20-\x7e]*")  # an empty one is a value, and never a valid one
_ALMOST = re.compile(rb"(?:\A|[;\s\"'])v\s{0,9}=\s{0,9}[\"']?\s{0,9}dmarc|\A[\s\"'\\]*dmarc\s*1", re.IGNORECASE)
_PARTS = re.compile(rb";|[\"'\\]|(?<=dmarc1)[\s,]|[\s,](?=(?:%s)\s{0,9}=)" % "|".join(sorted(_KNOWN)).encode(), re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SIZE = re.compile(r"![0-9]+[kmgtKMGT]?\Z")
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*|\"(?:[^\"\\\x00-\x1f\x7f]|\\[ -~])+\"", re.ASCII)


class NotDmarc(ValueError):
    """The text does not start with the version tag `v=DMARC1`: it must be ignored as a whole (RFC 9989, 4.7)."""


@dataclass(frozen=True)
class Uri:
    """One entry of `rua` or `ruf`. `problem` is None where a report can be mailed to `address`, whose domain is `host`."""

    text: str
    address: str = ""
    host: str = ""
    size: str = ""  # the size limit of RFC 7489 (`!10m`), which reporters must ignore
    problem: Text | None = None


@dataclass(frozen=True)
class Record:
    """A parsed record. `tags`: every well-formed tag as written, names in lower case; where one is repeated the first counts."""

    text: str
    tags: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...] = ()  # parts that receivers pass over: unknown tags, values that are not allowed, no tag at all
    repeated: tuple[str, ...] = ()  # names of tags that occur more than once (RFC 6376, 3.2 forbids it)
    rua: tuple[Uri, ...] = ()
    ruf: tuple[Uri, ...] = ()

    def raw(self, name):
        """The value of a tag as written, or None."""
        return next((value for key, value in self.tags if key == name), None)

    def valid(self, name):
        """The value of a tag in lower case if it is an allowed one, else None."""
        value = (self.raw(name) or "").lower()
        return value if value in _VALUES[name] else None

    @property
    def flawed(self):
        """The policy tag that makes the record fall back to `p=none` or out of use (RFC 9989, 4.10.1): p, sp, np or None."""
        if self.valid("p") is None:
            return "p"
        return next((name for name in ("sp", "np") if self.raw(name) is not None and self.valid(name) is None), None)

    @property
    def destinations(self):
        """The `rua` addresses that reports can be mailed to."""
        return [uri for uri in self.rua if uri.problem is None]

    @property
    def usable(self):
        """False where receivers apply no DMARC at all: no valid policy, and no address either (RFC 9989, 4.10.1).

        Only `mailto:` addresses count here; no other scheme has to be known to a receiver (4.7).
        """
        return self.flawed is None or bool(self.destinations)

    def policy(self, *, inherited=False, exists=True):
        """(tag, policy) for the domain of the record itself, or (`inherited`) for one below it that exists or does not."""
        if self.flawed:
            return self.flawed, "none"
        order = (("np", "sp", "p") if not exists else ("sp", "p")) if inherited else ("p",)
        return next((tag, self.valid(tag)) for tag in order if self.valid(tag))

    @property
    def testing(self):
        return self.valid("t") == "y"

    @property
    def psd(self):
        return self.valid("psd") or "u"

    @property
    def strict(self):
        """Which of `adkim`, `aspf` demand strict alignment."""
        return {tag: self.valid(tag) == "s" for tag in ("adkim", "aspf")}


def is_record(raw):
    """True if a TXT record is a DMARC record: it begins with the version tag, exactly (RFC 9989, 4.8)."""
    return _VERSION.match(raw) is not None


def is_almost(raw):
    """True for a TXT record that was meant to be a DMARC record and is none: `v=dmarc1`, a quote or blank before it, …"""
    return not is_record(raw) and _ALMOST.search(raw) is not None


def parse(raw):
    """The `Record` in a TXT record; raises NotDmarc. What is wrong behind the version is ignored, as RFC 9989 (4.7) wants it."""
    if not is_record(raw):
        raise NotDmarc(show_bytes(raw[:100]))
    return _record(raw, raw.split(b";")[1:])


def guess(raw):
    """The `Record` that a text for which `is_almost` holds was meant to be: its tags without regard to the version."""
    parts = _PARTS.split(raw)
    return _record(raw, [p.strip(b" \t\r\n,") for p in parts if not re.match(rb"\s*(v\s*=.*|dmarc.*)?\Z", p, re.IGNORECASE | re.DOTALL)])


def _record(raw, parts):
    tags, ignored, repeated = {}, [], {}
    for part in (p.decode("latin-1").strip(" \t") for p in parts):
        name, equals, value = (x.strip(" \t") for x in part.partition("="))
        name = name.lower()
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            ignored += [part] if part else []
            continue
        if name in tags or name == "v":
            repeated[name] = True
            continue
        tags[name] = value
        if name not in _KNOWN or (name in _VALUES and name not in ("p", "sp", "np") and value.lower() not in _VALUES[name]):
            ignored.append(part)
    uris = {name: tuple(parse_uri(u) for u in value.split(",") if u.strip()) for name, value in tags.items() if name in ("rua", "ruf")}
    shown = tuple(show_bytes(i.encode("latin-1")) for i in ignored)
    return Record(show_bytes(raw), tuple(tags.items()), shown, tuple(repeated), **uris)


def parse_uri(text):
    """The `Uri` in one entry of an address list (RFC 9989, 4.8; RFC 6068). Never raises; `problem` says what is wrong."""
    text = text.strip(" \t")
    scheme = _SCHEME.match(text)
    if not scheme:
        return Uri(text, problem=_("it does not begin with “mailto:”"))
    if scheme[0].lower() != "mailto:":
        return Uri(text, problem=_("receivers mail their reports and know no other scheme than “mailto:”"))
    size = _SIZE.search(text)
    address = (text[: size.start()] if size else text)[len("mailto:") :].partition("?")[0]
    local, at, host = address.rpartition("@")
    if not at or not local or not host:
        return Uri(text, problem=_("it holds no mail address"))
    host = host.lower().removesuffix(".")
    local = unquote(local, encoding="ascii", errors="replace")
    # RFC 6068, 2: a slash or hash is encoded in an address; `mailto://` is a common slip
    if re.search("[!/#]", address) or len(local) > 64 or not _LOCAL.fullmatch(local) or not is_host_name(host):
        return Uri(text, problem=_("its mail address is not valid"))
    return Uri(text, f"{local}@{host}", host, size[0] if size else "")


# -- the tree walk

Lookup = Callable[[str], Awaitable[list[bytes]]]


@dataclass(frozen=True)
class Step:
    """One name of a tree walk: the domain, all TXT records at `_dmarc.<domain>`, and the DMARC records among them."""

    domain: str
    texts: tuple[bytes, ...]
    records: tuple[Record, ...]

    @property
    def record(self):
        """The record that counts: several are all discarded (RFC 9989, 4.10, steps 2 and 6)."""
        return self.records[0] if len(self.records) == 1 else None


@dataclass(frozen=True)
class Discovery:
    """What policy discovery found: the steps, and the one whose record applies (None: no record does)."""

    steps: tuple[Step, ...]
    found: Step | None = None

    @property
    def own(self):
        """The first step: the domain itself."""
        return self.steps[0]

    @property
    def inherited(self):
        return self.found is not None and self.found is not self.own


def parents(domain):
    """The names that a walk asks after `domain` itself, longest first: at most seven (RFC 9989, 4.10, steps 3 to 7)."""
    labels = domain.split(".")
    first = max(1, len(labels) - (LOOKUPS - 1))
    return [".".join(labels[i:]) for i in range(first, len(labels))]


async def step(domain, lookup: Lookup) -> Step:
    """The step of a walk at one domain."""
    texts = tuple(await lookup(f"_dmarc.{domain}"))
    return Step(domain, texts, tuple(parse(t) for t in texts if is_record(t)))


async def walk(domain, lookup: Lookup, start=None) -> list[Step]:
    """The steps of a tree walk from `domain` upwards (RFC 9989, 4.10), ended early by `psd=n` or `psd=y`; `start`: its own, known step."""
    steps = [start or await step(domain, lookup)]
    for parent in parents(domain):
        if steps[-1].record and steps[-1].record.psd != "u":
            break
        steps.append(await step(parent, lookup))
    return steps


def organisational_domain(steps):
    """The organisational domain of the name that a walk started at (RFC 9989, 4.10.2)."""
    start, last = steps[0].domain, steps[0].domain
    for at in steps:
        if at.record is None:
            continue
        if at.record.psd == "n":
            return at.domain
        if at.record.psd == "y" and at.domain != start:
            return ".".join(start.split(".")[-(at.domain.count(".") + 2) :])
        last = at.domain
    return last


async def discover(domain, lookup: Lookup) -> Discovery:
    """Policy discovery (RFC 9989, 4.10.1): the domain's own record, else the organisational domain's, else the public suffix's.

    Several records at the domain itself end it without a policy: the domain has tried to say something of its own.
    """
    own = await step(domain, lookup)
    if own.records:
        return Discovery((own,), own if own.record else None)
    steps = await walk(domain, lookup, own)
    organisation = organisational_domain(steps)
    found = next((s for s in steps if s.record and s.domain == organisation), None)
    return Discovery(tuple(steps), found or next((s for s in steps if s.record and s.record.psd == "y"), None))


def rewrite(record, *, drop=(), **changes):
    """The text of a record with tags changed, added behind or left out; all else stays as the domain's owner wrote it."""
    tags = {name: value for name, value in record.tags if name not in drop} if record else {}
    order = ["p"] if "p" in changes and "p" not in tags else []  # receivers of RFC 7489 want p at once
    tags.update(changes)
    return "; ".join(["v=DMARC1", *(f"{name}={tags[name]}" for name in dict.fromkeys([*order, *tags]))])
