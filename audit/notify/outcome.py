"""What became of one try to send a message."""

import re
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True)
class Outcome:
    """`text` says in words what happened, and holds nothing secret.

    `partly`: it was sent, but not to all. `gone`: the receiver wants no messages any more, so that
    the channel is switched off.
    """

    sent: bool
    text: str
    partly: bool = False
    gone: bool = False


def without(url: str, text: str) -> str:
    """A text without what stands in an address and may be secret: its parts but for the host."""
    rest = url.partition("://")[2]
    for part in re.split(r"[/?&=@:#,]", rest):
        for spelled in {part, unquote(part)}:
            if len(spelled) >= 6 and "." not in spelled:
                text = text.replace(spelled, "…")
    return text
