"""DMARC records, tree walk and policy discovery by RFC 9989, over a lookup of a few lines."""

import asyncio
import re
import time
from importlib.resources import files

import pytest

from collectors.names import organisational_domain as registrable
from collectors.standards import dmarc


def parse(text):
    return dmarc.parse_policy_record(text if isinstance(text, bytes) else text.encode())


class Zone:
    """A lookup over a dict {domain: text or texts} of `_dmarc` records; `asked`: the names."""

    def __init__(self, **records):
        self.records = {
            name.replace("_", "."): [v] if isinstance(v, str) else v for name, v in records.items()
        }
        self.asked = []

    async def __call__(self, name):
        self.asked.append(name)
        found = self.records.get(name.removeprefix("_dmarc."), [])
        if isinstance(found, Exception):
            raise found
        return [t.encode() for t in found]


def discover(domain, zone):
    return asyncio.run(dmarc.discover_policy(domain, zone))


def organisation(domain, zone):
    return dmarc.organizational_domain(asyncio.run(dmarc.tree_walk(domain, zone)))


# -- what is a record


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1",
        "v=DMARC1;",
        "v=DMARC1; p=none",
        "v=DMARC1 ;p=none",
        "v = DMARC1; p=none",
        "V=DMARC1; p=none",
    ],
)
def test_it_knows_a_record_by_its_version(text):
    assert dmarc.is_policy_record(text.encode())
    assert not dmarc.resembles_policy_record(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "v=dmarc1; p=none",
        " v=DMARC1; p=none",
        '"v=DMARC1; p=none"',
        "DMARC1; p=none",
        "p=none; v=DMARC1",
        "v=DMARC2; p=none",
        "v=DMARC; p=none",
        "v=DMARC1 p=none",
        "v=DMARC1, p=none",
        "v=DMARC1:p=none",
        "\tv=DMARC1",
        "v= dmarc1",
    ],
)
def test_it_takes_nothing_else_for_a_record_but_sees_what_was_meant(text):
    assert not dmarc.is_policy_record(text.encode())
    assert dmarc.resembles_policy_record(text.encode())
    with pytest.raises(dmarc.NotDmarc):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 -all",
        "",
        "dmarc-verification=abc",
        "google-site-verification=x",
        "v=DKIM1; p=",
        "see dmarc.org",
    ],
)
def test_it_leaves_other_texts_alone(text):
    assert not dmarc.is_policy_record(text.encode())
    assert not dmarc.resembles_policy_record(text.encode())


# -- tags


def test_it_reads_every_tag():
    record = parse(
        "v=DMARC1; p=Reject; SP=quarantine; np=none; adkim=s; aspf=r; fo=1:d:s; psd=n; t=y; "
        "rua=mailto:a@x.test; ruf=mailto:b@x.test"
    )
    assert [record.valid(tag) for tag in ("p", "sp", "np", "adkim", "aspf", "fo", "psd", "t")] == [
        "reject",
        "quarantine",
        "none",
        "s",
        "r",
        "1:d:s",
        "n",
        "y",
    ]
    assert (record.psd, record.testing, record.strict) == (
        "n",
        True,
        {"adkim": True, "aspf": False},
    )
    assert ([u.address for u in record.rua], [u.address for u in record.ruf]) == (
        ["a@x.test"],
        ["b@x.test"],
    )
    assert (record.ignored, record.repeated, record.flawed) == ((), (), None)


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1;p=reject",
        "v=DMARC1; p=reject;",
        "v=DMARC1 \t;\t p \t=\t reject \t;\t",
        "v=DMARC1;; ;p=reject;;",
    ],
)
def test_it_takes_blanks_and_semicolons_as_the_grammar_does(text):
    assert parse(text).valid("p") == "reject"
    assert parse(text).ignored == ()


def test_it_has_defaults_for_what_is_not_there():
    record = parse("v=DMARC1; p=reject")
    assert (record.psd, record.testing, record.strict, record.rua) == (
        "u",
        False,
        {"adkim": False, "aspf": False},
        (),
    )


