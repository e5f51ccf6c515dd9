"""A text beside the record that is nearly one: its senders are put in, and none is lost."""

import pytest

from tests.collectors.dns.advice_judge import passing
from tests.collectors.spf_check import GOOD, HOST, found, spf, values

NAMES = {
    "mailgun.test": {"TXT": ["v=spf1 ip4:198.51.100.32/27 ~all"]},
    "two.test": {"TXT": ["v=spf1 include:mailgun.test include:i0.test -all"]},
    **{f"i{n}.test": {"TXT": ["v=spf1 -all"]} for n in range(9)},
}
NEAR = "v=spf1include:mailgun.test ~all"


@pytest.mark.parametrize(
    "near",
    [
        NEAR,
        "spf1 include:mailgun.test",
        "v=spf1;include:mailgun.test -all",
        '"v=spf1 include:mailgun.test ~all"',
        "v=spf1%20include:mailgun.test%20-all",
        "v=spf 1 redirect=mailgun.test",
        " v=spf1 include:_spf.host.test include:mailgun.test -all",
    ],
)
def test_its_senders_are_put_into_the_record(near):
    result, _server = spf(GOOD, near, names=NAMES)
    better = "v=spf1 include:_spf.host.test include:mailgun.test -all"
    assert [(f.code, f.severity, f.owner) for f in result.findings] == [
        ("spf_slip", "warn", "customer")
    ]
    assert values(result, "spf_slip") == [("replace", better), ("remove", near)]
    zone = {**HOST, **NAMES, "kunde.test": {"TXT": [better]}}
    senders = {"203.0.113.25", "2001:db8::25", "198.51.100.40"}
    assert passing(zone, "kunde.test", senders) == senders


def test_one_record_cures_what_is_wrong_with_the_record_too():
    result, _server = spf("v=spf1 ip4:198.51.100.7 -all", NEAR, names=NAMES)
    better = "v=spf1 ip4:198.51.100.7 include:mailgun.test include:_spf.host.test -all"
    fixes = [f.fix for f in result.findings if f.fix]
    assert [[(str(r.action), r.value) for r in fix.records] for fix in fixes] == [
        [("replace", better), ("remove", NEAR)]
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'"{GOOD}"',
        "v=spf1 ",
        "v=spf10 include:mailgun.test -all",
        "v=spf1-verification=1",
        "v=spf1-old include:mailgun.test -all",
        "spf2.0/pra include:mailgun.test -all",
        "v=spf1: -all",
        "google-site-verification=abc",
    ],
)
def test_a_text_that_lets_nobody_else_send_is_no_finding(text):
    assert found(GOOD, text, names=NAMES) in ([], ["spf_multiple"][: text == "v=spf1 "])


def test_what_the_record_does_not_bear_is_said_without_a_record():
    ten = " ".join(["v=spf1 include:_spf.host.test", *(f"include:i{n}.test" for n in range(9))])
    result, _server = spf(f"{ten} -all", "v=spf1include:two.test ~all", names=NAMES)
    assert {f.code for f in result.findings} == {"spf_lookups_near_limit", "spf_slip"}
    assert all(not (f.fix and f.fix.records) for f in result.findings)
