"""Where reports are asked to go, and what authorises it (RFC 9990, section 4)."""

import pytest

from collectors.base import Owner, Status
from tests.collectors.dns.dmarc.lab import FIRST, NAME, OTHERS, asked, check, finding, records
from tests.collectors.lab import codes

# -- reports


def test_no_address_for_reports_is_a_warning_with_the_tenants_address_as_cure():
    result, _ = check("v=DMARC1; p=reject")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_no_rua"])
    assert records(result, "dmarc_no_rua") == [
        ("replace", NAME, "v=DMARC1; p=reject; rua=mailto:dmarc@host.test", "v=DMARC1; p=reject")
    ]
    result, _ = check("v=DMARC1; p=reject", dmarc_rua="")
    assert finding(result, "dmarc_no_rua").fix.records == ()
    assert "rua=mailto" in finding(result, "dmarc_no_rua").fix.text


def test_an_address_that_lacks_only_its_mailto_gets_it_in_the_fix():
    result, _ = check("v=DMARC1; p=reject; rua=me@kunde.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_invalid"])
    assert (
        records(result, "dmarc_rua_invalid")[0][2] == "v=DMARC1; p=reject; rua=mailto:me@kunde.test"
    )


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "https://x.test/",
        "mailto:",
        "data:text/html,<script>alert(1)</script>",
    ],
)
def test_an_address_that_is_none_is_a_warning_and_never_in_a_fix(uri):
    """Case 64."""
    result, _ = check(f"v=DMARC1; p=reject; rua={uri}, mailto:me@kunde.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_invalid"])
    assert (
        records(result, "dmarc_rua_invalid")[0][2] == "v=DMARC1; p=reject; rua=mailto:me@kunde.test"
    )
    assert result.evidence["reports"][0]["problem"]
    assert "authorised" not in result.evidence["reports"][0]
    result, _ = check(f"v=DMARC1; p=reject; rua={uri}")
    assert codes(result) == ["dmarc_rua_invalid"]
    assert (
        records(result, "dmarc_rua_invalid")[0][2]
        == "v=DMARC1; p=reject; rua=mailto:dmarc@host.test"
    )


def test_a_destination_outside_without_its_record_is_a_warning():
    """Case 64."""
    result, server = check("v=DMARC1; p=reject; rua=mailto:x@reports.elsewhere.test")
    name = "kunde.test._report._dmarc.reports.elsewhere.test"
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_unauthorised"])
    assert name in asked(server)
    assert result.evidence["reports"][0]["authorised"] is False
    assert records(result, "dmarc_rua_unauthorised") == [("add", name, "v=DMARC1;", None)]
    assert "reports.elsewhere.test" in finding(result, "dmarc_rua_unauthorised").fix.text


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("v=DMARC1", 1),
        ("v=DMARC1; rua=mailto:y@reports.elsewhere.test", 1),
        ("v=dmarc1", 0),
        ("v=spf1 -all", 0),
        ("yes", 0),
    ],
)
def test_a_destination_is_authorised_by_a_dmarc_record_and_by_nothing_else(text, good):
    names = {"kunde.test._report._dmarc.reports.elsewhere.test": {"TXT": ["other", text]}}
    result, _ = check("v=DMARC1; p=reject; rua=mailto:x@reports.elsewhere.test", names=names)
    assert result.status == (Status.OK if good else Status.WARN)


@pytest.mark.parametrize(
    ("instead", "by"),
    [
        ("mailto:y@d.test", True),
        ("mailto:z@victim.test", False),
        ("mailto:y@d.test,mailto:z@victim.test", False),
        ("https://victim.test/", True),
    ],
)
def test_a_destination_may_name_another_address_at_its_own_host_only(instead, by):
    """RFC 9990, 4: an override to another host authorises neither."""
    name = "kunde.test._report._dmarc.d.test"
    result, _ = check(
        "v=DMARC1; p=reject; rua=mailto:x@d.test",
        names={name: {"TXT": [f"v=DMARC1; rua={instead}"]}},
    )
    (seen,) = result.evidence["reports"]
    assert seen["authorised"] is by
    assert seen.get("redirected_to") == (["y@d.test"] if instead == "mailto:y@d.test" else None)
    if not by:
        fix = finding(result, "dmarc_rua_unauthorised").fix
        assert fix.records == ()  # beside the record that stands there, another does not help
        assert name in fix.text


def test_a_destination_in_the_same_organisation_needs_no_record():
    result, server = check("v=DMARC1; p=reject; rua=mailto:a@kunde.test,mailto:b@mail.kunde.test")
    assert result.status == Status.OK
    assert asked(server) == [NAME, "_dmarc.test", "_dmarc.mail.kunde.test"]
    parent = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=none"]}}
    result, server = check(
        "v=DMARC1; p=reject; rua=mailto:a@parent.test", domain="mail.parent.test", names=parent
    )
    assert result.status == Status.OK
    assert not any("_report" in name for name in asked(server))


def test_a_parent_without_a_record_is_another_organisation():
    """RFC 9989, 4.10.2: the walk decides, not the public suffix list."""
    text = "v=DMARC1; p=reject; rua=mailto:a@parent.test"
    result, _server = check(text, domain="mail.parent.test")
    assert codes(result) == ["dmarc_rua_unauthorised"]
    name = "mail.parent.test._report._dmarc.parent.test"
    assert records(result, "dmarc_rua_unauthorised") == [("add", name, "v=DMARC1;", None)]
    allowed = {name: {"TXT": ["v=DMARC1"]}}
    assert check(text, domain="mail.parent.test", names=allowed)[0].status == Status.OK


