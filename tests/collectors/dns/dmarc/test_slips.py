"""What the owner of a DMARC text meant: no policy and no address is lost to a slip."""

import time

import pytest

from collectors.dns.dmarc.slips import kept_tags, meant_addresses, meant_tags
from collectors.standards import dmarc

MEANT = "v=DMARC1; p=reject; rua=mailto:a@x.test,mailto:b@y.test"


def meant(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return dmarc.record_text(meant_tags(raw))


def kept(text):
    return dmarc.record_text(kept_tags(dmarc.parse_policy_record(text.encode()), text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "v=dmarc1; p=reject; rua=mailto:a@x.test,mailto:b@y.test",
        "V = DMARC1 ; P = REJECT ; RUA = mailto:a@x.test , mailto:b@y.test ;",
        " v=DMARC1; p=reject; rua=mailto:a@x.test,mailto:b@y.test",
        '"v=DMARC1; p=reject; rua=mailto:a@x.test,mailto:b@y.test"',
        '"v=DMARC1;" "p=reject;" "rua=mailto:a@x.test,mailto:b@y.test"',
        '\\"v=DMARC1\\; p=reject\\; rua=mailto:a@x.test\\,mailto:b@y.test\\"',
        "v=DMARC1\\059 p=reject\\059 rua=mailto:a@x.test\\044mailto:b@y.test",
        "“v=DMARC1; p=reject; rua=mailto:a@x.test,mailto:b@y.test”",
        "v=DMARC1;\xa0p=reject;\u200b rua=mailto:a@x.test,\u2003mailto:b@y.test",
        "v=DMARC1;%20p=reject;%20rua=mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1%3B p%3Dreject%3B rua%3Dmailto:a@x.test,mailto:b@y.test",
        "v=DMARC1&#59;&nbsp;p=reject&#59;&nbsp;rua=mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1&p=reject&rua=mailto:a@x.test,mailto:b@y.test",
        "v:DMARC1; p:reject; rua:mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1 p=reject rua=mailto:a@x.test mailto:b@y.test",
        "v=DMARC1, p=reject, rua=mailto:a@x.test, mailto:b@y.test",
        "v=DMARC1: p=reject: rua=mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1; p=reject; rua=mailto:a@x.test;mailto:b@y.test",
        "v=DMARC1; p=reject; rua=mailto:a@x.test; b@y.test",
        "v=DMARC1; p=reject; rua=a@x.test,b@y.test",
        "v=DMARC1; p=reject; rua=mailto:a@x.test|mailto:b@y.test",
        "v=DMARC1; p=reject; rua=mailto:a@x.test/b@y.test",
        "v=DMARC1; p=reject; rua=mailto:<a@x.test>,mailto:<b@y.test>",
        "v=DMARC1; p=<reject>; rua=<mailto:a@x.test>,<mailto:b@y.test>",
        'v=DMARC1; p=\'reject\'; rua="mailto:a@x.test","mailto:b@y.test"',
        "v=DMARC1; p=reject; rua=mailto: a@x.test, mailto: b@y.test",
        "v=DMARC1; p=reject; rua=mailto:a @x.test,mailto:b@ y.test",
        "v=DMARC1; p=reject; rua=mailto://a@x.test,mailto=b@y.test",
        "v=DMARC1; p=reject; rua=malito:a@x.test,mailto:mailto:b@y.test",
        "v=DMARC1; p=reject; rua=mailto:a@x.test; rua=mailto:b@y.test",
        "v=DMARC1; p=reject. ; rua=mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1; p==reject; rua==mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1p=rejectrua=mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1; p reject; rua mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1\np=reject\nrua=mailto:a@x.test,mailto:b@y.test",
        "p=reject; rua=mailto:a@x.test,mailto:b@y.test",
        "v=DMRC1; p=reject; rua=mailto:a@x.test,mailto:b@y.test",
        "v=DMARC1; p=reject\xff; rua=mailto:a@x.test,mailto:b@y.test",
        "<v=DMARC1; p=reject; rua=mailto:a@x.test,mailto:b@y.test>",
        "v=DMARC1; p=reject; rua=https://x.test/r,mailto:a@x.test,javascript:alert(1),b@y.test",
    ],
)
def test_policy_and_addresses_outlive_every_slip(text):
    assert meant(text) == MEANT
    raw = text.encode()
    assert dmarc.is_policy_record(raw) or dmarc.resembles_policy_record(raw)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("v=DMARC1; p=reject; sp:none; ruf=<c@x.test>", "p=reject; sp=none; ruf=mailto:c@x.test"),
        ("v=DMARC1; p=none; v=DMARC1; p=reject", "p=none"),
        ("v=DMARC1; p=reject; p=quarantine; t=n; t=y", "p=quarantine; t=y"),
        (
            "v=dmarc1; p=reject; adkim=s; aspf=r; fo=1,d; x=Y",
            "p=reject; adkim=s; aspf=r; fo=1:d; x=Y",
        ),
        ("v=dmarc1; p=block; sp=quarantine", "p=block; sp=quarantine"),
        ("v=dmarc1; p=none; rua=mailto:A.b+c@X.test!10m", "p=none; rua=mailto:A.b+c@X.test!10m"),
        ("v=dmarc1; p=none; rua=mailto:a!b@x.test", "p=none; rua=mailto:a%21b@x.test"),
        ("v=dmarc1; p=none; rua=mailto:a@müller.test", "p=none; rua=mailto:a@xn--mller-kva.test"),
        ("v=dmarc1; p=none; rua=mailto:a@localhost", "p=none"),
        (
            "v=dmarc1; p=none; rua=mailto:a@x.testruf=mailto:b@x.test",
            "p=none; rua=mailto:a@x.test; ruf=mailto:b@x.test",
        ),
    ],
)
def test_the_rest_is_read_as_it_was_meant(text, says):
    assert meant(text) == f"v=DMARC1; {says}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("v=DMARC1;p=Reject;fo:0;0;x=Y", "p=Reject; fo:0; 0; x=Y"),
        ("v=DMARC1; p=none; sp:reject", "p=none; sp:reject"),
        (
            "v=DMARC1; p=none; rua=mailto:a@x.test;mailto:b@x.test",
            "p=none; rua=mailto:a@x.test,mailto:b@x.test",
        ),
        ("v=DMARC1; p=none; adkim=s rua=mailto:a@x.test", "p=none; rua=mailto:a@x.test"),
        (
            "v=DMARC1; p=none; rua:mailto:a@x.test; ruf=b@x.test",
            "p=none; ruf=mailto:b@x.test; rua=mailto:a@x.test",
        ),
        ("v=DMARC1; p=reject; P=none; p=quarantine", "p=none"),
        ("v=DMARC1; p=block; rua=mailto:a@x.test", "p=block; rua=mailto:a@x.test"),
    ],
)
def test_of_a_record_in_use_nothing_changes_but_its_addresses(text, says):
    assert kept(text) == f"v=DMARC1; {says}"


