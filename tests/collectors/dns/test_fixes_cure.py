"""A fix is published exactly as it stands there, and the check looks again.

What it was given for must be gone.

https://www.rfc-editor.org/rfc/rfc7208 https://www.rfc-editor.org/rfc/rfc6376 https://www.rfc-editor.org/rfc/rfc9989
"""

import asyncio

import pytest

from collectors.base import Severity
from collectors.standards.spf.evaluation import check_host
from tests.collectors import dkim_keys as keys
from tests.collectors.dkim_check import remembers, signs
from tests.collectors.lab import codes, look, target
from tests.collectors.publishing import published
from tests.collectors.spf_check import FAR, HOST, asked
from tests.collectors.spf_resolver import Resolver

NAMES = {
    **HOST,
    **FAR,
    "kunde.test": {"A": ["192.0.2.1"]},
    "mx1.host.test": {"A": ["127.0.0.1"]},
    "mx.other.test": {"A": ["127.0.0.2"]},
    "_spf.other.test": {"TXT": ["v=spf1 ip4:198.51.100.0/24 ~all"]},
    "bad.test": {"TXT": ["v=spf1 moo -all"]},
    "two.test": {"TXT": ["v=spf1 -all", "v=spf1 ~all"]},
    "open.test": {"TXT": ["v=spf1 +all"]},
    "five.test": {"TXT": ["v=spf1 a:h1.test a:h2.test a:h3.test a:h4.test a:h5.test -all"]},
    "kunde.test._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
}


def again(check_id, names, portal=None, **changes):
    """(codes before, the fix's records, codes after).

    A finding that is not info counts, those of one fix share its records.
    """
    the_target = target(portal_url="http://portal.test" if portal else "", **changes)
    names = {**NAMES, **names}
    first, _server = look(check_id, {"names": names}, the_target, portal=portal)
    fixes = {
        f.fix.records
        for f in first.findings
        if f.severity != Severity.INFO and f.fix and f.fix.records
    }
    assert len(fixes) == 1, codes(first)
    (records,) = fixes
    second, _server = look(
        check_id, {"names": published(names, records)}, the_target, portal=portal
    )
    return codes(first), records, [f.code for f in second.findings if f.severity != Severity.INFO]


# -- MX


@pytest.mark.parametrize(
    "mx",
    [
        [],
        ["0 ."],
        ["0 .", "10 mx1.host.test"],
        ["0 .", "10 mx.other.test"],
        ["10 192.0.2.1"],
        ["10 mx1.host.test", "20 192.0.2.1"],
        ["10 mx.other.test", "20 mx9.other.test"],
        ["5 mx.other.test", "10 mx1.host.test"],
        ["10 mx.other.test", "10 mx1.host.test"],
        ["10 mx1.host.test", "20 mx.other.test"],
        ["10 mx1.host.test", "20 gone.test"],
        ["10 mx1.host.test.kunde.test"],
        ["10 localhost"],
    ],
    ids=",".join,
)
def test_the_mx_set_of_a_fix_leaves_nothing_to_do(mx):
    _before, _records, after = again(
        "dns_mx", {"kunde.test": {"MX": mx} if mx else {"A": ["192.0.2.1"]}}
    )
    assert after == []


# -- SPF: several records are separated by |

SPF = """
v=spf1 -all
v=spf1 +all
v=spf1 ip4:203.0.113.25 +all
v=spf1 include:_spf.other.test +all
v=spf1 ?ip4:203.0.113.25 ip4:0.0.0.0/0 ~all
v=spf1 ip4:0.0.0.0/0 -ip4:203.0.113.25
v=spf1 -ip4:203.0.113.0/24 include:gone.test ~all
v=spf1 include:_spf.host.test -all include:bad.test
v=spf1 include:_spf.host.test -all include:open.test
v=spf1 include:_spf.host.test -all include:five.test include:five.test include:five.test
v=spf1 include:_spf.host.test include:gone.test redirect=gone.test
v=spf1 ipv4:192.0.2.5 a:192.0.2.6 mx ?all
v=spf1 a:gone1.test a:gone2.test a:gone3.test ~all
v=spf1 include:kunde.test -all
v=spf1 redirect=gone.test
v=spf1 mx
v=spf1|v=spf1 include:gone.test ?all
v=spf1 -all|v=spf1 include:_spf.host.test -all
v=spf1 include:bad.test -all|v=spf1 include:two.test include:_spf.other.test ~all
v=spf1 include:open.test ~all|v=spf1 ip4:0.0.0.0/0 -all
v=spf1 -ip4:203.0.113.0/24 ~all|v=spf1 ?ip4:203.0.113.25 redirect=_spf.other.test
other
"v=spf1 include:_spf.other.test -all"
"""


