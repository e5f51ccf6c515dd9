"""Records as DNS zones write them (RFC 1035, section 5; RFC 7208, section 3.3): what a customer is
to publish, as text that name servers and the imports of DNS panels read.

What is to be taken out stands in comments only, so that whoever loads the text loses nothing.
"""

from collections.abc import Sequence

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from collectors.base import Action, DnsRecord
from collectors.names import is_below
from collectors.text import clean

TTL = 3600  # seconds; an hour: a slip is mended soon, and caches work
TXT_STRING = 255  # bytes that one string of a TXT record holds (RFC 1035, section 3.3.14)


def strings_of(value: str) -> list[str]:
    """The strings of a TXT record with this value, each 255 bytes at most and no character cut."""
    parts, part, size = [], "", 0
    for char in value:
        width = len(char.encode())
        if size + width > TXT_STRING:
            parts.append(part)
            part, size = "", 0
        part, size = part + char, size + width
    return [*parts, part]


def quoted(value: str) -> str:
    """A TXT value as its strings in quotation marks, which is how zones and some panels take it."""
    parts = (p.replace("\\", "\\\\").replace('"', '\\"') for p in strings_of(value))
    return " ".join(f'"{p}"' for p in parts)


def relative(name: str, zone: str) -> str:
    """An owner name as DNS panels take it, within its zone: `@`, `_dmarc`; '' outside of it."""
    if name == zone:
        return "@"
    return name.removesuffix(f".{zone}") if zone and is_below(name, zone) else ""


def line_of(rdtype: str, name: str, value: str, zone: str) -> str:
    """One record as a line of its zone's file, its own name relative and those that it leads to
    whole. ValueError for one that no zone can hold.
    """
    try:
        origin = dns.name.from_text(zone)
        owner = dns.name.from_text(name).choose_relativity(origin)
        text = quoted(value) if rdtype == "TXT" else value
        rdata = dns.rdata.from_text(
            dns.rdataclass.IN,
            dns.rdatatype.from_text(rdtype),
            _ascii(text),
            origin=dns.name.root,
            relativize=False,
        )
        return f"{owner} {TTL} IN {rdtype} {rdata.to_text()}"
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(str(error)) from None


def _ascii(text: str) -> str:
    """Bytes that are not ASCII as zones write them, `\\DDD` (RFC 1035, section 5.1)."""
    return "".join(
        chr(b) if 32 <= b < 127 else f"\\{b:03d}" for b in text.encode("utf-8", "surrogateescape")
    )


def zone_snippet(
    records: Sequence[DnsRecord], *, zone: str, says: Sequence[str] = (), remove: str = "remove"
) -> str:
    """These records as part of a zone's file, with `$ORIGIN`; '' where there are none.

    `says`: lines of comment for its head; `remove`: the word before what is to be taken out. Every
    record to publish is a line; what it replaces, what is to be removed, and what lies in no zone
    of the customer's is a comment.
    """
    if not records:
        return ""
    lines = [*(_comment(line) for line in says), f"$ORIGIN {dns.name.from_text(zone)}"]
    gone = [r for r in records if r.action != Action.ADD and not _stays(r)]
    lines += [
        _comment(f"{remove}: {_shown(r.type, r.name, r.current or r.value, zone)}") for r in gone
    ]
    for record in records:
        if record.action == Action.REMOVE or _stays(record):
            continue
        line = _shown(record.type, record.name, record.value, zone)
        loads = is_below(record.name, zone) and _is_record(record, zone)
        lines.append(line if loads else _comment(line))
    return "\n".join(lines) + "\n"


def _stays(record: DnsRecord) -> bool:
    """Whether it stands there already, and is named to be kept."""
    return record.action == Action.REPLACE and record.current == record.value


def _is_record(record: DnsRecord, zone: str) -> bool:
    try:
        return bool(line_of(record.type, record.name, record.value, zone))
    except ValueError:
        return False


def _shown(rdtype: str, name: str, value: str, zone: str) -> str:
    """A record's line, or what is known of one that no zone can hold."""
    try:
        return line_of(rdtype, name, value, zone)
    except ValueError:
        return f"{name} {rdtype} {value}"


def _comment(text: str) -> str:
    return "; " + " ".join(clean(text).split())