def test_an_address_is_kept_once_and_as_it_is_written():
    texts = ["mailto:A%2Bb@x.test!1m, mailto:%22a%20b%22@x.test", "a@x.test;mailto:a@X.test"]
    assert meant_addresses(texts) == [
        "mailto:A%2Bb@x.test!1m",
        "mailto:%22a%20b%22@x.test",
        "mailto:a@x.test",
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"v=dmarc1; p=" + b" " * 60_000 + b"x",
        b"v=dmarc1; " + b"a=b;" * 15_000,
        b"v=dmarc1; rua=" + b"mailto:" * 8_000 + b"a@x.test",
        b"v=dmarc1; rua=" + b"a@x.test " * 6_000,
        b"v=dmarc1; rua=" + b"@" * 60_000,
        b"v=dmarc1; rua=" + b"x:a@b," * 10_000,
        b"v=dmarc1; rua=" + b" @" * 30_000,
        b"v=dmarc1; " + b"p=none" * 10_000,
        b"v=dmarc1; " + b"rua rua=" * 7_500,
        b"v=dmarc1" + b"\\" * 60_000,
        b"v=dmarc1; rua=@" + b"a." * 30_000,
    ],
)
def test_it_reads_60_kb_of_anything_in_no_time(text):
    started = time.process_time()
    meant_tags(text)
    assert time.process_time() - started < 1


def test_an_address_with_an_ampersand_or_an_encoded_sign_stays_as_it_is():
    text = "v=DMARC1; p=reject; rua=mailto:r&d@x.test,mailto:a%2Bb@x.test"
    assert meant(text) == kept(text) == text
