"""A DMARC fix is pasted as it stands there: what it was given for is gone, and nothing is lost.

https://www.rfc-editor.org/rfc/rfc9989 https://www.rfc-editor.org/rfc/rfc9990
"""

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collectors.base import Severity
from collectors.dns.dmarc.fix import STEPS, TIGHTENING
from collectors.standards import dmarc
from tests.collectors import dkim_keys as keys
from tests.collectors.dns.advice_judge import answering
from tests.collectors.lab import codes, look, target
from tests.collectors.publishing import published

NAME = "_dmarc.kunde.test"
RUA = "rua=mailto:dmarc@host.test"
SPF = "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"
OTHERS = ("dns_spf", "dns_dkim")
NAMES = {
    "kunde.test": {"A": ["192.0.2.1"], "MX": ["10 mx1.host.test"], "TXT": [SPF]},
    "s1._domainkey.kunde.test": {"TXT": [f"v=DKIM1; k=rsa; p={keys.spki()}"]},
    "_spf.host.test": {"TXT": [SPF]},
    "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
    "*._report._dmarc.reports.test": {"TXT": ["v=DMARC1"]},
}


def audit(names, domain="kunde.test", beside=OTHERS):
    return look("dns_dmarc", {"names": names}, target(domain), beside=beside)[0]


def given_records(result):
    """The records of all fixes, each once."""
    fixes = [f.fix for f in result.findings if f.fix]
    return list(dict.fromkeys(r for fix in fixes for r in fix.records))


def counted(result):
    return {f.code for f in result.findings if f.severity != Severity.INFO}


