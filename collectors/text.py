"""Sentences that can be translated later, and untrusted text made safe to keep.

A collector knows no language. It writes `_("MX points to {host}", host=name)`: the English sentence stands in the
code (makemessages finds it), the result is that sentence filled in, and it remembers template and values, so that a
face can say the same in the reader's language.
"""

import math
import string
import unicodedata
from itertools import islice

MAX_TEXT = 4096  # characters of one value that are kept; a longer one is cut and says so
MAX_ITEMS = 200  # entries of one list or mapping that are kept
MAX_TOTAL = 500_000  # characters of all texts of one piece of evidence that are kept
_ESCAPED = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}  # control, bidi and zero-width, surrogates, line separators
_INVISIBLE = set("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")  # letters and marks by category that show nothing


class Text(str):
    """An English sentence that still knows its template and its values; `str` in every other respect."""

    template: str
    params: dict

    def __new__(cls, template, params=None):
        params = {key: value if isinstance(value, (Text, int, float)) else clean(str(value)) for key, value in (params or {}).items()}
        self = super().__new__(cls, fill(template, params))
        self.template, self.params = template, params
        return self

    def __getnewargs__(self):
        return self.template, self.params

    def __deepcopy__(self, memo):
        return self

    def source(self):
        """JSON form: `{"id": template, "params": {...}}`; a value that is itself a Text becomes the same shape."""
        return {"id": self.template, "params": {k: v.source() if isinstance(v, Text) else v for k, v in self.params.items()}}


def _(template, /, **params):
    """Mark an English sentence for translation and fill its `{name}` places; returns a `Text`."""
    return Text(template, params)


def fill(template, params):
    """`template` with its `{name}` places filled. A place without a value stays as it is; no attribute is reached."""
    parts = []
    for literal, field, _spec, _conversion in string.Formatter().parse(template):
        parts.append(literal)
        if field is not None:
            parts.append(str(params.get(field, "{" + field + "}")))
    return "".join(parts)


def clean(text, limit=MAX_TEXT):
    """Untrusted text as visible text: control, bidi and invisible characters escaped, cut at `limit` and saying so."""
    text = str(text)
    cut = text[:limit]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(_visible(c) for c in cut)
    return cut if len(text) <= limit and len(cut) <= limit else f"{cut[:limit]}… [cut, {len(text)} characters in all]"


def _visible(char):
    if char == "\n":
        return "\\n"
    if unicodedata.category(char) not in _ESCAPED and char not in _INVISIBLE:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show_bytes(raw):
    """Bytes as text, every byte outside printable ASCII shown as `\\xff`."""
    return "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in raw)


def clean_json(value, depth=12):
    """Any evidence as plain, bounded JSON data: texts cleaned, bytes shown, lists cut, depth and size limited."""
    return _Cleaner().clean(value, depth)


class _Cleaner:
    def __init__(self):
        self.left = MAX_TOTAL

    def clean(self, value, depth):
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # JSON has no NaN
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self.nested(value, depth - 1) if depth > 0 else "… [nested too deep]"
        return self.text(show_bytes(value) if isinstance(value, bytes) else value)

    def nested(self, value, depth):
        if isinstance(value, dict):
            kept = {clean(k, 255): self.clean(v, depth) for k, v in islice(value.items(), MAX_ITEMS)}
            if len(value) > MAX_ITEMS:
                kept["…"] = f"{len(value) - MAX_ITEMS} more"
            return kept
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        kept = [self.clean(v, depth) for v in items[:MAX_ITEMS]]
        return [*kept, f"… {len(items) - MAX_ITEMS} more"] if len(items) > MAX_ITEMS else kept

    def text(self, text):
        if self.left <= 0:
            return "… [left out]"
        text = clean(text)
        self.left -= len(text)
        return text
