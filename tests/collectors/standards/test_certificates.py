"""X.509 certificates of every kind: what is read of them, and what is judged of the rest."""

import datetime as dt
import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from collectors.standards import certificate_chains, certificates
from collectors.standards.certificate_chains import (
    Intermediates,
    is_self_signed,
    issued,
    issuer_path,
)
from collectors.standards.certificates import (
    CertificateError,
    covers,
    fraction_left,
    name_covers,
    read_certificate,
    read_pem,
)
from tests.collectors.certificate_maker import DAY, DER, PEM, Authority, authority, now

BROKEN_PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def cert(names=("webmail.kunde.test",), **kwargs):
    return authority().leaf(list(names), **kwargs).read


def patched(old, new, **kwargs):
    """A certificate with some of its bytes replaced by as many (its signature is wrong then)."""
    der = (
        authority()
        .leaf(**{"names": ["webmail.kunde.test"], "common": "subject-name", **kwargs})
        .cert.public_bytes(DER)
    )
    assert len(old) == len(new)
    assert old in der
    return read_certificate(der.replace(old, new))


def test_it_reads_what_a_certificate_says():
    made = authority().leaf(["webmail.Kunde.test", "192.0.2.1"], start=-30, end=60)
    got = made.read
    assert (got.subject, got.names, got.addresses) == (
        "CN=webmail.Kunde.test",
        ("webmail.kunde.test",),
        ("192.0.2.1",),
    )
    assert (got.issuer, got.issuer_name) == ("C=US, O=Let's Encrypt, CN=R12", "Let's Encrypt R12")
    assert (got.not_before, got.not_after) == (now() - 30 * DAY, now() + 60 * DAY)
    assert (got.key, got.weak_key, got.unreadable) == ("ECDSA secp256r1", False, ())
    assert int(got.serial, 16) == made.cert.serial_number


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("webmail.kunde.test", "webmail.kunde.test", True),
        ("WebMail.Kunde.TEST", "webmail.kunde.test.", True),
        ("webmail.kunde.test.", "webmail.kunde.test", False),  # as OpenSSL and browsers have it
        ("kunde.test", "webmail.kunde.test", False),
        ("*.kunde.test", "webmail.kunde.test", True),
        ("*.kunde.test", "a.webmail.kunde.test", False),
        ("*.kunde.test", "kunde.test", False),
        ("*.kunde.test", ".kunde.test", False),
        ("*.test", "kunde.test", False),
        ("*.*.test", "webmail.kunde.test", False),
        ("w*.kunde.test", "webmail.kunde.test", False),
        ("*", "webmail.kunde.test", False),
        ("webmail.*.test", "webmail.kunde.test", False),
        ("webmail.kunde.test\0.evil.test", "webmail.kunde.test", False),
        ("*.xn--joo-silva-m2a.test", "webmail.xn--joo-silva-m2a.test", True),
        ("", "", False),
    ],
)
def test_a_name_covers_a_host(pattern, host, covered):
    assert name_covers(pattern, host) is covered


def test_an_address_is_covered_by_an_address_entry_alone():
    assert covers(cert(["192.0.2.1", "2001:db8::1"]), "192.0.2.1")
    assert covers(cert(["2001:db8::1"]), "[2001:DB8:0::1]")
    assert not covers(cert(["192.0.2.1"]), "192.0.2.2")
    assert not covers(cert(["192.0.2.1.example"]), "192.0.2.1")


def test_a_common_name_without_san_covers_nothing():
    """Case 96."""
    bare = cert(["webmail.kunde.test"], san=False)
    assert (bare.subject, bare.names, covers(bare, "webmail.kunde.test")) == (
        "CN=webmail.kunde.test",
        (),
        False,
    )


