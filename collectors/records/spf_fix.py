"""What to publish: the customer's own SPF record with as little changed as makes it right. Pure; no lookups."""

import contextlib
import re
from dataclasses import dataclass, field
from ipaddress import ip_address

from collectors.base import Action, Fix, Record
from collectors.standards.spf_record import LOOKUP_TERMS, SpfSyntaxError, scan
from collectors.text import MAX_TEXT, Text, _, show_bytes

MAX_LOOKUPS = 10
MAX_NOTES = 8
# With DMARC in place `~all` is the better end: some receivers refuse on `-all` alone, before they look at a DKIM
# signature that would have passed (forwarded mail). An `-all` that a customer has chosen stays.
DEFAULT_ALL = "~all"

_UNSAFE = {"not_ascii", "control_character"}  # nobody can say what was meant
# What word processors and web pages make of blanks, hyphens and quotation marks, in UTF-8 and in Windows-1252. Another
# character beside them stays, and with it the doubt.
_TYPED = (
    (re.compile("[\\t\\r\\n\\v\\f]|\\xc2?\\xa0|\\xe2\\x80[\\x80-\\x8a\\xa8\\xa9\\xaf]|\\xe3\\x80\\x80"), " "),
    (re.compile("\\xe2\\x80[\\x90-\\x95]|\\xe2\\x88\\x92|[\\x96\\x97]"), "-"),
    (re.compile("\\xe2\\x80[\\x8b-\\x8d\\x98-\\x9f]|\\xef\\xbb\\xbf|\\xe2\\x81\\xa0|[\\x91-\\x94]"), ""),
)


@dataclass
class Proposal:
    """A record to publish. `notes` say what was changed beside the obvious; `value` is None where no record can be said."""

    value: str | None
    notes: list[Text] = field(default_factory=list)


def authorising_terms(*, include, addresses):
    """The terms that let the tenant send: its include, or the addresses themselves where it has none."""
    if include:
        return (f"include:{include.removesuffix('.')}",)
    return tuple(f"ip{ip_address(a).version}:{a}" for a in addresses)


def new_record(terms):
    """A first record for a domain that has none."""
    return Proposal(" ".join(["v=spf1", *terms, DEFAULT_ALL]) if terms else None)


def repaired(text, terms=(), *, drop=(), before=None):
    """The record `text`, repaired, with `terms` put in where they are not there yet.

    They go in before `all` (or before `redirect`), or before the term with index `before`, which would decide first.
    `drop`: indexes of terms to leave out. Everything else stays, in its order; a usable `all` keeps its qualifier.
    """
    kept, notes = _mended(text, drop)
    if kept is None:
        return Proposal(None)
    return Proposal(_assemble(kept, terms, before, notes), notes)


def _mended(text, drop=()):
    """((index, word) pairs, notes): the terms of a record, wrong ones corrected or left out; (None, []) where that is not safe."""
    notes, kept = [], []
    if any(e.why in _UNSAFE for e in scan(text).errors):
        text, typed = as_typed(text), text
        if text != typed:
            drop = ()  # the places are no longer those of the record that was judged
            notes.append(_("Blanks and hyphens of a word processor became plain ones."))
    record = scan(text)
    for entry in sorted([*record.terms, *record.errors], key=lambda t: t.index):
        if isinstance(entry, SpfSyntaxError):
            if entry.why in _UNSAFE or entry.term.lower().startswith("redirect"):
                return None, []
            better = corrected(entry.term)
            if better:
                kept.append((entry.index, better))
                notes.append(_("“{term}” was corrected to “{better}”.", term=entry.term, better=better))
            else:
                notes.append(_("“{term}” was left out; if it stands for a sender, write it in its right form.", term=entry.term))
        elif entry.index in drop:
            notes.append(_("“{term}” was left out.", term=entry.text))
        else:
            kept.append((entry.index, entry.text))
    return kept, notes


