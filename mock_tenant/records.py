"""Records of a zone: from the forms in which a zone is written to dnspython's objects, every
byte kept, legal or not."""

import base64
import struct

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

IN = dns.rdataclass.IN


def to_bytes(text):
    """Bytes of a zone string: latin-1 where it fits, so "\\xEF" is one byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def to_name(text):
    """dns.name.Name of a zone name; every byte is kept, none is IDNA-mapped."""
    escaped = "".join(
        chr(b) if 33 <= b <= 126 and chr(b) not in '"$();@' else f"\\{b:03d}"
        for b in to_bytes(str(text))
    )
    return dns.name.from_text(escaped or ".", dns.name.root)


def _strings(value):
    """Character-strings of a TXT value: always at least one, each <= 255 bytes."""
    if isinstance(value, dict):
        if "hex" in value:
            raw = [bytes.fromhex(value["hex"])]
        elif "b64" in value:
            raw = [base64.b64decode(value["b64"])]
        elif "repeat" in value:
            raw = [to_bytes(str(value["repeat"][0])) * int(value["repeat"][1])]
            raw = [
                to_bytes(str(value.get("prefix", "")))
                + raw[0]
                + to_bytes(str(value.get("suffix", "")))
            ]
        else:
            raise ValueError(f"unknown TXT form: {value!r}")
    elif isinstance(value, (list, tuple)):
        raw = [to_bytes(str(v)) for v in value]
    else:
        raw = [to_bytes(str(value))]
    out = []
    for chunk in raw:
        out += [chunk[i : i + 255] for i in range(0, len(chunk), 255)] or [b""]
    return out or [b""]


def make_rdatas(rtype, value):
    """dns.rdata objects of one zone value (several with `generate`)."""
    rdtype = dns.rdatatype.from_text(rtype)
    if isinstance(value, dict) and "raw_hex" in value:
        return [dns.rdata.GenericRdata(IN, rdtype, bytes.fromhex(value["raw_hex"]))]
    if isinstance(value, dict) and "generate" in value:
        out = []
        for i in range(int(value["generate"])):
            text = value["format"].format(i=i, hi=i >> 8, lo=i & 255)
            out += make_rdatas(rtype, text)
        return out
    if rtype in ("TXT", "SPF"):
        strings = _strings(value)
        wire = b"".join(bytes([len(s)]) + s for s in strings)
        if len(wire) > 65000:
            raise ValueError("TXT record over 65000 bytes cannot be carried")
        return [dns.rdata.GenericRdata(IN, rdtype, wire)]
    if rtype == "MX":
        pref, host = value if isinstance(value, (list, tuple)) else str(value).split(None, 1)
        wire = struct.pack("!H", int(pref)) + to_name(host).to_wire()
        return [dns.rdata.GenericRdata(IN, rdtype, wire)]
    if rtype in ("CNAME", "PTR", "NS", "DNAME"):
        return [dns.rdata.GenericRdata(IN, rdtype, to_name(value).to_wire())]
    return [dns.rdata.from_text(IN, rdtype, str(value), origin=dns.name.root)]
