"""SPF records as text: which TXT record is one, and its terms (RFC 7208, section 12)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from collectors.standards.spf.macros import (
    EXPLANATION_LETTERS,
    DomainSpecError,
    Macro,
    MacroError,
    MacroString,
    expand,
    read_domain_spec,
    read_macros,
    to_name,
    uses,
)

VERSION = b"v=spf1"
LOOKUP_TERMS = {"include", "a", "mx", "ptr", "exists", "redirect"}  # limited to ten (4.6.4)
USUAL = 4096  # characters of a record; one that is longer takes megabytes in memory
MECHANISMS = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}

_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_DIRECTIVE = re.compile(r"([+?~-]?)([a-z][a-z0-9_.-]*)([:/].*)?", re.IGNORECASE | re.DOTALL)
_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?$")
_NETWORK = re.compile(r":([0-9a-f.:]+)(?:/(0|[1-9][0-9]{0,2}))?", re.IGNORECASE)


class SpfSyntaxError(ValueError):
    """A term that the grammar does not allow.

    `why` is one of not_ascii, control_character, unknown_mechanism, argument_missing,
    argument_unexpected, bad_address, bad_prefix_length, bad_domain, bad_macro, duplicate_modifier,
    bad_term; `index` counts the terms behind the version from 1, `offset` the record's characters
    from 0.
    """

    def __init__(self, why: str, term: str, index: int = 0, offset: int = 0) -> None:
        super().__init__(f"{why}: {term}")
        self.why, self.term, self.index, self.offset = why, term, index, offset


@dataclass(frozen=True)
class Term:
    """One directive or modifier.

    `qualifier` is "" for a modifier; `spec` holds the domain-spec as macro parts, `argument` its
    text; `network` is set for ip4 and ip6, `prefix4`/`prefix6` for a and mx.
    """

    text: str
    name: str
    qualifier: str = ""
    argument: str = ""
    spec: MacroString = ()
    network: IPv4Network | IPv6Network | None = None
    prefix4: int = 32
    prefix6: int = 128
    index: int = 0
    offset: int = 0

    @property
    def is_modifier(self) -> bool:
        return not self.qualifier

    @property
    def covers_everything(self) -> bool:
        """True for `a/0` and `mx/0`: every address of a family matches if the name has any."""
        return (
            self.name in ("a", "mx") and not self.is_modifier and 0 in (self.prefix4, self.prefix6)
        )

    @property
    def uses_ptr(self) -> bool:
        """True for what RFC 7208 advises against: the ptr mechanism and the `p` macro."""
        return self.name == "ptr" or uses(self.spec, "p")

    @cached_property
    def plain_target(self) -> str | None:
        """The name that the domain-spec stands for, whoever sends; None: it has macros."""
        if any(isinstance(part, Macro) for part in self.spec):
            return None
        return to_name(expand(self.spec, {}))


@dataclass(frozen=True)
class SpfRecord:
    """A record's terms in order, and the terms that could not be read."""

    text: str
    terms: tuple[Term, ...]
    errors: tuple[SpfSyntaxError, ...] = field(default=())

    @cached_property
    def directives(self) -> tuple[Term, ...]:
        return tuple(t for t in self.terms if not t.is_modifier)

    def modifier(self, name: str) -> Term | None:
        """The modifier of this name, or None."""
        return next((t for t in self.terms if t.is_modifier and t.name == name), None)

    @cached_property
    def all(self) -> Term | None:
        """The first `all`, behind which nothing is evaluated, or None."""
        return next((t for t in self.directives if t.name == "all"), None)

    @cached_property
    def effective(self) -> tuple[Term, ...]:
        """The terms that evaluation can reach: directives up to `all`, or else to `redirect`."""
        reached = []
        for term in self.directives:
            reached.append(term)
            if term.name == "all":
                return tuple(reached)
        redirect = self.modifier("redirect")
        return (*reached, redirect) if redirect else tuple(reached)


def is_spf(raw: bytes) -> bool:
    """True if these bytes are an SPF record (section 4.5): the version, then a space or the end."""
    return raw[:6].lower() == VERSION and raw[6:7] in (b"", b" ")


def record_text(raw: bytes) -> str:
    """A record's bytes as text, one character a byte, so that positions stay true."""
    return raw.decode("latin-1")


def parse(text: str) -> SpfRecord:
    """The record in `text`; raises SpfSyntaxError for the first wrong term (section 4.6)."""
    record = parse_leniently(text)
    if record.errors:
        first = record.errors[0]  # a copy is raised: the record is shared
        raise SpfSyntaxError(first.why, first.term, first.index, first.offset)
    return record


def parse_leniently(text: str) -> SpfRecord:
    """The record in `text`, its wrong terms in `errors`; never raises."""
    return _read_usual(text) if len(text) <= USUAL else _read_long(text)


