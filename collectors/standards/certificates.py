"""X.509 certificates as servers and people publish them: read part by part, described, judged.

RFC 5280 (certificates), RFC 9525 (names), RFC 8555 (ACME, whose clients renew when a third of the
lifetime is left). Certificates come from strangers. `cryptography` reads most parts only when they
are asked for, and each may be broken on its own: it is then named in `unreadable`.
"""

import base64
import binascii
import contextlib
import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import NameOID

from collectors.text import clean

MAX_CHAIN = 10  # certificates of one chain that are looked at
MAX_FILE = 30  # of one PEM text
REMEMBERED = 500  # certificates that were read last, of the usual size: some 10 KiB each
REMEMBERED_BYTES = 8 * 1024
SHOWN_NAMES = 50
# of keys that signatures are checked with: beyond, one check costs many milliseconds
MAX_RSA_BITS, MAX_EXPONENT_BITS = 8192, 33
ABOUT_TO_EXPIRE = 1 / 9  # of the lifetime left
RENEWAL_OVERDUE = 0.28  # of the lifetime left; renewal is due at 1/3
_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", re.ASCII
)
_STAGING = re.compile(r"\(staging\)|^fake le |^happy hacker fake", re.IGNORECASE)
T = TypeVar("T")
BROKEN = (ValueError, TypeError, UnsupportedAlgorithm, OverflowError, x509.InvalidVersion)


class CertificateError(ValueError):
    """Not a certificate, or not one that can be read at all."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate as plain values; what could not be read is empty and named in `unreadable`.

    Two are equal where their bytes are.
    """

    der: bytes = field(repr=False)
    sha256: str
    parsed: x509.Certificate = field(repr=False, compare=False)
    serial: str = ""
    subject: str = ""
    issuer: str = ""
    issuer_organisations: tuple[str, ...] = ()
    issuer_common_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # dNSName entries of the SAN, lower case
    addresses: tuple[str, ...] = ()  # iPAddress entries of the SAN
    not_before: datetime | None = None
    not_after: datetime | None = None
    key: str = ""
    weak_key: bool = False
    may_verify: bool = True  # whether its key is one that signatures are checked with
    unreadable: tuple[str, ...] = ()
    authority: bool = False  # whether it says that it may issue others

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    @property
    def issuer_name(self) -> str:
        """Organisation and common name of the issuer, short enough for a sentence."""
        return clean(
            " ".join(dict.fromkeys([*self.issuer_organisations[:1], *self.issuer_common_names[:1]]))
            or self.issuer,
            100,
        )


def read_certificate(der: bytes) -> Certificate:
    """The certificate in these DER bytes; raises CertificateError where its outline is broken.

    One is met many times: as the portal's and as the served one, and intermediates at every host.
    """
    return _read_once(der) if len(der) <= REMEMBERED_BYTES else _read(der)


def _read(der: bytes) -> Certificate:
    with warnings.catch_warnings():
        # a negative serial or a name of 60,000 letters is shown, not warned about
        warnings.simplefilter("ignore", UserWarning)
        try:
            parsed = x509.load_der_x509_certificate(der)
        except BROKEN as error:
            raise CertificateError(str(error)) from None
        return _Reader(parsed).certificate(der)


_read_once = lru_cache(REMEMBERED)(_read)


def read_chain(ders: Sequence[bytes]) -> tuple[Certificate, ...]:
    """The leaf and what stands behind it, at most MAX_CHAIN; others that are broken are left out.

    Raises CertificateError for the leaf.
    """
    if not ders:
        raise CertificateError("no certificate")
    chain = [read_certificate(ders[0])]
    for der in ders[1:MAX_CHAIN]:
        with contextlib.suppress(CertificateError):
            chain.append(read_certificate(der))
    return tuple(chain)


def read_pem(text: str) -> tuple[Certificate, ...]:
    """The certificates in a PEM text, in its order, at most MAX_FILE; broken ones are left out.

    Raises CertificateError where there is none, or where what is broken may be the leaf.
    """
    found, blocks = [], _PEM.findall(text)[:MAX_FILE]
    for block in blocks:
        with contextlib.suppress(CertificateError, binascii.Error):
            found.append(read_certificate(base64.b64decode(block)))
    if not found or (len(found) < len(blocks) and all(c.authority for c in found)):
        raise CertificateError("no certificate")
    return tuple(found)


def certificates_in(text: str) -> str:
    """The PEM text without all that is no certificate: keys, comments, what openssl prints."""
    blocks = (block.group(0) for block in islice(_PEM.finditer(text), MAX_FILE))
    return "".join(f"{block}\n" for block in blocks)


