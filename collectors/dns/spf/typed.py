"""The signs of an SPF text as a keyboard has them, whatever program they came through. Pure.

A text is a character a byte here, as it came from DNS.
"""

import contextlib
import re
from collections.abc import Callable, Iterator

import idna

from collectors.dns.spf.corrections import VERSION, WORD

# What word processors and web pages make of blanks, hyphens and quotation marks, in UTF-8 and in
# Windows-1252. Another character beside them stays, and with it the doubt.
_TYPED: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # signs of full width
    (
        re.compile("\\xef(?:\\xbc[\\x81-\\xbf]|\\xbd[\\x80-\\x9e])"),
        lambda m: chr(ord(m[0].encode("latin-1").decode()) - 0xFEE0),
    ),
    # as web addresses, web pages and zone files write a blank (RFC 1035, section 5.1)
    (re.compile(r"%20|&(?:nbsp|#160|#32|#xa0|#x20);|\\032|\\(?= )", re.IGNORECASE), " "),
    (
        re.compile(
            "[\\t\\r\\n\\v\\f]|\\xc2?\\xa0|\\xe2\\x80[\\x80-\\x8a\\xa8\\xa9\\xaf]|\\xe3\\x80\\x80"
        ),
        " ",
    ),
    (re.compile("\\xe2\\x80[\\x90-\\x95]|\\xe2\\x88\\x92|[\\x96\\x97]"), "-"),
    (
        re.compile(
            "\\xe2\\x80[\\x8b-\\x8d\\x98-\\x9f]|\\xef\\xbb\\xbf|\\xe2\\x81\\xa0|[\\x91-\\x94]"
        ),
        "",
    ),
)


def as_typed(text: str) -> str:
    """`text` with blanks, dashes and quotes as the keyboard has them."""
    for pattern, plain in _TYPED:
        text = pattern.sub(plain, text)
    if " " not in text and text[: len(VERSION) + 1].lower() == f"{VERSION}+":
        text = text.replace("+", " ")  # a blank of a web form
    return text


def names_in_other_scripts(text: str) -> Iterator[tuple[str, str]]:
    """(word, the same with its name as A-label) of each that has one (RFC 5890, 2.3.2.1)."""
    for word in text.split(" "):
        found = None if word.isascii() else WORD.fullmatch(shown(word))
        if found:
            with contextlib.suppress(idna.IDNAError, UnicodeError):
                name = idna.encode(found[4], uts46=True).decode()
                yield word, f"{found[1]}{found[2]}{found[3]}{name}"


def shown(word: str) -> str:
    """A word as a person reads it: UTF-8 where it is that."""
    try:
        return word.encode("latin-1").decode()
    except UnicodeDecodeError:
        return word