def as_typed(text):
    """`text` (a character a byte) with tabs, special blanks, dashes and curly quotes as the keyboard has them."""
    for pattern, plain in _TYPED:
        text = pattern.sub(plain, text)
    return text


def merged(texts, terms=()):
    """One record out of several: the union of their terms in order; the strictest of their ends, `~all` at least."""
    notes, kept, ends, seen = [], [], [], set()
    for text in texts:
        mended, said = _mended(text)
        if mended is None:
            return Proposal(None)
        notes += said
        for term in scan(" ".join(["v=spf1", *(word for _index, word in mended)])).terms:
            word = term.text
            if term.name == "all" and not term.is_modifier:
                ends.append(term.qualifier)
                continue
            if term.name == "redirect" and term.is_modifier:
                word = f"include:{term.argument}"  # its senders stay; two policies cannot both be followed
                notes.append(_("“{term}” became “{better}”, so that its senders stay allowed.", term=term.text, better=word))
            key = "exp" if term.is_modifier and term.name == "exp" else word.lower().removeprefix("+").removesuffix(".")
            if key not in seen:
                seen.add(key)
                kept.append((len(kept), word))
    end = "-all" if "-" in ends else DEFAULT_ALL
    notes.append(_("It ends in “{all}”, the strictest end among the present records.", all=end))
    return Proposal(_assemble([*kept, (len(kept), end)], terms, None, notes), list(dict.fromkeys(notes)))


def _assemble(kept, terms, before, notes):
    """The record's text from (index, word) pairs: `terms` put in, `all` of use and with every mechanism before it."""
    ends = [(index, word) for index, word in kept if _is_all(word)]
    wanted = {t.lower() for t in terms}
    others = [(index, word) for index, word in kept if not _is_all(word)]
    if ends:
        at, last = ends[0]
        idle = [word for _index, word in others if _is_modifier(word, "redirect")]
        notes += [_("“{term}” was left out: it has no effect beside “all”.", term=word) for word in idle]
        others = [(index, word) for index, word in others if word not in idle]
        late = [word for index, word in others if index > at and not _is_modifier(word)]
        if late:
            notes.append(_("Terms moved before “all”, so that they count: {terms}.", terms=" ".join(late)))
        end = last if last[0] in "-~" else DEFAULT_ALL
        if end != last:
            notes.append(_("“{term}” became “{better}”.", term=last, better=end))
    else:
        at, end = len(kept) + max((index for index, _word in kept), default=0), DEFAULT_ALL
        if any(_is_modifier(word, "redirect") for _index, word in others):
            end = ""
        else:
            notes.append(_("It ends in “{all}”: other senders are marked as not authorised.", all=end))
    # A term that is to authorise stays where it works; elsewhere (with `?`, behind `all`, too late) it is taken out.
    working = {word.lower().removeprefix("+") for index, word in others if index < at} & wanted if before is None else set()
    others = [(i, w) for i, w in others if w.lower().lstrip("+?~-") not in wanted - working]
    tail = [word for index, word in others if index > at and _is_modifier(word)]
    head = [(index, word) for index, word in others if index < at or not _is_modifier(word)]
    stop = at if before is None else before
    place = min(i for i, (index, word) in enumerate([*head, (at, "redirect=")]) if _is_modifier(word, "redirect") or stop <= index < at)
    words = [word for _index, word in head]
    added = [t for t in terms if t.lower() not in working]
    return " ".join(["v=spf1", *words[:place], *added, *words[place:], *([end] if end else []), *tail])


def _is_modifier(word, name="[a-z][a-z0-9_.-]*"):
    return bool(re.match(name + "=", word, re.IGNORECASE))


def _is_all(word):
    return word.lower().lstrip("+?~-") == "all"