def test_it_passes_over_what_it_does_not_know_and_says_so():
    record = parse(
        "v=DMARC1; p=reject; foo=bar; adkim=strict; fo=0:1; junk; =x; t=yes; psd=maybe; a1=b; "
        "pct=50"
    )
    assert record.ignored == (
        "foo=bar",
        "adkim=strict",
        "fo=0:1",
        "junk",
        "=x",
        "t=yes",
        "psd=maybe",
        "a1=b",
    )
    assert (record.valid("p"), record.psd, record.testing) == ("reject", "u", False)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("0", 1),
        ("1", 1),
        ("d:s", 1),
        ("s:d", 1),
        ("1:d:s", 1),
        ("d:0:s", 1),
        ("0:1", 0),
        ("d:d", 0),
        ("", 0),
        ("x", 0),
    ],
)
def test_it_takes_each_failure_option_once_and_0_or_1_alone(value, good):
    assert (parse(f"v=DMARC1; p=none; fo={value}").valid("fo") is not None) == bool(good)


def test_it_counts_the_first_of_a_repeated_tag():
    record = parse("v=DMARC1; p=none; P=reject; p=reject")
    assert (record.valid("p"), record.repeated) == ("none", ("p",))
    record = parse("v=DMARC1; p=reject; V=DMARC1")
    assert (record.repeated, record.tags) == (("v",), (("p", "reject"),))


def test_it_ignores_a_value_with_bytes_that_no_value_may_have():
    record = parse(b"v=DMARC1; p=reject\xff; rua=mailto:a@x.test; sp=none\x00")
    assert (record.flawed, record.policy(), record.usable) == ("p", ("p", "none"), True)
    assert record.text == "v=DMARC1; p=reject\\xff; rua=mailto:a@x.test; sp=none\\x00"
    assert record.ignored == ("p=reject\\xff", "sp=none\\x00")


def test_a_forgotten_semicolon_makes_the_policy_invalid():
    record = parse("v=DMARC1; p=reject rua=mailto:a@x.test")
    assert (record.flawed, record.usable) == ("p", False)


# -- policy (RFC 9989, 4.10.1)


@pytest.mark.parametrize(
    ("tags", "own", "below", "missing"),
    [
        ("p=reject", ("p", "reject"), ("p", "reject"), ("p", "reject")),
        ("p=reject; sp=none", ("p", "reject"), ("sp", "none"), ("sp", "none")),
        ("p=none; np=reject", ("p", "none"), ("p", "none"), ("np", "reject")),
        ("p=reject; sp=quarantine; np=none", ("p", "reject"), ("sp", "quarantine"), ("np", "none")),
    ],
)
def test_it_applies_p_sp_and_np_to_whom_they_are_meant_for(tags, own, below, missing):
    record = parse("v=DMARC1; " + tags)
    assert (
        record.policy(),
        record.policy(inherited=True),
        record.policy(inherited=True, exists=False),
    ) == (own, below, missing)


@pytest.mark.parametrize(
    ("tags", "flaw"),
    [("", "p"), ("p=block", "p"), ("p=reject; sp=block", "sp"), ("p=reject; np=block", "np")],
)
def test_an_invalid_policy_is_none_beside_an_address_and_nothing_without_one(tags, flaw):
    with_address, without = (
        parse(f"v=DMARC1; {tags}; rua=mailto:a@x.test"),
        parse(f"v=DMARC1; {tags}"),
    )
    assert (with_address.usable, with_address.policy()) == (True, (flaw, "none"))
    assert (without.usable, without.flawed) == (False, flaw)
    assert not parse(f"v=DMARC1; {tags}; rua=a@x.test").usable


