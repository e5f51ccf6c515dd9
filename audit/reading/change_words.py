"""What the sentences about changes share: how they are said, and parts of two evidences.

Evidence may be of an earlier version, cut, or a hostile zone's: what has not the expected shape
says nothing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from audit.results.evidence import texts_of
from collectors.stored import Evidence
from collectors.text import clean, fill

VALUES = 5  # of one sentence; of more it says how many
LONGEST = 80  # characters of one value
PRINT = 8  # of a fingerprint's 64 digits
Pair = Sequence[Any]  # a part of the evidence before, and after


class Said:
    """The sentences that are said; values are cleaned, cut and counted."""

    def __init__(self, own: Collection[str]) -> None:
        self.sentences: list[str] = []
        self.own = own

    def say(self, sentence: str, **values: object) -> None:
        """A sentence with its places filled; of a list the first VALUES."""
        shown = {
            name: _listed(value) if isinstance(value, list) else _shown(value)
            for name, value in values.items()
        }
        self.sentences.append(fill(sentence, shown))

    def moved(self, sentence: str, pair: Pair, **values: object) -> None:
        """A sentence with `before` and `after`, where the two are texts or numbers that differ."""
        before, after = pair
        if before != after and is_plain(before) and is_plain(after):
            self.say(sentence, before=before, after=after, **values)

    def turned(self, pair: Pair, *, on: str, off: str) -> None:
        """The one sentence or the other, where a yes became a no or the other way round."""
        if tuple(pair) in ((False, True), (True, False)):
            self.say(on if pair[1] else off)

    def exchanged(self, pair: Pair, *, added: str, removed: str, **values: object) -> None:
        """What a list has more, and what it has less, in its order."""
        more, less = difference(*pair)
        if more:
            self.say(added, values=more, **values)
        if less:
            self.say(removed, values=less, **values)


def addresses(
    said: Said, before: Evidence, after: Evidence, *, leads: str, gone: str, **values: object
) -> None:
    """That a name leads elsewhere (`leads`) or nowhere (`gone`), where both sides have all of their
    addresses: one family of them may not have been looked up (`unseen`)."""
    sides = before, after
    if all(isinstance(s.get("addresses"), list) and not s.get("unseen") for s in sides):
        old, new = (sorted(texts_of(side["addresses"])) for side in sides)
        if old != new:
            were = old or [_("no address")]
            said.say(leads if new else gone, before=were, after=new, **values)


def pair_of(
    before: Mapping[str, Any], after: Mapping[str, Any], name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The objects that both sides have under a name; two empty ones unless both are whole."""
    one, other = before.get(name, {}), after.get(name, {})
    return (one, other) if isinstance(one, dict) and isinstance(other, dict) else ({}, {})


def lists_of(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> Pair:
    """Two lists of texts; two empty ones unless both sides have theirs."""
    sides = before.get(name), after.get(name)
    if not all(isinstance(side, list) for side in sides):
        return [], []
    return texts_of(sides[0]), texts_of(sides[1])


def difference(old: Iterable[str], new: Iterable[str]) -> tuple[list[str], list[str]]:
    """(added, removed), each in its order; what stands twice counts twice."""
    old, new = list(old), list(new)
    return list((Counter(new) - Counter(old)).elements()), list(
        (Counter(old) - Counter(new)).elements()
    )


def print_of(holder: Mapping[str, Any]) -> str:
    """The beginning of a fingerprint."""
    text = holder.get("sha256")
    return text[:PRINT] if isinstance(text, str) else ""


def is_plain(value: object) -> bool:
    """A text or a number."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return clean(str(value), LONGEST)


def _listed(values: list[str]) -> str:
    text = ", ".join(_shown(value) for value in values[:VALUES])
    more = len(values) - VALUES
    return fill(_("{values} and {n} more"), {"values": text, "n": more}) if more > 0 else text
