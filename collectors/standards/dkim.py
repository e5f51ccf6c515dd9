"""DKIM key records: the tag list and the public key in it (RFC 6376 sections 3.2 and 3.6.1, RFC 8301, RFC 8463).

No I/O. A key is kept as its material, so that two records can be compared whatever encoding each one chose.
"""

import binascii
import hashlib
import re
from dataclasses import dataclass, field

from collectors.text import Text, _, show_bytes

MAX_RECORD = 65_535  # bytes; DNS carries no more
MAX_BITS = 16_384  # of an RSA modulus; nothing that verifies mail takes more

_FOLDED = re.compile(rb"\r\n(?=[ \t])")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(rb"[\x21-\x3a\x3c-\x7e \t]*")
_SPACE = re.compile(r"[ \t]+")
_RSA_ALGORITHM = bytes.fromhex("06092a864886f70d010101")  # rsaEncryption, as a whole OBJECT IDENTIFIER
_NULL = bytes.fromhex("0500")
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


class KeyRecordError(ValueError):
    """Not a DKIM key record that a verifier would use; `message` is the sentence that says why.

    `kind`: "syntax" (the tag list or the key is broken), "version" (a key record of another version) or "foreign"
    (another kind of text altogether, such as an SPF record).
    """

    def __init__(self, kind, message: Text):
        super().__init__(str(message))
        self.kind, self.message = kind, message


@dataclass(frozen=True)
class Key:
    """A public key. `material` is its canonical SubjectPublicKeyInfo (DER): equal material is the same key."""

    type: str  # rsa or ed25519
    bits: int
    material: bytes = field(repr=False)

    @property
    def fingerprint(self):
        """SHA-256 of the material in hex, as `openssl pkey -pubin -outform DER | sha256sum` shows it."""
        return hashlib.sha256(self.material).hexdigest()

    @property
    def label(self):
        """Type and size in words."""
        return _("Ed25519") if self.type == "ed25519" else _("RSA, {bits} bits", bits=self.bits)


@dataclass(frozen=True)
class KeyRecord:
    """A key record that parses. `key` is None where it is revoked or of a type that no standard knows."""

    tags: tuple[tuple[str, str], ...]
    key_type: str
    key: Key | None

    def list_of(self, tag, default=""):
        """The colon-separated values of a tag, in lower case (their ABNF is case-insensitive)."""
        return [item.strip().lower() for item in dict(self.tags).get(tag, default).split(":")]

    @property
    def revoked(self):
        """Whether `p` is empty (RFC 6376, 3.6.1)."""
        return not dict(self.tags)["p"]

    @property
    def testing(self):
        """Whether the domain says that it only tests DKIM (`t=y`)."""
        return "y" in self.list_of("t")

    @property
    def for_email(self):
        """Whether the services of `s` include e-mail; they do where it is left out."""
        return not {"*", "email"}.isdisjoint(self.list_of("s", "*"))

    @property
    def allows_sha256(self):
        """Whether `h` lets SHA-256 be used, the one hash that RFC 8301 leaves; it does where it is left out."""
        return "sha256" in self.list_of("h", "sha256")

    def text(self, **changes):
        """The record as text with tags changed (`h=None` takes one out); what it says besides is kept, also its order."""
        kept = [(name, changes.get(name, value)) for name, value in self.tags]
        return "; ".join(f"{name}={value}" for name, value in kept if value is not None)


def parse(raw):
    """The `KeyRecord` in the bytes of a TXT record (its strings already joined); raises KeyRecordError and nothing else."""
    if len(raw) > MAX_RECORD:
        raise KeyRecordError("syntax", _("The record is too large: {n} bytes.", n=len(raw)))
    tags = _tags(raw)
    names = [name for name, _value in tags]
    values = dict(tags)
    if "v" in values and values["v"] != "DKIM1":
        if values["v"].endswith("\\"):
            raise KeyRecordError("syntax", _why(raw, b"v"))
        if re.match(r"DKIM1[ ,].*=", values["v"]):
            raise KeyRecordError("syntax", _("Its parts are not separated by semicolons."))
        named = values["v"].upper()
        kind = "version" if named.startswith("DKIM") or ("p" in values and not named.startswith("DMARC")) else "foreign"
        raise KeyRecordError(kind, _("It starts with “v={version}”, and a key record with “v=DKIM1”.", version=values["v"][:60]))
    if "v" in values and names[0] != "v":
        raise KeyRecordError("syntax", _("“v=DKIM1” is not the first tag."))
    if "p" not in values:
        raise KeyRecordError("syntax" if "v" in values else "foreign", _("It has no “p=” tag, which would hold the key."))
    key_type = values.get("k", "rsa").lower()
    key = None
    if values["p"] and key_type in ("rsa", "ed25519"):
        key = parse_key(values["p"], key_type)
    return KeyRecord(tuple(tags), key_type, key)


def looks_like_key(raw):
    """Whether a TXT record is meant to be a DKIM key, well-formed or not; it may stand where keys do not belong."""
    if re.match(rb"[ \t\"(]*v[ \t]*=[ \t]*DKIM", raw[:100], re.IGNORECASE):
        return True
    try:
        return parse(raw).key is not None
    except KeyRecordError:
        return False