CASES = {  # what stands there; what the fix publishes; what is left to say
    "missing": ({}, f"v=DMARC1; p=none; {RUA}", ["dmarc_policy_none"]),
    "other texts": ({NAME: {"TXT": ["x=y"]}}, f"v=DMARC1; p=none; {RUA}", ["dmarc_policy_none"]),
    "two": (
        {
            NAME: {
                "TXT": [
                    "v=DMARC1; p=none; rua=mailto:a@kunde.test",
                    "v=DMARC1; p=reject; rua=mailto:b@kunde.test; ruf=c@kunde.test",
                ]
            }
        },
        "v=DMARC1; p=none; rua=mailto:a@kunde.test,mailto:b@kunde.test; ruf=mailto:c@kunde.test",
        ["dmarc_policy_none"],
    ),
    "two, of which one stays": (
        {NAME: {"TXT": [f"v=DMARC1;p=quarantine;{RUA}", f"v=DMARC1; p=reject; {RUA}"]}},
        f"v=DMARC1;p=quarantine;{RUA}",
        [],
    ),
    "two, weaker in turn": (
        {
            NAME: {
                "TXT": [
                    f"v=DMARC1; p=reject; sp=none; adkim=s; {RUA}",
                    f"v=DMARC1; p=quarantine; np=reject; adkim=r; t=y; {RUA}",
                ]
            }
        },
        f"v=DMARC1; p=quarantine; np=none; t=y; {RUA}; sp=none",
        ["dmarc_testing", "dmarc_subdomains_weaker"],
    ),
    "version": ({NAME: {"TXT": [f"v=dmarc1; p=reject; {RUA}"]}}, f"v=DMARC1; p=reject; {RUA}", []),
    "quoted": ({NAME: {"TXT": [f'"v=DMARC1; p=reject; {RUA}"']}}, f"v=DMARC1; p=reject; {RUA}", []),
    "two that are none": (
        {NAME: {"TXT": ["v=dmarc1; p=reject; rua=mailto:a@kunde.test", "v=DMARC; p=quarantine"]}},
        "v=DMARC1; p=quarantine; rua=mailto:a@kunde.test",
        [],
    ),
    "no p": ({NAME: {"TXT": ["v=DMARC1;"]}}, f"v=DMARC1; p=none; {RUA}", ["dmarc_policy_none"]),
    "p": ({NAME: {"TXT": [f"v=DMARC1; p=block; {RUA}"]}}, f"v=DMARC1; p=quarantine; {RUA}", []),
    "sp": (
        {NAME: {"TXT": [f"v=DMARC1; p=reject; sp=block; np=none; {RUA}"]}},
        f"v=DMARC1; p=reject; sp=none; np=none; {RUA}",
        ["dmarc_subdomains_weaker"],
    ),
    "none": ({NAME: {"TXT": [f"v=DMARC1; p=none; {RUA}"]}}, f"v=DMARC1; p=quarantine; {RUA}", []),
    "a slip for the policy": (
        {NAME: {"TXT": [f"v=DMARC1; p:reject; {RUA}; 0"]}},
        f"v=DMARC1; p=reject; {RUA}; 0",
        [],
    ),
    "none, stricter below": (
        {NAME: {"TXT": [f"v=DMARC1; p=none; sp=reject; {RUA}"]}},
        f"v=DMARC1; p=quarantine; sp=reject; {RUA}",
        [],
    ),
    "testing": (
        {NAME: {"TXT": [f"v=DMARC1; p=reject; t=y; {RUA}"]}},
        f"v=DMARC1; p=reject; {RUA}",
        [],
    ),
    "no rua": ({NAME: {"TXT": ["v=DMARC1; p=reject"]}}, f"v=DMARC1; p=reject; {RUA}", []),
    "none without rua": (
        {NAME: {"TXT": ["v=DMARC1; p=none;"]}},
        f"v=DMARC1; p=none; {RUA}",
        ["dmarc_policy_none"],
    ),
    "rua": (
        {NAME: {"TXT": ["v=DMARC1; p=reject; rua=https://kunde.test/,a@kunde.test; ruf=b@x.test"]}},
        "v=DMARC1; p=reject; rua=mailto:a@kunde.test; ruf=mailto:b@x.test",
        [],
    ),
    "unauthorised": (
        {NAME: {"TXT": ["v=DMARC1; p=reject; rua=mailto:a@other.test"]}},
        "v=DMARC1;",
        [],
    ),
    "pct": (
        {NAME: {"TXT": [f"v=DMARC1; p=reject; pct=50; {RUA}"]}},
        f"v=DMARC1; p=reject; {RUA}",
        [],
    ),
    "psd": (
        {NAME: {"TXT": [f"v=DMARC1; p=reject; psd=y; {RUA}"]}},
        f"v=DMARC1; p=reject; {RUA}",
        [],
    ),
    "repeated": (
        {NAME: {"TXT": [f"v=DMARC1; p=reject; p=quarantine; {RUA}; rua=mailto:a@kunde.test"]}},
        f"v=DMARC1; p=quarantine; {RUA},mailto:a@kunde.test",
        [],
    ),
    "bytes": (
        {NAME: {"TXT": [f"v=DMARC1; p=none; x=\xff; {RUA}"]}},
        f"v=DMARC1; p=quarantine; {RUA}",
        [],
    ),
    "doubled": (
        {f"{NAME}.kunde.test": {"TXT": ["v=DMARC1; p=no\x00ne"]}},
        f"v=DMARC1; p=none; {RUA}",
        ["dmarc_policy_none"],
    ),
    "at both wrong places": (
        {
            f"{NAME}.kunde.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:a@kunde.test"]},
            "kunde.test": {"TXT": ["v=DMARC1; p=quarantine; rua=mailto:b@kunde.test", SPF]},
        },
        "v=DMARC1; p=quarantine; rua=mailto:b@kunde.test,mailto:a@kunde.test",
        [],
    ),
    "alias": (
        {
            NAME: {"CNAME": ["kunde.vendor.example"]},
            "kunde.vendor.example": {"TXT": ["v=DMARC1; p=none", "other"]},
        },
        f"v=DMARC1; p=none; {RUA}",
        ["dmarc_policy_none"],
    ),
    "alias of two": (
        {
            NAME: {"CNAME": ["k.vendor.example"]},
            "k.vendor.example": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]},
        },
        f"v=DMARC1; p=none; {RUA}",
        ["dmarc_policy_none"],
    ),
    "alias within": (
        {
            NAME: {"CNAME": ["policy.kunde.test"]},
            "policy.kunde.test": {"TXT": ["v=DMARC1; p=reject"]},
        },
        f"v=DMARC1; p=reject; {RUA}",
        [],
    ),
    "alias to nothing": (
        {NAME: {"CNAME": ["gone.vendor.example"]}},
        f"v=DMARC1; p=none; {RUA}",
        ["dmarc_policy_none"],
    ),
    "wildcard alias": (
        {
            "*.kunde.test": {"CNAME": ["www.vendor.example"]},
            "www.vendor.example": {"A": ["192.0.2.9"]},
        },
        f"v=DMARC1; p=none; {RUA}",
        ["dmarc_policy_none"],
    ),
    "wildcard": (
        {"*.kunde.test": {"TXT": ["v=DMARC1; p=reject"]}},
        f"v=DMARC1; p=reject; {RUA}",
        [],
    ),
    "wildcard of two": (
        {"*.kunde.test": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=quarantine"]}},
        f"v=DMARC1; p=quarantine; {RUA}",
        [],
    ),
    "wildcard, version": (
        {"*.kunde.test": {"TXT": ["v=dmarc1; p=reject"]}},
        f"v=DMARC1; p=reject; {RUA}",
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("names, value, left", CASES.values(), ids=CASES)
def test_what_a_fix_was_given_for_is_gone_once_it_is_published(names, value, left):
    names = {**NAMES, **names}
    before = audit(names)
    records = given_records(before)
    texts = [r.value for r in records if r.type == "TXT" and r.action != "remove" and not r.carried]
    assert texts == [value]
    assert not any("vendor.example" in r.name for r in records)
    assert len([f for f in before.findings if f.fix and f.fix.records]) == 1  # given once
    after = audit(published(names, records))
    assert [f.code for f in after.findings if f.severity != Severity.INFO] == left


def test_a_text_that_is_left_out_and_one_that_is_kept_are_named():
    result = audit({**NAMES, NAME: {"TXT": [f"v=DMARC1;p=reject;pct=20;aspf=s;{RUA}"]}})
    (fix,) = {f.fix for f in result.findings if f.fix}
    assert "It leaves out: pct=20." in fix.text
    assert f"It keeps: p=reject; aspf=s; {RUA}." in fix.text


def test_a_stranger_that_takes_no_reports_is_named_before_the_text_is_a_record():
    """Or the finding would come up only once the record is mended."""
    text = "v=dmarc1; p=reject; rua=mailto:a@other.test"
    result = audit({**NAMES, NAME: {"TXT": [text]}})
    assert codes(result) == ["dmarc_syntax", "dmarc_rua_unauthorised"]
    after = audit(published({**NAMES, NAME: {"TXT": [text]}}, given_records(result)))
    assert counted(after) == set()


# -- any text with any slips, in any zone

POLICIES = ("none", "quarantine", "reject")
ADDRESSES = ("a@kunde.test", "B.c+d@kunde.test", "x@reports.test", "dmarc@host.test")
ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w")


@st.composite
def customer_records(draw):
    """(policy, addresses, text): what a customer means, and how it got into the zone."""
    policy = draw(st.sampled_from(POLICIES))
    rua = draw(st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=3))
    ruf = draw(st.lists(st.sampled_from(ADDRESSES[:2]), unique=True, max_size=1))
    form = draw(
        st.sampled_from(
            ["mailto:{}", "{}", "mailto:<{}>", "<mailto:{}>", "mailto: {}", '"mailto:{}"',
             "mailto://{}", "mailto={}", "MAILTO:{}", "mailto:{} ", "mailto:{}!10m"]
        )
    )  # fmt: skip
    between = draw(st.sampled_from([",", ", ", ";", "; ", " ", " , ", "|"]))
    sign = draw(st.sampled_from(["=", "=", "=", ":", " = ", "=="]))
    end = draw(st.sampled_from(["; ", "; ", ";", " ", ", ", " ; ", ",", "\\; "]))
    tags = [("p", draw(st.sampled_from(["{}", "{}", "{}", '"{}"', "<{}>", "{},"])).format(policy))]
    extra = [("sp", policy), ("adkim", "s"), ("aspf", "r"), ("fo", "1"), ("np", "reject"),
             ("ri", "86400"), ("pct", "100"), ("pct", "30"), ("t", "y"), ("psd", "y")]  # fmt: skip
    tags += draw(st.lists(st.sampled_from(extra), unique_by=lambda t: t[0], max_size=2))
    for name, addresses in (("rua", rua), ("ruf", ruf)):
        if addresses:
            tags.append((name, between.join(form.format(a) for a in addresses)))
    head = draw(
        st.sampled_from(["v=DMARC1", "v=DMARC1", "v=DMARC1", "v=dmarc1", " v=DMARC1", "V = DMARC1",
                         "v=DMARC", "DMARC1", "v:DMARC1"])
    )  # fmt: skip
    text = end.join([head, *(name + sign + value for name, value in tags)])
    around = draw(st.sampled_from(["{}", "{}", "{}", '"{}"', '\\"{}\\"', "“{}”", "{};", "{} "]))
    text = around.format(text).encode().decode("latin-1")  # a character a byte
    return policy, {a.lower() for a in rua}, text


PLACES = st.sampled_from(
    ["own", "own", "own", "alias", "alias within", "wildcard", "doubled", "apex", "wildcard domain"]
)


def zone_with(place, texts, *, sound):
    """(domain, names): texts at or near `_dmarc`; `sound`: the domain's own mail passes."""
    names = {**NAMES, "v.vendor.example": {"A": ["192.0.2.9"]}}
    domain = "kunde.test"
    if not sound:
        names["kunde.test"] = {**NAMES["kunde.test"], "TXT": ["v=spf1 -all"]}
    if place == "own":
        names[NAME] = {"TXT": texts}
    elif place == "alias":
        names |= {NAME: {"CNAME": ["v.vendor.example"]}, "v.vendor.example": {"TXT": texts}}
    elif place == "alias within":
        names |= {NAME: {"CNAME": ["p.kunde.test"]}, "p.kunde.test": {"TXT": [*texts, "x"]}}
    elif place == "wildcard":
        names["*.kunde.test"] = {"TXT": texts, "A": ["192.0.2.3"], "MX": ["10 mx1.host.test"]}
    elif place == "doubled":
        names[f"{NAME}.kunde.test"] = {"TXT": texts}
    elif place == "apex":
        names["kunde.test"] = {**names["kunde.test"], "TXT": [*names["kunde.test"]["TXT"], *texts]}
    else:
        domain = "dept.org.test"
        names["*.org.test"] = {"MX": ["10 mx1.host.test"], "A": ["192.0.2.3"], "TXT": [SPF]}
        names["_dmarc.dept.org.test.dept.org.test"] = {"TXT": texts}
        names["_dmarc.org.test"] = {"TXT": ["v=DMARC1; p=block"]}
    return domain, names


@settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(customer_records(), min_size=1, max_size=2), PLACES, st.booleans())
@example([("none", set(), "v=DMARC1; p=none;")], "own", True)
@example([("reject", {"a@kunde.test"}, "v=DMARC1; p=reject; rua=<a@kunde.test>")], "alias", False)
def test_no_fix_loses_what_a_customer_chose_or_breaks_what_works(chosen, place, sound):
    texts = list(dict.fromkeys(text for _policy, _addresses, text in chosen))
    if place not in ("doubled", "apex", "wildcard domain"):
        # beside one that does something, a text that is no record says nothing and stays
        taken = [c for c in chosen if dmarc.is_policy_record(c[2].encode("latin-1"))]
        if len(taken) == 1 and not dmarc.parse_policy_record(taken[0][2].encode("latin-1")).usable:
            taken = []
        chosen = taken or chosen
    domain, names = zone_with(place, texts, sound=sound)
    before = audit(names, domain)
    records = given_records(before)
    if not records:
        return
    after_names = published(names, records)
    after = audit(after_names, domain)

    # it takes nothing away but what it names
    named = {(r.name, r.type) for r in records if r.action != "add"}
    assert answering(names, domain) - answering(after_names, domain) - named == set()
    # it is enough, and brings up nothing but steps
    assert not {f.code for f in before.findings if f.fix and f.fix.records} & counted(after)
    cured = counted(before) - counted(after)
    assert counted(after) - counted(before) <= STEPS
    # policy and addresses survive, and the policy gets stricter with grounds only
    values = [r.value for r in records if r.action != "remove" and r.value.startswith("v=DMARC1; ")]
    if not values:
        return
    (value,) = values
    weakest = min((policy for policy, *_rest in chosen), key=POLICIES.index)
    valid = re.search(r"; p=(none|quarantine|reject)(?:;|$)", value, re.IGNORECASE)
    if valid is None:  # what is not about the policy leaves it as it is, and in no effect
        assert "dmarc_policy_none" in counted(before) & counted(after)
    published_policy = valid[1].lower() if valid else weakest
    if cured & TIGHTENING and published_policy != weakest:
        assert sound
        assert before.evidence["policy"]["policy"] == "none"
        assert any(r.get("authorised") for r in before.evidence["reports"])
    else:
        assert published_policy == weakest
    wanted = set().union(*(addresses for _policy, addresses, _text in chosen))
    rua = (re.search(r"\brua=([^;]*)", value) or ["", ""])[1].lower()
    assert wanted <= set(ADDRESS.findall(rua))
