"""Sentences that can be translated later, and untrusted text made safe to keep.

A collector knows no language. It writes `_("MX points to {host}", host=name)`: the English sentence stands in the
code (makemessages finds it), the result is that sentence filled in, and it remembers template and values, so that a
face can say the same in the reader's language.
"""

import string
import unicodedata

MAX_TEXT = 4096  # characters of one value that are kept (checks.md: a value over 4 KiB is cut and says so)
MAX_ITEMS = 200  # entries of one list or mapping that are kept
_ESCAPED = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}  # control, bidi and zero-width, surrogates, line separators


class Text(str):
    """An English sentence that still knows its template and its values; `str` in every other respect."""

    template: str
    params: dict

    def __new__(cls, template, params=None):
        params = {key: value if isinstance(value, (Text, int, float)) else clean(str(value)) for key, value in (params or {}).items()}
        self = super().__new__(cls, fill(template, params))
        self.template, self.params = template, params
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
    return cut if len(text) <= limit else f"{cut}… [cut, {len(text)} characters in all]"


def _visible(char):
    if char == "\n" or unicodedata.category(char) not in _ESCAPED:
        return char if char != "\n" else "\\n"
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show_bytes(raw):
    """Bytes as text, every byte outside printable ASCII shown as `\\xff`."""
    return "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in raw)


def clean_json(value, depth=12):
    """Any evidence as plain, bounded JSON data: texts cleaned, bytes shown, lists cut, depth limited."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, bytes):
        return clean(show_bytes(value))
    if depth == 0:
        return clean(repr(value))
    if isinstance(value, dict):
        kept = {clean(k, 255): clean_json(v, depth - 1) for k, v in list(value.items())[:MAX_ITEMS]}
        if len(value) > MAX_ITEMS:
            kept["…"] = f"{len(value) - MAX_ITEMS} more"
        return kept
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        kept = [clean_json(v, depth - 1) for v in list(items)[:MAX_ITEMS]]
        return kept + [f"… {len(items) - MAX_ITEMS} more"] if len(items) > MAX_ITEMS else kept
    return clean(value)
