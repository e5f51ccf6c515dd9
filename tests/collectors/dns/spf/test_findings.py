"""What is said of includes that lead nowhere, the end, the style, and the tenant's addresses."""

import pytest

from collectors.base import Status
from tests.collectors.lab import codes
from tests.collectors.spf_check import GOOD, finding, found, spf, values

# -- includes and redirects that lead nowhere


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 include:gone.test include:_spf.host.test -all",
        "v=spf1 include:_spf.host.test include:gone.test -all",
    ],
)
def test_an_include_without_record_is_found_before_and_behind_the_match(record):
    result, _server = spf(record)
    assert codes(result) == ["spf_include_missing"]
    assert "gone.test" in result.message
    assert values(result, "spf_include_missing") == [("replace", GOOD)]


def test_a_redirect_without_record_is_found():
    result, _server = spf("v=spf1 redirect=h0.test")
    assert codes(result) == ["spf_include_missing"]
    assert values(result, "spf_include_missing") == [
        ("replace", "v=spf1 include:_spf.host.test ~all")
    ]


OWN_FAULTS = {
    "no record": ["other"],
    "syntax": ["v=spf1 moo -all"],
    "two records": ["v=spf1 ip4:203.0.113.25 -all", "v=spf1 ip6:2001:db8::25 -all"],
    "an address left out": ["v=spf1 ip4:203.0.113.25 -all"],
    "too many lookups": ["v=spf1 " + " ".join(f"a:h{i}.test" for i in range(10)) + " -all"],
}
RECORDS = {
    "named": ["v=spf1 include:_spf.host.test -all"],
    "not named": ["v=spf1 ip4:198.51.100.1 -all"],
    "not named, neutral": ["v=spf1 ip4:198.51.100.1 ?all"],
    "named, with slips": ["v=spf1 ipv4:198.51.100.1 include:_spf.host.test ?all"],
    "several": ["v=spf1 include:_spf.host.test -all", "v=spf1 mx -all"],
    "missing": ["another text"],
    "nearly": ["v=spf1; mx -all"],
}


@pytest.mark.parametrize("texts", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("own", OWN_FAULTS.values(), ids=OWN_FAULTS)
def test_while_our_own_include_is_broken_no_customer_gets_a_record(own, texts):
    result, _server = spf(*texts, names={"_spf.host.test": {"TXT": own}})
    assert result.status == "fail"
    assert not [f for f in result.findings if f.fix and f.fix.records]
    assert any("Our SPF include _spf.host.test" in f.fix.text for f in result.findings if f.fix)
    ours = [f for f in result.findings if f.owner == "host"]
    assert {f.because.check_id for f in ours} <= {"server_spf"}
    for f in result.findings:
        if f.code in ("spf_sender_not_authorised", "spf_missing"):
            assert f.owner == "host"


INTERNAL = ["10.10.10.112", "192.168.1.5", "100.64.0.1", "127.0.0.1", "fd00::25", "fe80::1"]


@pytest.mark.parametrize("texts", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("include", ["", "_spf.host.test"])
@pytest.mark.parametrize("beside", [(), ("203.0.113.25",)])
@pytest.mark.parametrize("internal", INTERNAL)
def test_a_sending_address_that_is_not_on_the_internet_is_no_customers_fault(
    internal, beside, include, texts
):
    """Whoever sets a server up knows its address in its own network best."""
    settings = {"sending_ips": (internal, *beside), "spf_include": include}
    result, _server = spf(*texts, config_changes={"allowed_networks": ()}, **settings)
    assert result.status == "fail"
    assert not [f for f in result.findings if f.fix and f.fix.records]
    for f in result.findings:
        if f.code in ("spf_sender_not_authorised", "spf_missing"):
            assert (f.owner, f.because.code) == ("host", "server_ptr_broken")
            assert f"sending address {internal} is not on the internet" in f.message


def test_a_sending_address_in_a_network_of_the_operators_is_held_against_the_record():
    found_here, _server = spf("v=spf1 -all", sending_ips=("127.0.0.9",), spf_include="")
    (refused,) = [f for f in found_here.findings if f.code == "spf_sender_not_authorised"]
    assert refused.owner == "customer" and "ip4:127.0.0.9" in refused.fix.records[0].value


def test_a_broken_include_of_ours_does_not_matter_to_a_record_that_does_without_it():
    record = "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 ?all"
    result, _server = spf(record, names={"_spf.host.test": {"TXT": ["other"]}})
    assert codes(result) == ["spf_all_neutral"]
    assert values(result, "spf_all_neutral") == [("replace", record.replace("?", "~"))]


def test_an_include_that_depends_on_the_address_is_judged_for_ours_only():
    record = "v=spf1 include:_spf.host.test include:%{i}.x.test -all"
    assert found(record) == []


# -- the end of the record


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v=spf1 include:_spf.host.test +all", GOOD.replace("-", "~")),
        ("v=spf1 include:_spf.host.test all", GOOD.replace("-", "~")),
        ("v=spf1 ip4:0.0.0.0/0 include:_spf.host.test -all", GOOD),
        ("v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 include:_spf.host.test -all", GOOD),
        ("v=spf1 ip6:::/0 include:_spf.host.test -all", GOOD),
        ("v=spf1 a:h0.test/0 include:_spf.host.test -all", GOOD),
    ],
)
def test_a_record_that_lets_everyone_send_is_a_failure(record, wanted):
    """Case 56."""
    result, _server = spf(record)
    assert "spf_all_pass" in codes(result) and set(codes(result)) <= {
        "spf_all_pass",
        "spf_sender_not_authorised",
    }
    assert values(result, "spf_all_pass") == [("replace", wanted)]


