"""A text that is nearly an SPF record beside one that is: its author meant its senders too."""

from collections.abc import Iterable
from dataclasses import dataclass

from collectors.dns.spf.rewrite import Proposal, comparable
from collectors.dns.spf.slips import mend, nearly_a_record
from collectors.net.dns_lookup import Lookup
from collectors.net.dns_records import Texts
from collectors.standards.spf.record import is_spf, parse_leniently, record_text
from collectors.text import Text, _, show_bytes


@dataclass(frozen=True)
class NearRecord:
    """`text` as it stands, and those of its `terms` that let senders in whom the record lacks."""

    text: str
    terms: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The text as it can be shown in a message."""
        return show_bytes(self.text.encode("latin-1"))

    @property
    def note(self) -> Text:
        """What a fix does with it."""
        return _(
            "“{terms}” was taken over from the text that is nearly a record.",
            terms=" ".join(self.terms),
        )


def near_records(apex: Lookup, record: str) -> list[NearRecord]:
    """The texts beside `record` that name senders which it does not; sorted by their text."""
    known = {comparable(t.text) for t in parse_leniently(record).terms}
    found = []
    for raw in sorted(apex.texts):
        better = nearly(apex, raw)
        mended = mend(*better) if better else None
        terms = [t for t in parse_leniently(mended.text).terms if t.name != "all"] if mended else []
        words = [
            f"include:{t.argument}" if t.name == "redirect" else t.text
            for t in terms
            if t.qualifier == "+" or t.name == "redirect"
        ]
        new = dict.fromkeys(w for w in words if comparable(w) not in known)
        if new:
            found.append(NearRecord(record_text(raw), tuple(new)))
    return found


def with_terms_of(near: Iterable[NearRecord], start: Proposal) -> Proposal:
    """What is begun with, and in it the terms of these texts, before its end."""
    text, notes = start.value or "", list(start.notes)
    for text_beside in near:
        known = {comparable(t.text) for t in parse_leniently(text).terms}
        words = [w for w in text_beside.terms if comparable(w) not in known]
        ends = (t.offset for t in parse_leniently(text).terms if t.name in ("all", "redirect"))
        at = next(ends, len(text) + 1)
        text = " ".join(w for w in (text[:at].rstrip(" "), *words, text[at:]) if w)
        notes.append(text_beside.note)
    return Proposal(text, notes)


def nearly(apex: Lookup, raw: bytes) -> tuple[str, list[int]] | None:
    """The record in a text that is nearly one, and its seams; None for a record, and for others."""
    return None if is_spf(raw) else nearly_a_record(raw, seams(apex, record_text(raw)))


def seams(apex: Lookup, text: str) -> list[int]:
    """The offsets at which the strings of this record were joined."""
    for record in apex.records:
        if isinstance(record, Texts) and record.joined == text.encode("latin-1"):
            return [sum(map(len, record.strings[:n])) for n in range(1, len(record.strings))]
    return []