def _tags(raw):
    """[(name, value without outer blanks)] of a tag list (RFC 6376, 3.2); `p` without any blank, as it is base64."""
    parts = _FOLDED.sub(b"", raw).split(b";")
    if not parts[-1].strip(b" \t"):
        parts.pop()
    if not parts:
        raise KeyRecordError("syntax", _("It is empty."))
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip(b" \t") for piece in part.partition(b"="))
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            kind = "syntax" if re.search(rb"(^|[;\s\"])(v=DKIM|p=)", raw[:2000], re.IGNORECASE) else "foreign"
            raise KeyRecordError(kind, _why(raw, part))
        if name.decode() in tags:
            raise KeyRecordError("syntax", _("The tag “{name}=” stands in it more than once.", name=name.decode()[:60]))
        tags[name.decode()] = _SPACE.sub("" if name == b"p" else " ", value.decode())
    return list(tags.items())


def _why(raw, part):
    """The sentence for a tag list that is none, with the usual causes first."""
    if b"\\;" in raw:
        return _("It holds backslashes before its semicolons; they are the syntax of zone files and do not belong in the record.")
    if b'"' in raw:
        return _("It holds quotation marks; they are the syntax of zone files and do not belong in the record.")
    if not part.strip():
        return _("There is an empty place between two semicolons.")
    if not _VALUE.fullmatch(part.strip(b" \t")):
        return _("“{part}” holds bytes that a key record cannot have.", part=show_bytes(part.strip()[:60]))
    return _("“{part}” is not of the form name=value.", part=show_bytes(part.strip()[:60]))


def parse_key(text, key_type=None):
    """The `Key` in the base64 text of a `p=` tag; raises KeyRecordError.

    RSA keys are accepted in both encodings that verifiers accept: RSAPublicKey, which RFC 6376 names, and
    SubjectPublicKeyInfo, which nearly everybody publishes.
    Ed25519 is the bare 32 bytes (RFC 8463, 4.2). Without `key_type`, 32 bytes are Ed25519.
    """
    packed = re.sub(r"[ \t\r\n]+", "", text)
    try:
        raw = binascii.a2b_base64(packed.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise KeyRecordError("syntax", _why_not_base64(packed)) from None
    if key_type is None:
        key_type = "ed25519" if len(raw) == 32 else "rsa"
    if key_type == "ed25519":
        return _ed25519(raw)
    if raw.startswith(_ED25519_SPKI) or len(raw) == 32:
        raise KeyRecordError("syntax", _("“p=” holds an Ed25519 key, but “k=ed25519” is not there to say so."))
    try:
        return _rsa(raw)
    except _DerError:
        raise KeyRecordError("syntax", _("“p=” does not hold an RSA public key: it is cut off, damaged or of another kind.")) from None


def _why_not_base64(packed):
    if "-----" in packed:
        return _("“p=” holds the header lines of a key file; only the base64 lines between them belong there.")
    if re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", packed):
        return _("“p=” is cut off: its base64 text is incomplete.")
    return _("“p=” holds characters that are not base64.")


def _ed25519(raw):
    if len(raw) == 32:
        return Key("ed25519", 256, _ED25519_SPKI + raw)
    if raw.startswith(_ED25519_SPKI) and len(raw) == 44:
        raise KeyRecordError("syntax", _("The Ed25519 key is wrapped in ASN.1 (44 bytes); “p=” takes the bare 32 bytes of the key."))
    raise KeyRecordError("syntax", _("An Ed25519 key has 32 bytes, and “p=” holds {n}.", n=len(raw)))


# -- DER, as much of it as two shapes of an RSA key need. A short or odd key is to be told as what it is, and a library
#    made for using keys refuses to read it.


class _DerError(Exception):
    pass


def _rsa(raw):
    """The key in an RSAPublicKey or in a SubjectPublicKeyInfo around one."""
    body = _only(raw, 0x30)
    if body[:1] == b"\x30":
        algorithm, rest = _take(body, 0x30)
        if algorithm not in (_RSA_ALGORITHM, _RSA_ALGORITHM + _NULL):  # its parameters are NULL, or left out
            raise _DerError
        bits = _only(rest, 0x03)
        if bits[:1] != b"\x00":  # unused bits
            raise _DerError
        body = _only(bits[1:], 0x30)
    modulus, rest = _take(body, 0x02)
    exponent = _only(rest, 0x02)
    if not modulus or not exponent or modulus[0] & 0x80 or exponent[0] & 0x80:
        raise _DerError
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    if n.bit_length() > MAX_BITS or n < 15 or not n & 1 or e < 3 or not e & 1 or e >= n:
        raise _DerError
    inner = _der(0x30, _integer(n) + _integer(e))
    return Key("rsa", n.bit_length(), _der(0x30, _der(0x30, _RSA_ALGORITHM + _NULL) + _der(0x03, b"\x00" + inner)))


def _take(data, tag):
    """(content, rest) of the first element of `data`, which must have this tag."""
    if len(data) < 2 or data[0] != tag:
        raise _DerError
    length, at = data[1], 2
    if length & 0x80:
        size = length & 0x7F
        at += size
        if not 1 <= size <= 3 or len(data) < at:
            raise _DerError
        length = int.from_bytes(data[2:at], "big")
    if len(data) < at + length:
        raise _DerError
    return data[at : at + length], data[at + length :]


def _only(data, tag):
    content, rest = _take(data, tag)
    if rest:
        raise _DerError
    return content


def _der(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _integer(number):
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))
