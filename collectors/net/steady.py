"""What of a web answer is the same at each visit: evidence holds that and nothing else.

What a server makes anew for each answer (times, session and request ids, nonces) says nothing of
the domain, and would make every audit a change. Its place is kept, as “…”.
"""

import re

# headers that operators read as they are
_AS_IT_IS = {
    "server", "content-type", "content-encoding", "transfer-encoding", "content-language",
    "strict-transport-security", "x-powered-by", "cache-control", "connection", "vary",
}  # fmt: skip
# moments, and what follows from the page alone
_MADE_ANEW = {"date", "expires", "last-modified", "age", "etag", "content-length"}
_SESSION = {"expires", "max-age"}  # attributes of a cookie that are moments
_WORD = re.compile(r"[\w.~+/:%-]+=*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PARAMETER = re.compile(r"([?&;=])([^?&;=#]+)")
ID_LENGTH, LONG = 8, 20  # from here on a word with a digit may be an id, and any value
ELIDED = "…"


def steady_header(name: str, value: str) -> str:
    """A header line for evidence; `name` in lower case."""
    if name in _MADE_ANEW:
        value = ELIDED
    elif name == "set-cookie":
        value = _cookie(value)
    elif name in ("location", "refresh", "content-location", "link"):
        value = steady_url(value)
    elif name not in _AS_IT_IS:
        value = _WORD.sub(_without_id, value)
    return f"{name}: {value}"


def steady_url(url: str) -> str:
    """A URL without the values of its parameters that are long enough for an id."""
    return _PARAMETER.sub(_without_long_value, url)


def _without_id(word: re.Match[str]) -> str:
    return ELIDED if _may_be_id(word[0]) or _NUMBER.fullmatch(word[0]) else word[0]


def _without_long_value(parameter: re.Match[str]) -> str:
    mark, value = parameter.groups()
    return mark + ELIDED if _may_be_id(value) or len(value) >= LONG else parameter[0]


def _may_be_id(word: str) -> bool:
    return len(word) >= ID_LENGTH and any(c.isdigit() for c in word)


def _cookie(line: str) -> str:
    """The name of a cookie and what it is for."""
    pair, *attributes = (part.strip() for part in line.split(";"))
    name, equals, _value = pair.partition("=")
    kept = [a for a in attributes if a.partition("=")[0].strip().lower() not in _SESSION]
    return "; ".join([f"{name}={ELIDED}" if equals else ELIDED, *kept])