def _read(text: str) -> SpfRecord:
    terms: list[Term] = []
    errors: list[SpfSyntaxError] = []
    seen: set[str] = set()
    offset = len(VERSION)
    for index, found in enumerate(re.finditer("[^ ]+", text[offset:]), 1):
        start = offset + found.start()
        try:
            term = parse_term(found[0], index, start)
            if term.is_modifier and term.name in ("redirect", "exp"):
                if term.name in seen:
                    raise SpfSyntaxError("duplicate_modifier", found[0])
                seen.add(term.name)
            terms.append(term)
        except SpfSyntaxError as error:
            errors.append(SpfSyntaxError(error.why, found[0], index, start))
    return SpfRecord(text, tuple(terms), tuple(errors))


_read_usual = lru_cache(maxsize=500)(_read)  # the includes of large providers are in most records
_read_long = lru_cache(maxsize=4)(_read)


def parse_term(text: str, index: int = 1, offset: int = 0) -> Term:
    """One directive or modifier; raises SpfSyntaxError."""
    if not text.isascii():
        raise SpfSyntaxError("not_ascii", text)
    if not text.isprintable():
        raise SpfSyntaxError("control_character", text)
    place: dict[str, Any] = {"text": text, "index": index, "offset": offset}
    modifier = _MODIFIER.fullmatch(text)
    if modifier:
        name, value = modifier[1].lower(), modifier[2]
        if name in ("redirect", "exp"):
            return Term(name=name, argument=value, spec=_domain(value), **place)
        _macro_string(value, lambda v: read_macros(v, letters=EXPLANATION_LETTERS))
        return Term(name=name, argument=value, **place)
    directive = _DIRECTIVE.fullmatch(text)
    if not directive:
        raise SpfSyntaxError("bad_term", text)
    qualifier, name, rest = directive[1] or "+", directive[2].lower(), directive[3] or ""
    if name not in MECHANISMS:
        raise SpfSyntaxError("unknown_mechanism", text)
    return Term(name=name, qualifier=qualifier, **place, **_READERS[name](rest))


def _macro_string(text: str, read: Callable[[str], MacroString]) -> MacroString:
    try:
        return read(text)
    except DomainSpecError:
        raise SpfSyntaxError("bad_domain", text) from None
    except MacroError as error:
        raise SpfSyntaxError("bad_macro" if "%" in error.args[0] else "bad_domain", text) from None


def _domain(text: str) -> MacroString:
    if not text:
        raise SpfSyntaxError("argument_missing", text)
    return _macro_string(text, read_domain_spec)


# What stands behind a mechanism's name, as fields of its Term.
_Fields = dict[str, Any]


def _nothing(rest: str) -> _Fields:
    if rest:
        raise SpfSyntaxError("argument_unexpected", rest)
    return {}


def _required(rest: str) -> _Fields:
    if not rest.startswith(":"):
        raise SpfSyntaxError("argument_unexpected" if rest else "argument_missing", rest)
    return {"argument": rest[1:], "spec": _domain(rest[1:])}


def _optional(rest: str) -> _Fields:
    return _required(rest) if rest else {}


def _dual(rest: str) -> _Fields:
    """`[":" domain-spec] [dual-cidr-length]` of a and mx."""
    cidr = _CIDR.search(rest)
    if cidr is None:  # cannot be: the pattern matches the empty end
        raise SpfSyntaxError("bad_prefix_length", rest)
    domain = rest[: cidr.start()]
    prefix4 = 32 if cidr[1] is None else int(cidr[1])
    prefix6 = 128 if cidr[2] is None else int(cidr[2])
    if prefix4 > 32 or prefix6 > 128 or domain.startswith("/"):
        raise SpfSyntaxError("bad_prefix_length", rest)
    if re.search(r"/[0-9]+$", domain):
        raise SpfSyntaxError("bad_prefix_length", rest)
    return {**_optional(domain), "prefix4": prefix4, "prefix6": prefix6}


def _network(
    address_class: type[IPv4Address | IPv6Address],
    network_class: type[IPv4Network | IPv6Network],
    bits: int,
) -> Callable[[str], _Fields]:
    def read(rest: str) -> _Fields:
        if not rest.startswith(":") or rest == ":":
            raise SpfSyntaxError("argument_missing", rest)
        found = _NETWORK.fullmatch(rest)
        if not found:
            right = _is(address_class, rest[1:].partition("/")[0])
            raise SpfSyntaxError("bad_prefix_length" if right else "bad_address", rest)
        if not _is(address_class, found[1]):
            raise SpfSyntaxError("bad_address", rest)
        prefix = bits if found[2] is None else int(found[2])
        if prefix > bits:
            raise SpfSyntaxError("bad_prefix_length", rest)
        return {
            "argument": rest[1:],
            "network": network_class((address_class(found[1]), prefix), strict=False),
        }

    return read


def _is(address_class: type[IPv4Address | IPv6Address], text: str) -> bool:
    try:
        address_class(text)
    except AddressValueError:
        return False
    return "%" not in text  # a zone is not part of the grammar


_READERS: dict[str, Callable[[str], _Fields]] = {
    "all": _nothing,
    "include": _required,
    "exists": _required,
    "a": _dual,
    "mx": _dual,
    "ptr": _optional,
    "ip4": _network(IPv4Address, IPv4Network, 32),
    "ip6": _network(IPv6Address, IPv6Network, 128),
}
