"""One term of an SPF record as it was meant. Pure.

A term is plausible if its grammar is right and the name in it could be a host's; what is not is
read with goodwill: another sign behind the mechanism, an address under the wrong mechanism, a
netmask, a misspelt name.
"""

import difflib
import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)

from collectors.standards.spf.record import MECHANISMS, SpfSyntaxError, Term, parse_term

VERSION = "v=spf1"
QUALIFIERS = tuple("+-~?")
STRAY = "\"'`;,|<>()[]\\"  # signs that are no part of a term
USUAL = 255  # characters of a term; a judgement of one that is longer is not kept
MAX_NETWORKS = 8  # that one range of addresses may come to
_TOP_LABEL = r"(?:[a-z][a-z0-9]+|xn--[a-z0-9-]*[a-z0-9])"
_HOST = re.compile(rf"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+{_TOP_LABEL}\.?", re.IGNORECASE)
_SLASH = re.compile(r"\\+(?=[0-9]{1,3}$)")  # typed for the one before a prefix length
_PREFIXES = re.compile(r"/[0-9./]*$")
# A macro that lacks its sign or has other brackets, and a percent sign that begins none.
_MACROS = (
    (re.compile(r"%%?[({\[<] ?([slodiphcrtv][0-9]{0,3}r?[-.+,/_=]*) ?[)}\]>]", re.I), r"%{\1}"),
    (re.compile(r"%([slodiphcrtv])(?=[.-]|$)", re.I), r"%{\1}"),
    (re.compile(r"[$]?(?<![%\w])\{([slodiphcrtv][0-9]{0,3}r?[-.+,/_=]*)\}", re.I), r"%{\1}"),
    (re.compile(r"%(?![{%_-])"), ""),
)
WORD = re.compile(r"([+?~-]?)([a-z0-9][a-z0-9_.-]*?)([:=])(.*)", re.IGNORECASE | re.DOTALL)


def is_plausible(word: str) -> bool:
    """True if a term is of sound grammar and its name could be a host's."""
    return _seen_plausible(word) if len(word) <= USUAL else _is_plausible(word)


def _is_plausible(word: str) -> bool:
    term = read_term(word)
    if term is None:
        return False
    if term.is_modifier and term.name not in ("redirect", "exp"):
        return _mechanism_meant(term.name) is None and term.name != "v"
    name = "".join(part if type(part) is str else "xx" for part in term.spec)
    return not term.spec or bool(_HOST.fullmatch(f"xx.{name}" if "%" in term.argument else name))


_seen_plausible = lru_cache(maxsize=1000)(_is_plausible)  # most records are made of the same few


def read_term(word: str) -> Term | None:
    """The term that a word is by the grammar, or None."""
    try:
        return parse_term(word)
    except SpfSyntaxError:
        return None


def is_unknown_modifier(word: str) -> bool:
    """True for what RFC 7208, section 6, has receivers ignore, and no slip is seen in."""
    found = re.match(r"([a-z][a-z0-9_.-]*)=", word, re.IGNORECASE)
    return bool(
        found
        and read_term(word)
        and found[1].lower() not in ("redirect", "exp", "v")
        and _mechanism_meant(found[1]) is None
    )


def corrected(word: str) -> list[str]:
    """The right terms for one word; itself where it is sound, nothing where none can be said."""
    if word.lower() == VERSION or is_plausible(word) or is_unknown_modifier(word):
        return [word]
    bare = _SLASH.sub("/", word).strip(STRAY)
    for better in _readings(bare.rstrip(".")):
        if is_plausible(better):
            return [better]
    found = _addresses(bare.rstrip("."))
    if found:
        return found
    return [word] if read_term(word) else []


