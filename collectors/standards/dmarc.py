"""DMARC policy records (RFC 9989): parsing, the DNS tree walk, policy discovery.

Pure but for the lookup that is passed in: an async callable that takes a name and returns its TXT
records as bytes (an empty list where there are none); what it raises passes through, so that an
error is never taken for an absence.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import permutations
from urllib.parse import unquote

from collectors.names import is_host_name
from collectors.text import Text, _, show_bytes

Lookup = Callable[[str], Awaitable[Sequence[bytes]]]

LOOKUPS = 8  # `_dmarc` names one tree walk asks at most (RFC 9989, 4.10)
POLICIES = ("none", "quarantine", "reject")  # in the order of their strength
USUAL = 512  # bytes of a record; one that is longer is read anew each time
REMOVED = ("pct", "rf", "ri")  # tags of RFC 7489 that RFC 9989 took out
_VALUES = {  # the closed value sets of RFC 9989, 4.8; ABNF literals have no case
    "p": POLICIES,
    "sp": POLICIES,
    "np": POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "fo": {
        ":".join(p) for n in range(1, 4) for p in permutations("01ds", n) if not {"0", "1"} <= {*p}
    },
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
_KNOWN = {*_VALUES, *REMOVED, "rua", "ruf"}
# The value is case-sensitive (%s"DMARC1"), the tag name is not, blanks may surround the equals sign
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_NAME = re.compile(r"[A-Za-z]+")
_VALUE = re.compile(r"[\x20-\x7e]*")  # an empty one is a value, and never a valid one
_ALMOST = re.compile(
    rb"(?<![a-z0-9])v[\W_]{0,9}dmarc|\A\W{0,9}dmarc\s?1"
    rb"|(?<![a-z0-9])p\s?[=:]\W?(?:none|quarantine|reject)(?![a-z0-9])",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SIZE = re.compile(r"![0-9]+[kmgtKMGT]?\Z")
_LOCAL = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"|\"(?:[^\"\\\x00-\x1f\x7f]|\\[ -~])+\"",
    re.ASCII,
)


class NotDmarc(ValueError):
    """The text does not start with the version tag `v=DMARC1`.

    It must be ignored as a whole (RFC 9989, 4.7).
    """


@dataclass(frozen=True)
class DmarcUri:
    """One entry of `rua` or `ruf`.

    `problem` is None where a report can be mailed to `address`, whose domain is `host`.
    """

    text: str
    address: str = ""
    host: str = ""
    size: str = ""  # the size limit of RFC 7489 (`!10m`), which reporters must ignore
    problem: Text | None = None


@dataclass(frozen=True)
class DmarcRecord:
    """A DMARC policy record.

    `tags`: every well-formed tag as written, names in lower case; of a repeated one the first.
    `ignored`: parts that receivers pass over: unknown tags, values that are not allowed, no tag.
    `repeated`: names of tags that occur more than once (RFC 6376, 3.2 forbids it).
    """

    text: str
    tags: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    rua: tuple[DmarcUri, ...] = ()
    ruf: tuple[DmarcUri, ...] = ()

    def raw(self, name: str) -> str | None:
        """The value of a tag as written, or None."""
        return self._values.get(name)

    @cached_property
    def _values(self) -> dict[str, str]:
        return dict(self.tags)

    def valid(self, name: str) -> str | None:
        """The value of a tag in lower case if it is an allowed one, else None."""
        value = (self.raw(name) or "").lower()
        return value if value in _VALUES[name] else None

    @property
    def flawed(self) -> str | None:
        """The policy tag that makes the record fall back to `p=none` or out of use, if any.

        One of p, sp, np (RFC 9989, 4.10.1).
        """
        if self.valid("p") is None:
            return "p"
        return next(
            (
                name
                for name in ("sp", "np")
                if self.raw(name) is not None and self.valid(name) is None
            ),
            None,
        )

    @property
    def destinations(self) -> list[DmarcUri]:
        """The `rua` addresses that reports can be mailed to."""
        return [uri for uri in self.rua if uri.problem is None]

    @property
    def usable(self) -> bool:
        """False where receivers apply no DMARC: no valid policy and no address (RFC 9989, 4.10.1).

        Only `mailto:` addresses count here; no other scheme has to be known to a receiver (4.7).
        """
        return self.flawed is None or bool(self.destinations)

    def policy(self, *, inherited: bool = False, exists: bool = True) -> tuple[str, str]:
        """(tag, policy) for the domain of the record itself.

        With `inherited`: for one below it that exists or does not.
        """
        if self.flawed:
            return self.flawed, "none"
        order = (("np", "sp", "p") if not exists else ("sp", "p")) if inherited else ("p",)
        return next((tag, value) for tag in order if (value := self.valid(tag)))

    @property
    def testing(self) -> bool:
        """True where receivers apply one policy less than the record names (`t=y`)."""
        return self.valid("t") == "y"

    @property
    def psd(self) -> str:
        """Whether the domain is a public suffix domain: `y`, `n` or `u` (RFC 9989, 4.7)."""
        return self.valid("psd") or "u"

    @property
    def strict(self) -> dict[str, bool]:
        """Which of `adkim`, `aspf` demand strict alignment."""
        return {tag: self.valid(tag) == "s" for tag in ("adkim", "aspf")}


def is_allowed(name: str, value: str) -> bool:
    """True for a value, in lower case, of the closed set that a tag has (RFC 9989, 4.8)."""
    return value in _VALUES.get(name, ())


def is_policy_record(raw: bytes) -> bool:
    """True if a TXT record begins with the version tag, exactly (RFC 9989, 4.8)."""
    return _VERSION.match(raw) is not None


def resembles_policy_record(raw: bytes) -> bool:
    """True for a text that was meant to be a record and is none: `v=dmarc1`, a quote in front, …"""
    return not is_policy_record(raw) and _ALMOST.search(raw) is not None


def parse_policy_record(raw: bytes) -> DmarcRecord:
    """The record in a TXT record; raises NotDmarc.

    What is wrong behind the version is ignored, as RFC 9989 (4.7) wants it.
    """
    if not is_policy_record(raw):
        raise NotDmarc(show_bytes(raw[:100]))
    return _read_usual(raw) if len(raw) <= USUAL else _read_tags(raw)


def _read_tags(raw: bytes) -> DmarcRecord:
    tags: dict[str, str] = {}
    repeated: dict[str, None] = {}
    ignored: list[str] = []
    for part in (p.decode("latin-1").strip(" \t") for p in raw.split(b";")[1:]):
        name, equals, value = (x.strip(" \t") for x in part.partition("="))
        name = name.lower()
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            ignored += [part] if part else []
            continue
        if name in tags or name == "v":
            repeated[name] = None
            continue
        tags[name] = value
        if name not in _KNOWN or (
            name in _VALUES and name not in ("p", "sp", "np") and value.lower() not in _VALUES[name]
        ):
            ignored.append(part)
    return DmarcRecord(
        show_bytes(raw),
        tuple(tags.items()),
        tuple(show_bytes(i.encode("latin-1")) for i in ignored),
        tuple(repeated),
        _read_uris(tags.get("rua", "")),
        _read_uris(tags.get("ruf", "")),
    )


_read_usual = lru_cache(maxsize=500)(_read_tags)  # a tenant's customers have much the same


def _read_uris(value: str) -> tuple[DmarcUri, ...]:
    return tuple(parse_dmarc_uri(u) for u in value.split(",") if u.strip())


def parse_dmarc_uri(text: str) -> DmarcUri:
    """One entry of an address list (RFC 9989, 4.8; RFC 6068).

    Never raises; `problem` says what is wrong.
    """
    text = text.strip(" \t")
    scheme = _SCHEME.match(text)
    if not scheme:
        return DmarcUri(text, problem=_("it does not begin with “mailto:”"))
    if scheme[0].lower() != "mailto:":
        return DmarcUri(
            text, problem=_("receivers mail their reports and know no other scheme than “mailto:”")
        )
    size = _SIZE.search(text)
    address = (text[: size.start()] if size else text)[len("mailto:") :].partition("?")[0]
    local, at, host = address.rpartition("@")
    if not at or not local or not host:
        return DmarcUri(text, problem=_("it holds no mail address"))
    host = host.lower().removesuffix(".")
    local = unquote(local, encoding="ascii", errors="replace")
    # RFC 6068, 2: a slash or hash is encoded in an address; `mailto://` is a common slip
    if (
        re.search("[!/#]", address)
        or len(local) > 64
        or not _LOCAL.fullmatch(local)
        or not is_host_name(host)
    ):
        return DmarcUri(text, problem=_("its mail address is not valid"))
    return DmarcUri(text, f"{local}@{host}", host, size[0] if size else "")


# -- the DNS tree walk


@dataclass(frozen=True)
class WalkedName:
    """One name of a tree walk.

    `texts`: all TXT records at `_dmarc.<domain>`; `records`: the policy records among them.
    """

    domain: str
    texts: tuple[bytes, ...]
    records: tuple[DmarcRecord, ...]

    @property
    def record(self) -> DmarcRecord | None:
        """The record that counts: several are all discarded (RFC 9989, 4.10, steps 2 and 6)."""
        return self.records[0] if len(self.records) == 1 else None


@dataclass(frozen=True)
class PolicyDiscovery:
    """The names that were asked, and the one whose record applies (None: no record does)."""

    walked: tuple[WalkedName, ...]
    found: WalkedName | None = None

    @property
    def own(self) -> WalkedName:
        """What was found at the domain itself."""
        return self.walked[0]

    @property
    def inherited(self) -> bool:
        """True where the record that applies stands above the domain."""
        return self.found is not None and self.found is not self.own


def walked_parents(domain: str) -> list[str]:
    """The names that a walk asks after `domain` itself, longest first, at most seven.

    RFC 9989, 4.10, steps 3 to 7.
    """
    labels = domain.split(".")
    first = max(1, len(labels) - (LOOKUPS - 1))
    return [".".join(labels[i:]) for i in range(first, len(labels))]


async def query_policy_records(domain: str, lookup: Lookup) -> WalkedName:
    """What stands at `_dmarc.<domain>`."""
    texts = tuple(await lookup(f"_dmarc.{domain}"))
    records = tuple(parse_policy_record(t) for t in texts if is_policy_record(t))
    return WalkedName(domain, texts, records)


async def tree_walk(
    domain: str, lookup: Lookup, start: WalkedName | None = None
) -> list[WalkedName]:
    """The tree walk from `domain` upwards (RFC 9989, 4.10), ended early by `psd=n` or `psd=y`.

    `start`: what is already known of the domain itself.
    """
    walked = [start or await query_policy_records(domain, lookup)]
    for parent in walked_parents(domain):
        if (record := walked[-1].record) and record.psd != "u":
            break
        walked.append(await query_policy_records(parent, lookup))
    return walked


def organizational_domain(walked: Sequence[WalkedName]) -> str:
    """The organizational domain of the name that a walk started at (RFC 9989, 4.10.2)."""
    start = last = walked[0].domain
    for at in walked:
        if at.record is None:
            continue
        if at.record.psd == "n":
            return at.domain
        if at.record.psd == "y" and at.domain != start:
            return ".".join(start.split(".")[-(at.domain.count(".") + 2) :])
        last = at.domain
    return last


async def discover_policy(domain: str, lookup: Lookup) -> PolicyDiscovery:
    """Policy discovery (RFC 9989, 4.10.1).

    The domain's own record, else the organizational domain's, else the public suffix domain's.
    Several records at one name are discarded, and the walk goes on.
    """
    own = await query_policy_records(domain, lookup)
    if own.record:
        return PolicyDiscovery((own,), own)
    walked = await tree_walk(domain, lookup, own)
    organization = organizational_domain(walked)
    with_record = [name for name in walked if name.record]
    found = next((n for n in with_record if n.domain == organization), None)
    psd = next((n for n in with_record if n.record and n.record.psd == "y"), None)
    return PolicyDiscovery(tuple(walked), found or psd)


def record_text(tags: Mapping[str, str | None]) -> str:
    """The text of a record with these tags, in their order; None: a part that is no tag."""
    parts = [name if value is None else f"{name}={value}" for name, value in tags.items()]
    return "; ".join(["v=DMARC1", *parts])
