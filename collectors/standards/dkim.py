"""DKIM key records: the tag list and the public key in it (RFC 6376 3.2 and 3.6.1, RFC 8301, 8463).

No I/O. A key is kept as its material, so that two records can be compared whatever encoding each
one chose.
"""

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from collectors.text import Text, _, show_bytes

MAX_RECORD = 65_535  # bytes; DNS carries no more
MAX_BITS = 16_384  # of an RSA modulus; nothing that verifies mail takes more
MIN_BITS, GOOD_BITS = (
    1024,
    2048,
)  # RFC 8301, 3.2: shorter ones must not verify; sign with the longer
MAX_KEYS_SEEN = 10  # of one domain that are remembered

_FOLDED = re.compile(rb"\r\n(?=[ \t])")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(rb"[\x21-\x3a\x3c-\x7e \t]*")
_SPACE = re.compile(r"[ \t]+")
_RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")  # its OBJECT IDENTIFIER
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


class KeyRecordError(ValueError):
    """Not a DKIM key record that a verifier would use; `message` is the sentence that says why.

    `kind`: "syntax" (the tag list or the key is broken), "version" (a key record of another
    version) or "foreign" (another kind of text altogether, such as an SPF record).
    """

    def __init__(self, kind: str, message: Text) -> None:
        super().__init__(str(message))
        self.kind, self.message = kind, message


@dataclass(frozen=True)
class PublicKey:
    """`material` is its SubjectPublicKeyInfo (DER): equal material is the same key."""

    type: str  # rsa or ed25519
    bits: int
    material: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the material in hex, as `openssl pkey -pubin -outform DER | sha256sum`."""
        return hashlib.sha256(self.material).hexdigest()

    @property
    def label(self) -> Text:
        """Type and size in words."""
        return _("Ed25519") if self.type == "ed25519" else _("RSA, {bits} bits", bits=self.bits)

    @property
    def is_strong(self) -> bool:
        """Whether nothing is to be said against its length."""
        return self.type != "rsa" or self.bits >= GOOD_BITS


@dataclass(frozen=True)
class KeyRecord:
    """A key record that parses; `key` is None if it is revoked or of a type no standard knows."""

    tags: tuple[tuple[str, str], ...]
    key_type: str
    key: PublicKey | None

    def list_of(self, tag: str, default: str = "") -> list[str]:
        """The colon-separated values of a tag, in lower case (their ABNF is case-insensitive)."""
        return [item.strip().lower() for item in dict(self.tags).get(tag, default).split(":")]

    @property
    def revoked(self) -> bool:
        """Whether `p` is empty (RFC 6376, 3.6.1)."""
        return not dict(self.tags)["p"]

    @property
    def testing(self) -> bool:
        """Whether the domain says that it only tests DKIM (`t=y`)."""
        return "y" in self.list_of("t")

    @property
    def for_email(self) -> bool:
        """Whether the services of `s` include e-mail; they do where it is left out."""
        return not {"*", "email"}.isdisjoint(self.list_of("s", "*"))

    @property
    def allows_sha256(self) -> bool:
        """Whether `h` lets SHA-256 be used, the one hash that RFC 8301 leaves."""
        return "sha256" in self.list_of("h", "sha256")

    @property
    def is_flawless(self) -> bool:
        """Whether nothing is to be said against it, whoever's key it is."""
        return bool(
            self.key
            and self.key.is_strong
            and self.allows_sha256
            and self.for_email
            and not self.testing
        )

    def text(self, **changes: str | None) -> str:
        """The record as text with tags changed (`h=None`: taken out); the rest is kept in order."""
        kept = [(name, changes.get(name, value)) for name, value in self.tags]
        return "; ".join(f"{name}={value}" for name, value in kept if value is not None)


def parse_key_record(raw: bytes) -> KeyRecord:
    """The `KeyRecord` in the bytes of a TXT record (its strings joined); raises KeyRecordError."""
    if len(raw) > MAX_RECORD:
        raise KeyRecordError("syntax", _("The record is too large: {n} bytes.", n=len(raw)))
    tags = _tags(raw)
    values = dict(tags)
    if values.get("v", "DKIM1") != "DKIM1":
        raise _of_version(raw, values)
    if "v" in values and tags[0][0] != "v":
        raise KeyRecordError("syntax", _("“v=DKIM1” is not the first tag."))
    if "p" not in values:
        kind = "syntax" if "v" in values else "foreign"
        raise KeyRecordError(kind, _("It has no “p=” tag, which would hold the key."))
    key_type = values.get("k", "rsa").lower()
    key = None
    if values["p"] and key_type in ("rsa", "ed25519"):
        key = parse_key(values["p"], key_type)
    return KeyRecord(tuple(tags), key_type, key)


def _of_version(raw: bytes, values: dict[str, str]) -> KeyRecordError:
    version = values["v"]
    if version.endswith("\\"):
        return KeyRecordError("syntax", _why(raw, b"v"))
    if re.match(r"DKIM1[ ,].*=", version):
        return KeyRecordError("syntax", _("Its parts are not separated by semicolons."))
    named = version.upper()
    is_key = named.startswith("DKIM") or ("p" in values and not named.startswith("DMARC"))
    message = _(
        "It starts with “v={version}”, and a key record with “v=DKIM1”.", version=version[:60]
    )
    return KeyRecordError("version" if is_key else "foreign", message)