def _readings(bare: str) -> Iterator[str]:
    """What a word can have been meant as, the likeliest first."""
    yield bare
    if re.fullmatch(r"([+?~-]?)a+l+", bare, re.IGNORECASE):
        yield (bare[0] if bare.startswith(QUALIFIERS) else "") + "all"
    if bare[1:] and bare.endswith(QUALIFIERS):
        yield from _readings(bare[-1] + bare[:-1])  # all-
    found = WORD.fullmatch(bare)
    if not found:
        yield re.sub(r"^([+?~-]?(?:a|mx))/.*", r"\1", bare, flags=re.IGNORECASE)
        if _HOST.fullmatch(bare):
            yield f"include:{bare}" if re.match(r"_?spf[0-9]*[._-]", bare) else f"a:{bare}"
        return
    qualifier, name, _sign, value = found.groups()
    meant = _mechanism_meant(name) or name.lower()
    value = value.strip(STRAY + ": =")
    value = re.sub(r"^[a-z]+://", "", value, flags=re.IGNORECASE).rstrip("/")
    value = value.rpartition("@")[2] if meant != "exists" else value
    if meant in ("redirect", "exp"):
        yield f"{meant}={_with_macros(value)}"
    elif not value and meant in ("a", "mx", "ptr", "all"):
        yield qualifier + meant
    elif meant in ("ip4", "ip6") and _HOST.fullmatch(value) and not is_address(value):
        yield f"{qualifier}a:{value}"
    elif meant in MECHANISMS:
        if "%" in value or "{" in value:
            yield f"{qualifier}{meant}:{_with_macros(value)}"
        yield f"{qualifier}{meant}:{value}"
        yield f"{qualifier}{meant}:{re.sub(r':[0-9]+$', '', value)}"  # with a port
        if meant not in ("ip4", "ip6"):
            yield f"{qualifier}{meant}:{_PREFIXES.sub('', value).strip('{}')}"  # of no valid length


def _with_macros(value: str) -> str:
    """A name with its macros as they were meant (RFC 7208, section 7.1)."""
    for pattern, right in _MACROS:
        value = pattern.sub(right, value)
    return value


@lru_cache(maxsize=500)
def _mechanism_meant(name: str) -> str | None:
    """The mechanism or modifier whose name is spelt like this by a slip, or None."""
    name = name.lower()
    if name in ("redirect", "exp", "v", "all"):
        return None
    if name in MECHANISMS:
        return name
    if re.fullmatch(r"ip(?:v?[46]?v?|[-_.]?v?[46]|addr(?:ess)?)", name):
        return "ip6" if "6" in name else "ip4"
    close = difflib.get_close_matches(name, ["include", "exists", "redirect"], 1, cutoff=0.8)
    return close[0] if close else None


def is_address(text: str) -> bool:
    try:
        ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return True


def _addresses(bare: str) -> list[str]:
    """ip4 and ip6 terms for a word that holds an address, a range, a netmask or a short network."""
    qualifier = bare[:1] if bare.startswith(QUALIFIERS) else ""
    value = bare.removeprefix(qualifier)
    found = WORD.fullmatch(value)
    named = found and _mechanism_meant(found[2]) in ("ip4", "ip6", "a", "mx", "include")
    if found and named and (is_address(found[4]) or not is_address(value)):
        value = found[4].strip(STRAY + ": =")
    elif found and not is_address(value):
        return []
    value = value.rstrip("/")
    networks: list[IPv4Network | IPv6Network]
    try:
        first, dash, last = value.partition("-")
        if dash:
            if last.isdigit():  # 192.0.2.8-11
                last = f"{first.rpartition('.')[0]}.{last}"
            start, end = ip_address(first), ip_address(last)
            networks = [*summarize_address_range(start, end)]
        else:
            if not _is_network(value):
                value = value.partition("/")[0]  # of no valid length: the address alone
            networks = [ip_network(_whole(value), strict=False)]
    except (ValueError, TypeError):
        return []
    if len(networks) > MAX_NETWORKS:
        return []
    terms = []
    for network in networks:
        size = "" if network.prefixlen == network.max_prefixlen else f"/{network.prefixlen}"
        keep = not dash and ip_address(_whole(value).partition("/")[0])
        terms.append(f"{qualifier}ip{network.version}:{keep or network.network_address}{size}")
    return terms


def _is_network(value: str) -> bool:
    try:
        ip_network(_whole(value), strict=False)
    except ValueError:
        return False
    return True


def _whole(value: str) -> str:
    """An IPv4 address with its left-out parts: `192.0.2`, `192.0.2.*`, `192.0.2.7:25`, `198.051.…`.

    Others stay as they are.
    """
    address, slash, prefix = value.partition("/")
    address = re.sub(r":[0-9]{1,5}$", "", address) if address.count(".") == 3 else address
    parts = address.split(".")
    given = [p for p in parts if p not in ("*", "")]
    if not all(p.isdigit() for p in given) or not 2 <= len(given) <= 4 or ":" in address:
        return value
    plain = ".".join([str(int(p)) for p in given] + ["0"] * (4 - len(given)))
    IPv4Address(plain)
    if not slash and len(given) < 4:
        return f"{plain}/{8 * len(given)}"
    return f"{plain}{slash}{prefix}"
