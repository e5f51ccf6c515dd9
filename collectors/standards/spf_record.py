"""SPF records as text: which TXT record is one, and its terms by the grammar of RFC 7208, section 12."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from .spf_macros import EXPLANATION_LETTERS, DomainSpecError, MacroError, read_domain_spec, read_macros, uses

VERSION = b"v=spf1"
LOOKUP_TERMS = {"include", "a", "mx", "ptr", "exists", "redirect"}  # those that the limit of ten is about (section 4.6.4)
MECHANISMS = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}

_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_DIRECTIVE = re.compile(r"([+?~-]?)([a-z][a-z0-9_.-]*)([:/].*)?", re.IGNORECASE | re.DOTALL)
_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?$")
_NETWORK = re.compile(r":([0-9a-f.:]+)(?:/(0|[1-9][0-9]{0,2}))?", re.IGNORECASE)


class SpfSyntaxError(ValueError):
    """A term that the grammar does not allow. `why` is one of not_ascii, control_character, unknown_mechanism,
    argument_missing, argument_unexpected, bad_address, bad_prefix_length, bad_domain, bad_macro, duplicate_modifier,
    bad_term; `index` counts the terms behind the version from 1, `offset` the characters of the record from 0."""

    def __init__(self, why, term, index=0, offset=0):
        super().__init__(f"{why}: {term}")
        self.why, self.term, self.index, self.offset = why, term, index, offset


@dataclass(frozen=True)
class Term:
    """One directive or modifier. `qualifier` is "" for a modifier; `spec` holds the domain-spec as macro parts, `argument`
    its text; `network` is set for ip4 and ip6, `prefix4`/`prefix6` for a and mx."""

    text: str
    name: str
    qualifier: str = ""
    argument: str = ""
    spec: tuple = ()
    network: IPv4Network | IPv6Network | None = None
    prefix4: int = 32
    prefix6: int = 128
    index: int = 0
    offset: int = 0

    @property
    def is_modifier(self):
        return not self.qualifier

    @property
    def covers_everything(self):
        """True for `a/0` and `mx/0`: every address of one family matches as soon as the name has any."""
        return self.name in ("a", "mx") and not self.is_modifier and 0 in (self.prefix4, self.prefix6)

    @property
    def uses_ptr(self):
        """True for what RFC 7208 advises against: the ptr mechanism and the `p` macro."""
        return self.name == "ptr" or uses(self.spec, "p")


@dataclass(frozen=True)
class Record:
    """A record's terms in order, and the terms that could not be read."""

    text: str
    terms: tuple[Term, ...]
    errors: tuple[SpfSyntaxError, ...] = field(default=())

    @property
    def directives(self):
        return tuple(t for t in self.terms if not t.is_modifier)

    def modifier(self, name):
        """The modifier of this name, or None."""
        return next((t for t in self.terms if t.is_modifier and t.name == name), None)

    @property
    def all(self):
        """The first `all`, behind which nothing is evaluated, or None."""
        return next((t for t in self.directives if t.name == "all"), None)

    @property
    def effective(self):
        """The terms that evaluation can reach: directives up to `all`, and `redirect` where there is no `all`."""
        reached = []
        for term in self.directives:
            reached.append(term)
            if term.name == "all":
                return tuple(reached)
        redirect = self.modifier("redirect")
        return (*reached, redirect) if redirect else tuple(reached)


def is_spf(raw):
    """True if these bytes are an SPF record (section 4.5): the version, and then a space or the end."""
    return raw[:6].lower() == VERSION and raw[6:7] in (b"", b" ")


def record_text(raw):
    """A record's bytes as text, one character a byte, so that positions stay true."""
    return raw.decode("latin-1")


def parse(text):
    """The Record in `text`; raises SpfSyntaxError for the first term that is wrong, wherever it stands (section 4.6)."""
    record = scan(text)
    if record.errors:
        first = record.errors[0]
        raise SpfSyntaxError(first.why, first.term, first.index, first.offset)  # a copy: the record is shared
    return record