# -- addresses


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("mailto:a@x.test", "a@x.test"),
        (" mailto:a@x.test\t", "a@x.test"),
        ("MAILTO:A.b+c@X.Test", "A.b+c@x.test"),
        ("mailto:a@x.test!10m", "a@x.test"),
        ("mailto:a%2Bb%21@x.test", "a+b!@x.test"),
        ("mailto:a@x.test?subject=dmarc", "a@x.test"),
        ("mailto:%22a%20b%22@x.test", '"a b"@x.test'),
        ("mailto:a@x.test.", "a@x.test"),
        ("mailto:a@xn--joo-silva-m2a.test", "a@xn--joo-silva-m2a.test"),
    ],
)
def test_it_reads_a_mail_address(uri, address):
    parsed = dmarc.parse_dmarc_uri(uri)
    assert (parsed.address, parsed.problem) == (address, None)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a@x.test",
        "x.test",
        "javascript:alert(1)",
        "https://x.test/dmarc",
        "data:text/html,x",
        "mailto:",
        "mailto:x",
        "mailto:@x.test",
        "mailto:a@",
        "mailto:a@x",
        "mailto:a@localhost",
        "mailto:a@[192.0.2.1]",
        "mailto:a@x..test",
        "mailto:a b@x.test",
        "mailto:a@b@x.test",
        "mailto:a@-x.test",
        "mailto:a@x.test!!1",
        "mailto:a!b@x.test",
        "mailto:.a@x.test",
        "mailto:a%00@x.test",
        "mailto:a%FF@x.test",
        "mailto://a@x.test",
        "mailto:a@x.test mailto:b@x.test",
        "mailto:" + "a" * 65 + "@x.test",
        "mailto:a@" + "x" * 64 + ".test",
    ],
)
def test_what_is_not_a_mail_address_is_a_problem_and_no_address(uri):
    """Case 64."""
    parsed = dmarc.parse_dmarc_uri(uri)
    assert parsed.problem
    assert (parsed.address, parsed.host) == ("", "")


def test_it_splits_an_address_list_and_passes_over_empty_entries():
    record = parse("v=DMARC1; p=none; rua=mailto:a@x.test ,, mailto:b@y.test!1g,")
    assert [(u.address, u.size) for u in record.rua] == [("a@x.test", ""), ("b@y.test", "!1g")]


# -- the tree walk (RFC 9989, 4.10)


def test_it_walks_as_the_example_of_the_standard_does():
    zone = Zone()
    asyncio.run(dmarc.tree_walk("a.b.c.d.e.f.g.h.i.j.mail.example.com", zone))
    assert zone.asked == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]


@pytest.mark.parametrize("labels", range(1, 14))
def test_it_asks_at_most_eight_names_whatever_the_length(labels):
    """Case 64."""
    zone = Zone()
    discover(".".join(["x"] * labels), zone)
    assert len(zone.asked) == min(labels, 8)
    assert len(set(zone.asked)) == len(zone.asked)


def test_it_stops_at_psd_y_and_at_psd_n():
    for psd in "yn":
        zone = Zone(b_c_test=f"v=DMARC1; p=none; psd={psd}", test="v=DMARC1; p=reject")
        asyncio.run(dmarc.tree_walk("a.b.c.test", zone))
        assert zone.asked == ["_dmarc.a.b.c.test", "_dmarc.b.c.test"]


