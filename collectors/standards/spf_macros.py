"""The macros of SPF (RFC 7208, section 7): reading, checking and expanding them. Pure; no lookups."""

import re
from dataclasses import dataclass
from urllib.parse import quote

LETTERS = "slodiphv"  # allowed everywhere
EXPLANATION_LETTERS = LETTERS + "crt"  # `c`, `r` and `t` only in the text of an explanation (section 7.2)
MAX_NAME = 253

_MACRO = re.compile(r"%(?:\{([a-z])([0-9]*)(r?)([-.+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_TEXT = re.compile(r"[\x20-\x24\x26-\x7e]+")
_TOPLABEL_END = re.compile(r"\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?$", re.IGNORECASE)
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

    def expand(self, values):
        value = values[self.letter.lower()]
        if self.parts or self.reverse or self.delimiters:
            split = re.split("[" + re.escape(self.delimiters or ".") + "]", value)
            split = split[::-1] if self.reverse else split
            value = ".".join(split[-self.parts :] if self.parts else split)
        return quote(value, safe="-._~") if self.letter.isupper() else value


def read_macros(text, *, letters=LETTERS, spaces=False):
    """`text` as a list of literals (str), Escape and Macro; raises MacroError. `spaces`: an explain-string (section 6.2)."""
    parts, at, literal = [], 0, _TEXT if spaces else _LITERAL
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
            # More parts than a name or an address can have are all of them; the digits may be thousands.
            parts.append(Macro(letter, int(number[:6] or 0), bool(reverse), delimiters))
        at = found.end()
    return parts


def read_domain_spec(text):
    """A domain-spec (section 7.1) as read_macros gives it: it ends in a macro, or in a dot and a top label. Raises MacroError."""
    parts = read_macros(text)
    ends_in_macro = parts and isinstance(parts[-1], (Macro, Escape))
    if not ends_in_macro and not _TOPLABEL_END.search(text):
        raise DomainSpecError(text)
    return parts


def uses(parts, letters):
    """True if one of these macro letters occurs."""
    return any(isinstance(p, Macro) and p.letter.lower() in letters for p in parts)


def expand(parts, values):
    """The text that `parts` stand for; `values` maps each lower-case macro letter to its value."""
    return "".join(p if isinstance(p, str) else p.expand(values) for p in parts)


def to_name(text):
    """An expanded domain-spec as the name to ask for: no trailing dot, cut from the left to 253 characters (section 7.3)."""
    name = text.removesuffix(".")
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def is_name(name):
    """True if DNS can be asked for `name`: labels of 1 to 63 printable ASCII characters, 253 in all."""
    return len(name) <= MAX_NAME and all(0 < len(label) <= 63 and label.isascii() and label.isprintable() for label in name.split("."))


def values_for(*, ip, domain, sender, helo, receiver, timestamp):
    """The values of all macro letters but `p`; `ip` is an ip_address object, `sender` has its local part."""
    local, _at, sender_domain = sender.rpartition("@")
    # Nibbles in upper case, as other implementations write them; names are asked for in lower case anyway.
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
