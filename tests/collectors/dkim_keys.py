"""Public keys for tests of DKIM, as the text of a `p=` tag; RSA ones are made once for all."""

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RSA_512 = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANx/GjmjXV74PtNIRBhHqLDtNqpkTXpyZK7/hZ"
    "hHhO+YH0R26kAosrglJ3/kvxLw+sXrmbbyGXSIaREq32iInhECAwEAAQ=="
)


def rsa_key(bits=2048, name="server"):
    """An RSA public key; the same for the same bits and name."""
    return _rsa_key(bits, name)


@cache
def _rsa_key(bits, _name):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()


def spki(bits=2048, name="server"):
    """SubjectPublicKeyInfo, as nearly everybody publishes it."""
    return base64.b64encode(
        rsa_key(bits, name).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def pkcs1(bits=2048, name="server"):
    """RSAPublicKey, as RFC 6376 names it."""
    return base64.b64encode(
        rsa_key(bits, name).public_bytes(Encoding.DER, PublicFormat.PKCS1)
    ).decode()


@cache
def _ed25519():
    return ed25519.Ed25519PrivateKey.generate().public_key()


def ed25519_raw():
    """The bare 32 bytes of RFC 8463."""
    return base64.b64encode(_ed25519().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def ed25519_spki():
    """The same key wrapped in ASN.1, which RFC 8463 does not allow."""
    return base64.b64encode(
        _ed25519().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
