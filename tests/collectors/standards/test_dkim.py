"""DKIM key records by the book: RFC 6376 sections 3.2 and 3.6.1, RFC 8301, RFC 8463."""

import base64
import hashlib
import random
import time
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from collectors.standards.dkim import (
    KeyRecordError,
    add_key_seen,
    parse_key,
    parse_key_record,
    resembles_key_record,
)
from tests.collectors import dkim_keys as keys


def record(tail="", key=None):
    return f"v=DKIM1; k=rsa; p={key or keys.spki()}{tail}".encode()


def refusal(raw):
    with pytest.raises(KeyRecordError) as caught:
        parse_key_record(raw)
    return caught.value


def test_it_reads_a_plain_record():
    found = parse_key_record(record())
    assert (found.key_type, found.key.type, found.key.bits) == ("rsa", "rsa", 2048)
    assert not found.revoked and not found.testing and found.for_email and found.allows_sha256


def test_only_p_is_required():
    assert parse_key_record(f"p={keys.spki()}".encode()).key.bits == 2048


def test_both_encodings_of_an_rsa_key_parse_and_are_the_same_key():
    """Case 65."""
    one, other = (
        parse_key_record(record(key=keys.spki())),
        parse_key_record(record(key=keys.pkcs1())),
    )
    assert keys.spki() != keys.pkcs1()
    assert one.key == other.key


def test_the_fingerprint_is_that_of_the_key_in_der():
    der = keys.rsa_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert parse_key_record(record()).key.fingerprint == hashlib.sha256(der).hexdigest()


def test_an_other_key_differs():
    assert (
        parse_key_record(record()).key != parse_key_record(record(key=keys.spki(name="other"))).key
    )


def test_a_512_bit_key_is_read_so_that_it_can_be_told_as_too_short():
    """Case 65."""
    assert parse_key_record(record(key=keys.RSA_512)).key.bits == 512


def test_it_reads_an_ed25519_key():
    found = parse_key_record(f"v=DKIM1; k=ed25519; p={keys.ed25519_raw()}".encode())
    assert (found.key.type, found.key.bits, len(found.key.material)) == ("ed25519", 256, 44)


def test_an_ed25519_key_in_asn1_is_told_as_such():
    assert "44 bytes" in refusal(f"v=DKIM1; k=ed25519; p={keys.ed25519_spki()}".encode()).message


@pytest.mark.parametrize("key", [keys.ed25519_raw, keys.ed25519_spki])
def test_an_ed25519_key_without_its_type_is_told_as_such(key):
    assert "k=ed25519" in refusal(f"v=DKIM1; p={key()}".encode()).message


def test_white_space_may_fold_everything_but_the_names():
    head, tail = keys.spki()[:50], keys.spki()[50:]
    folded = f"\t v = DKIM1 ;\r\n k\t=\trsa; n=a  note ; p= {head} \r\n\t {tail} ; "
    assert parse_key_record(folded.encode()).key == parse_key_record(record()).key


@pytest.mark.parametrize("bare", [b"\r", b"\n", b"\r\n"])
def test_a_line_end_that_folds_nothing_is_a_syntax_error(bare):
    assert refusal(b"v=DKIM1;" + bare + b"p=" + keys.spki().encode()).kind == "syntax"


def test_unknown_tags_are_ignored():
    assert parse_key_record(record("; x=1; g=; Z_9=~")).key


@pytest.mark.parametrize("twice", ["; p=", "; n=1; n=2", "; v=DKIM1", "; k=rsa"])
def test_a_tag_that_stands_twice_spoils_the_whole_record(twice):
    error = refusal(record(twice))
    assert error.kind == "syntax"
    assert "more than once" in error.message


def test_tag_names_have_a_case():
    assert "no “p=” tag" in refusal(f"v=DKIM1; P={keys.spki()}".encode()).message
    assert parse_key_record(record("; N=1; n=2")).key


@pytest.mark.parametrize("version", ["DKIM2", "dkim1", "DKIM1.0", "DKIM 1", "1", ""])
def test_the_version_is_exactly_dkim1(version):
    assert refusal(f"v={version}; p={keys.spki()}".encode()).kind == "version"


def test_the_version_comes_first():
    error = refusal(f"k=rsa; v=DKIM1; p={keys.spki()}".encode())
    assert error.kind == "syntax"
    assert "first" in error.message