@pytest.mark.parametrize("line", SPF.strip().splitlines())
def test_the_spf_record_of_a_fix_leaves_nothing_to_do(line):
    before, records, after = again(
        "dns_spf",
        {"kunde.test": {"TXT": line.split("|"), "MX": ["10 mx.other.test"], "A": ["127.0.0.2"]}},
    )
    assert before
    assert after == []
    assert [r.value.count("include:_spf.host.test") for r in records if r.action != "remove"] == [1]


@pytest.mark.parametrize("line", SPF.strip().splitlines())
def test_the_spf_record_of_a_fix_lets_everybody_send_who_could_before(line):
    names = {**NAMES, "kunde.test": {"TXT": line.split("|"), "MX": ["10 mx.other.test"]}}
    result, _server = look("dns_spf", {"names": names})
    if "spf_all_pass" in codes(result):
        return  # everybody could
    after = published(names, next(f.fix.records for f in result.findings if f.fix))

    def senders(zone):
        for ip in ("127.0.0.2", "192.0.2.5", "198.51.100.1", "198.51.100.9", "203.0.113.25"):
            made = check_host(
                ip=ip, domain="kunde.test", sender="a@kunde.test", resolver=Resolver(zone)
            )
            if asyncio.run(made).result == "pass":
                yield ip

    assert set(senders(names)) <= set(senders(after))
    assert "203.0.113.25" in senders(after)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (
            "v=spf1 a:h1.test include:bad.test -all",
            "v=spf1 a:h1.test include:_spf.host.test include:bad.test -all",
        ),
        (
            "v=spf1 ip4:0.0.0.0/0 include:two.test ?all",
            "v=spf1 include:_spf.host.test include:two.test ~all",
        ),
    ],
)
def test_ours_comes_before_an_include_whose_own_fault_stops_the_evaluation(record, wanted):
    names = {**NAMES, "kunde.test": {"TXT": [record]}}
    result, _server = look("dns_spf", {"names": names})
    given = {r.value for f in result.findings if f.fix for r in f.fix.records}
    assert given <= {wanted}
    after, _server = look("dns_spf", {"names": {**names, "kunde.test": {"TXT": [wanted]}}})
    assert [a["result"] for a in after.evidence["addresses"]] == ["pass", "pass"]


def test_a_finding_that_a_record_does_not_cure_carries_no_record():
    result, _server = look(
        "dns_spf",
        {
            "names": {
                **NAMES,
                "kunde.test": {"TXT": ["v=spf1 include:open.test ip4:300.1.1.1 ~all"]},
            }
        },
    )
    fixes = {f.code: f.fix for f in result.findings}
    assert fixes["spf_all_pass"] is None
    assert fixes["spf_syntax"].records


def test_to_try_a_fix_out_does_not_cost_more_queries_than_a_check_may_send():
    fan = {f"m{i}.test": {"MX": [f"{j} h{i}-{j}.test" for j in range(10)]} for i in range(10)}
    record = "v=spf1 " + " ".join(f"mx:m{i}.test" for i in range(10)) + " include:gone.test ?all"
    result, server = look("dns_spf", {"names": {**NAMES, **fan, "kunde.test": {"TXT": [record]}}})
    assert result.status == "fail"
    assert len(asked(server)) <= 40


# -- DKIM

