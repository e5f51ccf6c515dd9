"""Which certificates an address serves, and whether their chain is trusted."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from collectors.net.http_client import WebClient, WebFault
from collectors.net.tls import trusted_context
from tests.collectors.certificate_maker import TlsServer, authority, server_context
from tests.collectors.hostile_http import Hostile, certificates
from tests.collectors.visits import hostile
from tests.installation import ROOT

__all__ = ["hostile"]


@pytest.fixture(scope="module")
def client():
    return WebClient(
        trusted_context(certificates().ca_file),
        reachable=lambda address: address.startswith(("127.", "::1")),
    )


def handshake(client, server, host="good.test", addresses=("127.0.0.1",), seconds=6.0):
    return asyncio.run(client.handshake(host, server.port, addresses, seconds=seconds))


def fault(call):
    with pytest.raises(WebFault) as caught:
        call()
    return caught.value


def test_the_chain_comes_as_served_leaf_first(client, hostile):
    seen = handshake(client, hostile)
    assert (seen.trusted, seen.verify_code, seen.verify_message, seen.address) == (
        True,
        0,
        "",
        "127.0.0.1",
    )
    leaf, intermediate = (x509.load_der_x509_certificate(der) for der in seen.chain)
    assert leaf.issuer == intermediate.subject
    assert "good.test" in leaf.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName)
    assert seen.tls_version == "TLSv1.3"


@pytest.mark.parametrize(
    "host", ["expired.test", "future.test", "wrongname.test", "nosan.test", "weak.test"]
)
def test_trust_is_judged_apart_from_dates_names_and_key_size(client, hostile, host):
    assert handshake(client, hostile, host).trusted is True


@pytest.mark.parametrize(
    ("host", "code", "length"),
    [
        ("selfsigned.test", 18, 1),
        ("untrusted.test", 20, 1),
        ("bare.test", 20, 1),
        ("notca.test", 79, 3),
    ],
)
def test_a_chain_that_is_not_trusted_is_had_by_a_second_handshake(
    client, hostile, host, code, length
):
    before = len(hostile.connections)
    seen = handshake(client, hostile, host)
    assert (seen.trusted, seen.verify_code, len(seen.chain)) == (False, code, length)
    assert seen.verify_message
    assert len(hostile.connections) == before + 2


@pytest.mark.parametrize(
    ("mode", "kind", "cause"),
    [
        ("plain", "tls", "no_tls"),
        ("ssh", "tls", "no_tls"),
        ("mute", "timeout", ""),
        ("reset", "reset", ""),
    ],
)
def test_a_handshake_that_fails_says_how(client, mode, kind, cause):
    with Hostile(mode=mode) as server:
        error = fault(lambda: handshake(client, server, seconds=0.4))
    assert (error.kind, error.cause, error.address) == (kind, cause, "127.0.0.1")


@pytest.mark.parametrize(
    ("cipher", "opened"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", True),
        ("ECDHE-RSA-CHACHA20-POLY1305", True),
        ("ECDHE-RSA-AES256-SHA", True),
        ("AES128-GCM-SHA256", True),
        ("AES256-SHA", True),
        ("ECDHE-RSA-AES128-SHA256", False),
        ("AES128-SHA256", False),
        ("DHE-RSA-AES128-GCM-SHA256", False),
        ("NULL-SHA", False),
    ],
)
def test_a_server_opens_where_browsers_open_it(tmp_path, cipher, opened):
    """TLS 1.2; what Chrome and Firefox offer there."""
    leaf = authority().leaf(["good.test"], key=rsa.generate_private_key(65537, 2048))
    context = server_context(tmp_path, leaf)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    (tmp_path / "ca.pem").write_bytes(authority().root_pem)
    client = WebClient(trusted_context(str(tmp_path / "ca.pem")), reachable=lambda _address: True)

    async def connect():
        made = await client.connect("good.test", server.port, ["127.0.0.1"], seconds=6)
        made.abort()

    with TlsServer(context) as server:
        if opened:
            asyncio.run(connect())
        else:
            assert fault(lambda: asyncio.run(connect())).kind == "tls"


# -- every Python judges alike


def plain_authority(tmp_path):
    """(context of a server, file of its authority) where the authority says nothing of its use, as
    many a private one does: Python 3.13 refuses it by itself, browsers do not."""
    key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Private Root")])
    now, day = datetime.now(UTC), timedelta(days=1)

    def signed(subject, public, extension):
        builder = (
            x509.CertificateBuilder(root, subject, public, x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(extension, critical=False)
        )
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    authority = signed(root, key.public_key(), x509.BasicConstraints(True, None))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    leaf = signed(x509.Name([]), leaf_key.public_key(), names)
    private = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ca.pem").write_bytes(authority)
    (tmp_path / "leaf.pem").write_bytes(leaf + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    return context, str(tmp_path / "ca.pem")


@pytest.mark.parametrize("strict", [False, True])
def test_a_private_authority_is_judged_alike_by_every_python(tmp_path, monkeypatch, strict):
    """`strict`: as Python 3.13 begins, and as 3.12 does."""
    context, ca_file = plain_authority(tmp_path)
    make = ssl.create_default_context

    def usual(**options):
        made = make(**options)
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
        made.verify_flags |= ssl.VERIFY_X509_STRICT if strict else 0
        return made

    monkeypatch.setattr(ssl, "create_default_context", usual)
    ours = trusted_context(ca_file)
    with TlsServer(context) as server:
        client = WebClient(ours, reachable=lambda _address: True)
        found = handshake(client, server, host="localhost")
    assert (found.trusted, found.verify_code) == (True, 0)


def test_contexts_that_verify_are_made_in_one_place():
    made = [
        str(path.relative_to(ROOT))
        for room in ("audit", "collectors", "ligbox")
        for path in sorted((ROOT / room).rglob("*.py"))
        if "create_default_context(" in path.read_text()
    ]
    assert made == ["collectors/net/tls.py"]
