"""Certificates as Let's Encrypt issues them, from an authority of our own that only those trust who
are told to.

The authority is kept in a folder; the private key that could sign for any name stays there and is
readable by its owner alone. The issuing intermediate carries Let's Encrypt's organisation, because
that is what an audit goes by.
"""

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mock_tenant.secrets_store import write_private

ROOT = ("Mock tenant, loopback only", "Mock Root X1")
INTERMEDIATE = ("Let's Encrypt", "R12")
AUTHORITY_DAYS = 2000
SPARE_DAYS = 400  # an authority that ends sooner than that is made anew


class Authority:
    """A root and an intermediate, read from `folder` or made there.

    `ca_file` is what clients are to trust.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ca_file = self.folder / "ca.pem"
        kept = self._read()
        if kept is None:
            kept = self._make()
        self.issuer, self.key = kept

    def leaf(self, host, begins, ends):
        """(PEM of the certificate, PEM of the chain behind it, PEM of the key) for a host.

        Days from now.
        """
        key, now = ec.generate_private_key(ec.SECP256R1()), _now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(
                x509.Name(
                    [x509.NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= 64 else []
                )
            )
            .issuer_name(self.issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=begins))
            .not_valid_after(now + dt.timedelta(days=ends))
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(host)]), critical=len(host) > 64
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return _pem(certificate), _pem(self.issuer), _key_pem(key)

    def _read(self):
        try:
            root = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
            kept = (self.folder / "intermediate.pem").read_bytes()
            issuer, key = x509.load_pem_x509_certificate(kept), load_pem_private_key(kept, None)
        except (OSError, ValueError, TypeError):
            return None
        until = _now() + dt.timedelta(days=SPARE_DAYS)
        belong = issuer.issuer == root.subject and issuer.public_key() == key.public_key()
        return (
            (issuer, key)
            if belong and min(root.not_valid_after_utc, issuer.not_valid_after_utc) > until
            else None
        )

    def _make(self):
        """The root's own key is not kept: it signs the intermediate and nothing more."""
        root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = _authority(ROOT, root_key.public_key(), None, root_key)
        issuer = _authority(INTERMEDIATE, key.public_key(), root, root_key)
        write_private(self.folder / "intermediate.pem", _pem(issuer) + _key_pem(key))
        write_private(self.ca_file, _pem(root))
        return issuer, key


def server_context(folder, name, leaf, chain, key):
    """A TLS server context.

    `ssl` reads certificates from files alone, so they pass through one in `folder`.
    """
    path = Path(folder) / f"{name}.pem"
    write_private(path, leaf + chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    path.unlink()
    return context


def _authority(names, public_key, parent, signer):
    organisation, common = names
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
    now = _now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=AUTHORITY_DAYS))
        .not_valid_after(now + dt.timedelta(days=AUTHORITY_DAYS))
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if parent else None), critical=True
        )
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    if parent:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(parent.public_key()), critical=False
        )
    return builder.sign(signer, hashes.SHA256())


def _usage(**named):
    names = [
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ]  # fmt: skip
    return x509.KeyUsage(**{name: named.get(name, False) for name in names})


def _now():
    return dt.datetime.now(dt.UTC)


def _pem(certificate):
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