def resembles_key_record(raw: bytes) -> bool:
    """Whether a TXT record is meant to be a DKIM key, well-formed or not, in place or not."""
    if re.match(rb"[ \t\"(]*v[ \t]*=[ \t]*DKIM", raw[:100], re.IGNORECASE):
        return True
    return key_in(raw) is not None


def key_in(raw: bytes) -> PublicKey | None:
    """The key in a TXT record that verifiers can use, or None."""
    try:
        return parse_key_record(raw).key
    except KeyRecordError:
        return None


def _tags(raw: bytes) -> list[tuple[str, str]]:
    """The tag list (RFC 6376, 3.2) without outer blanks; `p` without any blank, as it is base64."""
    parts = _FOLDED.sub(b"", raw).split(b";")
    if not parts[-1].strip(b" \t"):
        parts.pop()
    if not parts:
        raise KeyRecordError("syntax", _("It is empty."))
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip(b" \t") for piece in part.partition(b"="))
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            is_key = re.search(rb"(^|[;\s\"])(v=DKIM|p=)", raw[:2000], re.IGNORECASE)
            raise KeyRecordError("syntax" if is_key else "foreign", _why(raw, part))
        tag = name.decode()
        if tag in tags:
            message = _("The tag “{name}=” stands in it more than once.", name=tag[:60])
            raise KeyRecordError("syntax", message)
        tags[tag] = _SPACE.sub("" if tag == "p" else " ", value.decode())
    return list(tags.items())


def _why(raw: bytes, part: bytes) -> Text:
    """The sentence for a tag list that is none, with the usual causes first."""
    if b"\\;" in raw:
        return _(
            "It holds backslashes before its semicolons; they are the syntax of zone files and do "
            "not belong in the record."
        )
    if b'"' in raw:
        return _(
            "It holds quotation marks; they are the syntax of zone files and do not belong in the "
            "record."
        )
    if not part.strip():
        return _("There is an empty place between two semicolons.")
    shown = show_bytes(part.strip()[:60])
    if not _VALUE.fullmatch(part.strip(b" \t")):
        return _("“{part}” holds bytes that a key record cannot have.", part=shown)
    return _("“{part}” is not of the form name=value.", part=shown)


@lru_cache(maxsize=256)  # several checks and findings ask about one
def parse_key(text: str, key_type: str | None = None) -> PublicKey:
    """The key in the base64 text of a `p=` tag; raises KeyRecordError.

    RSA keys are accepted in both encodings that verifiers accept: RSAPublicKey, which RFC 6376
    names, and SubjectPublicKeyInfo, which nearly everybody publishes. Ed25519 is the bare 32 bytes
    (RFC 8463, 4.2). Without `key_type`, 32 bytes are Ed25519.
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
        message = _("“p=” holds an Ed25519 key, but “k=ed25519” is not there to say so.")
        raise KeyRecordError("syntax", message)
    return _rsa(raw)


def _why_not_base64(packed: str) -> Text:
    if "-----" in packed:
        return _(
            "“p=” holds the header lines of a key file; only the base64 lines between them belong "
            "there."
        )
    if re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", packed):
        return _("“p=” is cut off: its base64 text is incomplete.")
    return _("“p=” holds characters that are not base64.")


def _ed25519(raw: bytes) -> PublicKey:
    if len(raw) == 32:
        return PublicKey("ed25519", 256, _ED25519_SPKI + raw)
    if raw.startswith(_ED25519_SPKI) and len(raw) == 44:
        message = _(
            "The Ed25519 key is wrapped in ASN.1 (44 bytes); “p=” takes the bare 32 bytes of the "
            "key."
        )
    else:
        message = _("An Ed25519 key has 32 bytes, and “p=” holds {n}.", n=len(raw))
    raise KeyRecordError("syntax", message)


def _rsa(raw: bytes) -> PublicKey:
    """The key in an RSAPublicKey or in a SubjectPublicKeyInfo of the algorithm rsaEncryption.

    Loading takes some keys that cannot verify: of an even modulus or exponent, and for RSASSA-PSS.
    """
    try:
        key = load_der_public_key(raw) if len(raw) < MAX_BITS // 2 else None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, RSAPublicKey) and key.key_size <= MAX_BITS:
        numbers = key.public_numbers()
        bare = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        if numbers.n & 1 and numbers.e & 1 and (raw == bare or _RSA_ENCRYPTION in raw[:24]):
            spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return PublicKey("rsa", key.key_size, spki)
    message = _("“p=” does not hold an RSA public key: it is cut off, damaged or of another kind.")
    raise KeyRecordError("syntax", message)


def add_key_seen(public_key: str, before: Sequence[str]) -> list[str]:
    """SHA-256 fingerprints of the keys that a server was seen to sign with, the newest first.

    A key of its own stays its own to replace, also after the next one.
    """
    try:
        newest = parse_key(public_key).fingerprint
    except KeyRecordError:
        return list(before)
    return list(dict.fromkeys([newest, *before]))[:MAX_KEYS_SEEN]
