"""The text and title of a web page from bytes of any kind, in linear time."""

import codecs
import html
import re

from collectors.text import clean

PRESCAN = 1024  # bytes in which browsers look for <meta charset> (HTML, section 13.2.3.2)
READ = 64 * 1024  # bytes of a page that are looked at
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TITLE = re.compile(r"<title(?:\s[^>]{0,200})?>([^<]{0,500})", re.IGNORECASE)
# Python knows codecs that are not for web pages and slow on purpose-made input (punycode, idna).
_SAFE = (
    "utf-8",
    "utf-16",
    "utf-32",
    "ascii",
    "iso8859",
    "cp125",
    "koi8",
    "gb",
    "big5",
    "shift_jis",
    "euc_",
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def page_text(body: bytes, content_type: str = "") -> str:
    """The start of a page as text: by its byte order mark, the charset it names, or UTF-8.

    What cannot be decoded becomes U+FFFD.
    """
    body = body[:READ]
    return body.decode(_charset(body, content_type), "replace")


def _charset(body: bytes, content_type: str) -> str:
    for mark, name in _MARKS:
        if body.startswith(mark):
            return name
    said = _CHARSET.search(content_type)
    named = said or _CHARSET.search(body[:PRESCAN].decode("latin-1"))
    try:
        codec = codecs.lookup(named.group(1)).name if named else "utf-8"
    except LookupError:
        return "utf-8"
    if codec.startswith("utf-") and not said:
        return "utf-8"  # a page that can be read to say UTF-16 is not in it (HTML, 13.2.3.2)
    return codec if codec.startswith(_SAFE) else "utf-8"


def page_title(text: str) -> str:
    """The title of an HTML page on one line, at most 200 characters; '' where there is none."""
    found = _TITLE.search(text)
    return clean(" ".join(html.unescape(found.group(1)).split()), 200) if found else ""