RECORD = f"v=DKIM1; k=rsa; p={keys.spki()}"
OTHER = f"v=DKIM1; k=rsa; p={keys.spki(name='other')}"
KEY = "s1._domainkey.kunde.test"
DKIM = {
    "missing": {},
    "another key": {KEY: {"TXT": [OTHER]}},
    "two keys": {KEY: {"TXT": [RECORD, OTHER]}},
    "two of others": {KEY: {"TXT": [OTHER, "v=spf1 -all"]}},
    "revoked": {KEY: {"TXT": ["v=DKIM1; p="]}},
    "version": {KEY: {"TXT": [RECORD.replace("DKIM1", "DKIM2")]}},
    "quoted": {KEY: {"TXT": [f'"{RECORD}"']}},
    "backslashes": {KEY: {"TXT": [RECORD.replace(";", "\\;")]}},
    "commas": {KEY: {"TXT": [RECORD.replace(";", ",")]}},
    "blanks": {KEY: {"TXT": [RECORD.replace(";", "")]}},
    "another text": {KEY: {"TXT": ["v=spf1 -all"]}},
    "cut off": {KEY: {"TXT": [RECORD[:250]]}},
    "bytes": {KEY: {"TXT": [RECORD + "; n=\x00\xff"]}},
    "tags": {KEY: {"TXT": [RECORD.replace("k=rsa", "k=rsa; h=sha1; s=x; t=y:s")]}},
    "type": {KEY: {"TXT": [RECORD.replace("k=rsa", "k=dsa")]}},
    "doubled": {f"{KEY}.kunde.test": {"TXT": [RECORD]}},
    "at the apex": {"kunde.test": {"TXT": [RECORD, "v=spf1 -all"]}},
    "alias to nothing": {KEY: {"CNAME": ["s1.vendor.example"]}},
    "alias to another key": {
        KEY: {"CNAME": ["s1.vendor.example"]},
        "s1.vendor.example": {"TXT": [OTHER]},
    },
    "alias into the host's zone": {
        KEY: {"CNAME": ["s1.host.test"]},
        "s1.host.test": {"TXT": [OTHER]},
    },
    "wildcard alias": {
        "*.kunde.test": {"CNAME": ["www.vendor.example"]},
        "www.vendor.example": {"A": ["192.0.2.9"]},
    },
    "doubled alias": {
        f"{KEY}.kunde.test": {"CNAME": ["s1.vendor.example"]},
        "s1.vendor.example": {"TXT": [RECORD]},
    },
}


@pytest.mark.parametrize("names", DKIM.values(), ids=DKIM)
def test_the_dkim_record_of_a_fix_leaves_nothing_to_do(names):
    facts = remembers(keys.spki(name="other"))
    _before, records, after = again("dns_dkim", names, portal=signs(), portal_facts=facts)
    assert after == []
    assert not any(
        "vendor.example" in r.name for r in records
    )  # what is not the customer's to publish


@pytest.mark.parametrize(
    "name",
    ["two of others", "version", "quoted", "backslashes", "commas", "blanks", "tags", "doubled"],
)
def test_the_dkim_record_of_a_fix_is_good_where_the_servers_key_is_not_known(name):
    assert again("dns_dkim", DKIM[name])[2] == []


WILD = {"two keys": [RECORD, OTHER], "tags": [RECORD.replace("k=rsa", "k=rsa; t=y")]}


@pytest.mark.parametrize("texts", WILD.values(), ids=WILD)
def test_the_dkim_record_of_a_fix_beats_a_wildcard(texts):
    _before, records, after = again(
        "dns_dkim", {"*._domainkey.kunde.test": {"TXT": texts}}, portal=signs()
    )
    assert [(r.action, r.name) for r in records] == [("add", KEY)]
    assert after == ["dkim_wildcard"]


# -- a wildcard is not a wrong place


@pytest.mark.parametrize(
    ("check_id", "text"), [("dns_spf", "v=spf1 -all"), ("dns_dmarc", "v=DMARC1; p=reject")]
)
def test_what_stands_at_every_name_was_not_put_into_a_wrong_place(check_id, text):
    names = {"*.kunde.test": {"TXT": [text]}, "_dmarc.kunde.test": {"TXT": ["something else"]}}
    before, _records, after = again(check_id, names)
    assert before in (["spf_missing"], ["dmarc_missing"])
    assert after in ([], ["dmarc_policy_none"])  # where DMARC begins


@pytest.mark.parametrize("check_id", ["dns_spf", "dns_dmarc"])
def test_a_record_that_stays_is_not_published_again_and_removed(check_id):
    rua = "rua=mailto:dmarc@host.test"
    names = {
        "kunde.test": {"TXT": ["v=spf1 -all", "v=spf1 include:_spf.host.test -all"]},
        "_dmarc.kunde.test": {"TXT": [f"v=DMARC1;p=none;{rua}", f"v=DMARC1; p=reject; {rua}"]},
    }
    _before, records, _after = again(check_id, names)
    (kept,) = [r for r in records if r.action == "replace"]
    (gone,) = [r for r in records if r.action == "remove"]
    assert kept.value == kept.current != gone.current


def test_control_characters_of_a_misplaced_record_are_shown_escaped():
    names = {"kunde.test.kunde.test": {"TXT": ["v=spf1 \x00\x1b[2J -all"]}}
    result, _server = look("dns_spf", {"names": {**NAMES, **names}})
    texts = [r.current for f in result.findings if f.fix for r in f.fix.records if r.current]
    assert texts
    assert all(t.isprintable() for t in texts)