@pytest.mark.parametrize(
    "text",
    [
        b"v=spf1 include:_spf.host.test ~all",
        b"v=DMARC1; p=reject",
        b"google-site-verification=abc",
        b"hello world",
        b"\xff\x00\xfe",
    ],
)
def test_another_kind_of_text_is_not_a_key(text):
    assert refusal(text).kind == "foreign"
    assert not resembles_key_record(text)


def test_an_empty_record_is_an_error():
    assert refusal(b"").kind == refusal(b" ").kind == "syntax"


def test_an_empty_p_is_revoked_and_a_missing_one_is_an_error():
    assert parse_key_record(b"v=DKIM1; p=").revoked
    assert parse_key_record(b"v=DKIM1; p= \t").revoked
    assert parse_key_record(b"v=DKIM1; k=rsa; p=;").revoked
    assert refusal(b"v=DKIM1; k=rsa").kind == "syntax"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (r"v=DKIM1\; k=rsa\; p=AAAA", "backslashes"),
        ('"v=DKIM1; k=rsa; " "p=AAAA"', "quotation marks"),
        ("v=DKIM1;; p=AAAA", "empty place"),
        ("v=DKIM1; k rsa; p=AAAA", "name=value"),
        ("v=DKIM1; 1k=rsa; p=AAAA", "name=value"),
        ("v=DKIM1; p=-----BEGIN PUBLIC KEY-----AAAA", "header lines"),
        ("v=DKIM1; p=AAAAA", "cut off"),
        ("v=DKIM1; p=AA*A", "not base64"),
        ("v=DKIM1; p=A===", "not base64"),
        ("v=DKIM1; p=AAAA", "not hold an RSA public key"),
        ("v=DKIM1; k=ed25519; p=AAAA", "32 bytes"),
    ],
)
def test_the_usual_slips_are_named(text, word):
    assert word in refusal(text.encode()).message


def test_bytes_that_a_record_cannot_have_are_shown_and_refused():
    """Case 31."""
    error = refusal(b"v=DKIM1; n=\xff\x00\xfe; p=" + keys.spki().encode())
    assert r"\xff\x00\xfe" in error.message


@pytest.mark.parametrize("cut", [1, 10, 100, 293])
def test_a_key_that_is_cut_off_is_not_read(cut):
    der = base64.b64decode(keys.spki())
    assert refusal(record(key=base64.b64encode(der[:-cut]).decode())).kind == "syntax"
    assert refusal(record(key=base64.b64encode(der + b"\x00").decode())).kind == "syntax"


def test_a_key_of_another_algorithm_is_not_an_rsa_key():
    key = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    assert "another kind" in refusal(record(key=base64.b64encode(key).decode())).message


def test_an_even_modulus_is_not_an_rsa_key():
    odd, even = (
        base64.b64encode(bytes.fromhex("300b0206") + b"\x7f" * 5 + last + bytes.fromhex("020103"))
        for last in (b"\x03", b"\x02")
    )
    assert parse_key_record(b"p=" + odd).key.bits == 47
    assert "not hold an RSA" in refusal(b"p=" + even).message


@pytest.mark.parametrize("strange", ["*", "=", "-", "\\", "A==", '"'])
def test_base64_is_taken_strictly(strange):
    key = keys.spki()
    assert refusal(record(key=key[:40] + strange + key[40:])).kind == "syntax"


def test_the_key_type_has_no_case():
    assert parse_key_record(f"v=DKIM1; k=RSA; p={keys.spki()}".encode()).key


def test_an_unknown_key_type_is_kept_without_a_key():
    found = parse_key_record(b"v=DKIM1; k=rsa2; p=whatever")
    assert (found.key_type, found.key, found.revoked) == ("rsa2", None, False)


@pytest.mark.parametrize(
    ("tag", "for_email"),
    [
        ("", True),
        ("; s=*", True),
        ("; s=email", True),
        ("; s= x : EMAIL", True),
        ("; s=tlsrpt", False),
        ("; s=", False),
    ],
)
def test_the_service_must_include_email(tag, for_email):
    assert parse_key_record(record(tag)).for_email is for_email


@pytest.mark.parametrize(
    ("tag", "allowed"),
    [
        ("", True),
        ("; h=sha256", True),
        ("; h=sha1:sha256", True),
        ("; h=sha1", False),
        ("; h=md5 : sha1", False),
    ],
)
def test_the_hash_must_include_sha256(tag, allowed):
    assert parse_key_record(record(tag)).allows_sha256 is allowed