class _Reader:
    def __init__(self, parsed: x509.Certificate) -> None:
        self.parsed = parsed
        self.unreadable: list[str] = []

    def part(self, name: str, take: Callable[[], T], default: T) -> T:
        try:
            return take()
        except BROKEN:
            self.unreadable.append(name)
            return default

    def certificate(self, der: bytes) -> Certificate:
        cert = self.parsed
        issuer = self.part("issuer", lambda: cert.issuer, None)
        nothing: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
        names, addresses = self.part(
            "subject alternative name", lambda: _alternative_names(cert), nothing
        )
        key, weak, may_verify = self.part("key", lambda: _key(cert.public_key()), ("", False, True))
        return Certificate(
            der=der,
            sha256=hashlib.sha256(der).hexdigest(),
            parsed=cert,
            serial=self.part("serial number", lambda: f"{cert.serial_number:x}", ""),
            subject=self.part("subject", lambda: _name(cert.subject), ""),
            issuer=_name(issuer) if issuer else "",
            issuer_organisations=_values(issuer, NameOID.ORGANIZATION_NAME),
            issuer_common_names=_values(issuer, NameOID.COMMON_NAME),
            names=names,
            addresses=addresses,
            not_before=self.part("dates", lambda: cert.not_valid_before_utc, None),
            not_after=self.part("dates", lambda: cert.not_valid_after_utc, None),
            key=key,
            weak_key=weak,
            may_verify=may_verify,
            authority=_is_authority(cert),
            unreadable=tuple(dict.fromkeys(self.unreadable)),
        )


def _name(name: x509.Name) -> str:
    return ", ".join(f"{a.rfc4514_attribute_name}={_text(a.value)}" for a in name)


def _values(name: x509.Name | None, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(_text(a.value) for a in name.get_attributes_for_oid(oid)) if name else ()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _alternative_names(cert: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    names = tuple(n.lower() for n in san.get_values_for_type(x509.DNSName))
    return names, tuple(str(a) for a in san.get_values_for_type(x509.IPAddress))


def _is_authority(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *BROKEN):
        return False


def _key(key: PublicKeyTypes) -> tuple[str, bool, bool]:
    """(description, whether it is weak, whether signatures are checked with it).

    Weak are RSA and DSA below 2048 bits and curves below 224, as in NIST SP 800-131A.
    """
    if isinstance(key, rsa.RSAPublicKey):
        modest = (
            key.key_size <= MAX_RSA_BITS
            and key.public_numbers().e.bit_length() <= MAX_EXPONENT_BITS
        )
        return f"RSA {key.key_size}", key.key_size < 2048, modest
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}", key.key_size < 224, True
    if isinstance(key, dsa.DSAPublicKey):
        # no client takes it in a chain any more
        return f"DSA {key.key_size}", key.key_size < 2048, False
    return type(key).__name__.removesuffix("PublicKey"), False, True


# -- names


def name_covers(pattern: str, host: str) -> bool:
    """Whether a name covers a host (RFC 9525 section 6.3).

    Equal, or `*.` in place of exactly one label, never of a whole TLD. A name in a certificate has
    no final dot (RFC 5280, 4.2.1.6); clients refuse one that does.
    """
    pattern, host = pattern.lower(), host.lower().removesuffix(".")
    if not pattern.startswith("*."):
        return pattern == host and bool(host)
    first, _dot, rest = host.partition(".")
    return bool(first) and rest == pattern[2:] and "." in rest


def covers(cert: Certificate, host: str) -> bool:
    """Whether a certificate is for this host. Only the SAN counts, as browsers have it."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return any(name_covers(name, host) for name in cert.names)
    return any(ip_address(a) == address for a in cert.addresses if "/" not in a)


# -- time


def in_date(cert: Certificate, now: datetime) -> bool | None:
    """Whether `now` lies in its validity; None where its dates cannot be read."""
    if cert.not_before is None or cert.not_after is None:
        return None
    return cert.not_before <= now <= cert.not_after


def lifetime(cert: Certificate) -> timedelta:
    """From first to last moment of validity, a timedelta."""
    assert cert.not_after and cert.not_before
    return cert.not_after - cert.not_before


def fraction_left(cert: Certificate, now: datetime) -> float:
    """The share of its lifetime that is left, 0 at the end and beyond."""
    whole = lifetime(cert).total_seconds()
    assert cert.not_after
    left = (cert.not_after - now).total_seconds()
    return max(0.0, left / whole) if whole > 0 else 0.0


# -- issuers


def is_lets_encrypt(cert: Certificate) -> bool:
    """The organisation decides: the names of the intermediates change."""
    return "Let's Encrypt" in cert.issuer_organisations


def is_staging(cert: Certificate) -> bool:
    """Issued by Let's Encrypt's staging environment, which marks its authorities."""
    return any(
        _STAGING.search(text) for text in (*cert.issuer_organisations, *cert.issuer_common_names)
    )


# -- evidence


def describe(cert: Certificate) -> dict[str, Any]:
    """JSON data for people: what the certificate says, bounded."""
    seen: dict[str, Any] = {
        "subject": cert.subject[:1000],
        "names": list(cert.names[:SHOWN_NAMES]),
        "addresses": list(cert.addresses[:SHOWN_NAMES]),
        "issuer": cert.issuer[:1000],
        "key": cert.key,
        "serial": cert.serial[:100],
        "sha256": cert.sha256,
    }
    if len(cert.names) > SHOWN_NAMES:
        seen["names_in_all"] = len(cert.names)
    if cert.not_before and cert.not_after:
        seen |= {
            "not_before": cert.not_before.isoformat(),
            "not_after": cert.not_after.isoformat(),
            "lifetime_days": round(lifetime(cert).total_seconds() / 86400, 1),
        }
    if cert.unreadable:
        seen["unreadable"] = list(cert.unreadable)
    return {key: value for key, value in seen.items() if value not in ("", [])}
