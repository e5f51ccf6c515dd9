"""What the owner of a DMARC text meant by it: the usual slips of typing and of DNS panels undone.

Receivers read a record strictly (`collectors.standards.dmarc`). This is for advice alone: a
corrected record keeps the policy and the addresses that its owner chose.
"""

import difflib
import html
import re
from collections.abc import Iterable, Iterator
from itertools import islice

import idna

from collectors.standards import dmarc

ADDRESS_TAGS = ("rua", "ruf")
MAX_PARTS = 400  # of an address list; a record with more is never shown
Tags = dict[str, str | None]  # by name, in their order; None: a part that is no tag

_NAMES = "adkim|aspf|psd|pct|rua|ruf|sp|np|fo|rf|ri|p|t|v"
# A tag: at the start or behind something that parts, its sign `=` or a slip for it, or only a blank
# in front of what can be nothing but its value.
_TAG = re.compile(
    rf"(?:^|(?<=[\s;,|&\"'<>(]))({_NAMES})"
    r"(?:\s{0,9}[=:]+\s*|\s{1,9}(?=mailto:|(?:none|quarantine|reject)\b))",
    re.IGNORECASE,
)
_GLUED = (  # strings that were joined without what parts them
    re.compile(rf"(\bdmarc\s?1)(?=(?:{_NAMES})\s?[=:])", re.IGNORECASE),
    re.compile(rf"([=:]\s?(?:none|quarantine|reject))(?=(?:{_NAMES})\s?[=:])", re.IGNORECASE),
    re.compile(r"(@[a-z0-9.-]{1,253}?)(?=(?:rua|ruf|adkim|aspf|pct)=)", re.IGNORECASE),
)
_TYPED = str.maketrans(
    dict.fromkeys("“”„‟«»″`´‘’‚‛′", '"')
    | dict.fromkeys("\xa0\u2002\u2003\u2007\u2009\u202f\u3000\t\r\n\v\f", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\xad", None)
    | {"；": ";", "＝": "=", "：": ":", "＠": "@", "，": ",", "‹": "<", "›": ">"}
)
# as web addresses and web pages write blanks and separators
_ENCODED = re.compile(r"%(20|22|3[BD])|&(?:nbsp|quot|equals|semi|#[0-9]{2,3}|#x[0-9a-f]{2});", re.I)
_ESCAPE = re.compile(r"\\(\d{3}|.?)", re.DOTALL)
_WRAPPING = " \"'<>(),.:=[]{}|&"
_PART = re.compile(r"[\s,;|\"'<>()\[\]{}]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,11})[:=]+/*(?=.)|(mailto)/*(?=.)", re.IGNORECASE)
_ADDRESS = re.compile(r"([^\s@]+)@([^\s@!?]+)(![0-9]+[kmgt]?)?", re.IGNORECASE)
_SIMPLE_ADDRESS = re.compile(r"[\w.+%-]+@[\w.-]+\w", re.ASCII)
_SWALLOWED = re.compile(r"\bru[af]\b", re.IGNORECASE)  # in the value of another tag
_UNKNOWN_TAG = re.compile(r"\s*([A-Za-z]+)\s*=\s*([\x20-\x7e]*)")


def meant_tags(raw: bytes) -> Tags:
    """The tags that a text was meant to have, with their right values wherever these can be said.

    Of a tag that stands there more than once the weakest value counts; addresses are joined.
    """
    found: dict[str, list[str]] = {}
    for name, value in _read_with_goodwill(_as_typed(raw)):
        found.setdefault(name, []).append(value)
    tags: Tags = {}
    for name, values in found.items():
        if name in ADDRESS_TAGS:
            if uris := meant_addresses(values):
                tags[name] = ",".join(uris)
        elif name != "v":
            tags[name] = weakest(name, [_meant_value(name, value) for value in values])
    return tags


def kept_tags(record: dmarc.DmarcRecord, raw: bytes) -> Tags:
    """What is to stay of a record that receivers use: each tag once, as it is written.

    Report addresses are those that were meant; of a repeated policy the weakest stays.
    """
    meant, tags = meant_tags(raw), Tags()
    addresses = {name: meant[name] for name in ADDRESS_TAGS if name in meant}
    for part in (p.decode("latin-1").strip(" \t") for p in raw.split(b";")[1:]):
        name = part.partition("=")[0].strip(" \t").lower()
        value = record.raw(name)
        if name in ADDRESS_TAGS:
            tags |= {name: addresses[name]} if name in addresses else {}
        elif addresses and "@" in part and (value is None or _SWALLOWED.search(part)):
            continue  # what it holds is in the lists of addresses
        elif value is not None:
            tags[name] = meant.get(name) if name in record.repeated else value
        elif part and name != "v" and part.isascii() and part.isprintable():
            tags[part] = None
    return tags | addresses


def weakest(name: str, values: list[str]) -> str:
    """Of several values of a tag the one that asks for least."""
    allowed = [v for v in values if dmarc.is_allowed(name, v.lower())]
    if name in ("p", "sp", "np") and allowed:
        return min(allowed, key=lambda v: dmarc.POLICIES.index(v.lower()))
    if name in ("adkim", "aspf", "t") and allowed:
        return next((v for v in allowed if v.lower() in "ry"), allowed[0])
    return (allowed or values)[0]


def _as_typed(raw: bytes) -> str:
    """A text with quotation marks, blanks and escapes as a keyboard has them."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = _ESCAPE.sub(lambda m: chr(int(m[1])) if m[1].isdigit() else m[1], text)
    text = _ENCODED.sub(lambda m: chr(int(m[1], 16)) if m[1] else html.unescape(m[0]), text)
    text = text.translate(_TYPED)
    for pattern in _GLUED:
        text = pattern.sub(r"\1;", text)
    return text


def _read_with_goodwill(text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of all tags; addresses that have got out of their list go to the last one."""
    matches = list(_TAG.finditer(text))
    ends = [m.start() for m in matches[1:]] + [len(text)]
    address_list = ""
    for match, end in zip(matches, ends, strict=True):
        name = match[1].lower()
        address_list = name if name in ADDRESS_TAGS else address_list
        value, *others = text[match.end() : end].split(";")
        yield name, value.strip()
        for other in others:
            unknown = _UNKNOWN_TAG.fullmatch(other)
            if unknown and unknown[1].lower() not in ("mailto", "dmarc"):
                yield unknown[1].lower(), unknown[2].strip()
            elif "@" in other and address_list:
                yield address_list, other


def _meant_value(name: str, value: str) -> str:
    """The value of a tag without what has got around it; as written if it is not an allowed one."""
    value = "".join(c for c in value if " " <= c <= "~")
    bare = value.strip(_WRAPPING).lower()
    if name == "fo":
        bare = re.sub(r"[\s,/|]+", ":", bare)
    return bare if dmarc.is_allowed(name, bare) else value.strip(" \"',")


# -- addresses


def meant_addresses(texts: Iterable[str]) -> list[str]:
    """The usable URIs in these address lists, in their order, each once."""
    found: dict[str, str] = {}
    for text in texts:
        closed = re.sub(r"\s{0,9}@\s{0,9}", "@", re.sub(r"(?i)(mailto[:=])\s+", r"\1", text))
        for part in islice(filter(None, _PART.split(closed)), MAX_PARTS):
            uris = [_meant_uri(part)] if "@" in part else []
            if part.count("@") > 1:
                uris += [_meant_uri(one) for one in _SIMPLE_ADDRESS.findall(part)]
            for uri in uris:
                if uri and uri.problem is None:
                    found.setdefault(uri.address, uri.text)
    return list(found.values())


def _meant_uri(text: str) -> dmarc.DmarcUri | None:
    """The URI that one part of an address list was meant to be, or None."""
    uri = dmarc.parse_dmarc_uri(text)
    if uri.problem is None:
        return uri
    while scheme := _SCHEME.match(text):
        if not _is_mailto(scheme[1] or scheme[2]):
            return None
        text = text[scheme.end() :]
    address = _ADDRESS.match(text.strip("/:."))
    if not address:
        return None
    local, host, size = address[1].replace("!", "%21"), address[2].strip(".:/&"), address[3] or ""
    try:
        host = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return None
    return dmarc.parse_dmarc_uri(f"mailto:{local}@{host}{size}")


def _is_mailto(scheme: str) -> bool:
    """True for the scheme, or a misspelling of it."""
    return difflib.SequenceMatcher(None, scheme.lower(), "mailto").ratio() > 0.6