def test_lifetimes_are_fractions():
    ninety, six = cert(start=-30, end=60), cert(start=-2, end=4)
    assert fraction_left(ninety, now()) == pytest.approx(60 / 90)
    assert fraction_left(six, now()) == pytest.approx(4 / 6)
    assert fraction_left(six, now() + 10 * DAY) == 0
    assert fraction_left(six, now() - 100 * DAY) > 1


def test_a_lifetime_without_length_leaves_nothing():
    assert fraction_left(cert(start=-1, end=-1), now() - 5 * DAY) == 0


@pytest.mark.parametrize(
    ("key", "says", "weak"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "RSA 1024", True),
        (lambda: rsa.generate_private_key(65537, 2048), "RSA 2048", False),
        (lambda: ec.generate_private_key(ec.SECP192R1()), "ECDSA secp192r1", True),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ECDSA secp384r1", False),
        (lambda: dsa.generate_private_key(1024), "DSA 1024", True),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519", False),
    ],
)
def test_weak_keys_are_told(key, says, weak):
    """Case 97."""
    got = cert(key=key())
    assert (got.key, got.weak_key) == (says, weak)


def dsa_key(bits):
    parameters = dsa.DSAParameterNumbers(p=1 << (bits - 1) | 1, q=1 << 255 | 1, g=2)
    return dsa.DSAPublicNumbers(4, parameters)


@pytest.mark.parametrize(
    ("numbers", "checked"),
    [
        (rsa.RSAPublicNumbers(65537, 1 << 4095 | 1), True),
        (rsa.RSAPublicNumbers(65537, 1 << 16383 | 1), False),
        (rsa.RSAPublicNumbers(1 << 2000 | 1, 1 << 3071 | 1), False),
        (dsa_key(3072), False),
    ],
)
def test_an_absurd_key_checks_nothing_as_ten_such_checks_would_take_a_second(numbers, checked):
    got = cert(key=SimpleNamespace(public_key=numbers.public_key), common="x")
    itself = replace(
        got, issuer=got.subject, parsed=None
    )  # to check its signature would raise an AttributeError
    assert got.may_verify is checked
    if checked:
        with pytest.raises(AttributeError):
            is_self_signed(itself)
    else:
        assert is_self_signed(itself)
        assert not issued(got, replace(itself, sha256="another"))


def test_a_certificate_that_only_bears_the_name_of_the_authority_is_not_taken_for_it():
    leaf, impostor = authority().leaf(["webmail.kunde.test"]), dsa_key(3072)
    real = read_certificate(leaf.behind[0].public_bytes(DER))
    fake = replace(cert(key=SimpleNamespace(public_key=impostor.public_key)), subject=real.subject)
    assert issuer_path(leaf.read, [fake, real]) == (leaf.read, real)


def test_self_signed_is_a_signature_and_not_a_name():
    assert is_self_signed(cert(self_signed=True))
    assert not is_self_signed(cert())
    assert not is_self_signed(Authority(None, intermediate="x").leaf(["a.test"], common="x").read)
    namesake = Authority("Let's Encrypt", intermediate="R12")
    same_names = namesake.leaf([], common="x").read
    assert not issued(read_certificate(authority().intermediate.public_bytes(DER)), same_names)


@pytest.mark.parametrize(
    ("organisation", "common", "staging", "lets_encrypt"),
    [
        ("Let's Encrypt", "R12", False, True),
        ("Let's Encrypt", "E99", False, True),
        ("(STAGING) Let's Encrypt", "(STAGING) Riddling Rhubarb R12", True, False),
        ("Let's Encrypt", "(STAGING) Ersatz Edamame E1", True, True),
        (None, "Fake LE Intermediate X1", True, False),
        (None, "happy hacker fake CA", True, False),
        ("Other Trust Services", "R12", False, False),
        ("Not Let's Encrypt", "Let's Encrypt Authority X3", False, False),
        ("let's encrypt", "R12", False, False),
    ],
)
def test_the_organisation_of_the_issuer_decides(organisation, common, staging, lets_encrypt):
    leaf = Authority(organisation, intermediate=common).leaf(["a.test"]).read
    assert (certificates.is_staging(leaf), certificates.is_lets_encrypt(leaf)) == (
        staging,
        lets_encrypt,
    )


