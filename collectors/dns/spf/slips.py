"""Slips of the hand in an SPF record, mended in place so that the senders meant are kept. Pure.

What is mended: strings glued at a seam, a blank inside a term, lists joined by commas, `include=`
for `include:`, an address under the wrong mechanism, signs of a word processor, a version that is
not exactly `v=spf1`. A term of sound grammar is touched only where the grammar hides a slip.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from collectors.dns.spf.corrections import (
    QUALIFIERS,
    STRAY,
    VERSION,
    WORD,
    corrected,
    is_address,
    is_plausible,
    is_unknown_modifier,
    read_term,
)
from collectors.dns.spf.typed import as_typed, names_in_other_scripts, shown
from collectors.text import MAX_TEXT, Text, _

MAX_WORD = 400  # characters of one that is parted
MAX_PARTS = 12  # terms in it
MAX_GLUED = 4  # places in it that are tried for the next
MAX_FAILED = 3  # words that could not be parted: then it is no slip of the hand
MAX_JOINED = 5  # words that are one term
LONGEST_STRING = 255  # where a name server parts a text by itself (RFC 1035, section 3.3.14)

_VERSIONS = re.compile(
    r"""(?:spf\s*[:=]\s*(?=v))?
        (?: v\s*[=:]*\s*["']?\s*s[pf]{2}\s*[-_.v]?\s*1(?:\.0)?["']?  # v=spf1, v = spf1, v=sfp1
        | v\s*[=:]\s*spf(?![a-z0-9]) | =?spf[-_]?1 )                  # v=spf, spf1
        [\s;,:.]*""",
    re.IGNORECASE | re.VERBOSE,
)
_ZONE_LINE = re.compile(r"(?:\S+\s+)?(?:[0-9]+[smhdw]?\s+)?(?:IN\s+)?(?:TXT|SPF)\s+(?=\S)", re.I)
_KNOWN = r"include|ipv?4v?|ipv?6v?|ip|exists|redirect|exp|all|ptr|mx|a"
_TERM_START = re.compile(rf"[+?~-]?(?:(?:{_KNOWN})(?=[:/=]|$)|v=spf1)", re.IGNORECASE)
# The same inside a word: looked at from each place, and behind no other qualifier.
_GLUED = re.compile(
    rf"(?<![+?~-])(?=(?:[+?~-]?(?:(?:{_KNOWN})(?=[:/=]|$|[+?~-](?:{_KNOWN}))|v=spf1)))",
    re.IGNORECASE,
)
_MARKED = re.compile(r"[+?~-]?[a-z0-9]+[:=]|[+?~-]all$", re.IGNORECASE)  # no host name is like it
_LIST = re.compile(r"[,;|]+(?![^{}]*\})")  # not among the delimiters of a macro
_NEEDS_VALUE = {"include", "exists", "ip4", "ip6", "redirect"}


@dataclass(frozen=True)
class Slip:
    """A term that the grammar allows and that is none of what its author meant."""

    term: str
    better: str


@dataclass
class Mended:
    """A record with its slips mended: the words behind the version, and what was done.

    It is shared, so nobody changes it.
    """

    words: list[str] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    slips: list[Slip] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join([VERSION, *self.words])


def mend(text: str, seams: Collection[int] = ()) -> Mended | None:
    """The record `text` (it begins with the version) mended; None where that is not safe.

    `seams`: the offsets at which its strings were joined.
    """
    return _mend_usual(text, tuple(seams)) if len(text) <= MAX_TEXT else _mend(text, tuple(seams))


def _mend(text: str, seams: tuple[int, ...]) -> Mended | None:
    typed = as_typed(text)
    mended = Mended()
    if typed != text:
        text, seams = typed, ()  # the places are no longer those of the strings
        mended.notes.append(_("Blanks and hyphens of a word processor became plain ones."))
    if len(text) <= MAX_TEXT and (names := list(names_in_other_scripts(text))):
        for was, name in names:
            text = text.replace(was, name, 1)
            mended.notes.append(_note(shown(was), [name]))
        seams = ()
    if len(text) > MAX_TEXT or not (text.isascii() and text.isprintable()):
        return None  # of no use at that length; or nobody can say what was meant
    words = [(m.start(), m[0]) for m in re.finditer("[^ ]+", text)][1:]
    parts: list[tuple[str, list[str]]] = []  # each word as it stands, and what it was parted into
    failed = 0
    for start, word in words:
        offsets = [s - start for s in seams if start < s < start + len(word)]
        found = [word] if failed > MAX_FAILED else _parted(word, offsets)
        failed += len(word) > MAX_WORD / 4 and found == [word]
        parts.append((word, found))
    late: list[str] = []
    for was, better in _joined(parts):
        right = [c for part in better for c in corrected(part) if c.lower() != VERSION]
        if any(map(_is_exp, right)) and any(map(_is_exp, mended.words)):
            right = []  # it may stand there only once
        if any(w.lower().startswith("redirect") for w in better) and not right:
            return None  # a whole policy is missing, and nobody can say which
        is_slip = right != [was] and was.lower() != VERSION and all(map(read_term, was.split(" ")))
        if is_slip:
            mended.slips.append(Slip(was, " ".join(right)))
        if right != [was]:
            mended.notes.append(_note(was, right))
        for word in right:
            (late if is_slip and asks_by_mail(word) else mended.words).append(word)
    mended.words += late
    redirects = [w for w in mended.words if w.lower().startswith("redirect=")]
    return None if len(redirects) > 1 else mended


_mend_usual = lru_cache(maxsize=200)(_mend)  # the tenant's customers have much the same


def nearly_a_record(raw: bytes, seams: Collection[int] = ()) -> tuple[str, list[int]] | None:
    """The record in a text that would be one with its version spelt right, and its seams; or None.

    A text counts only if terms of SPF follow, for other texts may begin alike.
    """
    text = as_typed(raw.decode("latin-1")).strip(" \"'\\")
    text = text[found.end() :].strip(" \"'\\") if (found := _ZONE_LINE.match(text)) else text
    version = _VERSIONS.match(text)
    if not version:
        return None
    body = text[version.end() :].strip(STRAY + " ")
    if body and not _begins_with_a_term(body.split(" ")):
        return None
    text = f"{VERSION} {body}".rstrip()
    shift = len(VERSION) + 1 - raw.decode("latin-1").find(body)
    return text, [s + shift for s in seams if body.encode("latin-1") in raw]


def _begins_with_a_term(words: list[str]) -> bool:
    """True if the first word that is no unknown modifier is a term of SPF, or was meant as one."""
    at = next((n for n, w in enumerate(words) if w and not is_unknown_modifier(w)), len(words))
    for _was, first in _joined([(w, _parted(w, [])) for w in words[at : at + 3] if w]):
        meant = [c for part in first for c in corrected(part)]
        return any(is_plausible(c) and _TERM_START.match(c) for c in meant)
    return False


def asks_by_mail(word: str) -> bool:
    """True for an include with macros: in a record that works, it would stop mail it knows not."""
    return "%" in word and word.lstrip("+").lower().startswith("include:")


def _is_exp(word: str) -> bool:
    return word.lower().startswith("exp=")


def _note(was: str, better: list[str]) -> Text:
    if was.lower() == VERSION:
        return _("A second “{term}” was left out.", term=was)
    if better:
        return _("“{term}” was corrected to “{better}”.", term=was, better=" ".join(better))
    return _(
        "“{term}” was left out; if it stands for a sender, write it in its right form.", term=was
    )


# -- parting what is glued together


def _parted(word: str, seams: list[int]) -> list[str]:
    """The terms in a word: parted where strings were glued without a blank, or at commas."""
    for at in seams:
        left, right = word[:at], word[at:]
        by_hand = at != LONGEST_STRING and _MARKED.match(right)
        if is_plausible(left) and _TERM_START.match(right) and by_hand:
            later = [s - at for s in seams if s > at]
            return [left, *_parted(right, later)]
    if is_plausible(word) or is_unknown_modifier(word):
        return [word]
    pieces = [p for p in _LIST.split(word) if p.strip(STRAY)]
    if len(pieces) > 1:
        return [part for piece in _same_mechanism(pieces) for part in _parted(piece, [])]
    return _split_where_terms_begin(word) or [word]


def _same_mechanism(pieces: list[str]) -> Iterator[str]:
    """The entries of a list; one without a mechanism has that of the entry before it."""
    head = ""
    for piece in pieces:
        found = WORD.fullmatch(piece)
        if found and not is_address(piece):
            head = f"{found[1]}{found[2]}{found[3]}"
            yield piece
        elif _TERM_START.match(piece) or not head:
            yield piece
        else:
            yield head + piece


@lru_cache(maxsize=500)  # a hostile word has few ends, and many ways to them
def _split_where_terms_begin(word: str, depth: int = 0) -> list[str]:
    """The word in parts each of which is a term; empty where it is not made of terms."""
    if len(word) > MAX_WORD or depth > MAX_PARTS:
        return []
    for begin in list(_GLUED.finditer(word, 1))[:MAX_GLUED]:
        at = begin.start()
        left = corrected(word[:at])
        if not left or not all(is_plausible(p) or p.lower() == VERSION for p in left):
            continue
        right = word[at:]
        rest = [right] if _is_sound(right) else _split_where_terms_begin(right, depth + 1)
        if rest:
            return [word[:at], *rest]
    return []


def _is_sound(word: str) -> bool:
    return word.lower() == VERSION or all(map(is_plausible, corrected(word) or ["?"]))


# -- joining what a blank has parted


def _joined(parts: list[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str]]]:
    """(text as it stands, terms): what a blank inside a term has parted is put together."""
    rest = list(parts)
    while rest:
        was, better = rest.pop(0)
        for _more in range(min(len(rest), MAX_JOINED - 1)):
            whole = _rejoined(better[-1], rest[0][0])
            if whole is None:
                break
            following, _parts = rest.pop(0)
            was, better = f"{was} {following}", [*better[:-1], *_parted(whole, [])]
        yield was, better


def _rejoined(word: str, following: str) -> str | None:
    """The one term that two words are, or None."""
    whole = word + following
    if following[0] in ":=/" and (following in (":", "=") or is_plausible(_first(whole))):
        return whole
    if word in QUALIFIERS and not following.startswith(QUALIFIERS) and _is_sound(following):
        return whole
    if _TERM_START.match(following) or word.lower() == VERSION:
        return None
    name = word.lstrip("+?~-").lower()
    if name.endswith((":", "=")) and re.fullmatch(_KNOWN, name[:-1]):
        return whole
    sign = "=" if name == "redirect" else ":"
    if name in _NEEDS_VALUE and is_plausible(_first(word + sign + following)):
        return word + sign + following
    known = _TERM_START.match(word)
    if known and not is_plausible(_first(word)) and is_plausible(_first(whole)):
        return whole
    return None


def _first(word: str) -> str:
    return next(iter(corrected(word)), word)
