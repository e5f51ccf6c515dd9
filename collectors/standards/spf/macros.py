"""The macros of SPF (RFC 7208, section 7): read, checked and expanded. Pure; no lookups."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

LETTERS = "slodiphv"  # allowed everywhere
EXPLANATION_LETTERS = LETTERS + "crt"  # `c`, `r`, `t` in an explanation only (section 7.2)
MAX_NAME = 253

_MACRO = re.compile(r"%(?:\{([a-z])([0-9]*)(r?)([-.+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_TEXT = re.compile(r"[\x20-\x24\x26-\x7e]+")
_TOPLABEL_END = re.compile(
    r"\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?$", re.IGNORECASE
)
_NAME = re.compile(r"[ -\-/-~]{1,63}(?:\.[ -\-/-~]{1,63})*")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}


class MacroError(ValueError):
    """Text that is not a macro-string; the argument is the part that is wrong."""


class DomainSpecError(MacroError):
    """Macros are well formed, but the text cannot be a domain name."""


class Escape(str):
    """`%%`, `%_` or `%-`, as the text that it stands for."""

    __slots__ = ()


@dataclass(frozen=True)
class Macro:
    """One `%{…}`: letter, how many right-hand parts (0: all), reversed or not, delimiters."""

    letter: str
    parts: int
    reverse: bool
    delimiters: str

    def expand(self, values: Mapping[str, str]) -> str:
        value = values[self.letter.lower()]
        if self.parts or self.reverse or self.delimiters:
            split = re.split("[" + re.escape(self.delimiters or ".") + "]", value)
            split = split[::-1] if self.reverse else split
            value = ".".join(split[-self.parts :] if self.parts else split)
        return quote(value, safe="-._~") if self.letter.isupper() else value


MacroString = tuple[str | Macro, ...]  # literals, Escapes and Macros


def read_macros(text: str, *, letters: str = LETTERS, spaces: bool = False) -> MacroString:
    """`text` as a macro-string; raises MacroError. `spaces`: an explain-string (section 6.2)."""
    parts: list[str | Macro] = []
    at, literal = 0, _TEXT if spaces else _LITERAL
    while at < len(text):
        plain = literal.match(text, at)
        if plain:
            parts.append(plain[0])
            at = plain.end()
            continue
        found = _MACRO.match(text, at)
        if not found:
            raise MacroError(text[at : at + 20])
        letter, digits, reverse, delimiters, other = found.groups()
        if other:
            parts.append(Escape(_ESCAPES[other]))
        else:
            number = digits.lstrip("0")
            if letter.lower() not in letters or (digits and not number):
                raise MacroError(found[0])
            # More parts than a name can have are all of them; the digits may be thousands.
            parts.append(Macro(letter, int(number[:6] or 0), bool(reverse), delimiters))
        at = found.end()
    return tuple(parts)


def read_domain_spec(text: str) -> MacroString:
    """A domain-spec (section 7.1): it ends in a macro, or in a dot and a top label.

    Raises MacroError.
    """
    parts = read_macros(text)
    ends_in_macro = bool(parts) and isinstance(parts[-1], (Macro, Escape))
    if not ends_in_macro and not _TOPLABEL_END.search(text):
        raise DomainSpecError(text)
    return parts


def uses(parts: Iterable[str | Macro], letters: str) -> bool:
    """True if one of these macro letters occurs."""
    return any(isinstance(p, Macro) and p.letter.lower() in letters for p in parts)


def expand(parts: Iterable[str | Macro], values: Mapping[str, str]) -> str:
    """The text that `parts` stand for; `values` maps each lower-case macro letter to its value."""
    return "".join(p if isinstance(p, str) else p.expand(values) for p in parts)


def to_name(text: str) -> str:
    """An expanded domain-spec as the name to ask for: lower case, without trailing dot.

    Cut from the left to 253 characters (section 7.3).
    """
    name = text.removesuffix(".")
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name.lower()


def is_name(name: str) -> bool:
    """True if DNS can be asked for `name`: labels of 1 to 63 printable ASCII, 253 in all."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def values_for(
    *,
    ip: IPv4Address | IPv6Address,
    domain: str,
    sender: str,
    helo: str,
    receiver: str = "unknown",
    timestamp: int = 0,
) -> dict[str, str]:
    """The values of all macro letters but `p`; `sender` has its local part."""
    local, _at, sender_domain = sender.rpartition("@")
    # Nibbles in upper case, as others write them; names are asked for in lower case anyway.
    dotted = str(ip) if ip.version == 4 else ".".join(ip.exploded.replace(":", "").upper())
    return {
        "s": sender,
        "l": local,
        "o": sender_domain,
        "d": domain,
        "i": dotted,
        "h": helo,
        "c": str(ip),
        "r": receiver,
        "t": str(timestamp),
        "v": "in-addr" if ip.version == 4 else "ip6",
    }