def test_a_path_follows_the_signatures_in_any_order():
    le, other = authority(), authority("Other")
    leaf, inter, root = (
        le.leaf(["a.test"]).read,
        *(read_certificate(c.public_bytes(DER)) for c in (le.intermediate, le.root)),
    )
    stranger = read_certificate(other.intermediate.public_bytes(DER))
    assert issuer_path(leaf, [root, stranger, inter]) == (leaf, inter, root)
    assert issuer_path(leaf, [stranger, root]) == (leaf,)
    assert issuer_path(leaf, [leaf, leaf, inter]) == (leaf, inter)


def test_the_memory_of_intermediates_is_bounded_and_knows_signatures():
    memory = Intermediates()
    memory.learn(
        tuple(
            read_certificate(c.public_bytes(DER))
            for c in (authority().leaf(["a.test"]).cert, authority().intermediate, authority().root)
        )
    )
    assert len(memory) == 1
    memory, made = Intermediates(size=3), [Authority("Org", intermediate=f"I{n}") for n in range(5)]
    for one in made:
        memory.learn(
            (
                one.leaf(["a.test"]).read,
                read_certificate(one.intermediate.public_bytes(DER)),
                read_certificate(one.root.public_bytes(DER)),
            )
        )
    assert len(memory) == 3
    assert (
        memory.issuer_of(made[4].leaf(["b.test"], bare=True).read).sha256
        == read_certificate(made[4].intermediate.public_bytes(DER)).sha256
    )
    assert memory.issuer_of(made[0].leaf(["b.test"]).read) is None
    impostor = Authority("Org", intermediate="I4").leaf(["b.test"]).read
    assert memory.issuer_of(impostor) is None


def test_pem_texts():
    leaf = authority().leaf(["a.test"])
    assert [c.sha256 for c in read_pem("noise\n" + leaf.full_pem + "\r\nmore")] == [
        leaf.read.sha256,
        read_certificate(authority().intermediate.public_bytes(DER)).sha256,
    ]
    assert read_pem(leaf.pem.replace("\n", "\r\n"))[0].sha256 == leaf.read.sha256
    assert len(read_pem(leaf.pem * 50)) == certificates.MAX_FILE
    assert len(read_pem(leaf.pem + BROKEN_PEM + leaf.pem)) == 2
    assert len(read_pem(BROKEN_PEM + leaf.pem)) == 1
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    for broken in (
        "",
        "x",
        begin,
        f"{begin}\n{end}",
        f"{begin}\nAAAA\n{end}",
        f"{begin}\n====\n{end}",
        f"{begin}\nA\n{end}",
        leaf.pem[:200],
        BROKEN_PEM + authority().intermediate.public_bytes(PEM).decode(),
        leaf.key_pem,
    ):
        with pytest.raises(CertificateError):
            read_pem(broken)


def test_reading_a_long_text_without_a_certificate_is_quick():
    started = time.process_time()
    for text in (
        "-----BEGIN CERTIFICATE-----" * 40_000,
        "-----BEGIN CERTIFICATE-----" + "A" * 1_000_000,
    ):
        with pytest.raises(CertificateError):
            read_pem(text)
    assert time.process_time() - started < 2


# -- case 99: what strangers put into certificates


def test_markup_in_the_subject_is_text():
    """Case 99."""
    got = cert(common="<script>alert(1)</script>")
    assert got.subject == "CN=<script>alert(1)</script>"
    assert json.loads(json.dumps(certificates.describe(got)))["subject"] == got.subject