@pytest.mark.parametrize(
    ("tag", "testing"),
    [
        ("", False),
        ("; t=s", False),
        ("; t=y", True),
        ("; t=s:y", True),
        ("; t=yes", False),
        ("; t=", False),
    ],
)
def test_only_the_flag_y_means_testing(tag, testing):
    assert parse_key_record(record(tag)).testing is testing


def test_text_changes_a_tag_and_keeps_the_rest_in_order():
    found = parse_key_record(f"v=DKIM1; n=note; t=y:s; p={keys.spki()}; s=other".encode())
    assert found.text(t="s", s=None) == f"v=DKIM1; n=note; t=s; p={keys.spki()}"


def test_a_key_from_elsewhere_tells_its_type_by_its_length():
    assert parse_key(keys.ed25519_raw()).type == "ed25519"
    assert parse_key(keys.pkcs1()) == parse_key(keys.spki()[:40] + "\n " + keys.spki()[40:])


@pytest.mark.parametrize(
    "raw",
    [
        b"A" * 60_000,
        b"v=DKIM1; p=" + b"A" * 60_000,
        b"v=DKIM1; p="
        + base64.b64encode(
            b"\x30\x82\xaf\xfc\x02\x82\xaf\xf5" + b"\x7f" * 45_045 + b"\x02\x01\x03"
        ),
        b"v=DKIM1; " + b"; ".join(b"a%d=x" % i for i in range(6_000)),
        b"v=DKIM1; p=" + b" " * 60_000,
        b"v=DKIM1; n=" + b"\r\n " * 20_000,
        b";" * 60_000,
        b"p=" * 30_000,
        b"v=DKIM1; p=" + b"=" * 60_000,
    ],
    ids=range(9),
)
def test_kb_of_anything_is_judged_at_once(raw):
    """Cases 65, 60."""
    started = time.process_time()
    with suppress(KeyRecordError):
        assert parse_key_record(raw).key is None
    resembles_key_record(raw)
    assert time.process_time() - started < 1


def test_it_raises_nothing_else_whatever_the_bytes():
    dice = random.Random(6376)
    good = record("; t=y; s=email; h=sha256; n=note")
    for _turn in range(3000):
        raw = bytearray(good)
        for _change in range(dice.randint(1, 6)):
            at = dice.randrange(len(raw))
            raw[at : at + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        try:
            parse_key_record(bytes(raw))
        except KeyRecordError as error:
            assert str(error.message)


def test_no_damaged_key_is_taken_for_the_good_one():
    """Every byte of the key is part of what is compared, or of what makes it a key at all."""
    good = parse_key_record(record()).key
    der = base64.b64decode(keys.spki())
    for at in range(len(der)):
        damaged = der[:at] + bytes([der[at] ^ 0x10]) + der[at + 1 :]
        with suppress(KeyRecordError):
            assert parse_key_record(record(key=base64.b64encode(damaged).decode())).key != good, at


def test_every_rsa_size_agrees_with_the_cryptography_library():
    for bits in (1024, 1536, 2048):
        key = keys.rsa_key(bits)
        assert isinstance(key, rsa.RSAPublicKey)
        assert parse_key_record(record(key=keys.spki(bits))).key.bits == key.key_size
        assert parse_key(keys.pkcs1(bits)).material == key.public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )


def test_a_key_for_another_rsa_scheme_is_not_one_for_dkim():
    """RFC 6376, 3.3 knows rsaEncryption; a verifier refuses to use a key of RSASSA-PSS for that."""
    der = base64.b64decode(keys.spki())
    pss = der.replace(
        bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01010a")
    )
    assert "another kind" in refusal(record(key=base64.b64encode(pss).decode())).message


def test_the_parameters_of_the_algorithm_may_be_left_out():
    der = base64.b64decode(keys.spki())
    bare = b"\x30\x82\x01\x20\x30\x0b" + der[6:17] + der[19:]
    assert parse_key(base64.b64encode(bare).decode()) == parse_key(keys.spki())


def test_the_keys_seen_are_the_newest_first_each_once_and_not_without_end():
    one, other = parse_key(keys.spki()).fingerprint, parse_key(keys.spki(name="other")).fingerprint
    seen = add_key_seen(keys.spki(), [])
    assert seen == add_key_seen(keys.pkcs1(), seen) == add_key_seen("no key", seen) == [one]
    assert add_key_seen(keys.spki(name="other"), seen) == [other, one]
    assert add_key_seen(keys.spki(), [other, one]) == [one, other]
    assert len(add_key_seen(keys.spki(), [str(i) for i in range(50)])) == 10