def test_everyone_may_send_through_an_include_too():
    names = {
        "i.test": {"TXT": ["v=spf1 +all"]},
        "half1.test": {"TXT": ["v=spf1 ip4:0.0.0.0/1 -all"]},
    }
    result, _server = spf("v=spf1 include:_spf.host.test include:i.test -all", names=names)
    assert codes(result) == ["spf_all_pass"] and "i.test" in result.message
    assert found(
        "v=spf1 include:_spf.host.test include:half1.test ip4:128.0.0.0/1 -all", names=names
    ) == ["spf_all_pass"]
    assert found("v=spf1 redirect=i.test", names=names) == ["spf_all_pass"]


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 include:_spf.host.test ?include:i.test -all",
        "v=spf1 include:_spf.host.test ?ip4:0.0.0.0/0 -all",
        "v=spf1 include:_spf.host.test ip4:0.0.0.0/1 ip4:128.0.0.0/2 -all",
        "v=spf1 include:_spf.host.test ~all +all",
    ],
)
def test_what_does_not_let_everyone_send_is_not_called_that(record):
    assert "spf_all_pass" not in found(record, names={"i.test": {"TXT": ["v=spf1 +all"]}})


def test_a_neutral_end_is_a_warning():
    result, _server = spf("v=spf1 include:_spf.host.test ?all")
    assert (result.status, codes(result)) == (Status.WARN, ["spf_all_neutral"])
    assert values(result, "spf_all_neutral") == [("replace", "v=spf1 include:_spf.host.test ~all")]


def test_a_missing_end_is_a_warning():
    result, _server = spf("v=spf1 include:_spf.host.test")
    assert (result.status, codes(result)) == (Status.WARN, ["spf_all_missing"])
    assert values(result, "spf_all_missing") == [("replace", "v=spf1 include:_spf.host.test ~all")]


def test_the_end_of_a_redirect_is_the_end():
    names = {
        "r.test": {"TXT": ["v=spf1 include:_spf.host.test ?all"]},
        "q.test": {"TXT": ["v=spf1 include:_spf.host.test"]},
    }
    result, _server = spf("v=spf1 redirect=r.test", names=names)
    assert codes(result) == ["spf_all_neutral"] and "r.test" in result.message
    assert found("v=spf1 redirect=q.test", names=names) == ["spf_all_missing"]