def test_ten_thousand_names_are_cut_in_the_evidence_and_still_count():
    """Case 99."""
    got = cert([f"n{n}.kunde.test" for n in range(10_000)])
    shown = certificates.describe(got)
    assert (len(shown["names"]), shown["names_in_all"]) == (certificates.SHOWN_NAMES, 10_000)
    assert covers(got, "n9999.kunde.test")
    assert len(json.dumps(shown)) < 4096


def test_a_name_longer_than_x509_allows_is_read_without_a_warning(recwarn):
    """Case 99."""
    made = authority().leaf(["webmail.kunde.test"], common="n" * 5000)
    recwarn.clear()  # the maker is warned too
    assert made.read.subject == "CN=" + "n" * 5000
    assert not recwarn.list


def test_a_negative_serial_number_is_shown(recwarn):
    """Case 99."""
    got = patched(
        b"\x7a\xbc\xde\xf0\x12\x34\x56\x78",
        b"\xfa\xbc\xde\xf0\x12\x34\x56\x78",
        serial=0x7ABCDEF012345678,
    )
    assert got.serial.startswith("-")
    assert list(recwarn) == []


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (b"subject-name", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe", "subject"),
        (b"webmail.kunde.test", b"\xff\xffbmail.kunde.test", "subject alternative name"),
        (b"Let's Encrypt", b"\xff\xff\xff's Encrypt", "issuer"),
        (bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"), "key"),
    ],
)
def test_a_part_that_cannot_be_read_is_named_and_the_rest_counts(old, new, part):
    """Case 99."""
    got = patched(old, new)
    assert got.unreadable == (part,)
    assert certificates.describe(got)["unreadable"] == [part]
    assert got.not_after == now() + 60 * DAY
    assert not is_self_signed(got)
    assert issuer_path(got, [got, cert()]) == (got,)


def test_what_is_no_certificate_is_refused():
    """Case 99."""
    der = authority().leaf(["a.test"]).cert.public_bytes(DER)
    for broken in (
        b"",
        b"0",
        b"\x30\x03\x02\x01\x01",
        der[:-1],
        der + b"x",
        der[:100],
        bytes(5000),
    ):
        with pytest.raises(CertificateError):
            read_certificate(broken)


def test_no_flipped_byte_brings_the_reader_down():
    der = authority().leaf(["webmail.kunde.test"]).cert.public_bytes(DER)
    for at in range(len(der)):
        broken = der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :]
        try:
            got = read_certificate(broken)
        except CertificateError:
            continue
        certificates.describe(got)
        covers(got, "webmail.kunde.test")
        is_self_signed(got)
        issued(got, got)


def test_the_description_is_plain_data():
    shown = certificates.describe(cert(start=-30, end=60))
    assert json.loads(json.dumps(shown)) == shown
    assert shown["lifetime_days"] == 90.0
    assert shown["not_after"] == (now() + 60 * DAY).isoformat()
    assert dt.datetime.fromisoformat(shown["not_before"]).tzinfo


def test_a_certificate_is_read_and_its_signature_checked_once():
    made = authority().leaf(["webmail.kunde.test"])
    first = read_certificate(made.cert.public_bytes(DER))
    assert read_certificate(made.cert.public_bytes(DER)) is first
    parent = read_certificate(authority().intermediate.public_bytes(DER))
    checked = certificate_chains._signed_once.cache_info
    before = checked().misses
    assert [issued(parent, first) for _ in range(3)] == [True] * 3
    assert checked().misses == before + 1


def test_certificates_of_absurd_size_are_not_remembered():
    """Case 99: what strangers serve bounds no memory of ours."""
    made = authority().leaf([f"n{n}.kunde.test" for n in range(1_000)])
    before = certificate_chains._signed_once.cache_info().misses
    first, again = (read_certificate(made.cert.public_bytes(DER)) for _ in range(2))
    assert again is not first
    assert (again == first, len({again, first})) == (True, 1)
    assert issued(read_certificate(authority().intermediate.public_bytes(DER)), first)
    assert certificate_chains._signed_once.cache_info().misses == before
