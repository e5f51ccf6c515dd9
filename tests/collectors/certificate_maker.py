"""An authority that issues certificates, right and wrong, and a TLS server that serves them."""

import datetime as dt
import functools
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collectors.standards.certificates import Certificate, read_certificate

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
DAY = dt.timedelta(days=1)


@functools.cache
def now():
    """The moment that all certificates of a test run are made around."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def name(organisation, common):
    parts = [
        (NameOID.COUNTRY_NAME, "US" if organisation else None),
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.COMMON_NAME, common),
    ]
    return x509.Name(
        [x509.NameAttribute(oid, value, _validate=False) for oid, value in parts if value]
    )


@dataclass(frozen=True)
class Leaf:
    """A certificate, those that are sent behind it, and its key."""

    cert: x509.Certificate
    behind: tuple[x509.Certificate, ...]
    key: object

    @property
    def pem(self):
        return self.cert.public_bytes(PEM).decode()

    @property
    def full_pem(self):
        return "".join(c.public_bytes(PEM).decode() for c in (self.cert, *self.behind))

    @property
    def read(self) -> Certificate:
        return read_certificate(self.cert.public_bytes(DER))

    @property
    def key_pem(self):
        return self.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


class Authority:
    """A root and the intermediate that signs; `ca=False` makes an intermediate that may not."""

    def __init__(
        self, organisation="Let's Encrypt", *, intermediate="R12", ca=True, days=1000, root=None
    ):
        """`root`: the organisation of the root, where it is another."""
        of_root = name(root or organisation, "Root X1")
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._sign(of_root, of_root, self.root_key, self.root_key, 2000, ca=True)
        self.intermediate = self._sign(
            name(organisation, intermediate),
            self.root.subject,
            self.key,
            self.root_key,
            days,
            ca=ca,
        )
        self.root_pem = self.root.public_bytes(PEM)

    def twin(self, *, start=-1000, end):
        """The intermediate with the same name and key and other dates (in days from now)."""
        return self._sign(
            self.intermediate.subject,
            self.root.subject,
            self.key,
            self.root_key,
            end,
            ca=True,
            start=start,
        )

    @staticmethod
    def _sign(subject, issuer, key, signer, days, *, ca, start=-1000):
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now() + start * DAY).not_valid_after(now() + days * DAY)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(_authority_key(signer), critical=False)
        )  # fmt: skip
        if ca:  # RFC 5280 section 4.2.1.3; Python 3.13 insists on it
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(signer, hashes.SHA256())

    def leaf(
        self,
        names,
        *,
        start=-30,
        end=60,
        key=None,
        self_signed=False,
        bare=False,
        san=True,
        common=None,
        serial=None,
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
    ):
        """A `Leaf` for these names (and addresses); `start` and `end` in days from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        signer = key if self_signed else self.key
        subject = name(None, common if common is not None else (names[0] if names else ""))
        builder = (
            x509.CertificateBuilder().subject_name(subject)
            .issuer_name(subject if self_signed else self.intermediate.subject)
            .public_key(key.public_key()).serial_number(serial or x509.random_serial_number())
            .not_valid_before(now() + start * DAY).not_valid_after(now() + end * DAY)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_authority_key(signer), critical=False)
        )  # fmt: skip
        if san:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general(n) for n in names]), critical=False
            )
        cert = builder.sign(signer, hashes.SHA256())
        return Leaf(cert, () if self_signed or bare else (self.intermediate,), key)


def _authority_key(signer):
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())


def _general(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@functools.cache
def authority(organisation="Let's Encrypt"):
    """One authority for the whole test run."""
    return Authority(organisation)


def server_context(directory, leaf):
    """An SSL context that serves this leaf with what is behind it."""
    path = directory / f"{leaf.read.sha256}.pem"
    path.write_text(leaf.full_pem + leaf.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(path)
    return context


class TlsServer:
    """Serves one certificate on loopback; counts connections, keeps the names asked for."""

    def __init__(self, context):
        self.connections, self.names = 0, []
        self._context, self._socket = context, socket.create_server(("127.0.0.1", 0))
        if context:
            context.sni_callback = lambda _sock, asked, _context: self.names.append(asked)
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(
            socket.SHUT_RDWR
        )  # wakes the thread in accept(); close() alone would not
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _peer = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self._context is None:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.close()
                return
            with self._context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            pass
