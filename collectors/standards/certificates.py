"""X.509 certificates as servers and people publish them: read without ever failing as a whole, described, judged.

RFC 5280 (certificates), RFC 9525 (names), RFC 8555 (ACME, whose clients renew when a third of the lifetime is left).
Certificates come from strangers. `cryptography` reads most parts only when they are asked for, and each of them may be
broken on its own: a part that cannot be read is named in `unreadable` and the rest still counts.
"""

import base64
import binascii
import contextlib
import hashlib
import re
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import NameOID

from collectors.text import clean

MAX_CHAIN = 10  # certificates of one chain or file that are looked at
SHOWN_NAMES = 50
MAX_RSA_BITS, MAX_EXPONENT_BITS = 8192, 33  # of keys that signatures are checked with: beyond, one check costs many milliseconds
ABOUT_TO_EXPIRE = 1 / 9  # of the lifetime left
RENEWAL_OVERDUE = 0.28  # of the lifetime left; renewal is due at 1/3
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", re.ASCII)
_STAGING = re.compile(r"\(staging\)|^fake le |^happy hacker fake", re.IGNORECASE)
BROKEN = (ValueError, TypeError, UnsupportedAlgorithm, OverflowError, x509.InvalidVersion)


class CertificateError(ValueError):
    """Not a certificate, or not one that can be read at all."""


@dataclass(frozen=True)
class Certificate:
    """One certificate as plain values; what could not be read is empty or None and named in `unreadable`."""

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

    @property
    def issuer_name(self):
        """What people call the issuer: organisation and common name; short enough for a sentence."""
        return clean(" ".join(dict.fromkeys([*self.issuer_organisations[:1], *self.issuer_common_names[:1]])) or self.issuer, 100)


def read(der):
    """The certificate in these DER bytes; raises CertificateError where even its outline is broken."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a negative serial or a name of 60,000 letters is shown, not warned about
        try:
            parsed = x509.load_der_x509_certificate(der)
        except BROKEN as error:
            raise CertificateError(str(error)) from None
        return _Reader(parsed).certificate(der)


def read_chain(ders):
    """The leaf and what stands behind it, at most MAX_CHAIN; raises CertificateError for the leaf, leaves broken others out."""
    if not ders:
        raise CertificateError("no certificate")
    chain = [read(ders[0])]
    for der in ders[1:MAX_CHAIN]:
        with contextlib.suppress(CertificateError):
            chain.append(read(der))
    return tuple(chain)


def read_pem(text):
    """The certificates in a PEM text, as `read_chain` has them."""
    try:
        return read_chain([base64.b64decode(block) for block in _PEM.findall(text)[:MAX_CHAIN]])
    except binascii.Error as error:
        raise CertificateError(str(error)) from None


class _Reader:
    def __init__(self, parsed):
        self.parsed, self.unreadable = parsed, []

    def part(self, name, take, default):
        try:
            return take()
        except BROKEN:
            self.unreadable.append(name)
            return default

    def certificate(self, der):
        cert = self.parsed
        issuer = self.part("issuer", lambda: cert.issuer, None)
        names, addresses = self.part("subject alternative name", lambda: _alternative_names(cert), ((), ()))
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
            unreadable=tuple(dict.fromkeys(self.unreadable)),
        )


def _name(name):
    return ", ".join(f"{a.rfc4514_attribute_name}={_text(a.value)}" for a in name)


def _values(name, oid):
    return tuple(_text(a.value) for a in name.get_attributes_for_oid(oid)) if name else ()


def _text(value):
    return value if isinstance(value, str) else value.hex()


def _alternative_names(cert):
    try:
        san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    names = tuple(n.lower() for n in san.get_values_for_type(x509.DNSName))
    return names, tuple(str(a) for a in san.get_values_for_type(x509.IPAddress))


def _key(key):
    """(description, whether it is weak, whether signatures are checked with it).

    Weak are RSA and DSA below 2048 bits and curves below 224, as in NIST SP 800-131A.
    """
    if isinstance(key, rsa.RSAPublicKey):
        modest = key.key_size <= MAX_RSA_BITS and key.public_numbers().e.bit_length() <= MAX_EXPONENT_BITS
        return f"RSA {key.key_size}", key.key_size < 2048, modest
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}", key.key_size < 224, True
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}", key.key_size < 2048, False  # no client takes it in a chain any more
    return type(key).__name__.removesuffix("PublicKey"), False, True


# -- names


def name_covers(pattern, host):
    """Whether a name covers a host (RFC 9525 section 6.3): equal, or `*.` in place of exactly one label, never of a whole TLD."""
    pattern, host = (n.lower().removesuffix(".") for n in (pattern, host))
    if not pattern.startswith("*."):
        return pattern == host and bool(host)
    first, _dot, rest = host.partition(".")
    return bool(first) and rest == pattern[2:] and "." in rest


def covers(cert, host):
    """Whether a certificate is for this host. Only the SAN counts, as browsers have it; an address needs an iPAddress entry."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return any(name_covers(name, host) for name in cert.names)
    return any(ip_address(a) == address for a in cert.addresses if "/" not in a)


# -- time


def lifetime(cert):
    """From first to last moment of validity, a timedelta."""
    return cert.not_after - cert.not_before


def fraction_left(cert, now):
    """The share of its lifetime that is left, 0 at the end and beyond."""
    whole = lifetime(cert).total_seconds()
    left = (cert.not_after - now).total_seconds()
    return max(0.0, left / whole) if whole > 0 else 0.0


# -- issuers


def is_lets_encrypt(cert):
    """The organisation decides: the names of the intermediates change."""
    return "Let's Encrypt" in cert.issuer_organisations


def is_staging(cert):
    """Issued by Let's Encrypt's staging environment, which marks its authorities and which nobody trusts."""
    return any(_STAGING.search(text) for text in (*cert.issuer_organisations, *cert.issuer_common_names))


# -- evidence


def describe(cert, now=None):
    """JSON data for people: what the certificate says, bounded."""
    now = now or datetime.now(UTC)
    seen = {
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
            "lifetime_left": round(fraction_left(cert, now), 3),
        }
    if cert.unreadable:
        seen["unreadable"] = list(cert.unreadable)
    return {key: value for key, value in seen.items() if value not in ("", [])}
