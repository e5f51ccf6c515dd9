"""What became of one try to send a message."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus, urlsplit


@dataclass(frozen=True)
class Outcome:
    """`text` says in words what happened, and holds nothing secret.

    `partly`: it was sent, but not to all; `left`: to whom of these it can be sent later. `gone`:
    the receiver wants no messages any more, so that the channel is switched off.
    """

    sent: bool
    text: str
    partly: bool = False
    left: tuple[str, ...] = ()
    gone: bool = False


def without(url: str, text: str) -> str:
    """A text without what stands in an address and may be secret: its parts but for the host."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    parts = re.split(r"[/?&=@:#,]", url.partition("://")[2])
    spelled = {way for part in parts for way in (part, unquote(part), unquote_plus(part))}
    for part in sorted(spelled, key=len, reverse=True):  # one may be part of another
        if len(part) >= 6 and part.lower() != host:
            text = text.replace(part, "…")
    return text