def corrected(word):
    """A syntactically right term for a usual slip (`ipv4:`, an address under `a:`, a stray `;`), or None."""
    tries = [word.strip("\"';,"), word.strip("\"';,.")]
    bare = tries[-1]
    qualifier, rest = re.fullmatch(r"([+?~-]?)(.*)", bare).groups()
    name, _colon, value = rest.partition(":")
    if name.lower() in ("ip", "ip4", "ip6", "ipv4", "ipv6", "ip4v", "a", "mx") and value:
        address, slash, prefix = value.partition("/")
        with contextlib.suppress(ValueError):
            tries.append(f"{qualifier}ip{ip_address(address).version}:{address}{slash}{prefix}")
    for better in tries:
        if better and better != word and not scan(f"v=spf1 {better}").errors:
            return better
    return None


def lookups_of(value, costs):
    """The lookups that a record costs; `costs` maps a term's text in lower case to what is known of it."""
    return sum(costs.get(t.text.lower().removeprefix("+"), 1) for t in scan(value).effective if t.name in LOOKUP_TERMS)


def sentences(first, *more):
    """Several sentences as one Text, the first MAX_NOTES and then how many more."""
    left_out = len(more) - MAX_NOTES
    if left_out > 0:
        more = (*more[:MAX_NOTES], _("More changes: {n}.", n=left_out))
    for text in more:
        first = _("{first} {second}", first=first, second=text)
    return first


def replacement(*, domain, current, proposal, costs, others=()):
    """The Fix that puts one record in the place of `current` (and of `others`, which are removed)."""
    if proposal.value is None or (proposal.value == current and not others):
        return None
    if proposal.value in others:  # it is published already: to publish it once more and to remove it would leave nothing
        others = [t for t in (current, *others) if t != proposal.value]
        current = proposal.value
    if max(len(t) for t in (proposal.value, current, *others)) > MAX_TEXT:
        return None  # no record of that length is of any use; what is wrong with it says what to do
    current, *others = (show_bytes(t.encode("latin-1")) for t in (current, *others))
    records = [Record("TXT", domain, proposal.value, Action.REPLACE, current)]
    records += [Record("TXT", domain, other, Action.REMOVE, other) for other in others]
    first = (
        _("Put this record in the place of the present ones; a domain has only one SPF record.")
        if others
        else _("Put this record in the place of the present one; never publish a second SPF record.")
    )
    return Fix(sentences(first, *_warnings(proposal.value, costs), *proposal.notes), tuple(records))


def addition(*, domain, proposal, costs, instead_of=None, misplaced=()):
    """The Fix for a domain without a record; `instead_of` is a text at the same name that fails to be one, `misplaced`
    (name, text) pairs that are of no use where they are."""
    if proposal.value is None:
        return Fix(_("Publish one TXT record at {domain} that starts with “v=spf1” and names every server that sends.", domain=domain))
    action = Action.REPLACE if instead_of else Action.ADD
    records = [Record("TXT", domain, proposal.value, action, instead_of)]
    shown = [(name, show_bytes(text.encode("latin-1"))) for name, text in misplaced]
    records += [Record("TXT", name, text, Action.REMOVE, text) for name, text in shown]
    first = _("Publish this TXT record at {domain}; if the domain has other senders, name them in it too.", domain=domain)
    return Fix(sentences(first, *_warnings(proposal.value, costs), *proposal.notes), tuple(records))


def without_type_99(domain, texts):
    """The Fix that takes records of the obsolete type away."""
    shown = [show_bytes(t) for t in texts]
    brief = sum(map(len, shown)) <= MAX_TEXT
    return Fix(_("Remove all records of the type SPF."), tuple(Record("SPF", domain, t, Action.REMOVE, t) for t in shown if brief))


def _warnings(value, costs):
    count = lookups_of(value, costs)
    if count > MAX_LOOKUPS:
        yield _(
            "Attention: the record then needs DNS lookups: {n} (limit {limit}). Take out what is no longer used.",
            n=count,
            limit=MAX_LOOKUPS,
        )