@pytest.mark.parametrize(
    ("records", "domain", "expected"),
    [
        (
            {"mail_example_com": "v=DMARC1; p=none", "example_com": "v=DMARC1; p=none"},
            "a.mail.example.com",
            "example.com",
        ),
        (
            {"mail_example_com": "v=DMARC1; psd=n", "example_com": "v=DMARC1; p=none"},
            "a.mail.example.com",
            "mail.example.com",
        ),
        ({"com": "v=DMARC1; p=none; psd=y"}, "a.mail.example.com", "example.com"),
        ({"example_com": "v=DMARC1; psd=y"}, "mail.example.com", "mail.example.com"),
        (
            {"example_com": "v=DMARC1; psd=y"},
            "example.com",
            "example.com",
        ),  # the walk's own start does not count
        ({}, "a.mail.example.com", "a.mail.example.com"),
        (
            {"example_com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]},
            "mail.example.com",
            "mail.example.com",
        ),  # several are none
        (
            {"bank_test": "v=DMARC1; p=reject; psd=y", "a_bank_test": "v=DMARC1; p=none"},
            "x.a.bank.test",
            "a.bank.test",
        ),
    ],
)
def test_it_finds_the_organisational_domain(records, domain, expected):
    """Case 66."""
    assert organisation(domain, Zone(**records)) == expected


def test_the_public_suffix_list_agrees_with_its_own_vectors():
    """Case 66."""
    vectors = re.findall(
        r"^checkPublicSuffix\('([^']+)', (?:'([^']+)'|null)\)",
        (files("publicsuffixlist") / "test_psl.txt").read_text("utf-8"),
        re.M,
    )
    assert len(vectors) > 60
    for name, expected in vectors:
        if name.isascii() and not name.startswith("."):  # names come here as A-labels
            assert registrable(name) == (expected or name.lower()), name


# -- policy discovery (RFC 9989, 4.10.1)


def test_it_takes_the_domains_own_record_and_asks_nothing_else():
    zone = Zone(kunde_test="v=DMARC1; p=none", test="v=DMARC1; p=reject")
    at = discover("kunde.test", zone)
    assert (at.found.domain, at.inherited, zone.asked) == (
        "kunde.test",
        False,
        ["_dmarc.kunde.test"],
    )


def test_it_inherits_the_record_of_the_organisational_domain_not_the_nearest():
    at = discover("a.b.c.test", Zone(b_c_test="v=DMARC1; p=none", c_test="v=DMARC1; p=reject"))
    assert (at.found.domain, at.inherited) == ("c.test", True)


def test_it_prefers_the_organisational_domain_to_the_public_suffix():
    zone = Zone(a_bank_test="v=DMARC1; p=none", bank_test="v=DMARC1; p=reject; psd=y")
    assert discover("x.a.bank.test", zone).found.domain == "a.bank.test"


def test_it_falls_back_to_the_public_suffixs_record():
    """Case 66."""
    assert (
        discover("kunde.bank.test", Zone(bank_test="v=DMARC1; p=reject; psd=y")).found.domain
        == "bank.test"
    )
    assert (
        discover("x.kunde.bank.test", Zone(bank_test="v=DMARC1; p=reject; psd=y")).found.domain
        == "bank.test"
    )


def test_two_records_are_discarded_and_the_walk_goes_on():
    """Case 64. RFC 9989, 4.10, steps 2 and 6."""
    two = ["v=DMARC1; p=reject", "v=DMARC1; p=none"]
    zone = Zone(mail_parent_test=two, parent_test="v=DMARC1; p=reject")
    at = discover("mail.parent.test", zone)
    assert (at.found.domain, at.inherited, len(at.own.records)) == ("parent.test", True, 2)
    assert discover("mail.parent.test", Zone(mail_parent_test=two)).found is None
    assert discover("mail.parent.test", Zone(parent_test=two)).found is None


def test_it_picks_the_record_from_among_other_texts():
    at = discover(
        "kunde.test", Zone(kunde_test=["v=spf1 -all", "v=DMARC1; p=reject", "v=dmarc1; p=none"])
    )
    assert at.found.record.text == "v=DMARC1; p=reject"


@pytest.mark.parametrize("failing", ["mail_parent_test", "parent_test", "test"])
def test_a_failed_lookup_passes_through_and_is_no_absence(failing):
    """Case 64."""
    zone = Zone(**{"parent_test": "v=DMARC1; p=reject", failing: []})
    zone.records[failing.replace("_", ".")] = OSError("no answer")
    with pytest.raises(OSError, match="no answer"):
        discover("mail.parent.test", zone)


# -- rewriting, and hostile sizes


def test_it_writes_a_record_of_tags_and_parts_that_are_none():
    assert dmarc.record_text({"p": "none", "0": None, "rua": "mailto:A@x.test"}) == (
        "v=DMARC1; p=none; 0; rua=mailto:A@x.test"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"v=DMARC1; p=" + b" " * 60_000 + b"\x01",
        b"v=" + b" " * 60_000,
        b"v=DMARC1; " + b"a=b;" * 15_000,
        b" v" * 30_000,
        b"v=DMARC1; rua=" + b"mailto:a@x.test!1," * 3500,
        b"v=DMARC1; rua=mailto:" + b"!1" * 30_000,
        b"v=DMARC1;" + b"=" * 60_000,
        b"\"'" * 30_000,
        b"v=DMARC1; rua=mailto:" + b"a." * 30_000 + b"@x.test",
        b"v=DMARC1" + b" " * 60_000 + b"x",
    ],
)
def test_it_reads_60_kb_of_anything_in_no_time(text):
    started = time.process_time()
    dmarc.resembles_policy_record(text)
    if dmarc.is_policy_record(text):
        parse(text).policy()
    assert time.process_time() - started < 1
