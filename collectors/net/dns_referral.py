"""A referral: the name servers that a zone's parent names for it, and their glue (RFC 1034, 4.3.2).

Read within the bounds of `collectors/net/dns_reader.py`.
"""

import struct
from dataclasses import dataclass

import dns.exception
import dns.rcode

from collectors.net.dns_reader import MAX_RECORDS, Reader
from collectors.net.dns_records import AAAA, IN, NS, A, address
from collectors.net.dns_wire import QR, QR_AND_OPCODE, TC, NoDnsMessage, Question, TooMuch

_SIZES = {A: 4, AAAA: 16}


@dataclass(frozen=True)
class Referral:
    """`zone`: whose name servers these are, "" where the answer names none for what was asked.

    `servers`: their names, as they came; `glue`: addresses that came along, by name.
    """

    rcode: int = dns.rcode.NOERROR
    truncated: bool = False
    zone: str = ""
    servers: tuple[str, ...] = ()
    glue: tuple[tuple[str, str], ...] = ()


def read_referral(wire: bytes, question: Question) -> Referral:
    """What an answer to a question for NS refers to; raises NoDnsMessage or TooMuch.

    Whose server has both zones answers with the records themselves: they count as well.
    """
    try:
        return _ReferralReader(wire, question).referral()
    except (struct.error, IndexError, dns.exception.DNSException, ValueError) as error:
        if isinstance(error, TooMuch):
            raise
        raise NoDnsMessage(str(error)) from None


class _ReferralReader(Reader):
    def referral(self) -> Referral:
        message_id, flags, questions, *counts = struct.unpack_from("!6H", self.wire)
        if message_id != self.question.id or flags & QR_AND_OPCODE != QR:
            raise NoDnsMessage("another message")
        if flags & TC:
            return Referral(truncated=True)
        at = self._question(questions, flags)
        if sum(counts) > MAX_RECORDS:
            raise TooMuch(f"{sum(counts)} records")
        zones: dict[str, dict[str, None]] = {}
        glue: dict[tuple[str, str], None] = {}
        asked = f".{self.question.name}"
        for number, raw in enumerate(self._records(at, sum(counts))):
            if raw.rdclass != IN:
                continue
            if raw.rdtype == NS and number < counts[0] + counts[1]:
                owner = self._name(raw.owner)[0].text
                if owner and asked.endswith(f".{owner}"):
                    name = self._last_name(raw.start, raw.end).text
                    zones.setdefault(owner, {})[name] = None
            elif number >= counts[0] + counts[1] and raw.rdtype in _SIZES:
                if raw.end - raw.start != _SIZES[raw.rdtype]:
                    raise NoDnsMessage("an address of another size")
                text = address(self.wire[raw.start : raw.end]).address
                glue[self._name(raw.owner)[0].text, text] = None
        zone = max(zones, key=len, default="")
        servers = tuple(zones.get(zone, ()))
        return Referral(
            flags & 0xF, False, zone, servers, tuple(g for g in glue if g[0] in servers)
        )