def test_a_border_drawn_with_psd_n_makes_the_parent_a_stranger():
    result, _ = check(
        "v=DMARC1; p=reject; psd=n; rua=mailto:a@parent.test,mailto:b@x.mail.parent.test",
        domain="mail.parent.test",
    )
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_unauthorised"])
    assert [r["authorised"] for r in result.evidence["reports"]] == [False, True]


def test_a_record_above_two_names_makes_them_one_organisation():
    """RFC 9989, 4.10.2: a record without `psd=y` at github.io makes it an organizational domain."""
    names = {"_dmarc.github.io": {"TXT": ["v=DMARC1; p=reject"]}}
    text = "v=DMARC1; p=reject; rua=mailto:a@reports.github.io"
    assert check(text, domain="kunde.github.io", names=names)[0].status == Status.OK
    assert codes(check(text, domain="kunde.github.io")[0]) == ["dmarc_rua_unauthorised"]
    many = "v=DMARC1; p=reject; rua=" + ",".join(f"mailto:a@{i}.github.io" for i in range(12))
    result, server = check(many, domain="kunde.github.io", names=names)
    assert [r["authorised"] for r in result.evidence["reports"]] == [True] * 10 + [None] * 2
    assert "_dmarc.10.github.io" not in asked(server)


def test_a_destination_that_cannot_be_verified_is_unknown_unless_something_worse_stands():
    rules = [{"name": "kunde.test._report._dmarc.d.test", "action": "servfail"}]
    result, _ = check("v=DMARC1; p=reject; rua=mailto:x@d.test", rules=rules)
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_servfail"])
    assert result.evidence["reports"][0]["authorised"] is None
    result, _ = check("v=DMARC1; p=none; rua=mailto:x@d.test", rules=rules)
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_policy_none", "dns_servfail"])


def test_addresses_for_failure_reports_are_verified_and_judge_nothing():
    rules = [{"name": "kunde.test._report._dmarc.e.test", "action": "servfail"}]
    result, _ = check(
        "v=DMARC1; p=reject; rua=mailto:me@kunde.test; "
        "ruf=mailto:x@d.test,mailto:x@e.test,nonsense",
        rules=rules,
    )
    assert (result.status, codes(result)) == (Status.OK, [])
    assert [r.get("authorised", "none") for r in result.evidence["reports"]] == [
        True,
        False,
        None,
        "none",
    ]


def test_a_name_too_long_for_dns_is_not_asked():
    host = ".".join(["x" * 60] * 4)
    result, server = check(f"v=DMARC1; p=reject; rua=mailto:a@{host}")
    assert codes(result) == ["dmarc_rua_unauthorised"]
    assert not any("_report" in name and host in name for name in asked(server))
    assert finding(result, "dmarc_rua_unauthorised").fix is None


# -- our own address for reports


SILENT = {"*._report._dmarc.host.test": {"TXT": ["nothing"]}}


@pytest.mark.parametrize("texts", [(), ("v=DMARC1; p=none",), ("v=DMARC1; p=reject",)])
def test_our_own_address_that_takes_no_reports_is_ours_to_mend_and_in_no_fix(texts):
    result, _server = check(*texts, names=SILENT, beside=OTHERS)
    found = finding(result, "dmarc_no_rua" if texts else "dmarc_missing")
    assert found.owner == Owner.HOST
    assert found.fix.records == ()
    assert "dmarc@host.test" in found.fix.text
    assert not any(f.fix and f.fix.records for f in result.findings)


def test_reports_that_our_own_address_does_not_take_are_the_hosts_finding():
    result, _server = check("v=DMARC1; p=reject; rua=mailto:dmarc@host.test", names=SILENT)
    found = finding(result, "dmarc_rua_unauthorised")
    assert (found.owner, found.fix.records) == (Owner.HOST, ())
    assert found.because.code == "server_reports_broken"


def test_reports_of_a_domain_above_that_our_address_does_not_take_are_the_hosts_too():
    """Also where it takes those about the domain itself."""
    names = {
        "_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]},
        "*._report._dmarc.host.test": {"TXT": ["nothing"]},
        "mail.parent.test._report._dmarc.host.test": {"TXT": ["v=DMARC1"]},
    }
    result, _server = check(domain="mail.parent.test", names=names)
    found = finding(result, "dmarc_rua_unauthorised")
    assert (found.owner, found.fix.records) == (Owner.HOST, ())
    assert "about parent.test" in found.fix.text


def test_an_address_of_ours_that_lists_this_customer_is_good_for_it():
    own = {"kunde.test._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]}, **SILENT}
    result, _server = check(names=own)
    assert records(result, "dmarc_missing") == [("add", NAME, FIRST, None)]


def test_a_record_that_names_other_addresses_is_mended_without_ours():
    result, _server = check("v=dmarc1; p=reject; rua=mailto:me@kunde.test", names=SILENT)
    assert records(result, "dmarc_syntax")[0][2] == "v=DMARC1; p=reject; rua=mailto:me@kunde.test"
