"""Sentences that can be translated later, and untrusted text made safe to keep.

A collector knows no language. It writes `_("MX points to {host}", host=name)`: the English sentence
stands in the code (makemessages finds it), the result is that sentence filled in, and it remembers
template and values, so that a face can say the same in the reader's language.
"""

import math
import string
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from collectors.stored import StoredText

MAX_TEXT = 4096  # characters of one value that are kept; a longer one is cut and says so
MAX_ITEMS = 200  # entries of one list or mapping that are kept
MAX_TOTAL = 500_000  # characters of all texts of one piece of evidence that are kept
_ESCAPED = {
    "Cc",
    "Cf",
    "Co",
    "Cs",
    "Cn",
    "Zl",
    "Zp",
    "Zs",
}  # control, bidi and zero-width, surrogates, line separators, blanks that only look like one
_INVISIBLE = set(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
)  # letters and marks by category that show nothing
_SHOWN_BYTES = {b: f"\\x{b:02x}" for b in range(256) if not 32 <= b < 127}


class Text(str):
    """An English sentence that knows its template and its values; else a `str` like any other."""

    template: str
    params: dict[str, "Text | str | int | float"]

    def __new__(cls, template: str, params: Mapping[str, object] | None = None) -> "Text":
        values = {
            key: value if isinstance(value, (Text, int, float)) else clean(str(value))
            for key, value in (params or {}).items()
        }
        self = super().__new__(cls, fill(template, values))
        self.template, self.params = template, values
        return self

    def __getnewargs__(self) -> tuple[str, dict]:  # type: ignore[override]  # str's has one value
        return self.template, self.params

    def __deepcopy__(self, memo: object) -> "Text":
        return self

    def source(self) -> StoredText:
        """JSON form; a value that is itself a Text becomes the same shape."""
        return {
            "id": self.template,
            "params": {k: v.source() if isinstance(v, Text) else v for k, v in self.params.items()},
        }


def _(template: str, /, **params: object) -> Text:
    """Mark an English sentence for translation and fill its `{name}` places; returns a `Text`."""
    return Text(template, params)


def fill(template: str, params: Mapping[str, object]) -> str:
    """`template` with its `{name}` places filled; no attribute of a value is reached.

    A place without a value stays as it is.
    """
    return "".join(
        [
            literal if field is None else literal + str(params.get(field, "{" + field + "}"))
            for literal, field in _places(template)
        ]
    )


@lru_cache(maxsize=2000)  # there are fewer sentences
def _places(template: str) -> tuple[tuple[str, str | None], ...]:
    """The parts of a template: text, and the name of the place behind it."""
    return tuple((part[0], part[1]) for part in string.Formatter().parse(template))


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Untrusted text as visible text: what does not show is escaped, and the rest cut at `limit`.

    Escaped are control, bidi and invisible characters; a text that was cut says so.
    """
    text = str(text)
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    cut = text[:limit]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(_visible(c) for c in cut)
    return (
        cut
        if len(text) <= limit and len(cut) <= limit
        else f"{cut[:limit]}… [cut, {len(text)} characters in all]"
    )


def _visible(char: str) -> str:
    if char == "\n":
        return "\\n"
    if char == " " or (unicodedata.category(char) not in _ESCAPED and char not in _INVISIBLE):
        return char
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def rounded(seconds: float) -> str:
    """Seconds as a sentence says them, rounded up so that it stays the same from time to time.

    Whole ones, or tenths where there is not one.
    """
    parts = 1 if seconds > 1 else 10
    return f"{math.ceil(round(seconds * parts, 3)) / parts:g}"


def show_bytes(raw: bytes) -> str:
    """Bytes as text, every byte outside printable ASCII shown as `\\xff`."""
    text = raw.decode("latin-1")
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN_BYTES)


class CleanJson(dict[str, Any]):
    """JSON data that clean_json() made; it takes it as it is, so nobody changes it.

    `size`: characters of its texts.
    """

    def __init__(self, value: Mapping[str, object]) -> None:
        cleaner = _Cleaner()
        super().__init__(cleaner.clean(dict(value), 12))
        self.size = MAX_TOTAL - cleaner.left


def clean_json(value: object, depth: int = 12) -> Any:  # the JSON form of `value`
    """Evidence as plain JSON data: texts cleaned, bytes shown; lists, depth and size bounded."""
    return _Cleaner().clean(value, depth)


class _Cleaner:
    def __init__(self) -> None:
        self.left = MAX_TOTAL

    def clean(self, value: object, depth: int) -> Any:
        """The usual kinds come first: this is called for all that is seen."""
        kind = type(value)
        if kind is str:
            return self.text(value)  # type: ignore[arg-type]  # it is a str
        if kind is int or value is None:
            return value
        if isinstance(value, CleanJson) and depth > 1 and value.size < self.left:
            self.left -= value.size
            return value
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self.nested(value, depth - 1) if depth > 0 else "… [nested too deep]"
        if isinstance(value, int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # JSON has no NaN
        return self.text(show_bytes(value) if isinstance(value, bytes) else str(value))

    def nested(self, value: dict | Collection, depth: int) -> dict | list:
        more = len(value) - MAX_ITEMS
        if isinstance(value, dict):
            kept = {}
            for key, v in value.items() if more <= 0 else islice(value.items(), MAX_ITEMS):
                if not (
                    type(key) is str and len(key) < 256 and key.isascii() and key.isprintable()
                ):
                    key = clean(key, 255)  # noqa: PLW2901
                kept[key] = v if type(v) is int else self.clean(v, depth)
            if more > 0:
                kept["…"] = f"{more} more"
            return kept
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        if more <= 0:
            return [self.clean(v, depth) for v in items]
        return [*(self.clean(v, depth) for v in islice(items, MAX_ITEMS)), f"… {more} more"]

    def text(self, value: str) -> str:
        size = len(value)
        if size <= MAX_TEXT and self.left > 0 and value.isascii() and value.isprintable():
            self.left -= size
            return value
        if self.left <= 0:
            return "… [left out]"
        cleaned = clean(value)
        self.left -= len(cleaned)
        return cleaned