@lru_cache(maxsize=500)  # the includes of large providers stand in most records
def scan(text):
    """The Record in `text`, its wrong terms in `errors`; never raises."""
    terms, errors, seen, offset = [], [], set(), len(VERSION)
    for index, found in enumerate(re.finditer("[^ ]+", text[offset:]), 1):
        start = offset + found.start()
        try:
            term = _term(found[0], index, start)
            if term.is_modifier and term.name in ("redirect", "exp"):
                if term.name in seen:
                    raise SpfSyntaxError("duplicate_modifier", found[0])
                seen.add(term.name)
            terms.append(term)
        except SpfSyntaxError as error:
            errors.append(SpfSyntaxError(error.why, found[0], index, start))
    return Record(text, tuple(terms), tuple(errors))


def _term(text, index, offset):
    if not text.isascii():
        raise SpfSyntaxError("not_ascii", text)
    if not text.isprintable():
        raise SpfSyntaxError("control_character", text)
    place = {"text": text, "index": index, "offset": offset}
    modifier = _MODIFIER.fullmatch(text)
    if modifier:
        name, value = modifier[1].lower(), modifier[2]
        if name in ("redirect", "exp"):
            return Term(name=name, argument=value, spec=_domain(value), **place)
        _checked(read_macros, value, letters=EXPLANATION_LETTERS)
        return Term(name=name, argument=value, **place)
    directive = _DIRECTIVE.fullmatch(text)
    if not directive:
        raise SpfSyntaxError("bad_term", text)
    qualifier, name, rest = directive[1] or "+", directive[2].lower(), directive[3] or ""
    if name not in MECHANISMS:
        raise SpfSyntaxError("unknown_mechanism", text)
    return Term(name=name, qualifier=qualifier, **place, **_READERS[name](rest))


def _checked(reader, text, **options):
    try:
        return tuple(reader(text, **options))
    except DomainSpecError:
        raise SpfSyntaxError("bad_domain", text) from None
    except MacroError as error:
        raise SpfSyntaxError("bad_macro" if "%" in error.args[0] else "bad_domain", text) from None


def _domain(text):
    if not text:
        raise SpfSyntaxError("argument_missing", text)
    return _checked(read_domain_spec, text)


def _nothing(rest):
    if rest:
        raise SpfSyntaxError("argument_unexpected", rest)
    return {}


def _required(rest):
    if not rest.startswith(":"):
        raise SpfSyntaxError("argument_unexpected" if rest else "argument_missing", rest)
    return {"argument": rest[1:], "spec": _domain(rest[1:])}


def _optional(rest):
    return _required(rest) if rest else {}


def _dual(rest):
    """`[":" domain-spec] [dual-cidr-length]` of a and mx."""
    cidr = _CIDR.search(rest)
    domain = rest[: cidr.start()]
    prefix4, prefix6 = int(cidr[1] or 32) if cidr[1] != "0" else 0, int(cidr[2] or 128) if cidr[2] != "0" else 0
    if prefix4 > 32 or prefix6 > 128 or domain.startswith("/"):
        raise SpfSyntaxError("bad_prefix_length", rest)
    if re.search(r"/[0-9]+$", domain):
        raise SpfSyntaxError("bad_prefix_length", rest)
    return {**_optional(domain), "prefix4": prefix4, "prefix6": prefix6}


def _network(address_class, network_class, bits):
    def read(rest):
        if not rest.startswith(":") or rest == ":":
            raise SpfSyntaxError("argument_missing", rest)
        found = _NETWORK.fullmatch(rest)
        if not found:
            raise SpfSyntaxError("bad_prefix_length" if _is(address_class, rest[1:].partition("/")[0]) else "bad_address", rest)
        if not _is(address_class, found[1]):
            raise SpfSyntaxError("bad_address", rest)
        prefix = bits if found[2] is None else int(found[2])
        if prefix > bits:
            raise SpfSyntaxError("bad_prefix_length", rest)
        return {"argument": rest[1:], "network": network_class((address_class(found[1]), prefix), strict=False)}

    return read


def _is(address_class, text):
    try:
        address_class(text)
    except AddressValueError:
        return False
    return "%" not in text  # a zone is not part of the grammar


_READERS = {
    "all": _nothing,
    "include": _required,
    "exists": _required,
    "a": _dual,
    "mx": _dual,
    "ptr": _optional,
    "ip4": _network(IPv4Address, IPv4Network, 32),
    "ip6": _network(IPv6Address, IPv6Network, 128),
}
