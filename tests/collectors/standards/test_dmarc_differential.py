"""Our DMARC parser held against checkdmarc's on generated records.

Where they differ, a section of a standard decides. checkdmarc judges what an owner should publish
and raises on the first fault; we say what a receiver makes of it. Its DNS lookups (of report
destinations) are left out.
"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collectors.standards import dmarc

theirs = pytest.importorskip("checkdmarc.dmarc")

POLICY = st.sampled_from(
    ["none", "quarantine", "reject", "Reject", "block", "no ne", "none quarantine"]
)
URI = st.sampled_from(
    [
        "mailto:a@x.test",
        "mailto:A.b+c@mail.x.test",
        "MAILTO:a@x.test",
        "mailto:a@x.test!10m",
        "mailto:a%2Bb@x.test",
        "a@x.test",
        "mailto:",
        "mailto:a",
    ]
)
VALUES = {
    "p": POLICY,
    "sp": POLICY,
    "np": POLICY,
    "adkim": st.sampled_from(["r", "s", "S", "strict"]),
    "aspf": st.sampled_from(["r", "s", "R", "relaxed"]),
    "fo": st.sampled_from(["0", "1", "d", "s", "d:s", "1:d:s", "0:1", "d:d", "x", "1:x"]),
    "psd": st.sampled_from(["y", "n", "u", "Y", "x"]),
    "t": st.sampled_from(["y", "n", "N", "yes"]),
    "rua": st.lists(URI, min_size=1, max_size=3).map(",".join),
    "ruf": st.lists(URI, min_size=1, max_size=2).map(" , ".join),
    "pct": st.sampled_from(["100", "0", "x"]),
    "rf": st.just("afrf"),
    "ri": st.just("86400"),
    "foo": st.sampled_from(["bar", "b=r", "!", "a,b"]),
    "V": st.just("DMARC1"),
}
TAG = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), VALUES[name]))
WRITTEN = st.tuples(
    TAG, st.sampled_from(["=", " = ", "=\t"]), st.sampled_from([str, str.upper])
).map(lambda t: t[2](t[0][0]) + t[1] + t[0][1])
PART = (
    WRITTEN
    | WRITTEN
    | WRITTEN
    | st.sampled_from(["junk", "=x", "p=", "p", "a1=b", "a-b=c", "", " "])
)
VERSION = st.sampled_from(
    [
        "v=DMARC1",
        "v=DMARC1",
        "v=DMARC1",
        "V=DMARC1",
        "v = DMARC1",
        "v=dmarc1",
        "v=DMARC2",
        "p=none",
        " v=DMARC1",
        "v=DMARC1 x",
    ]
)
RECORD = st.tuples(
    VERSION,
    st.lists(PART, max_size=6),
    st.sampled_from(["; ", ";", " ; "]),
    st.sampled_from(["", ";", " ; "]),
).map(lambda r: r[2].join([r[0], *r[1]]) + r[3])


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(theirs, "verify_dmarc_report_destination", lambda *args, **kwargs: None)
    monkeypatch.setattr(
        theirs, "get_mx_records", lambda *args, **kwargs: [{"hostname": "mx.x.test"}]
    )


def ask_both(text):
    """(our Record or None, their tags or None, their error or None)."""
    ours = (
        dmarc.parse_policy_record(text.encode()) if dmarc.is_policy_record(text.encode()) else None
    )
    try:
        return ours, theirs.parse_dmarc_record(text, "x.test")["tags"], None
    except theirs.DMARCError as error:
        return ours, None, error


def invalid(record):
    """The tags of a record whose values are not allowed."""
    return [
        name
        for name in ("p", "sp", "np", "adkim", "aspf", "fo", "psd", "t")
        if record.raw(name) is not None and record.valid(name) is None
    ]


def decided_by(record, error):
    """Which rule of a standard lets a receiver go on where checkdmarc raises, if any."""
    if isinstance(error, theirs.InvalidDMARCReportURI):
        return (
            any(u.problem for u in (*record.rua, *record.ruf))
            and "RFC 9989, 4.7: a URI that is not supported is ignored"
        )
    if isinstance(error, theirs.InvalidDMARCTagValue):
        return (
            invalid(record)
            and "RFC 9989, 4.7 and 4.10.1: an invalid value gives way to the default, an "
            "invalid policy to none"
        )
    if isinstance(error, theirs.InvalidDMARCTag):
        return (
            record.repeated
            and "RFC 6376, 3.2 forbids a second tag of a name, RFC 9989, 4.7 discards the "
            "rest: we count the first and warn"
        )
    # What is left is the grammar: a part that is no tag, or has no value.
    parts = [part.partition("=") for part in record.text.split(";")[1:]]
    broken = [p for p in parts if not p[0].strip(" \t").isalpha() or not p[2]]
    return broken and "RFC 9989, 4.7: syntax errors in the remainder are discarded"


def value(tags, name):
    return tags[name]["value"] if name in tags and tags[name]["explicit"] else None


@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(RECORD)
@example("v=DMARC1")
@example("v=DMARC1; p=none; rua=mailto:a@x.test!10m; fo=0:1")
@example("v=DMARC1; p=none; p=none")
@example("v=DMARC1; p=reject; rua=a@x.test")
@example("v=DMARC1;; p=reject")
def test_it_reads_a_record_as_checkdmarc_does_or_a_standard_says_why_not(text):
    record, tags, error = ask_both(text)
    if record is None:
        # RFC 9989, 4.7: without the exact version in front the whole record is ignored; their
        # lookup drops such a text too (its parser alone may read past a leading blank).
        assert error or not theirs._is_dmarc_record(text), text
        return
    if error:
        assert decided_by(record, error), (text, error)
        return
    for name in ("p", "sp", "np", "psd", "t"):
        assert record.valid(name) == value(tags, name), (text, name)
    for name in ("adkim", "aspf", "fo"):  # an invalid one is the default to both
        assert (record.valid(name) or value(tags, name)) == value(tags, name), (text, name)
    for name, uris in (("rua", record.rua), ("ruf", record.ruf)):
        asked = [u["address"] for u in value(tags, name) or []]
        assert [dmarc.parse_dmarc_uri("mailto:" + a).address for a in asked] == [
            u.address for u in uris
        ], (text, name)


@pytest.mark.parametrize(
    ("uri", "section"),
    [
        (
            "mailto:a@x.test mailto:b@x.test",
            "RFC 9989, 4.8: entries are separated by commas; checkdmarc reads the first and "
            "drops the rest",
        ),
        ("mailto:a@localhost", "RFC 5321, 2.3.5: a mail domain is fully qualified"),
        ("mailto:.a@x.test", "RFC 6068, 2: the local part is a dot-atom"),
        (
            "https://x.test/reports",
            "RFC 9989, 4.7: valid, and ignored by a receiver that knows mailto alone: no "
            "report arrives",
        ),
        ("javascript:alert(1)", "the same"),
    ],
)
def test_it_does_not_count_on_addresses_that_checkdmarc_lets_pass(uri, section):
    _, tags, error = ask_both(f"v=DMARC1; p=reject; rua={uri}")
    assert error is None, section
    assert len(tags["rua"]["value"]) == 1
    assert dmarc.parse_dmarc_uri(uri).problem, section


@pytest.mark.parametrize(
    ("uri", "section"),
    [
        ("mailto:%22a%20b%22@x.test", "RFC 6068, 2: a quoted local part, encoded"),
        ("mailto:a@x.test?subject=dmarc", "RFC 6068, 2: header fields behind the address"),
    ],
)
def test_it_reads_addresses_by_their_own_standard(uri, section):
    assert dmarc.parse_dmarc_uri(uri).problem is None, section


def test_a_missing_policy_is_none_only_beside_an_address():
    """RFC 9989, 4.10.1: without a valid `rua` no DMARC applies; to checkdmarc both are p=none."""
    for rua, usable in (("", False), ("; rua=mailto:a@x.test", True)):
        record, tags, _ = ask_both("v=DMARC1" + rua)
        assert (tags["p"]["value"], record.policy()[1], record.usable) == ("none", "none", usable)