# -- style


def test_reverse_lookups_are_a_warning():
    assert found("v=spf1 include:_spf.host.test ptr -all") == ["spf_ptr"]
    assert found("v=spf1 include:_spf.host.test exists:%{p}.x.test -all") == ["spf_ptr"]
    assert (
        found(
            "v=spf1 include:_spf.host.test ?include:i.test -all",
            names={"i.test": {"TXT": ["v=spf1 ptr -all"]}},
        )
        == []
    )


def test_terms_behind_all_are_a_warning_and_are_moved():
    result, _server = spf("v=spf1 include:_spf.host.test -all a:h0.test")
    assert (result.status, codes(result)) == (Status.WARN, ["spf_terms_after_all"])
    assert values(result, "spf_terms_after_all") == [
        ("replace", "v=spf1 include:_spf.host.test a:h0.test -all")
    ]
    assert found("v=spf1 redirect=h0.test include:_spf.host.test -all") == ["spf_terms_after_all"]
    assert found("v=spf1 include:_spf.host.test -all exp=e.test foo=bar") == []


def test_a_record_over_450_bytes_is_a_warning():
    def record(size):
        start = "v=spf1 include:_spf.host.test ip4:192.0.2.1"
        return start + " " * (size - len(start) - 5) + " -all"

    assert len(record(450)) == 450
    assert found(record(450)) == []
    assert found(record(451)) == ["spf_record_long"]


# -- the tenant's addresses


def test_an_address_that_is_not_covered_is_named_with_the_term_that_decided():
    """Case 60."""
    result, _server = spf("v=spf1 ip4:203.0.113.25 -all")
    assert codes(result) == ["spf_sender_not_authorised"]
    assert (
        "2001:db8::25" in result.message
        and "fail" in result.message
        and "“-all” of kunde.test" in result.message
    )
    assert values(result, "spf_sender_not_authorised") == [
        ("replace", "v=spf1 ip4:203.0.113.25 include:_spf.host.test -all")
    ]


def test_one_finding_for_each_address():
    result, _server = spf(
        "v=spf1 include:o.test ~all", names={"o.test": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]}}
    )
    assert codes(result) == ["spf_sender_not_authorised"] * 2
    assert values(result, "spf_sender_not_authorised") == [
        ("replace", "v=spf1 include:o.test include:_spf.host.test ~all")
    ]


def test_without_an_include_only_the_missing_addresses_are_added():
    result, _server = spf("v=spf1 ip4:203.0.113.25 -all", spf_include="")
    assert values(result, "spf_sender_not_authorised") == [
        ("replace", "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all")
    ]


def test_a_term_that_decides_against_us_comes_behind_ours():
    result, _server = spf("v=spf1 mx:h1.test -ip4:203.0.113.0/24 include:_spf.host.test -all")
    assert set(codes(result)) == {"spf_sender_not_authorised"}
    assert values(result, "spf_sender_not_authorised") == [
        ("replace", "v=spf1 mx:h1.test include:_spf.host.test -ip4:203.0.113.0/24 -all")
    ]


def test_an_include_of_the_host_that_does_not_list_the_address_is_the_hosts_to_correct():
    result, _server = spf(GOOD, sending_ips=("203.0.113.99",))
    bad = finding(result, "spf_sender_not_authorised")
    assert (bad.owner, bad.fix.records) == ("host", ())
    assert "_spf.host.test" in bad.message


def test_a_mapped_sending_address_is_the_ipv4_one():
    """Case 59."""
    assert found(GOOD, sending_ips=("::ffff:203.0.113.25",)) == []


def test_bytes_that_are_no_ascii_are_shown_escaped_in_the_message():
    result, _server = spf({"hex": "v=spf1 \u0430 mx -all".encode().hex()})
    assert "term 1, “\\xd0\\xb0”" in finding(result, "spf_syntax").message
