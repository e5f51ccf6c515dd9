"""The text of a sound record, rewritten with as little changed as makes it right. Pure; no lookups.

Terms are moved or added. What is left out is named by whoever calls, and noted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from collectors.dns.spf.slips import Mended, asks_by_mail
from collectors.standards.spf.record import parse_leniently
from collectors.text import Text, _

# With DMARC in place `~all` is the better end: some receivers refuse on `-all` alone, before they
# look at a DKIM signature that would have passed (forwarded mail). A customer's own `-all` stays.
DEFAULT_ALL = "~all"

_Words = list[tuple[int, str]]  # terms, each with the place that it has in the order


@dataclass
class Proposal:
    """A record to publish; None where none can be said. `notes`: what was changed."""

    value: str | None
    notes: list[Text] = field(default_factory=list)


def authorising_terms(*, include: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """The terms that let the tenant send: its include, or the addresses where it has none."""
    if include:
        return (f"include:{include.removesuffix('.')}",)
    return tuple(f"ip{ip_address(a).version}:{a}" for a in addresses)


def new_record(terms: Sequence[str]) -> Proposal:
    """A first record for a domain that has none."""
    return Proposal(" ".join(["v=spf1", *terms, DEFAULT_ALL]) if terms else None)


def rewritten(
    text: str,
    terms: Sequence[str] = (),
    *,
    drop: Mapping[int, Text] | None = None,
    before: int | None = None,
) -> Proposal:
    """The record `text`, which has no errors, with `terms` put in where they are not there yet.

    They go in before `all` (or before `redirect`), or before the term with index `before`, which
    would decide first. `drop`: the indexes of terms to leave out, each with the sentence that says
    so. Everything else stays, in its order; a usable `all` keeps its qualifier.
    """
    drop = drop or {}
    notes = list(drop.values())
    kept = [(t.index, t.text) for t in parse_leniently(text).terms if t.index not in drop]
    return Proposal(_assembled(kept, terms, before, notes), notes)


def merged(
    records: Iterable[Mended], terms: Sequence[str] = (), *, cheapest_first: bool = False
) -> Proposal:
    """One record out of several: the union of their terms in order.

    Records with terms that refuse come last, so that nobody is refused whom another record lets
    send; and so do includes with macros, which are an error for mail that they do not know. It
    ends in the strictest of their ends, `~all` at least. `cheapest_first`: before a term that may
    find nothing, those that look up nothing; an error at the one would stop the others' mail.
    """
    notes: list[Text] = []
    kept: list[str] = []
    ends: list[str] = []
    seen: set[str] = set()
    records = sorted(records, key=_refuses)
    for mended in records:
        notes += mended.notes
        for term in parse_leniently(mended.text).terms:
            if term.name == "all" and not term.is_modifier:
                ends.append(term.qualifier)
                continue
            word = term.text
            if term.name == "redirect" and term.is_modifier:
                word = f"include:{term.argument}"  # two policies cannot both be followed
                notes.append(
                    _(
                        "“{term}” became “{better}”, so that its senders stay allowed.",
                        term=term.text,
                        better=word,
                    )
                )
            key = "exp" if term.name == "exp" and term.is_modifier else comparable(word)
            if key not in seen:
                seen.add(key)
                kept.append(word)
    kept.sort(key=asks_by_mail)
    if cheapest_first and not any(map(_refuses, records)):
        kept.sort(key=lambda word: (asks_by_mail(word), not word.lower().startswith("ip")))
    end = "-all" if "-" in ends else DEFAULT_ALL
    notes.append(_("It ends in “{all}”, the strictest end among the present records.", all=end))
    text = _assembled(list(enumerate([*kept, end])), terms, None, notes)
    return Proposal(text, list(dict.fromkeys(notes)))


def _refuses(mended: Mended) -> bool:
    directives = parse_leniently(mended.text).directives
    return any(t.qualifier != "+" and t.name != "all" for t in directives)


def _assembled(kept: _Words, terms: Sequence[str], before: int | None, notes: list[Text]) -> str:
    """The record's text: `terms` put in, `all` of use and with every mechanism before it."""
    ends = [(index, word) for index, word in kept if _is_all(word)]
    others = [(index, word) for index, word in kept if not _is_all(word)]
    if ends:
        at, last = ends[0]
        unused = [word for _index, word in others if _is_modifier(word, "redirect")]
        notes += [
            _("“{term}” was left out: it has no effect beside “all”.", term=word) for word in unused
        ]
        others = [(index, word) for index, word in others if word not in unused]
        late = [word for index, word in others if index > at and not _is_modifier(word)]
        if late:
            notes.append(
                _("Terms moved before “all”, so that they count: {terms}.", terms=" ".join(late))
            )
        end = last if last[0] in "-~" else DEFAULT_ALL
        if end != last:
            notes.append(_("“{term}” became “{better}”.", term=last, better=end))
    else:
        at, end = len(kept) + max((index for index, _word in kept), default=0), DEFAULT_ALL
        if any(_is_modifier(word, "redirect") for _index, word in others):
            end = ""
        else:
            notes.append(
                _("It ends in “{all}”: other senders are marked as not authorised.", all=end)
            )
    # A term that is to authorise stays where it works; elsewhere (with `?`, behind `all`, too late)
    # it is taken out and put in anew.
    wanted = {comparable(t) for t in terms}
    working = {comparable(word) for index, word in others if index < at} & wanted
    working = working if before is None else set()
    moved = {comparable(w).lstrip("?~-") for _i, w in others} & wanted - working
    others = [(i, w) for i, w in others if comparable(w).lstrip("?~-") not in wanted - working]
    tail = [word for index, word in others if index > at and _is_modifier(word)]
    head = [(index, word) for index, word in others if index < at or not _is_modifier(word)]
    stop = at if before is None else before
    place = min(
        i
        for i, (index, word) in enumerate([*head, (at, "redirect=")])
        if _is_modifier(word, "redirect") or stop <= index < at
    )
    words = [word for _index, word in head]
    added = [t for t in terms if comparable(t) not in working]
    notes += [
        _("“{term}” was moved to where it is met in time.", term=t)
        if comparable(t) in moved
        else _("“{term}” was added, so that the mail server may send.", term=t)
        for t in added
    ]
    return " ".join(
        ["v=spf1", *words[:place], *added, *words[place:], *([end] if end else []), *tail]
    )


def comparable(term: str) -> str:
    """A term such that equal ones mean the same; the letters of macros keep their case."""
    text = term.removeprefix("+").removesuffix(".")
    return text if "%" in text else text.lower()


def _is_modifier(word: str, name: str = "[a-z][a-z0-9_.-]*") -> bool:
    return bool(re.match(name + "=", word, re.IGNORECASE))


def _is_all(word: str) -> bool:
    return word.lower().lstrip("+?~-") == "all"
